//! Transformers of GPT-2's type (Radford et al. 2019), under the names that Hugging Face gives their
//! parameters.

use crate::dense::{Dense, add};
use crate::dropout::dropout;
use crate::init::{Init, MAX_PARAMETERS, linear};
use crate::kernel::{self, Matrix, Orientation, Packed, Start, Threads, apply};
use crate::lstm::{packed, values};
use crate::next_token::{Head, NextToken, Runner, Sequences};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use trueness_core::{Error, Result, Seed};

/// What a [`Gpt2`] is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpt2Config {
    /// The number of token ids.
    pub vocabulary: usize,
    /// The longest sequence.
    pub context: usize,
    /// The size of a token's vector; a multiple of `heads`.
    pub size: usize,
    /// How many blocks lie above each other.
    pub layers: usize,
    /// How many heads each attention has.
    pub heads: usize,
    /// The size of the layer within a block, as a rule 4 · `size`.
    pub inner: usize,
    /// The probability with which dropout keeps a feature, in (0, 1].
    pub keep: f64,
    /// What is added to a variance before its root is divided by.
    pub epsilon: f64,
}

impl Gpt2Config {
    /// GPT-2's proportions: `inner` is four times the size, heads of 64 where they divide it.
    pub fn new(vocabulary: usize, context: usize, layers: usize, size: usize) -> Self {
        let heads = if size >= 64 && size.is_multiple_of(64) { size / 64 } else { 1 };
        Self { vocabulary, context, size, layers, heads, inner: 4 * size, keep: 0.9, epsilon: 1e-5 }
    }

    /// # Errors
    /// [`Error::Input`] if a size is 0 or far too large, the heads do not divide the size, or `keep` or
    /// `epsilon` is out of range.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Input(format!("a GPT-2 {what}")));
        let Self { vocabulary, context, size, layers, heads, inner, keep, epsilon } = *self;
        if [vocabulary, context, size, layers, heads, inner].contains(&0) {
            return wrong(format!("needs sizes of at least 1, got {self:?}"));
        }
        if !size.is_multiple_of(heads) {
            return wrong(format!("needs a size that its heads divide, got size {size} and {heads} heads"));
        }
        if self.parameters().is_none_or(|parameters| parameters > MAX_PARAMETERS) {
            return wrong(format!("of these sizes has more than {MAX_PARAMETERS} parameters"));
        }
        if !(keep > 0.0 && keep <= 1.0) {
            return wrong(format!("keeps a feature with probability in (0, 1], got keep = {keep}"));
        }
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return wrong(format!("needs a positive epsilon, got {epsilon}"));
        }
        Ok(())
    }

    /// How many numbers the matrices of the network hold; none where there are too many to count.
    pub(crate) fn parameters(&self) -> Option<usize> {
        let block = self.size.checked_mul(4)?.checked_add(self.inner.checked_mul(2)?)?.checked_mul(self.size)?;
        let tables = self.vocabulary.checked_add(self.context)?.checked_mul(self.size)?;
        block.checked_mul(self.layers)?.checked_add(tables)
    }

    /// A network with GPT-2's initial weights: normal with standard deviation .02, those that lead back
    /// into the residual stream divided by √(2 · layers), biases 0.
    ///
    /// # Errors
    /// As for [`Gpt2Config::check`].
    pub fn init(&self, device: &Device, seed: Seed) -> Result<Gpt2> {
        self.check()?;
        let Self { vocabulary, context, size, layers, heads, inner, keep, epsilon } = *self;
        let (plain, zero) = (Init::Normal { sd: 0.02 }, Init::Constant(0.0));
        let back = Init::Normal { sd: 0.02 / (2.0 * layers as f64).sqrt() };
        let norm =
            || Norm { weight: Init::Constant(1.0).param([size], device, seed), bias: zero.param([size], device, seed) };
        let h = (0..layers).map(|i| {
            let seed = seed.child("h").nth(i as u64);
            Block {
                ln_1: norm(),
                attn: Attention {
                    c_attn: linear(size, 3 * size, plain, zero, device, seed.child("c_attn")),
                    c_proj: linear(size, size, back, zero, device, seed.child("attn.c_proj")),
                },
                ln_2: norm(),
                mlp: Mlp {
                    c_fc: linear(size, inner, plain, zero, device, seed.child("c_fc")),
                    c_proj: linear(inner, size, back, zero, device, seed.child("mlp.c_proj")),
                },
            }
        });
        let table = |rows, name: &str| Table { weight: plain.param([rows, size], device, seed.child(name)) };
        let (wte, wpe) = (table(vocabulary, "wte"), table(context, "wpe"));
        Ok(Gpt2 { wte, wpe, h: h.collect(), ln_f: norm(), heads, keep, epsilon })
    }
}

