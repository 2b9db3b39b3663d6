//! The discriminator of a language GAN: a convolutional classifier of whole sentences or of their segments.

use super::answers::Answers;
use super::rankgan;
use super::segments::{Combine, Segments};
use crate::error::Result;
use trueness_core::{Error, Seed, Watch};
use trueness_nn::TextCnn;
use trueness_nn::batches_by_length;
use trueness_nn::burn::tensor::{Tensor, TensorData, activation};

/// Positions that are scored at once, sentences times segments times padded length.
const POSITIONS: usize = 1 << 14;

/// What a discriminator looks at, and how its answers are combined.
#[derive(Clone, Debug)]
pub(super) struct Critic {
    answers: Answers,
    /// The weight of half the squared norm of the output layer in the loss.
    penalty: f64,
}

impl Critic {
    /// # Errors
    /// As for [`Segments::ranges`].
    pub(super) fn new(segments: &Segments, combine: Combine, longest: usize, penalty: f64) -> Result<Self> {
        Ok(Self { answers: Answers::new(segments, combine, longest)?, penalty })
    }

    /// The log-odds that sentences are real, `[answers, sentences]`: one answer, or one a segment where each has a loss of its own.
    /// Token ids begin with 1.
    pub(super) fn log_odds<S: AsRef<[u32]>>(
        &self,
        network: &TextCnn,
        sentences: &[S],
        dropout: Option<Seed>,
    ) -> Tensor<2> {
        let logits = network.classify(self.all_features(network, sentences), dropout);
        let odds = logits.clone().narrow(1, 1, 1) - logits.narrow(1, 0, 1);
        self.answers.combined(odds.reshape([self.answers.segments(), sentences.len()]))
    }

    /// The features of all sentences' first segment, then of their second, `[segments · sentences, features]`.
    fn all_features<S: AsRef<[u32]>>(&self, network: &TextCnn, sentences: &[S]) -> Tensor<2> {
        let batch = network.batch_as_if(sentences, self.answers.least());
        network.features_of(self.answers.masked(network.embedded(batch)))
    }

    /// The features of sentences by segment, each `[sentences, features]` of length one.
    pub(super) fn features<S: AsRef<[u32]>>(&self, network: &TextCnn, sentences: &[S]) -> Vec<Tensor<2>> {
        let all = rankgan::normalised(self.all_features(network, sentences));
        (0..self.answers.segments()).map(|i| all.clone().narrow(0, i * sentences.len(), sentences.len())).collect()
    }

    /// The mean over segments of what a ranker minimises. One element.
    pub(super) fn rank_loss(
        &self,
        network: &TextCnn,
        real: &[Vec<u32>],
        generated: &[Vec<u32>],
        references: &[Vec<u32>],
    ) -> Tensor<1> {
        let of = |sentences: &[Vec<u32>]| self.features(network, sentences);
        let (real, generated, references) = (of(real), of(generated), of(references));
        let losses = real.into_iter().zip(generated).zip(references).map(|((r, g), u)| rankgan::loss(r, g, u));
        Tensor::cat(losses.collect(), 0).mean()
    }

    /// The rank scores of sentences, the mean over segments; `among` has the features of references and of the sentences to rank among.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::Failed`] if the device does not hand the scores out.
    pub(super) fn ranks<S: AsRef<[u32]>>(
        &self,
        network: &TextCnn,
        sentences: &[S],
        [references, others]: &[Vec<Tensor<2>>; 2],
        watch: Watch<'_>,
    ) -> Result<Vec<f32>> {
        self.in_batches(sentences, watch, |batch| {
            let each = self.features(network, batch).into_iter().zip(references).zip(others);
            let ranks = each.map(|((features, u), others)| rankgan::rank(features, u.clone(), others.clone()));
            Tensor::cat(ranks.collect(), 1).mean_dim(1)
        })
    }

