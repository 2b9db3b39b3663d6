//! The text toolkit's verbs.

use crate::arguments::Common;
use crate::execute::resume::Asked;
use crate::host::{self, SystemClock};
use crate::progress::Bars;
use crate::{execute, schema, terminal};
use anyhow::anyhow;
use clap::ArgMatches;
use serde_json::{Value, json};
use std::process::ExitCode;
use trueness_core::run::folder;
use trueness_core::study::knobs::{self, Knob};
use trueness_core::{Clock, Error, Seed, StudyEntry, Watch};
use trueness_text::compare::CompareKnobs;
use trueness_text::corpus::tool::{self, SplitKnobs, StatsKnobs};
use trueness_text::generator::{self, SampleKnobs, ScoreKnobs, TrainKnobs};

/// A verb of a toolkit.
pub(crate) struct Tool {
    pub(crate) verb: &'static str,
    pub(crate) about: &'static str,
    pub(crate) after: &'static str,
    pub(crate) knobs: Vec<Knob>,
    pub(crate) schema: Value,
}

/// The verbs.
pub(crate) fn tools() -> anyhow::Result<Vec<Tool>> {
    Ok(vec![
        Tool {
            verb: "compare",
            about: "Compare candidate texts with a real one: every metric with its interval, the floor and paired tests",
            after: "Example: trueness text compare real.txt mine.txt yours.txt --only dd,bleu",
            knobs: knobs::list::<CompareKnobs>()?,
            schema: knobs::schema_of::<CompareKnobs>(),
        },
        Tool {
            verb: "split",
            about: "Pool files and re-split their sentences at random into parts",
            after: "Example: trueness text split a.txt b.txt --shares 0.8,0.1,0.1 --names train,valid,test --out parts",
            knobs: knobs::list::<SplitKnobs>()?,
            schema: knobs::schema_of::<SplitKnobs>(),
        },
        Tool {
            verb: "stats",
            about: "Count sentences, tokens, words and copies of each file, and between files",
            after: "Example: trueness text stats train.txt test.txt",
            knobs: knobs::list::<StatsKnobs>()?,
            schema: knobs::schema_of::<StatsKnobs>(),
        },
        Tool {
            verb: "train",
            about: "Train a language model on a file of sentences: an LSTM or a GPT-2, kept in the run's folder",
            after: "Example: trueness text train captions.txt --model lstm --out my-lstm",
            knobs: knobs::list::<TrainKnobs>()?,
            schema: knobs::schema_of::<TrainKnobs>(),
        },
        Tool {
            verb: "sample",
            about: "Print sentences that a language model makes, one a line",
            after: "Example: trueness text sample my-lstm --n 1000 --temperature 0.9 > samples.txt",
            knobs: knobs::list::<SampleKnobs>()?,
            schema: knobs::schema_of::<SampleKnobs>(),
        },
        Tool {
            verb: "score",
            about: "Say how likely files of sentences are under a language model",
            after: "Example: trueness text score my-lstm held-out.txt",
            knobs: knobs::list::<ScoreKnobs>()?,
            schema: knobs::schema_of::<ScoreKnobs>(),
        },
    ])
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
    match verb {
        "compare" => study(studies, "text/compare", given, common),
        "train" => study(studies, "text/train", given, common),
        "sample" => {
            let knobs: SampleKnobs = resolve(&given)?;
            let seed = Seed::new(common.seed());
            let sentences =
                pooled(common, |watch| Ok(generator::sample_text(&knobs, seed, watch).map_err(Error::from)?))?;
            // One line a sentence, an empty one too.
            terminal::print(&sentences.into_iter().map(|sentence| sentence + "\n").collect::<String>())?;
            Ok(ExitCode::SUCCESS)
        }
        "score" => in_pool(common, |watch| {
            let knobs: ScoreKnobs = resolve(&given)?;
            Ok(generator::score_file(&knobs, Seed::new(common.seed()), watch).map_err(Error::from)?)
        }),
        "split" => in_pool(common, |_| {
            let knobs: SplitKnobs = resolve(&given)?;
            let out = common.out.clone().unwrap_or_else(|| ".".into());
            Ok(tool::split_files(&knobs, &out, common.force, Seed::new(common.seed())).map_err(Error::from)?)
        }),
        _ => in_pool(common, |watch| {
            let knobs: StatsKnobs = resolve(&given)?;
            Ok(tool::stats(&knobs, Seed::new(common.seed()), watch).map_err(Error::from)?)
        }),
    }
}

/// A verb that is a study of its own: it has a run folder, and can be resumed.
fn study(studies: &[StudyEntry], name: &str, given: Value, common: &Common) -> anyhow::Result<ExitCode> {
    if let Some(path) = &common.resume {
        let asked = Asked::tool(name, "the command line", given);
        return execute::resume::resume(studies, path, &asked, common);
    }
    let entry =
        studies.iter().find(|entry| entry.name() == name).ok_or_else(|| anyhow!("{name} is not compiled in"))?;
    let knobs = entry.resolve(&[("the command line", given)])?;
    let task = execute::Task {
        entry,
        manifest: entry.manifest().clone(),
        manifest_text: entry.source().manifest.to_owned(),
        preset: "default".to_owned(),
        knobs,
        seeds: vec![common.seed()],
        strict: false,
    };
    execute::start(task, common)
}

fn resolve<K: serde::Serialize + serde::de::DeserializeOwned + schemars::JsonSchema + Default>(
    given: &Value,
) -> anyhow::Result<K> {
    let mut value = knobs::to_value(&K::default())?;
    knobs::merge(&mut value, given, "the command line")?;
    Ok(knobs::check(&value, "the command line")?)
}

/// Works in a pool of the wanted size, with progress and a way to stop.
fn pooled<T: Send>(common: &Common, work: impl FnOnce(Watch<'_>) -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    let bars = Bars::new(common.quiet || common.json);
    let cancel = host::cancel_on_interrupt()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(common.threads()).build()?;
    let found = pool.install(|| work(Watch::new(&cancel, &bars)));
    bars.clear();
    found
}

/// Runs a tool that needs no run folder, and prints what it found.
fn in_pool(
    common: &Common,
    work: impl FnOnce(Watch<'_>) -> anyhow::Result<tool::Found> + Send,
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
