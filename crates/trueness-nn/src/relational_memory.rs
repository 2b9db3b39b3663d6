//! Language models with a relational memory (Santoro et al. 2018), as RelGAN has them (Nie, Narodytska and Patel 2019).
//!
//! Two things are as in Santoro et al. and not as in RelGAN's code: every row is normalised by itself, where that code normalises the rows
//! of the memory and the input's together; and the gates have biases.

use crate::dense::{Dense, add};
use crate::init::{Init, MAX_PARAMETERS, linear};
use crate::kernel::{self, Matrix, Orientation, Packed, Start, Threads};
use crate::lstm::{packed, values};
use crate::next_token::{Head, NextToken, Runner, Sequences};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData, activation};
use serde::{Deserialize, Serialize};
use trueness_core::{Error, Result, Seed};

/// What keeps a variance from 0 in the layer normalisations.
const EPSILON: f32 = 1e-5;

/// What is added to the forget gate, so that the memory is kept at first.
const FORGET_BIAS: f64 = 1.0;

/// What a [`RelationalMemory`] is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationalMemoryConfig {
    /// The number of token ids.
    pub vocabulary: usize,
    /// The size of a token's vector.
    pub embedding: usize,
    /// How many rows the memory has.
    pub slots: usize,
    /// How many heads attend.
    pub heads: usize,
    /// The size of a head; a row of the memory has `heads` times as many numbers.
    pub head_size: usize,
}

impl RelationalMemoryConfig {
    /// The generator of RelGAN's code: one slot, two heads of 256.
    pub fn relgan(vocabulary: usize) -> Self {
        Self { vocabulary, embedding: 32, slots: 1, heads: 2, head_size: 256 }
    }

    /// # Errors
    /// [`Error::Input`] if a size is 0 or far too large.
    pub fn check(&self) -> Result<()> {
        let Self { vocabulary, embedding, slots, heads, head_size } = *self;
        if [vocabulary, embedding, slots, heads, head_size].contains(&0) {
            return Err(Error::Input(format!("a relational memory needs sizes of at least 1, got {self:?}")));
        }
        let parameters = || {
            let size = heads.checked_mul(head_size)?;
            let wide = slots.checked_mul(size)?.checked_add(embedding)?;
            // Queries, keys and values, two gates from two sides, two layers.
            size.checked_mul(size)?.checked_mul(9)?.checked_add(vocabulary.checked_mul(wide)?)
        };
        match parameters() {
            Some(n) if n <= MAX_PARAMETERS => Ok(()),
            _ => Err(Error::Input(format!("a memory of these sizes has more than {MAX_PARAMETERS} parameters"))),
        }
    }

    /// A network with initial weights: truncated normal with standard deviation 1/√inputs, biases 0, as in RelGAN's code.
    ///
    /// # Errors
    /// As for [`RelationalMemoryConfig::check`].
    pub fn init(&self, device: &Device, seed: Seed) -> Result<RelationalMemory> {
        self.check()?;
        let Self { vocabulary, embedding, slots, heads, head_size } = *self;
        let size = heads * head_size;
        let of = |inputs: usize| Init::TruncatedNormal { sd: (1.0 / inputs as f64).sqrt() };
        let (zero, one) = (Init::Constant(0.0), Init::Constant(1.0));
        let dense = |inputs: usize, outputs: usize, name: &str| {
            linear(inputs, outputs, of(inputs), zero, device, seed.child(name))
        };
        let norm = |size: usize, name: &str| Scale {
            scale: one.param([size], device, seed.child(name)),
            shift: zero.param([size], device, seed.child(name)),
        };
        Ok(RelationalMemory {
            embedding: of(vocabulary).param([vocabulary, embedding], device, seed.child("embedding")),
            input: dense(embedding, size, "input"),
            attention: of(size).param([size, 3 * size], device, seed.child("attention")),
            attention_norm: norm(3 * size, "attention_norm"),
            norm_1: norm(size, "norm_1"),
            inner_1: dense(size, size, "inner_1"),
            inner_2: dense(size, size, "inner_2"),
            norm_2: norm(size, "norm_2"),
            input_gates: dense(size, 2 * size, "input_gates"),
            memory_gates: dense(size, 2 * size, "memory_gates"),
            output: dense(slots * size, vocabulary, "output"),
            slots,
            heads,
        })
    }
}

