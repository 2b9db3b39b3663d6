//! Claims: a paper's statements as typed comparisons over measured names, and their verdicts.

use crate::estimate::{Estimate, Measure};
use crate::report::{Outcome, Verdict};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A paper's statement made checkable.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// A name, unique in its study.
    pub id: String,
    /// The sentence in our words.
    pub says: String,
    /// Where the paper says it.
    pub source: String,
    /// What is compared.
    pub comparison: Comparison,
}

/// What a claim compares. Every entry is `name` or `name/subject` of a measure.
#[derive(Clone, Debug, PartialEq)]
pub enum Comparison {
    /// The first is less than the second, paired over seeds.
    Less(String, String),
    /// The first is greater than the second, paired over seeds.
    Greater(String, String),
    /// The two differ by at most `by`, paired over seeds.
    Within {
        /// The first measure.
        a: String,
        /// The second.
        b: String,
        /// The largest difference that still counts, in the measures' unit.
        by: f64,
    },
    /// The measures grow along the list: Spearman's rank correlation with the step, over seeds.
    Increasing(Vec<String>),
    /// The measures stand in the stated order, smallest first: Kendall's tau over seeds.
    RanksAs {
        /// The measures, the one that should be smallest first.
        order: Vec<String>,
        /// The tau that must be exceeded.
        tau: f64,
    },
}

/// A claim as it stands in a study file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimFile {
    id: String,
    says: String,
    #[serde(rename = "where")]
    source: String,
    less: Option<[String; 2]>,
    greater: Option<[String; 2]>,
    within: Option<WithinFile>,
    increasing: Option<Vec<String>>,
    ranks_as: Option<RanksFile>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WithinFile {
    measures: [String; 2],
    by: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RanksFile {
    order: Vec<String>,
    #[serde(default)]
    tau: f64,
}

impl TryFrom<ClaimFile> for Claim {
    type Error = String;

    fn try_from(file: ClaimFile) -> Result<Self, String> {
        let ClaimFile { id, says, source, less, greater, within, increasing, ranks_as } = file;
        let mut comparisons = Vec::new();
        comparisons.extend(less.map(|[a, b]| Comparison::Less(a, b)));
        comparisons.extend(greater.map(|[a, b]| Comparison::Greater(a, b)));
        if let Some(WithinFile { measures: [a, b], by }) = within {
            if !(by.is_finite() && by > 0.0) {
                return Err(format!("claim {id:?}: expected within.by above 0, got {by}"));
            }
            comparisons.push(Comparison::Within { a, b, by });
        }
        comparisons.extend(increasing.map(Comparison::Increasing));
        if let Some(RanksFile { order, tau }) = ranks_as {
            if !(-1.0..1.0).contains(&tau) {
                return Err(format!("claim {id:?}: expected ranks_as.tau from -1 to below 1, got {tau}"));
            }
            comparisons.push(Comparison::RanksAs { order, tau });
        }
        let n = comparisons.len();
        match (comparisons.pop(), n) {
            (Some(comparison), 1) => {
                if comparison.names().len() < 2 {
                    return Err(format!("claim {id:?}: expected at least two measures to compare"));
                }
                Ok(Self { id, says, source, comparison })
            }
            _ => Err(format!(
                "claim {id:?}: expected exactly one comparison out of less, greater, within, increasing, ranks_as; got {n}"
            )),
        }
    }
}

impl Comparison {
    /// The measures that the comparison needs.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Less(a, b) | Self::Greater(a, b) | Self::Within { a, b, .. } => vec![a, b],
            Self::Increasing(names) | Self::RanksAs { order: names, .. } => names.iter().map(String::as_str).collect(),
        }
    }

    /// The comparison in words.
    pub fn words(&self) -> String {
        match self {
            Self::Less(a, b) => format!("{a} < {b}"),
            Self::Greater(a, b) => format!("{a} > {b}"),
            Self::Within { a, b, by } => format!("|{a} − {b}| ≤ {by}"),
            Self::Increasing(names) => format!("growing along {}", names.join(", ")),
            Self::RanksAs { order, tau } => format!("Kendall's tau above {tau} with the order {}", order.join(" < ")),
        }
    }

    /// The figure of one seed that decides: a difference or a rank correlation.
    fn figure(&self, values: &BTreeMap<String, f64>) -> Figure {
        let all: Option<Vec<f64>> = self.names().iter().map(|name| values.get(*name).copied()).collect();
        let Some(all) = all else { return Figure::Absent };
        let steps: Vec<f64> = (0..all.len()).map(|i| i as f64).collect();
        let correlation = |value: Option<f64>| value.map_or(Figure::Undefined, Figure::Is);
        match (self, all.as_slice()) {
            (Self::Less(..), [a, b]) => Figure::Is(b - a),
            (Self::Greater(..) | Self::Within { .. }, [a, b]) => Figure::Is(a - b),
            (Self::Increasing(_), all) => correlation(spearman(&steps, all)),
            (Self::RanksAs { .. }, all) => correlation(kendall(&steps, all)),
            _ => Figure::Absent,
        }
    }

    fn outcome(&self, estimate: &Estimate) -> Outcome {
        let (Some(low), Some(high)) = (estimate.low, estimate.high) else { return Outcome::Inconclusive };
        let (lower, upper) = match self {
            Self::Less(..) | Self::Greater(..) | Self::Increasing(_) => (0.0, f64::INFINITY),
            Self::Within { by, .. } => (-by, *by),
            Self::RanksAs { tau, .. } => (*tau, f64::INFINITY),
        };
        // Touching the line is not crossing it, except where the claim allows equality.
        let inside = if matches!(self, Self::Within { .. }) { low >= lower && high <= upper } else { low > lower };
        if inside {
            Outcome::Holds
        } else if high <= lower || low >= upper {
            Outcome::Fails
        } else {
            Outcome::Inconclusive
        }
    }
}

