//! The training as a study: it has a run folder, can be resumed, and ends in a report.

use crate::estimator::learned::{Learner, Model, Site, Split, Training};
use crate::logger::{Cleaning, Reading, Record, Sampling, read};
use crate::river::Sites;
use crate::study::score::{measure, scores};
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trueness_core::report::{Report, Table};
use trueness_core::{Estimate, Findings, Run, Seed, Study, StudySource};

/// The files that describe the tool.
pub const TRAIN: StudySource = StudySource {
    manifest: include_str!("../../studies/train/study.toml"),
    readme: include_str!("../../studies/train/README.md"),
};

/// The share of the sites that calibrates intervals.
const CALIBRATION: f64 = 0.3;

/// The training of an estimator on simulated sites.
#[derive(Clone, Copy, Debug, Default)]
pub struct Train;

/// A piece of the training, of which there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainUnit {
    /// All of it.
    Train,
}

/// The knobs of `trueness flux train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TrainKnobs {
    /// Logger files whose depths are taken; the depths that are given, where no file is named.
    #[schemars(extend("x-position" = 1, "x-optional" = true))]
    pub loggers: Vec<String>,
    /// Depths in m below the bed of the sensors, one a sensor of the files; 0 or less is the river itself.
    pub depths: Vec<f64>,
    /// What learns: ridge, forest, boosting, mlp, cnn or lstm.
    pub learner: Learner,
    /// Simulated sites to learn from; three in ten of them calibrate intervals.
    #[schemars(range(min = 20, max = 1_000_000))]
    pub n_sites: usize,
    /// Simulated sites to measure on.
    #[schemars(range(min = 5, max = 1_000_000))]
    pub n_test: usize,
    /// Days of each site.
    #[schemars(range(min = 2.0, max = 366.0))]
    pub days: f64,
    /// Seconds between two values.
    #[schemars(range(min = 60.0, max = 3600.0))]
    pub step: f64,
    /// Standard deviation of a sensor's error in K.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub noise: f64,
    /// Standard deviation of a sensor's error for good in K.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub bias: f64,
    /// Standard deviation of the error of a sensor's depth in m.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub depth_error: f64,
    /// The steps in which values are told in K; 0 for none.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub resolution: f64,
    /// Hours of the window that smooths; 0 for none.
    #[schemars(range(min = 0.0, max = 48.0))]
    pub smoothing: f64,
    /// Use only what was known at the time.
    pub causal: bool,
    /// Where sites are drawn from. Their depths, days, step and sensors' errors are those above.
    pub sites: Sites,
}

impl Default for TrainKnobs {
    fn default() -> Self {
        let sites = Sites::default();
        Self {
            loggers: Vec::new(),
            depths: Vec::new(),
            learner: Learner::Boosting,
            n_sites: 200,
            n_test: 100,
            days: 7.0,
            step: 600.0,
            noise: sites.pattern.sensors.noise,
            bias: 0.0,
            depth_error: 0.0,
            resolution: 0.0,
            smoothing: 4.0,
            causal: false,
            sites,
        }
    }
}

impl TrainKnobs {
    pub(crate) fn check(&self) -> Result<()> {
        match self.loggers.is_empty() && self.depths.len() == 1 {
            true => Err(Error::Input(format!("depths: expected at least 2, got {:?}", self.depths))),
            false => Ok(()),
        }
    }

    /// How the learner is trained.
    pub(crate) fn training(&self) -> Training {
        let mut training = Training::new(self.learner, Split::Held(CALIBRATION));
        training.features.smoothing = self.smoothing * 3600.0;
        training.features.causal = self.causal;
        if self.causal {
            training.features.lags = vec![-3600.0, -1800.0, 0.0];
        }
        training
    }

    /// The sites with the sensors that were asked for.
    pub(crate) fn drawn_from(&self) -> Result<Sites> {
        let mut from = self.sites.clone();
        let pattern = &mut from.pattern;
        (pattern.days, pattern.step) = (self.days, self.step);
        let sensors = &mut pattern.sensors;
        (sensors.noise, sensors.bias, sensors.depth_error) = (self.noise, self.bias, self.depth_error);
        sensors.resolution = self.resolution;
        let depths = match (self.loggers.is_empty(), self.depths.is_empty()) {
            (true, true) => sensors.depths.clone(),
            (true, false) => self.depths.clone(),
            (false, _) => {
                let mut channels = Vec::new();
                for path in &self.loggers {
                    channels.extend(read(Path::new(path), &Reading::default())?.channels);
                }
                let sampling = Sampling { step: Some(self.step), depths: self.depths.clone(), ..Sampling::default() };
                Record::gather(channels, &sampling, &Cleaning::default())?.0.depths
            }
        };
        Ok(from.with_sensors(&depths))
    }
}

