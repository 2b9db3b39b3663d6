//! Sampling from a generator and scoring text by it, for the command line.

use super::folder;
use crate::corpus::read;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use trueness_core::report::{Cell, Found, Report, Table};
use trueness_core::{Measure, Seed, Watch};
use trueness_nn::Sampling;

/// The knobs of `trueness text sample`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SampleKnobs {
    /// A model folder, or the run that trained it.
    #[schemars(extend("x-position" = 1))]
    pub model: String,
    /// How many sentences.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub n: usize,
    /// Logits are divided by this: below 1 likely words become likelier.
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub temperature: f64,
    /// Draw only from so many of the likeliest words; 0: from all.
    pub top_k: usize,
    /// Draw only from the likeliest words that together reach this probability; 1: from all.
    #[schemars(range(min = 0.001, max = 1.0))]
    pub top_p: f64,
    /// The device to load the model on; sampling itself runs on the CPU.
    pub device: String,
}

impl Default for SampleKnobs {
    fn default() -> Self {
        let Sampling { temperature, top_k, top_p } = Sampling::default();
        Self { model: String::new(), n: 10, temperature, top_k, top_p, device: "cpu".to_owned() }
    }
}

/// Sentences of a model folder, one string each. A line break within a sentence becomes a space, so that
/// sentence i is line i.
///
/// # Errors
/// If the folder does not load or a knob makes no sense; [`trueness_core::Error::Interrupted`].
pub fn sample_text(knobs: &SampleKnobs, seed: Seed, watch: Watch<'_>) -> Result<Vec<String>> {
    let generator = folder::load(Path::new(&knobs.model), &trueness_nn::device::parse(&knobs.device)?)?;
    let sampling = Sampling { temperature: knobs.temperature, top_k: knobs.top_k, top_p: knobs.top_p };
    let mut sentences = generator.sample(knobs.n, sampling, seed.child("sample"), watch)?;
    for sentence in &mut sentences {
        if sentence.contains(['\n', '\r']) {
            *sentence = sentence.replace(['\n', '\r'], " ");
        }
    }
    Ok(sentences)
}

/// The knobs of `trueness text score`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ScoreKnobs {
    /// A model folder, or the run that trained it.
    #[schemars(extend("x-position" = 1))]
    pub model: String,
    /// Files of sentences to score.
    #[schemars(extend("x-position" = 2))]
    pub files: Vec<String>,
    /// Write each sentence's nats and tokens, tab-separated, one line each, into this file; of several files one after another.
    pub each: String,
    /// The device to score on.
    pub device: String,
}

impl Default for ScoreKnobs {
    fn default() -> Self {
        Self { model: String::new(), files: Vec::new(), each: String::new(), device: "cpu".to_owned() }
    }
}

/// How likely files of sentences are under a model: nats per token and perplexity, with intervals.
///
/// # Errors
/// If the folder or a file does not load, or a sentence is longer than the model sees.
pub fn score_file(knobs: &ScoreKnobs, seed: Seed, watch: Watch<'_>) -> Result<Found> {
    if !knobs.each.is_empty() && Path::new(&knobs.each).exists() {
        return Err(Error::Input(format!("{} is there already: name another file", knobs.each)));
    }
    let generator = folder::load(Path::new(&knobs.model), &trueness_nn::device::parse(&knobs.device)?)?;
    let (mut measures, mut warnings, mut each) = (Vec::new(), Vec::new(), String::new());
    let mut table = Table::new("Scores").words("file").numbers("nats per token").numbers("perplexity");
    for (i, file) in knobs.files.iter().enumerate() {
        watch.step("score", i as u64, knobs.files.len() as u64)?;
        let corpus = read::read(Path::new(file))?;
        let coded = generator.codec().encode(&corpus.sentences)?;
        if coded.unknown > 0 {
            warnings.push(format!(
                "{file}: {} tokens are not known to the model, for example {}",
                coded.unknown,
                coded.examples.join(", ")
            ));
        }
        let scores = generator.score(&coded.sentences, watch).map_err(|error| error.at(Path::new(file)))?;
        for (nll, tokens) in scores.nll.iter().zip(&scores.tokens) {
            each.push_str(&format!("{nll}\t{tokens}\n"));
        }
        let seed = seed.child("score").child(file);
        let found = [("nll", scores.estimate(seed)), ("perplexity", scores.perplexity(seed))];
        table = table
            .row(std::iter::once(Cell::Text(file.clone())).chain(found.iter().map(|(_, e)| Cell::Estimate(e.clone()))));
        let signature = format!("model:{}|text:{}", generator.signature(), &corpus.hash[..8]);
        measures.extend(found.map(|(name, e)| Measure::new(name, e).of(file.clone()).signed(signature.clone())));
    }
    watch.step("score", knobs.files.len() as u64, knobs.files.len() as u64)?;
    if !knobs.each.is_empty() {
        trueness_core::write_atomically(Path::new(&knobs.each), each.as_bytes())?;
    }
    let mut report = Report::new("Scores").lead(format!("Under {}.", generator.sizes().signature())).table(table);
    for warning in &warnings {
        report = report.warning(warning.clone());
    }
    Ok(Found { measures, warnings, report })
}
