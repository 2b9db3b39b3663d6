//! The report: DD before and after, curves of quality against diversity, recursion.

use super::{CURVES, Candidate, FilterKnobs, REAL, candidates, name, subject};
use crate::generator::NetworkKnobs;
use crate::metric;
use trueness_core::report::{Axis, Cell, Figure, Kind, Report, Series, Table, format_estimate};
use trueness_core::{Estimate, Findings};

/// The metrics of the table.
const SHOWN: [&str; 8] =
    ["acceptance", "dd", "bleu-4", "self-bleu-4", "lm-score", "reverse-lm-score", "frechet", "impossible"];

pub(super) fn write(knobs: &FilterKnobs, findings: &Findings, mut report: Report) -> Report {
    let found = |metric: &str, subject: &str| findings.measure(metric, subject).map(|m| m.estimate.clone());
    let mut leads = Vec::new();
    for network in &knobs.generators {
        let dd = |candidate: Candidate| found("dd", &subject(network, 1.0, &candidate.name()));
        // All shares, not the best of them: the least of several noisy numbers would flatter.
        let kept = knobs.acceptance.iter().filter_map(|&share| Some((share, dd(Candidate::Kept(share))?)));
        let kept: Vec<String> =
            kept.map(|(share, dd)| format!("{} where {share} is kept", format_estimate(&dd))).collect();
        if let (Some(raw), false) = (dd(Candidate::Raw), kept.is_empty()) {
            let floor = found("dd-floor", &format!("{REAL}/{}", name(network)));
            let floor = floor.map(|e| format!(" (real against real, in halves, {})", format_estimate(&e)));
            leads.push(format!(
                "{}: DD {} before{}; {}.",
                name(network),
                format_estimate(&raw),
                floor.unwrap_or_default(),
                kept.join(", ")
            ));
        }
    }
    report = report.lead(format!("At temperature 1, by fresh classifiers. {}", leads.join(" ")));
    for network in &knobs.generators {
        report = report.heading(format!("The generator {}", name(network)));
        let mut rows: Vec<(String, Estimate)> = Vec::new();
        for candidate in candidates(knobs, 1.0) {
            rows.extend(found("dd", &subject(network, 1.0, &candidate.name())).map(|dd| (words(candidate), dd)));
        }
        if !rows.is_empty() {
            let figure = Figure::forest(format!("dd-{}", name(network)), "DD at temperature 1", "DD", rows);
            report = report.figure(figure.reference_x(0.0, "no difference").caption(
                "Lower is nearer to real text. Each row is measured by classifiers that the filter never knew, on \
                 equally many sentences. Intervals over seeds.",
            ));
        }
        for (quality, diversity) in CURVES {
            report = report.figure(curve(knobs, network, findings, quality, diversity));
        }
        report = report.table(table(knobs, network, findings));
    }
    if let Some(seed) = findings.first() {
        report = report.heading("Examples");
        for (_, record) in &seed.units {
            report = report.blocks(record.blocks.iter().cloned());
        }
    }
    report
}

fn words(candidate: Candidate) -> String {
    match candidate {
        Candidate::Raw => "not filtered".to_owned(),
        Candidate::Kept(share) => format!("{share} kept"),
        Candidate::Depth(1) => "1 discriminator".to_owned(),
        Candidate::Depth(depth) => format!("{depth} discriminators"),
    }
}

fn title(metric: &str) -> String {
    metric::card(metric).map_or(metric.to_owned(), |card| card.title.to_owned())
}

/// Diversity against quality: a line over temperatures for what is not filtered, and one for each share.
fn curve(knobs: &FilterKnobs, network: &NetworkKnobs, findings: &Findings, quality: &str, diversity: &str) -> Figure {
    let mut figure =
        Figure::new(format!("{quality}-{}", name(network)), format!("{} against {}", title(diversity), title(quality)))
            .x(Axis::new(title(quality)))
            .y(Axis::new(title(diversity)));
    let shares = knobs.acceptance.iter().map(|&share| Candidate::Kept(share));
    for candidate in std::iter::once(Candidate::Raw).chain(shares) {
        let mut series = Series::new(words(candidate), Kind::Line);
        for &temperature in &knobs.temperatures {
            let subject = subject(network, temperature, &candidate.name());
            if let (Some(x), Some(y)) = (findings.value(quality, &subject), findings.measure(diversity, &subject)) {
                series = series.estimate(x, &y.estimate);
            }
        }
        figure = figure.series(series);
    }
    let better = match quality {
        "bleu-4" => "right and low",
        _ => "left and low",
    };
    figure.caption(format!(
        "Each line joins the temperatures, {}. Good text is {better}; a filter is worth its cost where its line lies \
         below the one that is not filtered, since a temperature costs nothing.",
        knobs.temperatures.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")
    ))
}

fn table(knobs: &FilterKnobs, network: &NetworkKnobs, findings: &Findings) -> Table {
    let mut table = Table::new("Means over seeds").words("text");
    let shown: Vec<&str> = SHOWN.into_iter().filter(|m| *m != "impossible" || knobs.corpus.is_empty()).collect();
    for metric in &shown {
        table = table.numbers(title(metric));
    }
    for &temperature in &knobs.temperatures {
        for candidate in candidates(knobs, temperature) {
            let subject = subject(network, temperature, &candidate.name());
            let cell = |metric: &&str| {
                findings.measure(metric, &subject).map_or(Cell::Missing, |m| Cell::Estimate(m.estimate.clone()))
            };
            table = table.row(std::iter::once(Cell::Code(subject.clone())).chain(shown.iter().map(cell)));
        }
    }
    let real = format!("{REAL}/{}", name(network));
    let cell = |metric: &&str| {
        let metric = if *metric == "dd" { "dd-floor" } else { metric };
        findings.measure(metric, &real).map_or(Cell::Missing, |m| Cell::Estimate(m.estimate.clone()))
    };
    table.row(std::iter::once(Cell::Text("real (DD: in halves)".to_owned())).chain(shown.iter().map(cell)))
}
