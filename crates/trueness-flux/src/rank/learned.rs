//! Which sensors a learner needs.

use crate::Result;
use crate::estimator::learned::{Model, Site, Training};
use crate::study::score::{Score, efficiency, scores};
use rayon::prelude::*;
use trueness_core::{Seed, Watch};

/// A sensor is important where it loses at least this share of what the most important one loses.
pub(super) const IMPORTANT: f64 = 0.1;

/// How many other sites each sensor's record is taken from in turn.
pub(super) const EXCHANGES: usize = 3;

/// What a model loses by sensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// The sensors' depths in m.
    pub depths: Vec<f64>,
    /// Nash and Sutcliffe's efficiency lost where the sensor's record, and with it all that is made of it, is another site's.
    pub lost: Vec<f64>,
    /// How many sites were measured on.
    pub n: usize,
}

impl Importance {
    /// How many sensors lose at least a tenth of what the most important one loses.
    pub fn important(&self) -> usize {
        let most = self.lost.iter().copied().fold(0.0, f64::max);
        self.lost.iter().filter(|lost| **lost >= IMPORTANT * most && **lost > 0.0).count()
    }
}

/// Permutation importance of each sensor, all features of its record together (Breiman 2001, by groups): its record is
/// exchanged between sites, so that it stays a record that a sensor could tell.
///
/// # Errors
/// As [`Model::infer`].
pub fn importance(model: &Model, sites: &[Site]) -> Result<Importance> {
    let whole = efficiency(&scores(model, sites)?);
    let depths = model.depths().to_vec();
    let lost = (0..depths.len()).map(|sensor| Ok(whole - exchanged(model, sites, sensor)?)).collect::<Result<_>>()?;
    Ok(Importance { depths, lost, n: sites.len() })
}

/// The efficiency where a sensor tells what it told at another site.
fn exchanged(model: &Model, sites: &[Site], sensor: usize) -> Result<f64> {
    let mut sum = 0.0;
    for shift in 1..=EXCHANGES {
        let step = (shift * sites.len() / (EXCHANGES + 1)).max(1);
        let scores: Vec<Score> = (0..sites.len())
            .into_par_iter()
            .map(|i| {
                let mut record = sites[i].record.clone();
                record.values[sensor].clone_from(&sites[(i + step) % sites.len()].record.values[sensor]);
                Ok(Score::of(&model.infer(&record)?, &sites[i].flux))
            })
            .collect::<Result<_>>()?;
        sum += efficiency(&scores);
    }
    Ok(sum / EXCHANGES as f64)
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
