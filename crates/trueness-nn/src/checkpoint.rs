//! Checkpoints: folders of files that are written beside their place and renamed into it, with the hash
//! of every file, of which the last few are kept.
//!
//! ```text
//! checkpoints/
//!   step-000000001200/
//!     b3sums                 BLAKE3 of every other file, as `b3sum --check` reads it
//!     state.json  best.safetensors  model.safetensors  model-ids.json  model-optimizer.bpk      (what `fit` writes)
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use trueness_core::{Error, Result};

/// The file with the hashes of the others.
const SUMS: &str = "b3sums";

/// The checkpoints of one training, in a folder of their own.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// Checkpoints in a folder, which is created, of which the last `keep` stay (at least one).
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be created.
    pub fn new(folder: impl Into<PathBuf>, keep: usize) -> Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        Ok(Self { folder, keep: keep.max(1) })
    }

    /// Writes a checkpoint: `write` puts its files into the folder that it is handed. Then they are
    /// hashed and flushed to the disk, the folder takes its name, and older ones are removed. Whenever
    /// the program ends in between, the previous checkpoint is still whole.
    ///
    /// # Errors
    /// Those of `write`, and [`Error::Io`].
    pub fn save(&self, step: u64, write: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        self.recover()?;
        let (place, beside, aside) = (self.path(step), self.beside(step, "new"), self.beside(step, "old"));
        remove(&beside)?;
        fs::create_dir_all(&beside).map_err(Error::io("create", &beside))?;
        write(&beside)?;
        let mut sums = String::new();
        for file in files(&beside)? {
            sums.push_str(&format!("{}  {file}\n", hash(&beside.join(&file))?));
            flush(&beside.join(&file))?;
        }
        let sums_path = beside.join(SUMS);
        fs::write(&sums_path, sums).map_err(Error::io("write", &sums_path))?;
        flush(&sums_path)?;
        if place.exists() {
            fs::rename(&place, &aside).map_err(Error::io("rename", &place))?;
        }
        fs::rename(&beside, &place).map_err(Error::io("rename", &beside))?;
        // Flushing a folder makes the new name durable. Not every system can, and none needs it for a
        // whole checkpoint, so that a refusal is no error.
        let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        remove(&aside)?;
        let steps = self.steps()?;
        for &old in &steps[..steps.len().saturating_sub(self.keep)] {
            remove(&self.path(old))?;
        }
        Ok(place)
    }

    /// The steps that there are checkpoints of, in order.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read.
    pub fn steps(&self) -> Result<Vec<u64>> {
        self.recover()?;
        self.named(|name| name.strip_prefix("step-"))
    }

    /// The steps in those names of the folder's entries that `of` cuts down to digits, in order.
    fn named(&self, of: impl Fn(&str) -> Option<&str>) -> Result<Vec<u64>> {
        let mut steps = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(Error::io("read", &self.folder))? {
            let entry = entry.map_err(Error::io("read", &self.folder))?;
            let step: Option<u64> = entry.file_name().to_str().and_then(|name| of(name)?.parse().ok());
            steps.extend(step);
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// Ends what a program that was killed while it replaced a checkpoint left: the old one comes back
    /// where the new one is not in its place, and goes where it is.
    fn recover(&self) -> Result<()> {
        for step in self.named(|name| name.strip_prefix(".step-")?.strip_suffix(".old"))? {
            let (place, aside) = (self.path(step), self.beside(step, "old"));
            if place.exists() {
                remove(&aside)?;
            } else {
                fs::rename(&aside, &place).map_err(Error::io("rename", &aside))?;
            }
        }
        Ok(())
    }

    /// The folder of the last checkpoint, or `None` where there is none yet.
    ///
    /// # Errors
    /// As for [`Checkpoints::open`].
    pub fn latest(&self) -> Result<Option<PathBuf>> {
        self.steps()?.last().map(|&step| self.open(step)).transpose()
    }

    /// The folder of a checkpoint whose files are all there and have not changed since they were written.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read, [`Error::Input`] if one has changed or is not listed: an
    /// earlier checkpoint may still be sound, but only the caller may say to lose the work in between.
    pub fn open(&self, step: u64) -> Result<PathBuf> {
        self.recover()?;
        let folder = self.path(step);
        let sums_path = folder.join(SUMS);
        let sums = fs::read_to_string(&sums_path).map_err(Error::io("read", &sums_path))?;
        let mut listed = Vec::new();
        for line in sums.lines() {
            let Some((sum, file)) = line.split_once("  ").filter(|(_, file)| is_plain(file)) else {
                return Err(damaged(&folder, &format!("`{SUMS}` has a line that is no hash and file: {line:?}")));
            };
            if hash(&folder.join(file))? != sum {
                return Err(damaged(&folder, &format!("`{file}` is not as it was written")));
            }
            listed.push(file);
        }
        match files(&folder)?.iter().find(|file| *file != SUMS && !listed.contains(&file.as_str())) {
            Some(file) => Err(damaged(&folder, &format!("`{file}` is not listed in `{SUMS}`"))),
            None => Ok(folder),
        }
    }

    fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:012}"))
    }

    /// Where a checkpoint stands before (`new`) or after (`old`) it has its place.
    fn beside(&self, step: u64, ending: &str) -> PathBuf {
        self.folder.join(format!(".step-{step:012}.{ending}"))
    }
}

