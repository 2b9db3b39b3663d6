//! The report: how near the classifier's DD is to the exact one, and how well each metric ranks.

use super::{DiscrepancyKnobs, Family, RANKING, families};
use crate::metric;
use trueness_core::report::{Axis, Cell, Figure, Kind, Report, Series, Table};
use trueness_core::{Estimate, Findings};

pub(super) fn write(knobs: &DiscrepancyKnobs, findings: &Findings, mut report: Report) -> Report {
    let tau = |metric: &str, name: &str| findings.measure(&format!("tau-{metric}"), name).map(|m| m.estimate.clone());
    let shown = |name: &str| {
        tau("dd", name).map(|e| format!("tau {} on the {name}", trueness_core::report::format_estimate(&e)))
    };
    let parts: Vec<String> = ["grammar", "lstm"].into_iter().filter_map(shown).collect();
    report = report.lead(format!("How well the classifier's DD ranks moved oracles: {}.", parts.join(", ")));

    let mut scatter = Figure::new("dd-exact", "The classifier's DD against the exact one")
        .x(Axis::new("exact DD (total variation)").range(0.0, 1.0))
        .y(Axis::new("DD of the classifier").range(-0.1, 1.0))
        .diagonal("equal")
        .caption("Each point is one candidate, its mean over seeds with the interval over seeds. On the line the classifier finds all there is; below it, it misses some.");
    for family in families(knobs) {
        let name = match family {
            Family::Grammar(fault) => fault.name(),
            Family::Lstm => "LSTM",
        };
        let mut series = Series::new(name, Kind::Points);
        for &amount in family.amounts(knobs) {
            let subject = family.subject(amount);
            if let (Some(x), Some(dd)) = (findings.value("dd-exact", &subject), findings.measure("dd", &subject)) {
                series = series.estimate(x, &dd.estimate);
            }
        }
        scatter = scatter.series(series);
    }
    report = report.figure(scatter);

    for name in ["grammar", "lstm"] {
        let rows: Vec<(String, Estimate)> = RANKING
            .iter()
            .filter_map(|metric| {
                Some((
                    metric::card(metric).map_or((*metric).to_owned(), |card| card.title.to_owned()),
                    tau(metric, name)?,
                ))
            })
            .collect();
        if !rows.is_empty() {
            let title = format!("Agreement with the exact ranking, {name}");
            report = report.figure(Figure::forest(format!("tau-{name}"), title, "Kendall's tau", rows).reference_x(0.0, "no agreement").caption(
                "1: the metric orders the candidates as the exact distance does; 0: it knows nothing of the order; below 0: it prefers the farther ones. Intervals over seeds.",
            ));
        }
    }

    report = report.heading("Every candidate");
    let mut table = Table::new("Means over seeds").words("candidate").numbers("exact DD").numbers("from densities");
    for metric in RANKING {
        table = table.numbers(metric::card(metric).map_or(metric, |card| card.title));
    }
    for family in families(knobs) {
        for &amount in family.amounts(knobs) {
            let subject = family.subject(amount);
            let cell = |name: &str| {
                findings.measure(name, &subject).map_or(Cell::Missing, |m| Cell::Estimate(m.estimate.clone()))
            };
            let values = ["dd-exact", "dd-density"].into_iter().chain(RANKING).map(cell);
            table = table.row(std::iter::once(Cell::Code(subject.clone())).chain(values));
        }
    }
    report = report.table(table);
    if let Some(seed) = findings.first() {
        report = report.heading("Examples");
        for (_, record) in &seed.units {
            report = report.blocks(record.blocks.iter().cloned());
        }
    }
    report
}
