//! What can be asked of a language GAN.

use super::policy::Reward;
use super::segments::{Combine, Segments};
use crate::error::{Error, Result};
use crate::generator::DiscriminatorSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Held-out sentences that a look needs at least.
const FEWEST_VALID: usize = 20;

/// Which method trains a generator against a discriminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// A policy gradient by Monte Carlo roll-outs (Yu et al. 2017).
    Seqgan,
    /// Sentences weighted by the discriminator's odds (Che et al. 2017).
    Maligan,
    /// A policy gradient by the ranks of sentences (Lin et al. 2017).
    Rankgan,
    /// A relational memory that learns through softened samples (Nie, Narodytska and Patel 2019).
    Relgan,
    /// A manager that points where the discriminator's features should go, and a worker that goes there (Guo et al. 2018).
    Leakgan,
}

impl Method {
    /// The method's name as its authors write it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Seqgan => "SeqGAN",
            Self::Maligan => "MaliGAN",
            Self::Rankgan => "RankGAN",
            Self::Relgan => "RelGAN",
            Self::Leakgan => "LeakGAN",
        }
    }

    /// The method's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seqgan => "seqgan",
            Self::Maligan => "maligan",
            Self::Rankgan => "rankgan",
            Self::Relgan => "relgan",
            Self::Leakgan => "leakgan",
        }
    }
}

/// The knobs of adversarial training. A round is some steps of the generator, then some of the discriminator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct AdversarialKnobs {
    /// The method.
    pub method: Method,
    /// Rounds.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub rounds: usize,
    /// Steps of the generator in a round.
    #[schemars(range(min = 1, max = 100_000))]
    pub generator_steps: usize,
    /// Steps of the discriminator in a round; 0: 45, as in Texygen's and SegGAN's code on real text, or 5 in RelGAN.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub discriminator_steps: usize,
    /// Steps of the discriminator before the first round.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub discriminator_pre_steps: usize,
    /// How often the discriminator sees a generated sentence before new ones are drawn.
    #[schemars(range(min = 1, max = 1000))]
    pub discriminator_epochs: usize,
    /// Sentences in a batch, of each side.
    #[schemars(range(min = 2, max = 100_000))]
    pub batch: usize,
    /// Completions of each prefix by which SeqGAN, RankGAN and LeakGAN value it; 0: it is worth what its sentence is.
    #[schemars(range(min = 0, max = 10_000))]
    pub rollouts: usize,
    /// How much the policy that completes sentences keeps of itself in a round; the rest comes from the generator.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub rolling: f64,
    /// What rewards the generator: discriminator, or the controls frozen, constant and random.
    pub reward: Reward,
    /// What the discriminator looks at: whole, prefixes:10,20, windows:LENGTH,STRIDE or disjoint:LENGTH.
    #[schemars(with = "String")]
    pub segments: Segments,
    /// How its answers on segments become one.
    pub combine: Combine,
    /// The discriminator's sizes: small, dd or seqgan.
    pub discriminator: DiscriminatorSize,
    /// LeakGAN: after how many rounds the generator learns by maximum likelihood again, as it does before the first one.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub interleave: usize,
    /// LeakGAN: for how many steps it does.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub interleave_steps: usize,
    /// Adam's step size for the generator; 0: that of the method's authors, .01, or .0001 in RelGAN and .0015 in LeakGAN.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub learning_rate: f64,
    /// Adam's step size for the discriminator.
    #[schemars(range(min = 1e-9, max = 10.0))]
    pub discriminator_learning_rate: f64,
    /// The largest joint norm of all gradients.
    #[schemars(range(min = 1e-6, max = 1e6))]
    pub clip: f64,
    /// RelGAN's largest β, by which logits with noise are multiplied: from 1 on, it grows by equal factors.
    #[schemars(range(min = 1.0, max = 1e6))]
    pub beta: f64,
    /// In how many rounds β grows to its largest; 0: in all.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub beta_rounds: usize,
    /// Rounds between two looks at the generator.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub watch_every: usize,
    /// Samples that each look is at.
    #[schemars(range(min = 20, max = 1_000_000))]
    pub watch_samples: usize,
}