    /// The mean cross-entropy over real and generated sentences, with the penalty of the output layer. One element.
    pub(super) fn loss(
        &self,
        network: &TextCnn,
        real: &[Vec<u32>],
        generated: &[Vec<u32>],
        dropout: Option<Seed>,
    ) -> Tensor<1> {
        let sentences: Vec<&[u32]> = real.iter().chain(generated).map(Vec::as_slice).collect();
        let odds = self.log_odds(network, &sentences, dropout);
        let signs: Vec<f32> = (0..sentences.len()).map(|i| if i < real.len() { -1.0 } else { 1.0 }).collect();
        let signs = Tensor::<2>::from_data(TensorData::new(signs, [1, sentences.len()]), &odds.device());
        let loss = activation::softplus(odds * signs, 1.0).mean();
        match self.penalty {
            0.0 => loss,
            penalty => loss + network.penalty().mul_scalar(penalty),
        }
    }

    /// The probability that each sentence is real. The network has no automatic differentiation.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::Failed`] if the device does not hand the logits out.
    pub(super) fn probabilities<S: AsRef<[u32]>>(
        &self,
        network: &TextCnn,
        sentences: &[S],
        watch: Watch<'_>,
    ) -> Result<Vec<f32>> {
        self.in_batches(sentences, watch, |batch| activation::sigmoid(self.log_odds(network, batch, None)).mean_dim(0))
    }

    /// One number a sentence, from batches of sentences of about one length.
    fn in_batches<S: AsRef<[u32]>>(
        &self,
        sentences: &[S],
        watch: Watch<'_>,
        of: impl Fn(&[&[u32]]) -> Tensor<2>,
    ) -> Result<Vec<f32>> {
        let lengths: Vec<usize> = sentences.iter().map(|sentence| sentence.as_ref().len()).collect();
        let mut found = vec![0.0; sentences.len()];
        for now in batches_by_length(&lengths, (POSITIONS / self.answers.segments()).max(1)) {
            watch.check()?;
            let batch: Vec<&[u32]> = now.iter().map(|&i| sentences[i].as_ref()).collect();
            let values = of(&batch).try_into_vec_as::<f32>();
            let values =
                values.map_err(|error| Error::Failed(format!("cannot read a discriminator's answer: {error}")))?;
            now.iter().zip(values).for_each(|(&i, value)| found[i] = value);
        }
        Ok(found)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail")]
mod tests {
    use super::*;
    use trueness_core::{Cancel, Silent};
    use trueness_nn::{TextCnnConfig, device};

    #[test]
    fn a_sentence_is_worth_the_same_whatever_is_beside_it() {
        let (cancel, silent) = (Cancel::default(), Silent);
        let watch = Watch::new(&cancel, &silent);
        let network = TextCnnConfig { embedding: 5, filters: vec![6, 6], ..TextCnnConfig::small(9) };
        let network = network.init(&device::parse("cpu").unwrap(), Seed::new(1)).unwrap();
        let (short, long): (Vec<u32>, Vec<u32>) = (vec![3, 1, 4], (1..=8).collect());
        for segments in ["whole", "prefixes:2,3", "windows:3,2", "disjoint:4"] {
            let critic = Critic::new(&segments.parse().unwrap(), Combine::MeanLogit, 8, 0.0).unwrap();
            let odds =
                |sentences: &[&[u32]]| critic.log_odds(&network, sentences, None).try_into_vec_as::<f32>().unwrap();
            let (alone, beside) = (odds(&[&short]), odds(&[&short, &long]));
            assert!((alone[0] - beside[0]).abs() < 1e-5, "{segments}: {alone:?} {beside:?}");
            // Scoring puts sentences of one length together.
            let scores = critic.probabilities(&network, &[&long, &short], watch).unwrap();
            let expected = 1.0 / (1.0 + (-alone[0]).exp());
            assert!((scores[1] - expected).abs() < 1e-5, "{segments}: {scores:?} {expected}");
        }
    }
}
