//! Which estimator finds the flux between river and ground, at what noise, smoothed or not, upward or downward, and from which
//! sensors: on simulated sites, and on a record whose flux is known where one is given.

mod knobs;
mod physics;
mod record;
mod report;
mod sensors;
mod simulated;

pub use knobs::ExchangeKnobs;

use crate::estimator::learned::Learner;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use trueness_core::report::Report;
use trueness_core::study::SeedFindings;
use trueness_core::{Findings, Measure, Run, Study, StudySource};

/// The files that describe the study.
pub const EXCHANGE: StudySource = StudySource {
    manifest: include_str!("../../../studies/exchange/study.toml"),
    readme: include_str!("../../../studies/exchange/README.md"),
};

/// The study.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exchange;

/// A piece of the study.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExchangeUnit {
    /// All estimators at one noise, by its place among the noises.
    Noise(usize),
    /// Which sensors matter.
    Sensors,
    /// The record whose flux is known.
    Record,
}

/// What a measure is about: the estimator, the sensors' error in K, and the smoothing window in h where it has one.
fn subject(estimator: &str, noise: f64, smoothing: Option<f64>) -> String {
    match smoothing {
        Some(hours) => format!("{estimator}/{noise}K/{hours}h"),
        None => format!("{estimator}/{noise}K"),
    }
}

impl Study for Exchange {
    type Knobs = ExchangeKnobs;
    type Unit = ExchangeUnit;

    fn check(&self, knobs: &ExchangeKnobs) -> trueness_core::Result<()> {
        Ok(knobs.check()?)
    }

    fn inputs(&self, knobs: &ExchangeKnobs) -> trueness_core::Result<Vec<PathBuf>> {
        Ok([&knobs.temperatures, &knobs.heads].into_iter().filter(|path| !path.is_empty()).map(PathBuf::from).collect())
    }

    fn plan(&self, knobs: &ExchangeKnobs) -> trueness_core::Result<Vec<ExchangeUnit>> {
        let mut units: Vec<ExchangeUnit> = (0..knobs.noise.len()).map(ExchangeUnit::Noise).collect();
        units.push(ExchangeUnit::Sensors);
        if !knobs.temperatures.is_empty() {
            units.push(ExchangeUnit::Record);
        }
        Ok(units)
    }

    fn unit_name(&self, unit: &ExchangeUnit) -> String {
        match unit {
            ExchangeUnit::Noise(place) => format!("noise-{}", place + 1),
            ExchangeUnit::Sensors => "sensors".to_owned(),
            ExchangeUnit::Record => "record".to_owned(),
        }
    }

    fn run_unit(&self, knobs: &ExchangeKnobs, unit: &ExchangeUnit, run: &mut Run<'_>) -> trueness_core::Result<()> {
        Ok(match *unit {
            ExchangeUnit::Noise(place) => simulated::run(knobs, knobs.noise[place], run),
            ExchangeUnit::Sensors => sensors::run(knobs, run),
            ExchangeUnit::Record => record::run(knobs, run),
        }?)
    }

    /// The best of the networks and of the others, each chosen by what was held out in training, never by what is measured.
    fn derive(&self, knobs: &ExchangeKnobs, seed: &SeedFindings) -> trueness_core::Result<Vec<Measure>> {
        let mut measures = Vec::new();
        for &noise in &knobs.noise {
            for &hours in &knobs.smoothing {
                for (name, deep) in [("best-network", true), ("best-other", false)] {
                    let held = |learner: &Learner| {
                        let subject = subject(learner.name(), noise, Some(hours));
                        seed.measure("nse-held", &subject)?.estimate.value.map(|value| (value, subject))
                    };
                    let best = knobs
                        .learners
                        .iter()
                        .filter(|learner| learner.is_deep() == deep)
                        .filter_map(held)
                        .max_by(|a, b| a.0.total_cmp(&b.0));
                    let found = best.and_then(|(_, of)| seed.measure("nse", &of));
                    measures.extend(
                        found.map(|found| Measure { subject: subject(name, noise, Some(hours)), ..found.clone() }),
                    );
                }
            }
        }
        Ok(measures)
    }

    fn report(&self, knobs: &ExchangeKnobs, findings: &Findings, report: Report) -> trueness_core::Result<Report> {
        Ok(report::write(knobs, findings, report))
    }
}
