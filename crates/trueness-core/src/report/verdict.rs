//! Verdicts: what became of a claim.

use crate::estimate::Measure;
use serde::{Deserialize, Serialize};

/// What a comparison of measured values says about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The interval of the comparison lies on the claim's side of the line.
    Holds,
    /// The interval of the comparison lies on the other side of the line.
    Fails,
    /// The interval straddles the line, or there are too few seeds.
    Inconclusive,
    /// The knobs of this run left it out.
    NotMeasured,
}

impl Outcome {
    /// All outcomes, in the order in which summaries count them.
    pub const ALL: [Self; 4] = [Self::Holds, Self::Fails, Self::Inconclusive, Self::NotMeasured];

    /// The outcome in words: "holds", "fails", "inconclusive", "not measured".
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Inconclusive => "inconclusive",
            Self::NotMeasured => "not measured",
        }
    }

    /// A sign beside the words, so that outcomes differ by more than their colour.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Holds => "✓",
            Self::Fails => "✗",
            Self::Inconclusive => "?",
            Self::NotMeasured => "–",
        }
    }
}

/// A paper's claim and what was measured of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The claim's id in `study.toml`.
    pub id: String,
    /// The claim in our words.
    pub says: String,
    /// Where the paper says it.
    pub source: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The comparison in words.
    pub detail: String,
    /// The measured values that the comparison used.
    pub figures: Vec<Measure>,
}

impl Verdict {
    /// A verdict without source, detail and figures.
    pub fn new(id: impl Into<String>, says: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            id: id.into(),
            says: says.into(),
            source: String::new(),
            outcome,
            detail: String::new(),
            figures: Vec::new(),
        }
    }

    /// The same verdict with the place where the paper says it.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// The same verdict with the comparison in words.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same verdict with one more measured value.
    pub fn figure(mut self, measure: Measure) -> Self {
        self.figures.push(measure);
        self
    }
}

/// A count of outcomes in words, for example "2 hold, 1 fails"; empty for no verdicts.
pub(super) fn tally(verdicts: &[&Verdict]) -> String {
    let parts: Vec<String> = Outcome::ALL
        .into_iter()
        .filter_map(|outcome| {
            let n = verdicts.iter().filter(|v| v.outcome == outcome).count();
            let words = match (outcome, n) {
                (_, 0) => return None,
                (Outcome::Holds, 2..) => "hold",
                (Outcome::Fails, 2..) => "fail",
                _ => outcome.words(),
            };
            Some(format!("{n} {words}"))
        })
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_count_in_words() {
        let verdict = |outcome| Verdict::new("a", "b", outcome);
        let all = [verdict(Outcome::Fails), verdict(Outcome::Holds), verdict(Outcome::Holds)];
        assert_eq!(tally(&all.iter().collect::<Vec<_>>()), "2 hold, 1 fails");
        assert_eq!(tally(&[]), "");
    }
}
