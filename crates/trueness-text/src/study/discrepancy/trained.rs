//! Generators that were trained on growing fractions of one set of sentences: more data makes a better
//! generator, so that the fraction is the order in which a metric ought to rank them.

use super::{DiscrepancyKnobs, Family, Texts, candidate};
use crate::corpus::split::{Sizes, SplitOptions, split};
use crate::corpus::{Encoded, Tokenizer, Vocabulary, read};
use crate::error::Result;
use crate::generator::{Codec, Generator, Job, Kind, NetworkKnobs, UNKNOWN};
use crate::oracle::Oracle;
use crate::oracle::grammar::Grammar;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use trueness_core::report::Samples;
use trueness_core::{Run, Seed};
use trueness_nn::Sampling;

/// Where the sentences come from that generators learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The caption grammar, whose density is known.
    Grammar,
    /// A person's corpus, whose density nobody knows.
    Corpus,
    /// A generator that was trained on that corpus: its samples look like the corpus, and its density is known.
    CorpusOracle,
}

impl Source {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Grammar => "trained",
            Self::Corpus => "corpus",
            Self::CorpusOracle => "corpus-oracle",
        }
    }
}

/// The sources that the knobs ask for.
pub(super) fn sources(knobs: &DiscrepancyKnobs) -> Vec<Source> {
    if knobs.fractions.is_empty() || knobs.generators.is_empty() {
        return Vec::new();
    }
    match knobs.corpus.is_empty() {
        true => vec![Source::Grammar],
        false => vec![Source::Grammar, Source::Corpus, Source::CorpusOracle],
    }
}

/// An oracle whose vocabulary begins with the word that stands for unknown ones, which it never says. So it
/// shares a vocabulary with the generators that learn from it.
struct Extended {
    inner: Grammar,
    vocabulary: Vocabulary,
}

impl Extended {
    fn new(inner: Grammar) -> Self {
        let mut vocabulary = Vocabulary::new();
        vocabulary.add(UNKNOWN);
        inner.vocabulary().words().iter().for_each(|word| {
            vocabulary.add(word);
        });
        Self { inner, vocabulary }
    }
}

impl Oracle for Extended {
    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn sample(&self, n: usize, seed: Seed) -> Encoded {
        let shifted = |sentence: &[u32]| sentence.iter().map(|id| id + 1).collect::<Vec<u32>>();
        self.inner.sample(n, seed).iter().map(shifted).collect()
    }

    fn log_density(&self, sentences: &Encoded) -> Vec<f64> {
        // The unknown word becomes an id that no word of the grammar has.
        let back = |sentence: &[u32]| sentence.iter().map(|id| id.wrapping_sub(1)).collect::<Vec<u32>>();
        let known: Vec<usize> = (0..sentences.len()).filter(|&i| !sentences.sentence(i).contains(&0)).collect();
        let inner: Encoded = known.iter().map(|&i| back(sentences.sentence(i))).collect();
        let mut found = vec![f64::NEG_INFINITY; sentences.len()];
        known.into_iter().zip(self.inner.log_density(&inner)).for_each(|(i, log)| found[i] = log);
        found
    }

    fn signature(&self) -> String {
        self.inner.signature()
    }
}

/// What generators learn from, and what they are measured against.
struct Data {
    codec: Codec,
    oracle: Option<Box<dyn Oracle>>,
    train: Vec<Vec<u32>>,
    valid: Vec<Vec<u32>>,
    /// Over the codec's vocabulary.
    real: Encoded,
}

/// Sentences of a part that learns, of one that chooses the pass, and of one that is measured against.
fn counts(knobs: &DiscrepancyKnobs) -> [usize; 3] {
    [knobs.generator_n, (knobs.generator_n / 10).max(1), knobs.n]
}

/// The corpus in three parts.
pub(super) fn corpus(knobs: &DiscrepancyKnobs, seed: Seed) -> Result<[Vec<String>; 3]> {
    let path = Path::new(&knobs.corpus);
    let sentences = read::read(path)?.sentences;
    let sizes = Sizes::Counts(counts(knobs).to_vec());
    let options = SplitOptions { sizes, keep_duplicates_together: true };
    let parts = split(&sentences, &options, seed.child("trained/split")).map_err(|error| error.at(path))?;
    let mut parts = parts.into_iter().map(|part| part.into_iter().map(|i| sentences[i].clone()).collect());
    Ok(std::array::from_fn(|_| parts.next().unwrap_or_default()))
}

