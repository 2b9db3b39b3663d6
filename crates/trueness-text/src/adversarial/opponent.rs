//! The discriminator as it learns beside a generator: it tells real sentences from generated ones, or ranks them.

use super::critic::Critic;
use super::{DISCRIMINATOR, Scene, rankgan};
use crate::error::Result;
use rand::RngExt;
use std::path::Path;
use trueness_core::{Error, Rng, Seed, Watch};
use trueness_nn::burn::module::Module;
use trueness_nn::burn::tensor::Tensor;
use trueness_nn::kernel::AdamConfig;
use trueness_nn::{Learner, Runner, Sampling, TextCnn, sample};

/// A discriminator under training.
#[derive(Clone)]
pub(super) struct Opponent {
    learner: Learner<TextCnn>,
    critic: Critic,
    /// Whether it ranks sentences, as RankGAN's does.
    ranks: bool,
}

/// A discriminator as it is now, to be asked.
pub(super) struct Judge {
    network: TextCnn,
    critic: Critic,
    /// The features of references and of the sentences that others are ranked among, where it ranks.
    among: Option<[Vec<Tensor<2>>; 2]>,
    others: usize,
}

impl Opponent {
    pub(super) fn new(scene: &Scene<'_>, ranks: bool, seed: Seed) -> Result<Self> {
        let network = scene.knobs.discriminator.config().network(scene.vocabulary).init(scene.device, seed)?;
        Self::of(scene, network, ranks)
    }

    /// With a network of its own.
    pub(super) fn of(scene: &Scene<'_>, network: TextCnn, ranks: bool) -> Result<Self> {
        let knobs = scene.knobs;
        let critic = Critic::new(&knobs.segments, knobs.combine, scene.ends.2, knobs.discriminator.config().l2)?;
        Ok(Self { learner: Learner::new(network, AdamConfig::default().init()), critic, ranks })
    }

    /// The network as it is.
    pub(super) fn network(&self) -> TextCnn {
        self.learner.model().clone()
    }

    /// The discriminator as it is. A ranker draws its references and comparisons from the real sentences.
    pub(super) fn judge(&self, scene: &Scene<'_>, seed: Seed) -> Judge {
        let network = self.learner.model().valid();
        let mut rng = seed.rng();
        let others = scene.knobs.batch;
        let among = self.ranks.then(|| {
            [rankgan::REFERENCES, others]
                .map(|n| self.critic.features(&network, &shifted(&drawn(scene.real, n, &mut rng))))
        });
        Judge { network, critic: self.critic.clone(), among, others }
    }

    /// Learns for some steps, each from a batch of real and one of generated sentences: as many fresh ones of the generator as are
    /// needed for every one to be seen `discriminator_epochs` times. Returns the mean loss, if there was a step.
    pub(super) fn learn<R: Runner>(
        mut self,
        scene: &Scene<'_>,
        generator: &R,
        steps: usize,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<(Self, Option<f64>)> {
        let knobs = scene.knobs;
        if steps == 0 {
            return Ok((self, None));
        }
        let batches = steps.div_ceil(knobs.discriminator_epochs.max(1));
        let fresh =
            sample(generator, batches * knobs.batch, scene.ends, Sampling::default(), seed.child("sentences"), watch)?;
        let fresh = shifted(&fresh.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut rng = seed.child("real").rng();
        let mut total = 0.0;
        for step in 0..steps {
            let real = shifted(&drawn(scene.real, knobs.batch, &mut rng));
            let generated = &fresh[(step % batches) * knobs.batch..][..knobs.batch];
            let network = self.learner.model();
            let loss = if self.ranks {
                let references = shifted(&drawn(scene.real, rankgan::REFERENCES, &mut rng));
                self.critic.rank_loss(network, &real, generated, &references)
            } else {
                self.critic.loss(network, &real, generated, Some(seed.child("dropout").nth(step as u64)))
            };
            total += finite("the discriminator", Learner::<TextCnn>::value(&loss)?)?;
            self.learner = self.learner.step(&loss, knobs.discriminator_learning_rate, Some(knobs.clip))?;
            watch.step(DISCRIMINATOR, step as u64 + 1, steps as u64)?;
        }
        Ok((self, Some(total / steps as f64)))
    }

    pub(super) fn write(&self, folder: &Path) -> trueness_core::Result<()> {
        self.learner.write(folder, DISCRIMINATOR)
    }

    pub(super) fn resume(self, folder: &Path) -> trueness_core::Result<Self> {
        Ok(Self { learner: self.learner.resume(folder, DISCRIMINATOR)?, ..self })
    }
}

impl Judge {
    /// The probability that each sentence is real; of a ranker, its rank score.
    pub(super) fn scores(&self, sentences: &[Vec<u32>], watch: Watch<'_>) -> Result<Vec<f32>> {
        let sentences = shifted(&sentences.iter().map(Vec::as_slice).collect::<Vec<_>>());
        match &self.among {
            None => self.critic.probabilities(&self.network, &sentences, watch),
            Some(among) => self.critic.ranks(&self.network, &sentences, among, watch),
        }
    }

    /// The same on the scale of probabilities: a rank score that chance would give is one half.
    pub(super) fn probabilities(&self, sentences: &[Vec<u32>], watch: Watch<'_>) -> Result<Vec<f32>> {
        let scores = self.scores(sentences, watch)?;
        let odds = |score: f32| score * (self.others as f32 + 1.0);
        Ok(match self.among {
            None => scores,
            Some(_) => scores.into_iter().map(|score| odds(score) / (1.0 + odds(score))).collect(),
        })
    }
}

/// Some sentences, drawn with replacement.
pub(super) fn drawn<'a>(from: &'a [Vec<u32>], n: usize, rng: &mut Rng) -> Vec<&'a [u32]> {
    (0..n).map(|_| from[rng.random_range(0..from.len())].as_slice()).collect()
}

/// Ids from 1 on: 0 is the discriminator's padding.
fn shifted(sentences: &[&[u32]]) -> Vec<Vec<u32>> {
    sentences.iter().map(|sentence| sentence.iter().map(|id| id + 1).collect()).collect()
}

/// A loss that can be learned from.
pub(super) fn finite(whose: &str, loss: f64) -> Result<f64> {
    if loss.is_finite() {
        return Ok(loss);
    }
    Err(Error::Failed(format!("collapse: the loss of {whose} is {loss}; a smaller learning rate may help")).into())
}
