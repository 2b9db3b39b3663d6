//! The flux toolkit's verbs.

use crate::arguments::Common;
use crate::schema;
use crate::toolkit::{Tool, study};
use anyhow::anyhow;
use clap::ArgMatches;
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

/// Runs a verb.
pub(crate) fn run(
    studies: &[StudyEntry],
    verb: &str,
    matches: &ArgMatches,
    common: &Common,
) -> anyhow::Result<ExitCode> {
    let tools = tools()?;
    let tool = tools.iter().find(|tool| tool.verb == verb).ok_or_else(|| anyhow!("there is no verb {verb}"))?;
    let given = schema::given(matches, &tool.knobs)?;
    study(studies, "flux/infer", given, common)
}
