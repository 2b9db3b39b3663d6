//! Initial values of parameters, drawn from a [`Seed`].
//!
//! Burn's own initialisers draw from one generator of the whole process, so that a network depends on
//! everything that was drawn before it; these depend on their seed alone.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use trueness_core::Seed;

/// The most parameters that a network may have, 8 GiB of them in single precision: sizes far beyond that are
/// slips, and would end the program where memory is asked for.
pub const MAX_PARAMETERS: usize = 1 << 31;

/// A distribution of initial values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// One value everywhere.
    Constant(f64),
    /// Uniform on [low, high).
    Uniform {
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// Normal with mean 0.
    Normal {
        /// The standard deviation.
        sd: f64,
    },
    /// Normal with mean 0, drawn again until it lies within two standard deviations, as TensorFlow's
    /// `truncated_normal` does. Its own standard deviation is .8796 `sd`.
    TruncatedNormal {
        /// The standard deviation before truncation.
        sd: f64,
    },
    /// Uniform on ±√(6 / (inputs + outputs)): Glorot and Bengio, 2010, equation 16.
    XavierUniform {
        /// How many inputs each output has.
        inputs: usize,
        /// How many outputs each input feeds.
        outputs: usize,
    },
    /// Uniform on ±√(1 / inputs): what PyTorch draws for the weights and biases of a linear layer.
    FanInUniform {
        /// How many inputs each output has.
        inputs: usize,
    },
}

impl Init {
    /// `n` values in one stream, in order. Drawn in double precision, then rounded.
    pub fn values(&self, n: usize, seed: Seed) -> Vec<f32> {
        let mut rng = seed.rng();
        let mut draw = || -> f64 {
            match *self {
                Self::Constant(value) => value,
                Self::Uniform { low, high } => low + (high - low) * rng.random::<f64>(),
                Self::Normal { sd } => sd * Distribution::<f64>::sample(&StandardNormal, &mut rng),
                Self::TruncatedNormal { sd } => loop {
                    let x: f64 = StandardNormal.sample(&mut rng);
                    if x.abs() <= 2.0 {
                        break sd * x;
                    }
                },
                Self::XavierUniform { inputs, outputs } => {
                    let bound = (6.0 / (inputs + outputs).max(1) as f64).sqrt();
                    bound * (2.0 * rng.random::<f64>() - 1.0)
                }
                Self::FanInUniform { inputs } => {
                    let bound = (1.0 / inputs.max(1) as f64).sqrt();
                    bound * (2.0 * rng.random::<f64>() - 1.0)
                }
            }
        };
        (0..n).map(|_| draw() as f32).collect()
    }

    /// A trainable parameter of a shape.
    pub fn param<const D: usize>(&self, shape: [usize; D], device: &Device, seed: Seed) -> Param<Tensor<D>> {
        let values = self.values(shape.iter().product(), seed);
        Param::from_data(TensorData::new(values, shape), device)
    }
}

/// Burn's linear layer, `x · weight + bias` with weight `[inputs, outputs]`, with our initial values.
pub fn linear(inputs: usize, outputs: usize, weight: Init, bias: Init, device: &Device, seed: Seed) -> Linear {
    Linear {
        weight: weight.param([inputs, outputs], device, seed.child("weight")),
        bias: Some(bias.param([outputs], device, seed.child("bias"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(init: Init) -> (f64, f64, f64) {
        let values = init.values(200_000, Seed::new(4));
        let n = values.len() as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let variance = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
        (mean, variance.sqrt(), values.iter().fold(0.0, |a, &x| f64::max(a, f64::from(x).abs())))
    }

    #[test]
    fn draws_have_the_moments_of_their_distribution() {
        let (mean, sd, largest) = moments(Init::Uniform { low: -1.0, high: 1.0 });
        assert!(mean.abs() < 0.006 && (sd - 3f64.sqrt().recip()).abs() < 0.004 && largest <= 1.0);
        let (mean, sd, largest) = moments(Init::Normal { sd: 2.0 });
        assert!(mean.abs() < 0.02 && (sd - 2.0).abs() < 0.015 && largest > 7.0);
        // The variance of a standard normal cut at ±a is 1 − 2aφ(a) / (2Φ(a) − 1): .77371 for a = 2.
        let (mean, sd, largest) = moments(Init::TruncatedNormal { sd: 0.1 });
        assert!(mean.abs() < 0.001 && (sd - 0.087_96).abs() < 0.0006 && largest <= 0.2);
        let (_, sd, largest) = moments(Init::XavierUniform { inputs: 10, outputs: 14 });
        assert!((sd - 0.5 / 3f64.sqrt()).abs() < 0.002 && largest <= 0.5);
        let (_, _, largest) = moments(Init::FanInUniform { inputs: 16 });
        assert!(largest <= 0.25 && largest > 0.2499);
    }

    #[test]
    fn draws_depend_on_the_seed_alone() {
        let init = Init::Normal { sd: 1.0 };
        assert_eq!(init.values(7, Seed::new(1))[..5], init.values(5, Seed::new(1)));
        assert_ne!(init.values(5, Seed::new(1)), init.values(5, Seed::new(2)));
    }
}
