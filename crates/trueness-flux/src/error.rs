//! What can go wrong in the flux toolkit.

use std::path::{Path, PathBuf};

/// The result of the toolkit's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the flux toolkit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request cannot be met with this input: sizes that do not fit, values outside their range, ….
    #[error("{0}")]
    Input(String),
    /// No flux agrees with what was observed.
    #[error("{0}")]
    NoFlux(String),
    /// A file holds something else than was expected.
    #[error("{}{}: {what}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, where one is to blame.
        line: Option<u64>,
        /// What was expected, and what was found.
        what: String,
    },
    /// What the kernel reports: files, stages, interruption.
    #[error(transparent)]
    Core(#[from] trueness_core::Error),
}

impl Error {
    pub(crate) fn file(path: &Path, line: Option<u64>, what: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), line, what: what.into() }
    }
}

impl From<Error> for trueness_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            error => Self::Input(error.to_string()),
        }
    }
}
