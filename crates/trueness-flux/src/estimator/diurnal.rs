//! Flux from how the day's wave shrinks and lags between two sensors, in sliding windows.

use super::{Bed, FluxSeries};
use crate::analytic::{hatch_amplitude, hatch_phase, keery, mccallum_luce};
use crate::logger::Record;
use crate::signal::{Harmonic, harmonic};
use crate::{DAY, Error, Result};
use trueness_core::normal_quantile;

/// Which closed form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diurnal {
    /// Hatch's amplitude ratio.
    Amplitude,
    /// Hatch's phase lag; the sign is that of the amplitude ratio's flux.
    Phase,
    /// Keery's polynomial of the amplitude ratio.
    Keery,
    /// McCallum's and Luce's combination of both, which needs no diffusivity.
    Combined,
}

/// Diffusivities of real beds in m²/s: .028 to .180 m²/d (Irvine et al. 2015). Others tell of flow that is not vertical, or of
/// bad data.
pub const DIFFUSIVITY: [f64; 2] = [0.028 / DAY, 0.180 / DAY];

/// What a pair of sensors said.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The sensors' numbers.
    pub sensors: [usize; 2],
    /// The flux at the record's times.
    pub series: FluxSeries,
    /// The diffusivity in m²/s by window, where the method finds one.
    pub diffusivity: Vec<f64>,
}

/// Values of the wave of one window, and the errors of their logarithm and phase.
struct Wave {
    found: Harmonic,
    error: f64,
}

/// How long what is left of a wave's fit remembers, in s: residuals of a day's wave are weather, not noise.
const MEMORY: f64 = 10_800.0;

/// The largest error in m/s that says something of a flux: rivers and beds exchange less than a few metres a day.
const MOST_ERROR: f64 = 1.0 / DAY;

