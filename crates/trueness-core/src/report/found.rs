//! What a tool found that leaves no run folder.

use super::Report;
use crate::Measure;

/// Measures for machines, the same as a report for people, and what to look at.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its measures.
    pub measures: Vec<Measure>,
    /// What to look at.
    pub warnings: Vec<String>,
    /// The same for people.
    pub report: Report,
}
