//! All estimators on simulated sites, at one noise.

use super::knobs::ExchangeKnobs;
use super::subject;
use crate::estimator::learned::{Learner, Site, Split, Training};
use crate::estimator::{Bed, Calibration, FluxSeries, Inversion, Kalman};
use crate::river::Drawn;
use crate::study::score::{Score, measure, scores};
use crate::{DAY, Result};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use trueness_core::{Estimate, Run, Seed, Watch};

/// Sites of a kind (`train` or `test`) and the seeds of their errors: the same at each noise but for the errors' size.
pub(super) fn drawn(knobs: &ExchangeKnobs, noise: f64, kind: &str, n: usize, seed: Seed) -> Result<Drawn> {
    let mut from = knobs.sites.clone();
    (from.pattern.days, from.pattern.step, from.pattern.sensors.noise) = (knobs.days, knobs.step, noise);
    from.draw_all(n, seed.child("sites").child(kind))
}

/// What the sensors of such sites say, and the flux that was there.
pub(super) fn sites(knobs: &ExchangeKnobs, noise: f64, kind: &str, n: usize, seed: Seed) -> Result<Vec<Site>> {
    Ok(drawn(knobs, noise, kind, n, seed)?.simulate()?.into_iter().map(Site::from).collect())
}

/// How a learner is trained here.
pub(super) fn training(knobs: &ExchangeKnobs, learner: Learner, hours: f64, split: Split) -> Training {
    let mut training = Training::new(learner, split);
    training.features.smoothing = hours * 3600.0;
    training.features.step = training.features.step.max(knobs.step);
    (training.forest, training.boosting, training.network) = (knobs.forest, knobs.boosting, knobs.network);
    training
}

pub(super) fn run(knobs: &ExchangeKnobs, noise: f64, run: &mut Run<'_>) -> Result<()> {
    let (seed, watch) = (run.seed(), run.watch());
    let train = sites(knobs, noise, "train", knobs.train_sites, seed)?;
    let test = sites(knobs, noise, "test", knobs.test_sites, seed)?;
    let total = knobs.learners.len() * knobs.smoothing.len();
    let mut done = 0;
    for &hours in &knobs.smoothing {
        for &learner in &knobs.learners {
            watch.step("learners", done, total as u64)?;
            done += 1;
            let training = training(knobs, learner, hours, Split::Held(knobs.calibration));
            let model = training.run(&train, None, None, seed.child("learner").child(learner.name()), watch)?;
            let subject = subject(learner.name(), noise, Some(hours));
            let n = (knobs.train_sites as f64 * knobs.calibration) as u64;
            run.measure("nse-held", &subject, Estimate::uncertain(model.efficiency(), n, "on held-out sites"), "");
            measure(run, &subject, &scores(&model, &test)?, "sites", seed.child("bootstrap"));
        }
    }
    if knobs.physics && noise == knobs.ranked_at[0] {
        let held = (knobs.train_sites as f64 * knobs.calibration).ceil() as usize;
        let all: Vec<&Site> = train[..held].iter().chain(&test).collect();
        let found = by_physics(noise, &all, watch)?;
        for (place, name) in PHYSICS.iter().enumerate() {
            let values = found[..held].iter().zip(&all).flat_map(|(series, site)| {
                let series = &series[place];
                site.flux
                    .iter()
                    .enumerate()
                    .map(move |(i, truth)| [series.flux[i] * DAY, (series.high[i] - series.flux[i]) * DAY, truth * DAY])
            });
            let calibration = Calibration::of(values)?;
            let subject = subject(name, noise, None);
            let score = |of: &dyn Fn(&FluxSeries) -> FluxSeries| -> Vec<Score> {
                found[held..]
                    .iter()
                    .zip(&test)
                    .map(|(series, site)| Score::of(&of(&series[place]), &site.flux))
                    .collect()
            };
            let (raw, scores) = (score(&FluxSeries::clone), score(&|series| calibration.applied(series)));
            measure(run, &subject, &scores, "sites", seed.child("bootstrap"));
            measure(run, &format!("{subject}/uncalibrated"), &raw, "sites", seed.child("bootstrap"));
        }
    }
    Ok(())
}

/// Estimators that know the physics and learn nothing.
pub(super) const PHYSICS: [&str; 2] = ["kalman", "inversion"];

/// The smoother and the inversion at each site, with the bed fitted to two days of it on coarse cells.
fn by_physics(noise: f64, sites: &[&Site], watch: Watch<'_>) -> Result<Vec<[FluxSeries; 2]>> {
    let done = AtomicU64::new(0);
    sites
        .par_iter()
        .map(|site| {
            watch.step("smoother and inversion", done.fetch_add(1, Ordering::Relaxed), sites.len() as u64)?;
            let coarse = Kalman { cell: 0.04, ..Kalman::default() };
            let start = Bed { noise: noise.max(2e-3), ..Bed::default() };
            let bed = coarse.tune(&site.record, &start, 2.0, watch)?.bed;
            let inverted = Inversion::default().fit(&site.record, &bed, watch)?.series;
            Ok([Kalman::default().smooth(&site.record, &bed)?, inverted])
        })
        .collect()
}
