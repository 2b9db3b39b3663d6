//! A discriminator as a filter on a generator's samples (arXiv 2004.02135).
//!
//! A discriminator learns to tell real sentences from generated ones; its probability says how much likelier
//! a sentence is in real text. A filter keeps generated sentences in that proportion, so that what is kept
//! is closer to real text, without touching the generator. Filters can be stacked: the next one is trained
//! against what the ones before it keep.
//!
//! A weak discriminator can do harm, and a confident one that is wrong can do much: what is kept has to be
//! measured by a *fresh* discriminator, on sentences that the filter never saw.

mod acceptance;
mod folder;
mod judge;
mod scorer;
mod stream;
mod tool;
mod verb;

pub use acceptance::{Mode, Rule};
pub use judge::{Judgement, judge};
pub use scorer::Scorer;
pub use stream::{Format, Passed, pass};
pub use tool::{FILTER_TRAIN, FilterTrain, FilterTrainKnobs};
pub use verb::{Applied, ApplyKnobs, apply};

use crate::discriminator::Protocol;
use crate::error::{Error, Result};
use crate::generator::Codec;
use rand::RngExt;
use rayon::prelude::*;
use std::path::PathBuf;
use trueness_core::{Seed, Watch};

/// One discriminator with its rule.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What scores a sentence.
    pub scorer: Scorer,
    /// What is done with the score.
    pub rule: Rule,
    /// The share that the rule was asked to keep.
    pub acceptance: f64,
}

/// One or more stages; a sentence is kept if every one of them keeps it.
#[derive(Clone, Debug)]
pub struct Filter {
    codec: Codec,
    stages: Vec<Stage>,
    /// What it depends on, in a few words.
    signature: String,
}

/// How a filter is trained.
#[derive(Clone, Debug)]
pub struct FilterConfig {
    /// Which discriminators are tried.
    pub protocol: Protocol,
    /// What is done with their scores.
    pub mode: Mode,
    /// The share that each stage is to keep, one entry a stage.
    pub acceptance: Vec<f64>,
    /// A folder for the state of networks in training, from which an interrupted training goes on.
    pub checkpoints: Option<PathBuf>,
}

impl Filter {
    /// Trains a filter on real and generated sentences. With several stages the generated sentences are
    /// divided between them, since a discriminator's word on sentences that it learned from is worth
    /// little; each stage sees those of its part that the stages before it keep.
    ///
    /// # Errors
    /// For too few sentences, shares outside (0, 1], or a protocol that makes no sense;
    /// [`trueness_core::Error::Interrupted`].
    pub fn train(
        real: &[String],
        generated: &[String],
        codec: &Codec,
        config: &FilterConfig,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Self> {
        if codec.vocabulary().is_none() || codec.end().is_none() {
            return Err(Error::Input("a filter takes sentences of words: a tokeniser that gives words".to_owned()));
        }
        config.protocol.check()?;
        let stages = config.acceptance.len();
        if stages == 0 {
            return Err(Error::Input("a filter needs the share to keep, for example 0.5".to_owned()));
        }
        let real = codec.to_vocabulary(&codec.encode(real)?.sentences);
        let mut filter = Self {
            codec: codec.clone(),
            stages: Vec::new(),
            signature: format!(
                "filter:{:?}|accept:{:?}|{}|tok:{}|seed:{}",
                config.mode,
                config.acceptance,
                config.protocol.signature(),
                codec.name(),
                seed.to_u53()
            ),
        };
        for (i, part) in generated.chunks(generated.len().div_ceil(stages).max(1)).enumerate().take(stages) {
            watch.step("filter", i as u64, stages as u64)?;
            let seed = seed.child("filter/stage").nth(i as u64);
            let kept = filter.decide(part, 0, seed.child("kept"))?;
            let part: Vec<&String> =
                part.iter().zip(kept).filter_map(|(sentence, kept)| kept.then_some(sentence)).collect();
            let part = codec.to_vocabulary(&codec.encode(&part)?.sentences);
            let vocabulary = codec.vocabulary().map_or(0, crate::corpus::Vocabulary::len);
            let checkpoints = config.checkpoints.as_ref().map(|folder| folder.join(format!("stage-{}", i + 1)));
            let trained =
                Scorer::train(&config.protocol, &real, &part, vocabulary, checkpoints.as_deref(), seed, watch);
            let trained = trained.map_err(|error| match error {
                Error::Input(what) => Error::Input(format!("stage {}: {what}", i + 1)),
                other => other,
            })?;
            let acceptance = config.acceptance[i];
            let rule = Rule::solve(config.mode, acceptance, &trained.pool)?;
            filter.stages.push(Stage { scorer: trained.scorer, rule, acceptance });
        }
        watch.step("filter", stages as u64, stages as u64)?;
        if filter.stages.len() < stages {
            return Err(Error::Input(format!(
                "{stages} stages need more generated sentences, got {}",
                generated.len()
            )));
        }
        Ok(filter)
    }

    /// The stages, in order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The calibrated logits of P(real) that the first stage gives to sentences.
    ///
    /// # Errors
    /// Where a tokeniser fails.
    pub fn logits<S: AsRef<str> + Sync>(&self, sentences: &[S]) -> Result<Vec<f64>> {
        let encoded = self.codec.to_vocabulary(&self.codec.encode(sentences)?.sentences);
        self.stages.first().map_or(Ok(Vec::new()), |stage| stage.scorer.logits(&encoded))
    }

    /// The filter of the first stages alone.
    #[must_use]
    pub fn first(&self, stages: usize) -> Self {
        let signature = format!("{}|first:{stages}", self.signature);
        Self { codec: self.codec.clone(), stages: self.stages.iter().take(stages).cloned().collect(), signature }
    }

    /// What the filter depends on, in a few words.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// The share that all stages together were asked to keep.
    pub fn acceptance(&self) -> f64 {
        self.stages.iter().map(|stage| stage.acceptance).product()
    }

    /// Which sentences are kept. The draw for sentence i depends on `seed.nth(first + i)` alone, so that a
    /// stream can be cut anywhere.
    ///
    /// # Errors
    /// Where a tokeniser fails.
    pub fn decide<S: AsRef<str> + Sync>(&self, sentences: &[S], first: u64, seed: Seed) -> Result<Vec<bool>> {
        self.decide_coded(&self.codec.encode(sentences)?.sentences, first, seed)
    }

    fn decide_coded(&self, sentences: &[Vec<u32>], first: u64, seed: Seed) -> Result<Vec<bool>> {
        if self.stages.is_empty() || sentences.is_empty() {
            return Ok(vec![true; sentences.len()]);
        }
        let encoded = self.codec.to_vocabulary(sentences);
        let mut keep = vec![1.0; sentences.len()];
        for stage in &self.stages {
            for (keep, logit) in keep.iter_mut().zip(stage.scorer.logits(&encoded)?) {
                // Draws of the stages are independent, so that one draw against the product will do.
                *keep *= stage.rule.probability(logit);
            }
        }
        let draw = |(i, keep): (usize, f64)| seed.nth(first + i as u64).rng().random::<f64>() < keep;
        Ok(keep.into_par_iter().enumerate().map(draw).collect())
    }
}
