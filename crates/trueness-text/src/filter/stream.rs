//! Filtering a stream of lines in constant memory.

use super::Filter;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Read, Write};
use trueness_core::{Seed, Watch};

/// Lines that are scored together.
const AT_ONCE: usize = 4096;

/// Bytes of the lines that are scored together, at most one line more.
const BYTES: usize = 1 << 24;

/// The longest line that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// What stands in a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A sentence.
    #[default]
    Text,
    /// A JSON object with the sentence under a key; the whole line is kept.
    Jsonl,
}

/// What went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Lines that were kept.
    pub kept: u64,
    /// Lines that were rejected.
    pub rejected: u64,
    /// Blank lines, which are dropped.
    pub blank: u64,
    /// Tokens of all of them.
    pub tokens: u64,
    /// Tokens that the filter does not know.
    pub unknown: u64,
}

/// Reads lines from `input`, writes the kept ones to `kept` as they are, and the others to `rejected` if it
/// is given. Memory does not grow with the number of lines. Blank lines are dropped.
///
/// # Errors
/// A line that is too long, no UTF-8, or no object with a text under `key`, with its number; and where a
/// stream cannot be read or written. What was written before stays.
#[allow(clippy::too_many_arguments, reason = "the arguments are independent, and named at every call")]
pub fn pass(
    filter: &Filter,
    format: Format,
    key: &str,
    mut input: impl BufRead,
    mut kept: impl Write,
    mut rejected: Option<&mut dyn Write>,
    seed: Seed,
    watch: Watch<'_>,
) -> Result<Passed> {
    let mut passed = Passed::default();
    let (mut number, mut seen) = (0u64, 0u64);
    let failed = |doing: &str, error: std::io::Error| {
        Error::from(trueness_core::Error::Failed(format!("cannot {doing}: {error}")))
    };
    let mut over = false;
    while !over {
        let (mut lines, mut texts, mut held) = (Vec::new(), Vec::new(), 0);
        while lines.len() < AT_ONCE && held < BYTES {
            let mut bytes = Vec::new();
            let read = input.by_ref().take(LONGEST + 1).read_until(b'\n', &mut bytes);
            if read.map_err(|error| failed("read the input", error))? == 0 {
                over = true;
                break;
            }
            number += 1;
            let wrong = |what: String| Error::Input(format!("line {number} of the input: {what}"));
            if bytes.len() as u64 > LONGEST {
                return Err(wrong(format!("expected at most {LONGEST} bytes")));
            }
            let line = String::from_utf8(bytes).map_err(|error| wrong(format!("expected UTF-8: {error}")))?;
            let line = line.trim_end_matches(['\n', '\r']).to_owned();
            if line.trim().is_empty() {
                passed.blank += 1;
                continue;
            }
            texts.push(match format {
                Format::Text => line.clone(),
                Format::Jsonl => {
                    let value: serde_json::Value =
                        serde_json::from_str(&line).map_err(|error| wrong(format!("expected JSON: {error}")))?;
                    let text = value.get(key).and_then(serde_json::Value::as_str);
                    text.ok_or_else(|| wrong(format!("expected an object with a text under {key:?}")))?.to_owned()
                }
            });
            held += line.len();
            lines.push(line);
        }
        watch.step("filter", seen, 0)?;
        let coded = filter.codec.encode(&texts)?;
        passed.unknown += coded.unknown;
        passed.tokens += coded.sentences.iter().map(|sentence| sentence.len() as u64).sum::<u64>();
        for (line, keep) in lines.iter().zip(filter.decide_coded(&coded.sentences, seen, seed)?) {
            if keep {
                passed.kept += 1;
                writeln!(kept, "{line}").map_err(|error| failed("write what is kept", error))?;
            } else {
                passed.rejected += 1;
                if let Some(out) = rejected.as_deref_mut() {
                    writeln!(out, "{line}").map_err(|error| failed("write what is rejected", error))?;
                }
            }
        }
        seen += lines.len() as u64;
    }
    kept.flush().map_err(|error| failed("write what is kept", error))?;
    if let Some(out) = rejected {
        out.flush().map_err(|error| failed("write what is rejected", error))?;
    }
    Ok(passed)
}
