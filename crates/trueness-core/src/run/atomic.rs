//! Files and folders that are there whole or not at all.

use crate::error::{Error, Result};
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What the names of files begin with that are being written; six characters follow.
pub(super) const PREFIX: &str = ".tmp";

/// Writes a file beside its place and renames it into it, so that a reader sees the old content or
/// the new, never a part.
///
/// # Errors
/// [`Error::Io`] naming the path; the old content, if any, is kept.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(content).map_err(Error::io("write", path))?;
    file.commit()
}

/// A file that is written as a stream beside its place, and renamed into it by [`AtomicFile::commit`].
/// Dropped before that, it goes without a trace.
#[derive(Debug)]
pub struct AtomicFile {
    out: BufWriter<tempfile::NamedTempFile>,
    target: PathBuf,
}

impl AtomicFile {
    /// Starts a file that will stand at `path`, under a name that no other file has.
    ///
    /// # Errors
    /// [`Error::Io`] naming the path.
    pub fn create(path: &Path) -> Result<Self> {
        let dir = match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        // Temporary files are private otherwise; a result is as readable as any other file that its owner
        // makes, which the umask decides.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(dir).map_err(Error::io("write", path))?;
        Ok(Self { out: BufWriter::new(file), target: path.to_owned() })
    }

    /// Flushes the file to the disk and puts it into its place; one that stood there is replaced.
    ///
    /// # Errors
    /// [`Error::Io`] naming the path; the old content, if any, is kept.
    pub fn commit(self) -> Result<()> {
        let Self { out, target } = self;
        let file = out.into_inner().map_err(|error| Error::io("write", &target)(error.into_error()))?;
        file.as_file().sync_data().map_err(Error::io("write", &target))?;
        file.persist(&target).map_err(|error| Error::io("write", &target)(error.error))?;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
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
    /// Starts a folder that will stand at `target`. What an earlier try left beside it is removed, and
    /// what it had put aside comes back.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be made.
    pub fn new(target: &Path) -> Result<Self> {
        recover(target)?;
        let partial = beside(target, ".partial");
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

    /// Puts the folder into its place; one that stood there is put aside until that is done, so that
    /// whenever the program ends in between, one of the two is whole (see [`recover`]).
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be renamed.
    pub fn commit(mut self) -> Result<()> {
        let aside = beside(&self.target, ASIDE);
        if self.target.exists() {
            fs::rename(&self.target, &aside).map_err(Error::io("replace", &self.target))?;
        }
        fs::rename(&self.partial, &self.target).map_err(Error::io("rename to", &self.target))?;
        self.done = true;
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(Error::io("remove", &aside))?;
        }
        Ok(())
    }
}

/// How the name of a folder ends that was put aside to be replaced.
pub(super) const ASIDE: &str = ".replaced";

fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    target.with_file_name(name)
}

/// Ends what a process that was killed within [`Staging::commit`] left: the folder that it had put aside
/// comes back where its successor is not in place, and goes where it is.
///
/// # Errors
/// [`Error::Io`] where it cannot be renamed or removed.
pub(super) fn recover(target: &Path) -> Result<()> {
    let aside = beside(target, ASIDE);
    if !aside.exists() {
        Ok(())
    } else if target.exists() {
        fs::remove_dir_all(&aside).map_err(Error::io("remove", &aside))
    } else {
        fs::rename(&aside, target).map_err(Error::io("rename to", target))
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
        let second = Staging::new(&target).unwrap();
        fs::write(second.path().join("f"), "2").unwrap();
        second.commit().unwrap();
        assert_eq!(fs::read_to_string(target.join("f")).unwrap(), "2");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_put_aside_comes_back_unless_its_successor_is_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let (target, aside) = (dir.path().join("x"), dir.path().join("x.replaced"));
        fs::create_dir(&aside).unwrap();
        fs::write(aside.join("f"), "old").unwrap();
        drop(Staging::new(&target).unwrap());
        assert_eq!(fs::read_to_string(target.join("f")).unwrap(), "old");
        fs::create_dir(&aside).unwrap();
        recover(&target).unwrap();
        assert_eq!(fs::read_to_string(target.join("f")).unwrap(), "old");
        assert!(!aside.exists());
    }

    #[test]
    fn a_stream_is_in_place_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
