//! The protocol: train, choose and calibrate, score what was held out; once for each classifier seed.

use super::calibrate::Platt;
use super::cnn::{self, CnnConfig};
use super::features::{FeatureConfig, Features};
use super::logistic::{Labelled, Logistic, LogisticConfig, softplus};
use crate::corpus::Encoded;
use crate::error::{Error, Result};
use crate::metric::discrepancy::{Discrepancy, Scores};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueness_core::{Seed, Watch};

/// The shares of training and validation sentences; the rest is held out.
const TRAIN: f64 = 0.6;
const VALID: f64 = 0.1;

/// The fewest sentences of each side with which the protocol makes sense: six to train on, one to
/// validate on and three to test on.
pub(super) const FEWEST: usize = 10;

/// A kind of classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Classifier {
    /// Logistic regression on hashed n-grams: seconds.
    Ngram,
    /// The papers' convolutional network: minutes.
    Cnn,
}

/// How sentences are scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Protocol {
    /// The classifiers to try; for each classifier seed the one with the lowest validation loss
    /// scores the held-out sentences.
    pub classifiers: Vec<Classifier>,
    /// How many classifier seeds.
    #[schemars(range(min = 1, max = 100))]
    pub seeds: u32,
    /// The n-gram classifier.
    pub ngram: LogisticConfig,
    /// The convolutional network.
    pub cnn: CnnConfig,
    /// The device that networks train on.
    pub device: String,
}

impl Default for Protocol {
    fn default() -> Self {
        Self {
            classifiers: vec![Classifier::Ngram],
            seeds: 3,
            ngram: LogisticConfig::default(),
            cnn: CnnConfig::default(),
            device: "cpu".to_owned(),
        }
    }
}

/// A division of sentences into what is trained on, what chooses, and what is held out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Rows to train on.
    pub train: Vec<usize>,
    /// Rows that stop training, choose the classifier and calibrate it.
    pub valid: Vec<usize>,
    /// Rows that are scored.
    pub test: Vec<usize>,
}

impl Parts {
    /// A random division of `n` rows, 60 : 10 : 30.
    pub fn draw(n: usize, seed: Seed) -> Self {
        let mut rows: Vec<usize> = (0..n).collect();
        rows.shuffle(&mut seed.rng());
        let train = (n as f64 * TRAIN).round() as usize;
        let valid = ((n as f64 * VALID).round() as usize).max(1);
        let test = rows.split_off((train + valid).min(n));
        let valid = rows.split_off(train.min(rows.len()));
        Self { train: rows, valid, test }
    }
}

/// What the protocol found for one candidate.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The distances.
    pub discrepancy: Discrepancy,
    /// The scores of each classifier seed on the held-out sentences.
    pub scores: Vec<Scores>,
    /// How many sentences of each side were used, held-out ones included.
    pub n: usize,
    /// The kind of classifier that each seed chose.
    pub chosen: Vec<Classifier>,
}

/// Logits on validation and held-out sentences of both sides.
struct Logits {
    kind: Classifier,
    valid_loss: f64,
    valid: [Vec<f64>; 2],
    test: [Vec<f64>; 2],
}

impl Protocol {
    /// Checks what does not depend on the texts, so that a long run does not end in a refusal.
    ///
    /// # Errors
    /// [`Error::Input`] that names what makes no sense.
    pub fn check(&self) -> Result<()> {
        if self.classifiers.is_empty() {
            return Err(Error::Input("the protocol has no classifiers: expected ngram, cnn or both".to_owned()));
        }
        if self.classifiers.contains(&Classifier::Ngram) && self.ngram.rates.is_empty() {
            return Err(Error::Input("the classifier has no learning rates to try: expected at least one".to_owned()));
        }
        if self.classifiers.contains(&Classifier::Cnn) {
            self.cnn.check()?;
        }
        trueness_nn::device::parse(&self.device)?;
        Ok(())
    }

