//! What each unit of a comparison measures.

use super::knobs::CompareKnobs;
use super::{Drawn, Text, dd, guards, load, subjects};
use crate::corpus::{Encoded, Tokenizer, Vocabulary, split};
use crate::error::{Error, Result};
use crate::metric::bleu::{self, Settings};
use crate::metric::embedding::{self, Embeddings, HashedOptions};
use crate::metric::frontier::{FrontierOptions, frontier};
use crate::metric::language_model::{NgramConfig, NgramModel};
use crate::metric::{diversity, frechet};
use serde::{Deserialize, Serialize};
use trueness_core::study::SeedFindings;
use trueness_core::{Estimate, Measure, Run, Seed, Watch};

/// Scores of the same real sentences under several candidates, for paired tests.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Paired {
    /// Which sentences were scored: equal for equal ones.
    pub(super) sentences: String,
    /// The scores by the name of the metric.
    pub(super) values: std::collections::BTreeMap<String, Vec<f64>>,
}

pub(super) struct Job<'a> {
    pub(super) knobs: &'a CompareKnobs,
    pub(super) real: &'a Text,
    pub(super) candidate: &'a Text,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) field: Field,
    pub(super) subject: String,
    /// What every signature ends with.
    pub(super) provenance: String,
    pub(super) seed: Seed,
}

impl Job<'_> {
    /// Tells one real text, or sample of it, from another.
    pub(super) fn real_sentences(&self) -> String {
        // A sample depends on the seed and the content alone, so that size and content identify it.
        format!("{} of {}", self.real.corpus.len(), self.real.corpus.hash)
    }
}

/// What a candidate has to know of the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// The number of sentences of the smallest candidate.
    pub(super) smallest: usize,
    /// That of the largest.
    pub(super) largest: usize,
    /// How many words the real text and all candidates have together.
    pub(super) words: usize,
    /// Tokens of the longest sentence of the real text and of all candidates.
    pub(super) longest: usize,
}

impl Field {
    /// Reads all candidates; `vocabulary` holds the words of the real text.
    fn of(
        knobs: &CompareKnobs,
        tokenizer: &Tokenizer,
        real: &Text,
        mut vocabulary: Vocabulary,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let longest_of = |text: &Text| text.encoded.iter().map(<[u32]>::len).max().unwrap_or(0);
        let (mut smallest, mut largest, mut longest) = (usize::MAX, 0, longest_of(real));
        for path in &knobs.candidates {
            let (text, _) = load(path, real.corpus.len(), tokenizer, knobs.sample, &mut vocabulary, seed, watch)?;
            smallest = smallest.min(text.corpus.len());
            largest = largest.max(text.corpus.len());
            longest = longest.max(longest_of(&text));
        }
        Ok(Self { smallest, largest, words: vocabulary.len(), longest })
    }
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
    let (real, drawn) = load(&knobs.real, 0, &tokenizer, knobs.sample, &mut vocabulary, run.seed(), run.watch())?;
    let (subject, _) = subjects(knobs);
    let n = real.corpus.len();
    let options = split::SplitOptions::new(split::Sizes::Counts(vec![n / 2, n / 2]));
    let halves = split::split(&real.corpus.sentences, &options, run.seed().child("compare/halves"))?;
    let (a, b) = (real.subset(&halves[0]), real.subset(&halves[1]));
    let provenance = provenance(knobs, &tokenizer, &real, &real, run);
    let seed = run.seed();
    let field = Field::of(knobs, &tokenizer, &real, vocabulary.clone(), seed, run.watch())?;
    let (subject, of_halves) = (subject.clone(), super::report::halves(&subject));
    let job = Job { knobs, real: &a, candidate: &b, vocabulary: &vocabulary, field, subject, provenance, seed };
    if knobs.measures("dd") && knobs.scores.is_empty() {
        dd::floor(&job, n, run)?;
    }
    let job = Job { subject: of_halves, ..job };
    run.watch().step("measure", 0, 0)?;
    let embeddings = match knobs.embeddings.first() {
        None => None,
        Some(file) => {
            let all = embeddings_of(file, &real, drawn.as_ref())?;
            Some((all.subset(&halves[0])?, all.subset(&halves[1])?))
        }
    };
    others(&job, run, embeddings)
}

