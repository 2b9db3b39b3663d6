//! Running a study or a tool: knobs resolved, a folder made or taken up, results printed.

use crate::arguments::{Common, RunArguments};
use crate::host::{self, SystemClock};
use crate::progress::Bars;
use crate::terminal;
use anyhow::Context;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use trueness_core::report::{self, Outcome, Report, Verdict};
use trueness_core::run::{self, InputFile, RunFolder, RunInfo};
use trueness_core::study::{MAX_STUDY_FILE, Manifest, knobs};
use trueness_core::{Clock, Error, Findings, StudyEntry, Watch, nearest};

pub(crate) mod resume;

/// What is to be run.
pub(crate) struct Task<'a> {
    pub(crate) entry: &'a StudyEntry,
    pub(crate) manifest: Manifest,
    /// The study file as text, for the resolved one in the run folder.
    pub(crate) manifest_text: String,
    pub(crate) preset: String,
    pub(crate) knobs: Value,
    pub(crate) seeds: Vec<u64>,
    pub(crate) strict: bool,
}

/// `trueness run`.
pub(crate) fn run(studies: &[StudyEntry], arguments: &RunArguments, common: &Common) -> anyhow::Result<ExitCode> {
    if let Some(path) = &common.resume {
        return resume::resume(studies, path, &resume::Asked::run(studies, arguments)?, common);
    }
    let name = arguments.study.as_deref().unwrap_or_default();
    let (entry, text) = find(studies, name)?;
    let manifest = Manifest::parse(&text, name)?;
    let preset = arguments.preset.clone().unwrap_or_else(|| default_preset(&manifest));
    let chosen = manifest.preset(&preset)?;
    let mut layers = vec![preset_layer(&manifest, &preset, name)?];
    layers.extend(set_layers(arguments)?);
    let knobs = resolve(entry, &layers)?;
    let n = arguments.seeds.unwrap_or(chosen.seeds);
    let seeds = common.seeds(n)?;
    if !common.quiet && !common.json {
        terminal::complain(&format!(
            "{}: preset {preset}, {n} seeds, expected to take {} minutes on two cores",
            entry.name(),
            chosen.expected_minutes
        ));
    }
    start(Task { entry, manifest, manifest_text: text, preset, knobs, seeds, strict: arguments.strict }, common)
}

/// Settings and the name that errors give them.
type Layer = (String, Value);

fn preset_layer(manifest: &Manifest, preset: &str, file: &str) -> anyhow::Result<Layer> {
    let knobs = serde_json::to_value(&manifest.preset(preset)?.knobs).context("the preset's knobs")?;
    Ok((format!("preset {preset} of {file}"), knobs))
}

fn set_layers(arguments: &RunArguments) -> anyhow::Result<Vec<Layer>> {
    arguments.set.iter().map(|set| Ok(("--set".to_owned(), knobs::parse_set(set)?))).collect()
}

fn resolve(entry: &StudyEntry, layers: &[Layer]) -> trueness_core::Result<Value> {
    let layers: Vec<(&str, Value)> = layers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    entry.resolve(&layers)
}

fn default_preset(manifest: &Manifest) -> String {
    let known = ["laptop", "default"];
    let preferred = known.into_iter().find(|name| manifest.presets.contains_key(*name));
    preferred
        .map(str::to_owned)
        .or_else(|| manifest.presets.keys().next().cloned())
        .unwrap_or_else(|| "laptop".to_owned())
}

