//! The conformance suite: what every study must satisfy, in one function.

use crate::error::{Error, Result};
use crate::report::{self, Outcome};
use crate::run::{Folder, Memory, Sink};
use crate::study::{Findings, StudyEntry};
use crate::watch::{Cancel, Progress, Silent, Watch};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Cancels after a number of progress reports, wherever the work then is.
struct CancelAfter {
    cancel: Cancel,
    left: AtomicU64,
}

impl Progress for CancelAfter {
    fn update(&self, _task: &str, _done: u64, _total: u64) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.cancel.cancel();
        }
    }
}

/// Counts progress reports.
struct Count(AtomicU64);

impl Progress for Count {
    fn update(&self, _task: &str, _done: u64, _total: u64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs a study's preset through everything a study must satisfy: knobs survive the round trip and
/// unknown ones are refused; the same seed gives the same measures on one thread and two; a folder
/// and memory agree; a cancelled run stops; interrupted anywhere and resumed equals uninterrupted; the report renders and
/// is not empty; every claim is measured. `folder` is an empty folder to work in.
///
/// # Errors
/// [`Error::Failed`] that names the rule that was broken.
pub fn check(entry: &StudyEntry, preset: &str, folder: &Path) -> Result<()> {
    check_with(entry, preset, json!({}), folder)
}

/// As [`check`], with `settings` laid over the preset: a tool needs to be told which files to read.
///
/// # Errors
/// As for [`check`].
pub fn check_with(entry: &StudyEntry, preset: &str, settings: Value, folder: &Path) -> Result<()> {
    let broken = |rule: &str| Error::Failed(format!("{}: {rule}", entry.name()));
    let of_preset = serde_json::to_value(&entry.manifest().preset(preset)?.knobs)
        .map_err(|error| broken(&format!("preset {preset}: {error}")))?;
    let knobs = entry.resolve(&[("the preset", of_preset), ("the settings", settings)])?;
    if entry.resolve(&[("the resolved knobs", knobs.clone())])? != knobs {
        return Err(broken("knobs must survive the round trip through JSON"));
    }
    if entry.resolve(&[("a test", json!({ "no-such-knob": 1 }))]).is_ok() {
        return Err(broken("an unknown knob must be refused"));
    }
    let seeds: Vec<u64> = (0..entry.manifest().preset(preset)?.seeds).collect();
    let cancel = Cancel::default();
    let count = Count(AtomicU64::new(0));
    let one = entry.execute(&knobs, &seeds, 1, &Memory::new(), Watch::new(&cancel, &count))?;
    let two = entry.execute(&knobs, &seeds, 2, &Memory::new(), Watch::new(&cancel, &Silent))?;
    same(&one, &two).map_err(|what| broken(&format!("one and two threads must measure the same: {what}")))?;

    let reports = count.0.load(Ordering::Relaxed).max(1);
    let mut interruptions = 0;
    for part in 1..=2 {
        let root = folder.join(format!("interrupted-{part}"));
        std::fs::create_dir_all(&root).map_err(Error::io("create", &root))?;
        let sink = Folder::new(&root);
        let after = (reports * part / 3).max(1);
        let (resumed, interrupted) = interrupted_then_resumed(entry, &knobs, &seeds, &sink, after)?;
        interruptions += u32::from(interrupted);
        same(&one, &resumed).map_err(|what| {
            broken(&format!(
                "interrupted after {after} of {reports} reports and resumed must equal uninterrupted: {what}"
            ))
        })?;
    }

    if interruptions == 0 {
        return Err(broken("a cancelled run must stop before it is finished"));
    }

    let (verdicts, report) = entry.report(entry.manifest(), &knobs, &one)?;
    if report.blocks.len() <= verdicts.len() || report.lead.is_empty() {
        return Err(broken("the report must have a lead and blocks of its own"));
    }
    for text in [report::html(&report), report::markdown(&report), report::terminal(&report, 100, false)] {
        if text.contains("NaN") {
            return Err(broken("the report must not show NaN"));
        }
    }
    match verdicts.iter().find(|verdict| verdict.outcome == Outcome::NotMeasured) {
        Some(verdict) => Err(broken(&format!("claim {:?} must be measured: {}", verdict.id, verdict.detail))),
        None => Ok(()),
    }
}

fn interrupted_then_resumed(
    entry: &StudyEntry,
    knobs: &Value,
    seeds: &[u64],
    sink: &dyn Sink,
    after: u64,
) -> Result<(Findings, bool)> {
    let cancel = Cancel::default();
    let progress = CancelAfter { cancel: cancel.clone(), left: AtomicU64::new(after) };
    let interrupted = match entry.execute(knobs, seeds, 1, sink, Watch::new(&cancel, &progress)) {
        Err(Error::Interrupted) => true,
        Ok(_) => false,
        Err(error) => return Err(error),
    };
    Ok((entry.execute(knobs, seeds, 2, sink, Watch::new(&Cancel::default(), &Silent))?, interrupted))
}

fn same(a: &Findings, b: &Findings) -> std::result::Result<(), String> {
    let pairs = a.seeds.iter().zip(&b.seeds).flat_map(|(x, y)| x.measures.iter().zip(&y.measures));
    for (x, y) in pairs {
        if x != y {
            return Err(format!("{} of {:?} is {:?} and {:?}", x.name, x.subject, x.estimate, y.estimate));
        }
    }
    let records =
        |f: &Findings| f.seeds.iter().flat_map(|s| s.units.iter().map(|(_, r)| r.clone())).collect::<Vec<_>>();
    if records(a) == records(b) && a.measures == b.measures { Ok(()) } else { Err("the records differ".to_owned()) }
}