impl Default for AdversarialKnobs {
    fn default() -> Self {
        Self {
            method: Method::Seqgan,
            rounds: 50,
            generator_steps: 1,
            discriminator_steps: 0,
            discriminator_pre_steps: 300,
            discriminator_epochs: 3,
            batch: 64,
            rollouts: 16,
            rolling: 0.8,
            reward: Reward::Discriminator,
            segments: Segments::Whole,
            combine: Combine::MeanLogit,
            discriminator: DiscriminatorSize::Small,
            interleave: 10,
            interleave_steps: 150,
            learning_rate: 0.0,
            discriminator_learning_rate: 1e-4,
            clip: 5.0,
            beta: 100.0,
            beta_rounds: 0,
            watch_every: 10,
            watch_samples: 1000,
        }
    }
}

impl AdversarialKnobs {
    /// Checks what does not depend on the text.
    ///
    /// # Errors
    /// [`Error::Input`] that names the knob.
    pub fn check(&self) -> Result<()> {
        for (name, value) in [
            ("rounds", self.rounds),
            ("generator-steps", self.generator_steps),
            ("discriminator-epochs", self.discriminator_epochs),
            ("interleave", self.interleave),
            ("watch-every", self.watch_every),
        ] {
            if value == 0 {
                return Err(Error::Input(format!("{name}: expected at least 1, got 0")));
            }
        }
        if self.batch < 2 || self.watch_samples < 20 {
            return Err(Error::Input(format!(
                "expected a batch of at least 2 and watch-samples of at least 20, got {} and {}",
                self.batch, self.watch_samples
            )));
        }
        if !(0.0..=1.0).contains(&self.rolling) {
            return Err(Error::Input(format!("rolling: expected a share of 0 to 1, got {}", self.rolling)));
        }
        if self.method == Method::Relgan && !self.reward.asks() {
            return Err(Error::Input(
                "relgan learns by gradients and has no rewards: expected reward discriminator or frozen".to_owned(),
            ));
        }
        if !(self.beta.is_finite() && self.beta >= 1.0) {
            return Err(Error::Input(format!("beta: expected a number of at least 1, got {}", self.beta)));
        }
        for (name, value) in [
            ("learning-rate", self.generator_rate()),
            ("discriminator-learning-rate", self.discriminator_learning_rate),
            ("clip", self.clip),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::Input(format!("{name}: expected a number above 0, got {value}")));
            }
        }
        Ok(())
    }

    /// Checks what depends on the text, before anything is trained: `longest` tokens in a sentence, so many sentences to learn from and
    /// to measure by.
    ///
    /// # Errors
    /// [`Error::Input`] for a segment that is longer, or fewer sentences than a batch or a look needs.
    pub fn check_text(&self, longest: usize, train: usize, valid: usize) -> Result<()> {
        for (what, n, least) in [("training", train, self.batch), ("validation", valid, FEWEST_VALID)] {
            if n < least {
                return Err(Error::Input(format!(
                    "expected at least {least} {what} sentences to train against a discriminator, got {n}; a share of all \
                     sentences is held out for validation"
                )));
            }
        }
        self.segments.ranges(longest).map(drop)
    }

    /// Steps of the discriminator in a round.
    pub(super) fn steps(&self) -> usize {
        match (self.discriminator_steps, self.method) {
            (0, Method::Relgan) => 5,
            (0, _) => 45,
            (steps, _) => steps,
        }
    }

    /// Adam's step size for the generator.
    pub(super) fn generator_rate(&self) -> f64 {
        match self.method {
            _ if self.learning_rate != 0.0 => self.learning_rate,
            Method::Relgan => 1e-4,
            Method::Leakgan => 1.5e-3,
            Method::Seqgan | Method::Maligan | Method::Rankgan => 1e-2,
        }
    }

    /// In a few words, for signatures.
    pub fn signature(&self) -> String {
        let Self { method, rounds, generator_steps, discriminator_pre_steps, .. } = self;
        let discriminator_steps = self.steps();
        format!(
            "{}|rounds:{rounds}|steps:{generator_steps}+{discriminator_steps}x{}|pre:{discriminator_pre_steps}|batch:{}|rollouts:{}|\
             rolling:{}|reward:{:?}|segments:{}|{:?}|{:?}|adam:{}+{}|clip:{}|\
             beta:{}/{}|interleave:{}x{}",
            method.name(),
            self.discriminator_epochs,
            self.batch,
            self.rollouts,
            self.rolling,
            self.reward,
            self.segments,
            self.combine,
            self.discriminator,
            self.generator_rate(),
            self.discriminator_learning_rate,
            self.clip,
            self.beta,
            self.beta_rounds,
            self.interleave,
            self.interleave_steps
        )
    }
}