/// The study with a name and its file, or the one that a person's own study file speaks of.
fn find<'a>(studies: &'a [StudyEntry], name: &str) -> anyhow::Result<(&'a StudyEntry, String)> {
    if let Some(entry) = studies.iter().find(|entry| entry.name() == name) {
        return Ok((entry, entry.source().manifest.to_owned()));
    }
    let names = || studies.iter().map(StudyEntry::name);
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "toml") && !path.exists() {
        let hint = nearest(name, names()).map_or_else(
            || format!("expected one of {}, or a study file", names().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean {near:?}?"),
        );
        return Err(Error::Input(format!("there is no study {name:?}; {hint}")).into());
    }
    // What a file says of its length need not be true: a device says 0 and never ends.
    let file = std::fs::File::open(path).map_err(Error::io("read", path))?;
    let mut bytes = Vec::new();
    file.take(MAX_STUDY_FILE as u64 + 1).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    if bytes.len() > MAX_STUDY_FILE {
        return Err(
            Error::Input(format!("{name} is too large: a study file has at most {MAX_STUDY_FILE} bytes")).into()
        );
    }
    let text = String::from_utf8(bytes).map_err(|error| Error::Input(format!("{name} is no study file: {error}")))?;
    let manifest = Manifest::parse(&text, name)?;
    match studies.iter().find(|entry| entry.name() == manifest.study) {
        Some(entry) => Ok((entry, text)),
        None => Err(Error::Input(format!(
            "{name} is for the study {:?}; expected one of {}",
            manifest.study,
            names().collect::<Vec<_>>().join(", ")
        ))
        .into()),
    }
}

/// Makes the folder and runs.
pub(crate) fn start(task: Task<'_>, common: &Common) -> anyhow::Result<ExitCode> {
    let clock = SystemClock::start();
    let path = common.out.clone().unwrap_or_else(|| fresh(&task, &clock));
    let minutes = task.manifest.presets.get(&task.preset).map_or(0.0, |preset| preset.expected_minutes);
    let file = task.entry.resolved_file(&task.preset, task.seeds.len(), minutes, &task.knobs, &task.manifest_text)?;
    let info = RunInfo {
        schema_version: run::folder::SCHEMA_VERSION,
        study: task.entry.name().to_owned(),
        preset: task.preset.clone(),
        // For people to read: what is no UTF-8 is shown by a mark.
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        program: host::program(),
        machine: host::machine(),
        seeds: task.seeds.clone(),
        inputs: InputFile::read_all(&task.entry.inputs(&task.knobs)?)?,
        threads: common.threads(),
        started: clock.now(),
        ..RunInfo::default()
    };
    let existed = path.exists();
    let folder = RunFolder::create(&path, info, &file, common.force)?;
    let outcome = carry_out(task, folder, &clock, common);
    // Input that turns out wrong before anything was finished leaves nothing behind.
    if let Err(error) = &outcome
        && !existed
        && error.downcast_ref::<Error>().is_some_and(|error| error.exit_code() == 2)
        && !holds_results(&path)
    {
        let _ = std::fs::remove_dir_all(&path);
    }
    outcome
}

/// `runs/<toolkit>-<study>/<time>`, with a number where two runs begin in one second.
fn fresh(task: &Task<'_>, clock: &SystemClock) -> PathBuf {
    let root = Path::new("runs").join(task.entry.name().replace('/', "-"));
    let time = clock.folder_name();
    let first = root.join(&time);
    if !first.exists() {
        first
    } else {
        (2..).map(|i| root.join(format!("{time}-{i}"))).find(|path| !path.exists()).unwrap_or(first)
    }
}

fn holds_results(path: &Path) -> bool {
    let seeds = std::fs::read_dir(path).into_iter().flatten().flatten();
    seeds.map(|entry| entry.path().join("units")).any(|units| units.is_dir())
}

/// Runs in a folder. Whatever stops it is recorded there, and stays the error that is told, even where
/// recording it fails too.
pub(crate) fn carry_out(
    task: Task<'_>,
    mut folder: RunFolder,
    clock: &SystemClock,
    common: &Common,
) -> anyhow::Result<ExitCode> {
    let path = folder.path().to_owned();
    let error = match work(&task, &mut folder, clock, common) {
        Ok(done) => return show(&task, &done, &path, common),
        Err(error) => error,
    };
    let interrupted = matches!(error.downcast_ref(), Some(Error::Interrupted));
    let exit = if interrupted { "interrupted".to_owned() } else { format!("failed: {}", terminal::chain(&error)) };
    let recorded = [folder.log(&format!("{} {exit}", clock.now())), folder.stop(&exit, clock.now(), clock.seconds())];
    for problem in recorded.into_iter().filter_map(Result::err) {
        terminal::complain(&format!("warning: {problem}"));
    }
    if !interrupted {
        return Err(error);
    }
    terminal::complain(&format!("interrupted; carry it on with: {}", how_to_resume(&task, &path)));
    Ok(ExitCode::from(130))
}

