//! Drawing tokens from logits.

use crate::kernel;
use crate::next_token::Runner;
use rand::RngExt;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueness_core::{Error, Result, Rng, Seed, Watch};

/// Sequences that run side by side. Fixed, so that a sequence does not depend on how many are drawn.
const SIDE_BY_SIDE: usize = 32;

/// How the next token is drawn from the network's law.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Logits are divided by this, above 0: below 1 likely tokens become likelier.
    pub temperature: f64,
    /// Only so many of the likeliest tokens are drawn from; 0: all.
    pub top_k: usize,
    /// Only the likeliest tokens that together reach this probability are drawn from, in (0, 1] (nucleus
    /// sampling, Holtzman et al. 2020); 1: all.
    pub top_p: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0 }
    }
}

impl Sampling {
    /// # Errors
    /// [`Error::Input`] for a value outside its range.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: &str, got: f64| Err(Error::Input(format!("sampling: {what}, got {got}")));
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return wrong("the temperature has to be above 0", self.temperature);
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return wrong("top_p has to be in (0, 1]", self.top_p);
        }
        Ok(())
    }

    /// Replaces logits by the probabilities to draw from.
    pub fn probabilities(&self, logits: &mut [f32], scratch: &mut Vec<u32>) {
        if self.temperature != 1.0 {
            let factor = (1.0 / self.temperature) as f32;
            logits.iter_mut().for_each(|logit| *logit *= factor);
        }
        kernel::softmax_in_place(logits);
        let all = logits.len();
        if (self.top_k == 0 || self.top_k >= all) && self.top_p >= 1.0 {
            return;
        }
        // The likeliest first; among equals the one with the lower id.
        let rank = |&a: &u32, &b: &u32| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b));
        scratch.clear();
        scratch.extend(0..all as u32);
        let mut kept = if self.top_k == 0 { all } else { self.top_k.min(all) };
        if kept < all {
            scratch.select_nth_unstable_by(kept - 1, rank);
            scratch.truncate(kept);
        }
        if self.top_p < 1.0 {
            scratch.sort_unstable_by(rank);
            let total: f64 = scratch.iter().map(|&id| f64::from(logits[id as usize])).sum();
            let mut mass = 0.0;
            kept = scratch
                .iter()
                .position(|&id| {
                    mass += f64::from(logits[id as usize]) / total;
                    mass >= self.top_p
                })
                .map_or(kept, |last| last + 1);
            scratch.truncate(kept);
        }
        scratch.sort_unstable();
        let total: f32 = scratch.iter().map(|&id| logits[id as usize]).sum();
        let mut next = scratch.iter().copied().peekable();
        for (id, p) in logits.iter_mut().enumerate() {
            *p = if next.next_if_eq(&(id as u32)).is_some() { *p / total } else { 0.0 };
        }
    }
}

/// The token that a uniform number in [0, 1) falls on: the inverse of the cumulative distribution.
pub fn inverse_cdf(probabilities: &[f32], u: f64) -> u32 {
    /// Tokens whose probabilities are added up before any is looked at.
    const BLOCK: usize = 128;
    let mut left = u * probabilities.chunks(BLOCK).map(block_sum).sum::<f64>();
    let mut last = 0;
    for (i, block) in probabilities.chunks(BLOCK).enumerate() {
        let sum = block_sum(block);
        if left >= sum {
            left -= sum;
            continue;
        }
        for (j, &p) in block.iter().enumerate() {
            if p > 0.0 {
                last = (i * BLOCK + j) as u32;
                if left < f64::from(p) {
                    return last;
                }
            }
            left -= f64::from(p);
        }
    }
    // Rounding may leave a little over: the last possible token.
    match last {
        0 => probabilities.iter().rposition(|&p| p > 0.0).unwrap_or(0) as u32,
        last => last,
    }
}

fn block_sum(block: &[f32]) -> f64 {
    f64::from(kernel::sum_of(block))
}

