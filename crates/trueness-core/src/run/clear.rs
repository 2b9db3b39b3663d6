//! Emptying an earlier run's folder: what a run makes goes, and anything else stops it.

use super::folder::{INFO, MEASURES, REPORT, RunInfo, STUDY};
use super::lock::LOCK;
use super::sink::read_json;
use crate::error::{Error, Result};
use crate::report::{self, Report};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Removes what the run of `info` made, the lock excepted, which the caller holds.
///
/// # Errors
/// [`Error::Input`] that names the first thing which no run makes; nothing is removed then.
pub(super) fn clear(folder: &Path, info: &RunInfo) -> Result<()> {
    let mut made = Vec::new();
    let results = linked(folder)?;
    for (path, name, kind) in entries(folder)? {
        let own = match name.as_str() {
            LOCK => continue,
            INFO | STUDY | MEASURES | REPORT | "report.html" | "report.md" | "log.txt" => kind.is_file(),
            "figures" | "attachments" => kind.is_dir() && linked_files_only(folder, &path)?,
            _ if kind.is_file() && results.contains(&path) => true,
            name => is_partial(name, kind) || (kind.is_dir() && is_seed(name, info) && seed_files_only(&path)?),
        };
        if !own {
            return Err(foreign(&path));
        }
        made.push((path, kind));
    }
    // What tells that this is a run's folder goes last, so that a kill in between leaves one that can be
    // replaced still.
    made.sort_by_key(|(path, _)| path.file_name().is_some_and(|name| name == INFO));
    for (path, kind) in made {
        let removed = if kind.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(Error::io("remove", &path))?;
    }
    Ok(())
}

fn foreign(path: &Path) -> Error {
    Error::Input(format!(
        "{} is nothing that a run makes, so that its folder is not replaced; move it, or name another folder",
        path.display()
    ))
}

fn entries(folder: &Path) -> Result<Vec<(PathBuf, String, fs::FileType)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        // The kind of a link is a link: a run makes none, and none is followed.
        let kind = entry.file_type().map_err(Error::io("read", folder))?;
        let Ok(name) = entry.file_name().into_string() else { return Err(foreign(&entry.path())) };
        found.push((entry.path(), name, kind));
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

/// What a process that was killed leaves of a file that it was writing.
fn is_partial(name: &str, kind: fs::FileType) -> bool {
    kind.is_file() && name.strip_prefix(super::atomic::PREFIX).is_some_and(|rest| rest.len() == 6)
}

fn is_seed(name: &str, info: &RunInfo) -> bool {
    name.strip_prefix("seed-").and_then(|n| n.parse().ok()).is_some_and(|n: u64| info.seeds.contains(&n))
}

/// The files that the report links to.
fn linked(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let report: Option<Report> = read_json(&folder.join(REPORT))?;
    Ok(report.iter().flat_map(report::files).map(|(name, _)| folder.join(name)).collect())
}

/// Whether `figures/` or `attachments/` holds no more than the report's own files.
fn linked_files_only(folder: &Path, dir: &Path) -> Result<bool> {
    let known = linked(folder)?;
    Ok(entries(dir)?.into_iter().all(|(path, name, kind)| is_partial(&name, kind) || known.contains(&path)))
}

/// Whether a seed's folder holds units, stages, logs and nothing else. What lies in a stage is the
/// study's own matter.
fn seed_files_only(dir: &Path) -> Result<bool> {
    let all_end_in = |dir: &Path, ending: &str| -> Result<bool> {
        Ok(entries(dir)?
            .into_iter()
            .all(|(_, name, kind)| is_partial(&name, kind) || (kind.is_file() && name.ends_with(ending))))
    };
    for (path, name, kind) in entries(dir)? {
        let own = match name.as_str() {
            "units" => kind.is_dir() && all_end_in(&path, ".json")?,
            "logs" => kind.is_dir() && all_end_in(&path, ".jsonl")?,
            "stages" => kind.is_dir(),
            "metrics.jsonl" => kind.is_file(),
            name => is_partial(name, kind),
        };
        if !own {
            return Err(foreign(&path));
        }
    }
    Ok(true)
}
