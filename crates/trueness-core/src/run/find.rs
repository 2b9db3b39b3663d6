//! What a stage left in a run's folder, found from outside.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// How far below a run's folder what its stages leave may lie: seed-N/stages/NAME/model.
const DEEPEST: usize = 3;

/// The folder that a path means: itself, if it holds one of some files, or the one in a run's folder that does. What a stage did not
/// finish is passed over. `what` is what such a folder is called.
///
/// # Errors
/// [`Error::Input`] where there is none, or more than one.
pub fn find_folder(path: &Path, files: &[&str], what: &str) -> Result<PathBuf> {
    let holds = |folder: &Path| files.iter().any(|file| folder.join(file).exists());
    if holds(path) {
        return Ok(path.to_owned());
    }
    let (mut found, mut unfinished) = (Vec::new(), false);
    let mut look = vec![(path.to_owned(), 0)];
    while let Some((folder, depth)) = look.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let inner = entry.path();
            if inner.extension().is_some_and(|ending| ending == "partial") {
                unfinished = true;
                continue;
            }
            if holds(&inner) {
                found.push(inner);
            } else if depth < DEEPEST && inner.is_dir() {
                look.push((inner, depth + 1));
            }
        }
    }
    found.sort();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] if unfinished => {
            let path = path.display();
            Err(Error::Input(format!(
                "{path} has no {what} yet: its run is not finished, and goes on with --resume {path}"
            )))
        }
        [] => {
            Err(Error::Input(format!("{} is no {what} folder: expected {} in it", path.display(), files.join(" or "))))
        }
        more => Err(Error::Input(format!(
            "{} holds {} {what} folders: name one of them, for example {}",
            path.display(),
            more.len(),
            more[0].display()
        ))),
    }
}
