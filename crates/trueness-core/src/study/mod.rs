//! Studies: experiments that end in measured claims, as plans of units.

pub mod claim;
pub mod engine;
mod entry;
pub mod knobs;
mod manifest;

pub use entry::{StudyEntry, StudySource};
pub use manifest::{MAX_STUDY_FILE, Manifest, Paper, Preset};

use crate::error::Result;
use crate::estimate::Measure;
use crate::report::Report;
use crate::run::{Run, UnitRecord};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// An experiment that ends in measured claims.
///
/// `plan` makes units that know nothing of each other; the engine runs every unit once for every
/// seed, here on threads or, later, elsewhere; `derive` adds measures that need all units of a seed
/// (rank correlations, for example); `report` draws what was found. Units and their records are
/// plain data, so that a finished one is never run again.
pub trait Study: Send + Sync + 'static {
    /// The knobs. Derive `Serialize`, `Deserialize` with `deny_unknown_fields` and `default`, and
    /// `JsonSchema`; the doc comments of the fields become the help.
    type Knobs: Serialize + DeserializeOwned + JsonSchema + Default + Clone + Send + Sync;
    /// One piece of the plan.
    type Unit: Serialize + DeserializeOwned + Clone + Send + Sync;

    /// Checks what ranges alone cannot say.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for knobs that do not fit each other.
    fn check(&self, knobs: &Self::Knobs) -> Result<()> {
        let _ = knobs;
        Ok(())
    }

    /// The files that a run with these knobs reads, in a fixed order. A run records what they hold, and
    /// is not carried on with others.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for knobs that name no files.
    fn inputs(&self, knobs: &Self::Knobs) -> Result<Vec<PathBuf>> {
        let _ = knobs;
        Ok(Vec::new())
    }

    /// The units of the study under these knobs.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for knobs that make no plan.
    fn plan(&self, knobs: &Self::Knobs) -> Result<Vec<Self::Unit>>;

    /// The name of a unit: unique in the plan, made of small letters, digits, `-`, `.`, `_` and `/`.
    fn unit_name(&self, unit: &Self::Unit) -> String;

    /// How many units may run at once; studies whose units fill the memory say 1.
    fn units_at_once(&self, knobs: &Self::Knobs) -> usize {
        let _ = knobs;
        usize::MAX
    }

    /// Runs one unit: measures, tables and figures go to `run`.
    ///
    /// # Errors
    /// Whatever stops the unit; [`crate::Error::Interrupted`] leaves it resumable.
    fn run_unit(&self, knobs: &Self::Knobs, unit: &Self::Unit, run: &mut Run<'_>) -> Result<()>;

    /// Measures of one seed that need several of its units.
    ///
    /// # Errors
    /// Whatever makes that impossible.
    fn derive(&self, knobs: &Self::Knobs, seed: &SeedFindings) -> Result<Vec<Measure>> {
        let _ = (knobs, seed);
        Ok(Vec::new())
    }

    /// Writes the lead (one sentence, the result) and the body of the report.
    ///
    /// # Errors
    /// Whatever makes that impossible.
    fn report(&self, knobs: &Self::Knobs, findings: &Findings, report: Report) -> Result<Report>;
}

/// What a study found, for its report.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The measures aggregated over seeds.
    pub measures: Vec<Measure>,
    /// What each seed found.
    pub seeds: Vec<SeedFindings>,
    /// Warnings of all units, each once.
    pub warnings: Vec<String>,
}

/// What one seed found.
#[derive(Clone, Debug, Default)]
pub struct SeedFindings {
    /// The seed's number.
    pub seed: u64,
    /// The measures of all units and the derived ones.
    pub measures: Vec<Measure>,
    /// The records of the units by name, in the order of the plan.
    pub units: Vec<(String, UnitRecord)>,
}

impl SeedFindings {
    /// The measure with a name and a subject.
    pub fn measure(&self, name: &str, subject: &str) -> Option<&Measure> {
        self.measures.iter().find(|m| m.name == name && m.subject == subject)
    }

    /// Data that a unit kept under a key; `None` where the unit kept none, or of another shape.
    pub fn kept<T: DeserializeOwned>(&self, unit: &str, key: &str) -> Option<T> {
        let (_, record) = self.units.iter().find(|(name, _)| name == unit)?;
        serde_json::from_value(record.kept.get(key)?.clone()).ok()
    }
}

impl Findings {
    /// The aggregated measure with a name and a subject.
    pub fn measure(&self, name: &str, subject: &str) -> Option<&Measure> {
        self.measures.iter().find(|m| m.name == name && m.subject == subject)
    }

    /// The value of the aggregated measure with a name and a subject.
    pub fn value(&self, name: &str, subject: &str) -> Option<f64> {
        self.measure(name, subject).and_then(|m| m.estimate.value)
    }

    /// The records of the first seed, which stand for all where one example is shown.
    pub fn first(&self) -> Option<&SeedFindings> {
        self.seeds.first()
    }
}
