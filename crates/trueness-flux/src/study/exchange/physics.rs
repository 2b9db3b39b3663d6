//! Estimators that know the physics, and learn nothing but how wide their intervals have to be.

use super::knobs::ExchangeKnobs;
use super::simulated::sites;
use super::subject;
use crate::estimator::learned::Site;
use crate::estimator::{Bed, Calibration, Diurnal, FluxSeries, Inversion, Kalman};
use crate::study::score::{Score, measure};
use crate::{Error, Result};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use trueness_core::{Estimate, Run, Watch};

/// Estimators by the whole column.
pub(super) const PHYSICS: [&str; 2] = ["kalman", "inversion"];

/// The closed forms; Keery's polynomial has the root that Hatch's amplitude ratio has.
pub(super) const WAVES: [Diurnal; 3] = [Diurnal::Amplitude, Diurnal::Phase, Diurnal::Combined];

/// Days of a window of the day's wave, and seconds between two windows.
const WINDOW: f64 = 2.0;
const EVERY: f64 = 21_600.0;

/// What the smoother and the inversion find at each site, with the bed fitted to two days of it.
fn columns(noise: f64, sites: &[&Site], watch: Watch<'_>) -> Result<Vec<[FluxSeries; 2]>> {
    let done = AtomicU64::new(0);
    sites
        .par_iter()
        .map(|site| {
            watch.step("smoother and inversion", done.fetch_add(1, Ordering::Relaxed), sites.len() as u64)?;
            let bed = start(noise).fitted(&site.record, watch)?;
            let inverted = Inversion::default().fit(&site.record, &bed, watch)?.series;
            Ok([Kalman::default().smooth(&site.record, &bed)?, inverted])
        })
        .collect()
}

/// Where the fit of a bed begins.
pub(super) fn start(noise: f64) -> Bed {
    Bed { noise: noise.max(2e-3), ..Bed::default() }
}

/// How wide the intervals of the smoother and of the inversion have to be, by some sites.
pub(super) fn calibrations(noise: f64, sites: &[Site], watch: Watch<'_>) -> Result<[Option<Calibration>; 2]> {
    let sites: Vec<&Site> = sites.iter().collect();
    let found = columns(noise, &sites, watch)?;
    Ok([0, 1].map(|place| {
        let known: Vec<Vec<[f64; 3]>> =
            found.iter().zip(&sites).map(|(series, site)| series[place].against(&site.flux)).collect();
        Calibration::of_sites(&known)
    }))
}

/// The smoother and the inversion at the test sites; other sites calibrate them.
pub(super) fn run(noise: f64, others: &[Site], test: &[Site], run: &mut Run<'_>) -> Result<()> {
    let watch = run.watch();
    let calibrations = calibrations(noise, others, watch)?;
    let test: Vec<&Site> = test.iter().collect();
    let found = columns(noise, &test, watch)?;
    for (place, (name, calibration)) in PHYSICS.iter().zip(calibrations).enumerate() {
        let found: Vec<Option<&FluxSeries>> = found.iter().map(|series| Some(&series[place])).collect();
        tell(run, &subject(name, noise, None), &test, &found, calibration);
    }
    Ok(())
}

/// What a closed form and a pair of neighbouring sensors are called.
pub(super) fn wave(knobs: &ExchangeKnobs, diurnal: Diurnal, below: usize) -> String {
    let depths = &knobs.sites.pattern.sensors.depths;
    format!("{} {:.1}-{:.1} cm", diurnal.name(), 100.0 * depths[below - 1], 100.0 * depths[below])
}

/// The closed forms at each pair of neighbouring sensors; sites of their own calibrate them, since a site costs little.
pub(super) fn waves(knobs: &ExchangeKnobs, noise: f64, test: &[Site], run: &mut Run<'_>) -> Result<()> {
    let others = sites(knobs, noise, "waves", knobs.wave_sites, run.seed())?;
    let all: Vec<&Site> = others.iter().chain(test).collect();
    let bed = start(noise);
    let pairs = knobs.sites.pattern.sensors.depths.len() - 1;
    for (place, diurnal) in WAVES.into_iter().enumerate() {
        for below in 1..=pairs {
            run.watch().step("closed forms", (place * pairs + below) as u64, (WAVES.len() * pairs) as u64)?;
            let found: Vec<Option<FluxSeries>> = all
                .par_iter()
                .map(|site| match diurnal.pair(&site.record, [below - 1, below], WINDOW, EVERY, &bed) {
                    Ok(pair) => Ok(Some(pair.series)),
                    Err(Error::NoFlux(_)) => Ok(None),
                    Err(error) => Err(error),
                })
                .collect::<Result<_>>()?;
            let (told, found) = found.split_at(others.len());
            let known = told.iter().zip(&others);
            let known = known.map(|(series, site)| series.as_ref().map_or_else(Vec::new, |of| of.against(&site.flux)));
            let calibration = Calibration::of_sites(&known.collect::<Vec<_>>());
            let found: Vec<Option<&FluxSeries>> = found.iter().map(Option::as_ref).collect();
            let subject = subject(&wave(knobs, diurnal, below), noise, None);
            tell(run, &subject, &all[others.len()..], &found, calibration);
            let answered = found.iter().flatten().count() as u64;
            let answered = Estimate::proportion(answered, test.len() as u64, "Wilson, over test sites");
            run.measure("answered", &subject, answered, "");
        }
    }
    Ok(())
}

/// Measures what was found at sites, with intervals as they are calibrated and as they were told.
fn tell(
    run: &mut Run<'_>,
    subject: &str,
    sites: &[&Site],
    found: &[Option<&FluxSeries>],
    calibration: Option<Calibration>,
) {
    let seed = run.seed().child("bootstrap");
    let mut score = |subject: &str, of: &dyn Fn(&FluxSeries) -> FluxSeries| {
        let each = found.iter().zip(sites);
        let each =
            each.map(|(series, site)| series.map_or_else(Score::default, |series| Score::of(&of(series), &site.flux)));
        measure(run, subject, &each.collect::<Vec<_>>(), "sites", seed);
    };
    if let Some(calibration) = calibration {
        score(subject, &|series| calibration.applied(series));
    }
    score(&format!("{subject}/uncalibrated"), &FluxSeries::clone);
}