/// One candidate against the real text.
pub(super) fn candidate(knobs: &CompareKnobs, index: usize, run: &mut Run<'_>) -> Result<()> {
    let tokenizer: Tokenizer = knobs.tokenizer.parse()?;
    let mut vocabulary = Vocabulary::new();
    let seed = run.seed();
    // The real text comes first, so that its token ids are the same for every candidate.
    let (real, real_drawn) = load(&knobs.real, 0, &tokenizer, knobs.sample, &mut vocabulary, seed, run.watch())?;
    let field = Field::of(knobs, &tokenizer, &real, vocabulary.clone(), seed, run.watch())?;
    let (made, path) = (real.corpus.len(), &knobs.candidates[index]);
    let (text, drawn) = load(path, made, &tokenizer, knobs.sample, &mut vocabulary, seed, run.watch())?;
    let subject = subjects(knobs).1[index].clone();
    let provenance = provenance(knobs, &tokenizer, &real, &text, run);
    let job = Job { knobs, real: &real, candidate: &text, vocabulary: &vocabulary, field, subject, provenance, seed };
    if field.smallest < field.largest {
        run.warn(format!(
            "candidates have from {} to {} sentences: what depends on that number (DD, self-BLEU, reverse BLEU, the reverse LM score, diversity, the frontier) is measured on {0} sentences of each, drawn at random; give all of them as many to use them all",
            field.smallest, field.largest
        ));
    }
    guards::overlaps(knobs, &real, &text, &job.subject, run)?;
    if knobs.measures("dd") {
        if knobs.scores.is_empty() {
            dd::discrepancy(&job, run)?;
        } else {
            dd::scored(&job, index, [real_drawn.as_ref(), drawn.as_ref()], run)?;
        }
    }
    let embeddings = match knobs.embeddings.as_slice() {
        [] => None,
        files => {
            let r = embeddings_of(&files[0], &real, real_drawn.as_ref())?;
            Some((r, embeddings_of(&files[index + 1], &text, drawn.as_ref())?))
        }
    };
    others(&job, run, embeddings)
}

pub(super) fn push(run: &mut Run<'_>, job: &Job<'_>, measure: Measure, signature: &str) {
    run.push(measure.of(job.subject.clone()).signed(format!("{signature}|{}", job.provenance)));
}

/// The numbers of `n` sentences in a random order that depends on the seed alone, so that the first of
/// them are a random sample.
pub(super) fn order(n: usize, seed: Seed, side: &str) -> Vec<usize> {
    use rand::seq::SliceRandom;
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut seed.child("compare/order").child(side).rng());
    order
}

fn embeddings_of(path: &str, text: &Text, drawn: Option<&Drawn>) -> Result<Embeddings> {
    match drawn {
        None => embedding::read(path, text.corpus.len()),
        Some(_) => Err(Error::Input(format!(
            "{path}: embeddings of all sentences cannot be used with --sample; sample the texts before embedding them"
        ))),
    }
}

/// As many of the candidate's sentences as the smallest candidate has, and their numbers, where it has
/// more: what rises or falls with the number of sentences can be compared at equal numbers alone.
fn cut(job: &Job<'_>) -> Option<(Text, Vec<usize>)> {
    let n = job.candidate.corpus.len();
    (n > job.field.smallest).then(|| {
        let mut rows = order(n, job.seed, "candidate");
        rows.truncate(job.field.smallest);
        (job.candidate.subset(&rows), rows)
    })
}

