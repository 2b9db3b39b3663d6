//! The flux toolkit's verbs.

use crate::arguments::Common;
use crate::toolkit::{Tool, study};
use serde_json::Value;
use std::process::ExitCode;
use trueness_core::StudyEntry;
use trueness_core::study::knobs;
use trueness_flux::infer::InferKnobs;

/// The verbs.
pub(crate) fn tools() -> anyhow::Result<Vec<Tool>> {
    Ok(vec![Tool {
        verb: "infer",
        about: "Infer the flux between river and ground from temperature loggers, with intervals, faults named",
        after: "Example: trueness flux infer rod.csv.gz --estimator all --time-zone America/Los_Angeles --out my-site",
        knobs: knobs::list::<InferKnobs>()?,
        schema: knobs::schema_of::<InferKnobs>(),
    }])
}

/// Runs a verb, of which there is one.
pub(crate) fn run(studies: &[StudyEntry], _verb: &str, given: Value, common: &Common) -> anyhow::Result<ExitCode> {
    study(studies, "flux/infer", given, common)
}
