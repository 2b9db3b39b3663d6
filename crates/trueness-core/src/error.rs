//! What can go wrong in the kernel, and the exit code that each case means.

use std::path::{Path, PathBuf};

/// The result of the kernel's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the kernel, or of a toolkit passing through it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asked to stop. What was finished is kept, and the run can be resumed.
    #[error("interrupted")]
    Interrupted,
    /// The input or the request is at fault; the message says what was expected and what was got.
    #[error("{0}")]
    Input(String),
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb: "read", "write", "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The program is at fault, or the machine.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// Wraps an operating-system error with what was being done and where.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// The exit code of the command line: 130 interrupted, 2 bad usage or input, 1 failed.
    /// A file that is missing, or is not what was asked for, is input; a full disk is a failure.
    pub fn exit_code(&self) -> u8 {
        use std::io::ErrorKind as Kind;
        match self {
            Self::Interrupted => 130,
            Self::Input(_) => 2,
            Self::Io { source, .. } => match source.kind() {
                Kind::NotFound
                | Kind::PermissionDenied
                | Kind::IsADirectory
                | Kind::NotADirectory
                | Kind::AlreadyExists
                | Kind::ReadOnlyFilesystem
                | Kind::InvalidData => 2,
                _ => 1,
            },
            Self::Failed(_) => 1,
        }
    }
}

/// The one of `known` that is nearest to a misspelt `name`, if any is near: for "did you mean".
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let close = name.chars().count().div_ceil(3).max(1);
    known
        .into_iter()
        .map(|other| (edit_distance(name, other), other))
        .filter(|(d, _)| *d <= close)
        .min()
        .map(|(_, o)| o)
}

/// Levenshtein's distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distances_match_the_textbook() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("größe", "grosse"), 3);
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(nearest("self-blue", ["bleu", "self-bleu", "dd"]), Some("self-bleu"));
        assert_eq!(nearest("perplexity", ["bleu", "dd"]), None);
    }
}
