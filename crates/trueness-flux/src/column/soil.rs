//! How sediment that is not saturated holds and conducts water and heat.

use crate::medium::WATER_HEAT;
use crate::{Error, Result};

/// Sediment by van Genuchten's curves (1980) with Mualem's conductivity:
/// Sₑ = [1 + (α·|h|)ⁿ]⁻ᵐ for h < 0, m = 1 − 1/n, K = K_s·√Sₑ·[1 − (1 − Sₑ^{1/m})ᵐ]².
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Soil {
    /// Share of the volume that is water when the soil is wet, θ_s, which is the porosity.
    pub wet: f64,
    /// Share of the volume that is water when it is dry, θ_r.
    pub dry: f64,
    /// α in 1/m.
    pub alpha: f64,
    /// n, above 1.
    pub n: f64,
    /// Hydraulic conductivity of the wet soil at 20 °C, K_s, in m/s.
    pub conductivity: f64,
    /// Specific storage S_s in 1/m.
    pub storage: f64,
    /// Heat capacity of the grains by volume of grains, in J/m³/K.
    pub grain_heat: f64,
    /// Thermal conductivity of the dry and of the wet soil in W/m/K; between them by the square root of the saturation.
    pub heat_conductivity: [f64; 2],
}

impl Soil {
    /// The same soil, if its values make sense.
    ///
    /// # Errors
    /// [`Error::Input`] naming the value that does not.
    pub fn checked(self) -> Result<Self> {
        if !(self.dry >= 0.0 && self.dry < self.wet && self.wet <= 1.0) {
            let (dry, wet) = (self.dry, self.wet);
            return Err(Error::Input(format!("water content: expected 0 ≤ dry < wet ≤ 1, got {dry} and {wet}")));
        }
        if !(self.n > 1.0 && self.n.is_finite()) {
            return Err(Error::Input(format!("n: expected a value above 1, got {}", self.n)));
        }
        if !(self.storage >= 0.0 && self.storage.is_finite()) {
            return Err(Error::Input(format!("specific storage: expected 1/m, 0 or more, got {}", self.storage)));
        }
        let positive = [
            ("alpha", self.alpha),
            ("hydraulic conductivity", self.conductivity),
            ("heat capacity of the grains", self.grain_heat),
            ("thermal conductivity of the dry soil", self.heat_conductivity[0]),
            ("thermal conductivity of the wet soil", self.heat_conductivity[1]),
        ];
        match positive.iter().find(|(_, value)| !(*value > 0.0 && value.is_finite())) {
            Some((name, value)) => Err(Error::Input(format!("{name}: expected a value above 0, got {value}"))),
            None => Ok(self),
        }
    }

    /// Effective saturation Sₑ at a pressure head in m: from 0 to 1.
    pub fn saturation(&self, head: f64) -> f64 {
        match head < 0.0 {
            true => (1.0 + (self.alpha * -head).powf(self.n)).powf(1.0 / self.n - 1.0),
            false => 1.0,
        }
    }

    /// Water content θ at a pressure head in m.
    pub fn water(&self, head: f64) -> f64 {
        self.dry + (self.wet - self.dry) * self.saturation(head)
    }

    /// Specific moisture capacity dθ/dh in 1/m.
    pub fn capacity(&self, head: f64) -> f64 {
        if head >= 0.0 {
            return 0.0;
        }
        let (m, power) = (1.0 - 1.0 / self.n, (self.alpha * -head).powf(self.n));
        (self.wet - self.dry) * m * self.n * power / -head * (1.0 + power).powf(-m - 1.0)
    }

    /// Hydraulic conductivity in m/s at a pressure head in m, at 20 °C.
    pub fn conductivity(&self, head: f64) -> f64 {
        let m = 1.0 - 1.0 / self.n;
        let saturation = self.saturation(head);
        let inner = 1.0 - (1.0 - saturation.powf(1.0 / m)).max(0.0).powf(m);
        self.conductivity * saturation.sqrt() * inner * inner
    }

    /// Heat capacity by volume in J/m³/K at a water content.
    pub(super) fn heat(&self, water: f64) -> f64 {
        water * WATER_HEAT + (1.0 - self.wet) * self.grain_heat
    }

    /// Thermal conductivity in W/m/K at a water content.
    pub(super) fn conducts(&self, water: f64) -> f64 {
        let [dry, wet] = self.heat_conductivity;
        dry + (water / self.wet).max(0.0).sqrt() * (wet - dry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capacity_is_the_slope_of_the_water_content() {
        let soil = Soil {
            wet: 0.368,
            dry: 0.102,
            alpha: 3.35,
            n: 2.0,
            conductivity: 9.22e-5,
            storage: 0.0,
            grain_heat: 2.4e6,
            heat_conductivity: [0.5, 1.5],
        };
        for head in [-30.0, -3.0, -0.5, -0.01] {
            let small = 1e-6 * -head;
            let slope = (soil.water(head + small) - soil.water(head - small)) / (2.0 * small);
            assert!((soil.capacity(head) / slope - 1.0).abs() < 1e-6, "{head}");
        }
        assert_eq!((soil.water(0.0), soil.conductivity(0.1), soil.capacity(1.0)), (0.368, 9.22e-5, 0.0));
        let message = |soil: Soil| soil.checked().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message(Soil { n: 1.0, ..soil }).starts_with("n: expected"));
        assert!(message(Soil { dry: 0.5, ..soil }).starts_with("water content: expected"));
    }
}
