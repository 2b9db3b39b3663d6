//! Flux from temperatures, with intervals.

mod bed;
mod calibration;
mod diurnal;
mod inversion;
mod kalman;
pub mod learned;
mod matrix;
mod residual;

pub use bed::{Bed, Tuned};
pub use calibration::{Adaptive, Calibration};
pub use diurnal::{DIFFUSIVITY, Diurnal, Pair};
pub use inversion::{Inversion, Inverted};
pub use kalman::Kalman;
pub use residual::residuals;

/// Flux at the times of a record, one value a time; NaN where there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FluxSeries {
    /// Darcy flux in m/s, positive downward.
    pub flux: Vec<f64>,
    /// The lower end of the interval of 90 %.
    pub low: Vec<f64>,
    /// The upper end.
    pub high: Vec<f64>,
    /// The mean over all times with a flux and the ends of its interval, where the method knows how errors go together.
    pub mean: Option<[f64; 3]>,
}

impl FluxSeries {
    /// How many values there are, gaps too.
    pub fn len(&self) -> usize {
        self.flux.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.flux.is_empty()
    }

    /// Flux, half the interval above it and the truth, where all are known: what a [`Calibration`] is made of.
    pub fn against(&self, truth: &[f64]) -> Vec<[f64; 3]> {
        let each = self.flux.iter().zip(&self.high).zip(truth);
        let each = each.map(|((flux, high), truth)| [*flux, high - flux, *truth]);
        each.filter(|values| values.iter().all(|value| value.is_finite())).collect()
    }
}

/// A record with its short gaps bridged by distance.
fn bridged(values: &[f64], longest: usize) -> Vec<f64> {
    let mut values = values.to_vec();
    let known: Vec<usize> = (0..values.len()).filter(|&i| values[i].is_finite()).collect();
    for pair in known.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        if to - from > 1 && to - from - 1 <= longest {
            for i in from + 1..to {
                values[i] = values[from] + (values[to] - values[from]) * (i - from) as f64 / (to - from) as f64;
            }
        }
    }
    values
}
