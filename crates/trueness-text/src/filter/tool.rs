//! Training a filter on a person's real and generated text.
//!
//! It is a [`Study`] of one unit like any other, so that it has a run folder, a report, and can be
//! interrupted and resumed.

use super::{Filter, FilterConfig, Mode, judge};
use crate::corpus::split::hold_out;
use crate::corpus::{Tokenizer, Vocabulary, read, tokenize};
use crate::discriminator::{Classifier, Protocol};
use crate::error::Result;
use crate::generator::{self, Codec};
use crate::metric::bleu::{Orders, Settings, self_bleu};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trueness_core::report::{Axis, Best, Cell, Figure, Kind, Report, Samples, Series, Table};
use trueness_core::{Estimate, Findings, Measure, Run, Seed, Study, StudySource, Watch};
use trueness_nn::Sampling;

/// The files that describe the tool.
pub const FILTER_TRAIN: StudySource = StudySource {
    manifest: include_str!("../../studies/filter-train/study.toml"),
    readme: include_str!("../../studies/filter-train/README.md"),
};

/// The folder of a stage that holds the filter.
const FILTER: &str = "filter";

/// How many kept and how many rejected sentences are shown.
const SHOWN: usize = 10;

/// Points of each curve of the figure.
const POINTS: usize = 60;

/// The least number of sentences that are sampled from a model where no number is given.
const LEAST_SAMPLED: usize = 20_000;

/// The knobs of `trueness text filter train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct FilterTrainKnobs {
    /// Real sentences: one a line, UTF-8, plain or gzip.
    #[schemars(extend("x-position" = 1))]
    pub real: String,
    /// Generated sentences: a file, or a model folder to sample from.
    #[schemars(extend("x-position" = 2))]
    pub generated: String,
    /// The share of generated sentences to keep; several, for example 0.5,0.5, stack as many discriminators.
    pub accept: Vec<f64>,
    /// What is done with a discriminator's probability: calibrated (the paper), rejection or threshold.
    pub mode: Mode,
    /// The discriminators to try; validation chooses between them.
    pub classifier: Vec<Classifier>,
    /// How sentences are cut: whitespace, words, characters, or the path of a tokenizer.json.
    pub tokenizer: String,
    /// The share of both texts that is kept aside to judge the filter by.
    #[schemars(range(min = 0.01, max = 0.9))]
    pub aside: f64,
    /// The fresh classifiers that judge; validation chooses between them.
    pub judge: Vec<Classifier>,
    /// How many seeds each of them is trained with.
    #[schemars(range(min = 1, max = 100))]
    pub judge_seeds: u32,
    /// Sentences to sample from a model folder; 0: three for each real one and discriminator, and at least 20,000.
    #[schemars(range(min = 0, max = 100_000_000))]
    pub n: usize,
    /// The temperature to sample with.
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub temperature: f64,
    /// Bootstrap resamples behind the intervals.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub resamples: usize,
    /// The device that networks train on.
    pub device: String,
}

impl Default for FilterTrainKnobs {
    fn default() -> Self {
        Self {
            real: String::new(),
            generated: String::new(),
            accept: vec![0.5],
            mode: Mode::Calibrated,
            classifier: vec![Classifier::Ngram],
            tokenizer: "whitespace".to_owned(),
            aside: 0.3,
            judge: vec![Classifier::Ngram],
            judge_seeds: 3,
            n: 0,
            temperature: 1.0,
            resamples: 1000,
            device: "cpu".to_owned(),
        }
    }
}

impl FilterTrainKnobs {
    fn protocol(&self) -> Protocol {
        Protocol { classifiers: self.classifier.clone(), device: self.device.clone(), ..Protocol::default() }
    }

    fn judges(&self) -> Protocol {
        Protocol { classifiers: self.judge.clone(), seeds: self.judge_seeds, ..self.protocol() }
    }

    /// Whether sentences come from a model rather than from a file.
    fn samples(&self) -> bool {
        Path::new(&self.generated).is_dir()
    }
}

/// Training a filter, as a study.
#[derive(Clone, Copy, Debug, Default)]
pub struct FilterTrain;

/// Its one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilterTrainUnit {
    /// The whole training.
    Train,
}