/// What one seed says of a comparison.
enum Figure {
    /// A difference or a rank correlation.
    Is(f64),
    /// A measure has no value with this seed.
    Absent,
    /// All measures are equal, and a constant list has no rank correlation.
    Undefined,
}

/// The key under which claims know a measure: `name`, or `name/subject` where there is a subject.
pub fn measure_key(measure: &Measure) -> String {
    if measure.subject.is_empty() { measure.name.clone() } else { format!("{}/{}", measure.name, measure.subject) }
}

impl Claim {
    /// The verdict over seeds: `seeds` holds the number of each seed and its values by [`measure_key`],
    /// and `overall` the measures aggregated over seeds, for show.
    ///
    /// The deciding figure (a difference or a rank correlation) is taken within each seed, and its
    /// mean over seeds gets Student's interval. Fewer than three seeds never decide, and neither do
    /// seeds of which some have no figure: leaving those out would choose among the results.
    pub fn judge(&self, seeds: &[(u64, BTreeMap<String, f64>)], overall: &[Measure]) -> Verdict {
        let names = self.comparison.names();
        let figures: Vec<Measure> =
            overall.iter().filter(|m| names.contains(&measure_key(m).as_str())).cloned().collect();
        let (mut per_seed, mut undefined, mut lacking) = (Vec::new(), Vec::new(), Vec::new());
        for (number, values) in seeds {
            match self.comparison.figure(values) {
                Figure::Is(figure) => per_seed.push(figure),
                Figure::Undefined => undefined.push(number.to_string()),
                Figure::Absent => lacking.push(number.to_string()),
            }
        }
        let (outcome, detail) = if per_seed.is_empty() && undefined.is_empty() {
            let absent: Vec<&str> =
                names.iter().copied().filter(|name| !seeds.iter().any(|(_, s)| s.contains_key(*name))).collect();
            let what =
                if absent.is_empty() { "no seed has a value of every measure".into() } else { absent.join(", ") };
            (Outcome::NotMeasured, format!("not measured: {what}"))
        } else {
            self.weigh(&per_seed, &undefined, &lacking)
        };
        Verdict { id: self.id.clone(), says: self.says.clone(), source: self.source.clone(), outcome, detail, figures }
    }

