//! Looking at runs that are finished.

use crate::arguments::Common;
use crate::{execute, terminal};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use trueness_core::report::{self, Cell, Report, Table};
use trueness_core::run::folder;
use trueness_core::study::claim::measure_key;
use trueness_core::{Estimate, Measure};

/// `trueness report`: the report again, its files written anew.
pub(crate) fn report(path: &Path, common: &Common) -> anyhow::Result<ExitCode> {
    let report = folder::read_report(path)?;
    if common.json {
        let measured = folder::read_measures(path)?;
        let value = json!({ "schema_version": folder::SCHEMA_VERSION, "measures": measured.measures, "warnings": measured.warnings });
        terminal::print(&serde_json::to_string_pretty(&value)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    folder::write_report(path, &report)?;
    if !common.quiet {
        terminal::print(&execute::summary(&report))?;
        terminal::print(&format!("Report: {}", path.join("report.html").display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `trueness compare`: what two runs measured, side by side, with differences.
pub(crate) fn compare(a: &Path, b: &Path, common: &Common) -> anyhow::Result<ExitCode> {
    let (first, second) = (folder::read_measures(a)?, folder::read_measures(b)?);
    let other = |key: &str| second.measures.iter().find(|m| measure_key(m) == key);
    let mut differences: Vec<Measure> = Vec::new();
    let mut table = Table::new(format!("{} and {}", a.display(), b.display()))
        .words("measure")
        .numbers("first")
        .numbers("second")
        .numbers("second − first")
        .words("");
    for measure in &first.measures {
        let key = measure_key(measure);
        let Some(twin) = other(&key) else { continue };
        let gap = difference(&twin.estimate, &measure.estimate);
        let verdict = match gap.standard_error() {
            None => "",
            Some(_) if gap.covers(0.0) => "no difference found",
            Some(_) => "differs",
        };
        differences.push(Measure::new(format!("{}-difference", measure.name), gap.clone()).of(measure.subject.clone()));
        table = table.row([
            Cell::Code(key),
            Cell::Estimate(measure.estimate.clone()),
            Cell::Estimate(twin.estimate.clone()),
            Cell::Estimate(gap),
            Cell::Text(verdict.to_owned()),
        ]);
    }
    let missing = |from: &[Measure], to: &[Measure], path: &Path| {
        let gone: Vec<String> =
            from.iter().map(measure_key).filter(|key| !to.iter().any(|m| measure_key(m) == *key)).collect();
        (!gone.is_empty()).then(|| format!("{} lacks {} measures: {}", path.display(), gone.len(), gone.join(", ")))
    };
    let warnings: Vec<String> = [
        missing(&first.measures, &second.measures, b),
        missing(&second.measures, &first.measures, a),
        knobs_differ(a, b)?,
    ]
    .into_iter()
    .flatten()
    .collect();
    if common.json {
        let value = json!({ "schema_version": folder::SCHEMA_VERSION, "measures": differences, "warnings": warnings });
        terminal::print(&serde_json::to_string_pretty(&value)?)?;
    } else {
        let mut report = Report::new("Two runs compared")
            .lead(format!("{} measures in both; differences take the runs as independent.", differences.len()));
        for warning in warnings {
            report = report.warning(warning);
        }
        terminal::print(&report::terminal(&report.table(table), terminal::columns(), terminal::colour()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `a` minus `b`. Where the error of one of them is not known, neither is that of the difference.
fn difference(a: &Estimate, b: &Estimate) -> Estimate {
    let (Some(x), Some(y)) = (a.value, b.value) else { return Estimate::missing("a value is missing") };
    let n = a.n.min(b.n);
    let gap = match (a.standard_error(), b.standard_error()) {
        _ if a.is_exact() && b.is_exact() => Estimate::exact(x - y, "difference of exact values"),
        (Some(p), Some(q)) if a.has_interval() && b.has_interval() => {
            Estimate::normal(x - y, p.hypot(q), n, "from both intervals, as of independent runs")
        }
        _ => Estimate::uncertain(x - y, n, "one of the values has no interval"),
    };
    gap.unit(a.unit.clone())
}

fn knobs_differ(a: &Path, b: &Path) -> anyhow::Result<Option<String>> {
    let (first, second) = (folder::read_study(a)?, folder::read_study(b)?);
    if first.study != second.study {
        return Ok(Some(format!("the runs are of different studies: {} and {}", first.study, second.study)));
    }
    let knobs = |manifest: &trueness_core::study::Manifest| {
        manifest.presets.values().next().map(|p| p.knobs.clone()).unwrap_or_default()
    };
    let (x, y) = (knobs(&first), knobs(&second));
    let changed: Vec<&str> =
        x.keys().chain(y.keys()).filter(|key| x.get(*key) != y.get(*key)).map(String::as_str).collect();
    let mut changed = changed;
    changed.sort_unstable();
    changed.dedup();
    Ok((!changed.is_empty()).then(|| format!("the runs have different knobs: {}", changed.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_judged_only_where_both_errors_are_known() {
        let (exact, random) = (Estimate::exact(3.0, ""), Estimate::uncertain(1.0, 5, ""));
        let interval = |x| Estimate::normal(x, 3.0, 5, "");
        assert_eq!(difference(&exact, &Estimate::exact(1.0, "")).standard_error(), Some(0.0));
        let gap = difference(&interval(1.0), &Estimate::normal(0.0, 4.0, 5, ""));
        // A right triangle: the errors of independent values add up as 3² + 4² = 5².
        assert!((gap.standard_error().unwrap() - 5.0).abs() < 1e-9);
        for other in [&exact, &random, &interval(1.0)] {
            let gap = difference(&random, other);
            assert_eq!((gap.standard_error(), gap.is_exact()), (None, false));
        }
        assert_eq!(difference(&exact, &interval(1.0)).standard_error(), None);
    }
}
