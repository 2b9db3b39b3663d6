//! Which sentences a filter lets through, given how much likelier real text makes them.
//!
//! A discriminator's probability s that a sentence is real gives the ratio of densities r = s / (1 − s)
//! (with equal priors). Keeping a generated sentence with probability proportional to r turns the
//! generator's law into the real one: rejection sampling (von Neumann 1951), as "Adding A Filter Based on
//! The Discriminator to Improve Unconditional Text Generation" (arXiv 2004.02135) proposes.

use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done with the ratio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The paper's rule: keep with probability min(1, c·r), and always where s is at least a threshold, which
    /// makes up for the clipping at 1 so that the share c is kept. Where even a threshold of 1 would keep
    /// more than c, the ratio is multiplied by a factor below 1 instead.
    #[default]
    Calibrated,
    /// Keep with probability min(1, m·r), with the factor m that keeps the share c. Where no m·r exceeds 1
    /// and the ratios are exact, what is kept has the law of the real text.
    Rejection,
    /// Keep where s is at least a threshold. It keeps what the discriminator likes best, again and again:
    /// the text gets less diverse than the real one.
    Threshold,
}

/// A rule with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What is done.
    pub mode: Mode,
    /// The factor of the ratio.
    pub factor: f64,
    /// The logit of s from which on a sentence is always kept; none where no sentence is.
    pub threshold: Option<f64>,
}

impl Rule {
    /// The rule that keeps the share `acceptance` of a pool of generated sentences with these logits of s.
    ///
    /// # Errors
    /// If the share is not in (0, 1], or the pool is empty.
    pub fn solve(mode: Mode, acceptance: f64, pool: &[f64]) -> Result<Self> {
        if !(acceptance > 0.0 && acceptance <= 1.0) {
            return Err(Error::Input(format!("acceptance has to be above 0 and at most 1, got {acceptance}")));
        }
        if pool.is_empty() || pool.iter().any(|logit| logit.is_nan()) {
            return Err(Error::Input("acceptance needs a pool of scored sentences".to_owned()));
        }
        // The share kept rises with the factor from 0 to 1; the logarithm is halved in.
        let with_factor = |rule: Self, low: f64| {
            let log = bisect(low, 80.0, |log| Self { factor: log.exp(), ..rule }.expected(pool) >= acceptance);
            Self { factor: log.exp(), ..rule }
        };
        let plain = Self { mode, factor: acceptance, threshold: None };
        Ok(match mode {
            Mode::Rejection => with_factor(plain, -80.0),
            Mode::Calibrated if plain.expected(pool) > acceptance => with_factor(plain, -80.0),
            Mode::Calibrated => {
                // The share kept falls with the threshold.
                let at = |t: f64| Self { threshold: Some(t), ..plain };
                let t = bisect(-80.0, 80.0, |t| at(t).expected(pool) < acceptance);
                // A threshold keeps whole sentences, many at once where their scores are equal; what is
                // missing is made up for by the factor.
                with_factor(at(t), acceptance.ln())
            }
            Mode::Threshold => {
                let mut sorted = pool.to_vec();
                sorted.sort_by(|a, b| b.total_cmp(a));
                let last = ((acceptance * pool.len() as f64).round() as usize).clamp(1, pool.len()) - 1;
                Self { mode, factor: 0.0, threshold: Some(sorted[last]) }
            }
        })
    }

    /// The probability with which a sentence is kept whose s has this logit.
    pub fn probability(&self, logit: f64) -> f64 {
        if self.threshold.is_some_and(|threshold| logit >= threshold) {
            return 1.0;
        }
        // Of a large logit the exponential overflows to ∞, which is cut to 1 as it should.
        match self.mode {
            Mode::Threshold => 0.0,
            _ => (self.factor * logit.exp()).min(1.0),
        }
    }

    /// The share of a pool that is kept on average.
    pub fn expected(&self, pool: &[f64]) -> f64 {
        pool.iter().map(|&logit| self.probability(logit)).sum::<f64>() / pool.len().max(1) as f64
    }
}

