//! What can be asked of a training.

use crate::adversarial::{AdversarialKnobs, Combine, Method, Reward, Segments};
use crate::generator::{Beginning, DiscriminatorSize, Kind, NetworkKnobs, TrainingKnobs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueness_nn::Schedule;

/// What is trained, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// An LSTM, by maximum likelihood.
    #[default]
    Lstm,
    /// A transformer of GPT-2's type, by maximum likelihood.
    Gpt2,
    /// An LSTM that goes on by SeqGAN.
    Seqgan,
    /// An LSTM that goes on by MaliGAN.
    Maligan,
    /// An LSTM that goes on by RankGAN.
    Rankgan,
    /// A relational memory, by maximum likelihood.
    Relational,
    /// A relational memory that goes on by RelGAN.
    Relgan,
    /// A manager and a worker, who see the features of a discriminator that has not learned, by maximum likelihood.
    Hierarchical,
    /// A manager and a worker that go on by LeakGAN.
    Leakgan,
}

impl Model {
    /// The network.
    fn kind(self) -> Kind {
        match self {
            Self::Gpt2 => Kind::Gpt2,
            Self::Relational | Self::Relgan => Kind::Relational,
            Self::Hierarchical | Self::Leakgan => Kind::Hierarchical,
            Self::Lstm | Self::Seqgan | Self::Maligan | Self::Rankgan => Kind::Lstm,
        }
    }

    /// How it goes on after maximum likelihood, if it does.
    fn method(self) -> Option<Method> {
        match self {
            Self::Lstm | Self::Gpt2 | Self::Relational | Self::Hierarchical => None,
            Self::Seqgan => Some(Method::Seqgan),
            Self::Maligan => Some(Method::Maligan),
            Self::Rankgan => Some(Method::Rankgan),
            Self::Relgan => Some(Method::Relgan),
            Self::Leakgan => Some(Method::Leakgan),
        }
    }
}

/// The knobs of `trueness text train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TrainKnobs {
    /// Sentences to learn from: one a line, UTF-8, plain or gzip.
    #[schemars(extend("x-position" = 1, "x-instead" = "oracle"))]
    pub corpus: String,
    /// The network: lstm, gpt2, relational or hierarchical; or the method by which it goes on against a discriminator: seqgan, maligan,
    /// rankgan (an LSTM), relgan (a relational memory) or leakgan (a hierarchy).
    pub model: Model,
    /// Learn from samples of an oracle, whose density is known, instead of a corpus: seqgan (a new LSTM with normal weights), an oracle.safetensors, or a model folder.
    pub oracle: String,
    /// How many sentences to draw from the oracle to learn from.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub oracle_n: usize,
    /// How many samples the generator is measured on after each pass, and at the end.
    #[schemars(range(min = 2, max = 10_000_000))]
    pub oracle_samples: usize,
    /// Sentences that choose the pass, in a file of their own; a share of the corpus where none is named.
    pub valid: String,
    /// The share of the corpus, or of the oracle's sentences, that is held out to choose the pass.
    #[schemars(range(min = 0.001, max = 0.5))]
    pub valid_share: f64,
    /// How sentences are cut: whitespace, words, characters, or the path of a tokenizer.json.
    pub tokenizer: String,
    /// Words that stand in the corpus less often than this are not known to the model.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_count: usize,
    /// Tokens of the longest sentence that is learned and made; longer ones are left out. 0: as the longest of those that are not
    /// held out.
    #[schemars(range(min = 0, max = 65_536))]
    pub length: usize,
    /// The size of each layer: the LSTM's states, or the transformer's vectors.
    #[schemars(range(min = 1, max = 65_536))]
    pub hidden: usize,
    /// The size of a token's vector in the LSTM.
    #[schemars(range(min = 1, max = 65_536))]
    pub embedding: usize,
    /// How many layers lie above each other.
    #[schemars(range(min = 1, max = 1024))]
    pub layers: usize,
    /// How many heads each attention of the transformer has; 0: one for each 64 numbers of a vector.
    #[schemars(range(min = 0, max = 1024))]
    pub heads: usize,
    /// The probability with which dropout keeps a feature in training.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub keep: f64,
    /// How the LSTM's weights begin: uniform, or normal.
    pub init: Beginning,
    /// Passes over the sentences, at most.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub epochs: usize,
    /// Stop after so many passes without a lower validation loss.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub patience: usize,
    /// Sentences in a batch.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub batch: usize,
    /// Adam's step size.
    #[schemars(range(min = 1e-9, max = 10.0))]
    pub learning_rate: f64,
    /// How the step size changes: constant, or cosine.
    pub schedule: Schedule,
    /// The largest joint norm of all gradients.
    #[schemars(range(min = 1e-6, max = 1e6))]
    pub clip: f64,
    /// How much of each parameter is taken away at each step, as a share of the step size.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub weight_decay: f64,
    /// Rounds against the discriminator; a round is some steps of the generator, then some of the discriminator.
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
    /// Completions of each prefix by which SeqGAN, RankGAN and LeakGAN value it; 0: it is worth what its sentence is.
    #[schemars(range(min = 0, max = 10_000))]
    pub rollouts: usize,
    /// How much the policy that completes sentences keeps of itself in a round.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub rolling: f64,
    /// What rewards the generator: discriminator, or the controls frozen, constant and random.
    pub reward: Reward,
    /// What the discriminator looks at: whole, prefixes:10,20, windows:LENGTH,STRIDE or disjoint:LENGTH.
    #[schemars(with = "String")]
    pub segments: Segments,
    /// How the discriminator's answers on segments become one: mean-logit, mean-prob, mean-loss or weighted.
    pub combine: Combine,
    /// The discriminator's sizes: small, dd or seqgan.
    pub discriminator: DiscriminatorSize,
    /// LeakGAN: after how many rounds the generator learns by maximum likelihood again, as it does before the first one.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub interleave: usize,
    /// LeakGAN: for how many steps it does.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub interleave_steps: usize,
    /// Adam's step size for the generator against the discriminator; 0: that of the method's authors, .01, or .0001 in RelGAN and .0015
    /// in LeakGAN.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub adversarial_learning_rate: f64,
    /// Adam's step size for the discriminator.
    #[schemars(range(min = 1e-9, max = 10.0))]
    pub discriminator_learning_rate: f64,
    /// RelGAN's largest β, by which logits with noise are multiplied.
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
    /// The device to train on.
    pub device: String,
}