/// What the stage keeps.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    measures: Vec<Measure>,
    warnings: Vec<String>,
    lead: String,
    kept: Vec<String>,
    rejected: Vec<String>,
    /// Logits of the first discriminator at evenly spaced quantiles: real, generated, kept.
    curves: [Vec<f64>; 3],
}

impl Study for FilterTrain {
    type Knobs = FilterTrainKnobs;
    type Unit = FilterTrainUnit;

    fn check(&self, knobs: &FilterTrainKnobs) -> trueness_core::Result<()> {
        let input = |what: String| Err(trueness_core::Error::Input(what));
        if knobs.real.is_empty() || knobs.generated.is_empty() {
            return input("expected a file of real sentences, and one of generated sentences or a model".to_owned());
        }
        if knobs.accept.is_empty() {
            return input("accept: expected a share to keep, for example 0.5".to_owned());
        }
        if let Some(wrong) = knobs.accept.iter().find(|share| !(**share > 0.0 && **share <= 1.0)) {
            return input(format!("accept: expected shares above 0 and at most 1, got {wrong}"));
        }
        knobs.protocol().check()?;
        knobs.judges().check()?;
        knobs.tokenizer.parse::<Tokenizer>()?;
        let real = read::read(Path::new(&knobs.real))?;
        if knobs.samples() {
            generator::load(Path::new(&knobs.generated), &trueness_nn::device::parse(&knobs.device)?)?;
        } else if knobs.n != 0 || knobs.temperature != 1.0 {
            return input(format!(
                "n and temperature are for a model folder to sample from, and {} is none",
                knobs.generated
            ));
        } else if read::read(Path::new(&knobs.generated))?.hash == real.hash {
            return input(format!("{} and {} hold the same text", knobs.real, knobs.generated));
        }
        Ok(())
    }

    fn inputs(&self, knobs: &FilterTrainKnobs) -> trueness_core::Result<Vec<PathBuf>> {
        let mut files = vec![PathBuf::from(&knobs.real)];
        if knobs.samples() {
            files.extend(generator::files(Path::new(&knobs.generated))?);
        } else {
            files.push(PathBuf::from(&knobs.generated));
        }
        if !tokenize::NAMES.contains(&knobs.tokenizer.as_str()) {
            files.push(PathBuf::from(&knobs.tokenizer));
        }
        Ok(files)
    }

    fn plan(&self, _knobs: &FilterTrainKnobs) -> trueness_core::Result<Vec<FilterTrainUnit>> {
        Ok(vec![FilterTrainUnit::Train])
    }

    fn unit_name(&self, _unit: &FilterTrainUnit) -> String {
        // Not "filter": its record would bear the name of a filter's own file.
        "train".to_owned()
    }

    fn run_unit(
        &self,
        knobs: &FilterTrainKnobs,
        _unit: &FilterTrainUnit,
        run: &mut Run<'_>,
    ) -> trueness_core::Result<()> {
        let staged = run
            .stage("filter", knobs, |stage| -> Result<Kept> { train(knobs, stage.dir(), stage.seed(), stage.watch()) });
        let kept = staged?.value;
        kept.measures.iter().for_each(|measure| run.push(measure.clone()));
        kept.warnings.iter().for_each(|warning| run.warn(warning.clone()));
        run.keep("trained", &kept)
    }

    fn report(&self, knobs: &FilterTrainKnobs, findings: &Findings, report: Report) -> trueness_core::Result<Report> {
        let Some(seed) = findings.first() else { return Ok(report) };
        let Some(kept) = seed.kept::<Kept>("train", "trained") else { return Ok(report) };
        let cell = |name: &str, subject: &str| {
            let found = kept.measures.iter().find(|m| m.name == name && m.subject == subject);
            found.map_or_else(|| Cell::Text("–".to_owned()), |m| Cell::Estimate(m.estimate.clone()))
        };
        let mut table = Table::new("Before and after, by fresh classifiers on sentences that the filter never saw")
            .words("text")
            .ranked("DD", Best::Lowest)
            .numbers("self-BLEU-4")
            .note("All rows have equally many sentences, but the floor where there are too few real ones. Self-BLEU above the real text's means that the text repeats itself.");
        for (what, subject) in [("generated", "generated"), ("kept by the filter", "kept")] {
            table = table.row([Cell::Text(what.to_owned()), cell("dd", subject), cell("self-bleu-4", subject)]);
        }
        table = table.row([
            Cell::Text("real, in halves: the floor".to_owned()),
            cell("dd-floor", "real"),
            cell("self-bleu-4", "real"),
        ]);
        let mut report = report.lead(kept.lead.clone()).table(table).figure(curves(&kept.curves)).key_values([(
            "filter a generator's output",
            "my-generator | trueness text filter apply THIS-RUN --rejected rejected.txt > kept.txt",
        )]);
        if knobs.accept.len() > 1 {
            report = report.text(format!(
                "A sentence is kept if each of {} discriminators keeps it; each was trained against what those before it keep.",
                knobs.accept.len()
            ));
        }
        for (title, sentences) in [("Kept", kept.kept), ("Rejected", kept.rejected)] {
            let mut samples = Samples::new(title);
            for sentence in sentences {
                samples = samples.text(sentence);
            }
            report = report.samples(samples);
        }
        Ok(report)
    }
}

