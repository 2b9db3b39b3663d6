//! Where a run's findings go: a folder here, memory in the next file.

use super::atomic::write_atomically;
use crate::error::{Error, Result};
use crate::estimate::Measure;
use crate::report::Block;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What one unit found with one seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UnitRecord {
    /// Its measures, in the order in which they were taken.
    pub measures: Vec<Measure>,
    /// Its tables, figures, samples and notes.
    pub blocks: Vec<Block>,
    /// Its warnings.
    pub warnings: Vec<String>,
    /// Data for the study's report, by key.
    pub kept: BTreeMap<String, Value>,
}

/// One value of a logged series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// The series, for example `nll/valid`.
    pub name: String,
    /// The step (batch, epoch, round).
    pub step: u64,
    /// The value; `None` where it was not finite.
    pub value: Option<f64>,
}

impl LogLine {
    /// A line; a value that is not finite becomes `None`.
    pub fn new(name: &str, step: u64, value: f64) -> Self {
        Self { name: name.to_owned(), step, value: value.is_finite().then_some(value) }
    }
}

/// Where findings, finished stages and logs go. `scope` names a unit or a stage of a seed.
pub trait Sink: Send + Sync {
    /// The record of a unit, if it is finished.
    ///
    /// # Errors
    /// Where it is there and cannot be read.
    fn unit(&self, seed: u64, unit: &str) -> Result<Option<UnitRecord>>;

    /// Keeps the record of a finished unit.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn finish_unit(&self, seed: u64, unit: &str, record: &UnitRecord) -> Result<()>;

    /// The value and the folder of a stage, if it is finished.
    ///
    /// # Errors
    /// Where it is there and cannot be read.
    fn stage(&self, seed: u64, key: &str) -> Result<Option<(Value, PathBuf)>>;

    /// The working folder of a stage that is not finished; what an earlier try left is still there.
    ///
    /// # Errors
    /// Where it cannot be made.
    fn stage_dir(&self, seed: u64, key: &str) -> Result<PathBuf>;

    /// Finishes a stage: keeps its value and moves its folder to its final place, which is returned.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn finish_stage(&self, seed: u64, key: &str, value: &Value) -> Result<PathBuf>;

    /// Adds a line to the log of a scope.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn append_log(&self, seed: u64, scope: &str, line: &LogLine) -> Result<()>;

    /// The log of a scope.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn logs(&self, seed: u64, scope: &str) -> Result<Vec<LogLine>>;

    /// Cuts the log of a scope back to its first `keep` lines.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn cut_logs(&self, seed: u64, scope: &str, keep: usize) -> Result<()>;

    /// The lock that makes concurrent units wait for a stage that one of them is working on.
    fn stage_lock(&self, seed: u64, key: &str) -> std::sync::Arc<Mutex<()>>;
}

/// A lock that is shared by all who wait for a stage.
type StageLock = std::sync::Arc<Mutex<()>>;

/// In-process locks of stages, by seed and key.
#[derive(Debug, Default)]
pub(super) struct StageLocks(Mutex<BTreeMap<(u64, String), StageLock>>);

impl StageLocks {
    pub(super) fn get(&self, seed: u64, key: &str) -> StageLock {
        let mut locks = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        locks.entry((seed, key.to_owned())).or_default().clone()
    }
}

/// A unit's name as a file name: slashes become `~`, which no unit's name may hold.
pub(super) fn file_name(unit: &str) -> String {
    unit.replace('/', "~")
}

/// A run folder as a sink: `seed-<n>/{units/*.json, stages/<key>/, *.jsonl}`.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    locks: StageLocks,
}

impl Folder {
    /// A sink below a folder that exists.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), locks: StageLocks::default() }
    }

    fn seed_dir(&self, seed: u64) -> PathBuf {
        self.root.join(format!("seed-{seed}"))
    }

    fn log_path(&self, seed: u64, scope: &str) -> PathBuf {
        self.seed_dir(seed).join("logs").join(format!("{}.jsonl", file_name(scope)))
    }
}

