//! Language models that judge text: trained on one text, asked about another.
//!
//! They give the neural LM score and its reverse, as in "Distributional Discrepancy" (arXiv 2005.01282) and
//! "Language GANs Falling Short" (arXiv 1811.02549).

use super::{Codec, Generator, Job, NetworkKnobs, TrainingKnobs};
use crate::corpus::{Encoded, Vocabulary};
use crate::error::Result;
use crate::metric::language_model::SentenceScores;
use rand::seq::SliceRandom;
use trueness_core::{Seed, Watch};
use trueness_nn::Checkpoints;
use trueness_nn::burn::tensor::Device;

/// One sentence of so many is held out to choose the pass.
const HELD_OUT: usize = 10;

/// Network ids below those of the words: the boundary and the unknown word.
const RESERVED: u32 = 2;

/// How models that judge are made. Texts are token ids of one vocabulary.
#[derive(Clone, Copy, Debug)]
pub struct Evaluator<'a> {
    /// The network.
    pub network: &'a NetworkKnobs,
    /// How it is trained.
    pub training: &'a TrainingKnobs,
    /// Words of the vocabulary. Models that are compared need the same number, or one would gain by knowing
    /// fewer words than another.
    pub words: usize,
    /// Tokens of the longest sentence that will be asked about.
    pub longest: usize,
    /// Where to train.
    pub device: &'a Device,
}

impl Evaluator<'_> {
    /// A model of a text. A tenth of its sentences choose the pass.
    ///
    /// # Errors
    /// For fewer than two sentences, or knobs that make no sense; [`trueness_core::Error::Interrupted`].
    pub fn train(
        &self,
        text: &Encoded,
        checkpoints: Option<&Checkpoints>,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Generator> {
        let mut vocabulary = Vocabulary::new();
        vocabulary.add(super::UNKNOWN);
        // Only the number of words matters.
        (0..self.words).for_each(|word| {
            vocabulary.add(&word.to_string());
        });
        let codec = Codec::with_words(crate::corpus::Tokenizer::Whitespace, vocabulary)?;
        let mut sentences = ids(text);
        sentences.shuffle(&mut seed.child("evaluator/order").rng());
        let train = sentences.split_off(sentences.len().div_ceil(HELD_OUT));
        let job = Job {
            network: self.network,
            training: self.training,
            codec: &codec,
            train: &train,
            valid: &sentences,
            longest: self.longest,
            device: &self.device.clone().autodiff(),
            checkpoints,
            observe: None,
        };
        Ok(job.run(seed.child("evaluator/train"), watch)?.generator)
    }
}

/// −log p of sentences under a model that an [`Evaluator`] made.
///
/// # Errors
/// As for [`Generator::score`].
pub fn evaluate(model: &Generator, text: &Encoded, watch: Watch<'_>) -> Result<SentenceScores> {
    model.score(&ids(text), watch)
}

fn ids(text: &Encoded) -> Vec<Vec<u32>> {
    text.iter().map(|sentence| sentence.iter().map(|id| id + RESERVED).collect()).collect()
}
