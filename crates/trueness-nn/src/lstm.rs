//! LSTM language models.

use crate::dropout::dropout;
use crate::init::{Init, MAX_PARAMETERS, linear};
use crate::kernel::{self, Matrix, Orientation, Packed, Threads};
use crate::next_token::{Head, NextToken, Runner, Sequences};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use trueness_core::{Error, Result, Seed};

/// How the weights of an LSTM language model begin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LstmInit {
    /// All parameters uniform on ±.05, as in the distributional-discrepancy paper's code.
    Uniform,
    /// All parameters normal with standard deviation .1, as in SeqGAN's code.
    Normal,
}

/// What an [`LstmModel`] is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LstmModelConfig {
    /// The number of token ids.
    pub vocabulary: usize,
    /// The size of a token's vector.
    pub embedding: usize,
    /// The size of each layer.
    pub hidden: usize,
    /// How many layers lie above each other.
    pub layers: usize,
    /// The probability with which dropout keeps a feature, in (0, 1].
    pub keep: f64,
    /// How the weights begin.
    pub init: LstmInit,
}

impl LstmModelConfig {
    /// The generator of SeqGAN's code: one layer, 32 and 32, no dropout.
    pub fn seqgan(vocabulary: usize) -> Self {
        Self { vocabulary, embedding: 32, hidden: 32, layers: 1, keep: 1.0, init: LstmInit::Normal }
    }

    /// The generator of the distributional-discrepancy paper's code: two layers of 512.
    pub fn dd(vocabulary: usize) -> Self {
        Self { vocabulary, embedding: 512, hidden: 512, layers: 2, keep: 0.5, init: LstmInit::Uniform }
    }

    /// # Errors
    /// [`Error::Input`] if a size is 0 or far too large, or `keep` is no probability above 0.
    pub fn check(&self) -> Result<()> {
        let Self { vocabulary, embedding, hidden, layers, keep, .. } = *self;
        if [vocabulary, embedding, hidden, layers].contains(&0) {
            return Err(Error::Input(format!(
                "an LSTM needs sizes of at least 1, got vocabulary {vocabulary}, embedding {embedding}, hidden {hidden}, layers {layers}"
            )));
        }
        let parameters = || {
            let layer = embedding.max(hidden).checked_add(hidden)?.checked_mul(hidden)?.checked_mul(4)?;
            let tables = vocabulary.checked_mul(embedding.checked_add(hidden)?)?;
            layer.checked_mul(layers)?.checked_add(tables)
        };
        if parameters().is_none_or(|parameters| parameters > MAX_PARAMETERS) {
            return Err(Error::Input(format!("an LSTM of these sizes has more than {MAX_PARAMETERS} parameters")));
        }
        if !(keep > 0.0 && keep <= 1.0) {
            return Err(Error::Input(format!("dropout keeps a feature with probability in (0, 1], got keep = {keep}")));
        }
        Ok(())
    }

    /// A network with initial weights.
    ///
    /// # Errors
    /// As for [`LstmModelConfig::check`].
    pub fn init(&self, device: &Device, seed: Seed) -> Result<LstmModel> {
        self.check()?;
        let Self { vocabulary, embedding, hidden, .. } = *self;
        let init = match self.init {
            LstmInit::Uniform => Init::Uniform { low: -0.05, high: 0.05 },
            LstmInit::Normal => Init::Normal { sd: 0.1 },
        };
        let layers = (0..self.layers).map(|i| {
            let inputs = if i == 0 { embedding } else { hidden };
            LstmLayer::new(inputs, hidden, init, device, seed.child("layers").nth(i as u64))
        });
        Ok(LstmModel {
            embedding: init.param([vocabulary, embedding], device, seed.child("embedding")),
            layers: layers.collect(),
            output: linear(hidden, vocabulary, init, init, device, seed.child("output")),
            keep: self.keep,
        })
    }
}

/// One LSTM layer; gates lie in the order input, forget, candidate, output.
#[derive(Module, Debug)]
pub struct LstmLayer {
    /// `[inputs, 4·hidden]`.
    pub weight: Param<Tensor<2>>,
    /// `[hidden, 4·hidden]`.
    pub recurrent: Param<Tensor<2>>,
    /// `[4·hidden]`. One bias: PyTorch's two are summed in use, but an optimiser moves each of them.
    pub bias: Param<Tensor<1>>,
}

impl LstmLayer {
    /// A layer whose weights and biases all begin alike.
    pub(crate) fn new(inputs: usize, hidden: usize, init: Init, device: &Device, seed: Seed) -> Self {
        Self {
            weight: init.param([inputs, 4 * hidden], device, seed.child("weight")),
            recurrent: init.param([hidden, 4 * hidden], device, seed.child("recurrent")),
            bias: init.param([4 * hidden], device, seed.child("bias")),
        }
    }
}

/// A language model: embedding, LSTM layers, a linear layer to the tokens. Dropout, where there is any,
/// acts on what goes into each layer and into the output (Zaremba et al. 2014).
#[derive(Module, Debug)]
pub struct LstmModel {
    /// `[vocabulary, embedding]`.
    pub embedding: Param<Tensor<2>>,
    /// The first one takes the embedding.
    pub layers: Vec<LstmLayer>,
    /// `[hidden, vocabulary]`.
    pub output: Linear,
    /// The probability with which dropout keeps a feature.
    pub keep: f64,
}

impl NextToken for LstmModel {
    type Runner = LstmRunner;

