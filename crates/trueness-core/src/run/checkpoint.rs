//! Checkpoints: folders written beside and renamed, hashed, the last few kept.

use super::atomic::{ASIDE, Staging, recover};
use super::sink::{read_json, write_json};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "checkpoint.json";

/// The checkpoints of one piece of work, in one folder.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    root: PathBuf,
    keep: usize,
}

/// A whole checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The step at which it was taken.
    pub step: u64,
    /// How many log lines had been written by then.
    pub log_lines: u64,
    /// Where its files lie.
    pub dir: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    step: u64,
    log_lines: u64,
    /// The hash of every file, by its path below the checkpoint.
    files: BTreeMap<String, String>,
}

impl Checkpoints {
    /// Checkpoints below `root`, of which the last `keep` (at least one) stay.
    pub fn new(root: &Path, keep: usize) -> Self {
        Self { root: root.to_owned(), keep: keep.max(1) }
    }

    /// Writes a checkpoint through `write`, which gets an empty folder, and removes the oldest ones.
    /// Files are hashed as streams: nothing is held in memory.
    ///
    /// # Errors
    /// What `write` returns; [`Error::Io`] where the folder cannot be written. The checkpoints that
    /// were there stay.
    pub fn save(&self, step: u64, log_lines: u64, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let staging = Staging::new(&self.root.join(format!("step-{step:012}")))?;
        write(staging.path())?;
        let files = hash_files(staging.path())?;
        write_json(&staging.path().join(MANIFEST), &Manifest { step, log_lines, files })?;
        staging.commit()?;
        let mut steps = self.steps()?;
        steps.truncate(steps.len().saturating_sub(self.keep));
        for (_, dir) in steps {
            fs::remove_dir_all(&dir).map_err(Error::io("remove", &dir))?;
        }
        Ok(())
    }

    /// The newest checkpoint whose files have the hashes they had; damaged ones are passed over.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder cannot be read.
    pub fn latest(&self) -> Result<Option<Checkpoint>> {
        for (_, dir) in self.steps()?.into_iter().rev() {
            let Ok(Some(manifest)) = read_json::<Manifest>(&dir.join(MANIFEST)) else { continue };
            if hash_files(&dir)? == manifest.files {
                return Ok(Some(Checkpoint { step: manifest.step, log_lines: manifest.log_lines, dir }));
            }
            tracing::warn!("passing over the damaged checkpoint {}", dir.display());
        }
        Ok(None)
    }

    fn steps(&self) -> Result<Vec<(u64, PathBuf)>> {
        if !self.root.exists() {
            return Ok(Vec::new());
        }
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(Error::io("read", &self.root))? {
            paths.push(entry.map_err(Error::io("read", &self.root))?.path());
        }
        let mut steps = Vec::new();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // A process that was killed while it replaced a checkpoint left the old one aside.
            let (name, path) = match name.strip_suffix(ASIDE) {
                Some(name) => {
                    let path = path.with_file_name(name);
                    let was_there = path.exists();
                    recover(&path)?;
                    if was_there {
                        continue;
                    }
                    (name.to_owned(), path)
                }
                None => (name.to_owned(), path),
            };
            if let Some(step) = name.strip_prefix("step-").and_then(|step| step.parse().ok()) {
                steps.push((step, path));
            }
        }
        steps.sort();
        Ok(steps)
    }
}

fn hash_files(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).map_err(Error::io("read", &dir))? {
            let path = entry.map_err(Error::io("read", &dir))?.path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            if name != MANIFEST {
                let mut hasher = blake3::Hasher::new();
                let mut file = fs::File::open(&path).map_err(Error::io("read", &path))?;
                std::io::copy(&mut file, &mut hasher).map_err(Error::io("read", &path))?;
                hashes.insert(name, hasher.finalize().to_hex().to_string());
            }
        }
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_and_a_damaged_one_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path(), 2);
        assert_eq!(checkpoints.latest().unwrap(), None);
        for step in 1..=3 {
            let write = |dir: &Path| fs::write(dir.join("weights"), step.to_string()).map_err(Error::io("write", dir));
            checkpoints.save(step, step * 10, write).unwrap();
        }
        let newest = checkpoints.latest().unwrap().unwrap();
        assert_eq!((newest.step, newest.log_lines), (3, 30));
        fs::write(newest.dir.join("weights"), "damaged").unwrap();
        assert_eq!(checkpoints.latest().unwrap().unwrap().step, 2);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_checkpoint_put_aside_by_a_killed_process_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path(), 1);
        checkpoints.save(7, 0, |_| Ok(())).unwrap();
        let place = checkpoints.latest().unwrap().unwrap().dir;
        fs::rename(&place, place.with_extension("replaced")).unwrap();
        assert_eq!(checkpoints.latest().unwrap().unwrap(), Checkpoint { step: 7, log_lines: 0, dir: place });
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_old_ones() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path(), 1);
        checkpoints.save(1, 0, |_| Ok(())).unwrap();
        assert!(checkpoints.save(2, 0, |_| Err(Error::Failed("disk full".into()))).is_err());
        assert_eq!(checkpoints.latest().unwrap().unwrap().step, 1);
    }
}
