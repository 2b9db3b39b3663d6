//! DD of a candidate and of the real text's halves, at one size for all candidates.

use super::knobs::{CompareKnobs, FEWEST};
use super::measure::{Job, order, push};
use super::rank::decisions_at;
use super::{Drawn, Text, guards};
use crate::corpus::Encoded;
use crate::discriminator::{Classifier, Judged, Protocol, Surface, giveaways, surface_discrepancy};
use crate::error::{Error, Result};
use crate::metric::discrepancy::{Discrepancy, Scores};
use serde::{Deserialize, Serialize};
use std::path::Path;
use trueness_core::{Estimate, Measure, Run};

/// How many n-grams are named.
const NAMED: usize = 12;

/// Where a unit keeps P(real) of the first classifier seed, for the calibration figure.
pub(super) const CALIBRATION: &str = "calibration";

/// An n-gram that gives a candidate away.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) text: String,
    pub(super) real: Estimate,
    pub(super) generated: Estimate,
    pub(super) z: f64,
}

fn protocol(knobs: &CompareKnobs) -> Protocol {
    let device = knobs.device.clone();
    Protocol { classifiers: knobs.classifier.clone(), seeds: knobs.classifier_seeds, device, ..Protocol::default() }
}

fn signature(job: &Job<'_>, n: usize) -> String {
    format!("dd:{}|n:{n}", protocol(job.knobs).signature())
}

fn judge(job: &Job<'_>, real: &Encoded, generated: &Encoded, run: &Run<'_>) -> Result<Judged> {
    let knobs = job.knobs;
    let seed = job.seed.child("compare/dd");
    protocol(knobs).judge(real, generated, job.vocabulary.len(), knobs.resamples, knobs.permutations, seed, run.watch())
}

/// The size of the floor: that of the candidates where the halves of `n` real sentences allow it.
fn floor_size(job: &Job<'_>, n: usize) -> usize {
    job.field.smallest.min(n / 2)
}

/// DD of the two halves that the job holds, of a real text of `n` sentences.
pub(super) fn floor(job: &Job<'_>, n: usize, run: &mut Run<'_>) -> Result<()> {
    let size = floor_size(job, n);
    let found = judge(job, &job.real.encoded.first(size), &job.candidate.encoded.first(size), run)?;
    push(run, job, Measure::new("dd-floor", found.discrepancy.dd.clone().n(size as u64)), &signature(job, size));
    Ok(())
}

/// DD and all that goes with it. DD rises with the number of sentences that the classifiers have to
/// learn from, so it is measured at the size of the smallest candidate (or of the real text, where that
/// is smaller) for all candidates; `dd@n` at other sizes shows how it rises.
pub(super) fn discrepancy(job: &Job<'_>, run: &mut Run<'_>) -> Result<()> {
    let rows = |text: &Text, side| order(text.corpus.len(), job.seed, side);
    let (real, text) =
        (job.real.subset(&rows(job.real, "real")), job.candidate.subset(&rows(job.candidate, "candidate")));
    let n = real.corpus.len().min(text.corpus.len());
    let common = n.min(job.field.smallest);
    let floor = floor_size(job, real.corpus.len());
    let mut sizes: Vec<usize> = [n / 8, n / 4, n / 2].into_iter().filter(|&size| size >= FEWEST).collect();
    // The floor's size has to be there whatever it is, or nothing could be said of the excess over it.
    sizes.extend([floor, common, n]);
    sizes.sort_unstable();
    sizes.dedup();
    let total = sizes.len() as u64;
    for (i, &size) in sizes.iter().enumerate() {
        run.watch().step("dd", i as u64, total)?;
        let judged = judge(job, &real.encoded.first(size), &text.encoded.first(size), run)?;
        let estimate = judged.discrepancy.dd.clone().n(size as u64);
        push(run, job, Measure::new(format!("dd@{size}"), estimate), &signature(job, size));
        if size == floor || size == common {
            run.keep(&decisions_at(size as u64), &judged.discrepancy.decisions)?;
        }
        if size == common {
            headline(job, &judged, size, run)?;
        }
    }
    run.watch().step("dd", total, total)?;
    surfaces(job, &real.first(common), &text.first(common), run)?;
    let named: Vec<Named> = giveaways(&job.real.encoded, &job.candidate.encoded, job.vocabulary, NAMED)
        .into_iter()
        .map(|g| Named { text: g.text, real: g.real, generated: g.generated, z: g.z })
        .collect();
    run.keep("giveaways", &named)?;
    Ok(())
}

