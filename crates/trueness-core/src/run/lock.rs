//! The lock of a run folder: one process works on it at a time.

use crate::error::{Error, Result};
use std::fs;
use std::path::Path;
use std::time::Duration;

pub(super) const LOCK: &str = ".lock";

/// How often a lock that is taken is tried again, and how long is waited in between.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Whether a folder holds anything but a lock that an earlier try left.
pub(super) fn is_taken(path: &Path) -> Result<bool> {
    for entry in fs::read_dir(path).map_err(Error::io("read", path))? {
        if entry.map_err(Error::io("read", path))?.file_name() != LOCK {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes the lock of a folder, which lasts as long as the file is open.
pub(super) fn take_lock(path: &Path) -> Result<fs::File> {
    let lock_path = path.join(LOCK);
    let lock = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(Error::io("write", &lock_path))?;
    // While a process is being started it has a copy of every open file, and with it of a lock that was given back.
    let mut tried = lock.try_lock();
    for _ in 0..TRIES {
        if !matches!(tried, Err(fs::TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(PAUSE);
        tried = lock.try_lock();
    }
    match tried {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => {
            Err(Error::Input(format!("another process is working on {}; wait for it, or stop it", path.display())))
        }
        Err(fs::TryLockError::Error(error)) => Err(Error::io("lock", &lock_path)(error)),
    }
}
