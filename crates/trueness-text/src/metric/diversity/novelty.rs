//! Novelty: what of a text does not stand in a reference text, word for word.

use crate::corpus::Encoded;
use crate::error::{Error, Result};
use rustc_hash::FxHashSet;
use trueness_core::{Estimate, LEVEL, Measure, wilson};

/// `novelty`: the share of candidate sentences that are no sentence of the references, word for word,
/// in [0, 1]. Both in the token ids of one vocabulary. A sentence that the candidate repeats counts as
/// often as it occurs.
///
/// The interval is Wilson's for a proportion of independent sentences, the references held fixed.
///
/// # Errors
/// If there is no candidate sentence.
pub fn novelty(candidate: &Encoded, references: &Encoded) -> Result<Measure> {
    check(candidate)?;
    let known: FxHashSet<&[u32]> = references.iter().collect();
    let novel = candidate.iter().filter(|sentence| !known.contains(sentence)).count();
    let method = "Wilson's interval over sentences, references fixed";
    let estimate = Estimate::proportion(novel as u64, candidate.len() as u64, method);
    Ok(Measure::new("novelty", estimate).signed(signature("novelty:sentences", candidate, references)))
}

/// `novelty-n`: the share of the candidate's n-grams, counted as often as they occur, that stand in no
/// reference sentence, in [0, 1]. Missing where no candidate sentence has n tokens.
///
/// n-grams of a sentence depend on each other. The interval is therefore Wilson's with the number of
/// independent n-grams that would have the standard error of the share as a ratio of two sums over
/// independent sentences (linearised; Cochran, 1977, §2.11), the references held fixed. Where that
/// error is 0, the number of sentences takes its place.
///
/// # Errors
/// If `n` is 0 or there is no candidate sentence.
pub fn ngram_novelty(candidate: &Encoded, references: &Encoded, n: usize) -> Result<Measure> {
    if n == 0 {
        return Err(Error::Input("novelty-n is defined for n from 1, got 0".to_owned()));
    }
    check(candidate)?;
    let name = format!("novelty-{n}");
    let signature = signature(&format!("{name}:tokens"), candidate, references);
    let known: FxHashSet<&[u32]> = references.iter().flat_map(|sentence| sentence.windows(n)).collect();
    // For each sentence: its n-grams, and how many of them are new.
    let counts: Vec<(f64, f64)> = candidate
        .iter()
        .map(|sentence| {
            let novel = sentence.windows(n).filter(|gram| !known.contains(gram)).count();
            (sentence.windows(n).len() as f64, novel as f64)
        })
        .collect();
    let total: f64 = counts.iter().map(|(all, _)| all).sum();
    if total == 0.0 {
        let why = format!("no sentence has {n} tokens");
        return Ok(Measure::new(name, Estimate::missing(why)).signed(signature));
    }
    let share = counts.iter().map(|(_, novel)| novel).sum::<f64>() / total;
    let sentences = counts.len() as f64;
    let squares: f64 = counts.iter().map(|(all, novel)| (novel - share * all).powi(2)).sum();
    let variance = squares / (total * total) * sentences / (sentences - 1.0).max(1.0);
    let effective = if variance > 0.0 { share * (1.0 - share) / variance } else { sentences };
    let (low, high) = wilson(share, effective, LEVEL);
    let method = "Wilson's interval with the effective number of n-grams, references fixed";
    let estimate = Estimate::interval(share, low, high, counts.len() as u64, method);
    Ok(Measure::new(name, estimate).signed(signature))
}

fn check(candidate: &Encoded) -> Result<()> {
    if candidate.is_empty() {
        return Err(Error::Input("novelty needs at least one candidate sentence, got none".to_owned()));
    }
    Ok(())
}

fn signature(name: &str, candidate: &Encoded, references: &Encoded) -> String {
    format!("{name}|refs:{}|n:{}", references.len(), candidate.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sentences: &[&[u32]]) -> Encoded {
        sentences.iter().collect()
    }

    #[test]
    fn shares_by_hand() {
        let references = texts(&[&[1, 2, 3], &[4, 5]]);
        let candidate = texts(&[&[1, 2, 3], &[1, 2], &[4, 5], &[4, 5], &[2, 3, 4]]);
        assert_eq!(novelty(&candidate, &references).unwrap().estimate.value, Some(0.4));
        // Bigrams: 12 23 | 12 | 45 | 45 | 23 34, of which 34 is new.
        let bigrams = ngram_novelty(&candidate, &references, 2).unwrap();
        assert_eq!(bigrams.estimate.value, Some(1.0 / 7.0));
        assert!(bigrams.estimate.low > Some(0.0) && bigrams.estimate.high < Some(1.0));
        assert_eq!(ngram_novelty(&candidate, &references, 4).unwrap().estimate.value, None);
    }

    #[test]
    fn nothing_new_still_has_an_interval() {
        let all = texts(&[&[1, 2, 3], &[4, 5]]);
        let estimate = ngram_novelty(&all, &all, 2).unwrap().estimate;
        assert_eq!((estimate.value, estimate.low), (Some(0.0), Some(0.0)));
        assert!(estimate.high > Some(0.2));
        assert!(novelty(&Encoded::new(), &all).is_err());
    }

    #[test]
    fn for_single_tokens_in_single_sentences_the_two_shares_agree() {
        // With one n-gram to a sentence the effective number is the number of sentences but one.
        let candidate: Encoded = (0..50u32).map(|i| [i % 7]).collect();
        let references = texts(&[&[0], &[1], &[2]]);
        let (a, b) = (novelty(&candidate, &references).unwrap(), ngram_novelty(&candidate, &references, 1).unwrap());
        assert_eq!(a.estimate.value, b.estimate.value);
        let (low, _) = wilson(b.estimate.value.unwrap(), 49.0, LEVEL);
        assert!((b.estimate.low.unwrap() - low).abs() < 1e-12);
    }
}