fn curves([real, generated, kept]: &[Vec<f64>; 3]) -> Figure {
    let series = |name: &str, logits: &[f64]| {
        let mut series = Series::new(name, Kind::Line);
        for (i, &logit) in logits.iter().enumerate() {
            series = series.point(logit, (i as f64 + 0.5) / logits.len() as f64);
        }
        series
    };
    Figure::new("scores", "What the first discriminator says of sentences that it never saw")
        .x(Axis::new("log-odds that a sentence is real"))
        .y(Axis::new("share of sentences below"))
        .series(series("real", real))
        .series(series("generated", generated))
        .series(series("kept", kept))
        .caption(
            "Where the kept sentences' curve lies on the real ones', this discriminator can find no difference any \
             more; a fresh one may.",
        )
}

/// Generated sentences, in random order.
fn generated(knobs: &FilterTrainKnobs, real: usize, seed: Seed, watch: Watch<'_>) -> Result<Vec<String>> {
    let path = Path::new(&knobs.generated);
    if !knobs.samples() {
        let mut sentences = read::read(path)?.sentences;
        sentences.shuffle(&mut seed.child("filter/order").rng());
        return Ok(sentences);
    }
    let n = if knobs.n > 0 { knobs.n } else { (3 * real * knobs.accept.len()).max(LEAST_SAMPLED) };
    let model = generator::load(path, &trueness_nn::device::parse(&knobs.device)?)?;
    let sampling = Sampling { temperature: knobs.temperature, ..Sampling::default() };
    model.sample(n, sampling, seed.child("filter/sample"), watch)
}

