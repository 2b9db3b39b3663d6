//! Training a generator on a person's own text.
//!
//! It is a [`Study`] of one unit like any other, so that it has a run folder, a report, and can be
//! interrupted and resumed.

use super::{Beginning, Card, Codec, Job, Kind, NetworkKnobs, TrainingKnobs};
use crate::corpus::duplicates::normalise;
use crate::corpus::{Tokenizer, read, tokenize};
use crate::error::{Error, Result};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trueness_core::report::{Axis, Figure, Kind as Drawn, Report, Samples, Series};
use trueness_core::{Findings, Measure, Run, Seed, Study, StudySource};
use trueness_nn::{Checkpoints, Sampling, Schedule};

/// The files that describe the tool.
pub const TRAIN: StudySource = StudySource {
    manifest: include_str!("../../studies/train/study.toml"),
    readme: include_str!("../../studies/train/README.md"),
};

/// The folder of a stage that holds the model.
pub(super) const MODEL: &str = "model";

/// How many samples are shown.
const SHOWN: usize = 20;

/// The knobs of `trueness text train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TrainKnobs {
    /// Sentences to learn from: one a line, UTF-8, plain or gzip.
    #[schemars(extend("x-position" = 1))]
    pub corpus: String,
    /// The network: lstm or gpt2.
    pub model: Kind,
    /// Sentences that choose the pass, in a file of their own; a share of the corpus where none is named.
    pub valid: String,
    /// The share of the corpus that is held out to choose the pass.
    #[schemars(range(min = 0.001, max = 0.5))]
    pub valid_share: f64,
    /// How sentences are cut: whitespace, words, characters, or the path of a tokenizer.json.
    pub tokenizer: String,
    /// Words that stand in the corpus less often than this are not known to the model.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_count: usize,
    /// Tokens of the longest sentence that is learned and made; longer ones are left out. 0: the corpus's longest.
    #[schemars(range(min = 0, max = 65_536))]
    pub length: usize,
    /// The size of each layer: the LSTM's states, or the transformer's vectors.
    #[schemars(range(min = 1, max = 65_536))]
    pub hidden: usize,
    /// The size of a token's vector in the LSTM.
    #[schemars(range(min = 1, max = 65_536))]
    pub embedding: usize,
    /// How many layers lie above each other.
    #[schemars(range(min = 1, max = 1024))]
    pub layers: usize,
    /// How many heads each attention of the transformer has; 0: one for each 64 numbers of a vector.
    #[schemars(range(min = 0, max = 1024))]
    pub heads: usize,
    /// The probability with which dropout keeps a feature in training.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub keep: f64,
    /// How the LSTM's weights begin: uniform, or normal.
    pub init: Beginning,
    /// Passes over the sentences, at most.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub epochs: usize,
    /// Stop after so many passes without a lower validation loss.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub patience: usize,
    /// Sentences in a batch.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub batch: usize,
    /// Adam's step size.
    #[schemars(range(min = 1e-9, max = 10.0))]
    pub learning_rate: f64,
    /// How the step size changes: constant, or cosine.
    pub schedule: Schedule,
    /// The largest joint norm of all gradients.
    #[schemars(range(min = 1e-6, max = 1e6))]
    pub clip: f64,
    /// How much of each parameter is taken away at each step, as a share of the step size.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub weight_decay: f64,
    /// The device to train on.
    pub device: String,
}

impl Default for TrainKnobs {
    fn default() -> Self {
        let (network, training) = (NetworkKnobs::default(), TrainingKnobs::default());
        Self {
            corpus: String::new(),
            model: network.model,
            valid: String::new(),
            valid_share: 0.1,
            tokenizer: "whitespace".to_owned(),
            min_count: 1,
            length: 0,
            hidden: network.hidden,
            embedding: network.embedding,
            layers: network.layers,
            heads: network.heads,
            keep: network.keep,
            init: network.init,
            epochs: training.epochs,
            patience: training.patience.unwrap_or(3),
            batch: training.batch,
            learning_rate: training.learning_rate,
            schedule: training.schedule,
            clip: training.clip.unwrap_or(5.0),
            weight_decay: training.weight_decay,
            device: "cpu".to_owned(),
        }
    }
}

impl TrainKnobs {
    fn network(&self) -> NetworkKnobs {
        NetworkKnobs {
            model: self.model,
            embedding: self.embedding,
            hidden: self.hidden,
            layers: self.layers,
            heads: self.heads,
            keep: self.keep,
            init: self.init,
        }
    }

