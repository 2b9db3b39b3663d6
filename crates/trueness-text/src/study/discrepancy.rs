//! Distributional discrepancy on texts whose density is known: is the classifier's DD near the exact
//! one, and which metric ranks moved oracles as the exact distance does?

mod report;
mod trained;

use super::battery::Battery;
use crate::corpus::{Encoded, Tokenizer, Vocabulary, tokenize};
use crate::discriminator::Protocol;
use crate::error::Result;
use crate::generator::{Kind, NetworkKnobs, TrainingKnobs};
use crate::metric::discrepancy::from_densities;
use crate::metric::language_model::SentenceScores;
use crate::metric::{self, Better};
use crate::oracle::grammar::{Grammar, GrammarKnobs};
use crate::oracle::lstm::{LstmConfig, LstmOracle};
use crate::oracle::{Oracle, log_density_ratio};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
pub use trained::Source;
use trueness_core::report::{Report, Samples};
use trueness_core::study::SeedFindings;
use trueness_core::study::claim::kendall;
use trueness_core::{Estimate, Findings, Measure, Run, Study, StudySource};

/// The files that describe the study.
pub const DISCREPANCY: StudySource = StudySource {
    manifest: include_str!("../../studies/discrepancy/study.toml"),
    readme: include_str!("../../studies/discrepancy/README.md"),
};

/// The study.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discrepancy;

/// A way in which the caption grammar is moved, see [`GrammarKnobs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Verbs of the wrong number.
    Agreement,
    /// Doubled determiners.
    Repetition,
    /// Verbs that do not fit their subject.
    Selection,
    /// Other weights of nouns.
    Lexicon,
    /// Sentences that break off.
    Truncation,
    /// Less diversity.
    Diversity,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Agreement => "agreement",
            Self::Repetition => "repetition",
            Self::Selection => "selection",
            Self::Lexicon => "lexicon",
            Self::Truncation => "truncation",
            Self::Diversity => "diversity",
        }
    }

    fn grammar(self, amount: f64) -> Result<Grammar> {
        let mut knobs = GrammarKnobs::default();
        let slot = match self {
            Self::Agreement => &mut knobs.agreement,
            Self::Repetition => &mut knobs.repetition,
            Self::Selection => &mut knobs.selection,
            Self::Lexicon => &mut knobs.lexicon,
            Self::Truncation => &mut knobs.truncation,
            Self::Diversity => &mut knobs.diversity,
        };
        *slot = amount;
        Grammar::new(knobs)
    }
}

/// The knobs of the study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiscrepancyKnobs {
    /// Sentences of each side that the grammar's candidates are measured on.
    #[schemars(range(min = 50, max = 10_000_000))]
    pub n: usize,
    /// How the grammar is moved.
    pub faults: Vec<Fault>,
    /// By how much, for each fault: values of the grammar's knob.
    pub amounts: Vec<f64>,
    /// Sentences of each side that the LSTM's candidates are measured on.
    #[schemars(range(min = 50, max = 10_000_000))]
    pub lstm_n: usize,
    /// The shape of the LSTM oracle.
    pub lstm: LstmConfig,
    /// How far the LSTM's parameters are moved: each moved oracle is √(1−ε²)·θ + ε·N(0,1).
    pub moves: Vec<f64>,
    /// The generators that are trained on growing fractions.
    pub generators: Vec<NetworkKnobs>,
    /// How they are trained.
    pub training: TrainingKnobs,
    /// Sentences that the fraction 1 learns from; a tenth as many choose the pass.
    #[schemars(range(min = 20, max = 100_000_000))]
    pub generator_n: usize,
    /// The fractions.
    pub fractions: Vec<f64>,
    /// A file of real sentences, to train generators on it too, and on samples of an oracle made from it.
    pub corpus: String,
    /// How its sentences are cut: whitespace, words, characters, or the path of a tokenizer.json.
    pub tokenizer: String,
    /// The network that becomes the oracle of the corpus.
    pub corpus_oracle: NetworkKnobs,
    /// How the classifier is trained.
    pub protocol: Protocol,
    /// Bootstrap resamples behind the intervals of one seed.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub resamples: usize,
}

