//! The report: efficiency by noise and estimator, upward and downward, coverage, sensors, the record.

use super::knobs::ExchangeKnobs;
use super::physics::{PHYSICS, WAVES, wave};
use super::subject;
use crate::study::score::CLASSES;
use trueness_core::report::{Axis, Figure, Kind, Point, Report, Series, Table, format_estimate};
use trueness_core::{Estimate, Findings};

pub(super) fn write(knobs: &ExchangeKnobs, findings: &Findings, mut report: Report) -> Report {
    let found =
        |measure: &str, subject: &str| findings.measure(measure, subject).map(|measure| measure.estimate.clone());
    let [noise, hours] = knobs.ranked_at;
    let words = |name: &str| {
        let estimate = found("nse", &subject(name, noise, Some(hours)));
        estimate.map_or_else(|| "not measured".to_owned(), |estimate| format_estimate(&estimate))
    };
    report = report.lead(format!(
        "At an error of {noise} K, smoothed over {hours} h, the best network has an efficiency of {}, the best of the others {}.",
        words("best-network"),
        words("best-other")
    ));
    report = report.heading("Simulated sites");
    for &hours in &knobs.smoothing {
        let smoothed = if hours > 0.0 { format!("smoothed over {hours} h") } else { "not smoothed".to_owned() };
        let mut figure = Figure::new(format!("nse-{hours}"), format!("Efficiency by the sensors' error, {smoothed}"))
            .caption("Nash and Sutcliffe's efficiency over all times of all test sites: 1 is exact, 0 is the mean. Intervals over seeds.")
            .alt(format!("Efficiency of each estimator by noise, {smoothed}"))
            .x(Axis::new("sensors' error").unit("K"))
            .y(Axis::new("NSE"));
        for name in names(knobs) {
            let window = window(&name, hours);
            let mut series = Series::new(name.clone(), Kind::Line);
            series.points = knobs
                .noise
                .iter()
                .filter_map(|&noise| {
                    let estimate = found("nse", &subject(&name, noise, window))?;
                    Some(Point { x: noise, y: estimate.value?, low: estimate.low, high: estimate.high })
                })
                .collect();
            figure = figure.series(series);
        }
        report = report.figure(figure);
    }
    for &noise in &knobs.noise {
        report = report.table(table(knobs, noise, &found));
    }
    report = report.heading("Upward and downward").text(
        "Efficiency and root mean square error over times with water going up, down, and with a flux below .2, from .2 to .5 \
         and from .5 m/d.",
    );
    let mut classes =
        Table::new(format!("Root mean square error in m/d at an error of {noise} K, smoothed over {hours} h"));
    classes = classes.words("estimator");
    for class in CLASSES {
        classes = classes.numbers(class);
    }
    for name in names(knobs) {
        let subject = subject(&name, noise, window(&name, hours));
        let cells = CLASSES.map(|class| found(&of("rmse", class), &subject).into());
        let [a, b, c, d, e, f] = cells;
        classes = classes.row([name.into(), a, b, c, d, e, f]);
    }
    report = report.table(classes).heading("Intervals");
    report = report.text(
        "Intervals of 90 % were calibrated on simulated sites that are not among those measured here. The share of times whose \
         flux lies within, over all test sites.",
    );
    let mut coverage = Table::new("Coverage of intervals of 90 %")
        .words("estimator")
        .numbers("all")
        .numbers("up")
        .numbers("down")
        .numbers("mean width, m/d");
    for &noise in &knobs.noise {
        for name in names(knobs) {
            for window in windows(knobs, &name) {
                let subject = subject(&name, noise, window);
                let [all, up, down] = ["all", "up", "down"].map(|class| found(&of("coverage", class), &subject).into());
                coverage = coverage.row([subject.clone().into(), all, up, down, found("width", &subject).into()]);
            }
        }
    }
    report = report.table(coverage);
    if knobs.physics {
        report = report.heading("Closed forms").text(format!(
            "From the day's wave at two neighbouring sensors, in windows of two days, at an error of {noise} K. {} other sites calibrate \
             their intervals; where fewer than half of these have an answer, intervals are not given. The truth at each time is a flux \
             that also changes within the day, which no window sees. Keery's polynomial says what the amplitude says.",
            knobs.wave_sites
        ));
        report = report.table(waves(knobs, noise, &found));
    }
    report = sensors(knobs, &found, report);
    record(findings, &found, report)
}

/// The measure of a class.
fn of(figure: &str, class: &str) -> String {
    if class == "all" { figure.to_owned() } else { format!("{figure}-{class}") }
}

fn names(knobs: &ExchangeKnobs) -> Vec<String> {
    let mut names: Vec<String> = knobs.learners.iter().map(|learner| learner.name().to_owned()).collect();
    if knobs.physics {
        names.extend(PHYSICS.map(str::to_owned));
    }
    names
}

/// The smoothing window of an estimator, if it has one.
fn window(name: &str, hours: f64) -> Option<f64> {
    (!PHYSICS.contains(&name)).then_some(hours)
}

/// The smoothing windows that an estimator was run with.
fn windows(knobs: &ExchangeKnobs, name: &str) -> Vec<Option<f64>> {
    match window(name, 0.0) {
        Some(_) => knobs.smoothing.iter().copied().map(Some).collect(),
        None => vec![None],
    }
}

type Found<'a> = dyn Fn(&str, &str) -> Option<Estimate> + 'a;