fn data(knobs: &DiscrepancyKnobs, source: Source, run: &mut Run<'_>) -> Result<Data> {
    let seed = run.seed().child("trained");
    let drawn = |codec: Codec, oracle: Box<dyn Oracle>| {
        let [train, valid, real] = counts(knobs);
        let part = |name: &str, n: usize| oracle.sample(n, seed.child(name));
        let real = part("real", real);
        let coded = |text: Encoded| codec.from_vocabulary(&text);
        let (train, valid) = (coded(part("train", train)), coded(part("valid", valid)));
        Data { codec, oracle: Some(oracle), train, valid, real }
    };
    if source == Source::Grammar {
        let oracle = Extended::new(Grammar::default());
        let codec = Codec::with_words(Tokenizer::Whitespace, oracle.vocabulary.clone())?;
        return Ok(drawn(codec, Box::new(oracle)));
    }
    let [train, valid, real] = corpus(knobs, run.seed())?;
    let codec = Codec::of_words(&train, knobs.tokenizer.parse()?, 1)?;
    let coded = |text: &[String]| Ok::<_, crate::Error>(codec.encode(text)?.sentences);
    let (train, valid) = (coded(&train)?, coded(&valid)?);
    if source == Source::CorpusOracle {
        let data = Data { codec, oracle: None, train, valid, real: Encoded::new() };
        let oracle = one(knobs, &knobs.corpus_oracle, &data, &data.train, "oracle of the corpus", run)?;
        return Ok(drawn(data.codec, Box::new(oracle)));
    }
    let real = codec.to_vocabulary(&coded(&real)?);
    Ok(Data { codec, oracle: None, train, valid, real })
}

/// A generator of some of the training sentences, trained or read where that was done. Every generator makes
/// sentences as long as the longest of all, or a small part would make longer ones impossible.
fn one(
    knobs: &DiscrepancyKnobs,
    network: &NetworkKnobs,
    data: &Data,
    train: &[Vec<u32>],
    what: &str,
    run: &mut Run<'_>,
) -> Result<Generator> {
    let device = trueness_nn::device::parse(&knobs.protocol.device)?;
    let longest = data.train.iter().map(Vec::len).max().unwrap_or(1).max(1);
    let inputs = (what, network, &knobs.training, longest, crate::corpus::fingerprint(train));
    crate::train::in_stage(run, "generator", &inputs, &device, |checkpoints, seed, watch| {
        let valid: Vec<Vec<u32>> = data.valid.iter().filter(|sentence| sentence.len() <= longest).cloned().collect();
        let job = Job {
            network,
            training: &knobs.training,
            codec: &data.codec,
            train,
            valid: &valid,
            longest,
            device: &device.clone().autodiff(),
            checkpoints: Some(checkpoints),
            observe: None,
        };
        Ok(job.run(seed.child("trained").child(what), watch)?.generator)
    })
}

/// Trains on each fraction and measures what comes of it.
pub(super) fn measure(knobs: &DiscrepancyKnobs, source: Source, kind: Kind, run: &mut Run<'_>) -> Result<()> {
    let Some(network) = knobs.generators.iter().find(|network| network.model == kind) else { return Ok(()) };
    let data = data(knobs, source, run)?;
    let family = Family::Trained(source, kind);
    let known = data.oracle.as_ref().map(|oracle| oracle.log_density(&data.real));
    let mut samples = Samples::new(format!("Sentences of {}", family.name()));
    let total = knobs.fractions.len() as u64;
    for (i, &fraction) in knobs.fractions.iter().enumerate() {
        run.watch().step(&family.name(), i as u64, total)?;
        let n = ((fraction * data.train.len() as f64).round() as usize).max(1);
        let generator = one(knobs, network, &data, &data.train[..n], "generator", run)?;
        let seed = run.seed().child("trained/samples").child(&family.subject(fraction));
        let ids = generator.sample_ids(knobs.n, Sampling::default(), seed, run.watch())?;
        let generated = data.codec.to_vocabulary(&ids);
        samples = samples.labelled(format!("{fraction}"), generator.codec().decode(&ids[0])?);
        let vocabulary = Oracle::vocabulary(&generator);
        let texts = Texts { real: &data.real, generated: &generated, vocabulary };
        let oracles = data.oracle.as_deref().map(|oracle| (oracle, &generator as &dyn Oracle));
        let known = known.as_deref().unwrap_or_default();
        candidate(knobs, family, fraction, oracles, texts, known, None, run)?;
    }
    run.watch().step(&family.name(), total, total)?;
    run.samples(samples);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extended_oracle_has_the_densities_of_its_inner_one() {
        let (inner, extended) = (Grammar::default(), Extended::new(Grammar::default()));
        let (plain, shifted) = (inner.sample(50, Seed::new(1)), extended.sample(50, Seed::new(1)));
        assert_eq!(inner.log_density(&plain), extended.log_density(&shifted));
        for (a, b) in plain.iter().zip(shifted.iter()) {
            assert_eq!(inner.vocabulary().decode(a), extended.vocabulary().decode(b));
        }
        let unknown: Encoded = [vec![0], vec![1, 0]].into_iter().collect();
        assert_eq!(extended.log_density(&unknown), [f64::NEG_INFINITY; 2]);
    }
}
