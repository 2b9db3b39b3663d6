//! The report of an inference, and its files.

use super::knobs::InferKnobs;
use super::series;
use super::tool::{Inferred, MODEL, Sensors};
use crate::logger::rfc3339;
use crate::{DAY, Error, Result};
use trueness_core::report::{Attachment, Axis, Block, Figure, Kind, Point, Report, Series, Table};
use trueness_core::{Estimate, Findings, Seed, resample};

pub(super) fn write(knobs: &InferKnobs, findings: &Findings, report: Report) -> Result<Report> {
    let missing = || Error::Input("the run holds no records of its sensors".to_owned());
    let first = findings.first().ok_or_else(missing)?;
    let sensors: Sensors = first.kept("loggers", "sensors").ok_or_else(missing)?;
    let all: Vec<Inferred> = knobs
        .methods()
        .iter()
        .map(|method| method.name())
        .chain([MODEL])
        .filter_map(|unit| first.kept::<Vec<Inferred>>(unit, "series"))
        .flatten()
        .collect();
    let value = |name: &str, of: &Inferred| findings.measure(name, &of.name).map(|measure| measure.estimate.clone());
    let lead = all.first().and_then(|of| {
        let mean = value("flux/mean", of)?;
        let (flux, low, high) = (mean.value?, mean.low?, mean.high?);
        let way = if low > 0.0 {
            "the river loses water"
        } else if high < 0.0 {
            "the river gains water"
        } else {
            "on the whole neither way is certain"
        };
        Some(format!("{}: mean flux {flux:.3} m/d [{low:.3}, {high:.3}], positive downward: {way}.", of.name))
    });
    let mut report = report.lead(lead.unwrap_or_else(|| "No method found a flux: see the warnings.".to_owned()));
    let mut table = Table::new("Flux by method, in m/d, positive downward")
        .words("method")
        .numbers("mean")
        .numbers("half interval")
        .numbers("share upward");
    for of in &all {
        table = table.row([
            of.name.clone().into(),
            value("flux/mean", of).into(),
            value("flux/half-width", of).into(),
            value("flux/upward", of).into(),
        ]);
    }
    report = report.heading("Flux").table(table);
    let days = |i: usize| i as f64 * sensors.step / DAY;
    // One figure a method: bands of several methods would hide each other.
    for group in all.chunk_by(|a, b| method(&a.name) == method(&b.name)) {
        let names: Vec<&str> = group.iter().map(|of| of.name.as_str()).collect();
        let mut figure = Figure::new(format!("flux-{}", method(names[0])), format!("Flux over time by {}", method(names[0])))
            .caption("Above zero water goes down, below it comes up. Bands are intervals of 90 %. A line is broken where there is no flux.")
            .alt(format!("Flux over time by {}", names.join(", ")))
            .x(time(&sensors))
            .y(Axis::new("Darcy flux").unit("m/d"))
            .reference_y(0.0, "no exchange");
        for of in group {
            let every = of.flux.len().div_ceil(1500).max(1);
            let mut series = Series::new(of.name.clone(), Kind::Band);
            series.points = of
                .flux
                .iter()
                .enumerate()
                .step_by(every)
                .map(|(i, values)| {
                    let [flux, low, high] = values.unwrap_or([f64::NAN; 3]);
                    Point { x: days(i), y: flux, low: Some(low), high: Some(high) }
                })
                .collect();
            figure = figure.series(series);
        }
        report = report.figure(figure);
    }
    if all.len() > 1 {
        report = report.table(agreement(&all, (DAY / sensors.step) as usize));
    }
    report = report.heading("Sensors");
    let mut figure = Figure::new("temperatures", "Temperatures as used")
        .caption("After cleaning and averaging. A line is broken where values were missing or taken out.")
        .alt("Temperatures of all sensors over time")
        .x(time(&sensors))
        .y(Axis::new("temperature").unit("°C"));
    for ((depth, name), values) in sensors.depths.iter().zip(&sensors.names).zip(&sensors.values) {
        let mut series = Series::new(format!("{depth:.3} m ({name})"), Kind::Line);
        let point = |(i, value): (usize, &Option<f64>)| Point {
            x: days(i * sensors.every),
            y: value.unwrap_or(f64::NAN),
            low: None,
            high: None,
        };
        series.points = values.iter().enumerate().map(point).collect();
        figure = figure.series(series);
    }
    report = report.figure(figure);
    for of in all.iter().filter(|of| !of.residuals.is_empty()) {
        report = residuals(of, &sensors, report);
    }
    report = if sensors.findings.is_empty() {
        report.text("Nothing is wrong with the files.")
    } else {
        let mut table =
            Table::new("What is wrong with the files, and what was done").words("subject").words("fault").words("what");
        for [subject, fault, what] in &sensors.findings {
            table = table.row([subject.clone().into(), fault.clone().into(), what.clone().into()]);
        }
        report.table(table)
    };
    for of in all.iter().filter(|of| !of.bed.is_empty()) {
        report = report.subheading(format!("Bed by {}", of.name)).key_values(of.bed.clone());
    }
    let about = "flux by time and method, in m/d with intervals of 90 %";
    if knobs.parquet {
        let bytes = series::parquet(&all, &sensors)?;
        let result = Attachment::result("flux.parquet", about, "application/vnd.apache.parquet", bytes);
        report = report.block(Block::Attachment(result));
    }
    let csv = series::csv(&all, &sensors);
    Ok(report.block(Block::Attachment(Attachment::result("flux.csv", about, "text/csv", csv))))
}

