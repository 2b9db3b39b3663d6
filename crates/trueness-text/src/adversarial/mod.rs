//! Language GANs: a generator that was trained by maximum likelihood goes on against a discriminator, and is watched while it does.
//!
//! What all methods share stands here: the rounds, the checkpoints, what is looked at. [`knobs`] says what can be asked;
//! [`segments`] which sub-sequences a discriminator sees; each method has a file of its own.
//!
//! None of the methods is known to improve on maximum likelihood; that is what the watching is for. The `constant` and
//! `random` rewards are controls: what they reach, no discriminator has any part in.

mod answers;
mod critic;
mod knobs;
mod leakgan;
mod maligan;
mod observe;
mod opponent;
mod policy;
mod rankgan;
mod reinforce;
mod relgan;
mod representations;
mod segments;
mod seqgan;

pub use knobs::{AdversarialKnobs, Method};
pub(crate) use observe::distances;
pub use observe::{Bin, Watched};
pub use policy::Reward;
pub use segments::{Combine, Segments};

use crate::corpus::fingerprint;
use crate::error::{Error, Result};
use crate::generator::{Generator, Network};
use crate::train::Truth;
use leakgan::LeakGan;
use policy::Ends;
use reinforce::Reinforce;
use relgan::RelGan;
use serde::{Deserialize, Serialize};
use std::path::Path;
use trueness_core::{Seed, Watch};
use trueness_nn::Checkpoints;
use trueness_nn::burn::tensor::Device;

/// The file of the counts in a checkpoint.
const STATE: &str = "state.json";

/// The task that is shown.
const ROUNDS: &str = "adversarial rounds";

/// What the parts of a checkpoint are called.
const GENERATOR: &str = "generator";
const DISCRIMINATOR: &str = "discriminator";

/// The version of the files of a checkpoint.
const VERSION: u32 = 4;

/// All that a training against a discriminator needs.
#[derive(Clone)]
pub struct Play<'a> {
    /// What was asked.
    pub knobs: &'a AdversarialKnobs,
    /// The generator as maximum likelihood left it.
    pub generator: &'a Generator,
    /// The real sentences that the discriminator learns from.
    pub train: &'a [Vec<u32>],
    /// Real sentences that neither learns from, to measure by.
    pub valid: &'a [Vec<u32>],
    /// Where the sentences came from, if its density is known.
    pub truth: Option<&'a Truth>,
    /// Where to train.
    pub device: &'a Device,
    /// Where to keep the state, and from where to go on.
    pub checkpoints: Option<&'a Checkpoints>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Played {
    /// The generator after the last round.
    pub generator: Generator,
    /// What was seen before the first round, on the way and after the last one.
    pub history: Vec<Watched>,
}

/// What the parts of a training see of it.
pub(super) struct Scene<'a> {
    knobs: &'a AdversarialKnobs,
    ends: Ends,
    /// The number of the generator's token ids.
    vocabulary: usize,
    real: &'a [Vec<u32>],
    device: &'a Device,
}

/// The losses of a round, where there are any: means over its steps.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Losses {
    generator: Option<f64>,
    discriminator: Option<f64>,
}

impl Losses {
    /// Those of a round in which the generator alone has learned, from the sum over its steps.
    fn mean(generator: f64, steps: usize) -> Self {
        Self { generator: Some(generator / steps.max(1) as f64), discriminator: None }
    }
}

/// A generator and its opponent, under training.
pub(super) trait Adversary: Clone {
    /// What comes before the first round.
    fn prepare(self, scene: &Scene<'_>, seed: Seed, watch: Watch<'_>) -> Result<Self>;

    /// One round.
    fn round(self, scene: &Scene<'_>, round: u64, seed: Seed, watch: Watch<'_>) -> Result<(Self, Losses)>;

    /// The generator as it is.
    fn network(&self) -> Network;

    /// What the discriminator says of sentences, from 0 for generated to 1 for real.
    fn probabilities(
        &self,
        scene: &Scene<'_>,
        sentences: &[Vec<u32>],
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Vec<f32>>;

    /// Writes all of it into a folder.
    fn write(&self, folder: &Path) -> trueness_core::Result<()>;

    /// The same as [`Adversary::write`] left it in a folder.
    fn resume(self, folder: &Path) -> trueness_core::Result<Self>;
}

/// How far a training is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    signature: String,
    /// A number that stands for the seed.
    seed: u64,
    round: u64,
    /// Those of the last round, which the next look tells.
    losses: Losses,
    history: Vec<Watched>,
}