fn damaged(folder: &Path, what: &str) -> Error {
    Error::Input(format!(
        "the checkpoint {} is damaged: {what}; remove this folder to go on from the one before it",
        folder.display()
    ))
}

/// Whether a name stays in its folder.
fn is_plain(file: &str) -> bool {
    !file.is_empty() && !file.contains(['/', '\\']) && file != ".." && file != "."
}

/// The names of the files of a folder, in order.
fn files(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let name = entry.file_name().into_string();
        names.push(name.map_err(|name| damaged(folder, &format!("the name {name:?} is not UTF-8")))?);
    }
    names.sort_unstable();
    Ok(names)
}

fn hash(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    hasher.update_reader(file).map_err(Error::io("read", path))?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn flush(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(Error::io("write", path))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", folder)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(checkpoints: &Checkpoints, step: u64, text: &str) -> PathBuf {
        checkpoints.save(step, |folder| fs::write(folder.join("a"), text).map_err(Error::io("write", folder))).unwrap()
    }

    #[test]
    fn the_last_ones_are_kept_and_one_may_be_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), 2).unwrap();
        assert_eq!(checkpoints.latest().unwrap(), None);
        for step in [1, 5, 3, 5] {
            write(&checkpoints, step, &format!("at {step}"));
        }
        assert_eq!(checkpoints.steps().unwrap(), [3, 5]);
        assert_eq!(fs::read_to_string(checkpoints.latest().unwrap().unwrap().join("a")).unwrap(), "at 5");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), 2).unwrap();
        write(&checkpoints, 1, "sound");
        let failed = checkpoints.save(1, |folder| {
            fs::write(folder.join("a"), "half").map_err(Error::io("write", folder))?;
            Err(Error::Failed("no space".to_owned()))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(checkpoints.latest().unwrap().unwrap().join("a")).unwrap(), "sound");
    }

    #[test]
    fn a_checkpoint_put_aside_by_a_killed_program_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), 2).unwrap();
        let place = write(&checkpoints, 4, "sound");
        let aside = folder.path().join(".step-000000000004.old");
        fs::rename(&place, &aside).unwrap();
        assert_eq!(checkpoints.latest().unwrap().unwrap(), place);
        fs::rename(&place, &aside).unwrap();
        assert_eq!(checkpoints.open(4).unwrap(), place);
        // Before the next one is written, too: a failure must not cost the old one.
        fs::rename(&place, &aside).unwrap();
        checkpoints.save(4, |_| Err(Error::Failed("no space".to_owned()))).unwrap_err();
        assert_eq!(fs::read_to_string(checkpoints.latest().unwrap().unwrap().join("a")).unwrap(), "sound");
        // Where both are there, the new one is in its place.
        fs::create_dir(&aside).unwrap();
        assert_eq!(checkpoints.latest().unwrap().unwrap(), place);
        assert!(!aside.exists());
    }

    #[test]
    fn damage_is_told_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), 2).unwrap();
        let place = write(&checkpoints, 1, "sound");
        let message = |checkpoints: &Checkpoints| checkpoints.open(1).unwrap_err().to_string();
        fs::write(place.join("b"), "").unwrap();
        assert!(message(&checkpoints).contains("`b` is not listed"));
        fs::remove_file(place.join("b")).unwrap();
        fs::write(place.join("a"), "unsound").unwrap();
        assert!(message(&checkpoints).contains("`a` is not as it was written"));
        fs::remove_file(place.join("a")).unwrap();
        assert!(message(&checkpoints).contains("cannot read"));
        fs::write(place.join(SUMS), "00  ../../secret\n").unwrap();
        assert!(message(&checkpoints).contains("no hash and file"));
    }
}