/// Scale and shift of a layer normalisation.
#[derive(Module, Debug)]
pub struct Scale {
    /// `[size]`.
    pub scale: Param<Tensor<1>>,
    /// `[size]`.
    pub shift: Param<Tensor<1>>,
}

impl Scale {
    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        kernel::layer_norm(x, self.scale.val(), self.shift.val(), EPSILON)
    }
}

/// A language model whose state is a memory of rows that attend to each other and to the input.
///
/// Each step: the input, made as wide as a row, is laid beside the memory; the memory's rows attend to all of them; what they see
/// is added and normalised, goes through two layers, is added and normalised again; gates from the input and from tanh of the
/// memory say how much of tanh of that, and how much of the old memory, stays.
#[derive(Module, Debug)]
pub struct RelationalMemory {
    /// `[vocabulary, embedding]`.
    pub embedding: Param<Tensor<2>>,
    /// To the size of a row.
    pub input: Linear,
    /// `[size, 3·size]`, no bias: query, key and value of the first head, then of the next.
    pub attention: Param<Tensor<2>>,
    /// Over all of these.
    pub attention_norm: Scale,
    /// After the attention.
    pub norm_1: Scale,
    /// The first of two layers, with a ReLU behind it.
    pub inner_1: Linear,
    /// The second.
    pub inner_2: Linear,
    /// After these.
    pub norm_2: Scale,
    /// Input gate and forget gate by the input, `[size, 2·size]`.
    pub input_gates: Linear,
    /// The same by tanh of the memory.
    pub memory_gates: Linear,
    /// From all rows to the tokens.
    pub output: Linear,
    /// Rows of the memory.
    pub slots: usize,
    /// Heads of the attention.
    pub heads: usize,
}

impl RelationalMemory {
    /// The size of a row.
    fn size(&self) -> usize {
        self.attention.dims()[0]
    }

    /// The memory before the first token, `[batch, slots, size]`: the identity, with zeros beside it.
    pub fn start(&self, batch: usize) -> Tensor<3> {
        let values = identity(batch, self.slots, self.size());
        Tensor::from_data(TensorData::new(values, [batch, self.slots, self.size()]), &self.embedding.device())
    }

    /// The memory after a token whose vector is a row of `x`, `[batch, embedding]`.
    pub fn step(&self, x: Tensor<2>, memory: Tensor<3>) -> Tensor<3> {
        let [batch, slots, size] = memory.dims();
        let (heads, width) = (self.heads, size / self.heads);
        let input = kernel::apply(&self.input, x);
        let all = Tensor::cat(vec![memory.clone(), input.clone().unsqueeze_dim(1)], 1);
        let qkv = kernel::linear(all.reshape([batch * (slots + 1), size]), self.attention.val(), None);
        let qkv = self.attention_norm.apply(qkv).reshape([batch, slots + 1, heads, 3 * width]).swap_dims(1, 2);
        // `[batch, heads, rows, width]` each; the input's own row sees, but what it would see is not kept.
        let part = |i: usize, rows: usize| qkv.clone().narrow(3, i * width, width).narrow(2, 0, rows);
        let query = part(0, slots).mul_scalar(((3 * width) as f64).sqrt().recip());
        let scores = query.matmul(part(1, slots + 1).swap_dims(2, 3));
        let seen = activation::softmax(scores, 3).matmul(part(2, slots + 1));
        let seen = seen.swap_dims(1, 2).reshape([batch * slots, size]);
        let old = memory.reshape([batch * slots, size]);
        let kept = self.norm_1.apply(old.clone() + seen);
        let inner = kernel::apply(&self.inner_2, activation::relu(kernel::apply(&self.inner_1, kept.clone())));
        let new = self.norm_2.apply(kept + inner);
        let by_input = kernel::apply(&self.input_gates, input).unsqueeze_dim::<3>(1).repeat_dim(1, slots);
        let gates = by_input.reshape([batch * slots, 2 * size]) + kernel::apply(&self.memory_gates, old.clone().tanh());
        let let_in = activation::sigmoid(gates.clone().narrow(1, 0, size));
        let keep = activation::sigmoid(gates.narrow(1, size, size).add_scalar(FORGET_BIAS));
        (let_in * new.tanh() + keep * old).reshape([batch, slots, size])
    }

