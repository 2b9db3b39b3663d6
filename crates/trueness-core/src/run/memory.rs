//! A sink in memory, for tests and for callers that want no run folder.

use super::sink::{LogLine, Sink, StageLocks, UnitRecord};
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Keyed<T> = Mutex<BTreeMap<(u64, String), T>>;

/// Findings in memory. Files of stages, if there are any, lie in a temporary folder that goes when
/// the sink goes.
#[derive(Debug, Default)]
pub struct Memory {
    units: Keyed<UnitRecord>,
    stages: Keyed<Value>,
    logs: Keyed<Vec<LogLine>>,
    files: Mutex<Option<Arc<tempfile::TempDir>>>,
    locks: StageLocks,
}

impl Memory {
    /// An empty sink.
    pub fn new() -> Self {
        Self::default()
    }

    fn files(&self) -> Result<Arc<tempfile::TempDir>> {
        let mut files = lock(&self.files);
        if let Some(dir) = files.as_ref() {
            return Ok(dir.clone());
        }
        let dir = tempfile::tempdir().map_err(Error::io("create a temporary folder in", &std::env::temp_dir()))?;
        Ok(files.insert(Arc::new(dir)).clone())
    }

    fn dir(&self, seed: u64, key: &str) -> Result<PathBuf> {
        Ok(self.files()?.path().join(format!("seed-{seed}")).join(key))
    }
}

/// A lock whose holder panicked still guards whole values: every change is one insertion.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(seed: u64, name: &str) -> (u64, String) {
    (seed, name.to_owned())
}

impl Sink for Memory {
    fn unit(&self, seed: u64, unit: &str) -> Result<Option<UnitRecord>> {
        Ok(lock(&self.units).get(&key(seed, unit)).cloned())
    }

    fn finish_unit(&self, seed: u64, unit: &str, record: &UnitRecord) -> Result<()> {
        lock(&self.units).insert(key(seed, unit), record.clone());
        Ok(())
    }

    fn stage(&self, seed: u64, name: &str) -> Result<Option<(Value, PathBuf)>> {
        let value = lock(&self.stages).get(&key(seed, name)).cloned();
        value.map(|value| Ok((value, self.dir(seed, name)?))).transpose()
    }

    fn stage_dir(&self, seed: u64, name: &str) -> Result<PathBuf> {
        let dir = self.dir(seed, name)?;
        super::sink::make_dir(&dir)?;
        Ok(dir)
    }

    fn finish_stage(&self, seed: u64, name: &str, value: &Value) -> Result<PathBuf> {
        lock(&self.stages).insert(key(seed, name), value.clone());
        self.dir(seed, name)
    }

    fn append_log(&self, seed: u64, scope: &str, line: &LogLine) -> Result<()> {
        lock(&self.logs).entry(key(seed, scope)).or_default().push(line.clone());
        Ok(())
    }

    fn logs(&self, seed: u64, scope: &str) -> Result<Vec<LogLine>> {
        Ok(lock(&self.logs).get(&key(seed, scope)).cloned().unwrap_or_default())
    }

    fn cut_logs(&self, seed: u64, scope: &str, keep: usize) -> Result<()> {
        if let Some(lines) = lock(&self.logs).get_mut(&key(seed, scope)) {
            lines.truncate(keep);
        }
        Ok(())
    }

    fn stage_lock(&self, seed: u64, name: &str) -> Arc<Mutex<()>> {
        self.locks.get(seed, name)
    }
}