/// A finished run.
struct Done {
    findings: Findings,
    verdicts: Vec<Verdict>,
    report: Report,
}

fn work(task: &Task<'_>, folder: &mut RunFolder, clock: &SystemClock, common: &Common) -> anyhow::Result<Done> {
    let bars = Bars::new(common.quiet || common.json);
    let cancel = host::cancel_on_interrupt()?;
    let sink = folder.sink();
    folder.log(&format!("{} {} begins with {} threads", clock.now(), task.entry.name(), common.threads()))?;
    let executed = task.entry.execute(&task.knobs, &task.seeds, common.threads(), &sink, Watch::new(&cancel, &bars));
    bars.clear();
    let findings = executed?;
    let (verdicts, report) = task.entry.report(&task.manifest, &task.knobs, &findings)?;
    let report = with_provenance(report, folder, clock);
    folder.log(&format!("{} done", clock.now()))?;
    folder.finish(&findings, &report, clock.now(), clock.seconds())?;
    Ok(Done { findings, verdicts, report })
}

fn show(task: &Task<'_>, done: &Done, path: &Path, common: &Common) -> anyhow::Result<ExitCode> {
    if common.json {
        terminal::print(&json_of(&done.findings, &done.verdicts)?)?;
    } else if !common.quiet {
        terminal::print(&summary(&done.report))?;
        terminal::print(&format!("Report: {}", path.join("report.html").display()))?;
    }
    let failed = done.verdicts.iter().any(|verdict| verdict.outcome == Outcome::Fails);
    Ok(if task.strict && failed { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

fn how_to_resume(task: &Task<'_>, path: &Path) -> String {
    let verb = if task.entry.is_tool() { task.entry.name().replace('/', " ") } else { "run".to_owned() };
    format!("trueness {verb} --resume {}", path.display())
}

/// The report on the terminal: long tables of everything stay in the file.
pub(crate) fn summary(report: &Report) -> String {
    let mut short = report.clone();
    if let Some(end) = short.blocks.iter().position(|block| matches!(block, report::Block::Heading { .. })) {
        short.blocks.truncate(end);
    }
    report::terminal(&short, terminal::columns(), terminal::colour())
}

fn with_provenance(report: Report, folder: &RunFolder, clock: &SystemClock) -> Report {
    let info = folder.info();
    let seeds = info.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    report
        .provenance("command", info.command.join(" "))
        .provenance("study", format!("{}, preset {}", info.study, info.preset))
        .provenance("seeds", seeds)
        .provenance("program", format!("trueness {} (build {})", info.program.version, info.program.build))
        .provenance(
            "machine",
            format!("{}, {}, {} cores", info.machine.platform, info.machine.processor, info.machine.cores),
        )
        .provenance("instruction sets", info.machine.instruction_set.clone())
        .provenance("threads", info.threads.to_string())
        .provenance("started", info.started.clone())
        .provenance("ended", clock.now())
        .provenance("seconds", format!("{:.1}", info.seconds + clock.seconds()))
}

/// The one shape of `--json`; verdicts are added where there are claims.
fn json_of(findings: &Findings, verdicts: &[Verdict]) -> anyhow::Result<String> {
    let mut value = json!({
        "schema_version": run::folder::SCHEMA_VERSION,
        "measures": findings.measures,
        "warnings": findings.warnings,
    });
    if !verdicts.is_empty() {
        let shown = |v: &Verdict| json!({ "id": v.id, "outcome": v.outcome.words(), "detail": v.detail });
        value["verdicts"] = verdicts.iter().map(shown).collect();
    }
    Ok(serde_json::to_string_pretty(&value)?)
}
