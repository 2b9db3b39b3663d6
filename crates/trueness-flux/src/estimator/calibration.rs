//! Intervals that hold what they say, by fluxes that are known.
//!
//! What an estimator tells of its own error is a scale; how many scales an interval has to be wide is found where the truth is known
//! (conformal prediction: Vovk et al. 2005, with a scale as Lei et al. 2018), for water that goes up and for water that goes down on
//! its own (label-conditional: Vovk et al. 2005, section 4.5). The intervals hold over sites and times like those that they were
//! calibrated on, and over those of either sign, not at each time and not at every site.

use super::FluxSeries;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use trueness_core::LEVEL;
use trueness_core::resample::quantile_sorted;

/// How many scales half an interval is wide.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Where water goes up: the truth is below 0.
    pub up: f64,
    /// Where it goes down, or stands.
    pub down: f64,
    /// From how many values.
    pub n: u64,
}

impl Calibration {
    /// From estimates, their scales and the truth, all in one unit.
    ///
    /// # Errors
    /// [`Error::Input`] for fewer than 20 values.
    pub fn of(values: impl Iterator<Item = [f64; 3]>) -> Result<Self> {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for [estimate, scale, truth] in values {
            let score = (truth - estimate).abs() / scale.max(f64::MIN_POSITIVE);
            if score.is_finite() {
                if truth < 0.0 { up.push(score) } else { down.push(score) }
            }
        }
        let n = up.len() + down.len();
        if n < 20 {
            return Err(Error::Input(format!(
                "calibration: expected at least 20 values whose truth is known, got {n}"
            )));
        }
        let mut all: Vec<f64> = up.iter().chain(&down).copied().collect();
        // The finite-sample rank; a side with too few values takes what holds for both.
        let at = |scores: &mut Vec<f64>| {
            scores.sort_by(f64::total_cmp);
            quantile_sorted(scores, (LEVEL * (1.0 + 1.0 / scores.len() as f64)).min(1.0))
        };
        let both = at(&mut all);
        let side = |scores: &mut Vec<f64>| if scores.len() < 20 { both } else { at(scores) };
        Ok(Self { up: side(&mut up), down: side(&mut down), n: n as u64 })
    }

    /// From estimates, their scales and the truth at each of some sites. Nothing where fewer than half of the sites have any: an
    /// answer that most sites do not have is chance where a site has it.
    pub fn of_sites(sites: &[Vec<[f64; 3]>]) -> Option<Self> {
        let answered = sites.iter().filter(|values| !values.is_empty()).count();
        if 2 * answered < sites.len() {
            return None;
        }
        Self::of(sites.iter().flatten().copied()).ok()
    }

    /// The ends of the interval of an estimate: of all fluxes below 0 that lie within `up` scales of it, and all others within `down`
    /// scales, what lies between the least and the largest.
    pub fn interval(&self, estimate: f64, scale: f64) -> (f64, f64) {
        let (up, down) = (scale * self.up, scale * self.down);
        let low = if estimate - up < 0.0 { estimate - up } else { (estimate - down).max(0.0) };
        let high = if estimate + down >= 0.0 { estimate + down } else { (estimate + up).min(0.0) };
        (low, high)
    }

    /// A series with intervals as wide as was calibrated; what lies between its flux and its upper end is the scale.
    #[must_use]
    pub fn applied(&self, series: &FluxSeries) -> FluxSeries {
        let mut series = series.clone();
        for i in 0..series.len() {
            let scale = series.high[i] - series.flux[i];
            (series.low[i], series.high[i]) = self.interval(series.flux[i], scale);
        }
        series
    }
}

/// Intervals for a time series whose truth becomes known as time goes on: the share of misses that is aimed at follows what was
/// missed (adaptive conformal inference: Gibbs and Candès 2021, α ← α + γ·(α₀ − miss)).
#[derive(Clone, Debug, PartialEq)]
pub struct Adaptive {
    rate: f64,
    aim: f64,
    /// Scores so far, in order of their size.
    scores: Vec<f64>,
}

impl Adaptive {
    /// Begins with the scores |truth − estimate| / scale of a calibration; `rate` is γ, .01 as a rule.
    ///
    /// # Errors
    /// [`Error::Input`] for no finite scores, or a rate that is not above 0 and below 1.
    pub fn new(scores: impl Iterator<Item = f64>, rate: f64) -> Result<Self> {
        let mut scores: Vec<f64> = scores.filter(|score| score.is_finite()).collect();
        if scores.is_empty() || !(rate > 0.0 && rate < 1.0) {
            return Err(Error::Input(format!(
                "adaptive intervals: expected some scores and a rate between 0 and 1, got {} and {rate}",
                scores.len()
            )));
        }
        scores.sort_by(f64::total_cmp);
        Ok(Self { rate, aim: 1.0 - LEVEL, scores })
    }

    /// How many scales half an interval is wide now; infinite where nothing less can catch up.
    pub fn width(&self) -> f64 {
        match self.aim {
            aim if aim <= 0.0 => f64::INFINITY,
            aim if aim >= 1.0 => 0.0,
            aim => quantile_sorted(&self.scores, 1.0 - aim),
        }
    }

    /// The truth is known: its score, and whether the interval missed it.
    pub fn learn(&mut self, score: f64) {
        let miss = f64::from(u8::from(score > self.width()));
        self.aim += self.rate * (1.0 - LEVEL - miss);
        if score.is_finite() {
            self.scores.insert(self.scores.partition_point(|other| *other < score), score);
        }
    }
}
