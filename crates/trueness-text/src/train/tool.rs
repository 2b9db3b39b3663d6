//! Training a generator on a person's own text.
//!
//! It is a [`Study`] of one unit like any other, so that it has a run folder, a report, and can be
//! interrupted and resumed.

use super::TrainKnobs;
use super::report;
use super::source::{SEQGAN, Source, check_oracle};
use super::stage::{FIT, keep};
use crate::adversarial::{Play, Watched};
use crate::corpus::{Tokenizer, read, tokenize};
use crate::error::Result;
use crate::generator::{self, Card, Generator, Job};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trueness_core::report::{Report, Samples};
use trueness_core::{Error, Findings, Measure, Run, Seed, Study, StudySource, Watch};
use trueness_nn::{Checkpoints, Sampling};

/// The files that describe the tool.
pub const TRAIN: StudySource = StudySource {
    manifest: include_str!("../../studies/train/study.toml"),
    readme: include_str!("../../studies/train/README.md"),
};

/// How many samples are shown.
const SHOWN: usize = 20;

/// The folder of a stage that holds what it takes to resume the training against a discriminator.
const PLAY: &str = "adversarial";

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
pub(super) struct Kept {
    pub(super) history: Vec<trueness_nn::Epoch>,
    pub(super) best: trueness_nn::Best,
    steps: u64,
    /// What was seen while the generator went on against a discriminator.
    #[serde(default)]
    rounds: Vec<Watched>,
    pub(super) measures: Vec<Measure>,
    samples: Vec<String>,
    warnings: Vec<String>,
    lead: String,
}

impl Study for Train {
    type Knobs = TrainKnobs;
    type Unit = TrainUnit;

