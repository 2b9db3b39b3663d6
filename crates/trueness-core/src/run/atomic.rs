//! Files and folders that are there whole or not at all.

use crate::error::{Error, Result};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a file beside its place and renames it into it, so that a reader sees the old content or
/// the new, never a part.
///
/// # Errors
/// [`Error::Io`] naming the path; the old content, if any, is kept.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(Error::io("write", path))?;
    file.write_all(content).map_err(Error::io("write", path))?;
    // Temporary files are private; a result is as readable as any other file its owner makes.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(Error::io("write", path))?;
    }
    file.as_file().sync_data().map_err(Error::io("write", path))?;
    file.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
    Ok(())
}

/// A folder that is written beside its place and renamed into it when it is whole. Dropped before
/// that, it goes without a trace.
#[derive(Debug)]
pub struct Staging {
    partial: PathBuf,
    target: PathBuf,
    done: bool,
}

impl Staging {
    /// Starts a folder that will stand at `target`. What an earlier try left beside it is removed.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be made.
    pub fn new(target: &Path) -> Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = target.with_file_name(name);
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(Error::io("remove", &partial))?;
        }
        fs::create_dir_all(&partial).map_err(Error::io("create the folder", &partial))?;
        Ok(Self { partial, target: target.to_owned(), done: false })
    }

    /// The folder to write into.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Puts the folder into its place; one that stood there is replaced.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be renamed.
    pub fn commit(mut self) -> Result<()> {
        if self.target.exists() {
            fs::remove_dir_all(&self.target).map_err(Error::io("replace", &self.target))?;
        }
        fs::rename(&self.partial, &self.target).map_err(Error::io("rename to", &self.target))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let error = write_atomically(&dir.path().join("no/such/b"), b"x").unwrap_err();
        assert!(error.to_string().contains("no/such/b"));
    }

    #[test]
    fn a_folder_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x");
        let dropped = Staging::new(&target).unwrap();
        fs::write(dropped.path().join("f"), "1").unwrap();
        drop(dropped);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let kept = Staging::new(&target).unwrap();
        fs::write(kept.path().join("f"), "1").unwrap();
        kept.commit().unwrap();
        assert_eq!(fs::read_to_string(target.join("f")).unwrap(), "1");
    }
}
