//! Sub-sequences that a discriminator looks at.

use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Which sub-sequences of a sentence a discriminator sees. All of them pass the same network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Segments {
    /// The whole sentence alone.
    #[default]
    Whole,
    /// The first tokens, so many each, and the whole sentence: SegGAN's.
    Prefixes(Vec<usize>),
    /// Windows of a length, each so many tokens after the one before.
    Windows {
        /// Tokens of a window.
        length: usize,
        /// Tokens from one window's begin to the next one's.
        stride: usize,
    },
    /// Pieces of a length that follow each other.
    Disjoint(usize),
}

/// How what the discriminator says of the segments becomes one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Combine {
    /// The mean of the logits, as SegGAN has it for SeqGAN.
    #[default]
    MeanLogit,
    /// The mean of the probabilities.
    MeanProb,
    /// Each segment has a loss of its own, as SegGAN has it for RelGAN; the answer is the mean of the probabilities.
    MeanLoss,
    /// The mean of the logits, each weighted by its segment's length.
    Weighted,
}

impl Segments {
    /// The ranges of tokens in sentences of at most `longest` tokens. The last one may be shorter than the others.
    ///
    /// # Errors
    /// [`Error::Input`] for a segment without tokens, or one that is longer than the longest sentence.
    pub fn ranges(&self, longest: usize) -> Result<Vec<Range<usize>>> {
        let fits = |what: &str, length: usize| match length {
            0 => Err(Error::Input(format!("segments {self}: a {what} of 0 tokens is empty"))),
            length if length > longest => Err(Error::Input(format!(
                "segments {self}: a {what} of {length} tokens is longer than the longest sentence, which has {longest}"
            ))),
            _ => Ok(()),
        };
        Ok(match self {
            Self::Whole => std::iter::once(0..longest).collect(),
            Self::Prefixes(lengths) => {
                lengths.iter().try_for_each(|&length| fits("prefix", length))?;
                let mut ends: Vec<usize> = lengths.iter().copied().chain([longest]).collect();
                ends.sort_unstable();
                ends.dedup();
                ends.into_iter().map(|end| 0..end).collect()
            }
            Self::Windows { length, stride } => {
                fits("window", *length)?;
                fits("stride", *stride)?;
                let last = longest - length;
                let mut begins: Vec<usize> = (0..=last).step_by(*stride).collect();
                // What is left at the end is seen too.
                if begins.last() != Some(&last) {
                    begins.push(last);
                }
                begins.into_iter().map(|begin| begin..begin + length).collect()
            }
            Self::Disjoint(length) => {
                fits("piece", *length)?;
                (0..longest).step_by(*length).map(|begin| begin..(begin + length).min(longest)).collect()
            }
        })
    }
}

impl fmt::Display for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole"),
            Self::Prefixes(lengths) => {
                let lengths: Vec<String> = lengths.iter().map(usize::to_string).collect();
                write!(f, "prefixes:{}", lengths.join(","))
            }
            Self::Windows { length, stride } => write!(f, "windows:{length},{stride}"),
            Self::Disjoint(length) => write!(f, "disjoint:{length}"),
        }
    }
}

impl FromStr for Segments {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::Input(format!(
                "segments: expected whole, prefixes:10,20, windows:LENGTH,STRIDE or disjoint:LENGTH, got {text:?}"
            ))
        };
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let numbers: Vec<usize> = match rest {
            "" => Vec::new(),
            rest => {
                rest.split(',').map(|n| n.trim().parse().map_err(|_not_a_number| wrong())).collect::<Result<_>>()?
            }
        };
        match (kind, numbers.as_slice()) {
            ("whole" | "", []) => Ok(Self::Whole),
            ("prefixes", [_, ..]) => Ok(Self::Prefixes(numbers)),
            ("windows", &[length, stride]) => Ok(Self::Windows { length, stride }),
            ("disjoint", &[length]) => Ok(Self::Disjoint(length)),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Segments {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Segments> for String {
    fn from(segments: Segments) -> Self {
        segments.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail")]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_definitions() {
        let of = |text: &str, longest| text.parse::<Segments>().unwrap().ranges(longest).unwrap();
        assert_eq!(of("whole", 7), std::iter::once(0..7).collect::<Vec<_>>());
        // The whole sentence is a prefix too, once.
        assert_eq!(of("prefixes:10,4", 20), [0..4, 0..10, 0..20]);
        assert_eq!(of("prefixes:10,20", 20), [0..10, 0..20]);
        assert_eq!(of("windows:4,3", 9), [0..4, 3..7, 5..9]);
        assert_eq!(of("windows:4,5", 9), [0..4, 5..9]);
        assert_eq!(of("disjoint:4", 10), [0..4, 4..8, 8..10]);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let error = |text: &str| match text.parse::<Segments>() {
            Ok(segments) => segments.ranges(20).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(error("prefixes:10,30").contains("30 tokens is longer than the longest sentence, which has 20"));
        assert!(error("prefixes:0").contains("0 tokens is empty"));
        assert!(error("windows:5,0").contains("stride of 0"));
        assert!(error("disjoint:21").contains("longer"));
        for text in ["prefixes", "prefixes:", "windows:5", "disjoint:1,2", "halves:2", "prefixes:a"] {
            assert!(error(text).contains("expected whole, prefixes:10,20"), "{text}: {}", error(text));
        }
    }

    #[test]
    fn they_are_written_as_they_are_read() {
        for text in ["whole", "prefixes:10,20", "windows:5,2", "disjoint:4"] {
            assert_eq!(text.parse::<Segments>().unwrap().to_string(), text);
        }
    }
}
