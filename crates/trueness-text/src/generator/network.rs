//! The networks that generate text.

use crate::discriminator::cnn::CnnConfig;
use crate::error::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueness_core::Seed;
use trueness_nn::burn::tensor::Device;
use trueness_nn::{
    Gpt2, Gpt2Config, Hierarchical, HierarchicalConfig, LstmInit, LstmModel, LstmModelConfig, RelationalMemory,
    RelationalMemoryConfig,
};

/// Which network generates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An LSTM.
    #[default]
    Lstm,
    /// A transformer of GPT-2's type.
    Gpt2,
    /// A relational memory, as RelGAN has it.
    Relational,
    /// A manager and a worker that see a discriminator's features, as LeakGAN has them.
    Hierarchical,
}

impl Kind {
    /// Its name in knobs and subjects.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lstm => "lstm",
            Self::Gpt2 => "gpt2",
            Self::Relational => "relational",
            Self::Hierarchical => "hierarchical",
        }
    }
}

/// The knobs of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct NetworkKnobs {
    /// The network: lstm, gpt2, relational or hierarchical.
    pub model: Kind,
    /// The size of a token's vector in the LSTM.
    #[schemars(range(min = 1, max = 65_536))]
    pub embedding: usize,
    /// The size of each layer: the LSTM's states, or the transformer's vectors.
    #[schemars(range(min = 1, max = 65_536))]
    pub hidden: usize,
    /// How many layers lie above each other, or rows of the relational memory.
    #[schemars(range(min = 1, max = 1024))]
    pub layers: usize,
    /// How many heads an attention has; 0: one for each 64 numbers of a transformer's vector, two of a relational memory.
    #[schemars(range(min = 0, max = 1024))]
    pub heads: usize,
    /// The probability with which dropout keeps a feature in training, above 0 and at most 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub keep: f64,
    /// How the LSTM's weights begin: uniform on ±.05, or normal with standard deviation .1.
    pub init: Beginning,
    /// The sizes of the discriminator that a hierarchical generator sees the features of: small, dd or seqgan.
    // Left out where it says nothing, so that what is kept under a hash of these knobs is found again.
    #[serde(skip_serializing_if = "is_small")]
    pub leak: DiscriminatorSize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_small(size: &DiscriminatorSize) -> bool {
    *size == DiscriminatorSize::Small
}

/// The sizes of a language GAN's discriminator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DiscriminatorSize {
    /// Two widths of 64 filters: for a CPU.
    #[default]
    Small,
    /// Two widths of 100 and 200 filters, as in the papers' code for real text.
    Dd,
    /// SeqGAN's for its oracle: twelve widths, 1,720 filters.
    Seqgan,
}

impl DiscriminatorSize {
    /// The network, and the weight of its penalty.
    pub fn config(self) -> CnnConfig {
        match self {
            Self::Small => CnnConfig { keep: 0.75, ..CnnConfig::small() },
            Self::Dd => CnnConfig { embedding: 32, keep: 0.75, ..CnnConfig::dd() },
            Self::Seqgan => CnnConfig::seqgan(),
        }
    }
}

/// How an LSTM's weights begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Beginning {
    /// Uniform on ±.05, as in the distributional-discrepancy paper's code.
    #[default]
    Uniform,
    /// Normal with standard deviation .1, as in SeqGAN's code.
    Normal,
}

impl Default for NetworkKnobs {
    fn default() -> Self {
        Self {
            model: Kind::Lstm,
            embedding: 128,
            hidden: 256,
            layers: 1,
            heads: 0,
            keep: 0.7,
            init: Beginning::Uniform,
            leak: DiscriminatorSize::Small,
        }
    }
}

impl NetworkKnobs {
    /// SeqGAN's generator: 32 and 32.
    pub fn seqgan() -> Self {
        Self { embedding: 32, hidden: 32, keep: 1.0, init: Beginning::Normal, ..Self::default() }
    }

    /// A transformer of a size and depth.
    pub fn gpt2(layers: usize, size: usize) -> Self {
        Self { model: Kind::Gpt2, hidden: size, layers, keep: 0.9, ..Self::default() }
    }

