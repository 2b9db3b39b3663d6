//! Which sensors a learner needs.

use crate::Result;
use crate::estimator::learned::{Model, Site, Training};
use crate::study::score::{RESAMPLES, Score, efficiency, scores};
use rayon::prelude::*;
use trueness_core::resample::{bootstrap, percentile_interval};
use trueness_core::{Estimate, Seed, Watch};

/// A sensor is important where it loses at least this share of what the most important one loses.
const IMPORTANT: f64 = 0.1;

/// How many other sites each sensor's record is taken from in turn.
const EXCHANGES: usize = 3;

/// What a model loses by sensor; intervals are bootstrapped over sites.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// The sensors' depths in m.
    pub depths: Vec<f64>,
    /// Nash and Sutcliffe's efficiency lost where the sensor's record, and with it all that is made of it, is another site's.
    pub lost: Vec<Estimate>,
    /// How many sensors lose at least a tenth of what the most important one loses.
    pub important: Estimate,
}

/// How many sensors lose at least a tenth of what the most important one loses.
fn important(lost: &[f64]) -> f64 {
    let most = lost.iter().copied().fold(0.0, f64::max);
    lost.iter().filter(|lost| **lost >= IMPORTANT * most && **lost > 0.0).count() as f64
}

/// Permutation importance of each sensor, all features of its record together (Breiman 2001, by groups): its record is
/// exchanged between sites, so that it stays a record that a sensor could tell.
///
/// # Errors
/// As [`Model::infer`].
pub fn importance(model: &Model, sites: &[Site], seed: Seed) -> Result<Importance> {
    let whole = scores(model, sites)?;
    let depths = model.depths().to_vec();
    let others: Vec<Vec<Vec<Score>>> =
        (0..depths.len()).map(|sensor| exchanged(model, sites, sensor)).collect::<Result<_>>()?;
    let lost = |drawn: &[u32]| -> Vec<f64> {
        let of = |scores: &[Score]| efficiency(drawn.iter().map(|&i| &scores[i as usize]));
        let other = |each: &Vec<Vec<Score>>| each.iter().map(|scores| of(scores)).sum::<f64>() / each.len() as f64;
        others.iter().map(|each| of(&whole) - other(each)).collect()
    };
    let n = sites.len();
    let all: Vec<u32> = (0..n as u32).collect();
    let (value, replicates) = (lost(&all), bootstrap(n, RESAMPLES, seed, lost));
    let estimate = |value: f64, values: Vec<f64>, method: String| {
        let (low, high) = percentile_interval(&values);
        Estimate::interval(value, low, high, n as u64, format!("{method}; bootstrap over sites, {RESAMPLES} resamples"))
    };
    let by_sensor = |sensor: usize| {
        let method = format!("efficiency lost where the sensor's record is another site's, {EXCHANGES} times");
        estimate(value[sensor], replicates.iter().map(|lost| lost[sensor]).collect(), method)
    };
    let method = format!("sensors with at least {IMPORTANT} of the largest importance");
    let count = estimate(important(&value), replicates.iter().map(|lost| important(lost)).collect(), method);
    Ok(Importance { lost: (0..depths.len()).map(by_sensor).collect(), important: count, depths })
}

/// The scores of each site where a sensor tells what it told at another, by exchange.
fn exchanged(model: &Model, sites: &[Site], sensor: usize) -> Result<Vec<Vec<Score>>> {
    (1..=EXCHANGES)
        .map(|shift| {
            let step = (shift * sites.len() / (EXCHANGES + 1)).max(1);
            (0..sites.len())
                .into_par_iter()
                .map(|i| {
                    let mut record = sites[i].record.clone();
                    record.values[sensor].clone_from(&sites[(i + step) % sites.len()].record.values[sensor]);
                    Ok(Score::of(&model.infer(&record)?, &sites[i].flux))
                })
                .collect()
        })
        .collect()
}

/// Sites as fewer of their sensors see them.
pub type Subset<'a> = &'a dyn Fn(&[Site]) -> Vec<Site>;

/// Takes away the sensor whose loss costs least on the sites that training holds out, and trains anew, down to two sensors. `tell`
/// gets, for each number of sensors, the depths that are left, the model, and how to see other sites with them alone.
///
/// # Errors
/// As [`Training::run`], or what `tell` says.
pub fn greedy(
    training: &Training,
    sites: &[Site],
    seed: Seed,
    watch: Watch<'_>,
    mut tell: impl FnMut(Vec<f64>, &Model, Subset<'_>) -> Result<()>,
) -> Result<()> {
    let subset = |sites: &[Site], kept: &[usize]| -> Vec<Site> {
        sites.iter().map(|site| Site { record: site.record.with_sensors(kept), flux: site.flux.clone() }).collect()
    };
    let depths = sites.first().map(|site| site.record.depths.clone()).unwrap_or_default();
    let mut kept: Vec<usize> = (0..depths.len()).collect();
    let fit = |kept: &[usize]| training.run(&subset(sites, kept), None, None, seed, watch);
    let mut model = fit(&kept)?;
    loop {
        tell(kept.iter().map(|&i| depths[i]).collect(), &model, &|sites| subset(sites, &kept))?;
        if kept.len() <= 2 {
            return Ok(());
        }
        watch.step("fewer sensors", (depths.len() - kept.len()) as u64, depths.len() as u64 - 2)?;
        let mut best: Option<(usize, Model)> = None;
        for out in 0..kept.len() {
            let rest: Vec<usize> = kept.iter().enumerate().filter(|(i, _)| *i != out).map(|(_, &s)| s).collect();
            let model = fit(&rest)?;
            if best.as_ref().is_none_or(|(_, best)| model.efficiency() > best.efficiency()) {
                best = Some((out, model));
            }
        }
        let Some((out, without)) = best else { return Ok(()) };
        kept.remove(out);
        model = without;
    }
}