impl Default for TrainKnobs {
    fn default() -> Self {
        let (network, training) = (NetworkKnobs::default(), TrainingKnobs::default());
        let adversarial = AdversarialKnobs::default();
        Self {
            corpus: String::new(),
            oracle: String::new(),
            oracle_n: 10_000,
            oracle_samples: 2000,
            model: Model::Lstm,
            valid: String::new(),
            valid_share: 0.1,
            tokenizer: "whitespace".to_owned(),
            min_count: 1,
            length: 0,
            hidden: network.hidden,
            embedding: network.embedding,
            layers: network.layers,
            heads: network.heads,
            keep: network.keep,
            init: network.init,
            epochs: training.epochs,
            patience: training.patience.unwrap_or(3),
            batch: training.batch,
            learning_rate: training.learning_rate,
            schedule: training.schedule,
            clip: training.clip.unwrap_or(5.0),
            weight_decay: training.weight_decay,
            rounds: adversarial.rounds,
            generator_steps: adversarial.generator_steps,
            discriminator_steps: adversarial.discriminator_steps,
            discriminator_pre_steps: adversarial.discriminator_pre_steps,
            discriminator_epochs: adversarial.discriminator_epochs,
            rollouts: adversarial.rollouts,
            rolling: adversarial.rolling,
            reward: adversarial.reward,
            segments: adversarial.segments,
            combine: adversarial.combine,
            discriminator: adversarial.discriminator,
            interleave: adversarial.interleave,
            interleave_steps: adversarial.interleave_steps,
            discriminator_learning_rate: adversarial.discriminator_learning_rate,
            beta: adversarial.beta,
            beta_rounds: adversarial.beta_rounds,
            watch_every: adversarial.watch_every,
            watch_samples: adversarial.watch_samples,
            adversarial_learning_rate: adversarial.learning_rate,
            device: "cpu".to_owned(),
        }
    }
}

impl TrainKnobs {
    /// The network.
    pub(super) fn network(&self) -> NetworkKnobs {
        NetworkKnobs {
            model: self.model.kind(),
            embedding: self.embedding,
            hidden: self.hidden,
            layers: self.layers,
            heads: self.heads,
            keep: self.keep,
            init: self.init,
            leak: self.discriminator,
        }
    }

