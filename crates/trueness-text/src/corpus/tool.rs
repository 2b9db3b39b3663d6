//! Tools for a person's own files: re-splitting and counting.

use super::duplicates::{self, DuplicateOptions};
use super::split::{Sizes, SplitOptions, split, write};
use super::{Corpus, Tokenizer, Vocabulary, read, tokenize};
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use trueness_core::report::{Cell, Found, Report, Table};
use trueness_core::resample::{RESAMPLES, bootstrap_mean};
use trueness_core::{Estimate, Measure, Seed, Watch};

/// What is said where the search for near duplicates skipped something.
pub(crate) const LOWER_BOUND: &str =
    "some phrases stand in too many sentences to compare all of these; the number of near duplicates is a lower bound";

/// The knobs of `trueness text split`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SplitKnobs {
    /// Files of sentences, which are pooled.
    #[schemars(extend("x-position" = 1))]
    pub files: Vec<String>,
    /// The parts' shares of the pool, together at most 1, for example 0.8,0.1,0.1.
    pub shares: Vec<f64>,
    /// The parts' numbers of sentences, instead of shares.
    pub counts: Vec<usize>,
    /// The parts' names, which become NAME.txt; part-1, part-2, … where nothing is named.
    pub names: Vec<String>,
    /// Keep equal sentences in one part, so that no sentence stands in two; upper and lower case and the width of white space make no difference.
    pub together: bool,
}

/// Pools files, divides their sentences at random and writes each part into `out` as NAME.txt.
///
/// # Errors
/// [`Error::Input`] for shares or counts that do not fit, names that are no file names, a sentence
/// with a carriage return in it, or a part that is there already (unless `force`). Nothing is written
/// then.
pub fn split_files(knobs: &SplitKnobs, out: &Path, force: bool, seed: Seed) -> Result<Found> {
    let sizes = match (knobs.shares.is_empty(), knobs.counts.is_empty()) {
        (false, true) => Sizes::Shares(knobs.shares.clone()),
        (true, false) => Sizes::Counts(knobs.counts.clone()),
        _ => {
            return Err(Error::Input(
                "expected either --shares or --counts, for example --shares 0.8,0.1,0.1".to_owned(),
            ));
        }
    };
    let parts = knobs.shares.len().max(knobs.counts.len());
    let names: Vec<String> =
        if knobs.names.is_empty() { (1..=parts).map(|i| format!("part-{i}")).collect() } else { knobs.names.clone() };
    if names.len() != parts {
        return Err(Error::Input(format!("expected {parts} names, one for each part, got {}", names.len())));
    }
    if let Some(name) = names.iter().find(|name| name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.'))
    {
        return Err(Error::Input(format!("{name:?} is no name for a part: expected a file name without its ending")));
    }
    if let Some(i) = (1..names.len()).find(|&i| names[..i].contains(&names[i])) {
        return Err(Error::Input(format!("two parts are named {:?}", names[i])));
    }
    let mut pool: Vec<String> = Vec::new();
    for file in &knobs.files {
        let sentences = read::read(Path::new(file))?.sentences;
        // A carriage return inside a line ends the line for some programs; such a sentence cannot be
        // written as one line, and to find that out after half of the parts were written is too late.
        if let Some(sentence) = sentences.iter().find(|sentence| sentence.contains('\r')) {
            return Err(Error::Input(format!(
                "{file}: expected sentences of one line each, got a carriage return inside {sentence:?}"
            )));
        }
        pool.extend(sentences);
    }
    let options = SplitOptions { keep_duplicates_together: knobs.together, ..SplitOptions::new(sizes) };
    let rows = split(&pool, &options, seed)?;
    std::fs::create_dir_all(out).map_err(trueness_core::Error::io("create the folder", out))?;
    let paths: Vec<_> = names.iter().map(|name| out.join(format!("{name}.txt"))).collect();
    if let Some(path) = paths.iter().find(|path| path.exists() && !force) {
        return Err(Error::Input(format!(
            "{} is there already; replace it with --force, or name another --out",
            path.display()
        )));
    }
    let mut table = Table::new("Parts").words("file").numbers("sentences");
    let mut measures = Vec::new();
    for (path, rows) in paths.iter().zip(&rows) {
        write(path, rows.iter().map(|&i| pool[i].as_str()))?;
        let count = Estimate::count(rows.len() as u64);
        table = table.row([Cell::Text(path.display().to_string()), Cell::Estimate(count.clone())]);
        measures.push(Measure::new("sentences", count).of(path.display().to_string()));
    }
    let used: usize = rows.iter().map(Vec::len).sum();
    let lead = format!("{used} of {} sentences from {} files, divided at random.", pool.len(), knobs.files.len());
    Ok(Found { measures, warnings: Vec::new(), report: Report::new("Split").lead(lead).table(table) })
}

/// The knobs of `trueness text stats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct StatsKnobs {
    /// Files of sentences.
    #[schemars(extend("x-position" = 1))]
    pub files: Vec<String>,
    /// How sentences are cut: whitespace, words, characters, or the path of a tokenizer.json.
    pub tokenizer: String,
}

