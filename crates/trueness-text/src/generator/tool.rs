//! Training a generator on a person's own text.
//!
//! It is a [`Study`] of one unit like any other, so that it has a run folder, a report, and can be
//! interrupted and resumed.

use super::source::{SEQGAN, Source, check_oracle};
use super::{Beginning, Card, Generator, Job, Kind, NetworkKnobs, TrainingKnobs};
use crate::corpus::{Tokenizer, read, tokenize};
use crate::error::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trueness_core::report::{Axis, Block, Cell, Figure, Kind as Drawn, Report, Samples, Series, Table};
use trueness_core::{Findings, Measure, Run, Seed, Study, StudySource, Watch};
use trueness_nn::burn::tensor::Device;
use trueness_nn::{Checkpoints, Sampling, Schedule};

/// The files that describe the tool.
pub const TRAIN: StudySource = StudySource {
    manifest: include_str!("../../studies/train/study.toml"),
    readme: include_str!("../../studies/train/README.md"),
};

/// The folder of a stage that holds the model.
pub(super) const MODEL: &str = "model";

/// The folder of a stage that holds what it takes to resume the training.
const FIT: &str = "fit";

/// How many samples are shown.
const SHOWN: usize = 20;

/// The knobs of `trueness text train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TrainKnobs {
    /// Sentences to learn from: one a line, UTF-8, plain or gzip.
    #[schemars(extend("x-position" = 1, "x-instead" = "oracle"))]
    pub corpus: String,
    /// The network: lstm or gpt2.
    pub model: Kind,
    /// Learn from samples of an oracle, whose density is known, instead of a corpus: seqgan (a new LSTM with normal weights), an oracle.safetensors, or a model folder.
    pub oracle: String,
    /// How many sentences to draw from the oracle to learn from.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub oracle_n: usize,
    /// How many samples the generator is measured on after each pass, and at the end.
    #[schemars(range(min = 2, max = 10_000_000))]
    pub oracle_samples: usize,
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
            oracle: String::new(),
            oracle_n: 10_000,
            oracle_samples: 2000,
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
        if knobs.corpus.is_empty() == knobs.oracle.is_empty() {
            return Err(trueness_core::Error::Input(
                "expected either a file of sentences to learn from, or an oracle".to_owned(),
            ));
        }
        if !knobs.oracle.is_empty() {
            let all = Self::Knobs::default();
            for (name, given) in [
                ("valid", knobs.valid != all.valid),
                ("length", knobs.length != all.length),
                ("tokenizer", knobs.tokenizer != all.tokenizer),
                ("min-count", knobs.min_count != all.min_count),
            ] {
                if given {
                    return Err(trueness_core::Error::Input(format!("{name} says nothing of an oracle: leave it out")));
                }
            }
            check_oracle(knobs)?;
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
        let files = [
            (!knobs.corpus.is_empty(), &knobs.corpus),
            (!knobs.valid.is_empty(), &knobs.valid),
            (tokenizer, &knobs.tokenizer),
        ];
        let mut files: Vec<PathBuf> =
            files.into_iter().filter(|(given, _)| *given).map(|(_, file)| file.into()).collect();
        if Path::new(&knobs.oracle).is_dir() {
            files.extend(super::files(Path::new(&knobs.oracle))?);
        } else if !knobs.oracle.is_empty() && knobs.oracle != SEQGAN {
            files.push((&knobs.oracle).into());
        }
        Ok(files)
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
                for (name, value) in &epoch.observed {
                    stage.log(name, i as u64 + 1, *value)?;
                }
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
            .table(table(&kept.measures))
            .figure(curves(&kept))
            .blocks(truth(&kept))
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

fn table(measures: &[Measure]) -> Table {
    let mut table = Table::new("The weights of the best pass").words("measure").numbers("value");
    for measure in measures {
        let title = match measure.name.as_str() {
            "nll-oracle-start" => "NLL-oracle before training",
            name => crate::metric::card(name).map_or(name, |card| card.title),
        };
        table = table.row([Cell::Text(title.to_owned()), Cell::Estimate(measure.estimate.clone())]);
    }
    table
}

/// NLL-oracle over the passes, beside where it began and the oracle's entropy; nothing for a corpus.
fn truth(kept: &Kept) -> Option<Block> {
    let value = |name: &str| kept.measures.iter().find(|m| m.name == name).and_then(|m| m.estimate.value);
    let (start, entropy) = (value("nll-oracle-start")?, value("oracle-entropy")?);
    let mut series = Series::new("generator's samples", Drawn::Line).point(0.0, start);
    for (i, epoch) in kept.history.iter().enumerate() {
        if let Some(nll) = epoch.observed.get("nll-oracle") {
            series = series.point(i as f64 + 1.0, *nll);
        }
    }
    Some(Block::Figure(Box::new(
        Figure::new("nll-oracle", "NLL-oracle over the passes")
            .x(Axis::new("pass"))
            .y(Axis::new("NLL-oracle").unit("nats/token"))
            .series(series)
            .reference_y(entropy, "the oracle's entropy")
            .caption(
                "What the oracle says of samples at temperature 1. It is of quality alone: a generator that repeats \
                 the oracle's likeliest sentence goes below the entropy. DD by both densities, and NLL-gen, see \
                 that.",
            ),
    )))
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

fn train(knobs: &TrainKnobs, folder: &Path, seed: Seed, watch: Watch<'_>) -> Result<Kept> {
    let source = Source::open(knobs, folder, seed)?;
    let Source { codec, train, valid, longest, truth, .. } = &source;
    let device = trueness_nn::device::parse(&knobs.device)?.autodiff();
    let checkpoints = Checkpoints::new(folder.join(FIT), 1)?;
    let observe = |generator: &Generator, _, seed| {
        let scores = truth.as_ref().map(|truth| truth.nll_oracle(generator, seed, watch)).transpose()?;
        let mean = scores.and_then(|(scores, _)| scores.mean());
        Ok(mean.map(|mean| ("nll-oracle".to_owned(), mean)).into_iter().collect())
    };
    let job = Job {
        network: &knobs.network(),
        training: &knobs.training(),
        codec,
        train,
        valid,
        longest: *longest,
        device: &device,
        checkpoints: Some(&checkpoints),
        observe: Some(&observe),
    };
    let trained = job.run(seed, watch)?;
    let generator = &trained.generator;
    let scores = generator.score_known(valid, watch)?;
    let signature = generator.signature().to_owned();
    let of = |name: &str, estimate| Measure::new(name, estimate).signed(signature.clone());
    let mut measures = vec![
        of("valid-nll", scores.estimate(seed.child("train/score"))),
        of("valid-perplexity", scores.perplexity(seed.child("train/score"))),
    ];
    if let Some(truth) = truth {
        measures.extend(truth.measures(&job.initial(seed)?, generator, seed, watch)?);
    } else {
        let own = generator.sample_ids(knobs.oracle_samples, Sampling::default(), seed.child("train/div"), watch)?;
        measures.push(of("nll-div", generator.score(&own, watch)?.estimate(seed.child("train/div"))));
    }
    let samples = generator.sample(SHOWN, Sampling::default(), seed.child("train/samples"), watch)?;
    let tokens: usize = train.iter().map(Vec::len).sum();
    let words = codec.vocabulary().map_or(0, |words| words.len() - usize::from(truth.is_none()));
    let lead = format!("Trained on {} sentences ({tokens} tokens, {words} words).", train.len());
    let card = Card { measures: measures.clone(), data: lead.clone(), samples: samples.clone() };
    keep(generator, &card, folder)?;
    let (history, best, steps, warnings) = (trained.history, trained.best, trained.steps, source.warnings);
    Ok(Kept { history, best, steps, measures, samples, warnings, lead })
}

/// Puts a trained generator into the folder of its stage, and takes away what it took to resume.
fn keep(generator: &Generator, card: &Card, folder: &Path) -> Result<()> {
    let staging = trueness_core::run::Staging::new(&folder.join(MODEL))?;
    generator.save(staging.path(), card)?;
    staging.commit()?;
    let fit = folder.join(FIT);
    Ok(std::fs::remove_dir_all(&fit).map_err(trueness_core::Error::io("remove", &fit))?)
}

/// A generator that a stage of a run trains, or reads where that was done before. What `train` saves to the
/// checkpoints lets an interrupted run go on within the training.
///
/// # Errors
/// Those of `train`, and if the stage's folder cannot be written or read.
pub(crate) fn in_stage(
    run: &mut Run<'_>,
    name: &str,
    inputs: &impl Serialize,
    device: &Device,
    train: impl FnOnce(&Checkpoints, Seed, Watch<'_>) -> Result<Generator>,
) -> Result<Generator> {
    let staged = run.stage(name, inputs, |stage| -> Result<()> {
        let checkpoints = Checkpoints::new(stage.dir().join(FIT), 1)?;
        let generator = train(&checkpoints, stage.seed(), stage.watch())?;
        keep(&generator, &Card::default(), stage.dir())
    })?;
    super::load(&staged.dir.join(MODEL), device)
}
