//! Generators: language models that are trained by maximum likelihood, sampled from, and asked for
//! densities.
//!
//! A [`Generator`] is a network, a [`Codec`] between sentences and its token ids, and the length of the
//! longest sentence that it makes. It is an [`Oracle`] too: what it samples at temperature 1 has a density
//! that is known, so that a generator trained on a person's corpus can stand in for it where the truth
//! has to be known.

mod codec;
mod evaluator;
mod folder;
mod network;
mod train;
mod verbs;

pub use codec::{Codec, Coded, UNKNOWN};
pub use evaluator::{Evaluator, evaluate};
pub use folder::{Card, files, load};
pub(crate) use folder::{read_json, read_word_codec, write_codec, write_json};
pub use network::{Beginning, DiscriminatorSize, Kind, Network, NetworkKnobs, Sizes};
pub use train::{Job, Observe, Trained, TrainingKnobs};
pub use verbs::{SampleKnobs, ScoreKnobs, sample_text, score_file};

use crate::corpus::{Encoded, Vocabulary};
use crate::error::Result;
use crate::metric::language_model::SentenceScores;
use crate::oracle::Oracle;
use network::with_network;
use std::sync::LazyLock;
use trueness_core::{Cancel, Seed, Silent, Watch};
use trueness_nn::{Gpt2, Hierarchical, LstmModel, NextToken, RelationalMemory, Sampling};

impl From<LstmModel> for Network {
    fn from(model: LstmModel) -> Self {
        Self::Lstm(model)
    }
}

impl From<Gpt2> for Network {
    fn from(model: Gpt2) -> Self {
        Self::Gpt2(model)
    }
}

impl From<RelationalMemory> for Network {
    fn from(model: RelationalMemory) -> Self {
        Self::Relational(model)
    }
}

impl From<Hierarchical> for Network {
    fn from(model: Hierarchical) -> Self {
        Self::Hierarchical(model)
    }
}

/// A language model that generates sentences.
#[derive(Clone, Debug)]
pub struct Generator {
    pub(super) network: Network,
    pub(super) sizes: Sizes,
    pub(super) codec: Codec,
    /// Tokens of the longest sentence that is made.
    pub(super) longest: usize,
    /// What it was trained on and how, in a few words.
    pub(super) origin: String,
}

impl Generator {
    /// How sentences become token ids.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// The network.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// The same generator with other weights, and what it depends on now.
    pub(crate) fn with_network(&self, network: Network, origin: String) -> Self {
        Self { network, origin, ..self.clone() }
    }

    /// The network's sizes.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Tokens of the longest sentence that is made.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// What the generator depends on, in a few words.
    pub fn signature(&self) -> &str {
        &self.origin
    }

    /// `n` sentences as token ids. Sentence i depends on `seed.nth(i)` alone.
    ///
    /// # Errors
    /// If the settings make no sense; [`trueness_core::Error::Interrupted`].
    pub fn sample_ids(&self, n: usize, sampling: Sampling, seed: Seed, watch: Watch<'_>) -> Result<Vec<Vec<u32>>> {
        let ends = (self.codec.start(), self.codec.end(), self.longest);
        Ok(
            with_network!(&self.network, model => trueness_nn::sample(&model.runner()?, n, ends, sampling, seed, watch))?,
        )
    }

    /// `n` sentences as text.
    ///
    /// # Errors
    /// As for [`Generator::sample_ids`].
    pub fn sample(&self, n: usize, sampling: Sampling, seed: Seed, watch: Watch<'_>) -> Result<Vec<String>> {
        let ids = self.sample_ids(n, sampling, seed, watch)?;
        ids.iter().map(|ids| self.codec.decode(ids)).collect()
    }

    /// −log p of sentences in nats, and the tokens of each, its end included.
    ///
    /// # Errors
    /// If a sentence is longer than the network can see; [`trueness_core::Error::Interrupted`].
    pub fn score(&self, sentences: &[Vec<u32>], watch: Watch<'_>) -> Result<SentenceScores> {
        self.scores(sentences, None, watch)
    }

    /// The same with words that the model does not know left out. Where every training sentence is known word for
    /// word, nothing was learned of the unknown word, and its probability says only how long it was not seen.
    ///
    /// # Errors
    /// As for [`Generator::score`].
    pub fn score_known(&self, sentences: &[Vec<u32>], watch: Watch<'_>) -> Result<SentenceScores> {
        self.scores(sentences, self.codec.unknown(), watch)
    }

