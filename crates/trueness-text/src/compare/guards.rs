//! What would make a comparison say something else than it seems to: copies, and files of scores that
//! do not fit.

use super::Text;
use super::knobs::CompareKnobs;
use crate::corpus::{duplicates, read};
use crate::error::{Error, Result};
use std::path::Path;
use trueness_core::{Estimate, Measure, Run};

/// Shares of copies below this are not worth a warning.
const NOTABLE: f64 = 0.01;

/// Counts the candidate's sentences that stand in the real text, in the training text, and twice in
/// the candidate itself, and warns where that is notable.
pub(super) fn overlaps(knobs: &CompareKnobs, real: &Text, text: &Text, subject: &str, run: &mut Run<'_>) -> Result<()> {
    run.watch().step("duplicates", 0, 0)?;
    let options = duplicates::DuplicateOptions::default();
    let n = text.corpus.len() as u64;
    let share = |count: u64, what: &str| Estimate::proportion(count, n, format!("share of sentences {what}, Wilson"));
    let copies = duplicates::between(&text.corpus.sentences, &real.corpus.sentences, &options)?;
    let own = duplicates::within(&real.corpus.sentences, &options)?;
    let floor = own.exact as f64 / own.n.max(1) as f64;
    record(run, subject, "copies-of-real", share(copies.exact, "that stand in the real text"));
    record(run, subject, "near-copies-of-real", share(copies.near, "that are near to one in the real text"));
    let copied = copies.exact as f64 / n.max(1) as f64;
    if copied > NOTABLE && copied > 2.0 * floor {
        run.warn(format!(
            "{} of {subject}'s {n} sentences stand in {} word for word ({} of the real text's own {} sentences repeat another one): overlapping files make DD too low",
            copies.exact, knobs.real, own.exact, own.n
        ));
    }
    let repeats = duplicates::within(&text.corpus.sentences, &options)?;
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
    let known = duplicates::between(&text.corpus.sentences, &training.sentences, options)?;
    let base = duplicates::between(&real.corpus.sentences, &training.sentences, options)?;
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

/// Reads a file of P(real), one number a line for each of `n` sentences; with `rows`, the file speaks
/// of more sentences, of which those were drawn.
pub(super) fn read_scores(path: &Path, n: usize, rows: Option<&[usize]>) -> Result<Vec<f64>> {
    let corpus = read::read(path)?;
    let mut scores = Vec::with_capacity(corpus.len());
    for (line, text) in (1u64..).zip(&corpus.sentences) {
        let score: f64 = text
            .trim()
            .parse()
            .map_err(|_not_a_number| Error::parse_at(path, line, format!("expected a probability, got {text:?}")))?;
        if !(0.0..=1.0).contains(&score) {
            return Err(Error::parse_at(path, line, format!("expected a probability from 0 to 1, got {text}")));
        }
        scores.push(score);
    }
    match rows {
        None if scores.len() != n => {
            Err(Error::parse(path, format!("expected {n} scores, one for each sentence, got {}", scores.len())))
        }
        None => Ok(scores),
        Some(rows) => match rows.iter().map(|&i| scores.get(i).copied()).collect::<Option<Vec<f64>>>() {
            Some(chosen) => Ok(chosen),
            None => Err(Error::parse(path, format!("expected a score for each sentence, got {}", scores.len()))),
        },
    }
}
