//! Profiles that do not change with time.

use super::{crossing, positive};
use crate::medium::{Medium, WATER_HEAT};
use crate::{Error, Result};

/// The temperature at a depth between two that are held, (T − T₀)/(T_L − T₀) = (e^(Bz/L) − 1)/(e^B − 1) with
/// B = ρ_w c_w·q·L/λ (Bredehoeft & Papadopulos 1965). `ends` are the temperatures at depths 0 and `length`, in °C.
pub fn bredehoeft_papadopulos(depth: f64, length: f64, ends: [f64; 2], flux: f64, medium: &Medium) -> f64 {
    let b = WATER_HEAT * flux * length / medium.effective_conductivity(flux);
    ends[0] + (ends[1] - ends[0]) * share(depth / length, b)
}

/// (e^(Bx) − 1)/(e^B − 1) without overflow: x for B = 0.
fn share(x: f64, b: f64) -> f64 {
    if b.abs() < 1e-9 {
        return x + b * x * (x - 1.0) / 2.0;
    }
    if b > 0.0 {
        // Both divided by e^B.
        return (b * (x - 1.0)).exp() * (-b * x).exp_m1() / (-b).exp_m1();
    }
    (b * x).exp_m1() / b.exp_m1()
}

/// The flux in m/s that bends a steady profile: three temperatures at depths that grow, the middle one lying between.
/// Dispersion is not looked at: put it into the conductivity.
///
/// # Errors
/// [`Error::NoFlux`] where the middle temperature is not between the others; [`Error::Input`] for depths that do not grow.
pub fn bredehoeft_papadopulos_flux(depths: [f64; 3], temperatures: [f64; 3], medium: &Medium) -> Result<f64> {
    let length = depths[2] - depths[0];
    positive("depths", "metres between the first and the second", depths[1] - depths[0])?;
    positive("depths", "metres between the second and the third", depths[2] - depths[1])?;
    let wanted = (temperatures[1] - temperatures[0]) / (temperatures[2] - temperatures[0]);
    if !(wanted > 0.0 && wanted < 1.0) {
        return Err(Error::NoFlux(format!(
            "steady profile: expected a temperature between {} and {} °C in the middle, got {}",
            temperatures[0], temperatures[2], temperatures[1]
        )));
    }
    let x = (depths[1] - depths[0]) / length;
    // The share falls with B from 1 to 0.
    let b = crossing(|b| share(x, b) - wanted, -1.0, 1.0, "the steady profile")?;
    Ok(b * medium.conductivity / (WATER_HEAT * length))
}

/// The temperature in °C at a depth below a surface, under which water rises for ever:
/// (T − T∞)/(T₀ − T∞) = e^(ρ_w c_w·q·z/λ) for q < 0 (Turcotte & Schubert 1982).
///
/// # Errors
/// [`Error::Input`] for a flux that does not rise.
pub fn turcotte_schubert(depth: f64, surface: f64, deep: f64, flux: f64, medium: &Medium) -> Result<f64> {
    if !(flux < 0.0 && flux.is_finite()) {
        return Err(Error::Input(format!("flux: expected rising water, below 0 m/s, got {flux}")));
    }
    let exponent = WATER_HEAT * flux * depth / medium.effective_conductivity(flux);
    Ok(deep + (surface - deep) * exponent.exp())
}

/// The rising flux in m/s, below 0, that makes a temperature at a depth below the surface. Dispersion is not looked at.
///
/// # Errors
/// [`Error::NoFlux`] where the temperature is not between those of the surface and the deep water.
pub fn turcotte_schubert_flux(depth: f64, temperature: f64, surface: f64, deep: f64, medium: &Medium) -> Result<f64> {
    positive("depth", "metres", depth)?;
    let share = (temperature - deep) / (surface - deep);
    if !(share > 0.0 && share < 1.0) {
        return Err(Error::NoFlux(format!(
            "rising water: expected a temperature between {surface} and {deep} °C, got {temperature}"
        )));
    }
    Ok(share.ln() * medium.conductivity / (WATER_HEAT * depth))
}
