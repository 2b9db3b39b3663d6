//! A record whose flux is known from heads: the first seven tenths to learn from, the last three to be measured on.

use super::knobs::ExchangeKnobs;
use super::physics::{PHYSICS, calibrations, start};
use super::simulated::training;
use crate::estimator::learned::{Learner, Model, Site, Split};
use crate::estimator::{FluxSeries, Inversion, Kalman};
use crate::logger::{Reading, Record, read};
use crate::medium::hydraulic_conductivity;
use crate::study::score::{Score, measure};
use crate::{DAY, Error, Result};
use rand_distr::{Distribution, StandardNormal};
use std::path::Path;
use std::sync::Arc;
use trueness_core::{Estimate, Run, Seed};

/// The share to learn from.
const FIRST: f64 = 0.7;

/// Into how many parts that share is cut, each held out once.
const FOLDS: usize = 5;

/// Windows in h that are tried; the one with the best efficiency on what was held out is taken.
const WINDOWS: [f64; 4] = [2.0, 4.0, 6.0, 8.0];

/// How many of the simulated sites calibrate the intervals of the smoother and of the inversion.
const CALIBRATING: usize = 24;

/// The record without errors, and its flux in m/s: K(T)·Δh/L, with the temperature in the middle of the sensors.
fn given(knobs: &ExchangeKnobs) -> Result<(Record, Vec<f64>)> {
    let file = |path: &str| read(Path::new(path), &Reading::default());
    let temperatures = file(&knobs.temperatures)?.channels;
    let reading = Reading { columns: knobs.head_columns.to_vec(), ..Reading::default() };
    let heads = read(Path::new(&knobs.heads), &reading)?.channels;
    let (Some(first), [top, bottom]) = (temperatures.first(), heads.as_slice()) else {
        return Err(Error::Input(format!("{}: expected two columns of heads, got {}", knobs.heads, heads.len())));
    };
    if temperatures.len() != knobs.depths.len() || temperatures.iter().any(|channel| channel.times != first.times) {
        return Err(Error::Input(format!(
            "{}: expected {} temperatures at the same times, got {}",
            knobs.temperatures,
            knobs.depths.len(),
            temperatures.len()
        )));
    }
    if first.times.len() < 1000 || !first.times.iter().zip(&top.times).all(|(a, b)| a == b) {
        return Err(Error::Input(format!(
            "{} and {}: expected at least 1,000 times, the same in both",
            knobs.temperatures, knobs.heads
        )));
    }
    let n = first.times.len().min(top.times.len());
    let step = (first.times[1] - first.times[0]) as f64 / 1000.0;
    let record = Record {
        start: first.times[0],
        step,
        depths: knobs.depths.clone(),
        names: temperatures.iter().map(|channel| channel.name.clone()).collect(),
        values: temperatures.iter().map(|channel| channel.values[..n].to_vec()).collect(),
    };
    let middle = &record.values[record.depths.len() / 2];
    let flux = (0..n)
        .map(|i| {
            let conductivity = hydraulic_conductivity(knobs.permeability, middle[i].clamp(0.0, 40.0));
            conductivity * (top.values[i] - bottom.values[i]) / knobs.length
        })
        .collect();
    Ok((record, flux))
}

fn cut(record: &Record, range: std::ops::Range<usize>) -> Record {
    let values = record.values.iter().map(|values| values[range.clone()].to_vec()).collect();
    Record { start: record.moment(range.start), values, ..record.clone() }
}

/// The scores of each day.
fn days(found: &FluxSeries, truth: &[f64], step: f64) -> Vec<Score> {
    let day = (DAY / step) as usize;
    (0..truth.len())
        .step_by(day)
        .map(|from| {
            let range = from..(from + day).min(truth.len());
            let part = |values: &[f64]| values[range.clone()].to_vec();
            let found =
                FluxSeries { flux: part(&found.flux), low: part(&found.low), high: part(&found.high), mean: None };
            Score::of(&found, &truth[range.clone()])
        })
        .collect()
}