pub(super) fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io("create the folder", path))
}

pub(super) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let damaged = |error| Error::Input(format!("{} is damaged: {error}", path.display()));
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// As [`read_json`], for what is made again where it is missing: `what` is then to be deleted.
fn read_made<T: serde::de::DeserializeOwned>(path: &Path, what: &Path) -> Result<Option<T>> {
    read_json(path).map_err(|error| match error {
        Error::Input(why) => Error::Input(format!("{why}; delete {} to have it made again", what.display())),
        other => other,
    })
}

/// The lines of a log. A process that was killed may have left half a line at the end, cut even within a
/// character; it is not counted.
pub(super) fn whole_lines<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Vec<T> {
    bytes.split(|&byte| byte == b'\n').map_while(|line| serde_json::from_slice(line).ok()).collect()
}

pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|error| Error::Failed(format!("cannot write JSON: {error}")))?;
    bytes.push(b'\n');
    write_atomically(path, &bytes)
}

impl Sink for Folder {
    fn unit(&self, seed: u64, unit: &str) -> Result<Option<UnitRecord>> {
        let path = self.seed_dir(seed).join("units").join(format!("{}.json", file_name(unit)));
        read_made(&path, &path)
    }

    fn finish_unit(&self, seed: u64, unit: &str, record: &UnitRecord) -> Result<()> {
        let dir = self.seed_dir(seed).join("units");
        make_dir(&dir)?;
        write_json(&dir.join(format!("{}.json", file_name(unit))), record)
    }

    fn stage(&self, seed: u64, key: &str) -> Result<Option<(Value, PathBuf)>> {
        let dir = self.seed_dir(seed).join("stages").join(key);
        Ok(read_made(&dir.join("stage.json"), &dir)?.map(|value| (value, dir)))
    }

    fn stage_dir(&self, seed: u64, key: &str) -> Result<PathBuf> {
        let dir = self.seed_dir(seed).join("stages").join(format!("{key}.partial"));
        make_dir(&dir)?;
        Ok(dir)
    }

    fn finish_stage(&self, seed: u64, key: &str, value: &Value) -> Result<PathBuf> {
        let partial = self.stage_dir(seed, key)?;
        write_json(&partial.join("stage.json"), value)?;
        let dir = self.seed_dir(seed).join("stages").join(key);
        // A folder in this place has lost its value, or the stage would not have been done again.
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(Error::io("replace", &dir))?;
        }
        fs::rename(&partial, &dir).map_err(Error::io("rename to", &dir))?;
        Ok(dir)
    }

    fn append_log(&self, seed: u64, scope: &str, line: &LogLine) -> Result<()> {
        let path = self.log_path(seed, scope);
        if let Some(dir) = path.parent() {
            make_dir(dir)?;
        }
        let mut text =
            serde_json::to_vec(line).map_err(|error| Error::Failed(format!("cannot write a log line: {error}")))?;
        text.push(b'\n');
        let mut file =
            fs::OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io("open", &path))?;
        file.write_all(&text).map_err(Error::io("write", &path))
    }

    fn logs(&self, seed: u64, scope: &str) -> Result<Vec<LogLine>> {
        let path = self.log_path(seed, scope);
        match fs::read(&path) {
            Ok(bytes) => Ok(whole_lines(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    fn cut_logs(&self, seed: u64, scope: &str, keep: usize) -> Result<()> {
        let path = self.log_path(seed, scope);
        if !path.exists() {
            return Ok(());
        }
        let lines = self.logs(seed, scope)?;
        let mut text = Vec::new();
        for line in lines.iter().take(keep) {
            serde_json::to_writer(&mut text, line)
                .map_err(|error| Error::Failed(format!("cannot write a log line: {error}")))?;
            text.push(b'\n');
        }
        write_atomically(&path, &text)
    }

    fn stage_lock(&self, seed: u64, key: &str) -> std::sync::Arc<Mutex<()>> {
        self.locks.get(seed, key)
    }
}
