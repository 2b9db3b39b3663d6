//! Papers' claims, re-measured: the only rooms that know runs and reports.

mod discrepancy;

pub use discrepancy::{DISCREPANCY, Discrepancy, DiscrepancyKnobs, Family, Fault};
