//! SeqGAN's oracle: a randomly initialised LSTM language model (Yu et al., 2017, "SeqGAN").
//!
//! One layer; every parameter, embeddings and biases included, is drawn from N(0, 1). The state starts
//! at zero, token 0 is fed first (and is an ordinary word as well), and exactly `length` tokens are drawn
//! one after another from the softmax; there is no end token. The gates are σ(x·W + h·U + b) for i, f, o,
//! the candidate is tanh of the same form, c ← f·c + i·candidate, h ← o·tanh(c), logits = h·V + b.

mod kernel;
mod store;

use super::Oracle;
use crate::corpus::{Encoded, Vocabulary};
use crate::{Error, Result};
use kernel::{Projection, ROWS};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueness_core::{Rng, Seed};

/// Sentences that one thread takes through all steps together; a multiple of the kernel's rows.
const BATCH: usize = 32;

/// The most parameters that a configuration may ask for.
const MAX_PARAMETERS: usize = 1 << 28;

/// The shape of an [`LstmOracle`]. The defaults are SeqGAN's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LstmConfig {
    /// Words in the vocabulary, at least 1.
    pub vocabulary: usize,
    /// Dimensions of a word's embedding, at least 1.
    pub embedding: usize,
    /// Hidden units, at least 1.
    pub hidden: usize,
    /// Tokens in every sentence, 1 to 10,000.
    pub length: usize,
}

impl Default for LstmConfig {
    fn default() -> Self {
        Self { vocabulary: 5000, embedding: 32, hidden: 32, length: 20 }
    }
}

impl LstmConfig {
    /// The names and shapes of the 15 parameter arrays in SeqGAN's order: the embeddings; W (input), U
    /// (recurrent) and b (bias) of the input gate, forget gate, output gate and candidate; the output's
    /// weight and bias. Matrices are row-major and multiply from the right: x·W.
    pub fn arrays(&self) -> Vec<(String, Vec<usize>)> {
        let mut arrays = vec![("embedding".to_owned(), vec![self.vocabulary, self.embedding])];
        for gate in ["input_gate", "forget_gate", "output_gate", "candidate"] {
            arrays.push((format!("{gate}.input"), vec![self.embedding, self.hidden]));
            arrays.push((format!("{gate}.recurrent"), vec![self.hidden, self.hidden]));
            arrays.push((format!("{gate}.bias"), vec![self.hidden]));
        }
        arrays.push(("output.weight".to_owned(), vec![self.hidden, self.vocabulary]));
        arrays.push(("output.bias".to_owned(), vec![self.vocabulary]));
        arrays
    }

    /// Checks the sizes, before anything is allocated.
    ///
    /// # Errors
    /// [`Error::Input`] if a size is 0 or too large.
    pub fn check(&self) -> Result<()> {
        let Self { vocabulary, embedding, hidden, length } = self;
        let sizes = [*vocabulary, *embedding, *hidden];
        let small = sizes.iter().all(|&size| (1..=MAX_PARAMETERS).contains(&size))
            && self.arrays().iter().all(|(_, shape)| {
                shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).is_some_and(|n| n <= MAX_PARAMETERS)
            });
        if small && (1..=10_000).contains(length) {
            return Ok(());
        }
        Err(Error::Input(format!(
            "an LSTM oracle needs sizes from 1 on, arrays of at most {MAX_PARAMETERS} numbers and a length from 1 to \
             10000; got vocabulary {vocabulary}, embedding {embedding}, hidden {hidden}, length {length}"
        )))
    }
}

/// A fixed LSTM language model over sentences of a fixed length: see the [module](self).
#[derive(Clone, Debug)]
pub struct LstmOracle {
    config: LstmConfig,
    vocabulary: Vocabulary,
    /// The parameter arrays in the order of [`LstmConfig::arrays`].
    parameters: Vec<Vec<f32>>,
    /// (embedding + hidden) → the four gates.
    gates: Projection,
    /// hidden → vocabulary.
    output: Projection,
}

impl LstmOracle {
    /// An oracle with all parameters drawn from N(0, 1), each array from a stream of its own.
    ///
    /// # Errors
    /// If a size is 0 or too large.
    pub fn draw(config: LstmConfig, seed: Seed) -> Result<Self> {
        config.check()?;
        let parameters = normal_arrays(&config, seed);
        Self::from_arrays(config, parameters)
    }

