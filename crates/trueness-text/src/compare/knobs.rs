//! What can be asked of a comparison.

use super::guards;
use super::neural::NeuralLm;
use crate::corpus::{Corpus, Tokenizer, read, tokenize};
use crate::discriminator::Classifier;
use crate::error::{Error, Result};
use crate::metric;
use crate::metric::bleu::Compat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trueness_core::nearest;

/// The groups of metrics that `only` chooses from, and whether they are measured by default.
pub const METRICS: [(&str, bool); 8] = [
    ("dd", true),
    ("bleu", true),
    ("self-bleu", true),
    ("reverse-bleu", true),
    ("lm", true),
    ("frechet", true),
    ("diversity", true),
    ("frontier", false),
];

/// Intervals from fewer sentences than this would pretend to know what they cannot.
pub(super) const FEWEST: usize = 20;

/// The knobs of `trueness text compare`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct CompareKnobs {
    /// Real sentences: one a line, UTF-8, plain or gzip.
    #[schemars(extend("x-position" = 1))]
    pub real: String,
    /// Generated sentences, one file for each candidate; or models, each a folder, which make as many sentences as the real text has.
    #[schemars(extend("x-position" = 2))]
    pub candidates: Vec<String>,
    /// The metric that ranks the candidates, for example bleu-4 or frechet; DD where nothing is named.
    pub by: String,
    /// Only these metrics: dd, bleu, self-bleu, reverse-bleu, lm, frechet, diversity, frontier. All but the frontier where nothing is named.
    pub only: Vec<String>,
    /// How sentences are cut: whitespace, words, characters, or the path of a tokenizer.json.
    pub tokenizer: String,
    /// Use at most this many sentences of each file, drawn at random; 0 uses all.
    pub sample: usize,
    /// Bootstrap resamples behind the intervals.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub resamples: usize,
    /// Permutations behind the p-value of DD; 0 leaves it out.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub permutations: usize,
    /// The classifiers to try; validation chooses between them.
    pub classifier: Vec<Classifier>,
    /// How many seeds each classifier is trained with.
    #[schemars(range(min = 1, max = 100))]
    pub classifier_seeds: u32,
    /// Files with P(real) of every sentence, one number a line, instead of a classifier: one for the real text, then one for each candidate.
    #[schemars(extend("x-files" = true))]
    pub scores: Vec<String>,
    /// Embeddings (.npy or .safetensors) instead of hashed n-grams: one file for the real text, then one for each candidate.
    #[schemars(extend("x-files" = true))]
    pub embeddings: Vec<String>,
    /// What the generators were trained on, to tell what they know by heart.
    pub trained_on: String,
    /// Cap BLEU's hypotheses and references as a published code did: texygen, relgan, textgan, seggan or dd; nothing caps nothing.
    pub compat: String,
    /// The order of the n-gram language model.
    #[schemars(range(min = 1, max = 5))]
    pub lm_order: usize,
    /// Train a network too for the LM scores, minutes each: none, lstm or gpt2.
    pub neural_lm: NeuralLm,
    /// Passes over the sentences that such a network takes, at most.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub lm_epochs: usize,
    /// The device that networks train on.
    pub device: String,
}

impl Default for CompareKnobs {
    fn default() -> Self {
        Self {
            real: String::new(),
            candidates: Vec::new(),
            by: String::new(),
            only: Vec::new(),
            tokenizer: "whitespace".to_owned(),
            sample: 0,
            resamples: 1000,
            permutations: 999,
            classifier: vec![Classifier::Ngram],
            classifier_seeds: 3,
            scores: Vec::new(),
            embeddings: Vec::new(),
            trained_on: String::new(),
            compat: String::new(),
            lm_order: 4,
            neural_lm: NeuralLm::None,
            lm_epochs: 30,
            device: "cpu".to_owned(),
        }
    }
}

