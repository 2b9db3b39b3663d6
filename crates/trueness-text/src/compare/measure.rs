//! What each unit of a comparison measures.

use super::guards;
use super::knobs::{CompareKnobs, FEWEST};
use super::{Text, load, subjects};
use crate::corpus::{Encoded, Tokenizer, Vocabulary, split};
use crate::discriminator::{Judged, Protocol, Surface, giveaways, surface_discrepancy};
use crate::error::{Error, Result};
use crate::metric::bleu::{self, Settings};
use crate::metric::discrepancy::{Discrepancy, Scores};
use crate::metric::embedding::{self, Embeddings, HashedOptions};
use crate::metric::frontier::{FrontierOptions, frontier};
use crate::metric::language_model::{NgramConfig, NgramModel};
use crate::metric::{diversity, frechet};
use serde::{Deserialize, Serialize};
use std::path::Path;
use trueness_core::study::SeedFindings;
use trueness_core::{Estimate, Measure, Run, Seed};

/// How many n-grams are named.
const NAMED: usize = 12;

/// The numbers behind a candidate's DD that the report needs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Decisions {
    pub(super) real: Vec<f64>,
    pub(super) generated: Vec<f64>,
    pub(super) seed_variance: f64,
    /// P(real) of the first classifier seed, for the calibration figure.
    pub(super) scores: Vec<[f64; 2]>,
}

/// An n-gram that gives a candidate away.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) text: String,
    pub(super) real: Estimate,
    pub(super) generated: Estimate,
    pub(super) z: f64,
}

/// Scores of the same real sentences under two candidates, for paired tests.
pub(super) type Paired = std::collections::BTreeMap<String, Vec<f64>>;

struct Job<'a> {
    knobs: &'a CompareKnobs,
    real: &'a Text,
    candidate: &'a Text,
    vocabulary: &'a Vocabulary,
    subject: String,
    /// What every signature ends with.
    provenance: String,
    seed: Seed,
}

fn protocol(knobs: &CompareKnobs) -> Protocol {
    let device = knobs.device.clone();
    Protocol { classifiers: knobs.classifier.clone(), seeds: knobs.classifier_seeds, device, ..Protocol::default() }
}

fn provenance(knobs: &CompareKnobs, tokenizer: &Tokenizer, real: &Text, candidate: &Text, run: &Run<'_>) -> String {
    let sample = if knobs.sample > 0 { format!("|sample:{}", knobs.sample) } else { String::new() };
    format!(
        "tok:{}|real:{}|text:{}{sample}|seed:{}|trueness:{}",
        tokenizer.name(),
        real.short_hash(),
        candidate.short_hash(),
        run.seed_number(),
        env!("CARGO_PKG_VERSION")
    )
}

/// Two halves of the real text against each other.
pub(super) fn floor(knobs: &CompareKnobs, run: &mut Run<'_>) -> Result<()> {
    let tokenizer: Tokenizer = knobs.tokenizer.parse()?;
    let mut vocabulary = Vocabulary::new();
    let (real, _) = load(&knobs.real, &tokenizer, knobs.sample, &mut vocabulary, run.seed())?;
    let (subject, _) = subjects(knobs);
    let n = real.corpus.len();
    let options = split::SplitOptions::new(split::Sizes::Counts(vec![n / 2, n / 2]));
    let halves = split::split(&real.corpus.sentences, &options, run.seed().child("compare/halves"))?;
    let (a, b) = (real.subset(&halves[0]), real.subset(&halves[1]));
    let provenance = provenance(knobs, &tokenizer, &real, &real, run);
    let seed = run.seed();
    let job =
        Job { knobs, real: &a, candidate: &b, vocabulary: &vocabulary, subject: subject.clone(), provenance, seed };
    if knobs.measures("dd") && knobs.scores.is_empty() {
        // The floor is the candidates' protocol at the candidates' size where the real text allows it.
        let m = smallest_candidate(knobs, &tokenizer, seed)?.min(n / 2);
        let found = judge(&job, &a.encoded.first(m), &b.encoded.first(m), run)?;
        push(run, &job, Measure::new("dd-floor", found.discrepancy.dd.clone().n(m as u64)), &dd_signature(&job, m));
    }
    let subject = format!("{subject} (halves)");
    let job = Job { subject, ..job };
    run.watch().step("measure", 0, 0)?;
    others(&job, run, None)?;
    Ok(())
}