    /// The sizes for a vocabulary and a longest sequence.
    pub(crate) fn sizes(&self, vocabulary: usize, longest: usize) -> Sizes {
        match self.model {
            Kind::Lstm => Sizes::Lstm(LstmModelConfig {
                vocabulary,
                embedding: self.embedding,
                hidden: self.hidden,
                layers: self.layers,
                keep: self.keep,
                init: match self.init {
                    Beginning::Uniform => LstmInit::Uniform,
                    Beginning::Normal => LstmInit::Normal,
                },
            }),
            Kind::Relational => {
                let heads = if self.heads == 0 { 2 } else { self.heads };
                Sizes::Relational(RelationalMemoryConfig {
                    vocabulary,
                    embedding: self.embedding,
                    slots: self.layers,
                    heads,
                    head_size: self.hidden / heads,
                })
            }
            Kind::Hierarchical => Sizes::Hierarchical(HierarchicalConfig {
                embedding: self.embedding,
                hidden: self.hidden,
                ..HierarchicalConfig::leakgan(vocabulary, self.leak.config().network(vocabulary))
            }),
            Kind::Gpt2 => {
                let sizes = Gpt2Config::new(vocabulary, longest + 1, self.layers, self.hidden);
                let heads = if self.heads == 0 { sizes.heads } else { self.heads };
                Sizes::Gpt2(Gpt2Config { heads, keep: self.keep, ..sizes })
            }
        }
    }
}

/// All that a network is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Sizes {
    /// An LSTM.
    Lstm(LstmModelConfig),
    /// A transformer.
    Gpt2(Gpt2Config),
    /// A relational memory.
    Relational(RelationalMemoryConfig),
    /// A manager and a worker.
    Hierarchical(HierarchicalConfig),
}

impl Sizes {
    /// # Errors
    /// If the sizes make no sense.
    pub(crate) fn check(&self) -> Result<()> {
        Ok(match self {
            Self::Lstm(config) => config.check(),
            Self::Gpt2(config) => config.check(),
            Self::Relational(config) => config.check(),
            Self::Hierarchical(config) => config.check(),
        }?)
    }

    /// A network with initial weights.
    ///
    /// # Errors
    /// If the sizes make no sense.
    pub(super) fn init(&self, device: &Device, seed: Seed) -> Result<Network> {
        Ok(match self {
            Self::Lstm(config) => Network::Lstm(config.init(device, seed)?),
            Self::Gpt2(config) => Network::Gpt2(config.init(device, seed)?),
            Self::Relational(config) => Network::Relational(config.init(device, seed)?),
            Self::Hierarchical(config) => Network::Hierarchical(config.init(device, seed)?),
        })
    }

    /// In a few words, for signatures.
    pub fn signature(&self) -> String {
        match self {
            Self::Lstm(c) => format!(
                "lstm|words:{}|emb:{}|hidden:{}x{}|keep:{}|init:{:?}",
                c.vocabulary, c.embedding, c.layers, c.hidden, c.keep, c.init
            ),
            Self::Gpt2(c) => format!(
                "gpt2|words:{}|{}x{}|heads:{}|inner:{}|context:{}|keep:{}",
                c.vocabulary, c.layers, c.size, c.heads, c.inner, c.context, c.keep
            ),
            Self::Relational(c) => format!(
                "relational|words:{}|emb:{}|slots:{}|heads:{}x{}",
                c.vocabulary, c.embedding, c.slots, c.heads, c.head_size
            ),
            Self::Hierarchical(c) => format!(
                "hierarchical|words:{}|emb:{}|hidden:{}|goals:{}x{}|leak:{}x{:?}x{:?}",
                c.vocabulary, c.embedding, c.hidden, c.goal, c.horizon, c.leak.embedding, c.leak.widths, c.leak.filters
            ),
        }
    }
}

/// A network of any kind.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a generator has one, and its tensors lie elsewhere")]
pub enum Network {
    /// An LSTM.
    Lstm(LstmModel),
    /// A transformer.
    Gpt2(Gpt2),
    /// A relational memory.
    Relational(RelationalMemory),
    /// A manager and a worker.
    Hierarchical(Hierarchical),
}

/// Does the same with a network of any kind.
macro_rules! with_network {
    ($network:expr, $model:ident => $body:expr) => {
        match $network {
            $crate::generator::network::Network::Lstm($model) => $body,
            $crate::generator::network::Network::Gpt2($model) => $body,
            $crate::generator::network::Network::Relational($model) => $body,
            $crate::generator::network::Network::Hierarchical($model) => $body,
        }
    };
}
pub(super) use with_network;