    /// The outcome of the seeds' figures, and how it came about.
    fn weigh(&self, per_seed: &[f64], undefined: &[String], lacking: &[String]) -> (Outcome, String) {
        let what = match self.comparison {
            Comparison::Increasing(_) => "rank correlation",
            Comparison::RanksAs { .. } => "Kendall's tau",
            _ => "difference",
        };
        let estimate = Estimate::mean(per_seed, "paired over seeds");
        let mut detail = self.comparison.words();
        if !per_seed.is_empty() {
            let shown = crate::report::format_estimate(&estimate);
            detail.push_str(&format!(" · {what} {shown} over {} seeds", per_seed.len()));
        }
        if !undefined.is_empty() {
            let seeds = undefined.join(", ");
            detail.push_str(&format!(" · undefined with seeds {seeds}: a constant list has no rank correlation"));
        }
        if !lacking.is_empty() {
            detail.push_str(&format!(" · a value is missing with seeds {}", lacking.join(", ")));
        }
        if !undefined.is_empty() || !lacking.is_empty() {
            (Outcome::Inconclusive, detail)
        } else if per_seed.len() < 3 {
            (Outcome::Inconclusive, format!("{detail} (three are needed)"))
        } else {
            (self.comparison.outcome(&estimate), detail)
        }
    }
}

/// Kendall's tau-b of two lists of the same length; `None` where one of them is constant.
pub fn kendall(x: &[f64], y: &[f64]) -> Option<f64> {
    let (mut agree, mut x_pairs, mut y_pairs) = (0i64, 0i64, 0i64);
    for i in 0..x.len() {
        for j in 0..i {
            let a = compare(x[i], x[j]);
            let b = compare(y[i], y[j]);
            agree += a * b;
            x_pairs += a * a;
            y_pairs += b * b;
        }
    }
    let scale = (x_pairs as f64 * y_pairs as f64).sqrt();
    (scale > 0.0).then(|| agree as f64 / scale)
}

fn compare(a: f64, b: f64) -> i64 {
    i64::from(a > b) - i64::from(a < b)
}

/// Spearman's rank correlation with mean ranks for ties; `None` where one list is constant.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    let (a, b) = (ranks(x), ranks(y));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let dot = |p: &[f64], q: &[f64]| p.iter().zip(q).map(|(u, v)| (u - mean) * (v - mean)).sum::<f64>();
    let scale = (dot(&a, &a) * dot(&b, &b)).sqrt();
    (scale > 0.0).then(|| dot(&a, &b) / scale)
}

