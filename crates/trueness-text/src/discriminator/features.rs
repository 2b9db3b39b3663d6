//! Hashed n-gram features of sentences.

use crate::corpus::Encoded;
use trueness_core::Seed;

/// Marks the beginning and the end of a sentence in n-grams; no token has this number.
const BOUNDARY: u32 = u32::MAX;

/// Which n-grams are features, and into how many buckets they are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureConfig {
    /// The longest n-gram, in tokens, from 1 on; the sentence's boundaries count as tokens.
    pub max_order: u32,
    /// The binary logarithm of the number of buckets, from 1 to 32.
    pub bits: u32,
}

/// The features of many sentences: for each the buckets of its distinct n-grams, all in one array.
/// A feature's value is 1/√k for a sentence with k features, so that every sentence has length 1.
#[derive(Clone, Debug)]
pub struct Features {
    buckets: Vec<u32>,
    ends: Vec<usize>,
}

impl Features {
    /// Hashes the n-grams of every sentence. The hash depends on the seed, so that classifiers with
    /// different seeds do not share their collisions.
    pub fn of(sentences: &Encoded, config: FeatureConfig, seed: Seed) -> Self {
        let hasher = Hasher::new(config, seed);
        let mut features = Self { buckets: Vec::with_capacity(sentences.n_tokens() * 3), ends: vec![0] };
        let mut row = Vec::new();
        for sentence in sentences.iter() {
            hasher.row(sentence, &mut row);
            features.buckets.extend_from_slice(&row);
            features.ends.push(features.buckets.len());
        }
        features
    }

    /// The buckets of sentence `i`.
    pub fn row(&self, i: usize) -> &[u32] {
        &self.buckets[self.ends[i]..self.ends[i + 1]]
    }

    /// How many sentences there are.
    pub fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Gives every n-gram of a sentence its bucket.
#[derive(Clone, Copy, Debug)]
pub struct Hasher {
    config: FeatureConfig,
    key: u64,
}

impl Hasher {
    /// The hasher of a configuration and a seed.
    pub fn new(config: FeatureConfig, seed: Seed) -> Self {
        Self { config, key: seed.child("features/hash").to_u53() }
    }

    /// The hasher of a configuration and a key, which [`Hasher::key`] tells.
    pub(crate) fn with_key(config: FeatureConfig, key: u64) -> Self {
        Self { config, key }
    }

    /// What distinguishes this hasher from others of its configuration, below 2⁵³.
    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// The buckets of a sentence's distinct n-grams, in order.
    pub(crate) fn row(&self, sentence: &[u32], row: &mut Vec<u32>) {
        row.clear();
        self.each(sentence, |_, _, bucket| row.push(bucket));
        row.sort_unstable();
        row.dedup();
    }

    /// Calls `visit(start, order, bucket)` for every n-gram; `start` counts from 0 with the opening
    /// boundary at 0, so that token i stands at i + 1.
    pub fn each(&self, sentence: &[u32], mut visit: impl FnMut(usize, usize, u32)) {
        let at = |i: usize| if i == 0 || i == sentence.len() + 1 { BOUNDARY } else { sentence[i - 1] };
        let shift = 64 - self.config.bits;
        for start in 0..sentence.len() + 2 {
            let mut hash = self.key;
            for order in 1..=(self.config.max_order as usize).min(sentence.len() + 2 - start) {
                hash = mix(hash ^ u64::from(at(start + order - 1)).wrapping_add(order as u64) << 1);
                // A lone boundary says nothing: every sentence has it.
                if order > 1 || (start > 0 && start <= sentence.len()) {
                    visit(start, order, (hash >> shift) as u32);
                }
            }
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014): every output bit depends on every input bit.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_has_as_many_features_as_distinct_n_grams() {
        let sentences: Encoded = [vec![1, 2, 1, 2], vec![]].into_iter().collect();
        let config = FeatureConfig { max_order: 2, bits: 26 };
        let features = Features::of(&sentences, config, Seed::new(1));
        // 1, 2; ^1, 1 2, 2 1, 2$.
        assert_eq!(features.row(0).len(), 6);
        // An empty sentence has only the pair of its boundaries.
        assert_eq!(features.row(1).len(), 1);
        assert_ne!(features.row(0), Features::of(&sentences, config, Seed::new(2)).row(0));
    }

    #[test]
    fn buckets_are_in_range_and_spread() {
        let sentences: Encoded = (0..2000u32).map(|i| [i]).collect();
        let config = FeatureConfig { max_order: 1, bits: 20 };
        let features = Features::of(&sentences, config, Seed::new(3));
        let mut all: Vec<u32> = (0..2000).map(|i| features.row(i)[0]).collect();
        assert!(all.iter().all(|b| *b < 1 << 20));
        all.sort_unstable();
        all.dedup();
        // Two thousand balls into a million bins collide about twice.
        assert!(all.len() > 1985, "{}", all.len());
    }
}