    /// The logits of the next token: `[batch, slots, size]` to `[batch, vocabulary]`.
    pub fn logits(&self, memory: Tensor<3>) -> Tensor<2> {
        let [batch, slots, size] = memory.dims();
        kernel::apply(&self.output, memory.reshape([batch, slots * size]))
    }
}

/// The identity with zeros beside it, once a sequence.
fn identity(batch: usize, slots: usize, size: usize) -> Vec<f32> {
    let mut values = vec![0.0; batch * slots * size];
    for memory in values.chunks_exact_mut(slots * size) {
        (0..slots.min(size)).for_each(|i| memory[i * size + i] = 1.0);
    }
    values
}

impl NextToken for RelationalMemory {
    type Runner = RelationalRunner;

    fn vocabulary(&self) -> usize {
        self.embedding.dims()[0]
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn features(&self, sequences: &Sequences, _dropout: Option<Seed>) -> Tensor<2> {
        let Sequences { batch, time, .. } = *sequences;
        let wide = self.slots * self.size();
        let mut memory = self.start(batch);
        let mut rows = Vec::with_capacity(time);
        for t in 0..time {
            let tokens: Vec<u32> = (0..batch).map(|i| sequences.inputs[i * time + t]).collect();
            memory = self.step(kernel::embedding(self.embedding.val(), &tokens), memory);
            rows.push(memory.clone().reshape([batch, 1, wide]));
        }
        Tensor::cat(rows, 1).reshape([batch * time, wide])
    }

    fn head(&self) -> Head {
        let bias = self.output.bias.as_ref().map(Param::val);
        Head { weight: self.output.weight.val(), orientation: Orientation::InputsByClasses, bias }
    }

    fn runner(&self) -> Result<RelationalRunner> {
        let scale = |norm: &Scale| Ok::<_, Error>([values(norm.scale.val())?, values(norm.shift.val())?]);
        Ok(RelationalRunner {
            vocabulary: self.vocabulary(),
            slots: self.slots,
            heads: self.heads,
            size: self.size(),
            wide: self.embedding.dims()[1],
            embedding: values(self.embedding.val())?,
            input: Dense::of(&self.input)?,
            attention: packed(self.attention.val())?,
            attention_norm: scale(&self.attention_norm)?,
            norm_1: scale(&self.norm_1)?,
            inner_1: Dense::of(&self.inner_1)?,
            inner_2: Dense::of(&self.inner_2)?,
            norm_2: scale(&self.norm_2)?,
            input_gates: Dense::of(&self.input_gates)?,
            memory_gates: Dense::of(&self.memory_gates)?,
            output: Dense::of(&self.output)?,
        })
    }
}

/// A [`RelationalMemory`] that runs token by token.
#[derive(Clone, Debug)]
pub struct RelationalRunner {
    vocabulary: usize,
    slots: usize,
    heads: usize,
    size: usize,
    /// The size of a token's vector.
    wide: usize,
    embedding: Vec<f32>,
    input: Dense,
    attention: Packed,
    attention_norm: [Vec<f32>; 2],
    norm_1: [Vec<f32>; 2],
    inner_1: Dense,
    inner_2: Dense,
    norm_2: [Vec<f32>; 2],
    input_gates: Dense,
    memory_gates: Dense,
    output: Dense,
}

impl RelationalRunner {
    /// What the rows of one sequence's memory see: `qkv` has a row of queries, keys and values for each of them and for the input.
    fn attend(&self, qkv: &[f32], seen: &mut [f32]) {
        let width = self.size / self.heads;
        let scale = ((3 * width) as f32).sqrt().recip();
        let part =
            |row: usize, head: usize, i: usize| &qkv[row * 3 * self.size + head * 3 * width + i * width..][..width];
        let mut scores = vec![0.0; self.slots + 1];
        for row in 0..self.slots {
            for head in 0..self.heads {
                let query = part(row, head, 0);
                for (other, score) in scores.iter_mut().enumerate() {
                    let key = part(other, head, 1);
                    *score = scale * query.iter().zip(key).map(|(q, k)| q * k).sum::<f32>();
                }
                kernel::softmax_in_place(&mut scores);
                let out = &mut seen[row * self.size + head * width..][..width];
                out.fill(0.0);
                for (other, score) in scores.iter().enumerate() {
                    out.iter_mut().zip(part(other, head, 2)).for_each(|(out, value)| *out += score * value);
                }
            }
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

impl Runner for RelationalRunner {
    /// The memories, `[batch, slots, size]`.
    type State = Vec<f32>;

    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn start(&self, batch: usize) -> Vec<f32> {
        identity(batch, self.slots, self.size)
    }

    fn chosen(&self, state: &Vec<f32>, rows: &[usize]) -> Vec<f32> {
        let wide = self.slots * self.size;
        rows.iter().flat_map(|row| state[row * wide..(row + 1) * wide].iter().copied()).collect()
    }

    fn step(&self, state: &mut Vec<f32>, tokens: &[u32], logits: &mut [f32]) {
        let (batch, slots, size) = (tokens.len(), self.slots, self.size);
        let row = |token: u32| &self.embedding[token as usize * self.wide..(token as usize + 1) * self.wide];
        let x: Vec<f32> = tokens.iter().flat_map(|&token| row(token).iter().copied()).collect();
        let input = self.input.apply(&x, batch);
        let mut all = Vec::with_capacity(batch * (slots + 1) * size);
        for (memory, input) in state.chunks_exact(slots * size).zip(input.chunks_exact(size)) {
            all.extend_from_slice(memory);
            all.extend_from_slice(input);
        }
        let mut qkv = vec![0.0; batch * (slots + 1) * 3 * size];
        let all = Matrix::new(&all, batch * (slots + 1), size);
        kernel::product_packed(Start::Zero, all, &self.attention, &mut qkv, 3 * size, Threads::One);
        let [scale, shift] = &self.attention_norm;
        kernel::normalise_rows(&mut qkv, scale, shift, EPSILON);
        let mut kept = vec![0.0; batch * slots * size];
        for (qkv, seen) in qkv.chunks_exact((slots + 1) * 3 * size).zip(kept.chunks_exact_mut(slots * size)) {
            self.attend(qkv, seen);
        }
        add(&mut kept, state);
        let [scale, shift] = &self.norm_1;
        kernel::normalise_rows(&mut kept, scale, shift, EPSILON);
        let mut inner = self.inner_1.apply(&kept, batch * slots);
        inner.iter_mut().for_each(|x| *x = x.max(0.0));
        add(&mut kept, &self.inner_2.apply(&inner, batch * slots));
        let [scale, shift] = &self.norm_2;
        kernel::normalise_rows(&mut kept, scale, shift, EPSILON);
        let by_input = self.input_gates.apply(&input, batch);
        let bounded: Vec<f32> = state.iter().map(|x| x.tanh()).collect();
        let by_memory = self.memory_gates.apply(&bounded, batch * slots);
        for (i, (memory, new)) in state.chunks_exact_mut(size).zip(kept.chunks_exact(size)).enumerate() {
            let (by_input, by_memory) = (&by_input[i / slots * 2 * size..], &by_memory[i * 2 * size..]);
            for (j, (memory, new)) in memory.iter_mut().zip(new).enumerate() {
                let let_in = sigmoid(by_input[j] + by_memory[j]);
                let keep = sigmoid(by_input[size + j] + by_memory[size + j] + FORGET_BIAS as f32);
                *memory = let_in * new.tanh() + keep * *memory;
            }
        }
        kernel::linear_packed(state, &self.output.weight, &self.output.bias, logits);
    }
}