/// The measures that candidates are compared by.
fn headline(job: &Job<'_>, judged: &Judged, size: usize, run: &mut Run<'_>) -> Result<()> {
    for measure in judged.discrepancy.measures() {
        let measure = if measure.name == "dd-p" {
            measure
        } else {
            Measure { estimate: measure.estimate.n(size as u64), ..measure }
        };
        push(run, job, measure, &signature(job, size));
    }
    keep_scores(&judged.scores, run)
}

fn keep_scores(scores: &[Scores], run: &mut Run<'_>) -> Result<()> {
    let first = scores.first().map(|s| s.real.iter().zip(&s.generated).map(|(r, g)| [*r, *g]).collect());
    let first: Vec<[f64; 2]> = first.unwrap_or_default();
    Ok(run.keep(CALIBRATION, &first)?)
}

/// Classifiers that see less, and what it means where they already win.
fn surfaces(job: &Job<'_>, real: &Text, text: &Text, run: &mut Run<'_>) -> Result<()> {
    let (knobs, n) = (job.knobs, real.corpus.len());
    let seed = job.seed.child("compare/surface");
    let sides = ((real.corpus.sentences.as_slice(), &real.encoded), (text.corpus.sentences.as_slice(), &text.encoded));
    let mut found = Vec::new();
    for (name, surface) in [("dd-length", Surface::Length), ("dd-punctuation", Surface::Punctuation)] {
        let dd = surface_discrepancy(surface, sides.0, sides.1, knobs.resamples, seed)?.dd.n(n as u64);
        found.push((name, dd));
    }
    let mut words = Protocol { classifiers: vec![Classifier::Ngram], ..protocol(knobs) };
    words.ngram.orders = vec![1];
    let judged =
        words.judge(&real.encoded, &text.encoded, job.vocabulary.len(), knobs.resamples, 0, seed, run.watch())?;
    found.push(("dd-words", judged.discrepancy.dd.n(n as u64)));
    for (name, dd) in found {
        push(run, job, Measure::new(name, dd), &format!("{name}|n:{n}"));
    }
    Ok(())
}

/// DD from scores that the person brought. Nothing is learnt from the sentences, so that candidates of
/// different sizes can be compared as they are.
pub(super) fn scored(job: &Job<'_>, index: usize, drawn: [Option<&Drawn>; 2], run: &mut Run<'_>) -> Result<()> {
    let files = &job.knobs.scores;
    let read = |path: &str, text: &Text, drawn: Option<&Drawn>| {
        let n = drawn.map_or(text.corpus.len(), |drawn| drawn.of);
        guards::read_scores(Path::new(path), n, drawn.map(|drawn| drawn.rows.as_slice()))
    };
    let scores = [Scores {
        real: read(&files[0], job.real, drawn[0])?,
        generated: read(&files[index + 1], job.candidate, drawn[1])?,
    }];
    let seed = job.seed.child("compare/scores");
    let mut found = Discrepancy::measure(&scores, job.knobs.resamples, job.knobs.permutations, seed)
        .ok_or_else(|| Error::Input("the score files hold no scores".to_owned()))?;
    for measure in found.measures() {
        push(run, job, measure, "dd:given-scores");
    }
    found.decisions.held_out = job.real_sentences();
    run.keep(&decisions_at(found.dd.n), &found.decisions)?;
    keep_scores(&scores, run)
}
