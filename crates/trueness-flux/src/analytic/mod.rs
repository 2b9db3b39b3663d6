//! Closed forms of heat in a column with a uniform flux.
//!
//! - [`Stallman`]: a periodic temperature at the top of a half-space, and the estimators that read its amplitude
//!   and phase: [`hatch_amplitude`], [`hatch_phase`], [`keery`], [`mccallum_luce`].
//! - [`steady`]: profiles that do not change: Bredehoeft–Papadopulos between two depths, Turcotte–Schubert above
//!   a half-space of rising water.
//! - [`step`]: Ogata–Banks, a sudden change at the top.
//!
//! The conductivity of the medium includes dispersion by the true flux when temperatures are computed. Estimators
//! of amplitude or phase use the medium as if its dispersivity were 0, as their authors do: put dispersion into
//! its conductivity.

mod periodic;
pub mod steady;
pub mod step;

pub use periodic::{Attenuation, Stallman, hatch_amplitude, hatch_phase, keery, mccallum_luce};

use crate::{Error, Result};

/// Where a function that grows, or falls, crosses 0. The bracket is doubled until it holds the place.
pub(crate) fn crossing(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64, what: &str) -> Result<f64> {
    let rises = f(low) < f(high);
    let before = |y: f64| if rises { y < 0.0 } else { y > 0.0 };
    for _ in 0..64 {
        let width = high - low;
        match (before(f(low)), before(f(high))) {
            (true, false) => {
                while high - low > 4.0 * f64::EPSILON * low.abs().max(high.abs()) {
                    let middle = low + (high - low) / 2.0;
                    if middle <= low || middle >= high {
                        break;
                    }
                    if before(f(middle)) { low = middle } else { high = middle }
                }
                return Ok(low + (high - low) / 2.0);
            }
            (false, _) => low -= width,
            (_, true) => high += width,
        }
    }
    Err(Error::NoFlux(format!("no flux gives {what}")))
}

/// Whether a number is finite and above 0.
pub(crate) fn positive(name: &str, unit: &str, x: f64) -> Result<()> {
    match x > 0.0 && x.is_finite() {
        true => Ok(()),
        false => Err(Error::Input(format!("{name}: expected {unit} above 0, got {x}"))),
    }
}
