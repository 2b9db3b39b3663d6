//! What would make a comparison say something else than it seems to: copies, and files of scores that
//! do not fit.

use super::Text;
use super::knobs::CompareKnobs;
use crate::corpus::tool::LOWER_BOUND;
use crate::corpus::{Lines, ReadOptions, duplicates, read};
use crate::error::{Error, Result};
use std::path::Path;
use trueness_core::{Estimate, Measure, Run};

/// Shares of copies below this are not worth a warning.
const NOTABLE: f64 = 0.01;
/// Where more of the real text repeats itself than this, its sentences are hardly independent draws.
const REPETITIVE: f64 = 0.05;

/// Counts the candidate's sentences that stand in the real text, in the training text, and twice in
/// the candidate itself, and warns where that is notable.
pub(super) fn overlaps(knobs: &CompareKnobs, real: &Text, text: &Text, subject: &str, run: &mut Run<'_>) -> Result<()> {
    run.watch().step("duplicates", 0, 0)?;
    let options = duplicates::DuplicateOptions::default();
    let n = text.corpus.len() as u64;
    let share = |count: u64, what: &str| Estimate::proportion(count, n, format!("share of sentences {what}, Wilson"));
    let copies = duplicates::between(&text.corpus.sentences, &real.corpus.sentences, &options, run.watch())?;
    let own = duplicates::within(&real.corpus.sentences, &options, run.watch())?;
    let floor = own.exact as f64 / own.n.max(1) as f64;
    if floor > REPETITIVE {
        run.warn(format!(
            "{}: {} of {} sentences repeat an earlier one: copies of a real sentence are kept out of training where they are tested, but each counts as a sentence of its own, so that intervals and p-values may promise too much",
            knobs.real, own.exact, own.n
        ));
    }
    if copies.near_is_lower_bound {
        run.warn(format!("{subject}: {LOWER_BOUND}"));
    }
    record(run, subject, "copies-of-real", share(copies.exact, "that stand in the real text"));
    record(run, subject, "near-copies-of-real", share(copies.near, "that are near to one in the real text"));
    let copied = copies.exact as f64 / n.max(1) as f64;
    if copied > NOTABLE && copied > 2.0 * floor {
        run.warn(format!(
            "{} of {subject}'s {n} sentences stand in {} word for word ({} of the real text's own {} sentences repeat another one): overlapping files make DD too low",
            copies.exact, knobs.real, own.exact, own.n
        ));
    }
    let repeats = duplicates::within(&text.corpus.sentences, &options, run.watch())?;
    record(run, subject, "repeats", share(repeats.exact, "that repeat an earlier one"));
    let repeated = repeats.exact as f64 / n.max(1) as f64;
    if repeated > NOTABLE && repeated > 2.0 * floor {
        run.warn(format!("{} of {subject}'s {n} sentences repeat an earlier one", repeats.exact));
    }
    for (path, corpus) in [(knobs.real.as_str(), &real.corpus), (subject, &text.corpus)] {
        if corpus.blank_lines > 0 {
            run.warn(format!("{path}: {} blank lines were skipped", corpus.blank_lines));
        }
    }
    if !knobs.trained_on.is_empty() {
        memorised(knobs, real, text, subject, &options, run)?;
    }
    Ok(())
}

fn memorised(
    knobs: &CompareKnobs,
    real: &Text,
    text: &Text,
    subject: &str,
    options: &duplicates::DuplicateOptions,
    run: &mut Run<'_>,
) -> Result<()> {
    let training = read::read(Path::new(&knobs.trained_on))?;
    let n = text.corpus.len() as u64;
    let known = duplicates::between(&text.corpus.sentences, &training.sentences, options, run.watch())?;
    let base = duplicates::between(&real.corpus.sentences, &training.sentences, options, run.watch())?;
    if known.near_is_lower_bound {
        run.warn(format!("{subject} in {}: {LOWER_BOUND}", knobs.trained_on));
    }
    let method = "share of sentences that stand in the training text, Wilson";
    record(run, subject, "memorised", Estimate::proportion(known.exact, n, method));
    record(
        run,
        subject,
        "nearly-memorised",
        Estimate::proportion(known.near, n, "share near to one in the training text, Wilson"),
    );
    let (share, floor) = (known.exact as f64 / n.max(1) as f64, base.exact as f64 / base.n.max(1) as f64);
    if share > NOTABLE && share > 2.0 * floor {
        run.warn(format!(
            "{} of {subject}'s {n} sentences stand word for word in {}, and {} of the real text's {}: the generator recites",
            known.exact, knobs.trained_on, base.exact, base.n
        ));
    }
    if floor > 0.5 {
        run.warn(format!(
            "{} of {} sentences of {} stand in {}: a generator is compared with its own training text, and what it learnt by heart counts as good",
            base.exact, base.n, knobs.real, knobs.trained_on
        ));
    }
    Ok(())
}

fn record(run: &mut Run<'_>, subject: &str, name: &str, estimate: Estimate) {
    let options = duplicates::DuplicateOptions::default();
    let signature = format!("{name}|fold-case|jaccard:{}|trueness:{}", options.threshold, env!("CARGO_PKG_VERSION"));
    run.push(Measure::new(name, estimate).of(subject).signed(signature));
}

/// Reads a file of P(real), one number a line for each of `n` sentences; with `rows`, only those of
/// them were drawn. The file speaks of all `n` all the same: one of another length belongs to another
/// text, or has lost a line, and every score after it would be another sentence's.
pub(super) fn read_scores(path: &Path, n: usize, rows: Option<&[usize]>) -> Result<Vec<f64>> {
    let mut lines = Lines::open(path, &ReadOptions::default())?;
    let mut scores = Vec::with_capacity(n);
    while let Some(text) = lines.next() {
        let (text, line) = (text?, lines.line());
        let score: f64 = text
            .trim()
            .parse()
            .map_err(|_not_a_number| Error::parse_at(path, line, format!("expected a probability, got {text:?}")))?;
        if !(0.0..=1.0).contains(&score) {
            return Err(Error::parse_at(path, line, format!("expected a probability from 0 to 1, got {text}")));
        }
        scores.push(score);
    }
    if scores.len() != n {
        return Err(Error::parse(path, format!("expected {n} scores, one for each sentence, got {}", scores.len())));
    }
    let Some(rows) = rows else { return Ok(scores) };
    let chosen: Option<Vec<f64>> = rows.iter().map(|&i| scores.get(i).copied()).collect();
    chosen.ok_or_else(|| Error::parse(path, "a drawn sentence has no score".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_belong_to_all_sentences_and_errors_name_the_line_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores");
        std::fs::write(&path, "0.1\n\n0.2\n0.3\n").unwrap();
        assert_eq!(read_scores(&path, 3, None).unwrap(), [0.1, 0.2, 0.3]);
        assert_eq!(read_scores(&path, 3, Some(&[2, 0])).unwrap(), [0.3, 0.1]);
        // One score too few or too many shifts the others, drawn or not.
        for n in [2, 4] {
            for rows in [None, Some(&[1, 0][..])] {
                let error = read_scores(&path, n, rows).unwrap_err().to_string();
                assert!(error.contains(&format!("expected {n} scores")), "{error}");
            }
        }
        std::fs::write(&path, "\n0.1\n\n1.5\n").unwrap();
        assert!(read_scores(&path, 2, None).unwrap_err().to_string().contains("line 4"));
        std::fs::write(&path, "\n\nhalf\n").unwrap();
        assert!(read_scores(&path, 1, None).unwrap_err().to_string().contains("line 3"));
    }
}
