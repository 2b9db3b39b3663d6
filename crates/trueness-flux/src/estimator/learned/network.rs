//! Networks over a record's rows: a perceptron of each row, convolutions over rows, an LSTM over rows.

use super::{Examples, Learner};
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use trueness_core::{Seed, Watch};
use trueness_nn::burn::nn::Linear;
use trueness_nn::burn::tensor::{Device, Tensor, TensorData};
use trueness_nn::burn::{self, module::Module};
use trueness_nn::init::linear;
use trueness_nn::kernel::{self, AdamConfig};
use trueness_nn::{Checkpoints, FitConfig, Goal, Init, LstmLayer, Schedule, Task, device, fit, weights};

/// Standardised columns are cut off here: gradients near 0 make a few of them huge.
const LARGEST: f64 = 5.0;

/// The rows that a convolution sees at once, and how many rows they are apart in each layer.
const TAPS: usize = 5;
const DILATIONS: [usize; 4] = [1, 2, 4, 8];

/// Every so many stretches one is kept for choosing the pass.
const VALIDATION: usize = 6;

/// The settings of networks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NetworkKnobs {
    /// The size of hidden layers; an LSTM has as much in each direction.
    #[schemars(range(min = 1, max = 4096))]
    pub hidden: usize,
    /// Passes over the training rows; the pass with the lowest validation loss gives the weights.
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: usize,
    /// Stop after so many passes without a lower validation loss.
    pub patience: Option<usize>,
    /// Rows in a stretch that is learned from at once.
    #[schemars(range(min = 4, max = 100_000))]
    pub stretch: usize,
    /// Stretches in a batch.
    #[schemars(range(min = 1, max = 100_000))]
    pub batch: usize,
    /// Adam's step size, along half a cosine.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub learning_rate: f64,
}

impl Default for NetworkKnobs {
    fn default() -> Self {
        Self { hidden: 48, epochs: 30, patience: Some(8), stretch: 96, batch: 16, learning_rate: 3e-3 }
    }
}

/// What a network is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    learner: Learner,
    hidden: usize,
    causal: bool,
    /// Mean and standard deviation of each column, and of the flux.
    columns: Vec<[f64; 2]>,
    flux: [f64; 2],
}

/// The weights. What a learner does not have is empty.
#[derive(Module, Debug)]
struct Weights {
    layers: Vec<Linear>,
    recurrent: Vec<LstmLayer>,
    head: Linear,
}

/// A trained network. It tells of each row the median of the flux and the logarithm of its mean absolute error (Laplace).
#[derive(Clone, Debug)]
pub struct Network {
    shape: Shape,
    weights: Weights,
}

impl Shape {
    fn of(learner: Learner, hidden: usize, causal: bool, examples: &Examples) -> Self {
        let n = examples.rows() as f64;
        let moments = |value: &dyn Fn(&super::Rows, usize) -> f64| {
            let all = || examples.stretches.iter().flat_map(|rows| (0..rows.len()).map(move |i| (rows, i)));
            let mean = all().map(|(rows, i)| value(rows, i)).sum::<f64>() / n;
            let square = all().map(|(rows, i)| (value(rows, i) - mean).powi(2)).sum::<f64>() / n;
            [mean, if square > 0.0 { square.sqrt() } else { 1.0 }]
        };
        let columns = (0..examples.columns).map(|j| moments(&|rows, i| rows.x[i * rows.columns + j])).collect();
        Self { learner, hidden, causal, columns, flux: moments(&|rows, i| rows.y[i]) }
    }

    fn init(&self, device: &Device, seed: Seed) -> Weights {
        let (inputs, hidden) = (self.columns.len(), self.hidden);
        let dense = |inputs: usize, outputs: usize, seed: Seed| {
            let init = Init::FanInUniform { inputs };
            linear(inputs, outputs, init, init, device, seed)
        };
        let nth = |i: usize| seed.child("layers").nth(i as u64);
        let (layers, recurrent, last) = match self.learner {
            Learner::Cnn => {
                let layer = |i: usize| dense(TAPS * if i == 0 { inputs } else { hidden }, hidden, nth(i));
                ((0..DILATIONS.len()).map(layer).collect(), Vec::new(), hidden)
            }
            Learner::Lstm => {
                let directions = if self.causal { 1 } else { 2 };
                let init = Init::FanInUniform { inputs: hidden };
                let layer = |i: usize| LstmLayer {
                    weight: init.param([hidden, 4 * hidden], device, nth(i).child("weight")),
                    recurrent: init.param([hidden, 4 * hidden], device, nth(i).child("recurrent")),
                    bias: init.param([4 * hidden], device, nth(i).child("bias")),
                };
                (vec![dense(inputs, hidden, nth(9))], (0..directions).map(layer).collect(), directions * hidden)
            }
            _ => (vec![dense(inputs, hidden, nth(0)), dense(hidden, hidden, nth(1))], Vec::new(), hidden),
        };
        Weights { layers, recurrent, head: dense(last, 2, seed.child("head")) }
    }

