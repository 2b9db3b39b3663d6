//! What can be asked of the study.

use crate::estimator::learned::{BoostingKnobs, ForestKnobs, Learner, NetworkKnobs};
use crate::river::Sites;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The knobs of the study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ExchangeKnobs {
    /// Simulated sites to learn from, a part of which calibrates intervals.
    #[schemars(range(min = 20, max = 1_000_000))]
    pub train_sites: usize,
    /// The share of them that calibrates.
    #[schemars(range(min = 0.1, max = 0.9))]
    pub calibration: f64,
    /// Simulated sites to measure on.
    #[schemars(range(min = 5, max = 1_000_000))]
    pub test_sites: usize,
    /// Days of each site.
    #[schemars(range(min = 2.0, max = 366.0))]
    pub days: f64,
    /// Seconds between two values.
    #[schemars(range(min = 60.0, max = 3600.0))]
    pub step: f64,
    /// Standard deviations of the sensors' errors in K.
    pub noise: Vec<f64>,
    /// Hours of the window that smooths; 0 for none.
    pub smoothing: Vec<f64>,
    /// What learns.
    pub learners: Vec<Learner>,
    /// Infer by the Kalman smoother, the inversion and the closed forms, too, at the error that sensors are ranked at.
    pub physics: bool,
    /// Simulated sites that calibrate the intervals of the closed forms.
    #[schemars(range(min = 20, max = 1_000_000))]
    pub wave_sites: usize,
    /// The error in K and the smoothing in h at which sensors are ranked and claims are tested.
    pub ranked_at: [f64; 2],
    /// Sites to rank sensors on.
    #[schemars(range(min = 5, max = 1_000_000))]
    pub rank_sites: usize,
    /// Where sites are drawn from.
    pub sites: Sites,
    /// Settings of forests.
    pub forest: ForestKnobs,
    /// Settings of boosting.
    pub boosting: BoostingKnobs,
    /// Settings of networks.
    pub network: NetworkKnobs,
    /// A file of temperatures whose flux is known from heads; not looked at where nothing is named.
    pub temperatures: String,
    /// The heads at the top and at the bottom of its column, in m at the same times.
    pub heads: String,
    /// The columns of that file that hold them.
    pub head_columns: [String; 2],
    /// The depths in m of its temperatures.
    pub depths: Vec<f64>,
    /// Permeability in m² of its column.
    pub permeability: f64,
    /// The length in m of its column.
    pub length: f64,
    /// Standard deviation in K of the errors that are added to its temperatures.
    pub record_noise: f64,
}

impl Default for ExchangeKnobs {
    fn default() -> Self {
        Self {
            train_sites: 120,
            calibration: 0.3,
            test_sites: 135,
            days: 5.0,
            step: 600.0,
            noise: vec![0.0, 0.01, 0.05],
            smoothing: vec![0.0, 4.0],
            learners: Learner::ALL.to_vec(),
            physics: true,
            wave_sites: 400,
            ranked_at: [0.05, 4.0],
            rank_sites: 60,
            sites: Sites::default(),
            forest: ForestKnobs { trees: 50, ..ForestKnobs::default() },
            boosting: BoostingKnobs::default(),
            network: NetworkKnobs { epochs: 20, patience: Some(5), ..NetworkKnobs::default() },
            temperatures: String::new(),
            heads: String::new(),
            head_columns: ["head_top(m)".to_owned(), "head_bottom(m)".to_owned()],
            depths: vec![0.01, 0.045, 0.145, 0.245, 0.65],
            permeability: 3.86e-11,
            length: 0.65,
            record_noise: 0.05,
        }
    }
}

impl ExchangeKnobs {
    pub(super) fn check(&self) -> Result<()> {
        if self.noise.is_empty() || self.noise.iter().any(|noise| !(0.0..=5.0).contains(noise)) {
            return Err(Error::Input(format!("noise: expected errors of 0 to 5 K, got {:?}", self.noise)));
        }
        if self.smoothing.is_empty() || self.smoothing.iter().any(|hours| !(0.0..=48.0).contains(hours)) {
            return Err(Error::Input(format!("smoothing: expected windows of 0 to 48 h, got {:?}", self.smoothing)));
        }
        if self.temperatures.is_empty() != self.heads.is_empty() {
            return Err(Error::Input("temperatures and heads: expected both files or neither".to_owned()));
        }
        if !(self.permeability > 0.0 && self.permeability < 1e-6 && self.length > 0.0 && self.length < 100.0) {
            return Err(Error::Input(format!(
                "permeability and length: expected values above 0, below 1e-6 m² and 100 m, got {} and {}",
                self.permeability, self.length
            )));
        }
        Ok(())
    }
}
