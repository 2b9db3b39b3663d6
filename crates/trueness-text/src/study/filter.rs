//! A discriminator as a filter: over temperatures, shares kept and recursion, is what is kept nearer to real
//! text, and at what cost in diversity?

mod report;

use super::battery::Battery;
use crate::corpus::split::{Sizes, SplitOptions, split};
use crate::corpus::{Encoded, Tokenizer, read};
use crate::discriminator::Protocol;
use crate::error::{Error, Result};
use crate::filter::{Filter, FilterConfig, Mode};
use crate::generator::{Codec, Generator, Job, Kind, NetworkKnobs, TrainingKnobs};
use crate::metric::bleu::{Orders, Settings, self_bleu};
use crate::oracle::Oracle;
use crate::oracle::grammar::Grammar;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trueness_core::report::{Report, Samples};
use trueness_core::study::SeedFindings;
use trueness_core::{Estimate, Findings, Measure, Run, Seed, Study, StudySource, Watch};
use trueness_nn::Sampling;

/// The files that describe the study.
pub const FILTER: StudySource = StudySource {
    manifest: include_str!("../../studies/filter/study.toml"),
    readme: include_str!("../../studies/filter/README.md"),
};

/// The subject of the real text's own values.
const REAL: &str = "real";

/// How many sentences are shown of each kind.
const SHOWN: usize = 3;

/// Sentences are drawn for so many times as many as should be needed, before it is given up.
const PATIENCE: usize = 4;

/// The study.
#[derive(Clone, Copy, Debug, Default)]
pub struct FilterStudy;

/// The knobs of the study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilterKnobs {
    /// A file of real sentences; the caption grammar where nothing is named.
    pub corpus: String,
    /// How its sentences are cut: whitespace, words, characters, or the path of a tokenizer.json.
    pub tokenizer: String,
    /// Sentences that the generators learn from; a tenth as many choose the pass.
    #[schemars(range(min = 20, max = 100_000_000))]
    pub n_train: usize,
    /// Real sentences that each discriminator learns from, unseen by the generators; as many generated ones.
    #[schemars(range(min = 20, max = 100_000_000))]
    pub n_filter: usize,
    /// Sentences of each side that everything is measured on, unseen by generators and filters.
    #[schemars(range(min = 50, max = 100_000_000))]
    pub n: usize,
    /// The generators.
    pub generators: Vec<NetworkKnobs>,
    /// How they are trained.
    pub training: TrainingKnobs,
    /// The temperatures that are sampled at.
    pub temperatures: Vec<f64>,
    /// The shares that a filter keeps.
    pub acceptance: Vec<f64>,
    /// How many discriminators are stacked at temperature 1.
    #[schemars(range(min = 1, max = 8))]
    pub depth: usize,
    /// The share that each of these keeps.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub depth_acceptance: f64,
    /// What is done with a discriminator's probability: calibrated (the paper), rejection or threshold.
    pub mode: Mode,
    /// The discriminators of the filters.
    pub discriminator: Protocol,
    /// The fresh classifiers behind DD.
    pub protocol: Protocol,
    /// Bootstrap resamples behind the intervals of one seed.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub resamples: usize,
}

impl Default for FilterKnobs {
    fn default() -> Self {
        Self {
            corpus: String::new(),
            tokenizer: "whitespace".to_owned(),
            n_train: 4000,
            n_filter: 4000,
            n: 2000,
            generators: vec![
                NetworkKnobs { embedding: 64, hidden: 128, keep: 0.8, ..NetworkKnobs::default() },
                NetworkKnobs::gpt2(2, 64),
            ],
            training: TrainingKnobs { epochs: 15, ..TrainingKnobs::default() },
            temperatures: vec![0.7, 0.85, 1.0, 1.2],
            acceptance: vec![0.8, 0.5, 0.2],
            depth: 3,
            depth_acceptance: 0.5,
            mode: Mode::Calibrated,
            discriminator: Protocol::default(),
            protocol: Protocol { seeds: 2, ..Protocol::default() },
            resamples: 200,
        }
    }
}