    fn check(&self, knobs: &TrainKnobs) -> trueness_core::Result<()> {
        if knobs.corpus.is_empty() == knobs.oracle.is_empty() {
            return Err(Error::Input("expected either a file of sentences to learn from, or an oracle".to_owned()));
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
                    return Err(Error::Input(format!("{name} says nothing of an oracle: leave it out")));
                }
            }
            check_oracle(knobs)?;
        }
        if let Some(name) = knobs.idle() {
            return Err(Error::Input(format!(
                "{name} is of training against a discriminator: add --model seqgan, maligan, rankgan, relgan or leakgan"
            )));
        }
        if let Some((name, methods)) = knobs.foreign() {
            return Err(Error::Input(format!("{name} is of {methods} alone: leave it out")));
        }
        if let Some(adversarial) = knobs.adversarial() {
            adversarial.check()?;
            if knobs.length > 0 {
                adversarial.segments.ranges(knobs.length)?;
            }
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
            files.extend(generator::files(Path::new(&knobs.oracle))?);
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
        // Of the seed alone: two trainings that differ in a knob have the same held-out sentences, the same oracle, and, as long as the
        // knobs do not touch it, the same random numbers.
        let seed = run.seed().child("train");
        // The model lies in the stage's folder, where those who are given the run's folder find it.
        let staged = run.stage("train", knobs, |stage| -> Result<Kept> {
            let folder = stage.dir().to_owned();
            let kept = train(knobs, &folder, seed, stage.watch())?;
            for (i, epoch) in kept.history.iter().enumerate() {
                stage.log("nats-per-token/train", i as u64 + 1, epoch.train_loss)?;
                stage.log("nats-per-token/valid", i as u64 + 1, epoch.metric)?;
                for (name, value) in &epoch.observed {
                    stage.log(name, i as u64 + 1, *value)?;
                }
            }
            for look in &kept.rounds {
                for measure in &look.measures {
                    if let Some(value) = measure.estimate.value {
                        stage.log(&format!("rounds/{}", measure.name), look.round, value)?;
                    }
                }
            }
            Ok(kept)
        });
        let kept = staged?.value;
        kept.measures.iter().for_each(|measure| run.push(measure.clone()));
        for (look, subject) in [(kept.rounds.first(), "before"), (kept.rounds.last(), "after")] {
            let measures = look.into_iter().flat_map(|look| &look.measures);
            measures.for_each(|measure| run.push(measure.clone().of(subject)));
        }
        kept.warnings.iter().for_each(|warning| run.warn(warning.clone()));
        run.keep("trained", &kept)?;
        Ok(())
    }

    fn report(&self, knobs: &TrainKnobs, findings: &Findings, report: Report) -> trueness_core::Result<Report> {
        let Some(seed) = findings.first() else { return Ok(report) };
        let Some(kept) = seed.kept::<Kept>("train", "trained") else { return Ok(report) };
        let lead = format!("{} The best pass is {} of {}.", kept.lead, kept.best.epoch, kept.history.len());
        let on = knobs.adversarial().and_then(|knobs| report::on(knobs.method, &kept.rounds));
        let mut report = report
            .lead(on.map_or(lead.clone(), |on| format!("{lead} {on}")))
            .table(report::table(&kept.measures, !kept.rounds.is_empty()))
            .blocks(report::rounds(&kept.rounds))
            .figure(report::curves(&kept))
            .blocks(report::truth(&kept))
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

fn train(knobs: &TrainKnobs, folder: &Path, seed: Seed, watch: Watch<'_>) -> Result<Kept> {
    let source = Source::open(knobs, folder, seed)?;
    let Source { codec, train, valid, longest, truth, .. } = &source;
    // What would fail late is refused at once.
    if let Some(adversarial) = knobs.adversarial() {
        adversarial.check_text(*longest, train.len(), valid.len())?;
    }
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
    let (mut generator, mut rounds, mut warnings) = (trained.generator, Vec::new(), source.warnings.clone());
    if let Some(knobs) = knobs.adversarial() {
        let checkpoints = Checkpoints::new(folder.join(PLAY), 1)?;
        let play = Play {
            knobs: &knobs,
            generator: &generator,
            train,
            valid,
            truth: truth.as_ref(),
            device: &device,
            checkpoints: Some(&checkpoints),
        };
        let played = play.run(seed.child("adversarial"), watch)?;
        (generator, rounds) = (played.generator, played.history);
        warnings.extend(report::collapse(&rounds));
    }
    let scores = generator.score_known(valid, watch)?;
    let signature = generator.signature().to_owned();
    let of = |name: &str, estimate| Measure::new(name, estimate).signed(signature.clone());
    let mut measures = vec![
        of("valid-nll", scores.estimate(seed.child("train/score"))),
        of("valid-perplexity", scores.perplexity(seed.child("train/score"))),
    ];
    if let Some(truth) = truth {
        measures.extend(truth.measures(&generator, seed, watch)?);
        measures.push(truth.start(&job.initial(seed)?, seed, watch)?);
    } else {
        let own = generator.sample_ids(knobs.oracle_samples, Sampling::default(), seed.child("train/div"), watch)?;
        measures.push(of("nll-div", generator.score_own(&own, watch)?.estimate(seed.child("train/div"))));
    }
    let samples = generator.sample(SHOWN, Sampling::default(), seed.child("train/samples"), watch)?;
    let tokens: usize = train.iter().map(Vec::len).sum();
    let words = codec.vocabulary().map_or(0, |words| words.len() - usize::from(truth.is_none()));
    let lead = format!("Trained on {} sentences ({tokens} tokens, {words} words).", train.len());
    let card = Card { measures: measures.clone(), data: lead.clone(), samples: samples.clone() };
    keep(&generator, &card, folder)?;
    let play = folder.join(PLAY);
    if play.exists() {
        std::fs::remove_dir_all(&play).map_err(Error::io("remove", &play))?;
    }
    let (history, best, steps) = (trained.history, trained.best, trained.steps);
    Ok(Kept { history, best, steps, rounds, measures, samples, warnings, lead })
}
