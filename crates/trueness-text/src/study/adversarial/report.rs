//! The report: each measure over the rounds by arm, and a table of what came of each.

use super::{Arm, GanKnobs, GanUnit, Setting};
use crate::adversarial::{Method, Watched};
use crate::metric;
use trueness_core::report::{Axis, Cell, Figure, Kind, Report, Samples, Series, Table, format_estimate};
use trueness_core::{Estimate, Findings};

/// The measures of which it is said how much they grew over the rounds.
pub(super) const GROWTHS: [&str; 8] =
    ["dd", "d-relative", "d-absolute", "nll-oracle", "dd-density", "jeffreys", "bleu-4", "self-bleu-4"];

/// What is drawn over the rounds.
const DRAWN: [&str; 5] = ["dd", "d-absolute", "d-relative", "nll-oracle", "jeffreys"];

/// The columns of the tables: of captions, and of the oracle.
const CAPTIONS: &[&str] = &["dd", "d-absolute", "nll-gen", "bleu-4", "self-bleu-4"];
const ORACLE: &[&str] = &["dd", "d-absolute", "nll-oracle", "dd-density", "jeffreys", "self-bleu-4"];

fn title(measure: &str) -> String {
    let title = metric::card(measure).map_or(measure, |card| card.title);
    let mut letters = title.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn place(setting: Setting) -> &'static str {
    match setting {
        Setting::Captions => "captions",
        Setting::Oracle => "the oracle's sentences",
    }
}

fn words(arm: Arm) -> &'static str {
    match arm {
        Arm::Whole => "whole sentences",
        Arm::Segments => "sub-sequences",
        Arm::Frozen => "frozen discriminator (control)",
        Arm::Constant => "constant reward (control)",
        Arm::Random => "random reward (control)",
    }
}

pub(super) fn write(knobs: &GanKnobs, plan: &[GanUnit], findings: &Findings, mut report: Report) -> Report {
    report = report.lead(lead(knobs, plan, findings));
    for unit in plan {
        report = report.heading(format!("{} on {}", unit.method.title(), place(unit.setting)));
        for measure in DRAWN {
            report = match curve(knobs, *unit, findings, measure) {
                Some(figure) => report.figure(figure),
                None => report,
            };
        }
        report = report.table(table(knobs, *unit, findings));
        report = examples(knobs, *unit, findings, report);
    }
    report
}

fn lead(knobs: &GanKnobs, plan: &[GanUnit], findings: &Findings) -> String {
    let one = |unit: &GanUnit| {
        let arm = knobs.arms(unit.method).into_iter().next()?;
        let dd = |subject: &str| findings.measure("dd", subject).map(|m| format_estimate(&m.estimate));
        Some(format!(
            "{} on {}: {} before, {} after {} rounds against {}.",
            unit.method.title(),
            place(unit.setting),
            dd(&unit.before(arm))?,
            dd(&unit.subject(arm))?,
            knobs.play(*unit, arm).rounds,
            words(arm)
        ))
    };
    let all: Vec<String> = plan.iter().filter_map(one).collect();
    format!("DD by fresh classifiers, before and after the rounds against a discriminator. {}", all.join(" "))
}

/// What each seed saw in an arm.
fn histories(unit: GanUnit, arm: Arm, findings: &Findings) -> Vec<Vec<Watched>> {
    let name = unit.name().replace('/', "-");
    findings.seeds.iter().filter_map(|seed| seed.kept(&name, arm.name())).collect()
}

/// A measure over the rounds, a line for each arm, the mean over seeds.
fn curve(knobs: &GanKnobs, unit: GanUnit, findings: &Findings, measure: &str) -> Option<Figure> {
    let mut figure = Figure::new(
        format!("{measure}-{}", unit.name().replace('/', "-")),
        format!("{} over the rounds", title(measure)),
    )
    .x(Axis::new("round"));
    let (mut drawn, mut measured_in) = (false, String::new());
    for arm in knobs.arms(unit.method) {
        let seeds = histories(unit, arm, findings);
        let mut series = Series::new(words(arm), Kind::Line);
        for look in seeds.first().into_iter().flatten() {
            let at = |history: &Vec<Watched>| {
                let look = history.iter().find(|other| other.round == look.round)?;
                look.measure(measure)?.value
            };
            let values: Vec<f64> = seeds.iter().filter_map(at).collect();
            if values.len() == seeds.len() && !values.is_empty() {
                series = series.estimate(look.round as f64, &Estimate::mean(&values, "mean over seeds"));
                drawn = true;
                measured_in = look.measure(measure).map_or(measured_in, |estimate| estimate.unit.clone());
            }
        }
        figure = figure.series(series);
    }
    let real = findings.value(measure, &format!("{}/real", unit.name()));
    if let Some(real) = real {
        figure = figure.reference_y(real, "real against real");
    }
    drawn.then(|| {
        let begin = match unit.method {
            Method::Leakgan => "Round 0 follows maximum likelihood on the features of the arm's own discriminator",
            _ => "Round 0 is the generator as maximum likelihood left it, where all arms begin",
        };
        figure.y(Axis::new(title(measure)).unit(measured_in)).caption(format!(
            "{begin}; the arms differ in nothing but what they are named for. Means over seeds with Student's intervals."
        ))
    })
}

fn table(knobs: &GanKnobs, unit: GanUnit, findings: &Findings) -> Table {
    let columns = match unit.setting {
        Setting::Captions => CAPTIONS,
        Setting::Oracle => ORACLE,
    };
    let mut table = Table::new("Means over seeds, after the last round").words("against");
    for measure in columns {
        table = table.numbers(title(measure));
    }
    let cells = |subject: String| {
        let cell = move |&measure: &&str| {
            findings.measure(measure, &subject).map_or(Cell::Missing, |m| Cell::Estimate(m.estimate.clone()))
        };
        columns.iter().map(cell)
    };
    let row =
        |name: &str, subject: String| std::iter::once(Cell::Text(name.to_owned())).chain(cells(subject)).collect();
    let arms = knobs.arms(unit.method);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    rows.extend(arms.first().map(|&arm| row("nothing: maximum likelihood", unit.before(arm))));
    rows.extend(arms.iter().map(|&arm| row(words(arm), unit.subject(arm))));
    rows.push(row("real text against itself", format!("{}/real", unit.name())));
    rows.into_iter().fold(table, |table, row| table.row(row))
}

/// Some samples of the first seed's first arms, after the last round.
fn examples(knobs: &GanKnobs, unit: GanUnit, findings: &Findings, report: Report) -> Report {
    let mut samples = Samples::new(format!("Samples after the last round, {}", unit.name()));
    let mut any = false;
    for arm in knobs.arms(unit.method) {
        let Some(last) = histories(unit, arm, findings).first().and_then(|history| history.last().cloned()) else {
            continue;
        };
        for text in last.samples.iter().take(2) {
            samples = samples.labelled(words(arm), text.clone());
            any = true;
        }
    }
    if any { report.samples(samples) } else { report }
}
