//! Generators that learn by policy gradients: SeqGAN, MaliGAN and RankGAN differ in what a decision is worth.

use super::knobs::Method;
use super::opponent::{Opponent, finite};
use super::policy::{self, Reward};
use super::{Adversary, GENERATOR, Losses, Scene, maligan, seqgan};
use crate::error::Result;
use crate::generator::Network;
use std::path::Path;
use trueness_core::{Seed, Watch};
use trueness_nn::kernel::AdamConfig;
use trueness_nn::{Learner, NextToken, Sampling, sample, weights};

/// Which parameters of the rolling policy are always those of the generator, as in SeqGAN's code: those of an LSTM's embedding. A
/// transformer has none of this name, so that all of its parameters follow from afar.
const SHARED: &str = "embedding";

/// The file of the rolling policy's weights in a checkpoint.
const ROLLING: &str = "rolling.safetensors";

/// A generator under training by policy gradients, with its opponent.
#[derive(Clone)]
pub(super) struct Reinforce<M> {
    generator: Learner<M>,
    /// The policy that completes sentences: it follows the generator from afar.
    rolling: M,
    opponent: Opponent,
}

impl<M: NextToken> Reinforce<M> {
    pub(super) fn new(scene: &Scene<'_>, model: M, seed: Seed) -> Result<Self> {
        let opponent = Opponent::new(scene, scene.knobs.method == Method::Rankgan, seed.child("discriminator"))?;
        Ok(Self { rolling: model.valid(), generator: Learner::new(model, AdamConfig::default().init()), opponent })
    }

    /// What every decision of some sentences is worth.
    fn values(&self, scene: &Scene<'_>, sentences: &[Vec<u32>], seed: Seed, watch: Watch<'_>) -> Result<Vec<Vec<f32>>> {
        let knobs = scene.knobs;
        if !knobs.reward.asks() {
            return Ok(policy::control(knobs.reward, sentences, scene.ends, seed.child("control")));
        }
        let judge = self.opponent.judge(scene, seed.child("judge"));
        if knobs.method == Method::Maligan {
            return maligan::values(&judge, sentences, scene.ends, watch);
        }
        let (rolling, seed) = (self.rolling.runner()?, seed.child("roll-outs"));
        seqgan::values(&judge, &rolling, sentences, knobs.rollouts, scene.ends, seed, watch)
    }
}

impl<M: NextToken + Into<Network>> Adversary for Reinforce<M> {
    fn prepare(self, scene: &Scene<'_>, seed: Seed, watch: Watch<'_>) -> Result<Self> {
        let runner = self.generator.model().valid().runner()?;
        let (opponent, _) = self.opponent.learn(scene, &runner, scene.knobs.discriminator_pre_steps, seed, watch)?;
        Ok(Self { opponent, ..self })
    }

    fn round(mut self, scene: &Scene<'_>, _round: u64, seed: Seed, watch: Watch<'_>) -> Result<(Self, Losses)> {
        let knobs = scene.knobs;
        let mut total = 0.0;
        for step in 0..knobs.generator_steps {
            let seed = seed.child("generator").nth(step as u64);
            let runner = self.generator.model().valid().runner()?;
            let sentences =
                sample(&runner, knobs.batch, scene.ends, Sampling::default(), seed.child("sentences"), watch)?;
            let values = self.values(scene, &sentences, seed, watch)?;
            let loss = policy::loss(self.generator.model(), &sentences, &values, scene.ends);
            total += finite("the generator", Learner::<M>::value(&loss)?)? / knobs.batch as f64;
            self.generator = self.generator.step(&loss, knobs.generator_rate(), Some(knobs.clip))?;
        }
        let mut losses = Losses::mean(total, knobs.generator_steps);
        let now = self.generator.model().valid();
        self.rolling = weights::blend(self.rolling, &now, knobs.rolling, SHARED)?;
        if knobs.reward == Reward::Discriminator {
            let (runner, seed) = (now.runner()?, seed.child("discriminator"));
            let (opponent, loss) = self.opponent.learn(scene, &runner, knobs.steps(), seed, watch)?;
            (self.opponent, losses.discriminator) = (opponent, loss);
        }
        Ok((self, losses))
    }

    fn network(&self) -> Network {
        self.generator.model().valid().into()
    }

    fn probabilities(
        &self,
        scene: &Scene<'_>,
        sentences: &[Vec<u32>],
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Vec<f32>> {
        self.opponent.judge(scene, seed).probabilities(sentences, watch)
    }

    fn write(&self, folder: &Path) -> trueness_core::Result<()> {
        self.generator.write(folder, GENERATOR)?;
        self.opponent.write(folder)?;
        weights::save(&self.rolling, &folder.join(ROLLING))
    }

    fn resume(self, folder: &Path) -> trueness_core::Result<Self> {
        Ok(Self {
            generator: self.generator.resume(folder, GENERATOR)?,
            opponent: self.opponent.resume(folder)?,
            rolling: weights::load(self.rolling, &folder.join(ROLLING))?,
        })
    }
}