impl Default for DiscrepancyKnobs {
    fn default() -> Self {
        let faults = vec![
            Fault::Agreement,
            Fault::Repetition,
            Fault::Selection,
            Fault::Lexicon,
            Fault::Truncation,
            Fault::Diversity,
        ];
        Self {
            n: 4000,
            faults,
            amounts: vec![0.05, 0.1, 0.2, 0.4],
            lstm_n: 500,
            lstm: LstmConfig::default(),
            moves: vec![0.05, 0.1, 0.2, 0.4],
            generators: vec![
                NetworkKnobs { embedding: 64, hidden: 128, keep: 0.8, ..NetworkKnobs::default() },
                NetworkKnobs::gpt2(2, 64),
            ],
            training: TrainingKnobs { epochs: 15, ..TrainingKnobs::default() },
            generator_n: 8000,
            fractions: vec![0.05, 0.1, 0.2, 0.5, 1.0],
            corpus: String::new(),
            tokenizer: "whitespace".to_owned(),
            corpus_oracle: NetworkKnobs::default(),
            protocol: Protocol { seeds: 2, ..Protocol::default() },
            resamples: 200,
        }
    }
}

/// The family of a unit's candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// The grammar, moved by one fault.
    Grammar(Fault),
    /// The LSTM, moved in parameter space.
    Lstm,
    /// Generators that learned from fractions of some sentences.
    Trained(Source, Kind),
}

/// The metrics that are asked to rank the candidates, as the paper compares them.
const RANKING: [&str; 6] = ["dd", "bleu-5", "self-bleu-5", "lm-score", "reverse-lm-score", "frechet"];

impl Family {
    /// What its candidates are ranked within.
    fn name(self) -> String {
        match self {
            Self::Grammar(_) => "grammar".to_owned(),
            Self::Lstm => "lstm".to_owned(),
            Self::Trained(source, kind) => format!("{}-{}", source.name(), kind.name()),
        }
    }

    fn subject(self, amount: f64) -> String {
        match self {
            Self::Grammar(fault) => format!("grammar/{}-{amount}", fault.name()),
            Self::Lstm => format!("lstm/moved-{amount}"),
            Self::Trained(..) => format!("{}/{amount}", self.name()),
        }
    }

    fn amounts(self, knobs: &DiscrepancyKnobs) -> &[f64] {
        match self {
            Self::Grammar(_) => &knobs.amounts,
            Self::Lstm => &knobs.moves,
            Self::Trained(..) => &knobs.fractions,
        }
    }
}

fn families(knobs: &DiscrepancyKnobs) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    if !knobs.amounts.is_empty() {
        families.extend(knobs.faults.iter().map(|&fault| Family::Grammar(fault)));
    }
    if !knobs.moves.is_empty() {
        families.push(Family::Lstm);
    }
    for source in trained::sources(knobs) {
        families.extend(knobs.generators.iter().map(|network| Family::Trained(source, network.model)));
    }
    families
}

/// The names that candidates are ranked within, each once.
fn names(knobs: &DiscrepancyKnobs) -> Vec<String> {
    let mut names: Vec<String> = families(knobs).into_iter().map(Family::name).collect();
    names.dedup();
    names
}

impl Study for Discrepancy {
    type Knobs = DiscrepancyKnobs;
    type Unit = Family;

