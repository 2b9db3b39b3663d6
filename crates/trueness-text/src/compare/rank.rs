//! Ranking candidates, and the tests between them.

use super::measure::Paired;
use crate::metric::discrepancy::{self, Decisions};
use crate::metric::{self, Better};
use trueness_core::study::SeedFindings;
use trueness_core::{Estimate, Measure, mean_sd};

/// A candidate and its value of the ranking metric.
pub(super) struct Ranked {
    pub(super) subject: String,
    pub(super) unit: String,
    pub(super) estimate: Estimate,
}

/// What the first of a ranking is, alone and beside another. Only a distance says who is closest to the
/// real text; the least self-BLEU or the greatest distinct-n may be farther from the real text's own
/// than the next.
pub(super) fn superlative(by: &str) -> (&'static str, &'static str) {
    match metric::card(by) {
        Some(card) if matches!(card.group, "dd" | "frechet" | "frontier") => ("closest", "closer"),
        Some(card) if card.better == Better::Higher => ("highest", "higher"),
        _ => ("lowest", "lower"),
    }
}

/// The candidates that have the metric, the best first.
pub(super) fn rank(by: &str, names: &[String], seed: &SeedFindings) -> Vec<Ranked> {
    let lower = metric::card(by).is_none_or(|card| card.better == Better::Lower);
    let mut ranked: Vec<Ranked> = names
        .iter()
        .enumerate()
        .filter_map(|(i, subject)| {
            let estimate = seed.measure(by, subject)?.estimate.clone();
            Some(Ranked { subject: subject.clone(), unit: format!("candidate-{}", i + 1), estimate })
        })
        .collect();
    let key = |r: &Ranked| r.estimate.value.map_or(f64::INFINITY, |v| if lower { v } else { -v });
    ranked.sort_by(|a, b| key(a).total_cmp(&key(b)));
    ranked
}

/// Where a unit keeps the decisions behind a DD that says that it was measured at `n` sentences.
pub(super) fn decisions_at(n: u64) -> String {
    format!("decisions@{n}")
}

/// `a` minus `b`: paired over real sentences where the metric scores the same ones for both, else from
/// both intervals. The floor drops out of a difference of two excesses over it.
pub(super) fn difference(by: &str, a: &Ranked, b: &Ranked, seed: &SeedFindings) -> Estimate {
    let (Some(x), Some(y)) = (a.estimate.value, b.estimate.value) else {
        return Estimate::missing("a value is missing");
    };
    let n = a.estimate.n.min(b.estimate.n);
    let decisions = |r: &Ranked| seed.kept::<Decisions>(&r.unit, &decisions_at(r.estimate.n));
    if matches!(by, "dd" | "dd-excess")
        && let (Some(p), Some(q)) = (decisions(a), decisions(b))
        && let Some(found) = discrepancy::difference(&p, &q)
    {
        return found.estimate.n(n);
    }
    let paired = |r: &Ranked| {
        let mut kept = seed.kept::<Paired>(&r.unit, "paired")?;
        Some((kept.values.remove(by)?, kept.sentences))
    };
    if let (Some((p, of_p)), Some((q, of_q))) = (paired(a), paired(b))
        && of_p == of_q
        && p.len() == q.len()
    {
        let gaps: Vec<f64> = p.iter().zip(&q).map(|(u, v)| u - v).collect();
        return Estimate::normal(x - y, mean_sd(&gaps).1 / (gaps.len() as f64).sqrt(), n, "paired over real sentences");
    }
    match (a.estimate.standard_error(), b.estimate.standard_error()) {
        (Some(p), Some(q)) => Estimate::normal(x - y, p.hypot(q), n, "from both intervals, as of independent texts"),
        _ => Estimate::uncertain(x - y, n, "one of the values has no interval"),
    }
}

/// The differences between all pairs of candidates by the ranking metric, the better one subtracted.
pub(super) fn differences(by: &str, names: &[String], seed: &SeedFindings) -> Vec<Measure> {
    let ranked = rank(by, names, seed);
    let mut found = Vec::new();
    for (i, first) in ranked.iter().enumerate() {
        for second in &ranked[i + 1..] {
            let signature = seed.measure(by, &second.subject).map_or(String::new(), |m| m.signature.clone());
            let gap = difference(by, second, first, seed);
            let subject = format!("{} − {}", second.subject, first.subject);
            found.push(Measure::new(format!("{by}-difference"), gap).of(subject).signed(signature));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_distances_speak_of_the_closest() {
        let words: Vec<&str> = ["dd", "frechet", "frontier", "self-bleu-4", "lm-score", "distinct-3", "bleu-4"]
            .into_iter()
            .map(|by| superlative(by).0)
            .collect();
        assert_eq!(words, ["closest", "closest", "closest", "lowest", "lowest", "highest", "highest"]);
    }
}