/// Vectors to look up.
#[derive(Module, Debug)]
pub struct Table {
    /// `[rows, size]`.
    pub weight: Param<Tensor<2>>,
}

/// The parameters of a layer normalisation.
#[derive(Module, Debug)]
pub struct Norm {
    /// The scale, `[size]`.
    pub weight: Param<Tensor<1>>,
    /// The shift, `[size]`.
    pub bias: Param<Tensor<1>>,
}

/// Self-attention of a block.
#[derive(Module, Debug)]
pub struct Attention {
    /// To queries, keys and values, `[size, 3·size]`.
    pub c_attn: Linear,
    /// Back, `[size, size]`.
    pub c_proj: Linear,
}

/// The layers of a block that see each position by itself.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `[size, inner]`.
    pub c_fc: Linear,
    /// `[inner, size]`.
    pub c_proj: Linear,
}

/// One block: x + attention(norm(x)), then x + mlp(norm(x)).
#[derive(Module, Debug)]
pub struct Block {
    /// Before attention.
    pub ln_1: Norm,
    /// Attention.
    pub attn: Attention,
    /// Before the inner layers.
    pub ln_2: Norm,
    /// The inner layers.
    pub mlp: Mlp,
}

/// A transformer of GPT-2's type; the token vectors are used again at the output.
///
/// The parameters' paths are those of Hugging Face's `GPT2Model`: `wte.weight`,
/// `h.0.attn.c_attn.weight` and so on.
#[derive(Module, Debug)]
pub struct Gpt2 {
    /// Token vectors, `[vocabulary, size]`.
    pub wte: Table,
    /// Position vectors, `[context, size]`.
    pub wpe: Table,
    /// The blocks.
    pub h: Vec<Block>,
    /// Before the output.
    pub ln_f: Norm,
    /// How many heads each attention has.
    pub heads: usize,
    /// The probability with which dropout keeps a feature.
    pub keep: f64,
    /// What is added to a variance before its root is divided by.
    pub epsilon: f64,
}

impl Norm {
    fn forward(&self, x: Tensor<2>, epsilon: f64) -> Tensor<2> {
        kernel::layer_norm(x, self.weight.val(), self.bias.val(), epsilon as f32)
    }
}

impl NextToken for Gpt2 {
    type Runner = Gpt2Runner;

    fn vocabulary(&self) -> usize {
        self.wte.weight.dims()[0]
    }

    fn context(&self) -> Option<usize> {
        Some(self.wpe.weight.dims()[0])
    }

    fn features(&self, sequences: &Sequences, seed: Option<Seed>) -> Tensor<2> {
        let Sequences { batch, time, .. } = *sequences;
        let size = self.wte.weight.dims()[1];
        let seeds = |place: usize| seed.map(|seed| seed.child("dropout").nth(place as u64));
        let drop = |x: Tensor<2>, place: usize| match seeds(place) {
            Some(seed) => dropout(x, self.keep, seed),
            None => x,
        };
        let positions: Vec<u32> = (0..batch * time).map(|i| (i % time) as u32).collect();
        let tokens = kernel::embedding(self.wte.weight.val(), &sequences.inputs);
        let mut x = drop(tokens + kernel::embedding(self.wpe.weight.val(), &positions), 0);
        for (i, block) in self.h.iter().enumerate() {
            let place = 3 * i + 1;
            let qkv = apply(&block.attn.c_attn, block.ln_1.forward(x.clone(), self.epsilon));
            let qkv = qkv.reshape([batch, time, 3 * size]);
            let seen = kernel::causal_attention(qkv, self.heads, self.keep, seeds(place));
            x = x + drop(apply(&block.attn.c_proj, seen.reshape([batch * time, size])), place + 1);
            let inner = kernel::gelu(apply(&block.mlp.c_fc, block.ln_2.forward(x.clone(), self.epsilon)));
            x = x + drop(apply(&block.mlp.c_proj, inner), place + 2);
        }
        self.ln_f.forward(x, self.epsilon)
    }

    fn head(&self) -> Head {
        Head { weight: self.wte.weight.val(), orientation: Orientation::ClassesByInputs, bias: None }
    }