fn train(knobs: &FilterTrainKnobs, folder: &Path, seed: Seed, watch: Watch<'_>) -> Result<Kept> {
    let tokenizer: Tokenizer = knobs.tokenizer.parse()?;
    let held = hold_out(read::read(Path::new(&knobs.real))?.sentences, knobs.aside, seed.child("filter/aside"));
    let [real, real_aside] = held.map_err(|error| error.at(Path::new(&knobs.real)))?;
    let mut generated = generated(knobs, real.len() + real_aside.len(), seed, watch)?;
    let aside = generated.split_off(generated.len() - (generated.len() as f64 * knobs.aside).round() as usize);
    let codec = Codec::of_words(&[real.as_slice(), &generated].concat(), tokenizer.clone(), 1)?;
    let checkpoints = folder.join("fit");
    let config = FilterConfig {
        protocol: knobs.protocol(),
        mode: knobs.mode,
        acceptance: knobs.accept.clone(),
        checkpoints: Some(checkpoints.clone()),
    };
    let filter = Filter::train(&real, &generated, &codec, &config, seed.child("filter/train"), watch)?;

    let decisions = filter.decide(&aside, 0, seed.child("filter/decide"))?;
    let side = |wanted: bool| -> Vec<String> {
        aside.iter().zip(&decisions).filter(|(_, kept)| **kept == wanted).map(|(s, _)| s.clone()).collect()
    };
    let (kept, rejected) = (side(true), side(false));
    let asked = filter.acceptance();
    let share = Estimate::proportion(kept.len() as u64, aside.len() as u64, "sentences that the filter never saw");
    let mut warnings = warnings(knobs, asked, &share);
    let cost = share.map(|share| 1.0 / share).unit("generated/kept");
    let mut vocabulary = Vocabulary::new();
    let mut encode = |text: &[String]| tokenizer.encode(text, &mut vocabulary);
    let (r, g, k) = (encode(&real_aside)?, encode(&aside)?, encode(&kept)?);
    let judges = knobs.judges();
    let found = judge(&judges, &r, &g, &k, vocabulary.len(), knobs.resamples, seed.child("filter/judge"), watch)?;
    let signature = format!("{}|judge:{}", filter.signature(), judges.signature());
    let put = |name: &str, subject: &str, estimate: Estimate| {
        Measure::new(name, estimate).of(subject).signed(signature.clone())
    };
    let mut measures = vec![
        put("acceptance", "kept", share.clone()),
        put("acceptance-asked", "kept", Estimate::exact(asked, "as asked, over all discriminators")),
        put("cost", "kept", cost),
    ];
    let mut verdict = "Too few sentences were kept aside to judge it".to_owned();
    match found {
        None => warnings.push(format!(
            "{} real sentences, {} generated and {} kept ones are too few to judge the filter by",
            r.len(),
            g.len(),
            k.len()
        )),
        Some(found) => {
            verdict = words(&found.change, found.n);
            if !found.change.high.is_some_and(|high| high < 0.0) {
                warnings.push(format!("{verdict}: do not use it without looking further"));
            }
            let n = found.n as u64;
            measures.push(put("dd", "generated", found.before.dd.n(n)));
            measures.push(put("dd", "kept", found.after.dd.n(n)));
            measures.push(put("dd-change", "kept", found.change));
            measures.push(put("dd-floor", "real", found.floor));
            let settings = Settings { orders: Orders::new(4, 4)?, ..Settings::default() };
            for (subject, text) in [("generated", &g), ("kept", &k), ("real", &r)] {
                let found = self_bleu(&text.first(found.n), &settings, seed.child("filter/self-bleu"))?;
                measures.extend(found.measures.into_iter().map(|measure| measure.of(subject)));
            }
        }
    }
    let quantiles = |text: &[String]| -> Result<Vec<f64>> { Ok(spaced(filter.logits(text)?)) };
    let curves = [quantiles(&real_aside)?, quantiles(&aside)?, quantiles(&kept)?];
    let lead = format!(
        "Trained on {} real and {} generated sentences to keep {:.3} of what is generated; it keeps {}. {verdict}.",
        real.len(),
        generated.len(),
        asked,
        trueness_core::report::format_estimate(&share),
    );
    let target = folder.join(FILTER);
    let staging = trueness_core::run::Staging::new(&target)?;
    filter.save(staging.path())?;
    staging.commit()?;
    // What it took to resume is not needed any more.
    if checkpoints.exists() {
        std::fs::remove_dir_all(&checkpoints).map_err(trueness_core::Error::io("remove", &checkpoints))?;
    }
    let shown = |side: Vec<String>| side.into_iter().take(SHOWN).collect();
    Ok(Kept { measures, warnings, lead, kept: shown(kept), rejected: shown(rejected), curves })
}

/// What the change of DD says.
fn words(change: &Estimate, n: usize) -> String {
    let shown = trueness_core::report::format_estimate(change);
    let of = format!("by fresh classifiers on {n} sentences of each side");
    match (change.low, change.high) {
        (_, Some(high)) if high < 0.0 => format!("DD falls ({shown}) {of}"),
        (Some(low), _) if low > 0.0 => format!("The filter does harm: DD rises ({shown}) {of}"),
        _ => format!("Whether DD falls is not clear ({shown}) {of}"),
    }
}

fn warnings(knobs: &FilterTrainKnobs, asked: f64, share: &Estimate) -> Vec<String> {
    let mut warnings = Vec::new();
    if knobs.mode == Mode::Threshold {
        warnings.push(
            "the mode threshold keeps what the discriminator likes best, again and again: the text gets less diverse \
             than the real one; compare the self-BLEU"
                .to_owned(),
        );
    }
    if share.value.is_some_and(|share| (share - asked).abs() > 0.02) {
        warnings.push(
            "the share that is kept differs from what was asked by more than .02: give more generated sentences"
                .to_owned(),
        );
    }
    warnings
}

/// The values at evenly spaced quantiles.
fn spaced(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len().min(POINTS);
    (0..n).map(|i| values[(2 * i + 1) * values.len() / (2 * n)]).collect()
}
