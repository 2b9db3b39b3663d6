//! The sentences of a seed: of the caption grammar, of a person's corpus, or of an oracle.

use super::{GanKnobs, Setting};
use crate::corpus::read;
use crate::corpus::split::{Sizes, SplitOptions, split};
use crate::error::{Error, Result};
use crate::generator::Codec;
use crate::oracle::Oracle;
use crate::oracle::grammar::Grammar;
use crate::oracle::lstm::{LstmConfig, LstmOracle};
use crate::train::Truth;
use std::path::Path;
use trueness_core::Seed;

/// Sentences as a network's ids.
pub(super) struct Texts {
    pub(super) codec: Codec,
    /// What generators and discriminators learn from.
    pub(super) train: Vec<Vec<u32>>,
    /// What looks are held against, and what chose the pass of maximum likelihood.
    pub(super) valid: Vec<Vec<u32>>,
    /// As many again, for real text's own distance.
    pub(super) other: Vec<Vec<u32>>,
    /// Tokens of the longest sentence that can be made.
    pub(super) longest: usize,
    /// Where they come from, if its density is known.
    pub(super) truth: Option<Truth>,
}

impl Texts {
    /// The sentences of a setting, the same for the same seed.
    ///
    /// # Errors
    /// If the corpus cannot be read, has fewer sentences than asked for, or cannot be cut.
    pub(super) fn new(knobs: &GanKnobs, setting: Setting, seed: Seed) -> Result<Self> {
        match setting {
            Setting::Captions => Self::captions(knobs, seed),
            Setting::Oracle => Self::oracle(knobs, seed),
        }
    }

    fn oracle(knobs: &GanKnobs, seed: Seed) -> Result<Self> {
        let counts = counts(knobs);
        let seed = seed.child("gan/oracle");
        let config = LstmConfig { vocabulary: knobs.oracle_words, ..LstmConfig::default() };
        let longest = config.length;
        let oracle = LstmOracle::draw(config, seed.child("parameters"))?;
        let codec = Codec::of_oracle(oracle.vocabulary().clone());
        let drawn = codec.from_vocabulary(&oracle.sample(counts.iter().sum(), seed.child("sentences")));
        let test = oracle.sample(knobs.n, seed.child("test"));
        let [train, valid, other] = parts(drawn, counts);
        let truth = Some(Truth::new(Box::new(oracle), test));
        Ok(Self { codec, train, valid, other, longest, truth })
    }

    fn captions(knobs: &GanKnobs, seed: Seed) -> Result<Self> {
        let counts = counts(knobs);
        let [train, valid, other] = if knobs.corpus.is_empty() {
            let grammar = Grammar::default();
            let drawn = grammar.sample(counts.iter().sum(), seed.child("gan/captions"));
            parts(drawn.iter().map(|sentence| grammar.vocabulary().decode(sentence)).collect(), counts)
        } else {
            let path = Path::new(&knobs.corpus);
            let sentences = read::read(path)?.sentences;
            let options = SplitOptions { sizes: Sizes::Counts(counts.to_vec()), keep_duplicates_together: true };
            let divided = split(&sentences, &options, seed.child("gan/split")).map_err(|error| error.at(path))?;
            let mut divided = divided.into_iter().map(|part| part.into_iter().map(|i| sentences[i].clone()).collect());
            [(); 3].map(|()| divided.next().unwrap_or_default())
        };
        let codec = Codec::of_words(&train, knobs.tokenizer.parse()?, 1)?;
        let coded = [&train, &valid, &other].map(|part| Ok::<_, Error>(codec.encode(part)?.sentences));
        let [train, valid, other] = coded;
        let train: Vec<Vec<u32>> = train?;
        let longest = train.iter().map(Vec::len).max().unwrap_or(1).max(1);
        // What is longer could not be made.
        let fit = |part: Vec<Vec<u32>>| part.into_iter().filter(|sentence| sentence.len() <= longest).collect();
        Ok(Self { codec, train, valid: fit(valid?), other: fit(other?), longest, truth: None })
    }
}

/// How many sentences each part has.
fn counts(knobs: &GanKnobs) -> [usize; 3] {
    [knobs.n_train, knobs.n, knobs.n]
}

/// Sentences one after another in parts of given sizes.
fn parts<T>(all: Vec<T>, counts: [usize; 3]) -> [Vec<T>; 3] {
    let mut all = all.into_iter();
    counts.map(|n| all.by_ref().take(n).collect())
}