/// Where a condition that is false below and true above becomes true.
fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if holds(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A law over four sentences, of which the generator makes the last too rarely.
    const REAL: [f64; 4] = [0.1, 0.2, 0.3, 0.4];
    const GENERATED: [f64; 4] = [0.4, 0.3, 0.2, 0.1];

    fn logits() -> [f64; 4] {
        std::array::from_fn(|i| (REAL[i] / GENERATED[i]).ln())
    }

    /// The law of what is kept, by enumeration, and the share that is kept.
    fn kept(rule: Rule) -> ([f64; 4], f64) {
        let mass: [f64; 4] = std::array::from_fn(|i| GENERATED[i] * rule.probability(logits()[i]));
        let total: f64 = mass.iter().sum();
        (mass.map(|m| m / total), total)
    }

    fn distance(law: [f64; 4]) -> f64 {
        law.iter().zip(REAL).map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
    }

    /// The generator's law as a pool: each sentence as often as it is made.
    fn pool() -> Vec<f64> {
        (0..4).flat_map(|i| vec![logits()[i]; (GENERATED[i] * 1000.0).round() as usize]).collect()
    }

    #[test]
    fn exact_ratios_below_the_bound_give_the_real_law() {
        // The largest ratio is 4.
        for acceptance in [0.25, 0.2, 0.05] {
            for mode in [Mode::Calibrated, Mode::Rejection] {
                let (law, share) = kept(Rule::solve(mode, acceptance, &pool()).unwrap());
                assert!((share - acceptance).abs() < 1e-9 && distance(law) < 1e-9, "{mode:?} {acceptance}");
            }
        }
    }

    #[test]
    fn above_the_bound_the_law_comes_nearer_but_not_all_the_way() {
        let before = distance(GENERATED);
        for mode in [Mode::Calibrated, Mode::Rejection] {
            let (law, share) = kept(Rule::solve(mode, 0.6, &pool()).unwrap());
            assert!((share - 0.6).abs() < 1e-9, "{share}");
            assert!(distance(law) > 0.01 && distance(law) < before, "{}", distance(law));
        }
    }

    #[test]
    fn a_threshold_over_concentrates() {
        let (law, share) = kept(Rule::solve(Mode::Threshold, 0.1, &pool()).unwrap());
        assert_eq!((law, share), ([0.0, 0.0, 0.0, 1.0], 0.1));
        assert!(distance(law) > distance(GENERATED));
    }

    #[test]
    fn over_confident_ratios_are_scaled_down() {
        // The mean of min(1, c·r) exceeds c, so that no threshold up to 1 would do.
        let pool = [3.0, 4.0, 5.0, 2.0];
        let rule = Rule::solve(Mode::Calibrated, 0.2, &pool).unwrap();
        assert!(rule.factor < 0.2 && (rule.expected(&pool) - 0.2).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn the_asked_share_is_kept(
            pool in prop::collection::vec(-20.0f64..20.0, 2..200),
            acceptance in 0.01f64..1.0,
            calibrated in any::<bool>(),
        ) {
            let mode = if calibrated { Mode::Calibrated } else { Mode::Rejection };
            let rule = Rule::solve(mode, acceptance, &pool).unwrap();
            prop_assert!((rule.expected(&pool) - acceptance).abs() <= 1e-9);
            prop_assert!(pool.iter().all(|&logit| (0.0..=1.0).contains(&rule.probability(logit))));
        }
    }

    #[test]
    fn equal_scores_are_kept_in_the_asked_share_too() {
        let rule = Rule::solve(Mode::Calibrated, 0.3, &[-2.0; 10]).unwrap();
        assert!((rule.expected(&[-2.0; 10]) - 0.3).abs() < 1e-9);
    }

    #[test]
    fn shares_that_make_no_sense_are_refused() {
        for acceptance in [0.0, -1.0, 1.1, f64::NAN] {
            assert!(Rule::solve(Mode::Calibrated, acceptance, &[0.0]).is_err());
        }
        assert!(Rule::solve(Mode::Calibrated, 0.5, &[]).is_err());
    }
}