impl Diurnal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Amplitude, Self::Phase, Self::Keery, Self::Combined];

    /// The method's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amplitude => "amplitude",
            Self::Phase => "phase",
            Self::Keery => "keery",
            Self::Combined => "combined",
        }
    }

    /// Flux from two sensors of a record in windows of so many days, one window every `every` s. Between windows' middles flux is
    /// interpolated; a window whose flux would be known no better than to a metre a day has no answer. Intervals come from the
    /// errors of both waves, of the heat capacity, and of a conductivity that is known to a fifth.
    ///
    /// # Errors
    /// [`Error::Input`] for sensors that are not there, windows shorter than a day or longer than the record;
    /// [`Error::NoFlux`] where no window has an answer.
    pub fn pair(self, record: &Record, sensors: [usize; 2], days: f64, every: f64, bed: &Bed) -> Result<Pair> {
        let [above, below] = sensors;
        if above >= below || below >= record.depths.len() {
            return Err(Error::Input(format!("sensors: expected two of {}, the upper one first", record.depths.len())));
        }
        let window = (days * DAY / record.step).round() as usize;
        if days < 1.0 || window > record.len() {
            let long = record.len() as f64 * record.step / DAY;
            return Err(Error::Input(format!("window: expected 1 day up to the record's {long:.1}, got {days}")));
        }
        let times: Vec<f64> = (0..window).map(|i| i as f64 * record.step).collect();
        let hop = ((every / record.step).round() as usize).max(1);
        let (mut middles, mut diffusivity) = (Vec::new(), Vec::new());
        for begin in (0..=record.len() - window).step_by(hop) {
            let wave = |sensor: usize| -> Option<Wave> {
                let values = &record.values[sensor][begin..begin + window];
                // A window that lacks more than a quarter is too little to tell a day by.
                if values.iter().filter(|value| value.is_finite()).count() < window * 3 / 4 {
                    return None;
                }
                let found = harmonic(&times, values, DAY).ok()?;
                let error =
                    found.residual.hypot(0.3 * bed.noise) * (2.0 * MEMORY / (days * DAY)).sqrt() / found.amplitude;
                Some(Wave { found, error })
            };
            let (Some(a), Some(b)) = (wave(above), wave(below)) else { continue };
            // A wave that drowns in its error tells nothing.
            if a.error > 0.3 || b.error > 0.3 {
                continue;
            }
            let spacing = record.depths[below] - record.depths[above];
            if let Some((flux, error, kappa)) = self.one(&a, &b, spacing, bed).filter(|found| found.1 <= MOST_ERROR) {
                middles.push((begin + window / 2, flux, error));
                diffusivity.push(kappa);
            }
        }
        if middles.is_empty() {
            return Err(Error::NoFlux(format!(
                "{}: no window of {days} days has a day's wave at {} and {} m that flux and conduction can make",
                self.name(),
                record.depths[above],
                record.depths[below]
            )));
        }
        Ok(Pair { sensors, series: spread(&middles, hop, record.len()), diffusivity })
    }

    /// Flux, its error of one standard deviation, and the diffusivity of one window.
    fn one(self, a: &Wave, b: &Wave, spacing: f64, bed: &Bed) -> Option<(f64, f64, f64)> {
        let log_ratio = (b.found.amplitude / a.found.amplitude).ln();
        let angle = (b.found.phase - a.found.phase).rem_euclid(std::f64::consts::TAU);
        let error = a.error.hypot(b.error);
        let at = |log_ratio: f64, angle: f64, conductivity: f64| -> Option<(f64, f64)> {
            let medium = crate::medium::Medium { conductivity, ..bed.medium };
            let (ratio, lag) = (log_ratio.exp(), angle / std::f64::consts::TAU * DAY);
            match self {
                Self::Amplitude => Some((hatch_amplitude(ratio, spacing, DAY, &medium).ok()?, f64::NAN)),
                Self::Keery => Some((keery(ratio, spacing, DAY, &medium).ok()?, f64::NAN)),
                Self::Phase => {
                    let size = hatch_phase(lag, spacing, DAY, &medium).ok()?;
                    let sign = hatch_amplitude(ratio, spacing, DAY, &medium).ok()?;
                    Some((size.copysign(sign), f64::NAN))
                }
                Self::Combined => mccallum_luce(ratio, lag, spacing, DAY, &medium).ok(),
            }
        };
        let conductivity = bed.medium.conductivity;
        let (flux, kappa) = at(log_ratio, angle, conductivity)?;
        let change = |other: Option<(f64, f64)>| other.map_or(f64::NAN, |(other, _)| other - flux);
        let half = |plus: Option<(f64, f64)>, minus: Option<(f64, f64)>| {
            let (plus, minus) = (change(plus).abs(), change(minus).abs());
            if plus.is_nan() { minus } else { plus.max(if minus.is_nan() { 0.0 } else { minus }) }
        };
        let parts = [
            half(at(log_ratio + error, angle, conductivity), at(log_ratio - error, angle, conductivity)),
            half(at(log_ratio, angle + error, conductivity), at(log_ratio, angle - error, conductivity)),
            half(at(log_ratio, angle, conductivity * 1.2), at(log_ratio, angle, conductivity * 0.8)),
            bed.heat_error * flux.abs(),
        ];
        let total = parts.iter().filter(|part| part.is_finite()).map(|part| part * part).sum::<f64>().sqrt();
        Some((flux, total, kappa))
    }
}

/// Values at the windows' middles, spread over a record.
fn spread(middles: &[(usize, f64, f64)], hop: usize, n: usize) -> FluxSeries {
    let quantile = normal_quantile(trueness_core::LEVEL);
    let mut series =
        FluxSeries { flux: vec![f64::NAN; n], low: vec![f64::NAN; n], high: vec![f64::NAN; n], mean: None };
    let mut put = |i: usize, flux: f64, error: f64| {
        (series.flux[i], series.low[i], series.high[i]) = (flux, flux - quantile * error, flux + quantile * error);
    };
    for pair in middles.windows(2) {
        let ((from, x, e), (to, y, f)) = (pair[0], pair[1]);
        // Over windows without an answer nothing is said.
        if to - from <= 2 * hop {
            for i in from..to {
                let share = (i - from) as f64 / (to - from) as f64;
                put(i, x + share * (y - x), e + share * (f - e));
            }
        }
    }
    if let Some(&(last, flux, error)) = middles.last() {
        put(last, flux, error);
    }
    series
}
