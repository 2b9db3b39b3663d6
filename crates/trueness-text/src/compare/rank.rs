//! Ranking candidates, and the tests between them.

use super::measure::{Decisions, Paired};
use crate::metric::{self, Better};
use trueness_core::study::SeedFindings;
use trueness_core::{Estimate, Measure, mean_sd};

/// A candidate and its value of the ranking metric.
pub(super) struct Ranked {
    pub(super) subject: String,
    pub(super) unit: String,
    pub(super) estimate: Estimate,
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

/// `a` minus `b`: paired over real sentences where the metric scores those, else from both intervals.
pub(super) fn difference(by: &str, a: &Ranked, b: &Ranked, seed: &SeedFindings) -> Estimate {
    let (Some(x), Some(y)) = (a.estimate.value, b.estimate.value) else {
        return Estimate::missing("a value is missing");
    };
    let n = a.estimate.n.min(b.estimate.n);
    if by == "dd"
        && let (Some(p), Some(q)) =
            (seed.kept::<Decisions>(&a.unit, "decisions"), seed.kept::<Decisions>(&b.unit, "decisions"))
        && p.real.len() == q.real.len()
    {
        let variance = |values: &[f64]| mean_sd(values).1.powi(2) / values.len().max(1) as f64;
        let gaps: Vec<f64> = p.real.iter().zip(&q.real).map(|(u, v)| u - v).collect();
        let sentences = (variance(&gaps) + variance(&p.generated) + variance(&q.generated)) / 4.0;
        let error = (sentences + p.seed_variance + q.seed_variance).sqrt();
        return Estimate::normal(x - y, error, n, "paired over held-out real sentences");
    }
    let paired = |unit: &str| seed.kept::<Paired>(unit, "paired").and_then(|mut all| all.remove(by));
    if let (Some(p), Some(q)) = (paired(&a.unit), paired(&b.unit))
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
