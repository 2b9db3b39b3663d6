//! Language-model scores: how likely a text is under an n-gram model of another.
//!
//! - `lm-score`: the model is trained on real text and scores the candidate. Low is fluent, but a
//!   candidate that repeats one likely sentence scores well.
//! - `reverse-lm-score`: the model is trained on the candidate and scores held-out real text. It is high
//!   where the candidate lacks what real text has, so it sees missing diversity.
//!
//! Both are in nats per token, the end of a sentence counted as a token; the perplexity is e to that power.

mod counts;
mod kneser_ney;
mod sampler;

pub use kneser_ney::{Discounts, NgramConfig, NgramModel};
pub use sampler::NgramSampler;

use crate::corpus::Encoded;
use crate::{Error, Result};
use trueness_core::resample::{RESAMPLES, bootstrap, percentile_interval};
use trueness_core::{Estimate, Measure, Seed};

/// The negative log-likelihood of sentences, one entry per sentence, for means and for paired tests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SentenceScores {
    /// −log p of each sentence in nats; +∞ for an impossible one.
    pub nll: Vec<f64>,
    /// How many tokens each sentence counts for.
    pub tokens: Vec<u32>,
}

impl SentenceScores {
    /// Nats per token over all sentences, Σ nll / Σ tokens. `None` without tokens or with an impossible
    /// sentence.
    pub fn mean(&self) -> Option<f64> {
        let tokens: u64 = self.tokens.iter().map(|&n| u64::from(n)).sum();
        let mean = self.nll.iter().sum::<f64>() / tokens as f64;
        mean.is_finite().then_some(mean)
    }

    /// Nats per token with the percentile interval of a bootstrap over sentences of the ratio of sums.
    pub fn estimate(&self, seed: Seed) -> Estimate {
        let n = self.nll.len();
        let impossible = self.nll.iter().filter(|nll| !nll.is_finite()).count();
        let mean = match self.mean() {
            Some(mean) => mean,
            None if impossible > 0 => {
                return Estimate::missing(format!("infinite: {impossible} of {n} sentences are impossible"));
            }
            None => return Estimate::missing("no tokens"),
        };
        let replicates = bootstrap(n, RESAMPLES, seed, |indices| {
            let chosen = indices.iter().map(|&i| i as usize);
            let (nll, tokens) = chosen.fold((0.0, 0u64), |(a, b), i| (a + self.nll[i], b + u64::from(self.tokens[i])));
            nll / tokens as f64
        });
        let (low, high) = percentile_interval(&replicates);
        let method = format!("ratio of sums, bootstrap over sentences, {RESAMPLES} resamples");
        Estimate::interval(mean, low, high, n as u64, method).unit("nats/token")
    }

    /// The perplexity, e^(nats per token), with the same bootstrap.
    pub fn perplexity(&self, seed: Seed) -> Estimate {
        self.estimate(seed).map(f64::exp).unit("")
    }

    /// The difference self − other in nats per token on the same sentences, with a paired bootstrap over
    /// sentences.
    ///
    /// # Errors
    /// If the two do not hold the same sentences, as far as their numbers of tokens tell.
    pub fn difference(&self, other: &Self, seed: Seed) -> Result<Estimate> {
        if self.tokens != other.tokens {
            let (a, b) = (self.tokens.len(), other.tokens.len());
            return Err(Error::Input(format!(
                "a paired difference needs scores of the same sentences; got {a} and {b} sentences of other lengths"
            )));
        }
        let nll = self.nll.iter().zip(&other.nll).map(|(a, b)| a - b).collect();
        let estimate = Self { nll, tokens: self.tokens.clone() }.estimate(seed);
        Ok(Estimate { method: format!("paired difference, {}", estimate.method), ..estimate })
    }
}

/// `lm-score`: nats per token of the candidate under a fixed model, which real text trained. The interval
/// is over the candidate's sentences and takes the model as given.
pub fn lm_score(model: &NgramModel, candidate: &Encoded, seed: Seed) -> Measure {
    measure("lm-score", model, candidate, seed)
}

/// `reverse-lm-score`: nats per token of held-out real text under a model that the candidate trained. The
/// interval is over the real sentences and takes the model as given.
///
/// # Errors
/// If the candidate has no sentences, or the order is not from 1 to 5.
pub fn reverse_lm_score(candidate: &Encoded, real: &Encoded, config: &NgramConfig, seed: Seed) -> Result<Measure> {
    Ok(measure("reverse-lm-score", &NgramModel::fit(candidate, config)?, real, seed))
}

fn measure(name: &str, model: &NgramModel, sentences: &Encoded, seed: Seed) -> Measure {
    let estimate = model.score(sentences).estimate(seed);
    let method = format!("{} trained on {} sentences; {}", model.name(), model.n_sentences(), estimate.method);
    let signature = format!("{name}|{}|n:{}", model.signature(), sentences.len());
    Measure::new(name, Estimate { method, ..estimate }).signed(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_weighs_tokens_not_sentences() {
        let scores = SentenceScores { nll: vec![1.0, 8.0], tokens: vec![1, 2] };
        assert_eq!(scores.mean(), Some(3.0));
        let impossible = SentenceScores { nll: vec![1.0, f64::INFINITY], tokens: vec![1, 2] };
        assert_eq!(impossible.estimate(Seed::new(1)).value, None);
        assert_eq!(SentenceScores::default().estimate(Seed::new(1)).value, None);
    }

    #[test]
    fn a_paired_difference_is_narrower_than_the_two_intervals() {
        let nll: Vec<f64> = (0..400).map(|i| f64::from(i % 37)).collect();
        let a = SentenceScores { nll: nll.clone(), tokens: vec![10; 400] };
        let b = SentenceScores { nll: nll.iter().map(|x| x * 1.01 + 0.1).collect(), tokens: vec![10; 400] };
        let width = |e: &Estimate| e.high.unwrap() - e.low.unwrap();
        let difference = b.difference(&a, Seed::new(1)).unwrap();
        assert!(width(&difference) < width(&a.estimate(Seed::new(2))) / 20.0);
        assert!((difference.value.unwrap() - (b.mean().unwrap() - a.mean().unwrap())).abs() < 1e-12);
        assert!(a.difference(&SentenceScores::default(), Seed::new(1)).is_err());
    }
}
