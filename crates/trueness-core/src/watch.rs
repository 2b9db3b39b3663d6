//! What long work shows of itself, and how it is stopped: progress, cancellation and time.

use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Receives progress. The command line draws it; tests and callers may ignore it.
pub trait Progress: Send + Sync {
    /// `done` of `total` pieces of a task are finished. `total` 0 means that it is not known.
    fn update(&self, task: &str, done: u64, total: u64);

    /// Lines that stand below a task until others take their place or it ends: what was seen of it so far.
    fn show(&self, task: &str, lines: &[String]) {
        let _ = (task, lines);
    }

    /// A task has ended, finished or not.
    fn end(&self, task: &str) {
        let _ = task;
    }
}

/// Progress that nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn update(&self, _task: &str, _done: u64, _total: u64) {}
}

/// A flag that asks long work to stop at the next safe place. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a long function needs to be watched and stopped: pass it on, and call [`Watch::step`] often.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    cancel: &'a Cancel,
    progress: &'a dyn Progress,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("cancel", self.cancel).finish_non_exhaustive()
    }
}

impl<'a> Watch<'a> {
    /// A watch over a caller's flag and progress.
    pub fn new(cancel: &'a Cancel, progress: &'a dyn Progress) -> Self {
        Self { cancel, progress }
    }

    /// Stops with [`Error::Interrupted`] if somebody asked to.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Shows lines below a task.
    pub fn show(&self, task: &str, lines: &[String]) {
        self.progress.show(task, lines);
    }

    /// Reports `done` of `total` pieces of `task`, then stops if somebody asked to.
    pub fn step(&self, task: &str, done: u64, total: u64) -> Result<()> {
        self.progress.update(task, done, total);
        if total > 0 && done >= total {
            self.progress.end(task);
        }
        self.check()
    }
}

/// The time, which the kernel takes from its caller.
pub trait Clock: Send + Sync {
    /// Now, as RFC 3339 in UTC, for example `2026-11-23T10:04:11Z`.
    fn now(&self) -> String;
    /// Seconds since some fixed moment; only differences mean anything.
    fn seconds(&self) -> f64;
}

/// A clock that stands still, for tests and for callers that want no times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> String {
        "1970-01-01T00:00:00Z".to_owned()
    }

    fn seconds(&self) -> f64 {
        0.0
    }
}
