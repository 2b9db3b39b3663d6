//! Oracles: sources of text whose density is known exactly.
//!
//! A metric can be tested against an oracle, because the true distance between two oracles is known:
//! either in closed form ([`grammar`]) or by Monte Carlo over their exact densities.

pub mod grammar;
pub mod lstm;

use crate::corpus::{Encoded, Vocabulary};
use crate::metric::language_model::SentenceScores;
use crate::{Error, Result};
use trueness_core::{Estimate, Seed};

/// A distribution over sentences that can be sampled and whose density can be computed exactly.
pub trait Oracle: Send + Sync {
    /// The words that the oracle's token ids stand for.
    fn vocabulary(&self) -> &Vocabulary;

    /// `n` independent sentences. Sentence i depends on `seed.nth(i)` alone, so the result is the same
    /// whatever the number of threads, and the first sentences of a longer sample are a shorter sample.
    fn sample(&self, n: usize, seed: Seed) -> Encoded;

    /// The natural logarithm of each sentence's probability (nats per sentence); −∞ where the oracle
    /// can never produce the sentence.
    fn log_density(&self, sentences: &Encoded) -> Vec<f64>;

    /// The entropy in nats per sentence where it is known in closed form.
    fn exact_entropy(&self) -> Option<f64> {
        None
    }

    /// Everything that the density depends on, in one line.
    fn signature(&self) -> String;
}

/// The negative log-likelihood of sentences under an oracle, one entry per sentence: "NLL-oracle". The
/// tokens of a sentence are its words, since no oracle emits an end token as a word.
pub fn score(oracle: &dyn Oracle, sentences: &Encoded) -> SentenceScores {
    let nll = oracle.log_density(sentences).into_iter().map(|x| -x).collect();
    SentenceScores { nll, tokens: sentences.iter().map(|sentence| sentence.len() as u32).collect() }
}

/// The entropy of an oracle in nats per token, −E\[log p(x)\] / E\[tokens of x\], by Monte Carlo over `n`
/// of its own sentences with a bootstrap interval over sentences.
pub fn entropy(oracle: &dyn Oracle, n: usize, seed: Seed) -> Estimate {
    let sentences = oracle.sample(n, seed.child("sample"));
    let estimate = score(oracle, &sentences).estimate(seed.child("bootstrap"));
    Estimate { method: format!("NLL of the oracle's own samples, {}", estimate.method), ..estimate }
}

/// log p(x) − log q(x) of each sentence, in nats. ±∞ where only one of the two can produce the sentence,
/// and 0 where neither can, since such a sentence speaks for neither.
///
/// # Errors
/// If the two oracles do not share a vocabulary: the same token id would mean different words.
pub fn log_density_ratio(p: &dyn Oracle, q: &dyn Oracle, sentences: &Encoded) -> Result<Vec<f64>> {
    same_vocabulary(p, q)?;
    let ratio = |(p, q): (f64, f64)| if p == q { 0.0 } else { p - q };
    Ok(p.log_density(sentences).into_iter().zip(q.log_density(sentences)).map(ratio).collect())
}

/// The Kullback–Leibler divergence KL(p‖q) in nats per sentence, by Monte Carlo over `n` sentences of p,
/// with a bootstrap interval. Missing where one of the sentences is impossible under q: the divergence is
/// infinite then.
///
/// # Errors
/// If the two oracles do not share a vocabulary.
pub fn divergence(p: &dyn Oracle, q: &dyn Oracle, n: usize, seed: Seed) -> Result<Estimate> {
    let ratios = log_density_ratio(p, q, &p.sample(n, seed.child("sample")))?;
    let impossible = ratios.iter().filter(|ratio| !ratio.is_finite()).count();
    if impossible > 0 {
        return Ok(Estimate::missing(format!("infinite: {impossible} of {n} sentences are impossible under q")));
    }
    let resamples = trueness_core::resample::RESAMPLES;
    let what = "sentences of p";
    Ok(trueness_core::resample::bootstrap_mean(&ratios, resamples, seed.child("bootstrap"), what).unit("nats/sentence"))
}

fn same_vocabulary(p: &dyn Oracle, q: &dyn Oracle) -> Result<()> {
    let (p_words, q_words) = (p.vocabulary().words(), q.vocabulary().words());
    if p_words == q_words {
        return Ok(());
    }
    let place = p_words.iter().zip(q_words).position(|(a, b)| a != b).unwrap_or(p_words.len().min(q_words.len()));
    Err(Error::Input(format!(
        "two oracles must share a vocabulary to be compared: they have {} and {} words and first differ at id {place}",
        p_words.len(),
        q_words.len()
    )))
}
