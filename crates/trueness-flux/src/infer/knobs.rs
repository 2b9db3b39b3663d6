//! What can be asked of an inference.

use crate::estimator::{Bed, Diurnal};
use crate::logger::{Cleaning, Finding, Reading, Record, Sampling, Unit, Zone, read};
use crate::medium::Medium;
use crate::{DAY, Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Fewer simulated sites tell nothing of how wide intervals have to be.
const FEWEST_SITES: usize = 20;

/// A method of inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The Kalman smoother on the whole column.
    Kalman,
    /// Knots of flux fitted through the whole column.
    Inversion,
    /// Hatch's amplitude ratio of the day's wave.
    Amplitude,
    /// Hatch's phase lag of the day's wave.
    Phase,
    /// Keery's polynomial of the amplitude ratio.
    Keery,
    /// McCallum's and Luce's combination of ratio and lag.
    Combined,
    /// All of them.
    All,
}

impl Method {
    const EACH: [Self; 6] = [Self::Kalman, Self::Inversion, Self::Amplitude, Self::Phase, Self::Keery, Self::Combined];

    /// The method's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kalman => "kalman",
            Self::Inversion => "inversion",
            Self::All => "all",
            other => other.diurnal().map_or("", Diurnal::name),
        }
    }

    /// The closed form, if it is one.
    pub(super) fn diurnal(self) -> Option<Diurnal> {
        match self {
            Self::Amplitude => Some(Diurnal::Amplitude),
            Self::Phase => Some(Diurnal::Phase),
            Self::Keery => Some(Diurnal::Keery),
            Self::Combined => Some(Diurnal::Combined),
            Self::Kalman | Self::Inversion | Self::All => None,
        }
    }
}

/// A unit of temperature, or what the file says.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TemperatureUnit {
    /// What the file says, and °C where it says nothing.
    #[default]
    Auto,
    /// °C.
    Celsius,
    /// °F.
    Fahrenheit,
}

/// The knobs of `trueness flux infer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct InferKnobs {
    /// Logger files of one site: HOBO, iButton, TOA5, USGS RDB, CSV (also gzipped) or Parquet.
    #[schemars(extend("x-position" = 1))]
    pub loggers: Vec<String>,
    /// The methods: kalman, inversion, amplitude, phase, keery, combined, or all.
    pub estimator: Vec<Method>,
    /// A run of `trueness flux train`, or its model's folder: another method.
    pub model: String,
    /// Depths in m below the bed, one a sensor in the order of files and columns; what the heads say where nothing is given.
    pub depths: Vec<f64>,
    /// How far each sensor's clock is ahead, in s.
    pub clock_offsets: Vec<f64>,
    /// The columns that hold temperatures; those that look like it where nothing is named.
    pub columns: Vec<String>,
    /// The unit of temperatures, over what the file says.
    pub unit: TemperatureUnit,
    /// The time zone of times that name none, for example -07:00 or America/Los_Angeles; UTC where nothing is named.
    pub time_zone: String,
    /// Read 1/2/2024 as the first of February.
    pub day_first: bool,
    /// Seconds between two values that the methods see; finer records are averaged.
    #[schemars(range(min = 1.0, max = 86_400.0))]
    pub step: f64,
    /// The lowest temperature in °C that is believed.
    pub lowest: f64,
    /// The highest temperature in °C that is believed.
    pub highest: f64,
    /// Hours of one and the same value after which a sensor counts as stuck.
    #[schemars(range(min = 0.1, max = 10_000.0))]
    pub stuck: f64,
    /// Kelvins between a single value and its neighbours that make it a spike.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub spike: f64,
    /// Heat capacity of sediment and water in J/m³/K.
    #[schemars(range(min = 1e5, max = 1e7))]
    pub heat: f64,
    /// How well the heat capacity is known, as a share.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub heat_error: f64,
    /// Thermal conductivity in W/m/K: where a fit begins, and what it is for the waves.
    #[schemars(range(min = 0.1, max = 10.0))]
    pub conductivity: f64,
    /// Simulated sites with sensors like these, by which the intervals of the closed forms, and by at most 100 of them those of the
    /// inversion, are widened; 0 takes intervals as they are.
    #[schemars(range(min = 0, max = 100_000))]
    pub calibration_sites: usize,
    /// Write flux.parquet, too, beside flux.csv.
    pub parquet: bool,
    /// Fit conductivity, noise and the flux's spread and memory before the Kalman smoother runs.
    pub tune: bool,
    /// Days of the record that such a fit uses, from its begin.
    #[schemars(range(min = 0.1, max = 366.0))]
    pub tune_days: f64,
    /// Standard deviation of a sensor's error in K: where a fit begins.
    #[schemars(range(min = 0.0001, max = 5.0))]
    pub noise: f64,
    /// Standard deviation of the flux over time in m/d: where a fit begins.
    #[schemars(range(min = 0.001, max = 100.0))]
    pub flux_spread: f64,
    /// Hours that the flux remembers: where a fit begins.
    #[schemars(range(min = 0.1, max = 10_000.0))]
    pub memory: f64,
    /// Days of a window of the day's wave.
    #[schemars(range(min = 1.0, max = 60.0))]
    pub window: f64,
}

