//! Distributional discrepancy on texts whose density is known: is the classifier's DD near the exact
//! one, and which metric ranks moved oracles as the exact distance does?

mod report;

use crate::corpus::Encoded;
use crate::discriminator::Protocol;
use crate::error::Result;
use crate::metric::bleu::{Orders, Settings, bleu, self_bleu};
use crate::metric::discrepancy::from_densities;
use crate::metric::embedding::{HashedOptions, hashed};
use crate::metric::frechet::frechet;
use crate::metric::language_model::{NgramConfig, NgramModel, SentenceScores};
use crate::metric::{self, Better};
use crate::oracle::grammar::{Grammar, GrammarKnobs};
use crate::oracle::lstm::{LstmConfig, LstmOracle};
use crate::oracle::{Oracle, log_density_ratio};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
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
}

/// The metrics that are asked to rank the candidates, as the paper compares them.
const RANKING: [&str; 6] = ["dd", "bleu-5", "self-bleu-5", "lm-score", "reverse-lm-score", "frechet"];

impl Family {
    fn name(self) -> &'static str {
        match self {
            Self::Grammar(_) => "grammar",
            Self::Lstm => "lstm",
        }
    }

    fn subject(self, amount: f64) -> String {
        match self {
            Self::Grammar(fault) => format!("grammar/{}-{amount}", fault.name()),
            Self::Lstm => format!("lstm/moved-{amount}"),
        }
    }

    fn amounts(self, knobs: &DiscrepancyKnobs) -> &[f64] {
        match self {
            Self::Grammar(_) => &knobs.amounts,
            Self::Lstm => &knobs.moves,
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
    families
}

impl Study for Discrepancy {
    type Knobs = DiscrepancyKnobs;
    type Unit = Family;

    fn check(&self, knobs: &DiscrepancyKnobs) -> trueness_core::Result<()> {
        for (name, amounts) in [("amounts", &knobs.amounts), ("moves", &knobs.moves)] {
            if let Some(wrong) = amounts.iter().find(|a| !(0.0..=1.0).contains(*a)) {
                return Err(trueness_core::Error::Input(format!("{name}: expected values from 0 to 1, got {wrong}")));
            }
        }
        for (name, amounts) in [("amounts", &knobs.amounts), ("moves", &knobs.moves)] {
            if let Some(i) = (1..amounts.len()).find(|&i| amounts[..i].contains(&amounts[i])) {
                return Err(trueness_core::Error::Input(format!("{name}: {} is named twice", amounts[i])));
            }
        }
        if let Some(i) = (1..knobs.faults.len()).find(|&i| knobs.faults[..i].contains(&knobs.faults[i])) {
            return Err(trueness_core::Error::Input(format!("faults: {} is named twice", knobs.faults[i].name())));
        }
        knobs.protocol.check()?;
        knobs.lstm.check()?;
        if families(knobs).is_empty() {
            return Err(trueness_core::Error::Input(
                "expected faults and amounts, or moves: there is nothing to measure".to_owned(),
            ));
        }
        Ok(())
    }

    fn plan(&self, knobs: &DiscrepancyKnobs) -> trueness_core::Result<Vec<Family>> {
        // The LSTM takes longest, so it begins first.
        let mut units = families(knobs);
        units.reverse();
        Ok(units)
    }

    fn unit_name(&self, unit: &Family) -> String {
        match unit {
            Family::Grammar(fault) => format!("grammar/{}", fault.name()),
            Family::Lstm => "lstm".to_owned(),
        }
    }

    fn run_unit(&self, knobs: &DiscrepancyKnobs, unit: &Family, run: &mut Run<'_>) -> trueness_core::Result<()> {
        Ok(match *unit {
            Family::Grammar(fault) => grammar(knobs, fault, run),
            Family::Lstm => lstm(knobs, run),
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
        candidate(knobs, family, amount, (&real, &moved), (&sentences, &generated), &known, Some(exact), run)?;
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
        candidate(knobs, Family::Lstm, amount, (&real, &moved), (&sentences, &generated), &known, None, run)?;
    }
    Ok(run.watch().step("lstm", knobs.moves.len() as u64, knobs.moves.len() as u64)?)
}

/// Measures one candidate: the exact distance, the classifier's, and what the other metrics say.
/// `known` are the unmoved oracle's log densities of its own sentences.
#[allow(clippy::too_many_arguments, reason = "what a candidate is, and where its measures go")]
fn candidate(
    knobs: &DiscrepancyKnobs,
    family: Family,
    amount: f64,
    oracles: (&dyn Oracle, &dyn Oracle),
    texts: (&Encoded, &Encoded),
    known: &[f64],
    exact: Option<Estimate>,
    run: &mut Run<'_>,
) -> Result<()> {
    let ((real, moved), (sentences, generated)) = (oracles, texts);
    let subject = family.subject(amount);
    let seed = run.seed().child("measure").child(&subject);
    let base = format!("real:{}|moved:{}|n:{}", real.signature(), moved.signature(), generated.len());
    let put = |measure: Measure, own: &str, run: &mut Run<'_>| {
        run.push(measure.of(subject.clone()).signed(format!("{own}|{base}")))
    };

    // The unmoved oracle's densities of its own sentences are the same for every candidate.
    let on_real: Vec<f64> = known.iter().zip(moved.log_density(sentences)).map(|(p, q)| p - q).collect();
    let density = from_densities(&on_real, &log_density_ratio(real, moved, generated)?);
    // Without a closed form the total variation comes from densities at the samples.
    put(Measure::new("dd-exact", exact.unwrap_or_else(|| density.tv.clone())), "exact", run);
    put(Measure::new("dd-density", density.dd), "exact", run);
    let vocabulary = real.vocabulary().len();
    let judged =
        knobs.protocol.judge(sentences, generated, vocabulary, knobs.resamples, 0, seed.child("dd"), run.watch())?;
    put(Measure::new("dd", judged.discrepancy.dd), &knobs.protocol.signature(), run);

    // Over several seeds the interval comes from the seeds, so that few groups do within one.
    let settings =
        Settings { orders: Orders::new(5, 5)?, resamples: knobs.resamples, groups: 5, ..Settings::default() };
    for measure in bleu(generated, sentences, &settings, seed)?
        .measures
        .into_iter()
        .chain(self_bleu(generated, &settings, seed)?.measures)
    {
        let own = measure.signature.clone();
        put(measure, &own, run);
    }
    let config = NgramConfig { vocabulary: Some(vocabulary), ..NgramConfig::default() };
    for (name, train, scored) in [("lm-score", sentences, generated), ("reverse-lm-score", generated, sentences)] {
        let model = NgramModel::fit(train, &config)?;
        put(Measure::new(name, model.score(scored).estimate(seed.child(name))), &model.signature(), run);
    }
    let options = HashedOptions { dims: if sentences.len() >= 1000 { 128 } else { 16 }, ..HashedOptions::default() };
    let embed = |text: &Encoded| hashed(text, real.vocabulary(), &options);
    let distance = frechet(&embed(sentences)?, &embed(generated)?, seed)?;
    put(distance.measure(), &distance.signature, run);
    Ok(())
}

/// Kendall's tau of every metric with the exact distance, over all candidates of a family, and the
/// means over candidates of the classifier's and of the exact DD.
fn ranks(knobs: &DiscrepancyKnobs, seed: &SeedFindings) -> Vec<Measure> {
    let mut derived = Vec::new();
    for name in ["grammar", "lstm"] {
        let subjects: Vec<String> = families(knobs)
            .into_iter()
            .filter(|family| family.name() == name)
            .flat_map(|family| {
                family.amounts(knobs).iter().map(move |&amount| family.subject(amount)).collect::<Vec<_>>()
            })
            .collect();
        let values = |metric: &str| -> Option<Vec<f64>> {
            subjects.iter().map(|s| seed.measure(metric, s)?.estimate.value).collect()
        };
        let Some(exact) = values("dd-exact").filter(|values| !values.is_empty()) else { continue };
        let n = subjects.len() as u64;
        for metric in RANKING {
            let Some(values) = values(metric) else { continue };
            // Where higher is better, a larger distance should give a lower value.
            let sign = if metric::card(metric).is_some_and(|card| card.better == Better::Higher) { -1.0 } else { 1.0 };
            let signed: Vec<f64> = values.iter().map(|v| sign * v).collect();
            let estimate = match kendall(&exact, &signed) {
                // One seed's texts are a sample: only seeds tell how much a tau varies.
                Some(tau) => {
                    Estimate::uncertain(tau, n, format!("Kendall's tau with the exact distance over {n} candidates"))
                }
                None => Estimate::missing("one ranking is constant"),
            };
            derived.push(Measure::new(format!("tau-{metric}"), estimate).of(name));
        }
        if values("dd").is_some() {
            for (mean, metric) in [("dd-mean", "dd"), ("dd-exact-mean", "dd-exact")] {
                let all = subjects.iter().filter_map(|s| seed.measure(metric, s)).map(|m| &m.estimate);
                derived.push(Measure::new(mean, mean_of(&all.collect::<Vec<_>>())).of(name));
            }
        }
    }
    derived
}

/// The mean over candidates: exact where every candidate's value is.
fn mean_of(estimates: &[&Estimate]) -> Estimate {
    let n = estimates.len() as u64;
    let mean = estimates.iter().filter_map(|e| e.value).sum::<f64>() / n as f64;
    let method = format!("mean over {n} candidates");
    if estimates.iter().all(|e| e.is_exact()) {
        Estimate::exact(mean, method).n(n)
    } else {
        Estimate::uncertain(mean, n, method)
    }
}