impl Play<'_> {
    /// Trains. The result depends on the arguments alone, not on threads or interruptions.
    ///
    /// # Errors
    /// If the knobs make no sense, a segment is longer than the longest sentence, or there are fewer sentences than a batch has; where
    /// a loss is no number; if a checkpoint is damaged or of another training; [`trueness_core::Error::Interrupted`].
    pub fn run(&self, seed: Seed, watch: Watch<'_>) -> Result<Played> {
        self.knobs.check()?;
        let codec = self.generator.codec();
        let longest = self.generator.longest();
        self.knobs.check_text(longest, self.train.len(), self.valid.len())?;
        if let Some(&id) = self.train.iter().chain(self.valid).flatten().find(|&&id| id as usize >= codec.size()) {
            return Err(Error::Input(format!("token {id}: the generator knows ids below {}", codec.size())));
        }
        self.truth.map(|truth| truth.check(codec)).transpose()?;
        let scene = Scene {
            knobs: self.knobs,
            ends: (codec.start(), codec.end(), longest),
            vocabulary: codec.size(),
            real: self.train,
            device: self.device,
        };
        let init = seed.child("init");
        match (self.generator.network().clone(), self.knobs.method) {
            (Network::Relational(model), Method::Relgan) => {
                self.play(&scene, RelGan::new(&scene, model, init)?, seed, watch)
            }
            (Network::Hierarchical(model), Method::Leakgan) => {
                self.play(&scene, LeakGan::new(&scene, model)?, seed, watch)
            }
            (_, Method::Relgan) => Err(Error::Input("relgan trains a generator with a relational memory".to_owned())),
            (_, Method::Leakgan) => {
                Err(Error::Input("leakgan trains a generator with a manager and a worker".to_owned()))
            }
            (Network::Lstm(model), _) => self.play(&scene, Reinforce::new(&scene, model, init)?, seed, watch),
            (Network::Gpt2(model), _) => self.play(&scene, Reinforce::new(&scene, model, init)?, seed, watch),
            (Network::Relational(_) | Network::Hierarchical(_), method) => {
                Err(Error::Input(format!("{} trains an LSTM or a transformer", method.name())))
            }
        }
    }

    fn play<A: Adversary>(&self, scene: &Scene<'_>, mut adversary: A, seed: Seed, watch: Watch<'_>) -> Result<Played> {
        let rounds = self.knobs.rounds as u64;
        let (signature, seed_number) = (self.signature(), seed.to_u53());
        let (losses, history) = (Losses::default(), Vec::new());
        let mut state = State { version: VERSION, signature, seed: seed_number, round: 0, losses, history };
        let save = |adversary: &A, state: &State| match self.checkpoints {
            None => Ok(()),
            Some(checkpoints) => {
                let write = |folder: &Path| {
                    adversary.write(folder)?;
                    let path = folder.join(STATE);
                    let text = serde_json::to_string_pretty(state);
                    let text = text.map_err(|error| {
                        trueness_core::Error::Failed(format!("cannot write {}: {error}", path.display()))
                    })?;
                    std::fs::write(&path, text + "\n").map_err(trueness_core::Error::io("write", &path))
                };
                checkpoints.save(state.round, write).map(drop)
            }
        };
        match self.checkpoints.map(Checkpoints::latest).transpose()?.flatten() {
            Some(folder) => {
                state = state.resume(&folder)?;
                adversary = adversary.resume(&folder)?;
            }
            None => adversary = adversary.prepare(scene, seed.child("prepare"), watch)?,
        }
        let due = |round: u64| round.is_multiple_of(self.knobs.watch_every as u64) || round == rounds;
        loop {
            if due(state.round) && state.history.last().is_none_or(|last| last.round != state.round) {
                let seen = self.observe(scene, &adversary, state.round, state.losses, seed, watch);
                match seen {
                    Err(Error::Core(trueness_core::Error::Interrupted)) => {
                        save(&adversary, &state)?;
                        return Err(trueness_core::Error::Interrupted.into());
                    }
                    seen => state.history.push(seen.map_err(|error| at_round(error, state.round))?),
                }
                save(&adversary, &state)?;
            }
            watch.show(ROUNDS, &observe::panel(&state.history));
            if state.round == rounds {
                break;
            }
            // What is stopped within a round begins it again.
            let before = adversary.clone();
            let step = watch.step(ROUNDS, state.round, rounds);
            let played = step
                .map_err(Error::from)
                .and_then(|()| adversary.round(scene, state.round, seed.child("round").nth(state.round), watch));
            match played {
                Err(Error::Core(trueness_core::Error::Interrupted)) => {
                    save(&before, &state)?;
                    return Err(trueness_core::Error::Interrupted.into());
                }
                Err(error) => return Err(at_round(error, state.round + 1)),
                Ok((after, found)) => (adversary, state.losses) = (after, found),
            }
            state.round += 1;
        }
        watch.step(ROUNDS, rounds, rounds)?;
        let origin = format!("{}|{}|seed:{}", self.generator.signature(), self.knobs.signature(), seed.to_u53());
        let generator = self.generator.with_network(adversary.network(), origin);
        Ok(Played { generator, history: state.history })
    }

    /// All that the result depends on, so that a training is not continued as another.
    fn signature(&self) -> String {
        let data = format!("data:{}+{}", fingerprint(self.train), fingerprint(self.valid));
        let watched = format!("watch:{}x{}", self.knobs.watch_every, self.knobs.watch_samples);
        format!("{}|{}|{watched}|{data}", self.generator.signature(), self.knobs.signature())
    }
}

/// The error with the round in which it came up.
fn at_round(error: Error, round: u64) -> Error {
    match error {
        Error::Core(trueness_core::Error::Failed(why)) => {
            trueness_core::Error::Failed(format!("in adversarial round {round}: {why}")).into()
        }
        other => other,
    }
}

impl State {
    /// The state of a checkpoint, if it is of the same training.
    fn resume(self, folder: &Path) -> Result<Self> {
        let path = folder.join(STATE);
        let text = std::fs::read_to_string(&path).map_err(trueness_core::Error::io("read", &path))?;
        let wrong = |what: String| Error::Input(format!("cannot go on from {}: {what}", folder.display()));
        let kept: Self = serde_json::from_str(&text).map_err(|error| wrong(format!("{STATE}: {error}")))?;
        if kept.version != self.version {
            return Err(wrong(format!("it has format {}, and this program reads {}", kept.version, self.version)));
        }
        if (&kept.signature, kept.seed) != (&self.signature, self.seed) {
            return Err(wrong(format!(
                "it is of {} with seed {}, and this is {} with seed {}",
                kept.signature, kept.seed, self.signature, self.seed
            )));
        }
        Ok(kept)
    }
}
