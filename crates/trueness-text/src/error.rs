//! What can go wrong in the text toolkit.

use std::path::{Path, PathBuf};

/// The result of the toolkit's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the text toolkit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error of the kernel.
    #[error(transparent)]
    Core(#[from] trueness_core::Error),
    /// A file's content is not what was expected.
    #[error("{}{}: {message}", path.display(), line.map(|l| format!(", line {l}")).unwrap_or_default())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, where that is known.
        line: Option<u64>,
        /// What was expected and what was got.
        message: String,
    },
    /// The request cannot be met with this input: too few sentences, sizes that do not fit, ….
    #[error("{0}")]
    Input(String),
}

impl Error {
    /// A parse error in a file, without a line.
    pub fn parse(path: &Path, message: impl Into<String>) -> Self {
        Self::Parse { path: path.to_owned(), line: None, message: message.into() }
    }

    /// A parse error at a line of a file, counted from 1.
    pub fn parse_at(path: &Path, line: u64, message: impl Into<String>) -> Self {
        Self::Parse { path: path.to_owned(), line: Some(line), message: message.into() }
    }

    /// The same error with the file named, where it names none.
    pub fn at(self, path: &Path) -> Self {
        match self {
            Self::Input(message) => Self::parse(path, message),
            other => other,
        }
    }
}

impl From<Error> for trueness_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            other => Self::Input(other.to_string()),
        }
    }
}