fn smallest_candidate(knobs: &CompareKnobs, tokenizer: &Tokenizer, seed: Seed) -> Result<usize> {
    let mut smallest = usize::MAX;
    for path in &knobs.candidates {
        let (text, _) = load(path, tokenizer, knobs.sample, &mut Vocabulary::new(), seed)?;
        smallest = smallest.min(text.corpus.len());
    }
    Ok(smallest)
}

/// One candidate against the real text.
pub(super) fn candidate(knobs: &CompareKnobs, index: usize, run: &mut Run<'_>) -> Result<()> {
    let tokenizer: Tokenizer = knobs.tokenizer.parse()?;
    let mut vocabulary = Vocabulary::new();
    // The real text comes first, so that its token ids are the same for every candidate.
    let (real, real_rows) = load(&knobs.real, &tokenizer, knobs.sample, &mut vocabulary, run.seed())?;
    let (text, rows) = load(&knobs.candidates[index], &tokenizer, knobs.sample, &mut vocabulary, run.seed())?;
    let subject = subjects(knobs).1[index].clone();
    let provenance = provenance(knobs, &tokenizer, &real, &text, run);
    let seed = run.seed();
    let job = Job { knobs, real: &real, candidate: &text, vocabulary: &vocabulary, subject, provenance, seed };
    guards::overlaps(knobs, &real, &text, &job.subject, run)?;
    if knobs.measures("dd") {
        if knobs.scores.is_empty() {
            discrepancy(&job, run)?;
        } else {
            scored(&job, index, [real_rows.as_deref(), rows.as_deref()], run)?;
        }
    }
    let embeddings = match knobs.embeddings.as_slice() {
        [] => None,
        files => {
            let r = embeddings_of(&files[0], &real, real_rows.as_deref())?;
            Some((r, embeddings_of(&files[index + 1], &text, rows.as_deref())?))
        }
    };
    others(&job, run, embeddings)
}

fn push(run: &mut Run<'_>, job: &Job<'_>, measure: Measure, signature: &str) {
    run.push(measure.of(job.subject.clone()).signed(format!("{signature}|{}", job.provenance)));
}

fn dd_signature(job: &Job<'_>, n: usize) -> String {
    format!("dd:{}|n:{n}", protocol(job.knobs).signature())
}

fn judge(job: &Job<'_>, real: &Encoded, generated: &Encoded, run: &Run<'_>) -> Result<Judged> {
    let knobs = job.knobs;
    let seed = job.seed.child("compare/dd");
    protocol(knobs).judge(real, generated, job.vocabulary.len(), knobs.resamples, knobs.permutations, seed, run.watch())
}

fn discrepancy(job: &Job<'_>, run: &mut Run<'_>) -> Result<()> {
    let knobs = job.knobs;
    let (real, text) = (shuffled(job.real, job.seed, "real"), shuffled(job.candidate, job.seed, "candidate"));
    let n = real.corpus.len().min(text.corpus.len());
    let floor = (job.real.corpus.len() / 2).min(smallest_candidate(knobs, &knobs.tokenizer.parse()?, run.seed())?);
    let mut sizes: Vec<usize> =
        [n / 8, n / 4, n / 2, floor].into_iter().filter(|&size| size >= FEWEST && size < n).collect();
    sizes.push(n);
    sizes.sort_unstable();
    sizes.dedup();
    let total = sizes.len() as u64;
    for (i, &size) in sizes.iter().enumerate() {
        run.watch().step("dd", i as u64, total)?;
        let judged = judge(job, &real.encoded.first(size), &text.encoded.first(size), run)?;
        let estimate = judged.discrepancy.dd.clone().n(size as u64);
        push(run, job, Measure::new(format!("dd@{size}"), estimate), &dd_signature(job, size));
        if size < n {
            continue;
        }
        for measure in judged.discrepancy.measures() {
            let measure = if measure.name == "dd-p" {
                measure
            } else {
                Measure { estimate: measure.estimate.n(n as u64), ..measure }
            };
            push(run, job, measure, &dd_signature(job, n));
        }
        keep_decisions(&judged.discrepancy, &judged.scores, run)?;
    }
    run.watch().step("dd", total, total)?;
    surfaces(job, &real, &text, n, run)?;
    let named: Vec<Named> = giveaways(&job.real.encoded, &job.candidate.encoded, job.vocabulary, NAMED)
        .into_iter()
        .map(|g| Named { text: g.text, real: g.real, generated: g.generated, z: g.z })
        .collect();
    run.keep("giveaways", &named)?;
    Ok(())
}