    fn vocabulary(&self) -> usize {
        self.embedding.dims()[0]
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn features(&self, sequences: &Sequences, seed: Option<Seed>) -> Tensor<2> {
        let Sequences { batch, time, .. } = *sequences;
        let drop = |x: Tensor<2>, place: u64| match seed {
            Some(seed) => dropout(x, self.keep, seed.child("dropout").nth(place)),
            None => x,
        };
        let mut x = drop(kernel::embedding(self.embedding.val(), &sequences.inputs), 0);
        for (i, layer) in self.layers.iter().enumerate() {
            let size = x.dims()[1];
            let input = x.reshape([batch, time, size]);
            let out = kernel::lstm(input, layer.weight.val(), layer.recurrent.val(), layer.bias.val());
            let hidden = out.dims()[2];
            x = drop(out.reshape([batch * time, hidden]), i as u64 + 1);
        }
        x
    }

    fn head(&self) -> Head {
        let bias = self.output.bias.as_ref().map(Param::val);
        Head { weight: self.output.weight.val(), orientation: Orientation::InputsByClasses, bias }
    }

    fn runner(&self) -> Result<LstmRunner> {
        let layers = self.layers.iter().map(RunnerLayer::of);
        Ok(LstmRunner {
            vocabulary: self.vocabulary(),
            size: self.embedding.dims()[1],
            embedding: values(self.embedding.val())?,
            layers: layers.collect::<Result<_>>()?,
            output: packed(self.output.weight.val())?,
            output_bias: match &self.output.bias {
                Some(bias) => values(bias.val())?,
                None => vec![0.0; self.vocabulary()],
            },
        })
    }
}

/// The values of a parameter, in memory.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.try_into_vec_as::<f32>().map_err(|error| Error::Failed(format!("cannot read weights: {error}")))
}

/// A matrix of weights, made ready for products.
pub(crate) fn packed(weight: Tensor<2>) -> Result<Packed> {
    let [rows, cols] = weight.dims();
    Ok(Packed::new(Matrix::new(&values(weight)?, rows, cols), Threads::Pool))
}

/// Copies rows of equal length, by number.
pub(crate) fn copy_rows(from: &[f32], rows: &[usize], to: &mut [f32]) {
    let size = to.len() / rows.len().max(1);
    for (to, &row) in to.chunks_exact_mut(size.max(1)).zip(rows) {
        to.copy_from_slice(&from[row * size..(row + 1) * size]);
    }
}

/// An [`LstmModel`] that runs token by token.
#[derive(Clone, Debug)]
pub struct LstmRunner {
    vocabulary: usize,
    size: usize,
    embedding: Vec<f32>,
    layers: Vec<RunnerLayer>,
    output: Packed,
    output_bias: Vec<f32>,
}

/// One layer that runs token by token.
#[derive(Clone, Debug)]
pub(crate) struct RunnerLayer {
    weight: Packed,
    recurrent: Packed,
    bias: Vec<f32>,
}

impl RunnerLayer {
    /// A copy of a layer's weights.
    pub(crate) fn of(layer: &LstmLayer) -> Result<Self> {
        Ok(Self {
            weight: packed(layer.weight.val())?,
            recurrent: packed(layer.recurrent.val())?,
            bias: values(layer.bias.val())?,
        })
    }

    /// The size of its output.
    pub(crate) fn hidden(&self) -> usize {
        self.bias.len() / 4
    }

    /// Moves output and cell on by one input each; `gates` is room for four numbers for each of theirs.
    pub(crate) fn step(&self, input: &[f32], h: &mut [f32], c: &mut [f32], gates: &mut [f32]) {
        kernel::linear_packed(input, &self.weight, &self.bias, gates);
        kernel::lstm_step(gates, h, c, &self.recurrent, self.hidden());
    }
}

/// What an LSTM remembers of some sequences.
#[derive(Clone, Debug)]
pub struct LstmState {
    /// Output and cell of each layer, `[batch, hidden]`.
    layers: Vec<(Vec<f32>, Vec<f32>)>,
    /// Room for what goes into a layer, and its gates.
    input: Vec<f32>,
    gates: Vec<f32>,
}

impl Runner for LstmRunner {
    type State = LstmState;

    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn start(&self, batch: usize) -> LstmState {
        let zeros = |layer: &RunnerLayer| vec![0.0; batch * layer.hidden()];
        let gates = self.layers.iter().map(|layer| 4 * layer.hidden()).max().unwrap_or(0);
        LstmState {
            layers: self.layers.iter().map(|layer| (zeros(layer), zeros(layer))).collect(),
            input: Vec::with_capacity(batch * self.size),
            gates: vec![0.0; batch * gates],
        }
    }

    fn chosen(&self, state: &LstmState, rows: &[usize]) -> LstmState {
        let mut chosen = self.start(rows.len());
        for ((h, c), (from_h, from_c)) in chosen.layers.iter_mut().zip(&state.layers) {
            copy_rows(from_h, rows, h);
            copy_rows(from_c, rows, c);
        }
        chosen
    }

    fn step(&self, state: &mut LstmState, tokens: &[u32], logits: &mut [f32]) {
        state.input.clear();
        for &token in tokens {
            state
                .input
                .extend_from_slice(&self.embedding[token as usize * self.size..(token as usize + 1) * self.size]);
        }
        for (i, layer) in self.layers.iter().enumerate() {
            let (before, rest) = state.layers.split_at_mut(i);
            let input = before.last().map_or(&state.input, |(h, _)| h);
            let gates = &mut state.gates[..tokens.len() * 4 * layer.hidden()];
            let (h, c) = &mut rest[0];
            layer.step(input, h, c, gates);
        }
        let hidden = state.layers.last().map_or(&state.input, |(h, _)| h);
        kernel::linear_packed(hidden, &self.output, &self.output_bias, logits);
    }
}