    /// The training by maximum likelihood.
    pub(super) fn training(&self) -> TrainingKnobs {
        TrainingKnobs {
            epochs: self.epochs,
            patience: Some(self.patience),
            batch: self.batch,
            learning_rate: self.learning_rate,
            schedule: self.schedule,
            clip: Some(self.clip),
            weight_decay: self.weight_decay,
        }
    }

    /// The training against a discriminator, if there is one.
    pub(super) fn adversarial(&self) -> Option<AdversarialKnobs> {
        let method = self.model.method()?;
        Some(AdversarialKnobs {
            method,
            rounds: self.rounds,
            generator_steps: self.generator_steps,
            discriminator_steps: self.discriminator_steps,
            discriminator_pre_steps: self.discriminator_pre_steps,
            discriminator_epochs: self.discriminator_epochs,
            rollouts: self.rollouts,
            rolling: self.rolling,
            reward: self.reward,
            segments: self.segments.clone(),
            combine: self.combine,
            discriminator: self.discriminator,
            interleave: self.interleave,
            interleave_steps: self.interleave_steps,
            discriminator_learning_rate: self.discriminator_learning_rate,
            beta: self.beta,
            beta_rounds: self.beta_rounds,
            watch_every: self.watch_every,
            watch_samples: self.watch_samples,
            batch: self.batch,
            learning_rate: self.adversarial_learning_rate,
            clip: self.clip,
        })
    }

    /// Options of a training against a discriminator that were given, though there is none.
    pub(super) fn idle(&self) -> Option<&'static str> {
        if self.model.method().is_some() {
            return None;
        }
        let all = Self::default();
        let given = [
            ("rounds", self.rounds != all.rounds),
            ("generator-steps", self.generator_steps != all.generator_steps),
            ("discriminator-steps", self.discriminator_steps != all.discriminator_steps),
            ("discriminator-pre-steps", self.discriminator_pre_steps != all.discriminator_pre_steps),
            ("discriminator-epochs", self.discriminator_epochs != all.discriminator_epochs),
            ("rollouts", self.rollouts != all.rollouts),
            ("rolling", self.rolling != all.rolling),
            ("reward", self.reward != all.reward),
            ("segments", self.segments != all.segments),
            ("combine", self.combine != all.combine),
            // A hierarchical network sees the features of one, whether that learns or not.
            ("discriminator", self.discriminator != all.discriminator && self.model != Model::Hierarchical),
            ("interleave", self.interleave != all.interleave),
            ("interleave-steps", self.interleave_steps != all.interleave_steps),
            ("discriminator-learning-rate", self.discriminator_learning_rate != all.discriminator_learning_rate),
            ("beta", self.beta != all.beta),
            ("beta-rounds", self.beta_rounds != all.beta_rounds),
            ("watch-every", self.watch_every != all.watch_every),
            ("watch-samples", self.watch_samples != all.watch_samples),
            ("adversarial-learning-rate", self.adversarial_learning_rate != all.adversarial_learning_rate),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// Options of another method than the one that trains, with the methods that have them.
    pub(super) fn foreign(&self) -> Option<(&'static str, &'static str)> {
        let method = self.model.method()?;
        let all = Self::default();
        let relgan = method == Method::Relgan;
        let completes = matches!(method, Method::Seqgan | Method::Rankgan | Method::Leakgan);
        let policy = matches!(method, Method::Seqgan | Method::Rankgan);
        let leakgan = method == Method::Leakgan;
        let given = [
            ("beta", "relgan", !relgan && self.beta != all.beta),
            ("beta-rounds", "relgan", !relgan && self.beta_rounds != all.beta_rounds),
            ("interleave", "leakgan", !leakgan && self.interleave != all.interleave),
            ("interleave-steps", "leakgan", !leakgan && self.interleave_steps != all.interleave_steps),
            ("rollouts", "seqgan, rankgan and leakgan", !completes && self.rollouts != all.rollouts),
            ("rolling", "seqgan and rankgan", !policy && self.rolling != all.rolling),
        ];
        given.into_iter().find(|(_, _, given)| *given).map(|(name, methods, _)| (name, methods))
    }
}
