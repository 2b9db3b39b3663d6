//! What each sensor tells, and every fault of every file, before anything is inferred.

use crate::Result;
use crate::infer::{InferKnobs, TemperatureUnit};
use crate::logger::{Channel, Finding, Record, read, rfc3339};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use trueness_core::report::{Cell, Found, Report, Table};
use trueness_core::{Estimate, Measure, Watch};

/// The knobs of `trueness flux check`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct CheckKnobs {
    /// Logger files of one site: HOBO, iButton, TOA5, USGS RDB, CSV (also gzipped) or Parquet.
    #[schemars(extend("x-position" = 1))]
    pub loggers: Vec<String>,
    /// Depths in m below the bed, one a sensor in the order of files and columns; what the heads say where nothing is given.
    pub depths: Vec<f64>,
    /// The columns that hold temperatures; those that look like it where nothing is named.
    pub columns: Vec<String>,
    /// The unit of temperatures, over what the file says.
    pub unit: TemperatureUnit,
    /// The time zone of times that name none, for example -07:00 or America/Los_Angeles; UTC where nothing is named.
    pub time_zone: String,
    /// Read 1/2/2024 as the first of February.
    pub day_first: bool,
}

/// Reads files as `trueness flux infer` would, one after another and then together, and tells what they hold and what is wrong.
/// A file that cannot be read, or sensors that cannot be brought together, are findings too, so that the others are still judged.
///
/// # Errors
/// [`crate::Error::Input`] for no file or a time zone that does not exist, or where `watch` was stopped.
pub fn check(knobs: &CheckKnobs, watch: Watch<'_>) -> Result<Found> {
    let all = InferKnobs {
        loggers: knobs.loggers.clone(),
        depths: knobs.depths.clone(),
        columns: knobs.columns.clone(),
        unit: knobs.unit,
        time_zone: knobs.time_zone.clone(),
        day_first: knobs.day_first,
        ..InferKnobs::default()
    };
    all.check()?;
    let (reading, cleaning) = (all.reading()?, all.cleaning());
    let mut table = Table::new("Sensors").words("sensor").words("format").words("from").words("to");
    for head in ["values", "step, s", "depth, m", "lowest, °C", "highest, °C"] {
        table = table.numbers(head);
    }
    let (mut channels, mut faults, mut measures) = (Vec::new(), Vec::new(), Vec::new());
    for (i, path) in knobs.loggers.iter().enumerate() {
        watch.step("files", i as u64, knobs.loggers.len() as u64)?;
        let file = match read(Path::new(path), &reading) {
            Ok(file) => file,
            Err(error) => {
                faults.push([path.clone(), "unreadable".to_owned(), error.to_string()]);
                continue;
            }
        };
        for channel in &file.channels {
            let subject = subject(channel);
            let figures = figures(channel);
            let moment = |moment: Option<&i64>| Cell::Text(moment.map_or_else(String::new, |ms| rfc3339(*ms)));
            let cells = [subject.as_str().into(), file.format.name().into()];
            let times = [moment(channel.times.iter().min()), moment(channel.times.iter().max())];
            table = table.row(
                cells.into_iter().chain(times).chain(figures.iter().map(|(_, figure)| Cell::Estimate(figure.clone()))),
            );
            measures.extend(figures.into_iter().map(|(name, figure)| Measure::new(name, figure).of(subject.clone())));
        }
        faults.extend(file.findings.iter().map(row));
        if !file.ignored.is_empty() {
            faults.push([path.clone(), "left out".to_owned(), format!("columns {}", file.ignored.join(", "))]);
        }
        channels.extend(file.channels);
    }
    let mut together = None;
    if !channels.is_empty() {
        match Record::gather(channels, &all.sampling(), &cleaning) {
            Ok((record, findings)) => {
                faults.extend(findings.iter().map(row));
                together = Some(record);
            }
            Err(error) => faults.push(["all sensors".to_owned(), "not together".to_owned(), error.to_string()]),
        }
    }
    let lead = match (&together, faults.len()) {
        (None, _) => "These files cannot be used as they are.".to_owned(),
        (Some(record), faults) => {
            let days = record.len() as f64 * record.step / crate::DAY;
            let sensors = record.depths.len();
            let words = match faults {
                0 => "nothing is wrong with them".to_owned(),
                1 => "one thing to know".to_owned(),
                n => format!("{n} things to know"),
            };
            format!("{sensors} sensors share {days:.1} days; {words}.")
        }
    };
    let mut report = Report::new("Temperature loggers").lead(lead).table(table);
    if !faults.is_empty() {
        let mut wrong =
            Table::new("What is wrong, and what is done about it").words("subject").words("fault").words("what");
        for [subject, fault, what] in &faults {
            wrong = wrong.row([subject.clone().into(), fault.clone().into(), what.clone().into()]);
        }
        report = report.table(wrong);
    }
    let warnings = faults.iter().map(|[subject, fault, what]| format!("{subject}: {fault}: {what}")).collect();
    Ok(Found { measures, warnings, report })
}

fn subject(channel: &Channel) -> String {
    format!("{}, {}", channel.file, channel.name)
}

fn row(finding: &Finding) -> [String; 3] {
    [finding.subject.clone(), finding.kind.word().to_owned(), finding.what.clone()]
}

fn figures(channel: &Channel) -> [(&'static str, Estimate); 5] {
    let known: Vec<f64> = channel.values.iter().copied().filter(|value| value.is_finite()).collect();
    let mut steps: Vec<i64> = channel.times.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0).collect();
    steps.sort_unstable();
    let n = known.len() as u64;
    let exact = |value: Option<f64>, how: &str, unit: &str| match value {
        Some(value) => Estimate::exact(value, how).n(n).unit(unit),
        None => Estimate::missing("the file does not say it"),
    };
    let least = known.iter().copied().reduce(f64::min);
    let most = known.iter().copied().reduce(f64::max);
    [
        ("values", Estimate::count(n)),
        ("step", exact(steps.get(steps.len() / 2).map(|ms| *ms as f64 / 1000.0), "median", "s")),
        ("depth", exact(channel.depth, "as the head tells it", "m")),
        ("lowest", exact(least, "before cleaning", "°C")),
        ("highest", exact(most, "before cleaning", "°C")),
    ]
}
