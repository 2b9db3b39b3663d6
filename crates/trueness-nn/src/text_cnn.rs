//! A convolutional classifier of sentences (Kim 2014) with a highway layer, as language GANs use it to
//! tell real sentences from generated ones (Yu et al. 2017, SeqGAN).

use crate::dropout::dropout;
use crate::init::{Init, MAX_PARAMETERS, linear};
use crate::kernel;
use crate::{Highway, HighwayConfig};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use trueness_core::{Error, Result, Seed};

/// What a [`TextCnn`] is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextCnnConfig {
    /// The number of token ids, the padding id 0 included.
    pub vocabulary: usize,
    /// The size of a token's vector.
    pub embedding: usize,
    /// The widths of the convolutions, in tokens.
    pub widths: Vec<usize>,
    /// The number of filters of each width.
    pub filters: Vec<usize>,
    /// The initial bias of the highway layer's gate.
    pub gate_bias: f64,
    /// The probability with which dropout keeps a feature, in (0, 1].
    pub keep: f64,
    /// The number of classes.
    pub classes: usize,
}

impl TextCnnConfig {
    /// The classifier of the distributional-discrepancy paper's code (arXiv 2005.01282).
    pub fn dd(vocabulary: usize) -> Self {
        Self {
            vocabulary,
            embedding: 512,
            widths: vec![2, 3],
            filters: vec![100, 200],
            gate_bias: 0.0,
            keep: 0.5,
            classes: 2,
        }
    }

    /// The same without dropout, as the discriminator filter's code has it (arXiv 2004.02135).
    pub fn filter(vocabulary: usize) -> Self {
        Self { keep: 1.0, ..Self::dd(vocabulary) }
    }

    /// SeqGAN's discriminator: twelve widths, 1,720 features.
    pub fn seqgan(vocabulary: usize) -> Self {
        Self {
            embedding: 64,
            widths: vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20],
            filters: vec![100, 200, 200, 200, 200, 100, 100, 100, 100, 100, 160, 160],
            keep: 0.75,
            ..Self::dd(vocabulary)
        }
    }

    /// A small one for a CPU.
    pub fn small(vocabulary: usize) -> Self {
        Self { embedding: 64, widths: vec![2, 3], filters: vec![64, 64], ..Self::dd(vocabulary) }
    }

    /// How many parameters the network has; `None` where that is no number.
    pub fn parameters(&self) -> Option<usize> {
        let features = self.filters.iter().try_fold(0usize, |sum, &filters| sum.checked_add(filters))?;
        let mut sum = self.vocabulary.checked_mul(self.embedding)?;
        for (width, &filters) in self.widths.iter().zip(&self.filters) {
            // A filter has a weight for every number of its window, and a bias.
            let of_one = width.checked_mul(self.embedding)?.checked_add(1)?;
            sum = sum.checked_add(of_one.checked_mul(filters)?)?;
        }
        let with_bias = features.checked_add(1)?;
        let highway = features.checked_mul(with_bias)?.checked_mul(2)?;
        sum.checked_add(highway)?.checked_add(self.classes.checked_mul(with_bias)?)
    }

    /// Checks the sizes, before anything is allocated.
    ///
    /// # Errors
    /// [`Error::Input`] if a size is 0, if widths and filters do not pair up, if `keep` is no probability
    /// above 0, or if there are more parameters than [`MAX_PARAMETERS`].
    pub fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::Input(format!("a convolutional classifier {what}")));
        if self.widths.is_empty() || self.widths.len() != self.filters.len() {
            let (widths, filters) = (self.widths.len(), self.filters.len());
            return wrong(format!("needs a number of filters for every width: got {widths} widths, {filters} numbers"));
        }
        let sizes = [self.vocabulary, self.embedding, self.classes];
        if sizes.iter().chain(&self.widths).chain(&self.filters).any(|&size| size == 0) {
            return wrong("needs sizes of at least 1: vocabulary, embedding, classes, widths, filters".to_owned());
        }
        if !(self.keep > 0.0 && self.keep <= 1.0) {
            return wrong(format!("keeps a feature with probability in (0, 1], got keep = {}", self.keep));
        }
        match self.parameters() {
            Some(n) if n <= MAX_PARAMETERS => Ok(()),
            n => {
                let n = n.map_or_else(|| "more than can be counted".to_owned(), |n| n.to_string());
                wrong(format!("has at most {MAX_PARAMETERS} parameters, got {n}: choose smaller sizes"))
            }
        }
    }

    /// A network with initial values as in SeqGAN's code: embeddings uniform on ±1, filters and output
    /// weights truncated normal with standard deviation .1, their biases .1, highway Xavier-uniform.
    ///
    /// # Errors
    /// As for [`TextCnnConfig::check`].
    pub fn init(&self, device: &Device, seed: Seed) -> Result<TextCnn> {
        self.check()?;
        let (small, tenth) = (Init::TruncatedNormal { sd: 0.1 }, Init::Constant(0.1));
        let features = self.filters.iter().sum();
        let convolutions = self.widths.iter().zip(&self.filters).enumerate().map(|(i, (&width, &filters))| {
            let seed = seed.child("convolutions").nth(i as u64);
            Convolution {
                weight: small.param([width * self.embedding, filters], device, seed.child("weight")),
                bias: tenth.param([filters], device, seed.child("bias")),
                width,
            }
        });
        Ok(TextCnn {
            embedding: Init::Uniform { low: -1.0, high: 1.0 }.param(
                [self.vocabulary, self.embedding],
                device,
                seed.child("embedding"),
            ),
            convolutions: convolutions.collect(),
            highway: HighwayConfig { features, gate_bias: self.gate_bias }.init(device, seed.child("highway")),
            output: linear(features, self.classes, small, tenth, device, seed.child("output")),
            keep: self.keep,
        })
    }
}

