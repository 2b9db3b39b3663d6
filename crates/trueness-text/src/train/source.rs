//! What a generator learns from: a person's corpus, or an oracle's samples.

use super::TrainKnobs;
use crate::corpus::split::{hold_out, write};
use crate::corpus::{Encoded, Vocabulary, read};
use crate::error::{Error, Result};
use crate::generator::{Codec, Generator, load};
use crate::metric::discrepancy::{from_densities, jeffreys};
use crate::metric::language_model::SentenceScores;
use crate::oracle::lstm::{LstmConfig, LstmOracle};
use crate::oracle::{Oracle, score};
use std::path::Path;
use trueness_core::{Estimate, Measure, Seed, Watch};
use trueness_nn::Sampling;

/// The name that stands for an oracle of SeqGAN's sizes, drawn anew.
pub(super) const SEQGAN: &str = "seqgan";

/// Coded sentences and what is known of where they come from.
pub(super) struct Source {
    pub(super) codec: Codec,
    pub(super) train: Vec<Vec<u32>>,
    pub(super) valid: Vec<Vec<u32>>,
    /// Tokens of the longest sentence that is to be made.
    pub(super) longest: usize,
    pub(super) warnings: Vec<String>,
    /// Where all this came from, if its density is known.
    pub(super) truth: Option<Truth>,
}

/// An oracle with sentences of its own that nobody learns from.
pub struct Truth {
    oracle: Box<dyn Oracle>,
    test: Encoded,
    /// log p of these.
    known: Vec<f64>,
}

impl Source {
    /// Reads, or draws, what the knobs name. What an oracle gave is written into `folder`.
    pub(super) fn open(knobs: &TrainKnobs, folder: &Path, seed: Seed) -> Result<Self> {
        if knobs.oracle.is_empty() { Self::corpus(knobs, seed) } else { Self::oracle(knobs, folder, seed) }
    }

    fn corpus(knobs: &TrainKnobs, seed: Seed) -> Result<Self> {
        let path = Path::new(&knobs.corpus);
        let corpus = read::read(path)?.sentences;
        let (train, valid) = if knobs.valid.is_empty() {
            let held = hold_out(corpus, knobs.valid_share, seed.child("train/valid"));
            held.map_err(|error| error.at(path))?.into()
        } else {
            (corpus, read::read(Path::new(&knobs.valid))?.sentences)
        };
        let codec = Codec::of_words(&train, knobs.tokenizer.parse()?, knobs.min_count)?;
        let (coded, held) = (codec.encode(&train)?, codec.encode(&valid)?);
        let longest = match knobs.length {
            0 => coded.sentences.iter().map(Vec::len).max().unwrap_or(0).max(1),
            length => length,
        };
        let mut warnings = Vec::new();
        let mut fitting = |what: &str, sentences: Vec<Vec<u32>>| -> Vec<Vec<u32>> {
            let all = sentences.len();
            let kept: Vec<Vec<u32>> = sentences.into_iter().filter(|s| !s.is_empty() && s.len() <= longest).collect();
            if kept.len() < all {
                let left = all - kept.len();
                warnings
                    .push(format!("{left} of {all} {what} sentences are left out: empty, or over {longest} tokens"));
            }
            kept
        };
        let (train, valid) = (fitting("training", coded.sentences), fitting("validation", held.sentences));
        if held.unknown > 0 {
            warnings.push(format!(
                "{} tokens of the validation sentences are not known to the model, for example {}",
                held.unknown,
                held.examples.join(", ")
            ));
        }
        Ok(Self { codec, train, valid, longest, warnings, truth: None })
    }

    fn oracle(knobs: &TrainKnobs, folder: &Path, seed: Seed) -> Result<Self> {
        let (oracle, codec, longest) = open_oracle(&knobs.oracle, &knobs.device, seed)?;
        if let Opened::Lstm(oracle) = &oracle {
            oracle.save(&folder.join("oracle.safetensors"))?;
        }
        let oracle = oracle.boxed();
        let valid = ((knobs.oracle_n as f64 * knobs.valid_share).round() as usize).max(1);
        let draw = |name: &str, n: usize| oracle.sample(n, seed.child("train/oracle").child(name));
        let (train, valid, test) =
            (draw("train", knobs.oracle_n), draw("valid", valid), draw("test", knobs.oracle_samples));
        for (name, sentences) in [("oracle-train.txt", &train), ("oracle-valid.txt", &valid)] {
            let texts: Vec<String> = sentences.iter().map(|sentence| oracle.vocabulary().decode(sentence)).collect();
            write(&folder.join(name), texts.iter().map(String::as_str))?;
        }
        let coded = |sentences: &Encoded| -> Vec<Vec<u32>> {
            codec.from_vocabulary(sentences).into_iter().filter(|sentence| !sentence.is_empty()).collect()
        };
        let (train, valid) = (coded(&train), coded(&valid));
        let truth = Some(Truth::new(oracle, test));
        Ok(Self { codec, train, valid, longest, warnings: Vec::new(), truth })
    }
}

/// What an oracle's name or path led to.
enum Opened {
    Lstm(Box<LstmOracle>),
    Model(Box<Generator>),
}

impl Opened {
    fn boxed(self) -> Box<dyn Oracle> {
        match self {
            Self::Lstm(oracle) => oracle,
            Self::Model(model) => model,
        }
    }
}

