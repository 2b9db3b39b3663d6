//! Logistic regression on hashed n-grams, trained by AdaGrad and stopped by validation.

use super::features::Features;
use crate::error::Result;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueness_core::{Seed, Watch};

/// How the n-gram classifier is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogisticConfig {
    /// The longest n-grams to try as features, each from 1 to 6; validation chooses.
    pub orders: Vec<u32>,
    /// The binary logarithm of the number of buckets that n-grams are hashed into.
    #[schemars(range(min = 8, max = 26))]
    pub bits: u32,
    /// The learning rates to try; validation chooses.
    pub rates: Vec<f64>,
    /// At most so many passes over the training sentences.
    #[schemars(range(min = 1, max = 1000))]
    pub epochs: u32,
    /// Stop after so many passes without a lower validation loss.
    #[schemars(range(min = 1, max = 1000))]
    pub patience: u32,
}

impl Default for LogisticConfig {
    fn default() -> Self {
        Self { orders: vec![1, 3], bits: 18, rates: vec![0.1, 0.4], epochs: 30, patience: 2 }
    }
}

/// A trained linear classifier: P(real | x) = σ(b + Σ w / √k).
#[derive(Clone, Debug)]
pub struct Logistic {
    weights: Vec<f32>,
    bias: f32,
    /// The mean logistic loss on the validation sentences, in nats.
    pub valid_loss: f64,
    /// The learning rate that validation chose.
    pub rate: f32,
    /// The passes after which validation was best.
    pub epochs: u32,
}

/// Rows of features and their labels: `true` for real.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    /// Features of the real sentences.
    pub real: &'a Features,
    /// Features of the generated ones.
    pub generated: &'a Features,
    /// The rows of `real` that belong to this part.
    pub real_rows: &'a [usize],
    /// The rows of `generated` that belong to this part.
    pub generated_rows: &'a [usize],
}

impl Labelled<'_> {
    fn n(&self) -> usize {
        self.real_rows.len() + self.generated_rows.len()
    }

    fn row(&self, i: usize) -> (&[u32], bool) {
        match i.checked_sub(self.real_rows.len()) {
            None => (self.real.row(self.real_rows[i]), true),
            Some(j) => (self.generated.row(self.generated_rows[j]), false),
        }
    }
}

impl Logistic {
    /// Trains with every learning rate and keeps the model with the lowest validation loss.
    ///
    /// # Errors
    /// [`trueness_core::Error::Interrupted`] where the watch was cancelled.
    pub fn train(
        config: &LogisticConfig,
        train: Labelled<'_>,
        valid: Labelled<'_>,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let mut best: Option<Self> = None;
        for &rate in &config.rates {
            let model = Self::train_at(config, rate as f32, train, valid, seed, watch)?;
            if best.as_ref().is_none_or(|best| model.valid_loss < best.valid_loss) {
                best = Some(model);
            }
        }
        best.ok_or_else(|| {
            crate::Error::Input("the classifier has no learning rates to try: expected at least one".to_owned())
        })
    }

    fn train_at(
        config: &LogisticConfig,
        rate: f32,
        train: Labelled<'_>,
        valid: Labelled<'_>,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let size = 1usize << config.bits;
        let mut model = Self { weights: vec![0.0; size], bias: 0.0, valid_loss: f64::INFINITY, rate, epochs: 0 };
        let mut best = model.clone();
        // AdaGrad (Duchi, Hazan & Singer 2011): each weight's step shrinks with its own gradients, so
        // that rare n-grams still move. The sums start above 0 so that the first step is bounded.
        let mut sums = vec![1e-3f32; size];
        let mut bias_sum = 1e-3f32;
        let mut order: Vec<u32> = (0..train.n() as u32).collect();
        for epoch in 1..=config.epochs {
            watch.check()?;
            order.shuffle(&mut seed.child("logistic/order").nth(u64::from(epoch)).rng());
            for &i in &order {
                let (row, real) = train.row(i as usize);
                let scale = 1.0 / (row.len().max(1) as f32).sqrt();
                let logit = model.logit(row);
                let gradient = 1.0 / (1.0 + (-logit).exp()) - f32::from(u8::from(real));
                bias_sum += gradient * gradient;
                model.bias -= rate * gradient / bias_sum.sqrt();
                let gradient = gradient * scale;
                let square = gradient * gradient;
                let step = rate * gradient;
                for &bucket in row {
                    let sum = &mut sums[bucket as usize];
                    *sum += square;
                    model.weights[bucket as usize] -= step / sum.sqrt();
                }
            }
            model.valid_loss = model.loss(valid);
            model.epochs = epoch;
            if model.valid_loss < best.valid_loss {
                best.clone_from(&model);
            } else if epoch >= best.epochs + config.patience {
                break;
            }
        }
        Ok(best)
    }

    /// A classifier of given weights, one for each bucket, and bias.
    pub(crate) fn of(weights: Vec<f32>, bias: f32) -> Self {
        Self { weights, bias, valid_loss: f64::NAN, rate: 0.0, epochs: 0 }
    }

    /// The weights, one for each bucket, and the bias.
    pub(crate) fn parts(&self) -> (&[f32], f32) {
        (&self.weights, self.bias)
    }

    /// The logit of P(real) of one sentence's features.
    pub fn logit(&self, row: &[u32]) -> f32 {
        let scale = 1.0 / (row.len().max(1) as f32).sqrt();
        self.bias + scale * row.iter().map(|&bucket| self.weights[bucket as usize]).sum::<f32>()
    }

    /// The logits of the given rows.
    pub fn logits(&self, features: &Features, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|&i| f64::from(self.logit(features.row(i)))).collect()
    }

    /// The weight of a bucket: positive speaks for real.
    pub fn weight(&self, bucket: u32) -> f32 {
        self.weights[bucket as usize]
    }

    fn loss(&self, part: Labelled<'_>) -> f64 {
        let total: f64 = (0..part.n())
            .map(|i| {
                let (row, real) = part.row(i);
                let logit = f64::from(self.logit(row));
                softplus(if real { -logit } else { logit })
            })
            .sum();
        total / part.n().max(1) as f64
    }
}

/// log(1 + eˣ) without overflow.
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