/// Filters of one width over embedded tokens.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `[width · embedding, filters]`: the rows of the first token of a window come first.
    pub weight: Param<Tensor<2>>,
    /// `[filters]`.
    pub bias: Param<Tensor<1>>,
    /// The width in tokens.
    pub width: usize,
}

/// A convolutional classifier of sentences: embedding, convolutions of several widths, ReLU, the maximum
/// over time, a highway layer, dropout, a linear layer to the classes.
///
/// **Padding.** As in the papers' code, the padding id 0 is an ordinary token with a vector of its own,
/// and windows that reach into it take part in the maximum; this is how the network sees where a
/// sentence ends. There the length is that of the longest sentence of the data. Here
/// [`TextCnn::batch`] puts at least as many padding tokens behind every sentence as the widest filter
/// is wide, so that each filter sees each sentence's end and one window of padding alone. More padding
/// changes nothing, and so a sentence's logits do not depend on the sentences beside it.
#[derive(Module, Debug)]
pub struct TextCnn {
    /// `[vocabulary, embedding]`.
    pub embedding: Param<Tensor<2>>,
    /// One for each width.
    pub convolutions: Vec<Convolution>,
    /// Over all features.
    pub highway: Highway,
    /// `[features, classes]`.
    pub output: Linear,
    /// The probability with which dropout keeps a feature.
    pub keep: f64,
}

impl TextCnn {
    /// Sentences of ids from 1 on as one tensor `[batch, time]` on this network's device, padded by 0 as
    /// the type says.
    pub fn batch<S: AsRef<[u32]>>(&self, sentences: &[S]) -> Tensor<2, Int> {
        self.batch_as_if(sentences, 0)
    }

    /// The same, padded as if there were a sentence of `least` tokens too. Where vectors are put in the place of tokens, what a filter
    /// sees may depend on the number of padding tokens: this keeps it from depending on the sentences beside.
    pub fn batch_as_if<S: AsRef<[u32]>>(&self, sentences: &[S], least: usize) -> Tensor<2, Int> {
        let longest = sentences.iter().map(|sentence| sentence.as_ref().len()).fold(least, usize::max);
        let time = longest + self.convolutions.iter().map(|convolution| convolution.width).max().unwrap_or(0);
        let mut ids = vec![0_i32; sentences.len() * time];
        for (row, sentence) in ids.chunks_mut(time.max(1)).zip(sentences) {
            for (id, &token) in row.iter_mut().zip(sentence.as_ref()) {
                *id = token.cast_signed();
            }
        }
        Tensor::from_data(TensorData::new(ids, [sentences.len(), time]), &self.embedding.device())
    }

    /// The features of sentences before the output layer: `[batch, time]` to `[batch, features]`. All ids
    /// are below the vocabulary, and `time` is at least the largest width.
    pub fn features(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        self.features_of(self.embedded(ids))
    }

    /// The tokens' vectors: `[batch, time]` to `[batch, time, embedding]`.
    pub fn embedded(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        burn::tensor::module::embedding(self.embedding.val(), ids)
    }

    /// The features of vectors in the place of tokens: `[batch, time, embedding]` to `[batch, features]`.
    pub fn features_of(&self, embedded: Tensor<3>) -> Tensor<2> {
        let pooled = self.convolutions.iter().map(|filter| {
            let Convolution { weight, bias, width } = filter;
            kernel::convolve_max(embedded.clone(), *width, weight.val(), bias.val())
        });
        self.highway.forward(Tensor::cat(pooled.collect(), 1))
    }

    /// The logits: `[batch, time]` to `[batch, classes]`. With a seed, dropout is on.
    pub fn forward(&self, ids: Tensor<2, Int>, dropout_seed: Option<Seed>) -> Tensor<2> {
        self.classify(self.features(ids), dropout_seed)
    }

    /// The logits of features: `[batch, features]` to `[batch, classes]`. With a seed, dropout is on.
    pub fn classify(&self, features: Tensor<2>, dropout_seed: Option<Seed>) -> Tensor<2> {
        self.output.forward(match dropout_seed {
            Some(seed) => dropout(features, self.keep, seed),
            None => features,
        })
    }

    /// Half the sum of the squared weights and biases of the output layer, which the papers' code
    /// multiplies by .2 and adds to the loss. One element.
    pub fn penalty(&self) -> Tensor<1> {
        let weights = self.output.weight.val().square().sum();
        let biases = self.output.bias.as_ref().map(|bias| bias.val().square().sum());
        (match biases {
            Some(biases) => weights + biases,
            None => weights,
        })
        .mul_scalar(0.5)
    }
}