/// Draws `n` sequences. Each begins with `start`, which is not part of it, and goes on until `end` is
/// drawn, which is not part of it either, or until it has `longest` tokens.
///
/// Sequence i depends on `seed.nth(i)` alone, whatever n and the number of threads.
///
/// # Errors
/// [`Error::Interrupted`] if the watch said so; [`Error::Input`] if the settings make no sense or the
/// sequences are longer than the network can see.
pub fn sample<R: Runner>(
    runner: &R,
    n: usize,
    (start, end, longest): (u32, Option<u32>, usize),
    sampling: Sampling,
    seed: Seed,
    watch: Watch<'_>,
) -> Result<Vec<Vec<u32>>> {
    sampling.check()?;
    if let Some(context) = runner.context().filter(|&context| longest > context) {
        return Err(Error::Input(format!(
            "sequences of up to {longest} tokens were asked for; this network sees {context}"
        )));
    }
    let done = std::sync::atomic::AtomicU64::new(0);
    let chunks: Vec<Vec<Vec<u32>>> = (0..n.div_ceil(SIDE_BY_SIDE))
        .into_par_iter()
        .map(|chunk| {
            let count = done.fetch_add(SIDE_BY_SIDE as u64, std::sync::atomic::Ordering::Relaxed);
            watch.step("sampling", count.min(n as u64), n as u64)?;
            let first = chunk * SIDE_BY_SIDE;
            side_by_side(runner, first, n - first, (start, end, longest), sampling, seed, watch)
        })
        .collect::<Result<_>>()?;
    let mut sequences: Vec<Vec<u32>> = chunks.into_iter().flatten().collect();
    sequences.truncate(n);
    Ok(sequences)
}

fn side_by_side<R: Runner>(
    runner: &R,
    first: usize,
    wanted: usize,
    (start, end, longest): (u32, Option<u32>, usize),
    sampling: Sampling,
    seed: Seed,
    watch: Watch<'_>,
) -> Result<Vec<Vec<u32>>> {
    let drawn = Drawn {
        state: runner.start(SIDE_BY_SIDE),
        tokens: vec![start; SIDE_BY_SIDE],
        sequences: vec![Vec::new(); SIDE_BY_SIDE],
        // Rows beyond those that are wanted run along, since a row's rounding depends on their number.
        over: (0..SIDE_BY_SIDE).map(|i| i >= wanted).collect(),
        rngs: (0..SIDE_BY_SIDE).map(|i| seed.nth((first + i) as u64).rng()).collect(),
    };
    drawn.finished(runner, end, longest, sampling, watch)
}

/// Sequences that are drawn side by side.
struct Drawn<S> {
    state: S,
    /// What goes in next.
    tokens: Vec<u32>,
    /// What was drawn so far, equally much of each that is not over.
    sequences: Vec<Vec<u32>>,
    over: Vec<bool>,
    rngs: Vec<Rng>,
}

impl<S> Drawn<S> {
    fn finished<R: Runner<State = S>>(
        mut self,
        runner: &R,
        end: Option<u32>,
        longest: usize,
        sampling: Sampling,
        watch: Watch<'_>,
    ) -> Result<Vec<Vec<u32>>> {
        let classes = runner.vocabulary();
        let mut logits = vec![0.0; self.tokens.len() * classes];
        let mut scratch = Vec::new();
        let done = self.sequences.iter().map(Vec::len).max().unwrap_or(0);
        for _ in done..longest {
            watch.check()?;
            runner.step(&mut self.state, &self.tokens, &mut logits);
            for (i, row) in logits.chunks_exact_mut(classes).enumerate() {
                if self.over[i] {
                    continue;
                }
                sampling.probabilities(row, &mut scratch);
                if !row.iter().any(|&p| p > 0.0) {
                    return Err(Error::Failed(
                        "the network's probabilities are no numbers: its weights are unsound".to_owned(),
                    ));
                }
                let token = inverse_cdf(row, self.rngs[i].random::<f64>());
                self.tokens[i] = token;
                if Some(token) == end {
                    self.over[i] = true;
                } else {
                    self.sequences[i].push(token);
                }
            }
            if self.over.iter().all(|&over| over) {
                break;
            }
        }
        Ok(self.sequences)
    }
}

/// What the prefixes of some sentences were completed to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RollOuts {
    /// The sentence's number and the prefix's length of each group of completions, in order.
    pub prefixes: Vec<(usize, usize)>,
    /// The completions, the prefix included, as many a group as were asked for.
    pub sentences: Vec<Vec<u32>>,
}

