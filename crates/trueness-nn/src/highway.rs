//! The highway layer.

use crate::init::{Init, linear};
use crate::kernel;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};
use trueness_core::Seed;

/// A highway layer: `t ⊙ relu(x·W + b) + (1 − t) ⊙ x` with the gate `t = σ(x·V + c)` (Srivastava,
/// Greff and Schmidhuber 2015, equation 3).
#[derive(Module, Debug)]
pub struct Highway {
    /// W and b.
    pub transform: Linear,
    /// V and c.
    pub gate: Linear,
}

/// What a [`Highway`] is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct HighwayConfig {
    /// The number of features, in and out.
    pub features: usize,
    /// The initial bias of the gate; a negative one lets the input through at first.
    pub gate_bias: f64,
}

impl HighwayConfig {
    /// A layer with Xavier-uniform weights and a transform bias of 0.
    pub fn init(&self, device: &Device, seed: Seed) -> Highway {
        let n = self.features;
        let weight = Init::XavierUniform { inputs: n, outputs: n };
        Highway {
            transform: linear(n, n, weight, Init::Constant(0.0), device, seed.child("transform")),
            gate: linear(n, n, weight, Init::Constant(self.gate_bias), device, seed.child("gate")),
        }
    }
}

impl Highway {
    /// `[batch, features]` to `[batch, features]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let gate = sigmoid(kernel::apply(&self.gate, x.clone()));
        let transformed = relu(kernel::apply(&self.transform, x.clone()));
        // x + t (h − x) is the same as t h + (1 − t) x, with one product less.
        x.clone() + gate * (transformed - x)
    }
}