/// The text in a random order that depends on the seed alone, so that its first sentences are a
/// random sample of it.
fn shuffled(text: &Text, seed: Seed, side: &str) -> Text {
    use rand::seq::SliceRandom;
    let mut order: Vec<usize> = (0..text.corpus.len()).collect();
    order.shuffle(&mut seed.child("compare/order").child(side).rng());
    text.subset(&order)
}

fn keep_decisions(found: &Discrepancy, scores: &[Scores], run: &mut Run<'_>) -> Result<()> {
    let first = scores.first().map(|s| s.real.iter().zip(&s.generated).map(|(r, g)| [*r, *g]).collect());
    let decisions = Decisions {
        real: found.real_decisions.clone(),
        generated: found.generated_decisions.clone(),
        seed_variance: found.seed_variance,
        scores: first.unwrap_or_default(),
    };
    Ok(run.keep("decisions", &decisions)?)
}

/// Classifiers that see less, and what it means where they already win.
fn surfaces(job: &Job<'_>, real: &Text, text: &Text, n: usize, run: &mut Run<'_>) -> Result<()> {
    let knobs = job.knobs;
    let seed = job.seed.child("compare/surface");
    let sides = ((real.corpus.sentences.as_slice(), &real.encoded), (text.corpus.sentences.as_slice(), &text.encoded));
    let mut found = Vec::new();
    for (name, surface) in [("dd-length", Surface::Length), ("dd-punctuation", Surface::Punctuation)] {
        let dd = surface_discrepancy(surface, sides.0, sides.1, knobs.resamples, seed)?.dd.n(n as u64);
        found.push((name, dd));
    }
    let mut words = Protocol { classifiers: vec![crate::discriminator::Classifier::Ngram], ..protocol(knobs) };
    words.ngram.orders = vec![1];
    let judged =
        words.judge(&real.encoded, &text.encoded, job.vocabulary.len(), knobs.resamples, 0, seed, run.watch())?;
    found.push(("dd-words", judged.discrepancy.dd.n(n as u64)));
    for (name, dd) in found {
        push(run, job, Measure::new(name, dd), &format!("{name}|n:{n}"));
    }
    Ok(())
}

/// DD from scores that the person brought.
fn scored(job: &Job<'_>, index: usize, rows: [Option<&[usize]>; 2], run: &mut Run<'_>) -> Result<()> {
    let files = &job.knobs.scores;
    let read =
        |path: &str, text: &Text, rows: Option<&[usize]>| guards::read_scores(Path::new(path), text.corpus.len(), rows);
    let scores = [Scores {
        real: read(&files[0], job.real, rows[0])?,
        generated: read(&files[index + 1], job.candidate, rows[1])?,
    }];
    let seed = job.seed.child("compare/scores");
    let found = Discrepancy::measure(&scores, job.knobs.resamples, job.knobs.permutations, seed)
        .ok_or_else(|| Error::Input("the score files hold no scores".to_owned()))?;
    for measure in found.measures() {
        push(run, job, measure, "dd:given-scores");
    }
    keep_decisions(&found, &scores, run)
}

fn embeddings_of(path: &str, text: &Text, rows: Option<&[usize]>) -> Result<Embeddings> {
    match rows {
        None => embedding::read(path, text.corpus.len()),
        Some(_) => Err(Error::Input(format!(
            "{path}: embeddings of all sentences cannot be used with --sample; sample the texts before embedding them"
        ))),
    }
}