/// The real sentences of a seed.
struct Texts {
    train: Vec<String>,
    valid: Vec<String>,
    filter: Vec<String>,
    judge: Vec<String>,
    /// The grammar, where it made them.
    grammar: Option<Grammar>,
}

impl FilterKnobs {
    fn counts(&self) -> Vec<usize> {
        vec![self.n_train, (self.n_train / 10).max(1), self.n_filter, self.n]
    }

    fn texts(&self, seed: Seed) -> Result<Texts> {
        let counts = self.counts();
        let (sentences, parts, grammar) = if self.corpus.is_empty() {
            let grammar = Grammar::default();
            let drawn = grammar.sample(counts.iter().sum(), seed.child("filter/real"));
            let sentences: Vec<String> = drawn.iter().map(|s| grammar.vocabulary().decode(s)).collect();
            let mut from = 0;
            let parts = counts.iter().map(|&n| {
                from += n;
                (from - n..from).collect()
            });
            (sentences, parts.collect::<Vec<Vec<usize>>>(), Some(grammar))
        } else {
            let path = Path::new(&self.corpus);
            let sentences = read::read(path)?.sentences;
            let options = SplitOptions { sizes: Sizes::Counts(counts), keep_duplicates_together: true };
            let parts = split(&sentences, &options, seed.child("filter/split")).map_err(|error| error.at(path))?;
            (sentences, parts, None)
        };
        let mut parts =
            parts.into_iter().map(|part| part.into_iter().map(|i| sentences[i].clone()).collect::<Vec<String>>());
        let mut next = || parts.next().unwrap_or_default();
        Ok(Texts { train: next(), valid: next(), filter: next(), judge: next(), grammar })
    }
}

/// What a generator is called in subjects.
fn name(network: &NetworkKnobs) -> &'static str {
    network.model.name()
}

fn subject(network: &NetworkKnobs, temperature: f64, what: &str) -> String {
    format!("{}/t{temperature}/{what}", name(network))
}

/// One text of a unit: how it was made, and how many discriminators it passed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Candidate {
    Raw,
    Kept(f64),
    Depth(usize),
}

impl Candidate {
    fn name(self) -> String {
        match self {
            Self::Raw => "raw".to_owned(),
            Self::Kept(share) => format!("c{share}"),
            Self::Depth(depth) => format!("depth{depth}"),
        }
    }
}

/// The share that the whole stack keeps.
fn alike(knobs: &FilterKnobs) -> f64 {
    knobs.depth_acceptance.powi(knobs.depth as i32)
}

/// The candidates at a temperature.
fn candidates(knobs: &FilterKnobs, temperature: f64) -> Vec<Candidate> {
    let mut shares = knobs.acceptance.clone();
    let mut deep = Vec::new();
    if temperature == 1.0 {
        deep.extend((1..=knobs.depth).map(Candidate::Depth));
        // One discriminator that keeps as few as all of them: else a small share would pass for depth.
        let alike = alike(knobs);
        if !shares.contains(&alike) {
            shares.push(alike);
        }
    }
    std::iter::once(Candidate::Raw).chain(shares.into_iter().map(Candidate::Kept)).chain(deep).collect()
}

impl Study for FilterStudy {
    type Knobs = FilterKnobs;
    type Unit = Kind;