impl CompareKnobs {
    /// Checks what ranges alone cannot say.
    pub(super) fn check(&self) -> Result<()> {
        if self.real.is_empty() || self.candidates.is_empty() {
            return Err(Error::Input("expected a file of real sentences and at least one candidate".to_owned()));
        }
        let names = METRICS.map(|(name, _)| name);
        for name in &self.only {
            if !names.contains(&name.as_str()) {
                let hint = nearest(name, names).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
                return Err(Error::Input(format!(
                    "there is no metric {name:?} to choose: expected {}{hint}",
                    names.join(", ")
                )));
            }
        }
        let by = self.ranked_by();
        let card = metric::card(by).ok_or_else(|| {
            let known = metric::CATALOGUE.iter().map(|card| card.name);
            let hint = nearest(by, known).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            Error::Input(format!("there is no metric {by:?} to rank by{hint}"))
        })?;
        if !self.measures(card.group) || card.better == metric::Better::Neither {
            return Err(Error::Input(format!(
                "cannot rank by {by:?}: it is not measured, or neither end of it is better"
            )));
        }
        if by.contains("neural-lm") && self.neural_lm == NeuralLm::None {
            return Err(Error::Input(format!("cannot rank by {by:?} without --neural-lm lstm or --neural-lm gpt2")));
        }
        if by == "dd-excess" && !self.scores.is_empty() {
            return Err(Error::Input(
                "cannot rank by \"dd-excess\" with --scores: scores of the candidates say nothing of the floor"
                    .to_owned(),
            ));
        }
        if self.classifier.is_empty() {
            return Err(Error::Input("expected at least one classifier: ngram or cnn".to_owned()));
        }
        for (name, files) in [("scores", &self.scores), ("embeddings", &self.embeddings)] {
            let wanted = self.candidates.len() + 1;
            if !files.is_empty() && files.len() != wanted {
                return Err(Error::Input(format!(
                    "--{name}: expected {wanted} files, one for the real text and one for each candidate; got {}",
                    files.len()
                )));
            }
        }
        self.caps()?;
        self.check_repeats()?;
        self.check_files()?;
        trueness_nn::device::parse(&self.device)?;
        self.tokenizer.parse::<Tokenizer>().map(|_| ())
    }

    /// Every file that is read, in a fixed order.
    pub(super) fn files(&self) -> Vec<&str> {
        let lists = [&self.candidates, &self.scores, &self.embeddings];
        let mut files = vec![&self.real];
        files.extend(lists.into_iter().flatten());
        let optional = [(!self.trained_on.is_empty(), &self.trained_on), (self.has_tokenizer_file(), &self.tokenizer)];
        files.extend(optional.into_iter().filter(|(given, _)| *given).map(|(_, file)| file));
        files.into_iter().map(String::as_str).collect()
    }

    fn has_tokenizer_file(&self) -> bool {
        !tokenize::NAMES.contains(&self.tokenizer.as_str())
    }

    /// Each candidate is named by its file, and a name that stands twice would count as two measurements of
    /// one text.
    fn check_repeats(&self) -> Result<()> {
        let place = |path: &String| std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let places: Vec<PathBuf> = self.candidates.iter().map(place).collect();
        match (1..places.len()).find(|&i| places[..i].contains(&places[i])) {
            Some(i) => Err(Error::Input(format!("the candidate {} is named twice", self.candidates[i]))),
            None => Ok(()),
        }
    }

