//! The fit loop: shuffled batches, validation after every epoch, the best weights kept, early stopping,
//! progress and cancellation, and checkpoints from which a training goes on as if it had never stopped.
//!
//! The order of an epoch's batches derives from the seed and the epoch, and whatever a step draws (dropout
//! masks, noise) from the seed and the step, never from a running generator. So the state of a training is
//! its weights, the optimiser's moments and a few counts, and an interrupted and resumed training ends in
//! the same weights, bit for bit, as an uninterrupted one.

mod state;

use crate::{Checkpoints, Learner};
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state::State;
use std::collections::BTreeMap;
use trueness_core::{Error, Result, Seed, Watch};

/// What is trained: training items by index, their loss, and a metric on data held out.
pub trait Task {
    /// The network.
    type Model: Module;

    /// How many training items there are. Batches hold indices below it.
    fn n_train(&self) -> usize;

    /// The loss to minimise, a tensor with one element: the mean over the batch, penalties included. All
    /// randomness of the step comes from `seed`.
    ///
    /// # Errors
    /// Whatever is wrong with the data; it ends the training.
    fn loss(&self, model: &Self::Model, batch: &[usize], seed: Seed) -> Result<Tensor<1>>;

    /// The metric on held-out data, by which the best weights are chosen; finite. The model has no
    /// automatic differentiation here.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if the watch said so, and whatever is wrong with the data.
    fn validate(&self, model: &Self::Model, watch: Watch<'_>) -> Result<f64>;

    /// Other quantities to keep of an epoch, by name, with the network of its end and its number from 1.
    /// What is random in them comes from `seed`. They take no part in the choice of weights.
    ///
    /// # Errors
    /// As for [`Task::validate`].
    fn observe(
        &self,
        _model: &Self::Model,
        _epoch: usize,
        _seed: Seed,
        _watch: Watch<'_>,
    ) -> Result<BTreeMap<String, f64>> {
        Ok(BTreeMap::new())
    }

    /// What else the result depends on (the network, the optimiser, a hash of the data), in a few words. A
    /// checkpoint that was made under another signature is refused.
    fn signature(&self) -> String;
}

/// Which values of the validation metric are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// Small ones (a loss).
    Minimize,
    /// Large ones (an accuracy).
    Maximize,
}

/// How long and in what steps to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitConfig {
    /// What is shown as the name of the work.
    pub label: String,
    /// Passes over the training items, at least 1.
    pub epochs: usize,
    /// Items in a batch, at least 1; the last batch of an epoch may be smaller.
    pub batch: usize,
    /// The step size, positive.
    pub learning_rate: f64,
    /// How it changes; the total that it looks at is that of all epochs.
    pub schedule: Schedule,
    /// Which values of the validation metric are good.
    pub goal: Goal,
    /// Stop after so many epochs without a better metric; `None` runs all epochs.
    pub patience: Option<usize>,
    /// The largest joint norm of all gradients; larger ones are scaled down. `None` leaves them.
    pub clip_norm: Option<f64>,
    /// Write a checkpoint after every so many steps, besides the one after every epoch. `None`: no more.
    pub checkpoint_every: Option<u64>,
}

/// How the step size changes over a training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Not at all.
    #[default]
    Constant,
    /// From 0 up over the first twentieth of all steps, then down to a tenth along half a cosine
    /// (Loshchilov and Hutter 2017, without restarts).
    Cosine,
}

impl Schedule {
    /// The share of the step size at a step of `total`, both counted from 0.
    pub fn share(self, step: u64, total: u64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Cosine => {
                let rise = (total / 20).max(1);
                if step < rise {
                    return (step + 1) as f64 / rise as f64;
                }
                let done = (step - rise) as f64 / (total.saturating_sub(rise)).max(1) as f64;
                0.1 + 0.45 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
            }
        }
    }
}

/// One epoch of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The mean loss over the epoch's items, each at the weights of its step.
    pub train_loss: f64,
    /// The metric on held-out data after the epoch.
    pub metric: f64,
    /// What [`Task::observe`] found.
    #[serde(default)]
    pub observed: BTreeMap<String, f64>,
}

/// The epoch with the best validation metric; the first one among equals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Its validation metric.
    pub metric: f64,
}

/// A finished training.
#[derive(Clone, Debug)]
pub struct Fitted<M> {
    /// The network with the weights of the best epoch, without automatic differentiation.
    pub model: M,
    /// The best epoch.
    pub best: Best,
    /// All epochs, in order.
    pub history: Vec<Epoch>,
    /// How many steps were taken.
    pub steps: u64,
}

