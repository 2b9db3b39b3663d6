//! Comparing candidate texts with real text: every metric, its interval, its signature, one report.
//!
//! The comparison is a [`Study`] like any other: a unit for the real text against itself (the floor)
//! and one for each candidate, so that a long comparison can be interrupted and resumed.

mod dd;
mod guards;
mod knobs;
mod measure;
mod neural;
mod rank;
mod report;

pub use knobs::{CompareKnobs, METRICS};
pub use neural::NeuralLm;

use crate::corpus::{self, Corpus, Encoded, Tokenizer, Vocabulary};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trueness_core::study::SeedFindings;
use trueness_core::{Findings, Measure, Run, Study, StudySource, Watch, report::Report};

/// The files that describe the comparison.
pub const SOURCE: StudySource = StudySource {
    manifest: include_str!("../../studies/compare/study.toml"),
    readme: include_str!("../../studies/compare/README.md"),
};

/// The comparison of candidate texts with a real one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compare;

/// A piece of the comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompareUnit {
    /// Two halves of the real text against each other.
    Floor,
    /// The candidate with this number, counted from 0.
    Candidate(usize),
}

/// A text, read and encoded.
pub(crate) struct Text {
    pub(crate) corpus: Corpus,
    pub(crate) encoded: Encoded,
}

impl Text {
    /// The sentences with the given numbers, as a text of their own.
    pub(crate) fn subset(&self, indices: &[usize]) -> Self {
        let sentences = indices.iter().map(|&i| self.corpus.sentences[i].clone()).collect();
        let corpus =
            Corpus { hash: self.corpus.hash.clone(), ..Corpus::from_sentences(self.corpus.name.clone(), sentences) };
        Self { corpus, encoded: self.encoded.subset(indices) }
    }

    /// The first `n` sentences.
    pub(crate) fn first(&self, n: usize) -> Self {
        self.subset(&(0..n.min(self.corpus.len())).collect::<Vec<usize>>())
    }

    /// The first eight digits of the content's hash, for signatures.
    pub(crate) fn short_hash(&self) -> &str {
        &self.corpus.hash[..8.min(self.corpus.hash.len())]
    }
}

/// Which sentences of a file were drawn.
pub(crate) struct Drawn {
    /// How many sentences the file holds.
    pub(crate) of: usize,
    /// The numbers of those drawn, in the order of the text.
    pub(crate) rows: Vec<usize>,
}

/// The sentences of a file, or so many that a model makes at temperature 1; those without a token are left out, as blank lines are.
fn sentences(path: &Path, made: usize, seed: trueness_core::Seed, watch: Watch<'_>) -> Result<Corpus> {
    if !path.is_dir() {
        return corpus::read::read(path);
    }
    let model = crate::generator::load(path, &trueness_nn::device::parse("cpu")?)?;
    let sampling = trueness_nn::Sampling::default();
    let mut sentences = model.sample(made, sampling, seed.child("compare/model"), watch)?;
    sentences.retain(|sentence| !sentence.trim().is_empty());
    Ok(Corpus::from_sentences(path.display().to_string(), sentences))
}

/// Reads a file and encodes it, at most `sample` of its sentences (0: all), drawn at random. Of a model `made` sentences are read.
pub(crate) fn load(
    path: &str,
    made: usize,
    tokenizer: &Tokenizer,
    sample: usize,
    vocabulary: &mut Vocabulary,
    seed: trueness_core::Seed,
    watch: Watch<'_>,
) -> Result<(Text, Option<Drawn>)> {
    let mut corpus = sentences(Path::new(path), made, seed, watch)?;
    let mut drawn = None;
    let of = corpus.len();
    if sample > 0 && sample < corpus.len() {
        let mut indices: Vec<usize> = (0..corpus.len()).collect();
        use rand::seq::SliceRandom;
        indices.shuffle(&mut seed.child("compare/sample").child(&corpus.hash).rng());
        indices.truncate(sample);
        corpus.sentences = indices.iter().map(|&i| corpus.sentences[i].clone()).collect();
        drawn = Some(Drawn { of, rows: indices });
    }
    let encoded = tokenizer.encode(&corpus.sentences, vocabulary)?;
    if encoded.n_tokens() == 0 {
        return Err(Error::parse(Path::new(path), format!("the tokenizer {} finds no token in it", tokenizer.name())));
    }
    Ok((Text { corpus, encoded }, drawn))
}

/// What candidates and the real text are called: the file's name, or the path as given where two
/// files have the same name.
pub(crate) fn subjects(knobs: &CompareKnobs) -> (String, Vec<String>) {
    let name =
        |path: &str| Path::new(path).file_name().map_or(path.to_owned(), |name| name.to_string_lossy().into_owned());
    let mut names: Vec<String> = knobs.candidates.iter().map(|path| name(path)).collect();
    let real = name(&knobs.real);
    let clash = |i: usize, names: &[String]| {
        names[i] == real || names.iter().enumerate().any(|(j, other)| j != i && *other == names[i])
    };
    let clashes: Vec<bool> = (0..names.len()).map(|i| clash(i, &names)).collect();
    for (i, clashing) in clashes.into_iter().enumerate() {
        if clashing {
            names[i].clone_from(&knobs.candidates[i]);
        }
    }
    (real, names)
}

impl Study for Compare {
    type Knobs = CompareKnobs;
    type Unit = CompareUnit;

    fn check(&self, knobs: &CompareKnobs) -> trueness_core::Result<()> {
        Ok(knobs.check()?)
    }

    fn inputs(&self, knobs: &CompareKnobs) -> trueness_core::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for path in knobs.files().into_iter().map(PathBuf::from) {
            match path.is_dir() {
                true => files.extend(crate::generator::files(&path)?),
                false => files.push(path),
            }
        }
        Ok(files)
    }

    fn plan(&self, knobs: &CompareKnobs) -> trueness_core::Result<Vec<CompareUnit>> {
        Ok(std::iter::once(CompareUnit::Floor).chain((0..knobs.candidates.len()).map(CompareUnit::Candidate)).collect())
    }

    fn unit_name(&self, unit: &CompareUnit) -> String {
        match unit {
            CompareUnit::Floor => "floor".to_owned(),
            CompareUnit::Candidate(i) => format!("candidate-{}", i + 1),
        }
    }

    /// Candidates run one after another, each with all threads: there are often fewer candidates
    /// than threads, and they differ in size.
    fn units_at_once(&self, _knobs: &CompareKnobs) -> usize {
        1
    }

    fn run_unit(&self, knobs: &CompareKnobs, unit: &CompareUnit, run: &mut Run<'_>) -> trueness_core::Result<()> {
        Ok(match unit {
            CompareUnit::Floor => measure::floor(knobs, run),
            CompareUnit::Candidate(i) => measure::candidate(knobs, *i, run),
        }?)
    }

    fn derive(&self, knobs: &CompareKnobs, seed: &SeedFindings) -> trueness_core::Result<Vec<Measure>> {
        Ok(measure::derive(knobs, seed))
    }

    fn report(&self, knobs: &CompareKnobs, findings: &Findings, report: Report) -> trueness_core::Result<Report> {
        Ok(report::write(knobs, findings, report))
    }
}