/// Completes every prefix of sentences `n` times, as SeqGAN's Monte Carlo search does (Yu et al. 2017, section 3.1). A sentence that
/// is shorter than `longest` ended by drawing `end`, so that all its tokens are a prefix too; of one that has `longest` tokens, all but
/// the last.
///
/// Completion k of the first t tokens of sentence i depends on `seed.nth(i).nth(t).nth(k)` alone, whatever the number of threads.
///
/// # Errors
/// As for [`sample`].
pub fn roll_out<R: Runner>(
    runner: &R,
    sentences: &[Vec<u32>],
    n: usize,
    every: usize,
    (start, end, longest): (u32, Option<u32>, usize),
    seed: Seed,
    watch: Watch<'_>,
) -> Result<RollOuts> {
    /// Sentences whose prefixes are completed together: fixed, since a row's rounding depends on how many run side by side.
    const TOGETHER: usize = 4;
    let chunks: Vec<RollOuts> = sentences
        .par_chunks(TOGETHER)
        .enumerate()
        .map(|(chunk, sentences)| {
            let mut found = RollOuts::default();
            let prefixes = |sentence: &Vec<u32>| sentence.len().min(longest.saturating_sub(1));
            let mut state = runner.start(TOGETHER);
            let mut tokens = vec![start; TOGETHER];
            let mut logits = vec![0.0; TOGETHER * runner.vocabulary()];
            for t in 1..=sentences.iter().map(prefixes).max().unwrap_or(0) {
                watch.check()?;
                runner.step(&mut state, &tokens, &mut logits);
                for (token, sentence) in tokens.iter_mut().zip(sentences) {
                    *token = sentence.get(t - 1).copied().unwrap_or(start);
                }
                if !t.is_multiple_of(every.max(1)) {
                    continue;
                }
                let alive: Vec<usize> = (0..sentences.len()).filter(|&i| t <= prefixes(&sentences[i])).collect();
                let rows: Vec<usize> = alive.iter().flat_map(|&i| std::iter::repeat_n(i, n)).collect();
                let rng = |(at, &i): (usize, &usize)| {
                    let sentence = seed.nth((chunk * TOGETHER + i) as u64);
                    sentence.nth(t as u64).nth((at % n) as u64).rng()
                };
                let drawn = Drawn {
                    state: runner.chosen(&state, &rows),
                    tokens: rows.iter().map(|&i| tokens[i]).collect(),
                    sequences: rows.iter().map(|&i| sentences[i][..t].to_vec()).collect(),
                    over: vec![false; rows.len()],
                    rngs: rows.iter().enumerate().map(rng).collect(),
                };
                found.prefixes.extend(alive.iter().map(|&i| (chunk * TOGETHER + i, t)));
                found.sentences.extend(drawn.finished(runner, end, longest, Sampling::default(), watch)?);
            }
            Ok(found)
        })
        .collect::<Result<_>>()?;
    Ok(chunks.into_iter().fold(RollOuts::default(), |mut all, found| {
        all.prefixes.extend(found.prefixes);
        all.sentences.extend(found.sentences);
        all
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(sampling: Sampling, probabilities: &[f32]) -> Vec<f32> {
        let mut logits: Vec<f32> = probabilities.iter().map(|p| p.ln() + 3.0).collect();
        sampling.probabilities(&mut logits, &mut Vec::new());
        logits
    }

    fn close(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-6)
    }

    #[test]
    fn laws_are_those_of_the_definitions() {
        let p = [0.4, 0.1, 0.3, 0.2];
        let plain = Sampling::default();
        assert!(close(&drawn(plain, &p), &p));
        // At temperature ½ probabilities are squared: .16 + .01 + .09 + .04 = .3.
        assert!(close(&drawn(Sampling { temperature: 0.5, ..plain }, &p), &[0.16 / 0.3, 0.01 / 0.3, 0.3, 0.04 / 0.3]));
        assert!(close(&drawn(Sampling { top_k: 2, ..plain }, &p), &[4.0 / 7.0, 0.0, 3.0 / 7.0, 0.0]));
        assert!(close(&drawn(Sampling { top_p: 0.65, ..plain }, &p), &[4.0 / 7.0, 0.0, 3.0 / 7.0, 0.0]));
        assert!(close(&drawn(Sampling { top_p: 0.75, ..plain }, &p), &[4.0 / 9.0, 0.0, 3.0 / 9.0, 2.0 / 9.0]));
        assert!(close(&drawn(Sampling { top_k: 1, top_p: 0.5, ..plain }, &p), &[1.0, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn the_inverse_cdf_has_the_right_frequencies() {
        let p: Vec<f32> = (0..300).map(|i| if i % 3 == 0 { 0.0 } else { (i % 7) as f32 }).collect();
        let total: f32 = p.iter().sum();
        let n = 200_000;
        let mut counts = vec![0.0; p.len()];
        // Evenly spaced numbers hit each token as often as its probability says, within one.
        (0..n).for_each(|i| counts[inverse_cdf(&p, (f64::from(i) + 0.5) / f64::from(n)) as usize] += 1.0);
        for (&p, &count) in p.iter().zip(&counts) {
            let expected = f64::from(p / total) * f64::from(n);
            assert!((count - expected).abs() < 2.0, "{count} {expected}");
        }
        assert_eq!(inverse_cdf(&[0.5, 0.5, 0.0], 1.0 - 1e-17), 1);
    }

    #[test]
    fn settings_outside_their_range_are_refused() {
        for bad in [
            Sampling { temperature: 0.0, ..Sampling::default() },
            Sampling { temperature: f64::NAN, ..Sampling::default() },
            Sampling { top_p: 0.0, ..Sampling::default() },
            Sampling { top_p: 1.1, ..Sampling::default() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
