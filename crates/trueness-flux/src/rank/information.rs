//! What the column says that a sensor knows.

use crate::river::{Drawn, Driving};
use crate::{DAY, Result};

/// By how much the flux is changed to see what sensors make of it, in m/s.
const CHANGE: f64 = 0.01 / DAY;

/// What each sensor knows of a lasting change of the flux, by sensor and site: Fisher's information of one value,
/// (∂T/∂q)²/σ², as a mean over the record, in (d/m)². σ is the sensor's error, at least .001 K; ∂T/∂q is a difference between two
/// runs of the column, at the depths where the sensors truly lie.
///
/// # Errors
/// As [`Drawn::simulate`].
pub fn information(drawn: &Drawn) -> Result<Vec<Vec<f64>>> {
    let changed = drawn
        .sites
        .iter()
        .map(|(site, driving)| {
            let flux = driving.flux.iter().map(|q| q + CHANGE).collect();
            (site.clone(), Driving { flux, ..driving.clone() })
        })
        .collect();
    let changed = Drawn { sites: changed, errors: drawn.errors.clone() };
    let (before, after) = (drawn.simulate()?, changed.simulate()?);
    let sensors = before.first().map_or(0, |site| site.depths.len());
    let of = |sensor: usize| {
        let each = drawn.sites.iter().zip(before.iter().zip(&after));
        each.map(|((site, _), (before, after))| {
            let error = site.sensors.noise.max(1e-3);
            let pairs = before.temperatures[sensor].iter().zip(&after.temperatures[sensor]);
            let squares: f64 = pairs.map(|(a, b)| ((b - a) / (CHANGE * DAY) / error).powi(2)).sum();
            squares / before.record.len() as f64
        })
        .collect()
    };
    Ok((0..sensors).map(of).collect())
}