    fn check(&self, knobs: &DiscrepancyKnobs) -> trueness_core::Result<()> {
        let lists = [("amounts", &knobs.amounts), ("moves", &knobs.moves), ("fractions", &knobs.fractions)];
        for (name, amounts) in lists {
            if let Some(wrong) = amounts.iter().find(|a| !(0.0..=1.0).contains(*a)) {
                return Err(trueness_core::Error::Input(format!("{name}: expected values from 0 to 1, got {wrong}")));
            }
        }
        for (name, amounts) in lists {
            if let Some(i) = (1..amounts.len()).find(|&i| amounts[..i].contains(&amounts[i])) {
                return Err(trueness_core::Error::Input(format!("{name}: {} is named twice", amounts[i])));
            }
        }
        if let Some(i) = (1..knobs.faults.len()).find(|&i| knobs.faults[..i].contains(&knobs.faults[i])) {
            return Err(trueness_core::Error::Input(format!("faults: {} is named twice", knobs.faults[i].name())));
        }
        let twice = |i: usize| knobs.generators[..i].iter().any(|other| other.model == knobs.generators[i].model);
        if let Some(wrong) = knobs.fractions.iter().find(|fraction| **fraction <= 0.0) {
            return Err(trueness_core::Error::Input(format!("fractions: expected values above 0, got {wrong}")));
        }
        if (1..knobs.generators.len()).any(twice) {
            return Err(trueness_core::Error::Input("generators: one kind of network is named twice".to_owned()));
        }
        knobs.protocol.check()?;
        knobs.lstm.check()?;
        knobs.tokenizer.parse::<Tokenizer>()?;
        // A corpus that is too small shows here, before anything is trained.
        if !knobs.corpus.is_empty() {
            trained::corpus(knobs, trueness_core::Seed::new(0))?;
        }
        if families(knobs).is_empty() {
            return Err(trueness_core::Error::Input(
                "expected faults and amounts, or moves, or generators and fractions: there is nothing to measure"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    fn inputs(&self, knobs: &DiscrepancyKnobs) -> trueness_core::Result<Vec<PathBuf>> {
        let tokenizer = !tokenize::NAMES.contains(&knobs.tokenizer.as_str());
        let files = [(!knobs.corpus.is_empty(), &knobs.corpus), (tokenizer, &knobs.tokenizer)];
        Ok(files.into_iter().filter(|(given, _)| *given).map(|(_, file)| file.into()).collect())
    }

    fn plan(&self, knobs: &DiscrepancyKnobs) -> trueness_core::Result<Vec<Family>> {
        // What takes longest begins first.
        let mut units = families(knobs);
        units.reverse();
        Ok(units)
    }

    fn unit_name(&self, unit: &Family) -> String {
        match unit {
            Family::Grammar(fault) => format!("grammar/{}", fault.name()),
            Family::Lstm | Family::Trained(..) => unit.name(),
        }
    }

    fn run_unit(&self, knobs: &DiscrepancyKnobs, unit: &Family, run: &mut Run<'_>) -> trueness_core::Result<()> {
        Ok(match *unit {
            Family::Grammar(fault) => grammar(knobs, fault, run),
            Family::Lstm => lstm(knobs, run),
            Family::Trained(source, kind) => trained::measure(knobs, source, kind, run),
        }?)
    }

    fn derive(&self, knobs: &DiscrepancyKnobs, seed: &SeedFindings) -> trueness_core::Result<Vec<Measure>> {
        Ok(ranks(knobs, seed))
    }

    fn report(&self, knobs: &DiscrepancyKnobs, findings: &Findings, report: Report) -> trueness_core::Result<Report> {
        Ok(report::write(knobs, findings, report))
    }
}

fn grammar(knobs: &DiscrepancyKnobs, fault: Fault, run: &mut Run<'_>) -> Result<()> {
    let real = Grammar::default();
    let sentences = real.sample(knobs.n, run.seed().child("grammar/real"));
    let known = real.log_density(&sentences);
    let mut samples = Samples::new(format!("Sentences of the grammar moved by {}", fault.name()))
        .labelled("unmoved", real.vocabulary().decode(sentences.sentence(0)));
    for (i, &amount) in knobs.amounts.iter().enumerate() {
        run.watch().step(fault.name(), i as u64, knobs.amounts.len() as u64)?;
        let family = Family::Grammar(fault);
        let moved = fault.grammar(amount)?;
        let seed = run.seed().child("grammar/moved").child(fault.name()).nth(i as u64);
        let generated = moved.sample(knobs.n, seed);
        let exact = match real.total_variation(&moved) {
            Some(tv) => Estimate::exact(tv, "total variation by dynamic programming"),
            None => Estimate::missing("the total variation is not known to within .001"),
        };
        samples = samples.labelled(format!("{amount}"), moved.vocabulary().decode(generated.sentence(0)));
        let texts = Texts { real: &sentences, generated: &generated, vocabulary: real.vocabulary() };
        candidate(knobs, family, amount, Some((&real, &moved)), texts, &known, Some(exact), run)?;
    }
    run.watch().step(fault.name(), knobs.amounts.len() as u64, knobs.amounts.len() as u64)?;
    run.samples(samples);
    Ok(())
}

fn lstm(knobs: &DiscrepancyKnobs, run: &mut Run<'_>) -> Result<()> {
    let real = LstmOracle::draw(knobs.lstm.clone(), run.seed().child("lstm/oracle"))?;
    let sentences = real.sample(knobs.lstm_n, run.seed().child("lstm/real"));
    let known = real.log_density(&sentences);
    let tokens = sentences.iter().map(|sentence| sentence.len() as u32).collect();
    let own = SentenceScores { nll: known.iter().map(|density| -density).collect(), tokens };
    let entropy = own.estimate(run.seed().child("lstm/entropy"));
    run.measure("entropy", "lstm", entropy, &real.signature());
    // All moves go in one direction, so that a larger one is farther from the start.
    let direction = run.seed().child("lstm/direction");
    for (i, &amount) in knobs.moves.iter().enumerate() {
        run.watch().step("lstm", i as u64, knobs.moves.len() as u64)?;
        let moved = real.moved(amount, direction)?;
        let generated = moved.sample(knobs.lstm_n, run.seed().child("lstm/moved").nth(i as u64));
        let texts = Texts { real: &sentences, generated: &generated, vocabulary: real.vocabulary() };
        candidate(knobs, Family::Lstm, amount, Some((&real, &moved)), texts, &known, None, run)?;
    }
    Ok(run.watch().step("lstm", knobs.moves.len() as u64, knobs.moves.len() as u64)?)
}

/// Texts over one vocabulary.
struct Texts<'a> {
    real: &'a Encoded,
    generated: &'a Encoded,
    vocabulary: &'a Vocabulary,
}

/// Measures one candidate: the exact distance where both densities are known, the classifier's, and what the
/// other metrics say. `known` are the real oracle's log densities of its own sentences.
#[allow(clippy::too_many_arguments, reason = "what a candidate is, and where its measures go")]
fn candidate(
    knobs: &DiscrepancyKnobs,
    family: Family,
    amount: f64,
    oracles: Option<(&dyn Oracle, &dyn Oracle)>,
    texts: Texts<'_>,
    known: &[f64],
    exact: Option<Estimate>,
    run: &mut Run<'_>,
) -> Result<()> {
    let Texts { real: sentences, generated, vocabulary } = texts;
    let subject = family.subject(amount);
    let seed = run.seed().child("measure").child(&subject);
    let base = match oracles {
        Some((real, moved)) => {
            format!("real:{}|moved:{}|n:{}", real.signature(), moved.signature(), generated.len())
        }
        None => format!("{subject}|n:{}", generated.len()),
    };
    let put = |measure: Measure, own: &str, run: &mut Run<'_>| {
        run.push(measure.of(subject.clone()).signed(format!("{own}|{base}")))
    };
    if let Some((real, moved)) = oracles {
        // The real oracle's densities of its own sentences are the same for every candidate.
        let on_real: Vec<f64> = known.iter().zip(moved.log_density(sentences)).map(|(p, q)| p - q).collect();
        let density = from_densities(&on_real, &log_density_ratio(real, moved, generated)?);
        // Without a closed form the total variation comes from densities at the samples.
        put(Measure::new("dd-exact", exact.unwrap_or_else(|| density.tv.clone())), "exact", run);
        put(Measure::new("dd-density", density.dd), "exact", run);
    }
    let battery = Battery { protocol: &knobs.protocol, resamples: knobs.resamples, order: 5, vocabulary };
    for measure in battery.measure(sentences, generated, [seed.child("dd"), seed], run.watch())? {
        let own = measure.signature.clone();
        put(measure, &own, run);
    }
    Ok(())
}

/// Kendall's tau of every metric with the order that is known, over all candidates of a family, and the means
/// over candidates of the classifier's and of the exact DD. For generators the order is that of the fractions
/// that they learned from; the means over the kinds of generators stand under the source's name.
fn ranks(knobs: &DiscrepancyKnobs, seed: &SeedFindings) -> Vec<Measure> {
    let mut derived = Vec::new();
    for name in names(knobs) {
        let members: Vec<Family> = families(knobs).into_iter().filter(|family| family.name() == name).collect();
        let subjects: Vec<String> = members
            .iter()
            .flat_map(|family| family.amounts(knobs).iter().map(|&amount| family.subject(amount)))
            .collect();
        let values = |metric: &str| -> Option<Vec<f64>> {
            subjects.iter().map(|s| seed.measure(metric, s)?.estimate.value).collect()
        };
        let trained = matches!(members.first(), Some(Family::Trained(..)));
        let (order, what) = match trained {
            // More data, less distance.
            true => (Some(knobs.fractions.iter().map(|fraction| -fraction).collect()), "order of the fractions"),
            false => (values("dd-exact"), "exact distance"),
        };
        let Some(order) = order.filter(|values| !values.is_empty()) else { continue };
        let n = subjects.len() as u64;
        for metric in RANKING.into_iter().chain(trained.then_some("dd-exact")) {
            let Some(values) = values(metric) else { continue };
            // Where higher is better, a larger distance should give a lower value.
            let sign = if metric::card(metric).is_some_and(|card| card.better == Better::Higher) { -1.0 } else { 1.0 };
            let signed: Vec<f64> = values.iter().map(|v| sign * v).collect();
            let estimate = match kendall(&order, &signed) {
                // One seed's texts are a sample: only seeds tell how much a tau varies.
                Some(tau) => Estimate::uncertain(tau, n, format!("Kendall's tau with the {what} over {n} candidates")),
                None => Estimate::missing("one ranking is constant"),
            };
            derived.push(Measure::new(format!("tau-{metric}"), estimate).of(name.clone()));
        }
        if values("dd").is_some() && values("dd-exact").is_some() {
            for (mean, metric) in [("dd-mean", "dd"), ("dd-exact-mean", "dd-exact")] {
                let all = subjects.iter().filter_map(|s| seed.measure(metric, s)).map(|m| &m.estimate);
                derived.push(Measure::new(mean, mean_of(&all.collect::<Vec<_>>())).of(name.clone()));
            }
        }
    }
    for source in trained::sources(knobs) {
        let members: Vec<String> =
            knobs.generators.iter().map(|network| Family::Trained(source, network.model).name()).collect();
        let found: Vec<String> = derived.iter().filter(|m| m.subject == members[0]).map(|m| m.name.clone()).collect();
        for name in found {
            let all: Vec<&Estimate> = derived
                .iter()
                .filter(|m| m.name == name && members.contains(&m.subject))
                .map(|m| &m.estimate)
                .collect();
            if all.len() == members.len() && all.iter().all(|e| e.value.is_some()) {
                derived.push(Measure::new(name, mean_of(&all)).of(source.name()));
            }
        }
    }
    derived
}

/// The mean over candidates: exact where every candidate's value is.
fn mean_of(estimates: &[&Estimate]) -> Estimate {
    let n = estimates.len() as u64;
    let mean = estimates.iter().filter_map(|e| e.value).sum::<f64>() / n as f64;
    let method = format!("mean over {n}");
    if estimates.iter().all(|e| e.is_exact()) {
        Estimate::exact(mean, method).n(n)
    } else {
        Estimate::uncertain(mean, n, method)
    }
}
