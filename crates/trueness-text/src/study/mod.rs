//! Papers' claims, re-measured: the only rooms that know runs and reports.

mod adversarial;
mod battery;
mod discrepancy;
mod filter;

pub use adversarial::{Arm, DETECTION, GanKnobs, GanUnit, Gans, SUBSEQUENCE, Setting};
pub use discrepancy::{DISCREPANCY, Discrepancy, DiscrepancyKnobs, Family, Fault, Source};
pub use filter::{FILTER, FilterKnobs, FilterStudy};