    fn check(&self, knobs: &FilterKnobs) -> trueness_core::Result<()> {
        let input = |what: String| Err(trueness_core::Error::Input(what));
        if knobs.generators.is_empty() || knobs.temperatures.is_empty() {
            return input("expected at least one generator and one temperature".to_owned());
        }
        let twice = |i: usize| knobs.generators[..i].iter().any(|other| other.model == knobs.generators[i].model);
        if let Some(i) = (1..knobs.generators.len()).find(|&i| twice(i)) {
            return input(format!("generators: {} is named twice", name(&knobs.generators[i])));
        }
        if let Some(wrong) = knobs.temperatures.iter().find(|t| !(**t > 0.0 && t.is_finite())) {
            return input(format!("temperatures: expected values above 0, got {wrong}"));
        }
        if let Some(wrong) = knobs.acceptance.iter().find(|share| !(**share > 0.0 && **share <= 1.0)) {
            return input(format!("acceptance: expected shares above 0 and at most 1, got {wrong}"));
        }
        for (name, values) in [("temperatures", &knobs.temperatures), ("acceptance", &knobs.acceptance)] {
            if let Some(i) = (1..values.len()).find(|&i| values[..i].contains(&values[i])) {
                return input(format!("{name}: {} is named twice", values[i]));
            }
        }
        knobs.discriminator.check()?;
        knobs.protocol.check()?;
        knobs.tokenizer.parse::<Tokenizer>()?;
        // A corpus that is too small shows here, before anything is trained.
        if !knobs.corpus.is_empty() {
            knobs.texts(Seed::new(0))?;
        }
        Ok(())
    }

    fn inputs(&self, knobs: &FilterKnobs) -> trueness_core::Result<Vec<PathBuf>> {
        let tokenizer = !crate::corpus::tokenize::NAMES.contains(&knobs.tokenizer.as_str());
        let files = [(!knobs.corpus.is_empty(), &knobs.corpus), (tokenizer, &knobs.tokenizer)];
        Ok(files.into_iter().filter(|(given, _)| *given).map(|(_, file)| file.into()).collect())
    }

    fn plan(&self, knobs: &FilterKnobs) -> trueness_core::Result<Vec<Kind>> {
        Ok(knobs.generators.iter().map(|network| network.model).collect())
    }

    fn unit_name(&self, unit: &Kind) -> String {
        unit.name().to_owned()
    }

    fn run_unit(&self, knobs: &FilterKnobs, unit: &Kind, run: &mut Run<'_>) -> trueness_core::Result<()> {
        let Some(network) = knobs.generators.iter().find(|network| network.model == *unit) else { return Ok(()) };
        Ok(measure(knobs, network, run)?)
    }

    fn derive(&self, knobs: &FilterKnobs, seed: &SeedFindings) -> trueness_core::Result<Vec<Measure>> {
        Ok(knobs.generators.iter().flat_map(|network| at_equal_quality(knobs, network, seed)).collect())
    }

    fn report(&self, knobs: &FilterKnobs, findings: &Findings, report: Report) -> trueness_core::Result<Report> {
        Ok(report::write(knobs, findings, report))
    }
}

/// Trains the generator, or reads it where that was done.
fn train(knobs: &FilterKnobs, network: &NetworkKnobs, texts: &Texts, run: &mut Run<'_>) -> Result<Generator> {
    let codec = Codec::of_words(&texts.train, knobs.tokenizer.parse()?, 1)?;
    let device = trueness_nn::device::parse(&knobs.protocol.device)?;
    let inputs = (&knobs.corpus, &knobs.tokenizer, knobs.n_train, network, &knobs.training);
    crate::train::in_stage(run, "generator", &inputs, &device, |checkpoints, seed, watch| {
        let (train, valid) = (codec.encode(&texts.train)?.sentences, codec.encode(&texts.valid)?.sentences);
        let longest = train.iter().map(Vec::len).max().unwrap_or(1).max(1);
        let valid: Vec<Vec<u32>> = valid.into_iter().filter(|sentence| sentence.len() <= longest).collect();
        let job = Job {
            network,
            training: &knobs.training,
            codec: &codec,
            train: &train,
            valid: &valid,
            longest,
            device: &device.clone().autodiff(),
            checkpoints: Some(checkpoints),
            observe: None,
        };
        Ok(job.run(seed.child("filter/generator"), watch)?.generator)
    })
}