    /// Rows of several stretches of one length as `[stretches, rows, columns]`.
    fn inputs<'a>(&self, stretches: impl Iterator<Item = &'a [f64]>, length: usize, device: &Device) -> Tensor<3> {
        let p = self.columns.len();
        let values: Vec<f32> = stretches
            .flat_map(|x| x.iter().enumerate())
            .map(|(i, value)| {
                let [mean, sd] = self.columns[i % p];
                ((value - mean) / sd).clamp(-LARGEST, LARGEST) as f32
            })
            .collect();
        let batch = values.len() / (length * p);
        Tensor::from_data(TensorData::new(values, [batch, length, p]), device)
    }
}

impl Weights {
    /// `[stretches, rows, columns]` to `[stretches · rows, 2]`.
    fn forward(&self, shape: &Shape, x: Tensor<3>) -> Tensor<2> {
        let [batch, time, inputs] = x.dims();
        let dense = |layer: &Linear, x: Tensor<2>| kernel::gelu(kernel::apply(layer, x));
        let flat = match shape.learner {
            Learner::Cnn => {
                let mut x = x;
                for (layer, dilation) in self.layers.iter().zip(DILATIONS) {
                    let size = x.dims()[2];
                    let taps = neighbours(x, dilation, shape.causal).reshape([batch * time, TAPS * size]);
                    x = dense(layer, taps).reshape([batch, time, shape.hidden]);
                }
                x.reshape([batch * time, shape.hidden])
            }
            Learner::Lstm => {
                let first = self.layers.iter().fold(x.reshape([batch * time, inputs]), |x, layer| dense(layer, x));
                let x: Tensor<3> = first.reshape([batch, time, shape.hidden]);
                let run = |x: Tensor<3>, layer: &LstmLayer| {
                    kernel::lstm(x, layer.weight.val(), layer.recurrent.val(), layer.bias.val())
                };
                let both = self.recurrent.iter().enumerate().map(|(i, layer)| match i {
                    0 => run(x.clone(), layer),
                    _ => run(x.clone().flip([1]), layer).flip([1]),
                });
                let both = Tensor::cat(both.collect(), 2);
                let size = both.dims()[2];
                both.reshape([batch * time, size])
            }
            _ => self.layers.iter().fold(x.reshape([batch * time, inputs]), |x, layer| dense(layer, x)),
        };
        kernel::apply(&self.head, flat)
    }
}

/// Each row beside the rows around it, `dilation` rows apart, zeros beyond the ends: `[batch, time, TAPS · columns]`.
fn neighbours(x: Tensor<3>, dilation: usize, causal: bool) -> Tensor<3> {
    let [batch, time, columns] = x.dims();
    let before = dilation * if causal { TAPS - 1 } else { TAPS / 2 };
    let after = dilation * (TAPS - 1) - before;
    let device = x.device();
    let zeros = |rows: usize| Tensor::<3>::zeros([batch, rows, columns], &device);
    let padded = if after == 0 {
        Tensor::cat(vec![zeros(before), x], 1)
    } else {
        Tensor::cat(vec![zeros(before), x, zeros(after)], 1)
    };
    let tap = |i: usize| padded.clone().slice([0..batch, i * dilation..i * dilation + time, 0..columns]);
    Tensor::cat((0..TAPS).map(tap).collect(), 2)
}

struct Stretches<'a> {
    shape: &'a Shape,
    device: Device,
    length: usize,
    train: Vec<(&'a [f64], &'a [f64])>,
    valid: Vec<(&'a [f64], &'a [f64])>,
    signature: String,
}

impl Stretches<'_> {
    /// The mean of |y − μ|/b + ln b, which is Laplace's likelihood but for a constant.
    fn score(&self, weights: &Weights, of: &[(&[f64], &[f64])], device: &Device) -> Tensor<1> {
        let found = weights.forward(self.shape, self.shape.inputs(of.iter().map(|(x, _)| *x), self.length, device));
        let n = found.dims()[0];
        let [mean, sd] = self.shape.flux;
        let truth: Vec<f32> = of.iter().flat_map(|(_, y)| y.iter()).map(|y| ((y - mean) / sd) as f32).collect();
        let truth = Tensor::<2>::from_data(TensorData::new(truth, [n, 1]), device);
        let (median, spread) = (found.clone().slice([0..n, 0..1]), found.slice([0..n, 1..2]).clamp(-6.0, 3.0));
        ((truth - median).abs() * spread.clone().neg().exp() + spread).mean()
    }
}

impl Task for Stretches<'_> {
    type Model = Weights;

    fn n_train(&self) -> usize {
        self.train.len()
    }

    fn loss(&self, model: &Weights, batch: &[usize], _seed: Seed) -> trueness_core::Result<Tensor<1>> {
        let of: Vec<_> = batch.iter().map(|&i| self.train[i]).collect();
        Ok(self.score(model, &of, &model.head.weight.device()))
    }

    fn validate(&self, model: &Weights, watch: Watch<'_>) -> trueness_core::Result<f64> {
        let mut sum = 0.0;
        for of in self.valid.chunks(64) {
            watch.check()?;
            let score = self.score(model, of, &self.device).try_into_scalar::<f32>();
            let score =
                score.map_err(|error| trueness_core::Error::Failed(format!("the loss cannot be read: {error}")))?;
            sum += f64::from(score) * of.len() as f64;
        }
        Ok(sum / self.valid.len() as f64)
    }

    fn signature(&self) -> String {
        self.signature.clone()
    }
}