/// All metrics but DD.
fn others(job: &Job<'_>, run: &mut Run<'_>, embeddings: Option<(Embeddings, Embeddings)>) -> Result<()> {
    let knobs = job.knobs;
    let (real, text) = (&job.real.encoded, &job.candidate.encoded);
    let settings = Settings { caps: knobs.caps()?, resamples: knobs.resamples, ..Settings::default() };
    let seed = job.seed.child("compare/metrics");
    let mut paired = Paired::new();
    let mut all: Vec<Measure> = Vec::new();
    if knobs.measures("bleu") {
        run.watch().step("bleu", 0, 0)?;
        all.extend(bleu::bleu(text, real, &settings, seed)?.measures);
    }
    if knobs.measures("self-bleu") {
        run.watch().step("self-bleu", 0, 0)?;
        all.extend(bleu::self_bleu(text, &settings, seed)?.measures);
    }
    if knobs.measures("reverse-bleu") {
        run.watch().step("reverse-bleu", 0, 0)?;
        let found = bleu::reverse_bleu(text, real, &settings, seed)?;
        for (order, values) in found.scores.iter() {
            paired.insert(format!("reverse-bleu-{order}"), values.to_vec());
        }
        all.extend(found.measures);
    }
    if knobs.measures("lm") {
        run.watch().step("language model", 0, 0)?;
        all.extend(language_models(job, seed)?);
    }
    if knobs.measures("diversity") {
        run.watch().step("diversity", 0, 0)?;
        let groups = trueness_core::resample::GROUPS;
        for n in 1..=4 {
            all.push(diversity::distinct(text, n, groups, seed)?);
        }
        all.push(diversity::compression_ratio(&job.candidate.corpus.sentences, groups, seed)?);
        all.push(diversity::self_repetition(text, 4, groups, seed)?);
        all.push(diversity::novelty(text, real)?);
        all.push(diversity::ngram_novelty(text, real, 4)?);
    }
    if knobs.measures("frechet") || knobs.measures("frontier") {
        let (r, g) = match embeddings {
            Some(pair) => pair,
            None => {
                let options = HashedOptions::default();
                (embedding::hashed(real, job.vocabulary, &options)?, embedding::hashed(text, job.vocabulary, &options)?)
            }
        };
        if knobs.measures("frechet") {
            run.watch().step("frechet", 0, 0)?;
            // Too few sentences for this one metric must not cost the person all the others.
            match frechet::frechet(&r, &g) {
                Ok(found) => all.push(found.measure()),
                Err(Error::Input(why)) => run.warn(format!("{}: {why}", job.subject)),
                Err(error) => return Err(error),
            }
        }
        if knobs.measures("frontier") {
            all.extend(frontier(&r, &g, &FrontierOptions::default(), seed, &run.watch())?.measures());
        }
    }
    for measure in all {
        let signature = measure.signature.clone();
        push(run, job, measure, &signature);
    }
    Ok(run.keep("paired", &paired)?)
}

/// The LM score of the candidate, and the reverse LM score of the real text, both with every word of
/// either text in the vocabulary, so that neither model gains by knowing fewer words.
fn language_models(job: &Job<'_>, seed: Seed) -> Result<Vec<Measure>> {
    let config = NgramConfig { order: job.knobs.lm_order, vocabulary: Some(job.vocabulary.len()) };
    let (real, text) = (&job.real.encoded, &job.candidate.encoded);
    let one = |name: &str, train: &Encoded, scored: &Encoded| -> Result<Measure> {
        let model = NgramModel::fit(train, &config)?;
        let scores = model.score(scored);
        let estimate = scores.estimate(seed.child(name));
        let method = format!("{} trained on {} sentences; {}", model.name(), train.len(), estimate.method);
        let signature = format!("{name}|{}|n:{}", model.signature(), scored.len());
        Ok(Measure::new(name, Estimate { method, ..estimate }).signed(signature))
    };
    Ok(vec![one("lm-score", real, text)?, one("reverse-lm-score", text, real)?])
}

/// The excess over the floor, for every candidate.
pub(super) fn derive(knobs: &CompareKnobs, seed: &SeedFindings) -> Vec<Measure> {
    let (real, names) = subjects(knobs);
    let mut derived = super::rank::differences(knobs.ranked_by(), &names, seed);
    let Some(floor) = seed.measure("dd-floor", &real) else { return derived };
    for subject in names {
        let Some(at) = seed.measure(&format!("dd@{}", floor.estimate.n), &subject) else { continue };
        let (Some(a), Some(b)) = (at.estimate.value, floor.estimate.value) else { continue };
        let method = format!("DD minus the floor, both at {} sentences each", floor.estimate.n);
        let estimate = match (at.estimate.standard_error(), floor.estimate.standard_error()) {
            (Some(p), Some(q)) => Estimate::normal(a - b, p.hypot(q), floor.estimate.n, method),
            _ => Estimate::uncertain(a - b, floor.estimate.n, method),
        };
        derived.push(Measure::new("dd-excess", estimate).of(subject).signed(at.signature.clone()));
    }
    derived
}
