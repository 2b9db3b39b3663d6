//! What sediment and water do to heat.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Heat capacity of water by volume, in J/m³/K, at about 10 °C.
pub const WATER_HEAT: f64 = 4.186e6;

/// Density of water, in kg/m³.
pub const WATER_DENSITY: f64 = 1000.0;

/// Standard gravity, in m/s².
pub const GRAVITY: f64 = 9.806_65;

/// Viscosity of liquid water at a temperature in °C and 0.1 MPa, in Pa·s: μ = 10⁻⁶·Σ aᵢ·(T/300 K)^bᵢ, the supplementary
/// release of the IAPWS (Pátek et al. 2009) for 253 to 383 K.
pub fn viscosity(celsius: f64) -> f64 {
    const TERMS: [(f64, f64); 4] = [(280.68, -1.9), (511.45, -7.7), (61.131, -19.6), (0.459_03, -40.0)];
    let t = (celsius + 273.15) / 300.0;
    1e-6 * TERMS.iter().map(|(a, b)| a * t.powf(*b)).sum::<f64>()
}

/// Hydraulic conductivity in m/s of a permeability in m² at a temperature in °C: K = kρg/μ(T).
pub fn hydraulic_conductivity(permeability: f64, celsius: f64) -> f64 {
    permeability * WATER_DENSITY * GRAVITY / viscosity(celsius)
}

/// How saturated sediment stores and conducts heat.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Medium {
    /// Heat capacity of sediment and water together, ρc, in J/m³/K.
    pub heat: f64,
    /// Thermal conductivity of both together without flow, λ, in W/m/K.
    pub conductivity: f64,
    /// Thermal dispersivity β in m: the conductivity grows by β·ρ_w c_w·|q|.
    pub dispersivity: f64,
}

impl Medium {
    /// Water in the pores of grains: ρc = φ·ρ_w c_w + (1 − φ)·ρ_s c_s. The porosity is a share, the grains'
    /// density in kg/m³ and their heat capacity in J/kg/K.
    ///
    /// # Errors
    /// [`Error::Input`] for a value outside its range.
    pub fn saturated(porosity: f64, density: f64, grain_heat: f64, conductivity: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&porosity) {
            return Err(Error::Input(format!("porosity: expected a share from 0 to 1, got {porosity}")));
        }
        let heat = porosity * WATER_HEAT + (1.0 - porosity) * density * grain_heat;
        Self { heat, conductivity, dispersivity: 0.0 }.checked()
    }

    /// The same medium, if its values make sense.
    ///
    /// # Errors
    /// [`Error::Input`] naming the value that does not.
    pub fn checked(self) -> Result<Self> {
        let positive = |x: f64| x > 0.0 && x.is_finite();
        if !positive(self.heat) {
            return Err(Error::Input(format!("heat capacity: expected J/m³/K above 0, got {}", self.heat)));
        }
        if !positive(self.conductivity) {
            return Err(Error::Input(format!(
                "thermal conductivity: expected W/m/K above 0, got {}",
                self.conductivity
            )));
        }
        if !(self.dispersivity >= 0.0 && self.dispersivity.is_finite()) {
            return Err(Error::Input(format!("dispersivity: expected metres, 0 or more, got {}", self.dispersivity)));
        }
        Ok(self)
    }

    /// Conductivity with the dispersion of a flux, in W/m/K.
    pub fn effective_conductivity(&self, flux: f64) -> f64 {
        self.conductivity + self.dispersivity * WATER_HEAT * flux.abs()
    }

    /// Thermal diffusivity κ with the dispersion of a flux, in m²/s.
    pub fn diffusivity(&self, flux: f64) -> f64 {
        self.effective_conductivity(flux) / self.heat
    }

    /// How fast a thermal front moves with a flux, in m/s: v = q·ρ_w c_w/ρc.
    pub fn front(&self, flux: f64) -> f64 {
        flux * WATER_HEAT / self.heat
    }

    /// The flux of a thermal front's velocity: the inverse of [`Medium::front`].
    pub fn flux_of_front(&self, velocity: f64) -> f64 {
        velocity * self.heat / WATER_HEAT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viscosity_is_that_of_the_tables() {
        // Values of the IAPWS formulation for liquid water at 1 atm, in mPa·s; 1.0016 at 20 °C is the standard.
        for (celsius, table) in [(0.01, 1.791), (10.0, 1.306), (20.0, 1.0016), (25.0, 0.8900), (30.0, 0.7972)] {
            assert!((1e3 * viscosity(celsius) / table - 1.0).abs() < 0.001, "{celsius}: {}", viscosity(celsius));
        }
    }

    #[test]
    fn values_out_of_range_are_named() {
        let message = |found: Result<Medium>| found.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message(Medium::saturated(1.2, 2650.0, 900.0, 1.5)).starts_with("porosity: expected"));
        assert!(message(Medium::saturated(0.3, 2650.0, 900.0, f64::NAN)).starts_with("thermal conductivity: expected"));
        let medium = Medium { heat: 3e6, conductivity: 1.0, dispersivity: -1.0 };
        assert!(message(medium.checked()).starts_with("dispersivity: expected"));
    }
}
