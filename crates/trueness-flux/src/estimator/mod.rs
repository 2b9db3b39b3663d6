//! Flux from temperatures, with intervals.

mod diurnal;
mod kalman;
mod matrix;

pub use diurnal::{DIFFUSIVITY, Diurnal, Pair};
pub use kalman::{Bed, Kalman, Tuned};

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
}
