//! The files that a run reads: recorded when it begins, and compared when it is taken up again.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// An input file as it was when a run began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Where it lies, absolute.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of its content, in hexadecimal digits.
    pub hash: String,
}

impl InputFile {
    /// Reads a file as a stream and records what it holds.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let absolute = std::path::absolute(path).map_err(Error::io("find", path))?;
        let mut file = fs::File::open(path).map_err(Error::io("read", path))?;
        let mut hasher = blake3::Hasher::new();
        let bytes = std::io::copy(&mut file, &mut hasher).map_err(Error::io("read", path))?;
        Ok(Self { path: absolute, bytes, hash: hasher.finalize().to_hex().to_string() })
    }

    /// Reads and records several files, in order.
    ///
    /// # Errors
    /// As for [`InputFile::read`].
    pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Self>> {
        paths.iter().map(|path| Self::read(path)).collect()
    }
}

/// Holds the files that a run reads now against those that it began with. What counts is the content: a
/// file that was moved is the same file.
///
/// # Errors
/// [`Error::Input`] that names the first difference.
pub(super) fn compare(run: &Path, recorded: &[InputFile], now: &[PathBuf]) -> Result<()> {
    let refuse = |what: String| Err(Error::Input(format!("{}: {what}; start a new run", run.display())));
    if recorded.len() != now.len() {
        return refuse(format!("it was begun with {} input files, and now there are {}", recorded.len(), now.len()));
    }
    for (was, path) in recorded.iter().zip(now) {
        let is = match InputFile::read(path) {
            Ok(is) => is,
            Err(error) => {
                return refuse(format!("it was begun with the file {}, but now: {error}", was.path.display()));
            }
        };
        if (is.bytes, &is.hash) != (was.bytes, &was.hash) {
            let file = was.path.display();
            let kind = if is.path == was.path {
                format!("{file} has changed since the run began")
            } else {
                format!("it was begun with {file}, and {} holds something else", is.path.display())
            };
            let digits = |hash: &str| hash.chars().take(16).collect::<String>();
            return refuse(format!(
                "{kind}: {} bytes with the hash {}… then, {} bytes with the hash {}… now",
                was.bytes,
                digits(&was.hash),
                is.bytes,
                digits(&is.hash)
            ));
        }
    }
    Ok(())
}

/// Refuses to replace a folder that one of the input files lies in.
pub(super) fn lie_outside(folder: &Path, inputs: &[InputFile]) -> Result<()> {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder_path = real(folder);
    match inputs.iter().find(|input| real(&input.path).starts_with(&folder_path)) {
        Some(input) => Err(Error::Input(format!(
            "{} cannot be replaced: the input file {} lies in it; name another folder",
            folder.display(),
            input.path.display()
        ))),
        None => Ok(()),
    }
}
