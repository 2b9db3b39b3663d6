//! RelGAN's discriminator (Nie, Narodytska and Patel 2019): one convolutional network that looks at a sentence through many
//! embeddings of a single number each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueness_core::Seed;
use trueness_nn::burn;
use trueness_nn::burn::module::{Module, Param};
use trueness_nn::burn::nn::Linear;
use trueness_nn::burn::tensor::{Device, Tensor};
use trueness_nn::init::linear;
use trueness_nn::{Highway, HighwayConfig, Init, dropout, kernel};

/// What a [`Representations`] is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct RepresentationsConfig {
    /// The number of token ids.
    pub vocabulary: usize,
    /// How many embeddings there are.
    pub representations: usize,
    /// The widths of the convolutions in tokens.
    pub widths: Vec<usize>,
    /// The filters of each width.
    pub filters: usize,
    /// The size of the layer before the logit.
    pub inner: usize,
    /// The probability with which dropout keeps a feature.
    pub keep: f64,
}

impl RepresentationsConfig {
    /// As in RelGAN's code: 64 embeddings, widths of 2 to 5 with 300 filters each.
    pub(super) fn relgan(vocabulary: usize) -> Self {
        Self { vocabulary, representations: 64, widths: vec![2, 3, 4, 5], filters: 300, inner: 100, keep: 0.75 }
    }

    /// A small one for a CPU.
    pub(super) fn small(vocabulary: usize) -> Self {
        Self { representations: 16, widths: vec![2, 3], filters: 64, inner: 50, ..Self::relgan(vocabulary) }
    }

    /// A network with initial weights: truncated normal with standard deviation 1/√inputs, biases 0. RelGAN's code has the filters begin
    /// with √(2/inputs), and no biases in the highway layer.
    pub(super) fn init(&self, device: &Device, seed: Seed) -> Representations {
        let of = |inputs: usize| Init::TruncatedNormal { sd: (1.0 / inputs as f64).sqrt() };
        let zero = Init::Constant(0.0);
        let features = self.filters * self.widths.len();
        let convolutions = self.widths.iter().enumerate().map(|(i, &width)| {
            let seed = seed.child("convolutions").nth(i as u64);
            Filters {
                weight: of(width).param([width, self.filters], device, seed.child("weight")),
                bias: zero.param([self.filters], device, seed.child("bias")),
                width,
            }
        });
        Representations {
            embedding: of(self.vocabulary).param(
                [self.vocabulary, self.representations],
                device,
                seed.child("embedding"),
            ),
            convolutions: convolutions.collect(),
            highway: HighwayConfig { features, gate_bias: 0.0 }.init(device, seed.child("highway")),
            inner: linear(features, self.inner, of(features), zero, device, seed.child("inner")),
            output: linear(self.inner, 1, of(self.inner), zero, device, seed.child("output")),
            keep: self.keep,
        }
    }
}

/// Filters of one width.
#[derive(Module, Debug)]
pub(super) struct Filters {
    /// `[width, filters]`.
    pub weight: Param<Tensor<2>>,
    /// `[filters]`.
    pub bias: Param<Tensor<1>>,
    /// The width in tokens.
    pub width: usize,
}

/// The network.
#[derive(Module, Debug)]
pub(super) struct Representations {
    /// `[vocabulary, representations]`.
    pub embedding: Param<Tensor<2>>,
    /// One for each width, which all representations share.
    pub convolutions: Vec<Filters>,
    /// Over all features of a representation.
    pub highway: Highway,
    /// Before the logit.
    pub inner: Linear,
    /// To the logit.
    pub output: Linear,
    /// The probability with which dropout keeps a feature.
    pub keep: f64,
}

impl Representations {
    /// The widest filter, in tokens.
    pub(super) fn widest(&self) -> usize {
        self.convolutions.iter().map(|filters| filters.width).max().unwrap_or(1)
    }

    /// The logits of embedded sentences by sentence and representation: `[sentences, time, representations]` to
    /// `[sentences · representations]`. With a seed, dropout is on.
    pub(super) fn logits(&self, embedded: Tensor<3>, dropout_seed: Option<Seed>) -> Tensor<1> {
        let [sentences, time, representations] = embedded.dims();
        let each = embedded.swap_dims(1, 2).reshape([sentences * representations, time, 1]);
        let pooled = self.convolutions.iter().map(|Filters { weight, bias, width }| {
            kernel::convolve_max(each.clone(), *width, weight.val(), bias.val())
        });
        let features = self.highway.forward(Tensor::cat(pooled.collect(), 1));
        let features = match dropout_seed {
            Some(seed) => dropout::dropout(features, self.keep, seed),
            None => features,
        };
        kernel::apply(&self.output, kernel::apply(&self.inner, features)).reshape([sentences * representations])
    }
}
