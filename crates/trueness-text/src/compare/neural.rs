//! The LM score and its reverse under networks.

use super::measure::Job;
use crate::corpus::{Encoded, fingerprint};
use crate::error::Result;
use crate::generator::{Evaluator, Kind, NetworkKnobs, TrainingKnobs, evaluate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueness_core::{Estimate, Measure, Run};

/// The network that gives the neural LM scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NeuralLm {
    /// None: they are not measured.
    #[default]
    None,
    /// An LSTM.
    Lstm,
    /// A transformer of GPT-2's type.
    Gpt2,
}

impl NeuralLm {
    /// The network's knobs, the same as `text train` begins with.
    fn network(self) -> Option<NetworkKnobs> {
        match self {
            Self::None => None,
            Self::Lstm => Some(NetworkKnobs::default()),
            Self::Gpt2 => Some(NetworkKnobs { model: Kind::Gpt2, ..NetworkKnobs::default() }),
        }
    }
}

/// The LM score of the candidate under a model of the real text, and that of the real text under a model of
/// `equal`, as many of the candidate's sentences as the smallest candidate has. Each model is a stage of its
/// own: that of the real text serves all candidates, and an interrupted comparison goes on within a training.
pub(super) fn scores(job: &Job<'_>, equal: &Encoded, run: &mut Run<'_>) -> Result<Vec<Measure>> {
    let Some(network) = job.knobs.neural_lm.network() else { return Ok(Vec::new()) };
    let (real, text) = (&job.real.encoded, &job.candidate.encoded);
    let device = trueness_nn::device::parse(&job.knobs.device)?;
    let training = TrainingKnobs { epochs: job.knobs.lm_epochs, ..TrainingKnobs::default() };
    let longest = job.field.longest;
    let evaluator =
        Evaluator { network: &network, training: &training, words: job.field.words, longest, device: &device };
    let mut found = Vec::new();
    for (name, train, scored) in [("neural-lm-score", real, text), ("reverse-neural-lm-score", equal, real)] {
        let sentences: Vec<Vec<u32>> = train.iter().map(<[u32]>::to_vec).collect();
        let inputs = (&network, &training, job.field.words, longest, fingerprint(&sentences));
        let seed = job.seed.child("compare/neural-lm");
        let model = crate::train::in_stage(run, "neural-lm", &inputs, &device, |checkpoints, _, watch| {
            evaluator.train(train, Some(checkpoints), seed, watch)
        })?;
        let estimate = evaluate(&model, scored, run.watch())?.estimate(seed.child(name));
        let method = format!("network trained on {} sentences; {}", train.len(), estimate.method);
        let signature = format!("{name}|{}|n:{}", model.signature(), scored.len());
        found.push(Measure::new(name, Estimate { method, ..estimate }).signed(signature));
    }
    Ok(found)
}