/// Sentences of a generator at a temperature, drawn as they are needed.
struct Pool<'a> {
    generator: &'a Generator,
    sampling: Sampling,
    seed: Seed,
    chunk: usize,
    sentences: Vec<String>,
}

impl Pool<'_> {
    fn at_least(&mut self, n: usize, watch: Watch<'_>) -> Result<&[String]> {
        while self.sentences.len() < n {
            let seed = self.seed.nth((self.sentences.len() / self.chunk) as u64);
            self.sentences.extend(self.generator.sample(self.chunk, self.sampling, seed, watch)?);
        }
        Ok(&self.sentences)
    }

    /// The first `n` sentences that a filter keeps, and how many were looked at.
    fn kept(&mut self, filter: &Filter, n: usize, seed: Seed, watch: Watch<'_>) -> Result<(Vec<String>, usize)> {
        let most = PATIENCE * (n as f64 / filter.acceptance()).ceil() as usize;
        let (mut kept, mut seen) = (Vec::new(), 0);
        while kept.len() < n && seen < most {
            let chunk = self.chunk;
            let some = &self.at_least(seen + chunk, watch)?[seen..seen + chunk];
            for (sentence, keep) in some.iter().zip(filter.decide(some, seen as u64, seed)?) {
                if kept.len() == n {
                    break;
                }
                seen += 1;
                if keep {
                    kept.push(sentence.clone());
                }
            }
        }
        Ok((kept, seen))
    }
}

/// What a temperature gave.
#[derive(Serialize, Deserialize)]
struct Measured {
    measures: Vec<Measure>,
    /// Labels and sentences.
    samples: Vec<(String, String)>,
    warnings: Vec<String>,
}

fn measure(knobs: &FilterKnobs, network: &NetworkKnobs, run: &mut Run<'_>) -> Result<()> {
    let texts = knobs.texts(run.seed())?;
    let generator = train(knobs, network, &texts, run)?;
    let total = knobs.temperatures.len() as u64;
    let mut samples = Samples::new(format!("Sentences of the generator {}", name(network)));
    for (i, &temperature) in knobs.temperatures.iter().enumerate() {
        run.watch().step(name(network), i as u64, total)?;
        let staged = run.stage("temperature", &(knobs, network, temperature), |stage| -> Result<Measured> {
            at_temperature(knobs, network, temperature, &texts, &generator, stage.seed(), stage.watch())
        })?;
        let Measured { measures, samples: shown, warnings } = staged.value;
        measures.into_iter().for_each(|measure| run.push(measure));
        warnings.into_iter().for_each(|warning| run.warn(warning));
        for (label, text) in shown {
            samples = samples.labelled(label, text);
        }
    }
    run.watch().step(name(network), total, total)?;
    run.samples(samples);
    Ok(())
}