    /// Reads every file once before anything is begun, so that a bad one costs nothing. Of embeddings
    /// the header is read, which is where wrong files show.
    fn check_files(&self) -> Result<()> {
        let read = |path: &String| -> Result<Corpus> {
            let corpus = read::read(Path::new(path))?;
            if corpus.len() < FEWEST {
                return Err(Error::Input(format!(
                    "{path}: a comparison needs at least {FEWEST} sentences in every file, got {}",
                    corpus.len()
                )));
            }
            Ok(corpus)
        };
        if Path::new(&self.real).is_dir() {
            return Err(Error::Input(format!("{}: expected a file of real sentences, got a folder", self.real)));
        }
        let real = read(&self.real)?;
        let mut sizes = vec![real.len()];
        for candidate in &self.candidates {
            if Path::new(candidate).is_dir() {
                for (name, files) in [("scores", &self.scores), ("embeddings", &self.embeddings)] {
                    if !files.is_empty() {
                        return Err(Error::Input(format!(
                            "--{name} belong to sentences of a file, and {candidate} is a model: sample from it first"
                        )));
                    }
                }
                crate::generator::load(Path::new(candidate), &trueness_nn::device::parse("cpu")?)?;
                continue;
            }
            let text = read(candidate)?;
            sizes.push(text.len());
            if text.hash == real.hash {
                return Err(Error::Input(format!(
                    "{} and {candidate} hold the same text: a text cannot be compared with itself; see the floor for real against real",
                    self.real
                )));
            }
        }
        for (file, &n) in self.scores.iter().zip(&sizes) {
            guards::read_scores(Path::new(file), n, None)?;
        }
        for (file, &n) in self.embeddings.iter().zip(&sizes) {
            metric::embedding::check(file, n)?;
            if self.sample > 0 && self.sample < n {
                return Err(Error::Input(format!(
                    "{file}: embeddings of all sentences cannot be used with --sample; sample the texts before embedding them"
                )));
            }
        }
        if !self.trained_on.is_empty() {
            read::read(Path::new(&self.trained_on))?;
        }
        Ok(())
    }

    /// The metric that ranks the candidates: the one asked for, or the first that is measured.
    pub(super) fn ranked_by(&self) -> &str {
        let leading =
            |group: &str| metric::CATALOGUE.iter().find(|c| c.group == group && c.better != metric::Better::Neither);
        if !self.by.is_empty() {
            return &self.by;
        }
        METRICS
            .iter()
            .find(|(name, _)| self.measures(name))
            .and_then(|(name, _)| leading(name))
            .map_or("dd", |card| card.name)
    }

    /// Whether a group of metrics is asked for.
    pub(super) fn measures(&self, group: &str) -> bool {
        if self.only.is_empty() {
            METRICS.iter().any(|(name, default)| *name == group && *default)
                || metric::card(&self.by).is_some_and(|card| card.group == group)
        } else {
            self.only.iter().any(|name| name == group)
        }
    }

    /// The caps of BLEU that `compat` names.
    pub(super) fn caps(&self) -> Result<metric::bleu::Caps> {
        if self.compat.is_empty() {
            Ok(metric::bleu::Caps::default())
        } else {
            Ok(self.compat.parse::<Compat>()?.caps())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beside_the_texts_are_looked_at_before_anything_is_begun() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.display().to_string()
        };
        let lines = |word: &str, n: usize| (0..n).map(|i| format!("{word} {i}\n")).collect::<String>();
        let base = CompareKnobs {
            real: write("real.txt", &lines("a", 30)),
            candidates: vec![write("fake.txt", &lines("b", 25))],
            ..CompareKnobs::default()
        };
        base.check().unwrap();
        let message = |knobs: CompareKnobs| knobs.check().unwrap_err().to_string();
        let missing = folder.path().join("missing").display().to_string();
        assert!(message(CompareKnobs { trained_on: missing, ..base.clone() }).contains("missing"));
        let (good, short) = (write("good", &"0.5\n".repeat(30)), write("short", &"0.5\n".repeat(24)));
        let found = message(CompareKnobs { scores: vec![good, short], ..base.clone() });
        assert!(found.contains("short") && found.contains("expected 25 scores"), "{found}");
        let text = write("text.npy", "words");
        let found = message(CompareKnobs { embeddings: vec![text.clone(), text], ..base });
        assert!(found.contains("text.npy") && found.contains("got neither"), "{found}");
    }
}