/// Sites with the record's depths and step, a river and a bed drawn at random.
fn alike(knobs: &ExchangeKnobs, record: &Record, seed: Seed) -> Result<Vec<Site>> {
    let mut from = knobs.sites.clone().with_sensors(&record.depths);
    (from.pattern.days, from.pattern.step) = (knobs.days, record.step);
    from.pattern.sensors.noise = knobs.record_noise;
    Ok(from.simulate(knobs.train_sites, seed)?.into_iter().map(Site::from).collect())
}

pub(super) fn run(knobs: &ExchangeKnobs, run: &mut Run<'_>) -> Result<()> {
    let (seed, watch) = (run.seed().child("record"), run.watch());
    let (mut record, flux) = given(knobs)?;
    let mut rng = seed.child("errors").rng();
    for value in record.values.iter_mut().flatten() {
        let error: f64 = StandardNormal.sample(&mut rng);
        *value += knobs.record_noise * error;
    }
    let n = (record.len() as f64 * FIRST) as usize;
    let (first, last) = (cut(&record, 0..n), cut(&record, n..record.len()));
    let truth = &flux[n..];
    let train = [Site { record: first.clone(), flux: flux[..n].to_vec() }];
    let mut held: Vec<(f64, String)> = Vec::new();
    let mut tell = |run: &mut Run<'_>, name: &str, validated: f64, found: &FluxSeries| {
        let subject = format!("record/{name}");
        let method = "on the first seven tenths, in blocks that were held out";
        run.measure("nse-held", &subject, Estimate::uncertain(validated, FOLDS as u64, method), "");
        measure(run, &subject, &days(found, truth, record.step), "days", seed.child("bootstrap"));
        held.push((validated, subject));
    };
    // The smoother and the inversion see no flux: what they say of the first part is their validation.
    let kalman = Kalman::default();
    let bed = kalman.tune(&first, &start(knobs.record_noise), 7.0, watch)?.bed;
    let score =
        |found: &FluxSeries, truth: &[f64]| crate::study::score::efficiency(days(found, truth, record.step).iter());
    let inversion = Inversion::default();
    let pairs = [
        (kalman.smooth(&first, &bed)?, kalman.smooth(&last, &bed)?),
        (inversion.fit(&first, &bed, watch)?.series, inversion.fit(&last, &bed, watch)?.series),
    ];
    let simulated = alike(knobs, &record, seed.child("alike"))?;
    let calibrations = calibrations(knobs.record_noise, &simulated[..CALIBRATING.min(simulated.len())], watch)?;
    for ((name, (before, after)), calibration) in PHYSICS.into_iter().zip(&pairs).zip(calibrations) {
        let validated = score(before, &flux[..n]);
        tell(run, &format!("{name}, intervals as told"), validated, after);
        if let Some(calibration) = calibration {
            tell(run, name, validated, &calibration.applied(after));
        }
    }
    for &learner in &knobs.learners {
        let mut best: Option<(f64, Model)> = None;
        for hours in WINDOWS {
            let training = training(knobs, learner, hours, Split::Folds(FOLDS));
            let model = training.run(&train, None, None, seed.child(learner.name()), watch)?;
            if best.as_ref().is_none_or(|(_, best)| model.efficiency() > best.efficiency()) {
                best = Some((hours, model));
            }
        }
        let Some((hours, model)) = best else { continue };
        tell(run, learner.name(), model.efficiency(), &model.infer(&last)?);
        if matches!(learner, Learner::Boosting | Learner::Mlp | Learner::Cnn | Learner::Lstm) {
            let base = training(knobs, learner, hours, Split::Held(knobs.calibration));
            let base = Arc::new(base.run(&simulated, None, None, seed.child("base").child(learner.name()), watch)?);
            let alone = base.infer(&last)?;
            tell(run, &format!("{} simulated", learner.name()), score(&base.infer(&first)?, &flux[..n]), &alone);
            let tuned = training(knobs, learner, hours, Split::Folds(FOLDS));
            let tuned = tuned.run(&train, Some(&base), None, seed.child("tuned").child(learner.name()), watch)?;
            tell(run, &format!("{} fine-tuned", learner.name()), tuned.efficiency(), &tuned.infer(&last)?);
        }
    }
    if let Some((_, chosen)) = held.iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
        run.note(format!("Chosen by what was held out: {chosen}."));
        run.keep("chosen", chosen)?;
    }
    Ok(())
}