    /// An oracle from its 15 arrays in the order of [`LstmConfig::arrays`], which is SeqGAN's.
    ///
    /// # Errors
    /// If the number or a length of the arrays does not fit the configuration, or a number is not finite.
    pub fn from_arrays(config: LstmConfig, parameters: Vec<Vec<f32>>) -> Result<Self> {
        config.check()?;
        let expected = config.arrays();
        if parameters.len() != expected.len() {
            let (wanted, got) = (expected.len(), parameters.len());
            return Err(Error::Input(format!("an LSTM oracle has {wanted} parameter arrays; got {got}")));
        }
        for ((name, shape), array) in expected.iter().zip(&parameters) {
            if array.len() != shape.iter().product::<usize>() {
                let got = array.len();
                return Err(Error::Input(format!(
                    "parameter array {name} must have the shape {shape:?}; got {got} numbers"
                )));
            }
            if let Some(place) = array.iter().position(|x| !x.is_finite()) {
                let got = array[place];
                return Err(Error::Input(format!("parameter array {name} must be finite; number {place} is {got}")));
            }
        }
        let mut vocabulary = Vocabulary::new();
        for id in 0..config.vocabulary {
            vocabulary.add(&format!("w{id}"));
        }
        let gates = gate_projection(&config, &parameters);
        // The columns that fill up the last tile must never be drawn.
        let output = Projection::new(&parameters[13], &parameters[14], f32::NEG_INFINITY);
        Ok(Self { config, vocabulary, parameters, gates, output })
    }

    /// The shape.
    pub fn config(&self) -> &LstmConfig {
        &self.config
    }

    /// The parameter arrays in the order of [`LstmConfig::arrays`].
    pub fn parameters(&self) -> &[Vec<f32>] {
        &self.parameters
    }

    /// A second oracle at a set distance in parameter space: θ′ = √(1 − ε²)·θ + ε·z with z ∼ N(0, 1). If θ
    /// was drawn from N(0, 1), so is θ′, with correlation √(1 − ε²): it has the same entropy on average.
    /// ε = 0 gives the same oracle, ε = 1 an independent one.
    ///
    /// # Errors
    /// If `epsilon` lies outside [0, 1].
    pub fn moved(&self, epsilon: f64, seed: Seed) -> Result<Self> {
        if !(0.0..=1.0).contains(&epsilon) {
            return Err(Error::Input(format!("an oracle is moved by an epsilon from 0 to 1; got {epsilon}")));
        }
        let keep = (1.0 - epsilon * epsilon).sqrt() as f32;
        let noise = normal_arrays(&self.config, seed);
        let mix = |(array, noise): (&Vec<f32>, Vec<f32>)| {
            array.iter().zip(noise).map(|(x, z)| keep * x + epsilon as f32 * z).collect()
        };
        Self::from_arrays(self.config.clone(), self.parameters.iter().zip(noise).map(mix).collect())
    }
}

/// Draws every array of a configuration from N(0, 1).
fn normal_arrays(config: &LstmConfig, seed: Seed) -> Vec<Vec<f32>> {
    let draw = |(name, shape): (String, Vec<usize>)| {
        let mut rng = seed.child(&name).rng();
        let n: usize = shape.iter().product();
        (0..n).map(|_| Distribution::<f32>::sample(&StandardNormal, &mut rng)).collect()
    };
    config.arrays().into_iter().map(draw).collect()
}

/// Puts the four gates side by side, so that one product with [x, h] gives all pre-activations.
fn gate_projection(config: &LstmConfig, parameters: &[Vec<f32>]) -> Projection {
    let (embedding, hidden) = (config.embedding, config.hidden);
    let gates = || parameters[1..13].chunks_exact(3);
    let row = |part: usize, k: usize| gates().flat_map(move |gate| &gate[part][k * hidden..(k + 1) * hidden]).copied();
    let inputs = (0..embedding).flat_map(|k| row(0, k));
    let weights: Vec<f32> = inputs.chain((0..hidden).flat_map(|k| row(1, k))).collect();
    let bias: Vec<f32> = row(2, 0).collect();
    Projection::new(&weights, &bias, 0.0)
}

/// What a thread needs for one batch of sentences.
struct Workspace<'a> {
    oracle: &'a LstmOracle,
    /// The embedding of the last token and the hidden state, by sentence.
    inputs: Vec<f32>,
    state: Vec<f32>,
    gates: Vec<f32>,
    logits: Vec<f32>,
    blocks: Vec<f64>,
}

impl<'a> Workspace<'a> {
    fn new(oracle: &'a LstmOracle, n: usize) -> Self {
        let rows = n.next_multiple_of(ROWS);
        let LstmConfig { embedding, hidden, .. } = oracle.config;
        let mut workspace = Self {
            oracle,
            inputs: vec![0.0; rows * (embedding + hidden)],
            state: vec![0.0; rows * hidden],
            gates: vec![0.0; rows * oracle.gates.columns()],
            logits: vec![0.0; rows * oracle.output.columns()],
            blocks: Vec::new(),
        };
        (0..n).for_each(|row| workspace.feed(row, 0));
        workspace
    }