/// All candidates at one temperature.
fn at_temperature(
    knobs: &FilterKnobs,
    network: &NetworkKnobs,
    temperature: f64,
    texts: &Texts,
    generator: &Generator,
    seed: Seed,
    watch: Watch<'_>,
) -> Result<Measured> {
    // The same held-out real sentences for all candidates.
    let classifiers = seed.child("filter/classifiers");
    let seed = seed.child("filter").child(name(network)).child(&temperature.to_string());
    let sampling = Sampling { temperature, ..Sampling::default() };
    let pool = |name: &str| {
        let (seed, sentences) = (seed.child(name), Vec::new());
        Pool { generator, sampling, seed, chunk: knobs.n_filter.min(knobs.n).max(500), sentences }
    };
    let mut learned = pool("learned");
    let codec = Codec::of_words(&[texts.train.as_slice(), &texts.filter].concat(), knobs.tokenizer.parse()?, 1)?;
    let mut filter = |acceptance: Vec<f64>| {
        let n = acceptance.len() * knobs.n_filter;
        let generated = learned.at_least(n, watch)?[..n].to_vec();
        let config =
            FilterConfig { protocol: knobs.discriminator.clone(), mode: knobs.mode, acceptance, checkpoints: None };
        Filter::train(&texts.filter, &generated, &codec, &config, seed.child("train"), watch)
    };
    let stacked = match temperature == 1.0 {
        true => Some(filter(vec![knobs.depth_acceptance; knobs.depth])?),
        false => None,
    };
    let encode = |text: &[String]| Ok::<Encoded, Error>(codec.to_vocabulary(&codec.encode(text)?.sentences));
    let real = encode(&texts.judge)?;
    let no_words = crate::corpus::Vocabulary::new();
    let vocabulary = codec.vocabulary().unwrap_or(&no_words);
    let battery = Battery { protocol: &knobs.protocol, resamples: knobs.resamples, order: 4, vocabulary };
    let mut fresh = pool("fresh");
    let (mut measures, mut samples, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for candidate in candidates(knobs, temperature) {
        watch.check()?;
        let subject = subject(network, temperature, &candidate.name());
        let seed = seed.child(&candidate.name());
        let (text, seen, asked) = match candidate {
            Candidate::Raw => (fresh.at_least(knobs.n, watch)?[..knobs.n].to_vec(), knobs.n, 1.0),
            Candidate::Kept(share) => {
                let filter = filter(vec![share])?;
                let (kept, seen) = fresh.kept(&filter, knobs.n, seed.child("decide"), watch)?;
                (kept, seen, share)
            }
            Candidate::Depth(depth) => {
                let Some(filter) = stacked.as_ref().map(|filter| filter.first(depth)) else { continue };
                let (kept, seen) = fresh.kept(&filter, knobs.n, seed.child("decide"), watch)?;
                (kept, seen, filter.acceptance())
            }
        };
        let signature = format!("{}|t:{temperature}|{}", generator.signature(), candidate.name());
        let put = |measure: Measure| {
            let own = format!("{}|{signature}", measure.signature);
            measure.of(subject.clone()).signed(own)
        };
        let share = Estimate::proportion(text.len() as u64, seen as u64, "generated sentences that were looked at");
        if candidate != Candidate::Raw {
            measures.push(put(Measure::new("acceptance", share)));
            measures.push(put(Measure::new("acceptance-asked", Estimate::exact(asked, "as asked"))));
        }
        if text.len() < knobs.n {
            // Nothing else is comparable at another size.
            warnings.push(format!(
                "{subject}: only {} of {} sentences were kept of {seen}, so that nothing is measured on them",
                text.len(),
                knobs.n
            ));
            continue;
        }
        if let Some(grammar) = &texts.grammar {
            measures.push(put(Measure::new("impossible", impossible(grammar, &text))));
        }
        let coded = encode(&text)?;
        let found = battery.measure(&real, &coded, [classifiers, seed.child("measure")], watch)?;
        measures.extend(found.into_iter().map(put));
        for sentence in text.iter().take(SHOWN) {
            samples.push((format!("temperature {temperature}, {}", candidate.name()), sentence.clone()));
        }
    }
    if temperature == 1.0 {
        let half = real.len() / 2;
        let (a, b) = (real.first(half), real.subset(&(half..2 * half).collect::<Vec<usize>>()));
        let found = battery.measure(&a, &b, [classifiers, seed.child("floor")], watch)?;
        let settings = Settings { orders: Orders::new(4, 4)?, groups: 5, ..Settings::default() };
        let own = self_bleu(&real, &settings, seed.child("real"))?;
        let floor = found
            .into_iter()
            .filter(|measure| measure.name == "dd")
            .map(|m| Measure { name: "dd-floor".to_owned(), ..m });
        let subject = format!("{REAL}/{}", name(network));
        measures.extend(floor.chain(own.measures).map(|measure| measure.of(subject.clone())));
    }
    Ok(Measured { measures, samples, warnings })
}

/// The share of sentences that the grammar cannot make: words that it does not know, or rules broken.
fn impossible(grammar: &Grammar, text: &[String]) -> Estimate {
    let vocabulary = grammar.vocabulary();
    let known: Vec<Option<Vec<u32>>> =
        text.iter().map(|sentence| sentence.split(' ').map(|word| vocabulary.id(word)).collect()).collect();
    let possible: Encoded = known.iter().flatten().cloned().collect();
    let right = grammar.log_density(&possible).iter().filter(|log| log.is_finite()).count();
    Estimate::proportion((text.len() - right) as u64, text.len() as u64, "sentences of density 0 in the grammar")
}

/// Two metrics, the first of quality and the second of diversity.
const CURVES: [(&str, &str); 2] = [("bleu-4", "self-bleu-4"), ("lm-score", "reverse-lm-score")];

/// Diversity of the unfiltered generator at the temperature that gives the quality of the filtered text at
/// temperature 1, by linear interpolation between the temperatures that were measured.
fn at_equal_quality(knobs: &FilterKnobs, network: &NetworkKnobs, seed: &SeedFindings) -> Vec<Measure> {
    let mut derived = Vec::new();
    let value = |metric: &str, subject: &str| seed.measure(metric, subject).and_then(|m| m.estimate.value);
    for (quality, diversity) in CURVES {
        let unit = |metric: &str| {
            let found = seed.measures.iter().find(|measure| measure.name == metric);
            found.map_or(String::new(), |measure| measure.estimate.unit.clone())
        };
        let raw = |&t: &f64| {
            let subject = subject(network, t, "raw");
            Some((value(quality, &subject)?, value(diversity, &subject)?))
        };
        let mut curve: Vec<(f64, f64)> = knobs.temperatures.iter().filter_map(raw).collect();
        curve.sort_by(|a, b| a.0.total_cmp(&b.0));
        for &share in &knobs.acceptance {
            let subject = subject(network, 1.0, &Candidate::Kept(share).name());
            let Some(at) = value(quality, &subject) else { continue };
            let estimate = match interpolate(&curve, at) {
                // One seed's value has no error of its own: only seeds tell how much it varies.
                Some(y) => Estimate::uncertain(
                    y,
                    curve.len() as u64,
                    format!("interpolated over {} temperatures at {quality} {at:.4}", curve.len()),
                )
                .unit(unit(diversity)),
                None => Estimate::missing(format!("no temperature gives {quality} {at:.4}")),
            };
            derived.push(Measure::new(format!("{diversity}-at-equal-{quality}"), estimate).of(subject));
        }
    }
    derived
}

/// The height of a curve, sorted by x, at a place within it.
fn interpolate(curve: &[(f64, f64)], x: f64) -> Option<f64> {
    curve.windows(2).find(|pair| pair[0].0 <= x && x <= pair[1].0).map(|pair| {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
        if x1 > x0 { y0 + (y1 - y0) * (x - x0) / (x1 - x0) } else { y0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_read_between_its_points_and_nowhere_else() {
        let curve = [(0.0, 1.0), (2.0, 5.0), (3.0, 4.0)];
        assert_eq!(interpolate(&curve, 1.0), Some(3.0));
        assert_eq!(interpolate(&curve, 2.5), Some(4.5));
        assert_eq!(interpolate(&curve, 3.0), Some(4.0));
        assert_eq!((interpolate(&curve, -0.1), interpolate(&curve, 3.1)), (None, None));
        assert_eq!(interpolate(&[(1.0, 2.0)], 1.0), None);
    }

    #[test]
    fn what_the_grammar_cannot_say_is_counted() {
        let grammar = Grammar::default();
        let mut text: Vec<String> =
            grammar.sample(8, Seed::new(1)).iter().map(|s| grammar.vocabulary().decode(s)).collect();
        assert_eq!(impossible(&grammar, &text).value, Some(0.0));
        text.extend(["a a a".to_owned(), "no such words at all".to_owned()]);
        assert_eq!(impossible(&grammar, &text).value, Some(0.2));
    }
}