impl Default for InferKnobs {
    fn default() -> Self {
        let (bed, cleaning) = (Bed::default(), Cleaning::default());
        Self {
            loggers: Vec::new(),
            estimator: vec![Method::Kalman],
            model: String::new(),
            depths: Vec::new(),
            clock_offsets: Vec::new(),
            columns: Vec::new(),
            unit: TemperatureUnit::Auto,
            time_zone: String::new(),
            day_first: false,
            step: 300.0,
            lowest: cleaning.range[0],
            highest: cleaning.range[1],
            stuck: cleaning.stuck / 3600.0,
            spike: cleaning.spike,
            heat: bed.medium.heat,
            heat_error: bed.heat_error,
            conductivity: bed.medium.conductivity,
            calibration_sites: 400,
            parquet: false,
            tune: true,
            tune_days: 7.0,
            noise: bed.noise,
            flux_spread: 0.5,
            memory: bed.memory / 3600.0,
            window: 2.0,
        }
    }
}

impl InferKnobs {
    /// The methods, each once.
    pub(super) fn methods(&self) -> Vec<Method> {
        let all = self.estimator.contains(&Method::All);
        Method::EACH.into_iter().filter(|method| all || self.estimator.contains(method)).collect()
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.loggers.is_empty() {
            return Err(Error::Input("expected at least one logger file".to_owned()));
        }
        if self.methods().is_empty() && self.model.is_empty() {
            return Err(Error::Input("estimator: expected at least one method".to_owned()));
        }
        if (1..FEWEST_SITES).contains(&self.calibration_sites) {
            return Err(Error::Input(format!(
                "calibration-sites: expected 0, or at least {FEWEST_SITES} to tell by, got {}",
                self.calibration_sites
            )));
        }
        if self.lowest >= self.highest {
            return Err(Error::Input(format!(
                "expected lowest below highest, got {} and {}",
                self.lowest, self.highest
            )));
        }
        self.zone().map(|_| ())
    }

    fn zone(&self) -> Result<Option<Zone>> {
        if self.time_zone.is_empty() { Ok(None) } else { Zone::parse(&self.time_zone).map(Some) }
    }

    pub(super) fn bed(&self) -> Bed {
        Bed {
            medium: Medium { heat: self.heat, conductivity: self.conductivity, dispersivity: 0.0 },
            flux_sd: self.flux_spread / DAY,
            memory: self.memory * 3600.0,
            noise: self.noise,
            heat_error: self.heat_error,
        }
    }

    /// How files are read.
    pub(crate) fn reading(&self) -> Result<Reading> {
        Ok(Reading {
            zone: self.zone()?,
            day_first: self.day_first,
            unit: match self.unit {
                TemperatureUnit::Auto => None,
                TemperatureUnit::Celsius => Some(Unit::Celsius),
                TemperatureUnit::Fahrenheit => Some(Unit::Fahrenheit),
            },
            columns: self.columns.clone(),
        })
    }

    /// Where faults begin.
    pub(crate) fn cleaning(&self) -> Cleaning {
        Cleaning {
            range: [self.lowest, self.highest],
            stuck: self.stuck * 3600.0,
            spike: self.spike,
            ..Cleaning::default()
        }
    }

    /// How sensors are brought together.
    pub(crate) fn sampling(&self) -> Sampling {
        Sampling { step: Some(self.step), depths: self.depths.clone(), clock_offsets: self.clock_offsets.clone() }
    }

    /// Reads all files, and brings their sensors together.
    pub(super) fn record(&self) -> Result<(Record, Vec<Finding>)> {
        let reading = self.reading()?;
        let (mut channels, mut findings) = (Vec::new(), Vec::new());
        for path in &self.loggers {
            let file = read(Path::new(path), &reading)?;
            channels.extend(file.channels);
            findings.extend(file.findings);
        }
        let (record, more) = Record::gather(channels, &self.sampling(), &self.cleaning())?;
        findings.extend(more);
        Ok((record, findings))
    }
}
