//! The unsmoothed n-gram model as a generator: text whose every n-gram stands in the training text.

use super::counts::{BEGIN, END};
use crate::corpus::Encoded;
use crate::{Error, Result};
use rand::RngExt;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use trueness_core::Seed;

/// A maximum-likelihood n-gram model: the next word is drawn with its relative frequency after the last
/// n − 1 words, the beginning and the end of a sentence counted as words. It never leaves the n-grams of
/// its training text, which makes it a generator of known and graded faults: the smaller n, the worse.
#[derive(Clone, Debug)]
pub struct NgramSampler {
    order: usize,
    /// The last n − 1 words → where their continuations lie.
    contexts: FxHashMap<Vec<u32>, std::ops::Range<usize>>,
    /// Continuations, and for each the sum of counts in its context up to and including it.
    words: Vec<u32>,
    cumulative: Vec<u64>,
}

impl NgramSampler {
    /// Counts the n-grams of a text.
    ///
    /// # Errors
    /// If there are no sentences, the order is not from 1 to 8, or a token id is not below 2³² − 2.
    pub fn fit(text: &Encoded, order: usize) -> Result<Self> {
        if !(1..=8).contains(&order) {
            return Err(Error::Input(format!("an n-gram sampler has an order from 1 to 8; got {order}")));
        }
        if text.is_empty() {
            return Err(Error::Input("an n-gram sampler needs at least one sentence; got none".to_owned()));
        }
        if let Some(id) = text.iter().flatten().find(|&&id| id >= END) {
            return Err(Error::Input(format!("an n-gram sampler expected token ids below {END}; got {id}")));
        }
        let mut ngrams: Vec<Vec<u32>> = Vec::with_capacity(text.n_tokens() + text.len());
        for sentence in text.iter() {
            let padded: Vec<u32> =
                std::iter::repeat_n(BEGIN, order - 1).chain(sentence.iter().copied()).chain([END]).collect();
            ngrams.extend(padded.windows(order).map(<[u32]>::to_vec));
        }
        ngrams.sort_unstable();
        let mut sampler = Self { order, contexts: FxHashMap::default(), words: Vec::new(), cumulative: Vec::new() };
        for group in ngrams.chunk_by(|a, b| a[..order - 1] == b[..order - 1]) {
            let start = sampler.words.len();
            let mut sum = 0;
            for same in group.chunk_by(|a, b| a == b) {
                sum += same.len() as u64;
                sampler.words.push(same[0][order - 1]);
                sampler.cumulative.push(sum);
            }
            sampler.contexts.insert(group[0][..order - 1].to_vec(), start..sampler.words.len());
        }
        Ok(sampler)
    }

    /// Draws `n` sentences, cut off after `max_length` words. Sentence i depends on `seed.nth(i)` alone.
    pub fn sample(&self, n: usize, seed: Seed, max_length: usize) -> Encoded {
        let draw = |i: usize| {
            let mut rng = seed.nth(i as u64).rng();
            let mut words = vec![BEGIN; self.order - 1];
            while words.len() < max_length + self.order - 1 {
                let context = &words[words.len() + 1 - self.order..];
                // Every context that can be reached was followed by something in the training text.
                let Some(range) = self.contexts.get(context) else { break };
                let cumulative = &self.cumulative[range.clone()];
                let target = rng.random_range(0..cumulative.last().copied().unwrap_or(1));
                let word = self.words[range.start + cumulative.partition_point(|&sum| sum <= target)];
                if word == END {
                    break;
                }
                words.push(word);
            }
            words.split_off(self.order - 1)
        };
        (0..n).into_par_iter().map(draw).collect::<Vec<_>>().into_iter().collect()
    }

    /// The order n.
    pub fn order(&self) -> usize {
        self.order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ngrams(text: &Encoded, order: usize) -> BTreeSet<Vec<u32>> {
        let padded = text.iter().map(|sentence| {
            [&vec![BEGIN; order - 1], sentence, &[END]].concat().windows(order).map(<[u32]>::to_vec).collect::<Vec<_>>()
        });
        padded.flatten().collect()
    }

    proptest! {
        #[test]
        fn samples_never_leave_the_training_ngrams(
            sentences in proptest::collection::vec(proptest::collection::vec(0u32..5, 0..8), 1..20),
            order in 1usize..=4,
            seed in 0u64..1000,
        ) {
            let text: Encoded = sentences.iter().collect();
            let sampler = NgramSampler::fit(&text, order).unwrap();
            let drawn = sampler.sample(20, Seed::new(seed), 1000);
            prop_assert!(ngrams(&drawn, order).is_subset(&ngrams(&text, order)));
            prop_assert!(sampler.sample(5, Seed::new(seed), 3).iter().all(|sentence| sentence.len() <= 3));
        }
    }

    #[test]
    fn words_come_with_their_relative_frequencies() {
        // After "0" comes "1" three times out of four; a binomial's standard deviation at 10,000 is 43.
        let text: Encoded = [[0u32, 1], [0, 1], [0, 1], [0, 2]].iter().collect();
        let drawn = NgramSampler::fit(&text, 2).unwrap().sample(10_000, Seed::new(5), 10);
        let ones = drawn.iter().filter(|sentence| sentence == &[0, 1]).count();
        assert!(ones.abs_diff(7500) < 5 * 43, "{ones}");
    }
}