/// Trains a network, going on from the last of `checkpoints` if there is one.
///
/// With checkpoints, one is written after every epoch, after every [`FitConfig::checkpoint_every`] steps,
/// and when the caller asks to stop, just before [`Error::Interrupted`] is returned.
///
/// # Errors
/// [`Error::Interrupted`]; [`Error::Input`] if the settings make no sense, if a checkpoint is damaged or
/// was made with other settings, another seed or another task (the message names the difference);
/// [`Error::Failed`] if a loss or metric is not finite; and the task's own.
pub fn fit<T: Task>(
    task: &T,
    model: T::Model,
    optimizer: ModuleOptimizer,
    config: &FitConfig,
    seed: Seed,
    checkpoints: Option<&Checkpoints>,
    watch: Watch<'_>,
) -> Result<Fitted<T::Model>> {
    let n = task.n_train();
    check(config, n)?;
    let start = State::new(task.signature(), config, seed);
    let mut work = Work { learner: Learner::new(model, optimizer), best: None, state: start };
    if let Some(folder) = checkpoints.map(Checkpoints::latest).transpose()?.flatten() {
        work = work.resume(&folder)?;
    }
    let save = |work: &Work<T::Model>| match checkpoints {
        Some(checkpoints) => checkpoints.save(work.state.step, |folder| work.write(folder)).map(drop),
        None => Ok(()),
    };
    // Whoever stops the work finds it where it was.
    let keep_if_interrupted = |work: &Work<T::Model>, error: Error| match error {
        Error::Interrupted => save(work).err().unwrap_or(Error::Interrupted),
        other => other,
    };
    let batches = n.div_ceil(config.batch);
    let total = (config.epochs * batches) as u64;
    while !work.state.is_over(config) {
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut seed.child("order").nth(work.state.epochs.len() as u64).rng());
        for batch in order.chunks(config.batch).skip(work.state.batch) {
            watch.step(&config.label, work.state.step, total).map_err(|error| keep_if_interrupted(&work, error))?;
            let rate = config.learning_rate * config.schedule.share(work.state.step, total);
            work = work.step(task, batch, config, rate, seed)?;
            if config.checkpoint_every.is_some_and(|every| work.state.step.is_multiple_of(every)) {
                save(&work)?;
            }
        }
        let metric =
            task.validate(&work.learner.model().valid(), watch).map_err(|error| keep_if_interrupted(&work, error))?;
        let epoch = work.state.epochs.len() + 1;
        let observed = task
            .observe(&work.learner.model().valid(), epoch, seed.child("observe").nth(epoch as u64), watch)
            .map_err(|error| keep_if_interrupted(&work, error))?;
        work.end_epoch(metric, observed, n, config)?;
        save(&work)?;
    }
    watch.step(&config.label, total, total)?;
    let (Some(model), Some(best)) = (work.best, work.state.best) else {
        return Err(Error::Failed("a training ended without an epoch".to_owned()));
    };
    Ok(Fitted { model: model.valid(), best, history: work.state.epochs, steps: work.state.step })
}

fn check(config: &FitConfig, n: usize) -> Result<()> {
    let wrong = |what: &str| Err(Error::Input(format!("cannot train `{}`: {what}", config.label)));
    if n == 0 {
        return wrong("there are no training items");
    }
    if config.epochs == 0 || config.batch == 0 {
        return wrong("epochs and batch have to be at least 1");
    }
    if !(config.learning_rate.is_finite() && config.learning_rate > 0.0) {
        return wrong(&format!("the learning rate has to be positive, and is {}", config.learning_rate));
    }
    if config.clip_norm.is_some_and(|norm| !(norm.is_finite() && norm > 0.0)) {
        return wrong("the largest norm of the gradients has to be positive");
    }
    if config.patience == Some(0) || config.checkpoint_every == Some(0) {
        return wrong("patience and checkpoint_every have to be at least 1, or absent");
    }
    Ok(())
}

/// A training under way.
struct Work<M> {
    learner: Learner<M>,
    /// The weights of the best epoch.
    best: Option<M>,
    state: State,
}

impl<M: Module> Work<M> {
    fn step<T: Task<Model = M>>(
        mut self,
        task: &T,
        batch: &[usize],
        config: &FitConfig,
        rate: f64,
        seed: Seed,
    ) -> Result<Self> {
        let state = &mut self.state;
        let loss = task.loss(self.learner.model(), batch, seed.child("step").nth(state.step))?;
        let value = Learner::<M>::value(&loss)?;
        if !value.is_finite() {
            return Err(Error::Failed(format!(
                "the loss of `{}` is {value} at step {} (epoch {}): try a smaller learning rate",
                config.label,
                state.step,
                state.epochs.len() + 1
            )));
        }
        self.learner = self.learner.step(&loss, rate, config.clip_norm)?;
        state.loss_sum += value * batch.len() as f64;
        state.step += 1;
        state.batch += 1;
        Ok(self)
    }

    fn end_epoch(&mut self, metric: f64, observed: BTreeMap<String, f64>, n: usize, config: &FitConfig) -> Result<()> {
        let state = &mut self.state;
        if !metric.is_finite() {
            let epoch = state.epochs.len() + 1;
            return Err(Error::Failed(format!("the metric of `{}` is {metric} after epoch {epoch}", config.label)));
        }
        state.epochs.push(Epoch { train_loss: state.loss_sum / n as f64, metric, observed });
        (state.batch, state.loss_sum) = (0, 0.0);
        let better = state.best.is_none_or(|best| match config.goal {
            Goal::Minimize => metric < best.metric,
            Goal::Maximize => metric > best.metric,
        });
        if better {
            state.best = Some(Best { epoch: state.epochs.len(), metric });
            self.best = Some(self.learner.model().clone());
        }
        Ok(())
    }
}
