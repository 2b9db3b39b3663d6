//! Runs: all that a unit of work sees of the world.

mod atomic;
mod checkpoint;
mod clear;
mod find;
pub mod folder;
mod inputs;
mod lock;
mod memory;
mod sink;
mod stage;

pub use atomic::{AtomicFile, Staging, write_atomically};
pub use checkpoint::{Checkpoint, Checkpoints};
pub use find::find_folder;
pub use folder::{Machine, Program, RunFolder, RunInfo};
pub use inputs::InputFile;
pub use memory::Memory;
pub use sink::{Folder, LogLine, Sink, UnitRecord};
pub use stage::{Stage, Staged};

use crate::error::{Error, Result};
use crate::estimate::{Estimate, Measure};
use crate::report::{Block, Figure, Note, NoteKind, Samples, Table};
use crate::seed::Seed;
use crate::watch::Watch;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// All that a unit sees of the world: its seed, its watch, and a place for what it finds.
///
/// Work runs inside a thread pool that the caller owns: rayon's parallel iterators use it.
pub struct Run<'a> {
    seed_number: u64,
    seed: Seed,
    scope: String,
    sink: &'a dyn Sink,
    watch: Watch<'a>,
    record: UnitRecord,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("seed", &self.seed_number).field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl<'a> Run<'a> {
    /// A run of one unit with one seed. Logs that an earlier, unfinished try left are dropped.
    ///
    /// # Errors
    /// Where the sink cannot be written.
    pub fn begin(seed_number: u64, unit: &str, sink: &'a dyn Sink, watch: Watch<'a>) -> Result<Self> {
        let scope = format!("units/{}", sink::file_name(unit));
        sink.cut_logs(seed_number, &scope, 0)?;
        Ok(Self { seed_number, seed: Seed::new(seed_number), scope, sink, watch, record: UnitRecord::default() })
    }

    /// The seed of this run. Units of one seed share it, so name children by what they are for.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// The number of the seed, for signatures.
    pub fn seed_number(&self) -> u64 {
        self.seed_number
    }

    /// Progress and cancellation, to pass on to long functions.
    pub fn watch(&self) -> Watch<'a> {
        self.watch
    }

    /// Logs the value of a named series at a step; what is not finite is left out.
    ///
    /// # Errors
    /// Where the sink cannot be written.
    pub fn log(&mut self, name: &str, step: u64, value: f64) -> Result<()> {
        self.sink.append_log(self.seed_number, &self.scope, &LogLine::new(name, step, value))
    }

    /// The values logged so far by this unit under a name.
    ///
    /// # Errors
    /// Where the sink cannot be read.
    pub fn logged(&self, name: &str) -> Result<Vec<LogLine>> {
        let lines = self.sink.logs(self.seed_number, &self.scope)?;
        Ok(lines.into_iter().filter(|line| line.name == name).collect())
    }

    /// Records a measure. `name` is a metric's name, `subject` what was measured.
    pub fn measure(&mut self, name: &str, subject: &str, estimate: Estimate, signature: &str) {
        self.push(Measure::new(name, estimate).of(subject).signed(signature));
    }

    /// Records a measure.
    pub fn push(&mut self, measure: Measure) {
        self.record.measures.push(measure);
    }

    /// Adds a table to the report.
    pub fn table(&mut self, table: Table) {
        self.record.blocks.push(Block::Table(table));
    }

    /// Adds a figure to the report.
    pub fn figure(&mut self, figure: Figure) {
        self.record.blocks.push(Block::Figure(Box::new(figure)));
    }

    /// Adds sample texts to the report.
    pub fn samples(&mut self, samples: Samples) {
        self.record.blocks.push(Block::Samples(samples));
    }

    /// Adds a note to the report.
    pub fn note(&mut self, text: impl Into<String>) {
        self.record.blocks.push(Block::Note(Note { kind: NoteKind::Info, text: text.into() }));
    }

    /// Adds a warning: it is shown in the report and on the terminal, and stands in `--json`.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.record.warnings.push(text.into());
    }

    /// Keeps a piece of data for the study's report, under a key.
    ///
    /// # Errors
    /// [`Error::Failed`] where it cannot be written as JSON.
    pub fn keep<T: Serialize>(&mut self, key: &str, data: &T) -> Result<()> {
        let value = serde_json::to_value(data).map_err(|error| Error::Failed(format!("cannot keep {key}: {error}")))?;
        self.record.kept.insert(key.to_owned(), value);
        Ok(())
    }

    /// Memoises a piece of work by the hash of its name, the seed and its inputs: what is finished is
    /// not done again after an interruption, or when another unit of this seed needs it. The value
    /// is kept as JSON; large results go as files into [`Stage::dir`].
    ///
    /// # Errors
    /// What `work` returns; where the sink cannot be read or written.
    pub fn stage<I, T, E>(
        &mut self,
        name: &str,
        inputs: &I,
        work: impl FnOnce(&mut Stage<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<Staged<T>, E>
    where
        I: Serialize,
        T: Serialize + DeserializeOwned,
        E: From<Error>,
    {
        stage::run(self.sink, self.seed_number, self.seed, self.watch, name, inputs, work)
    }

    /// Ends the unit: its record is what counts as finished.
    pub fn finish(self) -> UnitRecord {
        self.record
    }
}
