//! Random forests and gradient boosting, by `smartcore` and `forust-ml`.

use super::Rows;
use crate::{Error, Result};
use forust_ml::objective::ObjectiveType;
use forust_ml::sampler::SampleMethod;
use forust_ml::{GradientBooster, Matrix};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;
use trueness_core::{Seed, Watch};

/// Trees of a forest are grown in groups, of which several grow at once.
const GROUP: usize = 5;

/// The settings of a random forest (Breiman 2001).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ForestKnobs {
    /// How many trees, rounded up to groups of five.
    #[schemars(range(min = 1, max = 10_000))]
    pub trees: usize,
    /// The fewest rows of a leaf.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub leaf: usize,
    /// The share of the columns that each split may choose from.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub columns: f64,
}

impl Default for ForestKnobs {
    fn default() -> Self {
        Self { trees: 100, leaf: 5, columns: 1.0 / 3.0 }
    }
}

type Group = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

/// A random forest.
#[derive(Debug, Serialize, Deserialize)]
pub struct Forest {
    groups: Vec<Group>,
}

impl Forest {
    /// Grows a forest.
    ///
    /// # Errors
    /// [`Error::Input`] where the rows do not make a forest, or where `watch` was stopped.
    pub fn fit(rows: &Rows, knobs: &ForestKnobs, seed: Seed, watch: Watch<'_>) -> Result<Self> {
        let x = matrix(&rows.x, rows.len(), rows.columns)?;
        let m = ((knobs.columns * rows.columns as f64).round() as usize).clamp(1, rows.columns);
        let count = knobs.trees.div_ceil(GROUP);
        let groups = (0..count)
            .into_par_iter()
            .map(|i| {
                watch.check()?;
                let settings = RandomForestRegressorParameters::default()
                    .with_n_trees(GROUP)
                    .with_m(m)
                    .with_min_samples_leaf(knobs.leaf)
                    .with_min_samples_split(2 * knobs.leaf)
                    .with_seed(seed.nth(i as u64).to_u53());
                Group::fit(&x, &rows.y, settings).map_err(|error| Error::Input(format!("forest: {error}")))
            })
            .collect::<Result<_>>()?;
        Ok(Self { groups })
    }

    /// The values at some rows.
    ///
    /// # Errors
    /// [`Error::Input`] for rows of other columns.
    pub fn predict(&self, x: &[f64], columns: usize) -> Result<Vec<f64>> {
        let n = x.len() / columns;
        let x = matrix(x, n, columns)?;
        let each: Vec<Vec<f64>> = self
            .groups
            .par_iter()
            .map(|group| group.predict(&x).map_err(|error| Error::Input(format!("forest: {error}"))))
            .collect::<Result<_>>()?;
        Ok((0..n).map(|i| each.iter().map(|values| values[i]).sum::<f64>() / each.len() as f64).collect())
    }
}

fn matrix(x: &[f64], n: usize, columns: usize) -> Result<DenseMatrix<f64>> {
    DenseMatrix::new(n, columns, by_column(x, n, columns), true)
        .map_err(|error| Error::Input(format!("forest: {error}")))
}

/// The settings of gradient boosting (Friedman 2001).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct BoostingKnobs {
    /// How many trees.
    #[schemars(range(min = 1, max = 100_000))]
    pub trees: usize,
    /// How deep each of them is at most.
    #[schemars(range(min = 1, max = 32))]
    pub depth: usize,
    /// The share of its correction that each tree makes.
    #[schemars(range(min = 0.0001, max = 1.0))]
    pub learning_rate: f64,
    /// The share of the rows that each tree sees.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub rows: f64,
    /// The share of the columns that each tree sees.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub columns: f64,
}

impl Default for BoostingKnobs {
    fn default() -> Self {
        Self { trees: 300, depth: 5, learning_rate: 0.05, rows: 0.8, columns: 0.5 }
    }
}

/// Boosted trees.
#[derive(Serialize, Deserialize)]
pub struct Boosting {
    booster: GradientBooster,
}

impl std::fmt::Debug for Boosting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Boosting of {} trees", self.booster.trees.len())
    }
}

impl Boosting {
    /// Boosts squared errors.
    ///
    /// # Errors
    /// [`Error::Input`] where the rows cannot be learned from, or where `watch` was stopped.
    pub fn fit(rows: &Rows, knobs: &BoostingKnobs, seed: Seed, watch: Watch<'_>) -> Result<Self> {
        watch.check()?;
        let by_column = by_column(&rows.x, rows.len(), rows.columns);
        let data = Matrix::new(&by_column, rows.len(), rows.columns);
        let mut booster = GradientBooster::default()
            .set_objective_type(ObjectiveType::SquaredLoss)
            .set_iterations(knobs.trees)
            .set_max_depth(knobs.depth)
            .set_max_leaves(1 << knobs.depth.min(16))
            .set_learning_rate(knobs.learning_rate as f32)
            .set_subsample(knobs.rows as f32)
            .set_colsample_bytree(knobs.columns)
            .set_sample_method(if knobs.rows < 1.0 { SampleMethod::Random } else { SampleMethod::None })
            .set_base_score(rows.y.iter().sum::<f64>() / rows.len().max(1) as f64)
            .set_initialize_base_score(false)
            .set_seed(seed.to_u53());
        booster.fit_unweighted(&data, &rows.y, None).map_err(|error| Error::Input(format!("boosting: {error}")))?;
        Ok(Self { booster })
    }

    /// The values at some rows.
    pub fn predict(&self, x: &[f64], columns: usize) -> Vec<f64> {
        let n = x.len() / columns;
        self.booster.predict(&Matrix::new(&by_column(x, n, columns), n, columns), true)
    }
}

fn by_column(x: &[f64], n: usize, columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|j| (0..n).map(move |i| x[i * columns + j])).collect()
}