    fn runner(&self) -> Result<Gpt2Runner> {
        let norm = |norm: &Norm| -> Result<Scale> {
            Ok(Scale { weight: values(norm.weight.val())?, bias: values(norm.bias.val())? })
        };
        let blocks = self.h.iter().map(|block| {
            Ok(RunnerBlock {
                ln_1: norm(&block.ln_1)?,
                c_attn: Dense::of(&block.attn.c_attn)?,
                attn_proj: Dense::of(&block.attn.c_proj)?,
                ln_2: norm(&block.ln_2)?,
                c_fc: Dense::of(&block.mlp.c_fc)?,
                mlp_proj: Dense::of(&block.mlp.c_proj)?,
            })
        });
        let [vocabulary, size] = self.wte.weight.dims();
        Ok(Gpt2Runner {
            vocabulary,
            context: self.wpe.weight.dims()[0],
            size,
            heads: self.heads,
            epsilon: self.epsilon as f32,
            output: packed(self.wte.weight.val().transpose())?,
            wte: values(self.wte.weight.val())?,
            wpe: values(self.wpe.weight.val())?,
            blocks: blocks.collect::<Result<_>>()?,
            ln_f: norm(&self.ln_f)?,
        })
    }
}

/// A [`Gpt2`] that runs token by token, keeping the keys and values of the tokens so far.
#[derive(Clone, Debug)]
pub struct Gpt2Runner {
    vocabulary: usize,
    context: usize,
    size: usize,
    heads: usize,
    epsilon: f32,
    wte: Vec<f32>,
    /// The token vectors again, as the output uses them.
    output: Packed,
    wpe: Vec<f32>,
    blocks: Vec<RunnerBlock>,
    ln_f: Scale,
}

/// Scale and shift.
#[derive(Clone, Debug)]
struct Scale {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

#[derive(Clone, Debug)]
struct RunnerBlock {
    ln_1: Scale,
    c_attn: Dense,
    attn_proj: Dense,
    ln_2: Scale,
    c_fc: Dense,
    mlp_proj: Dense,
}

/// The keys and values of some sequences so far, for each block and sequence.
#[derive(Clone, Debug)]
pub struct Gpt2State {
    position: usize,
    past: Vec<Vec<(Vec<f32>, Vec<f32>)>>,
}

impl Scale {
    fn normalise(&self, x: &[f32], epsilon: f32) -> Vec<f32> {
        let mut out = x.to_vec();
        kernel::normalise_rows(&mut out, &self.weight, &self.bias, epsilon);
        out
    }
}

impl Runner for Gpt2Runner {
    type State = Gpt2State;

    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn context(&self) -> Option<usize> {
        Some(self.context)
    }

    fn start(&self, batch: usize) -> Gpt2State {
        Gpt2State { position: 0, past: vec![vec![(Vec::new(), Vec::new()); batch]; self.blocks.len()] }
    }

    fn chosen(&self, state: &Gpt2State, rows: &[usize]) -> Gpt2State {
        let past = state.past.iter().map(|past| rows.iter().map(|&row| past[row].clone()).collect()).collect();
        Gpt2State { position: state.position, past }
    }

    fn step(&self, state: &mut Gpt2State, tokens: &[u32], logits: &mut [f32]) {
        let size = self.size;
        let row = |table: &[f32], i: usize| table[i * size..(i + 1) * size].to_vec();
        let position = row(&self.wpe, state.position.min(self.context - 1));
        let mut x: Vec<f32> = tokens.iter().flat_map(|&token| row(&self.wte, token as usize)).collect();
        x.chunks_exact_mut(size).for_each(|x| add(x, &position));
        let mut seen = vec![0.0; x.len()];
        for (block, past) in self.blocks.iter().zip(&mut state.past) {
            let qkv = block.c_attn.apply(&block.ln_1.normalise(&x, self.epsilon), tokens.len());
            for ((qkv, (keys, values)), seen) in qkv.chunks_exact(3 * size).zip(past).zip(seen.chunks_exact_mut(size)) {
                keys.extend_from_slice(&qkv[size..2 * size]);
                values.extend_from_slice(&qkv[2 * size..]);
                kernel::attend(&qkv[..size], keys, values, self.heads, seen);
            }
            add(&mut x, &block.attn_proj.apply(&seen, tokens.len()));
            let mut inner = block.c_fc.apply(&block.ln_2.normalise(&x, self.epsilon), tokens.len());
            kernel::gelu_rows(&mut inner);
            add(&mut x, &block.mlp_proj.apply(&inner, tokens.len()));
        }
        state.position += 1;
        let x = self.ln_f.normalise(&x, self.epsilon);
        let x = Matrix::new(&x, tokens.len(), size);
        kernel::product_packed(Start::Zero, x, &self.output, logits, self.vocabulary, Threads::One);
    }
}