    fn training(&self) -> TrainingKnobs {
        TrainingKnobs {
            epochs: self.epochs,
            patience: Some(self.patience),
            batch: self.batch,
            learning_rate: self.learning_rate,
            schedule: self.schedule,
            clip: Some(self.clip),
            weight_decay: self.weight_decay,
        }
    }
}

/// Training as a study.
#[derive(Clone, Copy, Debug, Default)]
pub struct Train;

/// Its one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainUnit {
    /// The whole training.
    Train,
}

/// What the stage keeps.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    history: Vec<trueness_nn::Epoch>,
    best: trueness_nn::Best,
    steps: u64,
    measures: Vec<Measure>,
    samples: Vec<String>,
    warnings: Vec<String>,
    lead: String,
}

impl Study for Train {
    type Knobs = TrainKnobs;
    type Unit = TrainUnit;

    fn check(&self, knobs: &TrainKnobs) -> trueness_core::Result<()> {
        if knobs.corpus.is_empty() {
            return Err(trueness_core::Error::Input("expected a file of sentences to learn from".to_owned()));
        }
        trueness_nn::device::parse(&knobs.device)?;
        knobs.tokenizer.parse::<Tokenizer>()?;
        // Sizes that make no sense cost nothing.
        knobs.network().sizes(2, knobs.length.max(1)).check()?;
        for path in [&knobs.corpus, &knobs.valid] {
            if !path.is_empty() {
                read::read(Path::new(path))?;
            }
        }
        Ok(())
    }

    fn inputs(&self, knobs: &TrainKnobs) -> trueness_core::Result<Vec<PathBuf>> {
        let tokenizer = !tokenize::NAMES.contains(&knobs.tokenizer.as_str());
        let files = [(true, &knobs.corpus), (!knobs.valid.is_empty(), &knobs.valid), (tokenizer, &knobs.tokenizer)];
        Ok(files.into_iter().filter(|(given, _)| *given).map(|(_, file)| file.into()).collect())
    }

    fn plan(&self, _knobs: &TrainKnobs) -> trueness_core::Result<Vec<TrainUnit>> {
        Ok(vec![TrainUnit::Train])
    }

    fn unit_name(&self, _unit: &TrainUnit) -> String {
        "train".to_owned()
    }

    fn run_unit(&self, knobs: &TrainKnobs, _unit: &TrainUnit, run: &mut Run<'_>) -> trueness_core::Result<()> {
        // The model lies in the stage's folder, where those who are given the run's folder find it.
        let staged = run.stage("train", knobs, |stage| -> Result<Kept> {
            let folder = stage.dir().to_owned();
            let kept = train(knobs, &folder, stage.seed(), stage.watch())?;
            for (i, epoch) in kept.history.iter().enumerate() {
                stage.log("nats-per-token/train", i as u64 + 1, epoch.train_loss)?;
                stage.log("nats-per-token/valid", i as u64 + 1, epoch.metric)?;
            }
            Ok(kept)
        });
        let kept = staged?.value;
        kept.measures.iter().for_each(|measure| run.push(measure.clone()));
        kept.warnings.iter().for_each(|warning| run.warn(warning.clone()));
        run.keep("trained", &kept)?;
        Ok(())
    }

    fn report(&self, _knobs: &TrainKnobs, findings: &Findings, report: Report) -> trueness_core::Result<Report> {
        let Some(seed) = findings.first() else { return Ok(report) };
        let Some(kept) = seed.kept::<Kept>("train", "trained") else { return Ok(report) };
        let mut report = report
            .lead(format!("{} The best pass is {} of {}.", kept.lead, kept.best.epoch, kept.history.len()))
            .figure(curves(&kept))
            .key_values([
                ("sample from it", "trueness text sample THIS-RUN --n 1000 > samples.txt"),
                ("score text by it", "trueness text score THIS-RUN held-out.txt"),
            ]);
        let mut samples = Samples::new("Samples at temperature 1");
        for sample in kept.samples {
            samples = samples.text(sample);
        }
        report = report.samples(samples);
        Ok(report)
    }
}

fn curves(kept: &Kept) -> Figure {
    let mut train = Series::new("training, as it went", Drawn::Line);
    let mut valid = Series::new("validation", Drawn::Line);
    for (i, epoch) in kept.history.iter().enumerate() {
        train = train.point(i as f64 + 1.0, epoch.train_loss);
        valid = valid.point(i as f64 + 1.0, epoch.metric);
    }
    Figure::new("loss", "Loss over the passes")
        .x(Axis::new("pass"))
        .y(Axis::new("loss").unit("nats/token"))
        .series(train)
        .series(valid)
        .reference_x(kept.best.epoch as f64, "best pass")
        .caption(
            "Lower is better. The training loss is the mean over a pass, with dropout on and the weights of each \
             step; where validation rises while training falls, the model learns its sentences by heart.",
        )
}