    fn scores(&self, sentences: &[Vec<u32>], without: Option<u32>, watch: Watch<'_>) -> Result<SentenceScores> {
        let ends = (self.codec.start(), self.codec.end());
        let end = usize::from(ends.1.is_some());
        if let Some(&id) = sentences.iter().flatten().find(|&&id| id as usize >= self.codec.size()) {
            return Err(crate::Error::Input(format!("token {id}: expected ids below {}", self.codec.size())));
        }
        if let Some(context) = self.context()
            && let Some(i) = sentences.iter().position(|s| s.len() + end > context)
        {
            return Err(crate::Error::Input(format!(
                "sentence {} has {} tokens: this model sees at most {}",
                i + 1,
                sentences[i].len(),
                context - end
            )));
        }
        let logs = with_network!(&self.network, model => train::sentence_log_probabilities(model, sentences, ends, without, watch))?;
        let known = |sentence: &[u32]| sentence.iter().filter(|&&id| Some(id) != without).count();
        let tokens = sentences.iter().map(|s| (known(s) + end) as u32).collect();
        Ok(SentenceScores { nll: logs.into_iter().map(|log| -log).collect(), tokens })
    }

    /// Tokens that the network sees at once, if that is limited.
    fn context(&self) -> Option<usize> {
        with_network!(&self.network, model => model.context())
    }

    /// log p of each sentence under the law that is sampled from at temperature 1: a sentence of
    /// [`Generator::longest`] tokens needs no end, and a longer one is impossible.
    ///
    /// # Errors
    /// As for [`Generator::score`].
    pub fn log_law(&self, sentences: &[Vec<u32>], watch: Watch<'_>) -> Result<Vec<f64>> {
        let (start, end) = (self.codec.start(), self.codec.end());
        let mut found = vec![f64::NEG_INFINITY; sentences.len()];
        // Whole ones go without their end, the others with it.
        for (end, whole) in [(end, false), (None, true)] {
            let of_kind = |i: &usize| match sentences[*i].len().cmp(&self.longest) {
                std::cmp::Ordering::Less => !whole && self.codec.end().is_some(),
                std::cmp::Ordering::Equal => whole,
                std::cmp::Ordering::Greater => false,
            };
            let rows: Vec<usize> = (0..sentences.len()).filter(of_kind).collect();
            let some: Vec<Vec<u32>> = rows.iter().map(|&i| sentences[i].clone()).collect();
            let ends = (start, end);
            let logs = with_network!(&self.network, model => train::sentence_log_probabilities(model, &some, ends, None, watch))?;
            rows.into_iter().zip(logs).for_each(|(i, log)| found[i] = log);
        }
        Ok(found)
    }

    /// −log p of the generator's own samples in nats under [`Generator::log_law`], and the tokens that were drawn for each: a sentence of
    /// [`Generator::longest`] tokens has no end that could have come out otherwise.
    ///
    /// # Errors
    /// As for [`Generator::score`].
    pub fn score_own(&self, samples: &[Vec<u32>], watch: Watch<'_>) -> Result<SentenceScores> {
        let nll = self.log_law(samples, watch)?.into_iter().map(|log| -log).collect();
        let tokens =
            samples.iter().map(|sentence| (sentence.len() + usize::from(sentence.len() < self.longest)) as u32);
        Ok(SentenceScores { nll, tokens: tokens.collect() })
    }
}

/// A vocabulary for generators that have none.
static NO_WORDS: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::new);

/// A generator as an oracle, over the words of its vocabulary. A generator whose tokeniser has ids of its
/// own has no words, and cannot be compared with another oracle.
impl Oracle for Generator {
    fn vocabulary(&self) -> &Vocabulary {
        self.codec.vocabulary().unwrap_or(&NO_WORDS)
    }

    fn sample(&self, n: usize, seed: Seed) -> Encoded {
        let (cancel, silent) = (Cancel::default(), Silent);
        let watch = Watch::new(&cancel, &silent);
        let ids = self.sample_ids(n, Sampling::default(), seed, watch).unwrap_or_default();
        self.codec.to_vocabulary(&ids)
    }

    fn log_density(&self, sentences: &Encoded) -> Vec<f64> {
        let (cancel, silent) = (Cancel::default(), Silent);
        let watch = Watch::new(&cancel, &silent);
        let ids = self.codec.from_vocabulary(sentences);
        self.log_law(&ids, watch).unwrap_or_else(|_| vec![f64::NAN; sentences.len()])
    }

    fn signature(&self) -> String {
        self.origin.clone()
    }
}
