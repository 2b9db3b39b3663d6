//! Linear layers on plain rows, for networks that run token by token.

use crate::kernel::{self, Packed};
use crate::lstm::{packed, values};
use burn::nn::Linear;
use trueness_core::Result;

/// Weights and biases.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    pub(crate) weight: Packed,
    pub(crate) bias: Vec<f32>,
}

impl Dense {
    /// A copy of a layer's weights.
    pub(crate) fn of(layer: &Linear) -> Result<Self> {
        let bias = match &layer.bias {
            Some(bias) => values(bias.val())?,
            None => vec![0.0; layer.weight.dims()[1]],
        };
        Ok(Self { weight: packed(layer.weight.val())?, bias })
    }

    /// To `rows` rows.
    pub(crate) fn apply(&self, x: &[f32], rows: usize) -> Vec<f32> {
        let mut out = vec![0.0; rows * self.bias.len()];
        kernel::linear_packed(x, &self.weight, &self.bias, &mut out);
        out
    }
}

/// Adds `y` to `x`.
pub(crate) fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}
