//! What the verbs of all toolkits share.

use crate::arguments::{Common, Shared};
use crate::execute::resume::Asked;
use crate::host::SystemClock;
use crate::progress::Bars;
use crate::{execute, flux, host, schema, terminal, text};
use anyhow::{Context, anyhow};
use clap::ArgMatches;
use serde_json::{Value, json};
use std::process::ExitCode;
use trueness_core::report::Found;
use trueness_core::run::folder;
use trueness_core::study::knobs::{self, Knob};
use trueness_core::{Clock, StudyEntry, Watch};

/// A toolkit on the command line.
pub(crate) struct Toolkit {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) tools: Vec<Tool>,
    /// Runs a verb with what the command line gives.
    run: fn(&[StudyEntry], &str, Value, &Common) -> anyhow::Result<ExitCode>,
}

/// The toolkits that have verbs.
pub(crate) fn toolkits() -> anyhow::Result<Vec<Toolkit>> {
    Ok(vec![
        Toolkit {
            name: "text",
            about: "Tools for texts of your own",
            tools: text::tools().context("the text toolkit's tools")?,
            run: text::run,
        },
        Toolkit {
            name: "flux",
            about: "Tools for temperature loggers of your own",
            tools: flux::tools().context("the flux toolkit's tools")?,
            run: flux::run,
        },
    ])
}

/// Runs a toolkit's verb.
pub(crate) fn run(
    studies: &[StudyEntry],
    toolkit: &str,
    verb: &str,
    matches: &ArgMatches,
    common: &Common,
) -> anyhow::Result<ExitCode> {
    let toolkits = toolkits()?;
    let kit = toolkits.iter().find(|kit| kit.name == toolkit).ok_or_else(|| anyhow!("there is no {toolkit}"))?;
    let tool = kit.tools.iter().find(|tool| tool.verb == verb).ok_or_else(|| anyhow!("there is no verb {verb}"))?;
    (kit.run)(studies, verb, schema::given(matches, &tool.knobs)?, common)
}

/// A verb of a toolkit, of one word or two.
pub(crate) struct Tool {
    pub(crate) verb: &'static str,
    pub(crate) about: &'static str,
    pub(crate) after: &'static str,
    pub(crate) knobs: Vec<Knob>,
    pub(crate) schema: Value,
    /// The shared options that act in it.
    pub(crate) shared: Shared,
}

/// A verb that is a study of its own: it has a run folder, and can be resumed.
pub(crate) fn study(studies: &[StudyEntry], name: &str, given: Value, common: &Common) -> anyhow::Result<ExitCode> {
    if let Some(path) = &common.resume {
        let asked = Asked::tool(name, "the command line", given);
        return execute::resume::resume(studies, path, &asked, common);
    }
    let entry =
        studies.iter().find(|entry| entry.name() == name).ok_or_else(|| anyhow!("{name} is not compiled in"))?;
    let preset = common.preset.as_deref().unwrap_or("default");
    let settings = &entry.manifest().preset(preset)?.knobs;
    let settings = serde_json::to_value(settings).context("the preset's knobs")?;
    let layer = format!("preset {preset} of {name}");
    let knobs = entry.resolve(&[(layer.as_str(), settings), ("the command line", given)])?;
    let task = execute::Task {
        entry,
        manifest: entry.manifest().clone(),
        manifest_text: entry.source().manifest.to_owned(),
        preset: preset.to_owned(),
        knobs,
        seeds: vec![common.seed()],
        strict: false,
    };
    execute::start(task, common)
}

/// Knobs from what the command line gives.
pub(crate) fn resolve<K: serde::Serialize + serde::de::DeserializeOwned + schemars::JsonSchema + Default>(
    given: &Value,
) -> anyhow::Result<K> {
    let mut value = knobs::to_value(&K::default())?;
    knobs::merge(&mut value, given, "the command line")?;
    Ok(knobs::check(&value, "the command line")?)
}

/// Works in a pool of the wanted size, with progress and a way to stop.
pub(crate) fn pooled<T: Send>(
    common: &Common,
    work: impl FnOnce(Watch<'_>) -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let bars = Bars::new(common.quiet || common.json);
    let cancel = host::cancel_on_interrupt()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(common.threads()).build()?;
    let found = pool.install(|| work(Watch::new(&cancel, &bars)));
    bars.clear();
    found
}

/// Runs a tool that needs no run folder, and prints what it found.
pub(crate) fn in_pool(
    common: &Common,
    work: impl FnOnce(Watch<'_>) -> anyhow::Result<Found> + Send,
) -> anyhow::Result<ExitCode> {
    let clock = SystemClock::start();
    let found = pooled(common, work)?;
    if common.json {
        let value =
            json!({ "schema_version": folder::SCHEMA_VERSION, "measures": found.measures, "warnings": found.warnings });
        terminal::print(&serde_json::to_string_pretty(&value)?)?;
    } else if !common.quiet {
        let report = found.report.provenance("seconds", format!("{:.1}", clock.seconds()));
        terminal::print(&execute::summary(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}
