//! From logger files to flux with intervals: a person's own data.

mod calibrate;
mod knobs;
mod report;
mod series;
mod tool;

pub use knobs::{InferKnobs, Method, TemperatureUnit};
pub use tool::{INFER, Infer, InferUnit};
