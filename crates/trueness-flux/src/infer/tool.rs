//! The inference as a study: it has a run folder, can be resumed, and ends in a report.

use super::knobs::{InferKnobs, Method};
use super::{calibrate, report};
use crate::estimator::learned::{MODEL_FILE, Model};
use crate::estimator::{Bed, DIFFUSIVITY, FluxSeries, Inversion, Kalman, residuals};
use crate::logger::Record;
use crate::{DAY, Error};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trueness_core::report::Report;
use trueness_core::{Estimate, Findings, Run, Study, StudySource};

/// The files that describe the tool.
pub const INFER: StudySource = StudySource {
    manifest: include_str!("../../studies/infer/study.toml"),
    readme: include_str!("../../studies/infer/README.md"),
};

/// The name of the unit of a trained model.
pub(super) const MODEL: &str = "model";

/// The inference of flux from logger files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Infer;

/// A piece of the inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InferUnit {
    /// Reading and judging the files.
    Loggers,
    /// One method.
    Method(Method),
    /// A model that was trained.
    Model,
}

/// What is kept of the sensors for the report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sensors {
    pub(super) start: i64,
    pub(super) step: f64,
    pub(super) depths: Vec<f64>,
    pub(super) names: Vec<String>,
    /// Temperatures, thinned to at most a few thousand times; `None` for gaps.
    pub(super) every: usize,
    pub(super) values: Vec<Vec<Option<f64>>>,
    pub(super) findings: Vec<[String; 3]>,
}

/// One method's flux in m/d at the record's times; `None` for gaps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Inferred {
    pub(super) name: String,
    pub(super) flux: Vec<Option<[f64; 3]>>,
    /// The mean with its interval, where the method knows it.
    pub(super) mean: Option<[f64; 3]>,
    pub(super) flag: String,
    pub(super) bed: Vec<(String, String)>,
    /// What the flux leaves unexplained, in K by sensor, at the times at which temperatures are kept.
    pub(super) residuals: Vec<Vec<Option<f64>>>,
}

impl Study for Infer {
    type Knobs = InferKnobs;
    type Unit = InferUnit;

    fn check(&self, knobs: &InferKnobs) -> trueness_core::Result<()> {
        Ok(knobs.check()?)
    }

    fn inputs(&self, knobs: &InferKnobs) -> trueness_core::Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = knobs.loggers.iter().map(PathBuf::from).collect();
        if !knobs.model.is_empty() {
            files.extend(Model::files(&model_folder(knobs)?));
        }
        Ok(files)
    }

    fn plan(&self, knobs: &InferKnobs) -> trueness_core::Result<Vec<InferUnit>> {
        let mut units = vec![InferUnit::Loggers];
        units.extend(knobs.methods().into_iter().map(InferUnit::Method));
        if !knobs.model.is_empty() {
            units.push(InferUnit::Model);
        }
        Ok(units)
    }

    fn unit_name(&self, unit: &InferUnit) -> String {
        match unit {
            InferUnit::Loggers => "loggers".to_owned(),
            InferUnit::Method(method) => method.name().to_owned(),
            InferUnit::Model => MODEL.to_owned(),
        }
    }

    fn run_unit(&self, knobs: &InferKnobs, unit: &InferUnit, run: &mut Run<'_>) -> trueness_core::Result<()> {
        let (record, findings) = knobs.record()?;
        match unit {
            InferUnit::Loggers => {
                for finding in &findings {
                    run.warn(finding.to_string());
                }
                let findings = findings
                    .iter()
                    .map(|finding| [finding.subject.clone(), finding.kind.word().to_owned(), finding.what.clone()])
                    .collect();
                let sensors = Sensors {
                    start: record.start,
                    step: record.step,
                    depths: record.depths.clone(),
                    names: record.names.clone(),
                    every: every(&record),
                    values: thinned(&record, &record.values),
                    findings,
                };
                run.keep("sensors", &sensors)?;
            }
            InferUnit::Model => {
                let model = Model::load(&model_folder(knobs)?)?;
                let inferred = Inferred {
                    name: format!("{} (trained)", model.learner().name()),
                    flux: per_day(&model.infer(&record)?),
                    mean: None,
                    flag: String::new(),
                    bed: Vec::new(),
                    residuals: Vec::new(),
                };
                measure(&inferred, run);
                run.keep("series", &vec![inferred])?;
            }
            InferUnit::Method(method) => {
                let found = infer(knobs, *method, &record, run)?;
                for inferred in &found {
                    measure(inferred, run);
                }
                run.keep("series", &found)?;
            }
        }
        Ok(())
    }

    fn report(&self, knobs: &InferKnobs, findings: &Findings, report: Report) -> trueness_core::Result<Report> {
        Ok(report::write(knobs, findings, report)?)
    }
}