fn open_oracle(name: &str, device: &str, seed: Seed) -> Result<(Opened, Codec, usize)> {
    let path = Path::new(name);
    if path.is_dir() {
        let model = load(path, &trueness_nn::device::parse(device)?)?;
        if model.codec().vocabulary().is_none() {
            return Err(Error::Input(format!("{name}: an oracle needs words, and this model's tokeniser has none")));
        }
        let (codec, longest) = (model.codec().clone(), model.longest());
        return Ok((Opened::Model(Box::new(model)), codec, longest));
    }
    let oracle = if name == SEQGAN {
        LstmOracle::draw(LstmConfig::default(), seed.child("train/oracle").child("parameters"))?
    } else {
        LstmOracle::load(path)?
    };
    let (codec, longest) = (Codec::of_oracle(oracle.vocabulary().clone()), oracle.config().length);
    Ok((Opened::Lstm(Box::new(oracle)), codec, longest))
}

/// Whether an oracle's name means something.
///
/// # Errors
/// If it neither is [`SEQGAN`] nor leads to a file or folder that loads.
pub(super) fn check_oracle(knobs: &TrainKnobs) -> Result<()> {
    if knobs.oracle != SEQGAN && !Path::new(&knobs.oracle).exists() {
        return Err(Error::Input(format!(
            "oracle: expected {SEQGAN:?}, a model folder or the file of an oracle; there is no {:?}",
            knobs.oracle
        )));
    }
    open_oracle(&knobs.oracle, &knobs.device, Seed::new(0)).map(|_| ())
}

impl Truth {
    /// An oracle with sentences that nobody learns from.
    pub fn new(oracle: Box<dyn Oracle>, test: Encoded) -> Self {
        let known = oracle.log_density(&test);
        Self { oracle, test, known }
    }

    /// Whether a generator speaks the oracle's words, in the same order.
    ///
    /// # Errors
    /// [`Error::Input`] with the first word that differs, if it does not.
    pub fn check(&self, codec: &Codec) -> Result<()> {
        let theirs = self.oracle.vocabulary().words();
        let ours = codec.vocabulary().map_or(&[][..], Vocabulary::words);
        if ours.len() != theirs.len() {
            let (ours, theirs) = (ours.len(), theirs.len());
            return Err(Error::Input(format!(
                "the oracle has {theirs} words and the generator {ours}: expected the same ones"
            )));
        }
        match ours.iter().zip(theirs).enumerate().find(|(_, (ours, theirs))| ours != theirs) {
            Some((id, (ours, theirs))) => {
                Err(Error::Input(format!("word {id} of the oracle is {theirs:?}, and the generator's is {ours:?}")))
            }
            None => Ok(()),
        }
    }

    /// NLL-oracle of a generator before it was trained.
    pub(super) fn start(&self, first: &Generator, seed: Seed, watch: Watch<'_>) -> Result<Measure> {
        let seed = seed.child("train/truth");
        let (scores, _) = self.nll_oracle(first, seed.child("start"), watch)?;
        let estimate = scores.estimate(seed.child("nll-oracle"));
        Ok(Measure::new("nll-oracle-start", estimate).signed(self.oracle.signature()))
    }

    /// NLL-oracle: what the oracle says of the generator's samples.
    pub(super) fn nll_oracle(
        &self,
        generator: &Generator,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<(SentenceScores, Encoded)> {
        let ids = generator.sample_ids(self.test.len(), Sampling::default(), seed, watch)?;
        let sentences = generator.codec().to_vocabulary(&ids);
        Ok((score(self.oracle.as_ref(), &sentences), sentences))
    }

    /// What can be said of a generator whose truth is known: NLL-oracle, the oracle's entropy, NLL-gen, NLL of its own samples, DD and
    /// Jeffreys' divergence by both densities.
    ///
    /// # Errors
    /// As for [`Generator::sample_ids`].
    pub fn measures(&self, generator: &Generator, seed: Seed, watch: Watch<'_>) -> Result<Vec<Measure>> {
        let seed = seed.child("train/truth");
        let (scores, sentences) = self.nll_oracle(generator, seed.child("samples"), watch)?;
        let tokens = self.test.iter().map(|sentence| sentence.len() as u32).collect();
        let own = SentenceScores { nll: self.known.iter().map(|log| -log).collect(), tokens };
        let of_test = generator.log_law(&generator.codec().from_vocabulary(&self.test), watch)?;
        let of_samples = generator.log_law(&generator.codec().from_vocabulary(&sentences), watch)?;
        let ratio = |p: &f64, q: f64| if *p == q { 0.0 } else { p - q };
        let on_real: Vec<f64> = self.known.iter().zip(&of_test).map(|(p, q)| ratio(p, *q)).collect();
        let on_own: Vec<f64> = scores.nll.iter().zip(&of_samples).map(|(nll, q)| ratio(&-nll, *q)).collect();
        // The same tokens as under the oracle: words, the end being part of the last one's.
        let known = SentenceScores { nll: of_test.iter().map(|log| -log).collect(), ..own.clone() };
        let div = SentenceScores { nll: of_samples.iter().map(|log| -log).collect(), ..scores.clone() };
        let put = |name: &str, estimate: Estimate| Measure::new(name, estimate).signed(self.oracle.signature());
        Ok(vec![
            put("nll-oracle", scores.estimate(seed.child("nll-oracle"))),
            put("oracle-entropy", own.estimate(seed.child("entropy"))),
            put("nll-gen", known.estimate(seed.child("nll-gen"))),
            put("nll-div", div.estimate(seed.child("nll-div"))),
            put("dd-density", from_densities(&on_real, &on_own).dd),
            put("jeffreys", jeffreys(&on_real, &on_own)),
        ])
    }
}
