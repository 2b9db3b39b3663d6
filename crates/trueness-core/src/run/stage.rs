//! Stages: pieces of work that are done once.

use super::checkpoint::Checkpoints;
use super::sink::{LogLine, Sink};
use crate::error::{Error, Result};
use crate::seed::Seed;
use crate::watch::Watch;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// How many checkpoints of a stage are kept.
const KEEP: usize = 2;

/// What a stage's work sees: a seed, a watch, a folder for files, logs and checkpoints.
pub struct Stage<'a> {
    seed_number: u64,
    seed: Seed,
    scope: String,
    dir: PathBuf,
    sink: &'a dyn Sink,
    watch: Watch<'a>,
    lines: usize,
    checkpoints: Checkpoints,
}

impl std::fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl<'a> Stage<'a> {
    /// The seed of this stage: it depends on the run's seed, the stage's name and its inputs.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Progress and cancellation.
    pub fn watch(&self) -> Watch<'a> {
        self.watch
    }

    /// A folder for files; it stays when the stage is finished (see [`Staged::dir`]).
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Logs the value of a named series at a step.
    ///
    /// # Errors
    /// Where the sink cannot be written.
    pub fn log(&mut self, name: &str, step: u64, value: f64) -> Result<()> {
        self.sink.append_log(self.seed_number, &self.scope, &LogLine::new(name, step, value))?;
        self.lines += 1;
        Ok(())
    }

    /// Writes a checkpoint at a step through `write`, which gets an empty folder. On resumption the
    /// logs are cut back to this moment.
    ///
    /// # Errors
    /// What `write` returns, or where the folder cannot be written.
    pub fn checkpoint(&mut self, step: u64, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.checkpoints.save(step, self.lines as u64, write)
    }

    /// The newest whole checkpoint of an earlier try: its step and its folder.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn resume(&self) -> Result<Option<(u64, PathBuf)>> {
        Ok(self.checkpoints.latest()?.map(|checkpoint| (checkpoint.step, checkpoint.dir)))
    }
}

/// The value of a finished stage and the folder of its files.
#[derive(Clone, Debug)]
pub struct Staged<T> {
    /// What the work returned.
    pub value: T,
    /// Where its files lie.
    pub dir: PathBuf,
}

pub(super) fn run<I, T, E>(
    sink: &dyn Sink,
    seed_number: u64,
    seed: Seed,
    watch: Watch<'_>,
    name: &str,
    inputs: &I,
    work: impl FnOnce(&mut Stage<'_>) -> std::result::Result<T, E>,
) -> std::result::Result<Staged<T>, E>
where
    I: Serialize,
    T: Serialize + DeserializeOwned,
    E: From<Error>,
{
    let json = |error: serde_json::Error| Error::Failed(format!("stage {name:?}: {error}"));
    let inputs = serde_json::to_vec(inputs).map_err(json)?;
    let hash = blake3::Hasher::new().update(name.as_bytes()).update(b"\0").update(&inputs).finalize().to_hex();
    let key = format!("{}-{}", super::sink::file_name(name), &hash[..16]);
    let guard = sink.stage_lock(seed_number, &key);
    let _guard = guard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    watch.check()?;
    if let Some((value, dir)) = sink.stage(seed_number, &key)? {
        return Ok(Staged { value: serde_json::from_value(value).map_err(json)?, dir });
    }
    let scope = format!("stages/{key}");
    let dir = sink.stage_dir(seed_number, &key)?;
    let checkpoints = Checkpoints::new(&dir.join("checkpoints"), KEEP);
    let lines = checkpoints.latest()?.map_or(0, |checkpoint| checkpoint.log_lines as usize);
    sink.cut_logs(seed_number, &scope, lines)?;
    let seed = seed.child("stage").child(&key);
    let mut stage = Stage { seed_number, seed, scope, dir, sink, watch, lines, checkpoints };
    let value = work(&mut stage)?;
    let json_value = serde_json::to_value(&value).map_err(json)?;
    // What is returned has made the same trip through JSON as what is read back later.
    let value = serde_json::from_value(json_value.clone()).map_err(json)?;
    let dir = sink.finish_stage(seed_number, &key, &json_value)?;
    Ok(Staged { value, dir })
}