impl Default for StatsKnobs {
    fn default() -> Self {
        Self { files: Vec::new(), tokenizer: "whitespace".to_owned() }
    }
}

/// Counts sentences, tokens, words and copies of each file, and copies between files.
///
/// # Errors
/// Where a file cannot be read.
pub fn stats(knobs: &StatsKnobs, seed: Seed, watch: Watch<'_>) -> Result<Found> {
    let tokenizer: Tokenizer = knobs.tokenizer.parse()?;
    let options = DuplicateOptions::default();
    let mut measures = Vec::new();
    let mut warnings = Vec::new();
    let mut table = Table::new("Files").words("file");
    for head in ["sentences", "tokens", "words", "tokens a sentence", "repeats", "near repeats"] {
        table = table.numbers(head);
    }
    let mut corpora: Vec<Corpus> = Vec::new();
    for (i, file) in knobs.files.iter().enumerate() {
        watch.step("stats", i as u64, knobs.files.len() as u64)?;
        let corpus = read::read(Path::new(file))?;
        let mut vocabulary = Vocabulary::new();
        let encoded = tokenizer.encode(&corpus.sentences, &mut vocabulary)?;
        let own = duplicates::within(&corpus.sentences, &options, watch)?;
        let lengths: Vec<f64> = encoded.iter().map(|s| s.len() as f64).collect();
        let n = corpus.len() as u64;
        let share = |count: u64| Estimate::proportion(count, n, "share of sentences, Wilson");
        let found = [
            ("sentences", Estimate::count(n)),
            ("tokens", Estimate::count(encoded.n_tokens() as u64)),
            ("words", Estimate::count(vocabulary.len() as u64)),
            ("length", bootstrap_mean(&lengths, RESAMPLES, seed.child("stats/length"), "sentences").unit("tokens")),
            ("repeats", share(own.exact)),
            ("near-repeats", share(own.near)),
        ];
        table = table
            .row(std::iter::once(Cell::Text(file.clone())).chain(found.iter().map(|(_, e)| Cell::Estimate(e.clone()))));
        let signature =
            format!("tok:{}|text:{}|trueness:{}", tokenizer.name(), &corpus.hash[..8], env!("CARGO_PKG_VERSION"));
        measures.extend(found.map(|(name, e)| Measure::new(name, e).of(file.clone()).signed(signature.clone())));
        if own.near_is_lower_bound {
            warnings.push(format!("{file}: {LOWER_BOUND}"));
        }
        if corpus.blank_lines > 0 {
            warnings.push(format!("{file}: {} blank lines were skipped", corpus.blank_lines));
        }
        let empty = tokenize::n_empty(&encoded);
        if empty > 0 {
            warnings.push(format!("{file}: {empty} sentences have no token under {}", tokenizer.name()));
        }
        corpora.push(corpus);
    }
    watch.step("stats", knobs.files.len() as u64, knobs.files.len() as u64)?;
    let mut report = Report::new("Statistics").lead(format!("{} files.", corpora.len())).table(table);
    if corpora.len() > 1 {
        let mut between = Table::new("Between files: the share of the first's sentences that stand in the second")
            .words("first")
            .words("second")
            .numbers("word for word")
            .numbers("nearly");
        for (i, a) in corpora.iter().enumerate() {
            for (j, b) in corpora.iter().enumerate().filter(|(j, _)| *j != i) {
                watch.check()?;
                let found = duplicates::between(&a.sentences, &b.sentences, &options, watch)?;
                let share = |count| Estimate::proportion(count, found.n, "share of sentences, Wilson");
                if found.near_is_lower_bound {
                    warnings.push(format!("{} in {}: {LOWER_BOUND}", knobs.files[i], knobs.files[j]));
                }
                let (first, second) = (&knobs.files[i], &knobs.files[j]);
                for (name, count) in [("copies", found.exact), ("near-copies", found.near)] {
                    measures.push(Measure::new(name, share(count)).of(format!("{first} in {second}")));
                }
                let cells = [Cell::Text(first.clone()), Cell::Text(second.clone())];
                between = between
                    .row(cells.into_iter().chain([found.exact, found.near].map(|count| Cell::Estimate(share(count)))));
            }
        }
        report = report.table(between);
    }
    for warning in &warnings {
        report = report.warning(warning.clone());
    }
    Ok(Found { measures, warnings, report })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carriage_return_inside_a_line_stops_the_split_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (folder.path().join("good.txt"), folder.path().join("bad.txt"));
        std::fs::write(&good, "a\r\nb\r\n").unwrap();
        std::fs::write(&bad, "c\nd\re\n").unwrap();
        let knobs = |files: &[&Path]| SplitKnobs {
            files: files.iter().map(|path| path.display().to_string()).collect(),
            counts: vec![1, 1],
            ..SplitKnobs::default()
        };
        let out = folder.path().join("parts");
        let error = split_files(&knobs(&[&good, &bad]), &out, false, Seed::new(1)).unwrap_err().to_string();
        assert!(error.contains("bad.txt") && error.contains("carriage return"), "{error}");
        assert!(!out.exists());
        split_files(&knobs(&[&good]), &out, false, Seed::new(1)).unwrap();
        assert!(out.join("part-2.txt").exists());
    }
}
