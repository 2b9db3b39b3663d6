//! Hashed n-grams: sentence vectors without training.
//!
//! Each n-gram of words (orders 1 to 3 unless changed) has a vector of random signs ±1 that depends on
//! its words alone. A sentence of m n-grams is v = (m·d)^−½ · Σ r(g) over its n-grams g, repeated ones
//! counted as often as they stand there. Since the signs of different n-grams are independent,
//! E⟨v, v'⟩ = Σ_g tf(g)·tf'(g) / √(m·m'): the inner product of n-gram counts, each divided by the
//! square root of the sentence's length, with a standard deviation of order 1/√d (signed random
//! projection: Achlioptas 2003). A sentence without words is the zero vector.

use super::Embeddings;
use crate::corpus::{Encoded, Vocabulary};
use crate::error::{Error, Result};
use rayon::prelude::*;

/// The form of hashed n-gram embeddings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedOptions {
    /// The longest n-gram, at least 1. Default: 3.
    pub order: usize,
    /// The number of dimensions, at least 1. Default: 128.
    pub dims: usize,
}

impl Default for HashedOptions {
    fn default() -> Self {
        Self { order: 3, dims: 128 }
    }
}

/// Embeds sentences by hashed n-grams. The vectors depend on the words, not on the numbers that the
/// vocabulary gave them.
///
/// # Errors
/// An order or a dimension of 0, or no sentences.
pub fn hashed(encoded: &Encoded, vocabulary: &Vocabulary, options: &HashedOptions) -> Result<Embeddings> {
    let &HashedOptions { order, dims } = options;
    if order == 0 || dims == 0 {
        return Err(Error::Input(format!("expected an order and dimensions of at least 1, got {order} and {dims}")));
    }
    let words: Vec<u64> = vocabulary.words().par_iter().map(|word| hash(word)).collect();
    let mut data = vec![0.0f32; encoded.len() * dims];
    data.par_chunks_mut(dims).enumerate().for_each(|(i, vector)| {
        let sentence = encoded.sentence(i);
        let mut count = 0usize;
        for n in 1..=order.min(sentence.len()) {
            for ngram in sentence.windows(n) {
                let key = ngram.iter().fold(n as u64, |key, &id| {
                    // A number outside the vocabulary stands for itself.
                    mix(key ^ words.get(id as usize).copied().unwrap_or_else(|| mix(u64::from(id))))
                });
                add_signs(vector, key);
                count += 1;
            }
        }
        let scale = 1.0 / ((count.max(1) * dims) as f32).sqrt();
        vector.iter_mut().for_each(|x| *x *= scale);
    });
    Embeddings::new(encoded.len(), dims, data, format!("hashed-1-{order}gram-d{dims}"))
}

/// Adds the random signs of an n-gram: sign j is bit j mod 64 of the (j div 64)-th word of its stream.
fn add_signs(vector: &mut [f32], key: u64) {
    for (block, chunk) in vector.chunks_mut(64).enumerate() {
        let bits = mix(key.wrapping_add((block as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        for (j, x) in chunk.iter_mut().enumerate() {
            // Bit 1 gives +1, bit 0 gives −1: the sign bit of 1.0 is set where the bit is clear.
            *x += f32::from_bits(0x3f80_0000 | ((!(bits >> j) as u32) & 1) << 31);
        }
    }
}

/// The hash of a word: the first 8 bytes of its BLAKE3, the same on every machine.
fn hash(word: &str) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&blake3::hash(word.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(bytes)
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014), a bijection with full avalanche.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn encode(sentences: &[&str]) -> (Encoded, Vocabulary) {
        let mut vocabulary = Vocabulary::new();
        let encoded = sentences
            .iter()
            .map(|s| s.split_whitespace().map(|word| vocabulary.add(word)).collect::<Vec<u32>>())
            .collect();
        (encoded, vocabulary)
    }

    /// Σ_g tf(g)·tf'(g) / √(m·m'), straight from the definition.
    fn inner(a: &str, b: &str) -> f64 {
        let counts = |text: &str| {
            let words: Vec<&str> = text.split(' ').collect();
            let mut counts: BTreeMap<String, f64> = BTreeMap::new();
            for n in 1..=3 {
                words.windows(n).for_each(|gram| *counts.entry(gram.join(" ")).or_default() += 1.0);
            }
            counts
        };
        let (a, b) = (counts(a), counts(b));
        let (m, n): (f64, f64) = (a.values().sum(), b.values().sum());
        a.iter().map(|(gram, x)| x * b.get(gram).unwrap_or(&0.0)).sum::<f64>() / (m * n).sqrt()
    }

    #[test]
    fn inner_products_are_those_of_counts() {
        let sentences = ["a cat sat on a mat", "a cat sat on the mat", "dogs run", "a a a a a"];
        let (encoded, vocabulary) = encode(&sentences);
        let dims = 40_000;
        let vectors = hashed(&encoded, &vocabulary, &HashedOptions { order: 3, dims }).unwrap();
        for (i, x) in vectors.iter().enumerate() {
            for (j, y) in vectors.iter().enumerate() {
                let dot: f64 = x.iter().zip(y).map(|(x, y)| f64::from(x * y)).sum();
                // The norms are below 3, so five standard deviations are below 15/√d.
                let expected = inner(sentences[i], sentences[j]);
                assert!((dot - expected).abs() < 15.0 / (dims as f64).sqrt(), "{i} {j}: {dot} {expected}");
            }
        }
    }

    #[test]
    fn vectors_depend_on_words_alone() {
        let (one, vocabulary) = encode(&["x y", "a b", ""]);
        let (two, other) = encode(&["a b"]);
        let options = HashedOptions::default();
        let (one, two) = (hashed(&one, &vocabulary, &options).unwrap(), hashed(&two, &other, &options).unwrap());
        assert_eq!(one.iter().nth(1), two.iter().next());
        assert!(one.iter().nth(2).unwrap().iter().all(|&x| x == 0.0));
        assert_eq!(one.signature(), "hashed-1-3gram-d128");
    }

    #[test]
    fn the_hash_is_the_same_everywhere() {
        // SplitMix64 started at 0 first gives this (Vigna's reference value).
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
    }
}