fn ranks(x: &[f64]) -> Vec<f64> {
    x.iter()
        .map(|v| {
            let below = x.iter().filter(|u| *u < v).count() as f64;
            let equal = x.iter().filter(|u| *u == v).count() as f64;
            below + (equal - 1.0) / 2.0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seeds = Vec<(u64, BTreeMap<String, f64>)>;

    fn seeds(pairs: &[(f64, f64)]) -> Seeds {
        let values = |(a, b): &(f64, f64)| BTreeMap::from([("a".to_owned(), *a), ("b".to_owned(), *b)]);
        (4..).zip(pairs.iter().map(values)).collect()
    }

    fn verdict(comparison: Comparison, seeds: &Seeds) -> Verdict {
        let claim = Claim { id: String::new(), says: String::new(), source: String::new(), comparison };
        claim.judge(seeds, &[])
    }

    fn judge(comparison: Comparison, seeds: &Seeds) -> Outcome {
        verdict(comparison, seeds).outcome
    }

    #[test]
    fn seeds_without_a_rank_correlation_make_the_claim_inconclusive_and_are_named() {
        let growing = || Comparison::Increasing(vec!["a".into(), "b".into()]);
        let some = seeds(&[(1.0, 2.0), (1.0, 2.0), (1.0, 2.0), (3.0, 3.0)]);
        let found = verdict(growing(), &some);
        assert_eq!(found.outcome, Outcome::Inconclusive);
        assert!(found.detail.contains("over 3 seeds") && found.detail.contains("with seeds 7:"), "{}", found.detail);
        let ranks = Comparison::RanksAs { order: vec!["a".into(), "b".into()], tau: 0.0 };
        let found = verdict(ranks, &seeds(&[(1.0, 1.0), (2.0, 2.0)]));
        assert_eq!(found.outcome, Outcome::Inconclusive);
        assert!(found.detail.contains("with seeds 4, 5: a constant list"), "{}", found.detail);
    }

    #[test]
    fn a_seed_that_lacks_a_measure_is_not_left_out_in_silence() {
        let less = || Comparison::Less("a".into(), "b".into());
        let mut some = seeds(&[(1.0, 2.0), (1.0, 2.1), (1.0, 2.2), (1.0, 2.3)]);
        some[1].1.remove("b");
        let found = verdict(less(), &some);
        assert_eq!(found.outcome, Outcome::Inconclusive);
        assert!(found.detail.contains("missing with seeds 5"), "{}", found.detail);
        let mut none = seeds(&[(1.0, 2.0), (1.0, 2.0)]);
        none[0].1.remove("a");
        none[1].1.remove("b");
        assert_eq!(verdict(less(), &none).detail, "not measured: no seed has a value of every measure");
    }

    #[test]
    fn rank_correlations_match_known_values() {
        // R: cor(c(1,2,3,4,5), c(2,1,4,3,5), method = "kendall") is .6, and "spearman" .8.
        let (x, y) = ([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 4.0, 3.0, 5.0]);
        assert!((kendall(&x, &y).unwrap() - 0.6).abs() < 1e-12);
        assert!((spearman(&x, &y).unwrap() - 0.8).abs() < 1e-12);
        // With ties, R gives tau-b .9128709 and rho .9486833.
        let (x, y) = ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 2.0, 3.0]);
        assert!((kendall(&x, &y).unwrap() - 0.912_870_929).abs() < 1e-8);
        assert!((spearman(&x, &y).unwrap() - 0.948_683_298).abs() < 1e-8);
        assert_eq!(kendall(&x, &[1.0; 4]), None);
    }

    #[test]
    fn verdicts_follow_the_interval() {
        let less = || Comparison::Less("a".into(), "b".into());
        assert_eq!(judge(less(), &seeds(&[(1.0, 2.0), (1.1, 2.0), (0.9, 2.0)])), Outcome::Holds);
        assert_eq!(judge(less(), &seeds(&[(2.0, 1.0), (2.1, 1.0), (1.9, 1.0)])), Outcome::Fails);
        assert_eq!(judge(less(), &seeds(&[(1.0, 2.0), (2.0, 1.0), (1.0, 1.1)])), Outcome::Inconclusive);
        assert_eq!(judge(less(), &seeds(&[(1.0, 2.0), (1.0, 2.0)])), Outcome::Inconclusive);
        assert_eq!(judge(Comparison::Less("a".into(), "c".into()), &seeds(&[(1.0, 2.0)])), Outcome::NotMeasured);
        let within = |by| Comparison::Within { a: "a".into(), b: "b".into(), by };
        assert_eq!(judge(within(0.2), &seeds(&[(1.0, 1.1), (1.0, 1.1), (1.0, 1.1)])), Outcome::Holds);
        assert_eq!(judge(within(0.05), &seeds(&[(1.0, 1.1), (1.0, 1.1), (1.0, 1.1)])), Outcome::Fails);
        let equal = seeds(&[(1.0, 1.0), (1.0, 1.0), (1.0, 1.0)]);
        assert_eq!(judge(less(), &equal), Outcome::Fails);
    }
}
