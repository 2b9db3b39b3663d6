//! The flux that heads drive through columns.

use super::Columns;
use crate::medium::hydraulic_conductivity;
use crate::{Error, Result};

/// Viscosity is taken at temperatures of liquid water, in °C.
const LIQUID: [f64; 2] = [0.0, 100.0];

/// Hydraulic conductivity in m/s at a temperature that a numerical undershoot may have carried below that of liquid water.
pub(super) fn conductivity(permeability: f64, celsius: f64) -> f64 {
    hydraulic_conductivity(permeability, celsius.clamp(LIQUID[0], LIQUID[1]))
}

impl Columns {
    /// Darcy flux in m/s, one value a column, positive downward, of heads in m at the upper and at the lower end:
    /// q = Δh/Σ(Δzᵢ/Kᵢ), layer by layer, with Kᵢ = kᵢρg/μ(Tᵢ) of the temperatures that the column has now. `permeability(cell,
    /// column)` is in m². Storage is left out: pressure crosses a metre of saturated sand within seconds.
    ///
    /// # Errors
    /// [`Error::Input`] for heads that are not one a column or not finite, or a permeability of 0 or less.
    pub fn flux_of_heads(
        &self,
        permeability: impl Fn(usize, usize) -> f64,
        top: &[f64],
        bottom: &[f64],
    ) -> Result<Vec<f64>> {
        for (name, heads) in [("top", top), ("bottom", bottom)] {
            if heads.len() != self.n || heads.iter().any(|head| !head.is_finite()) {
                return Err(Error::Input(format!(
                    "heads at the {name}: expected {} finite values, one a column, got {heads:?}",
                    self.n
                )));
            }
        }
        (0..self.n)
            .map(|column| {
                let mut resistance = 0.0;
                for cell in 0..self.grid.cells() {
                    let permeability = permeability(cell, column);
                    if !(permeability > 0.0 && permeability.is_finite()) {
                        return Err(Error::Input(format!(
                            "permeability: column {column}, cell {cell}: expected m² above 0, got {permeability}"
                        )));
                    }
                    let temperature = self.temperatures[cell * self.n + column];
                    resistance += self.grid.height(cell) / conductivity(permeability, temperature);
                }
                Ok((top[column] - bottom[column]) / resistance)
            })
            .collect()
    }
}