/// The axis of time.
fn time(sensors: &Sensors) -> Axis {
    Axis::new(format!("days since {}", rfc3339(sensors.start)))
}

/// What a column with the flux of a method leaves unexplained, over time and by sensor.
fn residuals(of: &Inferred, sensors: &Sensors, report: Report) -> Report {
    let day = (DAY / sensors.step / sensors.every as f64) as usize;
    let mut figure = Figure::new(format!("residuals-{}", of.name), format!("Residuals of {}", of.name))
        .caption(
            "What sensors say less what the column says with this flux, driven by the outermost sensors. Residuals far from 0 \
             for hours tell of a flux, a bed or a depth that is wrong.",
        )
        .alt(format!("Residuals of {} at the inner sensors over time", of.name))
        .x(time(sensors))
        .y(Axis::new("residual").unit("K"));
    let mut table =
        Table::new(format!("Residuals of {}, in K", of.name)).words("sensor").numbers("mean").numbers("mean size");
    for (sensor, left) in of.residuals.iter().enumerate().skip(1).take(of.residuals.len().saturating_sub(2)) {
        let name = format!("{:.3} m ({})", sensors.depths[sensor], sensors.names[sensor]);
        let mut series = Series::new(name.clone(), Kind::Line);
        let at = |i: usize| (i * sensors.every) as f64 * sensors.step / DAY;
        let point =
            |(i, value): (usize, &Option<f64>)| Point { x: at(i), y: value.unwrap_or(f64::NAN), low: None, high: None };
        series.points = left.iter().enumerate().map(point).collect();
        figure = figure.series(series);
        let daily = |of: &dyn Fn(f64) -> f64| {
            let means: Vec<f64> = left
                .chunks(day.max(1))
                .filter_map(|part| {
                    let known: Vec<f64> = part.iter().flatten().map(|left| of(*left)).collect();
                    (known.len() * 2 > part.len()).then(|| known.iter().sum::<f64>() / known.len() as f64)
                })
                .collect();
            of_days(&means, "K")
        };
        table = table.row([name.into(), daily(&|left| left).into(), daily(&f64::abs).into()]);
    }
    report.figure(figure).table(table)
}

/// The mean of daily means, bootstrapped over days.
fn of_days(values: &[f64], unit: &str) -> Estimate {
    match values.len() {
        0..=2 => Estimate::missing("fewer than three days in common"),
        _ => resample::bootstrap_mean(values, 1000, Seed::new(0).child("flux/agreement"), "bootstrap over days")
            .unit(unit),
    }
}

/// The method in a series' name, without its sensors.
fn method(name: &str) -> &str {
    name.split(' ').next().unwrap_or_default()
}

/// Differences of methods' daily means, with intervals from a bootstrap over days.
fn agreement(all: &[Inferred], day: usize) -> Table {
    let daily = |of: &Inferred| -> Vec<Option<f64>> {
        of.flux
            .chunks(day.max(1))
            .map(|part| {
                let known: Vec<f64> = part.iter().flatten().map(|values| values[0]).collect();
                (known.len() * 2 > part.len()).then(|| known.iter().sum::<f64>() / known.len() as f64)
            })
            .collect()
    };
    let first = daily(&all[0]);
    let mut table = Table::new(format!("Daily means beside those of {}, in m/d", all[0].name))
        .words("method")
        .numbers("mean difference")
        .numbers("mean absolute difference");
    for of in &all[1..] {
        let apart: Vec<f64> = first.iter().zip(daily(of)).filter_map(|(a, b)| Some(b? - (*a)?)).collect();
        table = table.row([
            of.name.clone().into(),
            of_days(&apart, "m/d").into(),
            of_days(&apart.iter().map(|x| x.abs()).collect::<Vec<_>>(), "m/d").into(),
        ]);
    }
    table
}
