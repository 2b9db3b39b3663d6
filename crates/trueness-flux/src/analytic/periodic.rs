//! A periodic temperature above a half-space: Stallman (1965), and what reads its amplitude and phase.

use super::{crossing, positive};
use crate::medium::{Medium, WATER_HEAT};
use crate::{Error, Result};
use std::f64::consts::{PI, TAU};

/// How a periodic temperature changes with depth: e^(−az) in amplitude and bz in phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attenuation {
    /// The amplitude's decay a, per metre.
    pub decay: f64,
    /// The phase's lag b, in radians per metre.
    pub lag: f64,
}

impl Attenuation {
    /// a = (√((α + v²)/2) − v)/2κ and b = √((α − v²)/2)/2κ with α = √(v⁴ + (8πκ/P)²), for the front's velocity v, the
    /// diffusivity κ and the period P (Stallman 1965).
    fn new(velocity: f64, diffusivity: f64, period: f64) -> Self {
        let (v2, w) = (velocity * velocity, 8.0 * PI * diffusivity / period);
        let alpha = v2.hypot(w);
        let root = ((alpha + v2) / 2.0).sqrt();
        // For water that goes down fast the difference of two numbers that are nearly equal loses all digits:
        // root² − v² = (α − v²)/2, and α − v² = w²/(α + v²).
        let half = w * w / (alpha + v2) / 2.0;
        let difference = if velocity > 0.0 { half / (root + velocity) } else { root - velocity };
        Self { decay: difference / (2.0 * diffusivity), lag: half.sqrt() / (2.0 * diffusivity) }
    }
}

/// T(z, t) = T̄ + A·e^(−az)·sin(ωt − bz).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stallman {
    /// The mean temperature, in °C, the same at all depths.
    pub mean: f64,
    /// The amplitude at the top, in K.
    pub amplitude: f64,
    /// The period, in s.
    pub period: f64,
    /// Darcy flux, in m/s, positive downward.
    pub flux: f64,
    /// The sediment.
    pub medium: Medium,
}

impl Stallman {
    /// Decay and lag with depth.
    pub fn attenuation(&self) -> Attenuation {
        Attenuation::new(self.medium.front(self.flux), self.medium.diffusivity(self.flux), self.period)
    }

    /// The temperature in °C at a depth in m and a time in s.
    pub fn temperature(&self, depth: f64, time: f64) -> f64 {
        let Attenuation { decay, lag } = self.attenuation();
        self.mean + self.amplitude * (-decay * depth).exp() * (TAU * time / self.period - lag * depth).sin()
    }
}

fn ratio_in_range(ratio: f64) -> Result<()> {
    match ratio > 0.0 && ratio < 1.0 {
        true => Ok(()),
        false => Err(Error::NoFlux(format!(
            "amplitude ratio: expected the deeper amplitude divided by the upper one, between 0 and 1, got {ratio}"
        ))),
    }
}

/// The flux in m/s that makes the ratio of two amplitudes, the deeper one divided by the upper one, `spacing` metres apart
/// (Hatch et al. 2006, amplitude method).
///
/// # Errors
/// [`Error::NoFlux`] for a ratio that no flux makes, [`Error::Input`] for a spacing or period of 0 or less.
pub fn hatch_amplitude(ratio: f64, spacing: f64, period: f64, medium: &Medium) -> Result<f64> {
    positive("spacing", "metres", spacing)?;
    positive("period", "seconds", period)?;
    ratio_in_range(ratio)?;
    let diffusivity = medium.diffusivity(0.0);
    // The decay falls with the velocity from infinity to 0, so that there is one solution.
    let wanted = -ratio.ln() / spacing;
    let scale = (diffusivity / period).sqrt();
    let excess = |v: f64| Attenuation::new(v, diffusivity, period).decay / wanted - 1.0;
    let velocity = crossing(excess, -scale, scale, &format!("the amplitude ratio {ratio}"))?;
    Ok(medium.flux_of_front(velocity))
}

/// The magnitude of the flux in m/s that makes the lag of a period's signal in s between two depths, `spacing` metres apart
/// (Hatch et al. 2006, phase method). The lag does not tell the direction.
///
/// # Errors
/// [`Error::NoFlux`] for a lag longer than conduction alone makes, [`Error::Input`] for values of 0 or less.
pub fn hatch_phase(lag: f64, spacing: f64, period: f64, medium: &Medium) -> Result<f64> {
    positive("lag", "seconds", lag)?;
    positive("spacing", "metres", spacing)?;
    positive("period", "seconds", period)?;
    let conduction = 4.0 * PI * medium.diffusivity(0.0) * lag / (period * spacing);
    let square = (spacing / lag).powi(2) - conduction.powi(2);
    // Conduction alone gives 0 up to rounding.
    if square < -1e-12 * conduction.powi(2) {
        return Err(Error::NoFlux(format!(
            "lag: {lag} s over {spacing} m is longer than conduction alone makes, {} s",
            spacing * (period / (4.0 * PI * medium.diffusivity(0.0))).sqrt()
        )));
    }
    Ok(medium.flux_of_front(square.max(0.0).sqrt()))
}

/// The flux in m/s that makes the ratio of two amplitudes, as the real root of a cubic (Keery et al. 2007), with
/// D = ln(ratio), H = ρ_w c_w/λ and the spacing z:
/// (H³D/4z)q³ − (5H²D²/4z²)q² + (2HD³/z³)q + (πρc/λP)² − D⁴/z⁴ = 0.
///
/// # Errors
/// As [`hatch_amplitude`].
pub fn keery(ratio: f64, spacing: f64, period: f64, medium: &Medium) -> Result<f64> {
    positive("spacing", "metres", spacing)?;
    positive("period", "seconds", period)?;
    ratio_in_range(ratio)?;
    let (d, h) = (ratio.ln() / spacing, WATER_HEAT / medium.conductivity);
    let w = PI * medium.heat / (medium.conductivity * period);
    // In units of the decay, x = Hq·z/|D|: −x³/4 − 5x²/4 − 2x − 1 + (w/d²)², which falls for x > −1 and is above 0 before.
    let constant = (w / (d * d)).powi(2) - 1.0;
    let cubic = |x: f64| constant - x * (2.0 + x * (1.25 + 0.25 * x));
    let x = crossing(cubic, -1.0, 1.0, &format!("the amplitude ratio {ratio}"))?;
    Ok(x * -d / h)
}

/// Flux in m/s and diffusivity κ in m²/s from the amplitude ratio and the lag in s between two depths, without knowing the
/// conductivity (McCallum et al. 2012; Luce et al. 2013): with η = −ln(ratio)/Δφ and the phase Δφ = 2π·lag/P,
/// v = (Δz/lag)·(1 − η²)/(1 + η²) and κ = ωΔz²η/(Δφ²(1 + η²)).
///
/// # Errors
/// As [`hatch_amplitude`] and [`hatch_phase`].
pub fn mccallum_luce(ratio: f64, lag: f64, spacing: f64, period: f64, medium: &Medium) -> Result<(f64, f64)> {
    positive("lag", "seconds", lag)?;
    positive("spacing", "metres", spacing)?;
    positive("period", "seconds", period)?;
    ratio_in_range(ratio)?;
    let phase = TAU * lag / period;
    let eta = -ratio.ln() / phase;
    let velocity = spacing / lag * (1.0 - eta * eta) / (1.0 + eta * eta);
    let diffusivity = TAU / period * spacing * spacing * eta / (phase * phase * (1.0 + eta * eta));
    Ok((medium.flux_of_front(velocity), diffusivity))
}
