//! How wide intervals have to be, by simulated sites whose sensors are those of the record.

use super::knobs::{InferKnobs, Method};
use crate::Error;
use crate::estimator::{Calibration, Diurnal, FluxSeries, Inversion, Pair};
use crate::logger::Record;
use crate::river::{Simulated, Sites};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use trueness_core::{Run, Seed};

/// Seconds between two windows of a simulated site: what its intervals hold does not depend on it, and fewer take less time.
const EVERY: f64 = 10_800.0;

/// Days of a site by which the inversion's intervals are widened.
const DAYS: f64 = 5.0;

/// Simulated sites that are inverted, at most: one takes about half a second, a closed form's a thousandth of that.
const MOST_INVERTED: usize = 100;

/// Sites drawn at random whose sensors are those of a record.
fn alike(knobs: &InferKnobs, record: &Record, n: usize, days: f64, seed: Seed) -> Result<Vec<Simulated>, Error> {
    let mut from = Sites::default().with_sensors(&record.depths);
    from.pattern.days = days;
    from.pattern.step = record.step.clamp(900.0, 3600.0);
    from.pattern.sensors.noise = knobs.noise;
    from.simulate(n, seed)
}

/// The sites by which the intervals of a closed form are widened; none, and a warning, where such sensors cannot be simulated.
pub(super) fn sites(
    knobs: &InferKnobs,
    record: &Record,
    method: Method,
    run: &mut Run<'_>,
) -> Result<Vec<Simulated>, Error> {
    let seed = run.seed().child("calibration");
    match alike(knobs, record, knobs.calibration_sites, knobs.window + 3.0, seed) {
        Ok(sites) => Ok(sites),
        Err(error @ Error::Input(_)) => {
            run.warn(format!(
                "{}: no site with such sensors can be simulated to widen intervals by: {error}",
                method.name()
            ));
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// How wide the intervals of a closed form have to be for one pair of sensors; nothing where too few sites have an answer.
pub(super) fn pair(
    knobs: &InferKnobs,
    diurnal: Diurnal,
    pair: [usize; 2],
    sites: &[Simulated],
) -> Result<Option<Calibration>, Error> {
    let bed = knobs.bed();
    by(sites, |site| match diurnal.pair(&site.record, pair, knobs.window, EVERY, &bed) {
        Ok(Pair { series, .. }) => Ok(Some(series)),
        Err(Error::NoFlux(_)) => Ok(None),
        Err(error) => Err(error),
    })
}

/// How wide the intervals of the inversion have to be; nothing where sites are not asked for, or cannot be simulated.
pub(super) fn inversion(knobs: &InferKnobs, record: &Record, run: &mut Run<'_>) -> Result<Option<Calibration>, Error> {
    let n = knobs.calibration_sites.min(MOST_INVERTED);
    let seed = run.seed().child("calibration");
    let sites = match alike(knobs, record, n, DAYS, seed) {
        Err(Error::Input(_)) => return Ok(None),
        other => other?,
    };
    let found = run.stage("inversion", knobs, |stage| {
        let (watch, done) = (stage.watch(), AtomicU64::new(0));
        by(&sites, |site| {
            watch.step("sites that widen intervals", done.fetch_add(1, Ordering::Relaxed), n as u64)?;
            let bed = knobs.bed().fitted(&site.record, watch)?;
            Ok(Some(Inversion::default().fit(&site.record, &bed, watch)?.series))
        })
    });
    Ok(found?.value)
}

/// A calibration by what is found at sites.
fn by(
    sites: &[Simulated],
    find: impl Fn(&Simulated) -> Result<Option<FluxSeries>, Error> + Sync,
) -> Result<Option<Calibration>, Error> {
    let values: Vec<Vec<[f64; 3]>> = sites
        .par_iter()
        .map(|site| Ok(find(site)?.map_or_else(Vec::new, |series| series.against(&site.flux))))
        .collect::<Result<_, Error>>()?;
    Ok(Calibration::of_sites(&values))
}
