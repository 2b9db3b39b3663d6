//! The flux toolkit's verbs.

use crate::arguments::{Common, OF_RUNS};
use crate::toolkit::{Tool, in_pool, resolve, study};
use serde_json::Value;
use std::process::ExitCode;
use trueness_core::study::knobs;
use trueness_core::{Error, StudyEntry};
use trueness_flux::check::{CheckKnobs, check};
use trueness_flux::infer::InferKnobs;
use trueness_flux::rank::RankKnobs;
use trueness_flux::river::SimulateKnobs;
use trueness_flux::train::TrainKnobs;

/// The verbs.
pub(crate) fn tools() -> anyhow::Result<Vec<Tool>> {
    Ok(vec![
        Tool {
            verb: "infer",
            about: "Infer the flux between river and ground from temperature loggers, with intervals, faults named",
            after: "Example: trueness flux infer rod.csv.gz --estimator all --time-zone America/Los_Angeles --out my-site",
            knobs: knobs::list::<InferKnobs>()?,
            schema: knobs::schema_of::<InferKnobs>(),
            shared: OF_RUNS,
        },
        Tool {
            verb: "check",
            about: "Tell what is in logger files and what is wrong with them, and write nothing",
            after: "Example: trueness flux check rod.csv.gz --time-zone America/Los_Angeles",
            knobs: knobs::list::<CheckKnobs>()?,
            schema: knobs::schema_of::<CheckKnobs>(),
            shared: &["threads", "json", "quiet"],
        },
        Tool {
            verb: "simulate",
            about: "Simulate temperatures, heads and flux of a site that a file describes, with the sensors' errors",
            after: "Example: trueness flux simulate site.toml --out my-site",
            knobs: knobs::list::<SimulateKnobs>()?,
            schema: knobs::schema_of::<SimulateKnobs>(),
            shared: OF_RUNS,
        },
        Tool {
            verb: "rank-sensors",
            about: "Tell which sensors matter, on simulated sites: importance, fewer sensors, and what physics says",
            after: "Example: trueness flux rank-sensors rod.csv.gz --noise 0.02\nExample: trueness flux rank-sensors --depths 0,0.1,0.2,0.5",
            knobs: knobs::list::<RankKnobs>()?,
            schema: knobs::schema_of::<RankKnobs>(),
            shared: OF_RUNS,
        },
        Tool {
            verb: "train",
            about: "Train a learned estimator on simulated sites with sensors like one's own; infer --model uses it",
            after: "Example: trueness flux train rod.csv.gz --learner boosting --noise 0.02 --out my-model",
            knobs: knobs::list::<TrainKnobs>()?,
            schema: knobs::schema_of::<TrainKnobs>(),
            shared: OF_RUNS,
        },
    ])
}

/// Runs a verb.
pub(crate) fn run(studies: &[StudyEntry], verb: &str, given: Value, common: &Common) -> anyhow::Result<ExitCode> {
    match verb {
        "infer" => study(studies, "flux/infer", given, common),
        "check" => in_pool(common, |watch| {
            let knobs: CheckKnobs = resolve(&given)?;
            Ok(check(&knobs, watch).map_err(Error::from)?)
        }),
        "simulate" => study(studies, "flux/simulate", given, common),
        "rank-sensors" => study(studies, "flux/rank-sensors", given, common),
        "train" => study(studies, "flux/train", given, common),
        other => Err(anyhow::anyhow!("there is no verb {other}")),
    }
}
