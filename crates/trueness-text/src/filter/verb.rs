//! Filtering a stream by a filter's folder, for the command line.

use super::{Filter, Format, Passed, pass};
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use trueness_core::{Seed, Watch};

/// Bytes of a buffer between the program and a stream.
const BUFFER: usize = 1 << 16;

/// The share of unknown tokens from which on a person is warned.
const UNKNOWN: f64 = 0.05;

/// The knobs of `trueness text filter apply`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ApplyKnobs {
    /// A filter's folder, or the run that trained it.
    #[schemars(extend("x-position" = 1))]
    pub filter: String,
    /// What stands in a line: text, or jsonl for a JSON object with the text under a key.
    pub format: Format,
    /// The key of the text in an object.
    pub key: String,
    /// Read from here instead of standard input.
    pub input: String,
    /// Write the rejected lines here; they are dropped where nothing is named.
    pub rejected: String,
    /// The device to score on.
    pub device: String,
}

impl Default for ApplyKnobs {
    fn default() -> Self {
        Self {
            filter: String::new(),
            format: Format::Text,
            key: "text".to_owned(),
            input: String::new(),
            rejected: String::new(),
            device: "cpu".to_owned(),
        }
    }
}

/// What a filter did with a stream.
#[derive(Clone, Debug)]
pub struct Applied {
    /// How many lines went which way.
    pub passed: Passed,
    /// The share that the filter was asked to keep.
    pub asked: f64,
    /// What to look at.
    pub warnings: Vec<String>,
}

/// Filters lines. `input` is read where the knobs name no file; kept lines go to `kept`.
///
/// # Errors
/// As for [`Filter::load`] and [`pass`]; and if the file of rejected lines is there already.
pub fn apply(
    knobs: &ApplyKnobs,
    input: impl BufRead,
    kept: impl Write,
    seed: Seed,
    watch: Watch<'_>,
) -> Result<Applied> {
    let filter = Filter::load(Path::new(&knobs.filter), &trueness_nn::device::parse(&knobs.device)?)?;
    let mut rejected = match knobs.rejected.as_str() {
        "" => None,
        path if Path::new(path).exists() => {
            return Err(Error::Input(format!("{path} is there already: name another file")));
        }
        path => {
            let file = File::create(path).map_err(trueness_core::Error::io("write", Path::new(path)))?;
            Some(BufWriter::with_capacity(BUFFER, file))
        }
    };
    let rejected = rejected.as_mut().map(|file| file as &mut dyn Write);
    let seed = seed.child("filter/apply");
    let passed = if knobs.input.is_empty() {
        pass(&filter, knobs.format, &knobs.key, input, kept, rejected, seed, watch)
    } else {
        let path = Path::new(&knobs.input);
        let file = File::open(path).map_err(trueness_core::Error::io("read", path))?;
        let input = BufReader::with_capacity(BUFFER, file);
        pass(&filter, knobs.format, &knobs.key, input, kept, rejected, seed, watch)
    }?;
    let mut warnings = Vec::new();
    if passed.blank > 0 {
        warnings.push(format!("{} blank lines were dropped", passed.blank));
    }
    if passed.tokens > 0 && passed.unknown as f64 > UNKNOWN * passed.tokens as f64 {
        warnings.push(format!(
            "{} of {} tokens are not known to the filter: it was trained for another text, and its decisions mean little",
            passed.unknown, passed.tokens
        ));
    }
    Ok(Applied { passed, asked: filter.acceptance(), warnings })
}
