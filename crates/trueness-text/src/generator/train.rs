//! Maximum likelihood.

use super::network::{Network, NetworkKnobs, with_network};
use super::{Codec, Generator};
use crate::corpus::fingerprint;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trueness_core::{Seed, Watch};
use trueness_nn::burn::tensor::{Device, Tensor};
use trueness_nn::kernel::AdamConfig;
use trueness_nn::{
    Best, Checkpoints, Epoch, FitConfig, Goal, NextToken, Schedule, Sequences, Task, batches_by_length, fit,
};

/// Positions that are scored at once, sentences times padded length.
const POSITIONS: usize = 1 << 13;

/// The knobs of a training by maximum likelihood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TrainingKnobs {
    /// Passes over the training sentences. The pass with the lowest validation loss gives the weights.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub epochs: usize,
    /// Stop after so many passes without a lower validation loss.
    pub patience: Option<usize>,
    /// Sentences in a batch.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub batch: usize,
    /// Adam's step size.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub learning_rate: f64,
    /// How the step size changes: constant, or cosine.
    pub schedule: Schedule,
    /// The largest joint norm of all gradients.
    pub clip: Option<f64>,
    /// How much of each parameter is taken away at each step, as a share of the step size.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub weight_decay: f64,
}

impl Default for TrainingKnobs {
    fn default() -> Self {
        Self {
            epochs: 30,
            patience: Some(3),
            batch: 64,
            learning_rate: 2e-3,
            schedule: Schedule::Constant,
            clip: Some(5.0),
            weight_decay: 0.0,
        }
    }
}

impl TrainingKnobs {
    /// In a few words, for signatures.
    pub fn signature(&self) -> String {
        format!(
            "adam:{}|{:?}|batch:{}|epochs:{}|patience:{:?}|clip:{:?}|decay:{}",
            self.learning_rate, self.schedule, self.batch, self.epochs, self.patience, self.clip, self.weight_decay
        )
    }
}

/// Something to look at after every pass, by name: it gets the generator as it is then.
pub type Observe<'a> = &'a (dyn Fn(&Generator, usize, Seed) -> Result<BTreeMap<String, f64>> + Sync);

/// All that a training needs.
#[derive(Clone)]
pub struct Job<'a> {
    /// The network.
    pub network: &'a NetworkKnobs,
    /// How it is trained.
    pub training: &'a TrainingKnobs,
    /// How sentences became ids.
    pub codec: &'a Codec,
    /// The sentences to learn from.
    pub train: &'a [Vec<u32>],
    /// The sentences that choose the pass.
    pub valid: &'a [Vec<u32>],
    /// Tokens of the longest sentence that the generator makes.
    pub longest: usize,
    /// Where to train.
    pub device: &'a Device,
    /// Where to keep the state, and from where to go on.
    pub checkpoints: Option<&'a Checkpoints>,
    /// What to look at after every pass.
    pub observe: Option<Observe<'a>>,
}

/// A trained generator.
#[derive(Clone, Debug)]
pub struct Trained {
    /// With the weights of the best pass.
    pub generator: Generator,
    /// The best pass, and its validation loss in nats per token.
    pub best: Best,
    /// Every pass: the training loss at the time, the validation loss, what was observed.
    pub history: Vec<Epoch>,
    /// How many steps were taken.
    pub steps: u64,
}

impl Job<'_> {
    /// Trains. The result depends on the arguments alone, not on threads or interruptions.
    ///
    /// # Errors
    /// If there is nothing to train on or the knobs make no sense; if a sentence is longer than `longest`;
    /// if a checkpoint is damaged or was made with other settings;
    /// [`trueness_core::Error::Interrupted`] if the watch said so.
    pub fn run(&self, seed: Seed, watch: Watch<'_>) -> Result<Trained> {
        for (what, sentences) in [("training", self.train), ("validation", self.valid)] {
            if sentences.is_empty() {
                return Err(Error::Input(format!("a generator needs {what} sentences, and there are none")));
            }
            let fixed = self.codec.is_oracle();
            if let Some(i) = sentences.iter().position(|s| s.len() > self.longest || fixed && s.len() != self.longest) {
                return Err(Error::Input(format!(
                    "{what} sentence {} has {} tokens: expected {} {}",
                    i + 1,
                    sentences[i].len(),
                    if fixed { "exactly" } else { "at most" },
                    self.longest
                )));
            }
            if let Some(&id) = sentences.iter().flatten().find(|&&id| id as usize >= self.codec.size()) {
                return Err(Error::Input(format!("{what} token {id}: expected ids below {}", self.codec.size())));
            }
        }
        let Generator { network, sizes, codec, longest, .. } = self.initial(seed)?;
        let generator =
            |network| Generator { network, sizes: sizes.clone(), codec: codec.clone(), longest, origin: String::new() };
        with_network!(network, model => self.fit(model, &generator, &sizes.signature(), seed, watch))
    }

    /// The generator that a training with this seed begins with.
    ///
    /// # Errors
    /// If the knobs make no sense.
    pub fn initial(&self, seed: Seed) -> Result<Generator> {
        let sizes = self.network.sizes(self.codec.size(), self.longest);
        let network = sizes.init(self.device, seed.child("init"))?;
        let (codec, longest) = (self.codec.clone(), self.longest);
        Ok(Generator { network, sizes, codec, longest, origin: format!("untrained|seed:{}", seed.to_u53()) })
    }

    fn fit<M: NextToken + Into<Network>>(
        &self,
        model: M,
        generator: &dyn Fn(Network) -> Generator,
        signature: &str,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Trained> {
        let TrainingKnobs { epochs, patience, batch, learning_rate, schedule, clip, weight_decay } = *self.training;
        let config = FitConfig {
            label: "generator".to_owned(),
            epochs,
            batch,
            learning_rate,
            schedule,
            goal: Goal::Minimize,
            patience,
            clip_norm: clip,
            checkpoint_every: None,
        };
        let task = Likelihood { job: self, generator, signature, model: std::marker::PhantomData::<fn() -> M> };
        let adam = AdamConfig { weight_decay: weight_decay as f32, ..AdamConfig::default() };
        let fitted = fit(&task, model, adam.init(), &config, seed.child("fit"), self.checkpoints, watch)?;
        let mut generator = generator(fitted.model.into());
        generator.origin = format!("{signature}|{}|{}|seed:{}", self.training.signature(), self.data(), seed.to_u53());
        Ok(Trained { generator, best: fitted.best, history: fitted.history, steps: fitted.steps })
    }

    /// A hash of the sentences, so that a training is not continued with others.
    fn data(&self) -> String {
        format!("data:{}+{}", fingerprint(self.train), fingerprint(self.valid))
    }
}