fn table(knobs: &ExchangeKnobs, noise: f64, found: &Found<'_>) -> Table {
    let mut table = Table::new(format!("Efficiency at an error of {noise} K"))
        .words("estimator")
        .words("smoothing")
        .numbers("all")
        .numbers("up")
        .numbers("down");
    for name in names(knobs) {
        for window in windows(knobs, &name) {
            let subject = subject(&name, noise, window);
            let [all, up, down] = ["all", "up", "down"].map(|class| found(&of("nse", class), &subject).into());
            let smoothing = match window {
                Some(hours) if hours > 0.0 => format!("{hours} h"),
                Some(_) => "none".to_owned(),
                None => "its own".to_owned(),
            };
            table = table.row([name.clone().into(), smoothing.into(), all, up, down]);
        }
    }
    table
}

fn waves(knobs: &ExchangeKnobs, noise: f64, found: &Found<'_>) -> Table {
    let mut table = Table::new("Closed forms by pair of sensors")
        .words("closed form")
        .numbers("sites with an answer")
        .numbers("RMSE, m/d")
        .numbers("coverage as told")
        .numbers("coverage")
        .numbers("up")
        .numbers("down")
        .numbers("mean width, m/d");
    for diurnal in WAVES {
        for below in 1..knobs.sites.pattern.sensors.depths.len() {
            let name = wave(knobs, diurnal, below);
            let subject = subject(&name, noise, None);
            let as_told = format!("{subject}/uncalibrated");
            table = table.row([
                name.into(),
                found("answered", &subject).into(),
                found("rmse", &as_told).into(),
                found("coverage", &as_told).into(),
                found("coverage", &subject).into(),
                found("coverage-up", &subject).into(),
                found("coverage-down", &subject).into(),
                found("width", &subject).into(),
            ]);
        }
    }
    table
}

fn sensors(knobs: &ExchangeKnobs, found: &Found<'_>, report: Report) -> Report {
    let depths: Vec<String> =
        knobs.sites.pattern.sensors.depths.iter().map(|depth| format!("{:.1} cm", 100.0 * depth)).collect();
    let mut figure = Figure::new("importance", "What is lost where a sensor tells what it told elsewhere")
        .caption("Efficiency lost on the test sites, by depth. Intervals over seeds.")
        .alt("Importance of each depth for each learner")
        .x(Axis::new("depth").unit("cm"))
        .y(Axis::new("efficiency lost"));
    for learner in &knobs.learners {
        let mut series = Series::new(learner.name(), Kind::Line);
        series.points = knobs
            .sites
            .pattern
            .sensors
            .depths
            .iter()
            .zip(&depths)
            .filter_map(|(depth, name)| {
                let estimate = found("importance", &format!("{}/{name}", learner.name()))?;
                Some(Point { x: 100.0 * depth, y: estimate.value?, low: estimate.low, high: estimate.high })
            })
            .collect();
        figure = figure.series(series);
    }
    let mut physics = Table::new("Fisher's information of one value about a lasting change of the flux")
        .words("depth")
        .numbers("(d/m)²");
    for name in &depths {
        physics = physics.row([name.clone().into(), found("information", name).into()]);
    }
    let mut reduced =
        Table::new("Efficiency of reduced networks, refitted").words("learner").words("sensors").numbers("NSE");
    for learner in &knobs.learners {
        for n in (2..=depths.len()).rev() {
            let subject = format!("{}/{n} sensors", learner.name());
            if let Some(estimate) = found("nse-reduced", &subject) {
                reduced = reduced.row([learner.name().into(), n.to_string().into(), Some(estimate).into()]);
            }
        }
    }
    report.heading("Which sensors matter").figure(figure).table(reduced).table(physics)
}

fn record(findings: &Findings, found: &Found<'_>, report: Report) -> Report {
    let Some(chosen) = findings.first().and_then(|first| first.kept::<String>("record", "chosen")) else {
        return report;
    };
    let mut table = Table::new("The record: efficiency on its last three tenths. Intervals over seeds.")
        .words("estimator")
        .numbers("held out in the first part")
        .numbers("NSE")
        .numbers("up")
        .numbers("down")
        .numbers("RMSE, m/d")
        .numbers("coverage");
    let mut by_seed =
        Table::new("The record: NSE on its last three tenths by seed. Intervals by bootstrap over its days.")
            .words("estimator");
    for seed in &findings.seeds {
        by_seed = by_seed.numbers(format!("seed {}", seed.seed));
    }
    let mut subjects: Vec<String> = findings
        .measures
        .iter()
        .filter(|measure| measure.name == "nse" && measure.subject.starts_with("record/"))
        .map(|measure| measure.subject.clone())
        .collect();
    subjects.dedup();
    for subject in subjects {
        let name = subject.trim_start_matches("record/");
        let cell = |measure: &str| found(measure, &subject).into();
        table = table.row([
            name.into(),
            cell("nse-held"),
            cell("nse"),
            cell("nse-up"),
            cell("nse-down"),
            cell("rmse"),
            cell("coverage"),
        ]);
        let seeds = findings.seeds.iter();
        let estimates = seeds.map(|seed| seed.measure("nse", &subject).map(|measure| measure.estimate.clone()).into());
        by_seed = by_seed.row(std::iter::once(name.into()).chain(estimates));
    }
    let name = chosen.trim_start_matches("record/").to_owned();
    report
        .heading("The record whose flux is known")
        .text(format!("In the first seed, what was held out in the first seven tenths chose {name}."))
        .table(table)
        .table(by_seed)
}