    /// Sets the token that the next step reads.
    fn feed(&mut self, row: usize, token: u32) {
        let LstmConfig { embedding, hidden, .. } = self.oracle.config;
        let from = token as usize * embedding;
        let to = row * (embedding + hidden);
        self.inputs[to..to + embedding].copy_from_slice(&self.oracle.parameters[0][from..from + embedding]);
    }

    /// One step of all sentences: leaves the logits of their next tokens.
    fn step(&mut self) {
        let LstmConfig { embedding, hidden, .. } = self.oracle.config;
        let oracle = self.oracle;
        oracle.gates.apply(&self.inputs, &mut self.gates);
        let mut outputs = Vec::with_capacity(self.state.len());
        let rows = self.inputs.chunks_exact_mut(embedding + hidden).zip(self.state.chunks_exact_mut(hidden));
        for ((input, state), gates) in rows.zip(self.gates.chunks_exact(oracle.gates.columns())) {
            kernel::cell(gates, state, &mut input[embedding..]);
            outputs.extend_from_slice(&input[embedding..]);
        }
        oracle.output.apply(&outputs, &mut self.logits);
    }

    /// Draws the next token of a sentence by inverting the cumulative sum of its softmax.
    fn draw(&mut self, row: usize, rng: &mut Rng) -> u32 {
        let columns = self.oracle.output.columns();
        let logits = &mut self.logits[row * columns..(row + 1) * columns];
        let softmax = kernel::exponentiate(logits, &mut self.blocks);
        let found = kernel::search(logits, &self.blocks, rng.random::<f64>() * softmax.total);
        found.min(self.oracle.config.vocabulary - 1) as u32
    }

    /// log p of a token given what came before.
    fn log_probability(&mut self, row: usize, token: u32) -> f64 {
        let columns = self.oracle.output.columns();
        let logits = &mut self.logits[row * columns..(row + 1) * columns];
        let logit = logits[token as usize];
        let softmax = kernel::exponentiate(logits, &mut self.blocks);
        f64::from(logit) - f64::from(softmax.max) - softmax.total.ln()
    }
}

impl Oracle for LstmOracle {
    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn sample(&self, n: usize, seed: Seed) -> Encoded {
        let batches: Vec<Vec<Vec<u32>>> = (0..n.div_ceil(BATCH))
            .into_par_iter()
            .map(|batch| {
                let numbers = batch * BATCH..((batch + 1) * BATCH).min(n);
                let mut workspace = Workspace::new(self, numbers.len());
                let mut rngs: Vec<Rng> = numbers.map(|i| seed.nth(i as u64).rng()).collect();
                let mut sentences = vec![Vec::with_capacity(self.config.length); rngs.len()];
                for _ in 0..self.config.length {
                    workspace.step();
                    for (row, (rng, sentence)) in rngs.iter_mut().zip(&mut sentences).enumerate() {
                        let token = workspace.draw(row, rng);
                        sentence.push(token);
                        workspace.feed(row, token);
                    }
                }
                sentences
            })
            .collect();
        batches.into_iter().flatten().collect()
    }

    fn log_density(&self, sentences: &Encoded) -> Vec<f64> {
        let possible = |sentence: &[u32]| {
            sentence.len() == self.config.length && sentence.iter().all(|&id| (id as usize) < self.config.vocabulary)
        };
        let numbers: Vec<usize> = (0..sentences.len()).filter(|&i| possible(sentences.sentence(i))).collect();
        let batches: Vec<Vec<f64>> = numbers
            .par_chunks(BATCH)
            .map(|numbers| {
                let mut workspace = Workspace::new(self, numbers.len());
                let mut densities = vec![0.0; numbers.len()];
                for t in 0..self.config.length {
                    workspace.step();
                    for (row, (&i, density)) in numbers.iter().zip(&mut densities).enumerate() {
                        let token = sentences.sentence(i)[t];
                        *density += workspace.log_probability(row, token);
                        workspace.feed(row, token);
                    }
                }
                densities
            })
            .collect();
        let mut densities = vec![f64::NEG_INFINITY; sentences.len()];
        for (i, density) in numbers.into_iter().zip(batches.into_iter().flatten()) {
            densities[i] = density;
        }
        densities
    }

    fn signature(&self) -> String {
        let LstmConfig { vocabulary, embedding, hidden, length } = self.config;
        let mut hasher = blake3::Hasher::new();
        for x in self.parameters.iter().flatten() {
            hasher.update(&x.to_le_bytes());
        }
        let hash = hasher.finalize().to_hex();
        format!("lstm-oracle|v:{vocabulary}|e:{embedding}|h:{hidden}|t:{length}|parameters:{}", &hash[..16])
    }
}
