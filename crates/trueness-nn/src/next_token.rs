//! Networks that predict the next token, and what all of them can do: a loss to train by, the
//! log-probabilities of given tokens, and sampling.

use crate::kernel::{self, Orientation};
use burn::module::Module;
use burn::tensor::Tensor;
use trueness_core::{Error, Result, Seed};

/// Sequences of equal length: what goes in, and what is to be predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequences {
    /// How many sequences there are.
    pub batch: usize,
    /// How many tokens each has.
    pub time: usize,
    /// The tokens that go in, `[batch, time]`.
    pub inputs: Vec<u32>,
    /// The tokens that follow them, `[batch, time]`.
    pub targets: Vec<u32>,
    /// How much each prediction counts, `[batch, time]`; 0 for padding.
    pub weights: Vec<f32>,
}

impl Sequences {
    /// Sequences that begin with `start`, and end with `end` if there is one, each token counting 1 and
    /// padding 0. The padding goes in as token 0.
    pub fn new<S: AsRef<[u32]>>(sentences: &[S], start: u32, end: Option<u32>) -> Self {
        let length = |sentence: &S| sentence.as_ref().len() + usize::from(end.is_some());
        let time = sentences.iter().map(length).max().unwrap_or(0);
        let size = sentences.len() * time;
        let (mut inputs, mut targets, mut weights) = (vec![0; size], vec![0; size], vec![0.0; size]);
        for (i, sentence) in sentences.iter().enumerate() {
            let targets_of = sentence.as_ref().iter().copied().chain(end);
            let inputs_of = std::iter::once(start).chain(sentence.as_ref().iter().copied());
            for (t, (target, input)) in targets_of.zip(inputs_of).enumerate() {
                (inputs[i * time + t], targets[i * time + t], weights[i * time + t]) = (input, target, 1.0);
            }
        }
        Self { batch: sentences.len(), time, inputs, targets, weights }
    }

    /// The same with weights that sum to 1, so that the loss is the mean over tokens.
    #[must_use]
    pub fn mean(mut self) -> Self {
        let total: f32 = self.weights.iter().sum();
        if total > 0.0 {
            self.weights.iter_mut().for_each(|weight| *weight /= total);
        }
        self
    }
}

/// The output layer of a network that predicts tokens.
#[derive(Clone, Debug)]
pub struct Head {
    /// The weights.
    pub weight: Tensor<2>,
    /// How they lie.
    pub orientation: Orientation,
    /// One bias for each token, or none.
    pub bias: Option<Tensor<1>>,
}

/// A network that predicts the next token of a sequence from those before it.
pub trait NextToken: Module {
    /// The network as it runs token by token on the CPU.
    type Runner: Runner;

    /// The number of token ids.
    fn vocabulary(&self) -> usize;

    /// The longest sequence, if there is one.
    fn context(&self) -> Option<usize>;

    /// The features of every position, `[batch · time, features]`, each from the inputs up to it alone.
    /// With a seed, dropout is on.
    fn features(&self, sequences: &Sequences, dropout: Option<Seed>) -> Tensor<2>;

    /// What turns features into logits.
    fn head(&self) -> Head;

    /// A copy of the weights that runs token by token.
    ///
    /// # Errors
    /// [`Error::Failed`] if the weights cannot be had from their device.
    fn runner(&self) -> Result<Self::Runner>;

    /// Σ weight · −log p(target | inputs so far), one element.
    fn loss(&self, sequences: &Sequences, dropout: Option<Seed>) -> Tensor<1> {
        let Head { weight, orientation, bias } = self.head();
        let features = self.features(sequences, dropout);
        kernel::linear_cross_entropy(features, weight, orientation, bias, &sequences.targets, &sequences.weights)
    }

    /// log p(target | inputs so far) of every position in nats, `[batch, time]`; 0 where the weight is 0.
    ///
    /// # Errors
    /// [`Error::Failed`] if the device does not hand the logits out.
    fn log_probabilities(&self, sequences: &Sequences) -> Result<Vec<f32>> {
        /// Logits in memory at once.
        const LOGITS: usize = 1 << 22;
        let features = self.features(sequences, None);
        let Head { weight, orientation, bias } = self.head();
        let weight = match orientation {
            Orientation::InputsByClasses => weight,
            Orientation::ClassesByInputs => weight.transpose(),
        };
        let classes = self.vocabulary();
        let n = sequences.targets.len();
        let rows = (LOGITS / classes.max(1)).max(1);
        let mut found = Vec::with_capacity(n);
        for first in (0..n).step_by(rows) {
            let logits = features.clone().narrow(0, first, rows.min(n - first)).matmul(weight.clone());
            let logits = match &bias {
                Some(bias) => logits + bias.clone().unsqueeze(),
                None => logits,
            };
            let logits = logits.try_into_vec_as::<f32>();
            let logits = logits.map_err(|error| Error::Failed(format!("cannot read logits: {error}")))?;
            let asked = sequences.targets[first..].iter().zip(&sequences.weights[first..]);
            found.extend(logits.chunks_exact(classes).zip(asked).map(|(row, (&target, &weight))| match weight {
                0.0 => 0.0,
                _ => row[target as usize] - kernel::log_sum_exp(row),
            }));
        }
        Ok(found)
    }
}

/// A network that runs token by token over some sequences at once, on the CPU and on the calling thread.
///
/// A sequence's logits do not depend on the sequences beside it as long as their number is the same.
pub trait Runner: Send + Sync {
    /// What is kept of the tokens so far.
    type State: Send;

    /// The number of token ids.
    fn vocabulary(&self) -> usize;

    /// The longest sequence, if there is one.
    fn context(&self) -> Option<usize>;

    /// The state of `batch` sequences before their first token.
    fn start(&self, batch: usize) -> Self::State;

    /// The state of some of the sequences, by number, each as often as it is named.
    fn chosen(&self, state: &Self::State, rows: &[usize]) -> Self::State;

    /// Takes one token of every sequence in; `logits`, `[batch, vocabulary]`, become those of the next.
    fn step(&self, state: &mut Self::State, tokens: &[u32], logits: &mut [f32]);
}