/// Sentences to learn from and to choose by.
fn divide(knobs: &TrainKnobs, seed: Seed) -> Result<(Vec<String>, Vec<String>)> {
    let corpus = read::read(Path::new(&knobs.corpus))?.sentences;
    if !knobs.valid.is_empty() {
        return Ok((corpus, read::read(Path::new(&knobs.valid))?.sentences));
    }
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, sentence) in corpus.iter().enumerate() {
        groups.entry(normalise(sentence, true)).or_default().push(i);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    if groups.len() < 2 {
        return Err(Error::parse(
            Path::new(&knobs.corpus),
            format!("expected at least two different sentences, one of them to hold out; got {}", groups.len()),
        ));
    }
    groups.shuffle(&mut seed.child("train/valid").rng());
    let wanted = ((corpus.len() as f64 * knobs.valid_share).round() as usize).max(1);
    let mut held = vec![false; corpus.len()];
    let mut count = 0;
    // At least one group is left to learn from.
    for group in &groups[1..] {
        if count >= wanted {
            break;
        }
        group.iter().for_each(|&i| held[i] = true);
        count += group.len();
    }
    let (mut train, mut valid) = (Vec::new(), Vec::new());
    for (sentence, held) in corpus.into_iter().zip(held) {
        if held { valid.push(sentence) } else { train.push(sentence) }
    }
    Ok((train, valid))
}

fn train(knobs: &TrainKnobs, folder: &Path, seed: Seed, watch: trueness_core::Watch<'_>) -> Result<Kept> {
    let (train, valid) = divide(knobs, seed)?;
    let codec = Codec::of_words(&train, knobs.tokenizer.parse()?, knobs.min_count)?;
    let (coded, held) = (codec.encode(&train)?, codec.encode(&valid)?);
    let longest = match knobs.length {
        0 => coded.sentences.iter().map(Vec::len).max().unwrap_or(0).max(1),
        length => length,
    };
    let mut warnings = Vec::new();
    let mut fitting = |what: &str, sentences: Vec<Vec<u32>>| -> Vec<Vec<u32>> {
        let all = sentences.len();
        let kept: Vec<Vec<u32>> = sentences.into_iter().filter(|s| !s.is_empty() && s.len() <= longest).collect();
        if kept.len() < all {
            warnings.push(format!(
                "{} of {all} {what} sentences are left out: empty, or over {longest} tokens",
                all - kept.len()
            ));
        }
        kept
    };
    let (train, valid) = (fitting("training", coded.sentences), fitting("validation", held.sentences));
    if held.unknown > 0 {
        warnings.push(format!(
            "{} tokens of the validation sentences are not known to the model, for example {}",
            held.unknown,
            held.examples.join(", ")
        ));
    }
    let device = trueness_nn::device::parse(&knobs.device)?;
    let checkpoints = Checkpoints::new(folder.join("fit"), 1)?;
    let trained = Job {
        network: &knobs.network(),
        training: &knobs.training(),
        codec: &codec,
        train: &train,
        valid: &valid,
        longest,
        device: &device.clone().autodiff(),
        checkpoints: Some(&checkpoints),
        observe: None,
    }
    .run(seed, watch)?;
    let generator = &trained.generator;
    let scores = generator.score(&valid, watch)?;
    let nats = scores.estimate(seed.child("train/score"));
    let signature = generator.signature().to_owned();
    let of = |name: &str, estimate| Measure::new(name, estimate).signed(signature.clone());
    let measures =
        vec![of("valid-nll", nats.clone()), of("valid-perplexity", scores.perplexity(seed.child("train/score")))];
    let samples = generator.sample(SHOWN, Sampling::default(), seed.child("train/samples"), watch)?;
    let tokens: usize = train.iter().map(Vec::len).sum();
    let lead = format!("Trained on {} sentences ({tokens} tokens, {} words).", train.len(), codec.size() - 2);
    let card = Card { measures: measures.clone(), data: lead.clone(), samples: samples.clone() };
    let target = folder.join(MODEL);
    let staging = trueness_core::run::Staging::new(&target)?;
    generator.save(staging.path(), &card)?;
    staging.commit()?;
    // What it took to resume is not needed any more.
    std::fs::remove_dir_all(folder.join("fit")).map_err(trueness_core::Error::io("remove", &folder.join("fit")))?;
    Ok(Kept { history: trained.history, best: trained.best, steps: trained.steps, measures, samples, warnings, lead })
}