impl Network {
    /// Trains a network, from `start` where there is one; its state is kept in a folder where one is given.
    ///
    /// # Errors
    /// [`Error::Input`] where there are too few rows for a stretch to learn from and one to choose by; where a checkpoint is of
    /// another training; where `watch` was stopped.
    pub fn fit(
        (learner, causal): (Learner, bool),
        examples: &Examples,
        knobs: &NetworkKnobs,
        start: Option<&Self>,
        folder: Option<&Path>,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let device = device::parse("cpu")?;
        let (shape, weights) = match start {
            Some(network) => (network.shape.clone(), network.weights.clone()),
            None => {
                let shape = Shape::of(learner, knobs.hidden, causal, examples);
                let weights = shape.init(&device, seed.child("init"));
                (shape, weights)
            }
        };
        if shape.columns.len() != examples.columns {
            return Err(Error::Input(format!(
                "the network takes {} columns, got {}",
                shape.columns.len(),
                examples.columns
            )));
        }
        let mut stretches = Vec::new();
        for rows in &examples.stretches {
            let (x, y) = (rows.x.chunks_exact(knobs.stretch * rows.columns), rows.y.chunks_exact(knobs.stretch));
            stretches.extend(x.zip(y));
        }
        let (mut train, mut valid) = (Vec::new(), Vec::new());
        for (i, stretch) in stretches.into_iter().enumerate() {
            if i % VALIDATION == VALIDATION / 2 { valid.push(stretch) } else { train.push(stretch) }
        }
        if valid.is_empty() || train.is_empty() {
            return Err(Error::Input(format!(
                "{}: expected at least {} stretches of {} rows without a gap, got {}",
                learner.name(),
                VALIDATION / 2 + 1,
                knobs.stretch,
                train.len() + valid.len()
            )));
        }
        let task = Stretches {
            shape: &shape,
            device: device.clone(),
            length: knobs.stretch,
            train,
            valid,
            signature: format!(
                "{}|{}|{}",
                learner.name(),
                serde_json::to_string(knobs).unwrap_or_default(),
                examples.fingerprint()
            ),
        };
        let config = FitConfig {
            label: learner.name().to_owned(),
            epochs: knobs.epochs,
            batch: knobs.batch,
            learning_rate: knobs.learning_rate,
            schedule: Schedule::Cosine,
            goal: Goal::Minimize,
            patience: knobs.patience,
            clip_norm: Some(5.0),
            checkpoint_every: None,
        };
        let checkpoints = folder.map(|folder| Checkpoints::new(folder, 1)).transpose()?;
        let adam = AdamConfig::default().init();
        let fitted = fit(&task, weights, adam, &config, seed.child("fit"), checkpoints.as_ref(), watch)?;
        drop(task);
        Ok(Self { shape, weights: fitted.model })
    }

    /// Median and mean absolute error of the flux at each row of a stretch without gaps.
    ///
    /// # Errors
    /// Where a device does not hand its values out.
    pub fn predict(&self, x: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let rows = x.len() / self.shape.columns.len().max(1);
        if rows == 0 {
            return Ok(Default::default());
        }
        let device = self.weights.head.weight.device();
        let found = self.weights.forward(&self.shape, self.shape.inputs(std::iter::once(x), rows, &device));
        let found = found
            .try_into_vec_as::<f32>()
            .map_err(|error| trueness_core::Error::Failed(format!("cannot read what a network says: {error}")))?;
        let [mean, sd] = self.shape.flux;
        let median = found.iter().step_by(2).map(|&x| mean + sd * f64::from(x)).collect();
        let spread = found.iter().skip(1).step_by(2).map(|&x| sd * f64::from(x.clamp(-6.0, 3.0)).exp()).collect();
        Ok((median, spread))
    }

    /// What it is made of.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Writes the weights.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        Ok(weights::save(&self.weights, path)?)
    }

    /// Reads the weights of a network of a shape.
    ///
    /// # Errors
    /// Where the file cannot be read or holds another network.
    pub fn load(shape: Shape, path: &Path) -> Result<Self> {
        let device = device::parse("cpu")?;
        let learned = [Learner::Mlp, Learner::Cnn, Learner::Lstm].contains(&shape.learner);
        if !learned
            || shape.hidden == 0
            || shape.hidden > 4096
            || shape.columns.is_empty()
            || shape.columns.len() > 100_000
        {
            return Err(Error::file(path, None, "expected a network of 1 to 4,096 hidden units over some columns"));
        }
        let weights = weights::load(shape.init(&device, Seed::new(0)), path)?;
        Ok(Self { shape, weights })
    }
}
