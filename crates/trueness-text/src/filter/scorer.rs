//! A discriminator that scores any sentence: trained, chosen and calibrated, and kept as files.

use crate::corpus::Encoded;
use crate::discriminator::cnn::{self, CnnConfig};
use crate::discriminator::{Classifier, FeatureConfig, Features, Hasher, Labelled, Logistic, Parts, Platt, Protocol};
use crate::error::{Error, Result};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;
use trueness_core::{Seed, Watch};
use trueness_nn::Checkpoints;
use trueness_nn::burn::tensor::Device;

/// The share of the generated sentences that chooses, calibrates and finds the rule; of the real ones it is
/// the protocol's own.
const VALID: f64 = 0.2;

/// The fewest sentences of each side to train on.
pub(super) const FEWEST: usize = 20;

/// What a scorer is, besides its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Shape {
    Ngram { max_order: u32, bits: u32, key: u64 },
    Cnn { config: CnnConfig },
}

/// A trained and calibrated discriminator of real against generated sentences.
#[derive(Clone, Debug)]
pub struct Scorer {
    network: Network,
    platt: Platt,
    /// The accuracy on the validation sentences, real and generated ones counting alike; none where the
    /// scorer was read from a file.
    pub valid_accuracy: Option<f64>,
}

#[derive(Clone, Debug)]
enum Network {
    Ngram { model: Logistic, config: FeatureConfig, hasher: Hasher },
    Cnn { trained: Box<cnn::Trained>, config: CnnConfig },
}

impl Network {
    /// The raw logit of P(real) of every sentence.
    fn logits(&self, sentences: &Encoded) -> Result<Vec<f64>> {
        match self {
            Self::Ngram { model, hasher, .. } => {
                let score = |row: &mut Vec<u32>, i: usize| {
                    hasher.row(sentences.sentence(i), row);
                    f64::from(model.logit(row))
                };
                Ok((0..sentences.len()).into_par_iter().map_init(Vec::new, score).collect())
            }
            Self::Cnn { trained, .. } => Ok(trained.logits(sentences)?.into_iter().map(f64::from).collect()),
        }
    }
}

/// Sentences of both sides; those that calibrated are told apart, since they were not learned from.
pub(super) struct Trained {
    pub(super) scorer: Scorer,
    /// Calibrated logits of the generated validation sentences.
    pub(super) pool: Vec<f64>,
}

