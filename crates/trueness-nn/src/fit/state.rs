//! What a training is, besides its weights and the optimiser's moments, and how all of it is written.

use super::{Best, Epoch, FitConfig, Work};
use crate::weights;
use burn::module::Module;
use serde::{Deserialize, Serialize};
use std::path::Path;
use trueness_core::{Error, Result, Seed};

/// The version of the files that are written.
const VERSION: u32 = 2;

/// The file of the counts; the weights and the optimiser's moments lie beside it.
const STATE: &str = "state.json";
const MODEL: &str = "model";
const BEST: &str = "best.safetensors";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    version: u32,
    signature: String,
    config: FitConfig,
    /// A number that stands for the seed, to tell another seed from the same.
    seed: u64,
    /// Steps taken in all.
    pub(super) step: u64,
    /// Batches taken in the present epoch.
    pub(super) batch: usize,
    /// The losses of the present epoch's batches, each times its number of items.
    pub(super) loss_sum: f64,
    /// The finished epochs.
    pub(super) epochs: Vec<Epoch>,
    pub(super) best: Option<Best>,
}

impl State {
    pub(super) fn new(signature: String, config: &FitConfig, seed: Seed) -> Self {
        Self {
            version: VERSION,
            signature,
            config: config.clone(),
            seed: seed.to_u53(),
            step: 0,
            batch: 0,
            loss_sum: 0.0,
            epochs: Vec::new(),
            best: None,
        }
    }

    /// Whether all epochs are done, or patience has run out.
    pub(super) fn is_over(&self, config: &FitConfig) -> bool {
        let waited = self.epochs.len() - self.best.map_or(0, |best| best.epoch);
        self.epochs.len() >= config.epochs || config.patience.is_some_and(|patience| waited >= patience)
    }

    /// What keeps this state from being continued by `other`, if anything does.
    fn difference(&self, other: &Self) -> Option<String> {
        let differs = |what: &str, kept: &dyn std::fmt::Debug, now: &dyn std::fmt::Debug| {
            let (kept, now) = (format!("{kept:?}"), format!("{now:?}"));
            (kept != now).then(|| format!("{what} was {kept} and is {now}"))
        };
        let (a, b) = (&self.config, &other.config);
        differs("the signature", &self.signature, &other.signature)
            .or_else(|| differs("the seed's number", &self.seed, &other.seed))
            .or_else(|| differs("epochs", &a.epochs, &b.epochs))
            .or_else(|| differs("batch", &a.batch, &b.batch))
            .or_else(|| differs("learning_rate", &a.learning_rate, &b.learning_rate))
            .or_else(|| differs("schedule", &a.schedule, &b.schedule))
            .or_else(|| differs("goal", &a.goal, &b.goal))
            .or_else(|| differs("patience", &a.patience, &b.patience))
            .or_else(|| differs("clip_norm", &a.clip_norm, &b.clip_norm))
    }
}

impl<M: Module> Work<M> {
    /// Writes all of the training into a folder.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        self.learner.write(folder, MODEL)?;
        if let Some(best) = &self.best {
            weights::save(best, &folder.join(BEST))?;
        }
        let path = folder.join(STATE);
        let text = serde_json::to_string_pretty(&self.state);
        let text = text.map_err(|error| Error::Failed(format!("cannot write {}: {error}", path.display())))?;
        std::fs::write(&path, text + "\n").map_err(Error::io("write", &path))
    }

    /// This training, which has not begun, at the point that a folder keeps.
    pub(super) fn resume(self, folder: &Path) -> Result<Self> {
        let path = folder.join(STATE);
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let wrong = |what: String| Error::Input(format!("cannot go on from {}: {what}", folder.display()));
        let state: State = serde_json::from_str(&text).map_err(|error| wrong(format!("{STATE}: {error}")))?;
        if state.version != VERSION {
            return Err(wrong(format!("it has format {}, and this program reads {VERSION}", state.version)));
        }
        if let Some(difference) = state.difference(&self.state) {
            return Err(wrong(format!("{difference}; use the same settings, or another folder")));
        }
        let best = match state.best {
            Some(_) => Some(weights::load(self.learner.model().clone(), &folder.join(BEST))?),
            None => None,
        };
        let learner = self.learner.resume(folder, MODEL)?;
        let config = self.state.config;
        Ok(Self { learner, best, state: State { config, ..state } })
    }
}
