//! Classifiers that see only a sentence's surface: its length, or its punctuation. Where one of them
//! already wins, a large discrepancy may be a matter of formatting.

use super::protocol::{FEWEST, Parts};
use crate::corpus::Encoded;
use crate::error::{Error, Result};
use crate::metric::discrepancy::{Discrepancy, Scores};
use std::collections::BTreeMap;
use trueness_core::Seed;

/// What a surface classifier sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// The number of tokens.
    Length,
    /// The punctuation marks in order, and whether the first letter is a capital.
    Punctuation,
}

impl Surface {
    /// What the classifier sees of a sentence, as a key of a table.
    fn key(self, text: &str, tokens: usize) -> String {
        match self {
            Self::Length => tokens.to_string(),
            Self::Punctuation => {
                let capital = text.chars().find(|c| c.is_alphabetic()).is_some_and(char::is_uppercase);
                let marks = text.chars().filter(|c| !c.is_alphanumeric() && !c.is_whitespace());
                let end = text.chars().next_back().is_some_and(char::is_alphanumeric);
                std::iter::once(if capital { 'A' } else { 'a' })
                    .chain(marks.take(32))
                    .chain(end.then_some('$'))
                    .collect()
            }
        }
    }
}

/// The discrepancy that a surface classifier alone reaches: a table of how often each key is real,
/// learned on the protocol's training sentences and read on its held-out ones.
///
/// # Errors
/// [`Error::Input`] for fewer than ten sentences on a side, or three different real ones.
pub fn surface_discrepancy(
    surface: Surface,
    real: (&[String], &Encoded),
    generated: (&[String], &Encoded),
    resamples: usize,
    seed: Seed,
) -> Result<Discrepancy> {
    let n = real.1.len().min(generated.1.len());
    if n < FEWEST {
        return Err(Error::Input(format!("a classifier needs at least {FEWEST} sentences of each side, got {n}")));
    }
    let parts =
        [Parts::draw_whole(&real.1.first(n), seed.child("split/real"))?, Parts::draw(n, seed.child("split/generated"))];
    let key = |side: (&[String], &Encoded), i: usize| surface.key(&side.0[i], side.1.sentence(i).len());
    let mut table: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for (label, (side, part)) in [(real, &parts[0]), (generated, &parts[1])].into_iter().enumerate() {
        for &i in part.train.iter().chain(&part.valid) {
            table.entry(key(side, i)).or_insert([0.0; 2])[label] += 1.0;
        }
    }
    // One imaginary sentence of each label keeps keys that were never seen at one half.
    let probability = |key: &str| table.get(key).map_or(0.5, |[r, g]| (r + 1.0) / (r + g + 2.0));
    let score = |side, part: &Parts| part.test.iter().map(|&i| probability(&key(side, i))).collect::<Vec<f64>>();
    let scores = [Scores { real: score(real, &parts[0]), generated: score(generated, &parts[1]) }];
    Discrepancy::measure(&scores, resamples, 0, seed)
        .ok_or_else(|| Error::Input(format!("no held-out sentences are left of {n}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(sentences: Vec<String>) -> (Vec<String>, Encoded) {
        let mut vocabulary = crate::corpus::Vocabulary::new();
        let encoded = sentences.iter().map(|s| s.split(' ').map(|w| vocabulary.add(w)).collect::<Vec<_>>()).collect();
        (sentences, encoded)
    }

    fn dd(surface: Surface, real: &(Vec<String>, Encoded), generated: &(Vec<String>, Encoded)) -> f64 {
        surface_discrepancy(surface, (&real.0, &real.1), (&generated.0, &generated.1), 50, Seed::new(1))
            .unwrap()
            .dd
            .value
            .unwrap()
    }

    #[test]
    fn a_missing_full_stop_is_seen_by_punctuation_alone() {
        let real = side((0..100).map(|i| format!("a dog {i} .")).collect());
        let generated = side((0..100).map(|i| format!("a dog {i} x")).collect());
        assert_eq!(dd(Surface::Punctuation, &real, &generated), 1.0);
        assert!(dd(Surface::Length, &real, &generated).abs() < 0.2);
    }

    #[test]
    fn length_is_seen_by_length_alone() {
        let real = side((0..100).map(|i| format!("a dog {i} .")).collect());
        let generated = side((0..100).map(|i| format!("a black dog {i} .")).collect());
        assert_eq!(dd(Surface::Length, &real, &generated), 1.0);
        assert!(dd(Surface::Punctuation, &real, &generated).abs() < 0.2);
    }
}