/// What is kept for the report.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    depths: Vec<f64>,
    held: f64,
}

fn simulated(from: &Sites, n: usize, seed: Seed) -> Result<Vec<Site>> {
    Ok(from.simulate(n, seed)?.into_iter().map(Site::from).collect())
}

impl Study for Train {
    type Knobs = TrainKnobs;
    type Unit = TrainUnit;

    fn check(&self, knobs: &TrainKnobs) -> trueness_core::Result<()> {
        Ok(knobs.check()?)
    }

    fn inputs(&self, knobs: &TrainKnobs) -> trueness_core::Result<Vec<PathBuf>> {
        Ok(knobs.loggers.iter().map(PathBuf::from).collect())
    }

    fn plan(&self, _knobs: &TrainKnobs) -> trueness_core::Result<Vec<TrainUnit>> {
        Ok(vec![TrainUnit::Train])
    }

    fn unit_name(&self, _unit: &TrainUnit) -> String {
        "train".to_owned()
    }

    fn run_unit(&self, knobs: &TrainKnobs, _unit: &TrainUnit, run: &mut Run<'_>) -> trueness_core::Result<()> {
        let from = knobs.drawn_from()?;
        let mut folder = PathBuf::new();
        // The model lies in the stage's folder, where those who are given the run's folder find it.
        let kept = run.stage("train", knobs, |stage| -> Result<(Kept, PathBuf)> {
            let (seed, watch) = (stage.seed(), stage.watch());
            watch.step("simulated sites", 0, 1)?;
            let sites = simulated(&from, knobs.n_sites, seed.child("train"))?;
            let training = knobs.training();
            let state = stage.dir().join("state");
            let model = training.run(&sites, None, Some(&state), seed.child("fit"), watch)?;
            let folder = stage.dir().join("model");
            model.save(&folder)?;
            Ok((Kept { depths: model.depths().to_vec(), held: model.efficiency() }, PathBuf::from("model")))
        })?;
        folder.push(&kept.dir);
        let (kept, below) = kept.value;
        let model = Model::load(&folder.join(below))?;
        let seed = run.seed();
        let test = simulated(&from, knobs.n_test, seed.child("test"))?;
        let scores = scores(&model, &test)?;
        let method = "on sites that were held out in training";
        run.measure("nse-held", knobs.learner.name(), Estimate::uncertain(kept.held, knobs.n_sites as u64, method), "");
        measure(run, knobs.learner.name(), &scores, "sites", seed.child("bootstrap"));
        run.keep("trained", &kept)?;
        Ok(())
    }

    fn report(&self, knobs: &TrainKnobs, findings: &Findings, report: Report) -> trueness_core::Result<Report> {
        let Some(kept) = findings.first().and_then(|seed| seed.kept::<Kept>("train", "trained")) else {
            return Ok(report);
        };
        let name = knobs.learner.name();
        let found = |measure: &str| findings.measure(measure, name).map(|measure| measure.estimate.clone());
        let mut table = Table::new("On simulated sites that were neither learned from nor calibrated on")
            .words("water goes")
            .numbers("NSE")
            .numbers("RMSE, m/d")
            .numbers("coverage of 90 %")
            .numbers("mean width, m/d");
        for (words, class) in [("either way", ""), ("up", "-up"), ("down", "-down")] {
            let cell = |figure: &str| found(&format!("{figure}{class}")).into();
            table = table.row([words.into(), cell("nse"), cell("rmse"), cell("coverage"), cell("width")]);
        }
        let depths: Vec<String> = kept.depths.iter().map(|depth| format!("{depth:.3} m")).collect();
        Ok(report
            .lead(format!(
                "{name}, trained on {} simulated sites with sensors at {}.",
                knobs.n_sites,
                depths.join(", ")
            ))
            .table(table)
            .key_values([("infer with it", "trueness flux infer LOGGERS --model THIS-RUN")]))
    }
}