    /// Judges `generated` against `real`, of which the first n = min of both sizes are used. Real
    /// sentences are divided in the same way for every candidate of the same n and seed, so that
    /// candidates can be compared pairwise.
    ///
    /// # Errors
    /// [`Error::Input`] for fewer than ten sentences on a side;
    /// [`trueness_core::Error::Interrupted`] where the watch was cancelled.
    #[allow(clippy::too_many_arguments, reason = "the arguments are independent, and named at every call")]
    pub fn judge(
        &self,
        real: &Encoded,
        generated: &Encoded,
        vocabulary: usize,
        resamples: usize,
        permutations: usize,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Judged> {
        let n = real.len().min(generated.len());
        if n < FEWEST {
            return Err(Error::Input(format!(
                "a classifier needs at least {FEWEST} sentences of each side, got {} real and {} generated",
                real.len(),
                generated.len()
            )));
        }
        if self.classifiers.is_empty() {
            return Err(Error::Input("the protocol has no classifiers: expected ngram, cnn or both".to_owned()));
        }
        let parts = [Parts::draw(n, seed.child("split/real")), Parts::draw(n, seed.child("split/generated"))];
        let judge_one = |k: u32| -> Result<(Scores, Classifier)> {
            let seed = seed.child("classifier").nth(u64::from(k));
            let mut best: Option<Logits> = None;
            for &kind in &self.classifiers {
                let found = match kind {
                    Classifier::Ngram => self.ngram_logits(real, generated, &parts, seed, watch)?,
                    Classifier::Cnn => self.cnn_logits(real, generated, &parts, vocabulary, seed, watch)?,
                };
                if best.as_ref().is_none_or(|best| found.valid_loss < best.valid_loss) {
                    best = Some(found);
                }
            }
            let best = best.ok_or_else(|| Error::Input("the protocol has no classifiers".to_owned()))?;
            let platt = Platt::fit(&best.valid[0], &best.valid[1]);
            let scored = |logits: &[f64]| logits.iter().map(|&x| platt.probability(x)).collect::<Vec<f64>>();
            Ok((Scores { real: scored(&best.test[0]), generated: scored(&best.test[1]) }, best.kind))
        };
        let judged: Vec<(Scores, Classifier)> =
            (0..self.seeds.max(1)).into_par_iter().map(judge_one).collect::<Result<_>>()?;
        let (scores, chosen): (Vec<Scores>, Vec<Classifier>) = judged.into_iter().unzip();
        let discrepancy = Discrepancy::measure(&scores, resamples, permutations, seed)
            .ok_or_else(|| Error::Input(format!("no held-out sentences are left of {n}")))?;
        Ok(Judged { discrepancy, scores, n, chosen })
    }

    fn ngram_logits(
        &self,
        real: &Encoded,
        generated: &Encoded,
        parts: &[Parts; 2],
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Logits> {
        let n = parts[0].train.len() + parts[0].valid.len() + parts[0].test.len();
        let (real, generated) = (real.first(n), generated.first(n));
        let mut best: Option<Logits> = None;
        for &max_order in &self.ngram.orders {
            if !(1..=6).contains(&max_order) {
                return Err(Error::Input(format!("ngram.orders: expected n-grams of 1 to 6 tokens, got {max_order}")));
            }
            let config = FeatureConfig { max_order, bits: self.ngram.bits };
            let (r, g) = (Features::of(&real, config, seed), Features::of(&generated, config, seed));
            let part = |rows: fn(&Parts) -> &Vec<usize>| Labelled {
                real: &r,
                generated: &g,
                real_rows: rows(&parts[0]),
                generated_rows: rows(&parts[1]),
            };
            let model = Logistic::train(&self.ngram, part(|p| &p.train), part(|p| &p.valid), seed, watch)?;
            if best.as_ref().is_none_or(|best| model.valid_loss < best.valid_loss) {
                let logits = |rows: fn(&Parts) -> &Vec<usize>| {
                    [model.logits(&r, rows(&parts[0])), model.logits(&g, rows(&parts[1]))]
                };
                let (valid, test) = (logits(|p| &p.valid), logits(|p| &p.test));
                best = Some(Logits { kind: Classifier::Ngram, valid_loss: model.valid_loss, valid, test });
            }
        }
        best.ok_or_else(|| Error::Input("ngram.orders is empty: expected at least one".to_owned()))
    }

    fn cnn_logits(
        &self,
        real: &Encoded,
        generated: &Encoded,
        parts: &[Parts; 2],
        vocabulary: usize,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Logits> {
        let part = |rows: fn(&Parts) -> &Vec<usize>| (real.subset(rows(&parts[0])), generated.subset(rows(&parts[1])));
        let (train, valid, test) = (part(|p| &p.train), part(|p| &p.valid), part(|p| &p.test));
        let device = trueness_nn::device::parse(&self.device)?;
        let (train, valid_sides) = ((&train.0, &train.1), (&valid.0, &valid.1));
        let trained = cnn::train(&self.cnn, train, valid_sides, vocabulary, &device, seed.child("cnn"), watch)?;
        let score =
            |side: &Encoded| -> Result<Vec<f64>> { Ok(trained.logits(side)?.into_iter().map(f64::from).collect()) };
        let valid = [score(&valid.0)?, score(&valid.1)?];
        let losses = valid[0].iter().map(|x| softplus(-x)).chain(valid[1].iter().map(|&x| softplus(x)));
        let valid_loss = losses.sum::<f64>() / (valid[0].len() + valid[1].len()).max(1) as f64;
        Ok(Logits { kind: Classifier::Cnn, valid_loss, valid, test: [score(&test.0)?, score(&test.1)?] })
    }

    /// The classifier's part of a signature.
    pub fn signature(&self) -> String {
        let names: Vec<String> = self
            .classifiers
            .iter()
            .map(|kind| match kind {
                Classifier::Ngram => {
                    let orders: Vec<String> = self.ngram.orders.iter().map(u32::to_string).collect();
                    format!("hashed-{}gram-2^{}", orders.join("/"), self.ngram.bits)
                }
                Classifier::Cnn => self.cnn.signature(),
            })
            .collect();
        format!("classifier:{}|classifier-seeds:{}|split:60/10/30", names.join("+"), self.seeds)
    }
}
