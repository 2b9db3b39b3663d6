//! How well fluxes are met, over sites, by sign and by size.

use crate::estimator::FluxSeries;
use crate::estimator::learned::{Model, Site};
use crate::{DAY, Result};
use rayon::prelude::*;
use trueness_core::resample::{bootstrap, percentile_interval};
use trueness_core::{Estimate, Run, Seed};

/// Which times are looked at: all, those with water going up or down, and those with a flux of some size in m/d.
pub(crate) const CLASSES: [&str; 6] = ["all", "up", "down", "small", "middle", "large"];

pub(crate) const RESAMPLES: usize = 500;

/// Sums over the times of a class: count, squared errors, fluxes, their squares, times within the interval, widths.
#[derive(Clone, Copy, Default)]
struct Sums([f64; 6]);

/// The sums of each class over a site, or a block of a record.
#[derive(Clone, Copy, Default)]
pub(crate) struct Score([Sums; CLASSES.len()]);

impl Score {
    /// Of an estimate against the truth in m/s, where both are known.
    pub(crate) fn of(found: &FluxSeries, truth: &[f64]) -> Self {
        let mut score = Self::default();
        for (i, truth) in truth.iter().enumerate() {
            let (q, flux, low, high) = (truth * DAY, found.flux[i] * DAY, found.low[i] * DAY, found.high[i] * DAY);
            if !(q.is_finite() && flux.is_finite() && low.is_finite() && high.is_finite()) {
                continue;
            }
            let size = q.abs();
            let member = [true, q < 0.0, q > 0.0, size < 0.2, (0.2..0.5).contains(&size), size >= 0.5];
            let within = f64::from(u8::from((low..=high).contains(&q)));
            for (Sums(sums), member) in score.0.iter_mut().zip(member) {
                if member {
                    let add = [1.0, (flux - q).powi(2), q, q * q, within, high - low];
                    sums.iter_mut().zip(add).for_each(|(sum, add)| *sum += add);
                }
            }
        }
        score
    }
}

/// Nash and Sutcliffe's efficiency, root mean square error, coverage and mean width of the intervals.
const FIGURES: [(&str, &str); 4] = [("nse", ""), ("rmse", "m/d"), ("coverage", ""), ("width", "m/d")];

fn figures(Sums([n, squares, sum, square_sum, within, width]): Sums) -> [f64; 4] {
    [1.0 - squares / (square_sum - sum * sum / n), (squares / n).sqrt(), within / n, width / n]
}

fn total<'a>(scores: impl Iterator<Item = &'a Score>, class: usize) -> Sums {
    let mut total = Sums::default();
    for score in scores {
        total.0.iter_mut().zip(score.0[class].0).for_each(|(total, add)| *total += add);
    }
    total
}

/// What a model finds at each site.
pub(crate) fn scores(model: &Model, sites: &[Site]) -> Result<Vec<Score>> {
    sites.par_iter().map(|site| Ok(Score::of(&model.infer(&site.record)?, &site.flux))).collect()
}

/// The efficiency over all sites.
pub(crate) fn efficiency<'a>(scores: impl Iterator<Item = &'a Score>) -> f64 {
    figures(total(scores, 0))[0]
}

/// Measures all classes of an estimator; intervals are bootstrapped over sites or blocks.
pub(crate) fn measure(run: &mut Run<'_>, subject: &str, scores: &[Score], over: &str, seed: Seed) {
    for (class, name) in CLASSES.iter().enumerate() {
        let whole = total(scores.iter(), class);
        let replicates: Vec<[f64; 4]> = bootstrap(scores.len(), RESAMPLES, seed, |drawn| {
            figures(total(drawn.iter().map(|&i| &scores[i as usize]), class))
        });
        for (i, ((figure, unit), value)) in FIGURES.iter().zip(figures(whole)).enumerate() {
            let values: Vec<f64> =
                replicates.iter().map(|figures| figures[i]).filter(|value| value.is_finite()).collect();
            let estimate = match whole.0[0] > 1.0 && value.is_finite() && values.len() > RESAMPLES / 2 {
                true => {
                    let (low, high) = percentile_interval(&values);
                    let method = format!("bootstrap over {over}, {RESAMPLES} resamples");
                    Estimate::interval(value, low, high, scores.len() as u64, method)
                }
                false => Estimate::missing("too few times with such a flux"),
            };
            let measure = if *name == "all" { (*figure).to_owned() } else { format!("{figure}-{name}") };
            run.measure(&measure, subject, if unit.is_empty() { estimate } else { estimate.unit(*unit) }, "");
        }
    }
}
