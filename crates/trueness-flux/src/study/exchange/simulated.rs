//! All estimators on simulated sites, at one noise.

use super::knobs::ExchangeKnobs;
use super::{physics, subject};
use crate::Result;
use crate::estimator::learned::{Learner, Site, Split, Training};
use crate::river::Drawn;
use crate::study::score::{measure, scores};
use trueness_core::{Estimate, Run, Seed};

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
        physics::run(noise, &train[..held], &test, run)?;
        physics::waves(knobs, noise, &test, run)?;
    }
    Ok(())
}