/// All metrics but DD.
fn others(job: &Job<'_>, run: &mut Run<'_>, embeddings: Option<(Embeddings, Embeddings)>) -> Result<()> {
    let knobs = job.knobs;
    let (real, text) = (&job.real.encoded, &job.candidate.encoded);
    let cut = cut(job);
    let equal = cut.as_ref().map_or(job.candidate, |(text, _)| text);
    let settings = Settings { caps: knobs.caps()?, resamples: knobs.resamples, ..Settings::default() };
    let seed = job.seed.child("compare/metrics");
    let mut paired = Paired { sentences: job.real_sentences(), ..Paired::default() };
    let mut all: Vec<Measure> = Vec::new();
    if knobs.measures("bleu") {
        run.watch().step("bleu", 0, 0)?;
        all.extend(bleu::bleu(text, real, &settings, seed)?.measures);
    }
    if knobs.measures("self-bleu") {
        run.watch().step("self-bleu", 0, 0)?;
        all.extend(bleu::self_bleu(&equal.encoded, &settings, seed)?.measures);
    }
    if knobs.measures("reverse-bleu") {
        run.watch().step("reverse-bleu", 0, 0)?;
        let found = bleu::reverse_bleu(&equal.encoded, real, &settings, seed)?;
        for (order, values) in found.scores.iter() {
            paired.values.insert(format!("reverse-bleu-{order}"), values.to_vec());
        }
        all.extend(found.measures);
    }
    if knobs.measures("lm") {
        run.watch().step("language model", 0, 0)?;
        all.extend(language_models(job, &equal.encoded, seed)?);
        all.extend(super::neural::scores(job, &equal.encoded, run)?);
    }
    if knobs.measures("diversity") {
        run.watch().step("diversity", 0, 0)?;
        let groups = trueness_core::resample::GROUPS;
        for n in 1..=4 {
            all.push(diversity::distinct(&equal.encoded, n, groups, seed)?);
        }
        all.push(diversity::compression_ratio(&equal.corpus.sentences, groups, seed)?);
        all.push(diversity::self_repetition(&equal.encoded, 4, groups, seed)?);
        all.push(diversity::novelty(text, real)?);
        all.push(diversity::ngram_novelty(&equal.encoded, real, 4)?);
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
            match frechet::frechet(&r, &g, seed) {
                Ok(found) => all.push(found.measure()),
                Err(Error::Input(why)) => run.warn(format!("{}: {why}", job.subject)),
                Err(error) => return Err(error),
            }
        }
        if knobs.measures("frontier") {
            let g = match &cut {
                Some((_, rows)) => g.subset(rows)?,
                None => g,
            };
            all.extend(frontier(&r, &g, &FrontierOptions::default(), seed, &run.watch())?.measures());
        }
    }
    for measure in all {
        let signature = measure.signature.clone();
        push(run, job, measure, &signature);
    }
    Ok(run.keep("paired", &paired)?)
}

/// The LM score of the candidate, and the reverse LM score of the real text under a model of `equal`, as
/// many of its sentences as the smallest candidate has. Every word of the real text and of all candidates
/// is in the vocabulary of every model, so that no candidate gains by knowing fewer words than another.
fn language_models(job: &Job<'_>, equal: &Encoded, seed: Seed) -> Result<Vec<Measure>> {
    let config = NgramConfig { order: job.knobs.lm_order, vocabulary: Some(job.field.words) };
    let (real, text) = (&job.real.encoded, &job.candidate.encoded);
    let one = |name: &str, train: &Encoded, scored: &Encoded| -> Result<Measure> {
        let model = NgramModel::fit(train, &config)?;
        let scores = model.score(scored);
        let estimate = scores.estimate(seed.child(name));
        let method = format!("{} trained on {} sentences; {}", model.name(), train.len(), estimate.method);
        let signature = format!("{name}|{}|n:{}", model.signature(), scored.len());
        Ok(Measure::new(name, Estimate { method, ..estimate }).signed(signature))
    };
    Ok(vec![one("lm-score", real, text)?, one("reverse-lm-score", equal, real)?])
}

/// The excess over the floor, for every candidate, and the differences between candidates.
pub(super) fn derive(knobs: &CompareKnobs, seed: &SeedFindings) -> Vec<Measure> {
    let (real, names) = subjects(knobs);
    let mut derived = excess(&real, &names, seed);
    // Candidates may be ranked by what was derived just now.
    let mut known = seed.clone();
    known.measures.extend(derived.iter().cloned());
    derived.extend(super::rank::differences(knobs.ranked_by(), &names, &known));
    derived
}

fn excess(real: &str, names: &[String], seed: &SeedFindings) -> Vec<Measure> {
    let mut derived = Vec::new();
    let Some(floor) = seed.measure("dd-floor", real) else { return derived };
    for subject in names {
        let Some(at) = seed.measure(&format!("dd@{}", floor.estimate.n), subject) else { continue };
        let (Some(a), Some(b)) = (at.estimate.value, floor.estimate.value) else { continue };
        let method = format!("DD minus the floor, both at {} sentences each", floor.estimate.n);
        let estimate = match (at.estimate.standard_error(), floor.estimate.standard_error()) {
            (Some(p), Some(q)) => Estimate::normal(a - b, p.hypot(q), floor.estimate.n, method),
            _ => Estimate::uncertain(a - b, floor.estimate.n, method),
        };
        derived.push(Measure::new("dd-excess", estimate).of(subject.clone()).signed(at.signature.clone()));
    }
    derived
}