struct Likelihood<'a, M> {
    job: &'a Job<'a>,
    generator: &'a dyn Fn(Network) -> Generator,
    signature: &'a str,
    model: std::marker::PhantomData<fn() -> M>,
}

impl<M: NextToken + Into<Network>> Task for Likelihood<'_, M> {
    type Model = M;

    fn n_train(&self) -> usize {
        self.job.train.len()
    }

    fn loss(&self, model: &M, batch: &[usize], seed: Seed) -> trueness_core::Result<Tensor<1>> {
        let sentences: Vec<&[u32]> = batch.iter().map(|&i| self.job.train[i].as_slice()).collect();
        let codec = self.job.codec;
        let sequences = Sequences::new(&sentences, codec.start(), codec.end()).mean();
        let keeps = self.job.network.keep >= 1.0;
        Ok(model.loss(&sequences, (!keeps).then_some(seed)))
    }

    fn validate(&self, model: &M, watch: Watch<'_>) -> trueness_core::Result<f64> {
        let codec = self.job.codec;
        // A word that no training sentence has is never learned, and would only say how long it was not.
        let ends = (codec.start(), codec.end());
        let logs = sentence_log_probabilities(model, self.job.valid, ends, codec.unknown(), watch)?;
        let known = |sentence: &Vec<u32>| sentence.iter().filter(|&&id| Some(id) != codec.unknown()).count();
        let tokens: usize = self.job.valid.iter().map(|s| known(s) + usize::from(codec.end().is_some())).sum();
        Ok(-logs.iter().sum::<f64>() / tokens.max(1) as f64)
    }

    fn observe(
        &self,
        model: &M,
        epoch: usize,
        seed: Seed,
        watch: Watch<'_>,
    ) -> trueness_core::Result<BTreeMap<String, f64>> {
        watch.check()?;
        match self.job.observe {
            Some(observe) => Ok(observe(&(self.generator)(model.clone().into()), epoch, seed)?),
            None => Ok(BTreeMap::new()),
        }
    }

    fn signature(&self) -> String {
        let codec = self.job.codec;
        format!(
            "{}|decay:{}|ends:{}/{:?}|{}",
            self.signature,
            self.job.training.weight_decay,
            codec.start(),
            codec.end(),
            self.job.data()
        )
    }
}

/// log p of every sentence in nats, its end included where there is one; tokens `without` count nothing.
pub(super) fn sentence_log_probabilities<M: NextToken>(
    model: &M,
    sentences: &[Vec<u32>],
    (start, end): (u32, Option<u32>),
    without: Option<u32>,
    watch: Watch<'_>,
) -> trueness_core::Result<Vec<f64>> {
    let lengths: Vec<usize> = sentences.iter().map(Vec::len).collect();
    let mut found = vec![0.0; sentences.len()];
    for now in batches_by_length(&lengths, POSITIONS) {
        watch.check()?;
        let batch: Vec<&[u32]> = now.iter().map(|&i| sentences[i].as_slice()).collect();
        let mut sequences = Sequences::new(&batch, start, end);
        for (weight, &target) in sequences.weights.iter_mut().zip(&sequences.targets) {
            if Some(target) == without {
                *weight = 0.0;
            }
        }
        if sequences.time > 0 {
            let logs = model.log_probabilities(&sequences)?;
            for (&i, logs) in now.iter().zip(logs.chunks_exact(sequences.time)) {
                found[i] = logs.iter().map(|&log| f64::from(log)).sum();
            }
        }
    }
    Ok(found)
}
