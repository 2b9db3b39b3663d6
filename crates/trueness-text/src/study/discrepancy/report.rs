//! The report: how near the classifier's DD is to the exact one, and how well each metric ranks.

use super::{DiscrepancyKnobs, Family, RANKING, families, names};
use crate::metric;
use trueness_core::report::{Axis, Cell, Figure, Kind, Report, Series, Table, format_estimate};
use trueness_core::{Estimate, Findings};

pub(super) fn write(knobs: &DiscrepancyKnobs, findings: &Findings, mut report: Report) -> Report {
    let tau = |metric: &str, name: &str| findings.measure(&format!("tau-{metric}"), name).map(|m| m.estimate.clone());
    let shown = |name: &str| tau("dd", name).map(|e| format!("tau {} on the {name}", format_estimate(&e)));
    let parts: Vec<String> = ["grammar", "lstm"].into_iter().filter_map(shown).collect();
    let mut leads = Vec::new();
    if !parts.is_empty() {
        leads.push(format!("How well the classifier's DD ranks moved oracles: {}.", parts.join(", ")));
    }
    for name in ["trained", "corpus", "corpus-oracle"] {
        leads.extend(tau("dd", name).map(|e| {
            let what = match name {
                "trained" => "samples of the grammar",
                "corpus" => "the corpus",
                _ => "samples of the corpus's oracle",
            };
            format!("Generators that learned from growing fractions of {what}: tau {}.", format_estimate(&e))
        }));
    }
    report = report.lead(leads.join(" "));

    let mut scatter = Figure::new("dd-exact", "The classifier's DD against the exact one")
        .x(Axis::new("exact DD (total variation)").range(0.0, 1.0))
        .y(Axis::new("DD of the classifier").range(-0.1, 1.0))
        .diagonal("equal")
        .caption("Each point is one candidate, its mean over seeds with the interval over seeds. On the line the classifier finds all there is; below it, it misses some.");
    for family in families(knobs) {
        let name = match family {
            Family::Grammar(fault) => fault.name().to_owned(),
            Family::Lstm => "LSTM oracle".to_owned(),
            Family::Trained(..) => family.name(),
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

    for name in names(knobs) {
        let rows: Vec<(String, Estimate)> = RANKING
            .iter()
            .filter_map(|metric| {
                Some((
                    metric::card(metric).map_or((*metric).to_owned(), |card| card.title.to_owned()),
                    tau(metric, &name)?,
                ))
            })
            .collect();
        if !rows.is_empty() {
            let title = match name.as_str() {
                "grammar" | "lstm" => format!("Agreement with the exact ranking, {name}"),
                _ => format!("Agreement with the order of the fractions, {name}"),
            };
            report = report.figure(Figure::forest(format!("tau-{name}"), title, "Kendall's tau", rows).reference_x(0.0, "no agreement").caption(
                "1: the metric orders the candidates as they should be; 0: it knows nothing of the order; below 0: it prefers the farther ones. Intervals over seeds.",
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