impl Scorer {
    /// Trains every kind of classifier that the protocol names on most of the sentences and keeps the one with
    /// the highest accuracy on the others, which calibrate it too.
    ///
    /// # Errors
    /// For fewer than twenty sentences of a side, or a protocol that makes no sense;
    /// [`trueness_core::Error::Interrupted`].
    pub(super) fn train(
        protocol: &Protocol,
        real: &Encoded,
        generated: &Encoded,
        vocabulary: usize,
        checkpoints: Option<&Path>,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Trained> {
        for (what, sentences) in [("real", real), ("generated", generated)] {
            if sentences.len() < FEWEST {
                return Err(Error::Input(format!(
                    "a filter needs at least {FEWEST} {what} sentences to learn from, got {}",
                    sentences.len()
                )));
            }
        }
        // Copies of a real sentence stay on one side; the last part joins the first.
        let Parts { train, valid, test } = Parts::draw_whole(real, seed.child("filter/real"))?;
        let real_rows = [[train, test].concat(), valid];
        let mut rows: Vec<usize> = (0..generated.len()).collect();
        rows.shuffle(&mut seed.child("filter/generated").rng());
        let held = rows.split_off(generated.len() - (generated.len() as f64 * VALID).round().max(1.0) as usize);
        let generated_rows = [rows, held];
        let mut best: Option<Trained> = None;
        for &kind in &protocol.classifiers {
            let networks = match kind {
                Classifier::Ngram => ngrams(protocol, real, generated, [&real_rows, &generated_rows], seed, watch)?,
                Classifier::Cnn => {
                    let device = trueness_nn::device::parse(&protocol.device)?;
                    let side = |i: usize| (real.subset(&real_rows[i]), generated.subset(&generated_rows[i]));
                    let (train, valid) = (side(0), side(1));
                    let (train, valid) = ((&train.0, &train.1), (&valid.0, &valid.1));
                    let checkpoints = match checkpoints {
                        Some(folder) => Some(Checkpoints::new(folder.to_owned(), 1)?),
                        None => None,
                    };
                    let job = cnn::Job {
                        config: &protocol.cnn,
                        train,
                        valid,
                        vocabulary_size: vocabulary,
                        device: &device,
                        checkpoints: checkpoints.as_ref(),
                    };
                    let trained = job.run(seed.child("filter/cnn"), watch)?;
                    vec![Network::Cnn { trained: Box::new(trained), config: protocol.cnn.clone() }]
                }
            };
            for network in networks {
                let found =
                    Self::calibrated(network, &real.subset(&real_rows[1]), &generated.subset(&generated_rows[1]))?;
                if best.as_ref().is_none_or(|best| found.scorer.valid_accuracy > best.scorer.valid_accuracy) {
                    best = Some(found);
                }
            }
        }
        best.ok_or_else(|| Error::Input("the protocol has no classifiers: expected ngram, cnn or both".to_owned()))
    }

    fn calibrated(network: Network, real: &Encoded, generated: &Encoded) -> Result<Trained> {
        let (r, g) = (network.logits(real)?, network.logits(generated)?);
        let fitted = Platt::fit(&r, &g);
        // The ratio of densities is asked for, as of equally many sentences of both sides.
        let platt = Platt { shift: fitted.shift + (g.len() as f64 / r.len().max(1) as f64).ln(), ..fitted };
        let share = |logits: &[f64], real: bool| {
            logits.iter().filter(|&&z| (platt.slope * z + platt.shift > 0.0) == real).count() as f64
                / logits.len().max(1) as f64
        };
        let valid_accuracy = Some((share(&r, true) + share(&g, false)) / 2.0);
        let pool = g.iter().map(|z| platt.slope * z + platt.shift).collect();
        Ok(Trained { scorer: Self { network, platt, valid_accuracy }, pool })
    }

    /// The calibrated logit of P(real) of every sentence, at equal priors.
    ///
    /// # Errors
    /// If a token is not below the vocabulary that the scorer was trained with.
    pub fn logits(&self, sentences: &Encoded) -> Result<Vec<f64>> {
        let Platt { slope, shift } = self.platt;
        Ok(self.network.logits(sentences)?.into_iter().map(|z| slope * z + shift).collect())
    }

    /// Writes the weights to a file; what else there is comes back.
    pub(super) fn save(&self, path: &Path) -> Result<(Shape, Platt)> {
        let shape = match &self.network {
            Network::Ngram { model, config, hasher } => {
                let (weights, bias) = model.parts();
                let bytes: Vec<u8> = weights.iter().chain([&bias]).flat_map(|x| x.to_le_bytes()).collect();
                trueness_core::write_atomically(path, &bytes)?;
                Shape::Ngram { max_order: config.max_order, bits: config.bits, key: hasher.key() }
            }
            Network::Cnn { trained, config } => {
                trained.save(path)?;
                Shape::Cnn { config: config.clone() }
            }
        };
        Ok((shape, self.platt))
    }

    /// Reads what [`Scorer::save`] wrote.
    pub(super) fn load(shape: &Shape, platt: Platt, vocabulary: usize, device: &Device, path: &Path) -> Result<Self> {
        let network = match shape {
            &Shape::Ngram { max_order, bits, key } => {
                if !(1..=6).contains(&max_order) || !(1..=26).contains(&bits) {
                    return Err(Error::Input(format!(
                        "{max_order}-grams in 2^{bits} buckets: expected 1 to 6, and 1 to 26"
                    )));
                }
                let expected = ((1u64 << bits) + 1) * 4;
                let size = std::fs::metadata(path).map_err(trueness_core::Error::io("read", path))?.len();
                if size != expected {
                    return Err(Error::parse(path, format!("expected {expected} bytes of weights, got {size}")));
                }
                let bytes = std::fs::read(path).map_err(trueness_core::Error::io("read", path))?;
                let (numbers, _) = bytes.as_chunks::<4>();
                let mut weights: Vec<f32> = numbers.iter().map(|&b| f32::from_le_bytes(b)).collect();
                if weights.iter().any(|w| !w.is_finite()) {
                    return Err(Error::parse(path, "a weight is not finite"));
                }
                let bias = weights.pop().unwrap_or_default();
                let config = FeatureConfig { max_order, bits };
                Network::Ngram { model: Logistic::of(weights, bias), config, hasher: Hasher::with_key(config, key) }
            }
            Shape::Cnn { config } => Network::Cnn {
                trained: Box::new(cnn::Trained::load(config, vocabulary, device, path)?),
                config: config.clone(),
            },
        };
        Ok(Self { network, platt, valid_accuracy: None })
    }
}

/// One n-gram classifier for every order that the protocol tries.
fn ngrams(
    protocol: &Protocol,
    real: &Encoded,
    generated: &Encoded,
    [real_rows, generated_rows]: [&[Vec<usize>; 2]; 2],
    seed: Seed,
    watch: Watch<'_>,
) -> Result<Vec<Network>> {
    let seed = seed.child("filter/ngram");
    let one = |&max_order: &u32| {
        let config = FeatureConfig { max_order, bits: protocol.ngram.bits };
        let (r, g) = (Features::of(real, config, seed), Features::of(generated, config, seed));
        let part = |i: usize| Labelled {
            real: &r,
            generated: &g,
            real_rows: &real_rows[i],
            generated_rows: &generated_rows[i],
        };
        let model = Logistic::train(&protocol.ngram, part(0), part(1), seed, watch)?;
        Ok(Network::Ngram { model, config, hasher: Hasher::new(config, seed) })
    };
    protocol.ngram.orders.iter().map(one).collect()
}