/// Of how many values one is kept for figures.
fn every(record: &Record) -> usize {
    record.len().div_ceil(2000).max(1)
}

/// Values by sensor, for figures.
fn thinned(record: &Record, values: &[Vec<f64>]) -> Vec<Vec<Option<f64>>> {
    let known = |value: &f64| value.is_finite().then_some(*value);
    values.iter().map(|values| values.iter().step_by(every(record)).map(known).collect()).collect()
}

/// The folder of the model that is named, or of the one in the run that is.
fn model_folder(knobs: &InferKnobs) -> trueness_core::Result<PathBuf> {
    trueness_core::find_folder(Path::new(&knobs.model), &[MODEL_FILE], "model")
}

fn per_day(series: &FluxSeries) -> Vec<Option<[f64; 3]>> {
    (0..series.len())
        .map(|i| {
            let values = [series.flux[i], series.low[i], series.high[i]].map(|x| x * DAY);
            values.iter().all(|x| x.is_finite()).then_some(values)
        })
        .collect()
}

fn infer(knobs: &InferKnobs, method: Method, record: &Record, run: &mut Run<'_>) -> Result<Vec<Inferred>, Error> {
    let Some(diurnal) = method.diurnal() else {
        let mut bed = tuned(knobs, record, run)?;
        let series = match method {
            Method::Inversion => {
                let found = Inversion::default().fit(record, &bed, run.watch())?;
                bed.medium.conductivity = found.conductivity[0];
                match calibrate::inversion(knobs, record, run)? {
                    Some(calibration) => calibration.applied(&found.series),
                    None => {
                        // As measured in the study of exchange.
                        run.warn(
                            "inversion: its intervals are not widened by simulated sites; at such sites they hold the flux in 76 % of \
                             all times, not in 90 %",
                        );
                        found.series
                    }
                }
            }
            _ => Kalman::default().smooth(record, &bed)?,
        };
        let diffusivity = bed.medium.diffusivity(0.0);
        let odd = !(DIFFUSIVITY[0]..=DIFFUSIVITY[1]).contains(&diffusivity);
        if odd {
            run.warn(format!(
                "{}: a diffusivity of {:.3} m²/d fits best, outside 0.028 to 0.180 m²/d: flow may not be vertical, or depths are wrong",
                method.name(),
                diffusivity * DAY
            ));
        }
        let residuals = match record.depths.len() {
            0..=2 => Vec::new(),
            _ => thinned(record, &residuals(record, &series, bed.medium)?),
        };
        let bed = vec![
            ("conductivity".to_owned(), format!("{:.2} W/m/K", bed.medium.conductivity)),
            ("diffusivity".to_owned(), format!("{:.3} m²/d", diffusivity * DAY)),
            ("noise of a sensor".to_owned(), format!("{:.3} K", bed.noise)),
            ("spread of the flux".to_owned(), format!("{:.3} m/d", bed.flux_sd * DAY)),
            ("memory of the flux".to_owned(), format!("{:.1} h", bed.memory / 3600.0)),
        ];
        let flag = if odd { "diffusivity" } else { "" }.to_owned();
        return Ok(vec![Inferred {
            name: method.name().to_owned(),
            flux: per_day(&series),
            mean: series.mean.map(|of| of.map(|x| x * DAY)),
            flag,
            bed,
            residuals,
        }]);
    };
    let bed = knobs.bed();
    let mut found = Vec::new();
    let sites = calibrate::sites(knobs, record, method, run)?;
    for below in 1..record.depths.len() {
        run.watch().check()?;
        match diurnal.pair(record, [below - 1, below], knobs.window, 3600.0, &bed) {
            Ok(pair) => {
                let name = format!("{} {:.3}-{:.3}m", diurnal.name(), record.depths[below - 1], record.depths[below]);
                let mut known: Vec<f64> = pair.diffusivity.iter().copied().filter(|kappa| kappa.is_finite()).collect();
                known.sort_by(f64::total_cmp);
                let middle = known.get(known.len() / 2).copied();
                let odd = middle.is_some_and(|kappa| !(DIFFUSIVITY[0]..=DIFFUSIVITY[1]).contains(&kappa));
                if let (true, Some(middle)) = (odd, middle) {
                    run.warn(format!(
                        "{name}: a diffusivity of {:.3} m²/d in the middle, outside 0.028 to 0.180 m²/d: flow may not be vertical, or \
                         depths are wrong",
                        middle * DAY
                    ));
                }
                let flag = if odd { "diffusivity" } else { "" }.to_owned();
                let series = match calibrate::pair(knobs, diurnal, [below - 1, below], &sites)? {
                    Some(calibration) => calibration.applied(&pair.series),
                    None if sites.is_empty() => pair.series,
                    None => {
                        run.warn(format!(
                            "{name}: left out, since most simulated sites with such sensors have no answer; --calibration-sites 0 \
                             takes it as it is"
                        ));
                        continue;
                    }
                };
                let bed = middle
                    .map(|kappa| vec![("diffusivity".to_owned(), format!("{:.3} m²/d", kappa * DAY))])
                    .unwrap_or_default();
                found.push(Inferred { name, flux: per_day(&series), mean: None, flag, bed, residuals: Vec::new() });
            }
            Err(Error::NoFlux(why)) => run.warn(why),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The bed as it fits the record best, where that is asked for: once for all methods that need it.
fn tuned(knobs: &InferKnobs, record: &Record, run: &mut Run<'_>) -> Result<Bed, Error> {
    let start = knobs.bed();
    if !knobs.tune {
        return Ok(start);
    }
    let tuned = run.stage("bed", knobs, |stage| -> Result<Bed, Error> {
        Ok(Kalman::default().tune(record, &start, knobs.tune_days, stage.watch())?.bed)
    });
    Ok(tuned?.value)
}

/// The mean flux, how wide intervals are, and how long water came up.
fn measure(inferred: &Inferred, run: &mut Run<'_>) {
    let known: Vec<[f64; 3]> = inferred.flux.iter().flatten().copied().collect();
    let n = known.len() as u64;
    let mean = |part: usize| known.iter().map(|values| values[part]).sum::<f64>() / known.len() as f64;
    let subject = inferred.name.as_str();
    if known.is_empty() {
        run.measure("flux/mean", subject, Estimate::missing("no time has a flux"), "");
        return;
    }
    let (of, how) = match inferred.mean {
        Some(of) => (of, "mean over time, with the covariance of the errors over time"),
        None => (
            [mean(0), mean(1), mean(2)],
            "mean over time; the interval's ends are means of the ends, as if all errors went together",
        ),
    };
    run.measure("flux/mean", subject, Estimate::interval(of[0], of[1], of[2], n, how).unit("m/d"), "");
    let mut widths: Vec<f64> = known.iter().map(|values| (values[2] - values[1]) / 2.0).collect();
    widths.sort_by(f64::total_cmp);
    let width = widths[widths.len() / 2];
    run.measure(
        "flux/half-width",
        subject,
        Estimate::exact(width, "median over time of half an interval").n(n).unit("m/d"),
        "",
    );
    let share =
        |of: &dyn Fn(&[f64; 3]) -> bool| known.iter().filter(|values| of(values)).count() as f64 / known.len() as f64;
    let (surely, maybe) = (share(&|values| values[2] < 0.0), share(&|values| values[1] < 0.0));
    let up = Estimate::interval(
        share(&|values| values[0] < 0.0),
        surely,
        maybe,
        n,
        "share of times; from those whose interval lies below 0 to those whose interval reaches below 0",
    );
    run.measure("flux/upward", subject, up, "");
}
