//! Language GANs side by side: one generator of maximum likelihood goes on in several ways, which differ in what rewards it and in what
//! the discriminator sees, with all random numbers the same.
//!
//! Two papers' claims are re-measured on it: [`DETECTION`] and [`SUBSEQUENCE`].

mod report;
mod texts;

use crate::adversarial::{AdversarialKnobs, Combine, Method, Play, Reward, Segments, Watched, distances};
use crate::corpus::{Encoded, Tokenizer, tokenize};
use crate::error::{Error, Result};
use crate::generator::{Generator, Job, Kind, NetworkKnobs, TrainingKnobs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use texts::Texts;
use trueness_core::report::Report;
use trueness_core::study::SeedFindings;
use trueness_core::{Estimate, Findings, Measure, Run, Seed, Study, StudySource};
use trueness_nn::Checkpoints;
use trueness_nn::burn::tensor::Device;

/// The files that describe the study of the two distances between real and generated text.
pub const DETECTION: StudySource = StudySource {
    manifest: include_str!("../../studies/detection/study.toml"),
    readme: include_str!("../../studies/detection/README.md"),
};

/// The files that describe the study of discriminators on sub-sequences.
pub const SUBSEQUENCE: StudySource = StudySource {
    manifest: include_str!("../../studies/subsequence/study.toml"),
    readme: include_str!("../../studies/subsequence/README.md"),
};

/// The study of either paper: they differ in their presets and claims alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gans;

/// Where sentences come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// A corpus, or the caption grammar.
    Captions,
    /// An LSTM with random weights, whose density is known (Yu et al. 2017).
    Oracle,
}

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Self::Captions => "captions",
            Self::Oracle => "oracle",
        }
    }
}

/// How a generator goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// Against a discriminator of whole sentences.
    Whole,
    /// Against one that looks at sub-sequences too.
    Segments,
    /// A control: against one of whole sentences that learns no more.
    Frozen,
    /// A control: every token is worth one half.
    Constant,
    /// A control: every token is worth a random number.
    Random,
}

impl Arm {
    fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Segments => "segments",
            Self::Frozen => "frozen",
            Self::Constant => "constant",
            Self::Random => "random",
        }
    }

    fn reward(self) -> Reward {
        match self {
            Self::Whole | Self::Segments => Reward::Discriminator,
            Self::Frozen => Reward::Frozen,
            Self::Constant => Reward::Constant,
            Self::Random => Reward::Random,
        }
    }
}

/// The knobs of the studies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GanKnobs {
    /// A file of real sentences for the setting captions; the caption grammar where nothing is named.
    pub corpus: String,
    /// How its sentences are cut: whitespace, words, characters, or the path of a tokenizer.json.
    pub tokenizer: String,
    /// Where sentences come from: captions, oracle.
    pub settings: Vec<Setting>,
    /// The methods: seqgan, maligan, rankgan, relgan, leakgan.
    pub methods: Vec<Method>,
    /// The ways to go on: whole, segments, frozen, constant, random. RelGAN has no rewards that could be constant or random; its
    /// discriminator is frozen instead.
    pub arms: Vec<Arm>,
    /// Sentences that generators and discriminators learn from.
    #[schemars(range(min = 20, max = 100_000_000))]
    pub n_train: usize,
    /// Sentences that every look is held against, and that choose the pass of maximum likelihood; as many again are real text's own
    /// distance.
    #[schemars(range(min = 50, max = 100_000_000))]
    pub n: usize,
    /// Words of the oracle.
    #[schemars(range(min = 2, max = 1_000_000))]
    pub oracle_words: usize,
    /// The LSTM of SeqGAN, MaliGAN and RankGAN; LeakGAN's manager and worker have its sizes.
    pub lstm: NetworkKnobs,
    /// The memory of RelGAN.
    pub memory: NetworkKnobs,
    /// How they are trained by maximum likelihood.
    pub training: TrainingKnobs,
    /// How they go on; method, reward, segments and how answers are combined are each arm's own.
    pub adversarial: AdversarialKnobs,
    /// RelGAN's rounds, which are smaller: one step of the generator and five of the discriminator, whatever the others have.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub relgan_rounds: usize,
    /// The sub-sequences on captions.
    #[schemars(with = "String")]
    pub segments: Segments,
    /// The same on the oracle.
    #[schemars(with = "String")]
    pub oracle_segments: Segments,
    /// The device to train on.
    pub device: String,
}

impl Default for GanKnobs {
    fn default() -> Self {
        Self {
            corpus: String::new(),
            tokenizer: "whitespace".to_owned(),
            settings: vec![Setting::Captions, Setting::Oracle],
            methods: vec![Method::Seqgan, Method::Relgan],
            arms: vec![Arm::Whole, Arm::Frozen, Arm::Constant],
            n_train: 4000,
            n: 2000,
            oracle_words: 500,
            lstm: NetworkKnobs { embedding: 32, hidden: 64, keep: 1.0, ..NetworkKnobs::seqgan() },
            memory: NetworkKnobs { model: Kind::Relational, embedding: 32, hidden: 64, ..NetworkKnobs::default() },
            training: TrainingKnobs { epochs: 15, ..TrainingKnobs::default() },
            adversarial: AdversarialKnobs {
                rounds: 20,
                watch_every: 5,
                watch_samples: 2000,
                rollouts: 8,
                ..AdversarialKnobs::default()
            },
            relgan_rounds: 60,
            segments: Segments::Prefixes(vec![5, 10]),
            oracle_segments: Segments::Prefixes(vec![5, 10]),
            device: "cpu".to_owned(),
        }
    }
}

/// A setting with a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GanUnit {
    setting: Setting,
    method: Method,
}

impl GanUnit {
    fn name(self) -> String {
        format!("{}/{}", self.setting.name(), self.method.name())
    }

    /// What the generator is called after its rounds in an arm.
    fn subject(self, arm: Arm) -> String {
        format!("{}/{}", self.name(), arm.name())
    }

    /// What it is called before the first of them.
    fn before(self, arm: Arm) -> String {
        format!("{}/before", self.subject(arm))
    }
}

/// What an arm saw on its way.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    history: Vec<Watched>,
}

impl GanKnobs {
    /// The arms that a method has.
    fn arms(&self, method: Method) -> Vec<Arm> {
        let mut arms = Vec::new();
        for &arm in &self.arms {
            let arm = if method == Method::Relgan && !arm.reward().asks() { Arm::Frozen } else { arm };
            if !arms.contains(&arm) {
                arms.push(arm);
            }
        }
        arms
    }

    /// How a generator goes on in an arm.
    fn play(&self, unit: GanUnit, arm: Arm) -> AdversarialKnobs {
        let segments = match unit.setting {
            Setting::Captions => &self.segments,
            Setting::Oracle => &self.oracle_segments,
        };
        let relgan = unit.method == Method::Relgan;
        let rounds = if relgan { self.relgan_rounds } else { self.adversarial.rounds };
        // As often as the others are looked at.
        let looks = (self.adversarial.rounds / self.adversarial.watch_every.max(1)).max(1);
        AdversarialKnobs {
            method: unit.method,
            rounds,
            watch_every: if relgan { rounds.div_ceil(looks) } else { self.adversarial.watch_every },
            discriminator_steps: if relgan { 0 } else { self.adversarial.discriminator_steps },
            reward: arm.reward(),
            segments: if arm == Arm::Segments { segments.clone() } else { Segments::Whole },
            combine: if relgan { Combine::MeanLoss } else { Combine::MeanLogit },
            ..self.adversarial.clone()
        }
    }

    /// The generator of a method.
    fn network(&self, method: Method) -> NetworkKnobs {
        match method {
            Method::Relgan => self.memory.clone(),
            Method::Leakgan => {
                NetworkKnobs { model: Kind::Hierarchical, leak: self.adversarial.discriminator, ..self.lstm.clone() }
            }
            Method::Seqgan | Method::Maligan | Method::Rankgan => self.lstm.clone(),
        }
    }
}

impl Study for Gans {
    type Knobs = GanKnobs;
    type Unit = GanUnit;

    fn check(&self, knobs: &GanKnobs) -> trueness_core::Result<()> {
        let input = |what: String| Err(trueness_core::Error::Input(what));
        if let Some(i) = (1..knobs.arms.len()).find(|&i| knobs.arms[..i].contains(&knobs.arms[i])) {
            return input(format!("arms: {} is named twice", knobs.arms[i].name()));
        }
        if knobs.settings.is_empty() || knobs.methods.is_empty() || knobs.arms.is_empty() {
            return input("expected at least one setting, one method and one arm".to_owned());
        }
        for (i, unit) in self.plan(knobs)?.iter().enumerate() {
            if self.plan(knobs)?[..i].contains(unit) {
                return input(format!("{} is named twice", unit.name()));
            }
            for arm in knobs.arms(unit.method) {
                knobs.play(*unit, arm).check()?;
            }
        }
        knobs.tokenizer.parse::<Tokenizer>()?;
        trueness_nn::device::parse(&knobs.device)?;
        // A corpus that is too small, or segments that are too long, show here, before anything is trained.
        for &setting in &knobs.settings {
            let texts = Texts::new(knobs, setting, Seed::new(0))?;
            for &method in &knobs.methods {
                for arm in knobs.arms(method) {
                    let play = knobs.play(GanUnit { setting, method }, arm);
                    play.check_text(texts.longest, texts.train.len(), texts.valid.len())?;
                }
            }
        }
        Ok(())
    }

    fn inputs(&self, knobs: &GanKnobs) -> trueness_core::Result<Vec<PathBuf>> {
        let tokenizer = !tokenize::NAMES.contains(&knobs.tokenizer.as_str());
        let files = [(!knobs.corpus.is_empty(), &knobs.corpus), (tokenizer, &knobs.tokenizer)];
        Ok(files.into_iter().filter(|(given, _)| *given).map(|(_, file)| file.into()).collect())
    }

    fn plan(&self, knobs: &GanKnobs) -> trueness_core::Result<Vec<GanUnit>> {
        let of = |&setting: &Setting| knobs.methods.iter().map(move |&method| GanUnit { setting, method });
        Ok(knobs.settings.iter().flat_map(of).collect())
    }

    fn unit_name(&self, unit: &GanUnit) -> String {
        unit.name().replace('/', "-")
    }

    fn run_unit(&self, knobs: &GanKnobs, unit: &GanUnit, run: &mut Run<'_>) -> trueness_core::Result<()> {
        Ok(measure(knobs, *unit, run)?)
    }

    /// How much each measure grew over an arm's rounds.
    fn derive(&self, knobs: &GanKnobs, seed: &SeedFindings) -> trueness_core::Result<Vec<Measure>> {
        let mut derived = Vec::new();
        for unit in self.plan(knobs)? {
            for arm in knobs.arms(unit.method) {
                for name in report::GROWTHS {
                    let value = |subject: &str| seed.measure(name, subject).and_then(|m| m.estimate.value);
                    let (Some(before), Some(after)) = (value(&unit.before(arm)), value(&unit.subject(arm))) else {
                        continue;
                    };
                    // One seed's difference has no error of its own: seeds tell how much it varies.
                    let growth = Estimate::uncertain(after - before, 1, "after the last round less before the first");
                    derived.push(Measure::new(format!("{name}-growth"), growth).of(unit.subject(arm)));
                }
            }
        }
        Ok(derived)
    }

    fn report(&self, knobs: &GanKnobs, findings: &Findings, report: Report) -> trueness_core::Result<Report> {
        Ok(report::write(knobs, &self.plan(knobs)?, findings, report))
    }
}

/// Trains the generator by maximum likelihood, or reads it where that was done.
fn likelihood(knobs: &GanKnobs, unit: GanUnit, texts: &Texts, device: &Device, run: &mut Run<'_>) -> Result<Generator> {
    let network = knobs.network(unit.method);
    let inputs =
        (&knobs.corpus, &knobs.tokenizer, unit, knobs.n_train, knobs.n, knobs.oracle_words, &network, &knobs.training);
    crate::train::in_stage(run, "likelihood", &inputs, device, |checkpoints, seed, watch| {
        let job = Job {
            network: &network,
            training: &knobs.training,
            codec: &texts.codec,
            train: &texts.train,
            valid: &texts.valid,
            longest: texts.longest,
            device: &device.clone().autodiff(),
            checkpoints: Some(checkpoints),
            observe: None,
        };
        Ok(job.run(seed.child("gan/likelihood"), watch)?.generator)
    })
}

fn measure(knobs: &GanKnobs, unit: GanUnit, run: &mut Run<'_>) -> Result<()> {
    let texts = Texts::new(knobs, unit.setting, run.seed())?;
    let device = trueness_nn::device::parse(&knobs.device)?;
    // A seed's longest sentence may be shorter than that of the seed that was checked.
    for arm in knobs.arms(unit.method) {
        knobs.play(unit, arm).check_text(texts.longest, texts.train.len(), texts.valid.len())?;
    }
    if texts.other.is_empty() {
        return Err(Error::Input("no sentence is left to hold real text against itself".to_owned()));
    }
    let generator = likelihood(knobs, unit, &texts, &device, run)?;
    floor(knobs, unit, &texts, run)?;
    // The same for all arms, which so differ in nothing but what makes them differ.
    let seed = run.seed().child("gan/play").child(&unit.name());
    for arm in knobs.arms(unit.method) {
        let play = knobs.play(unit, arm);
        let staged = run.stage("arm", &(knobs, unit, arm), |stage| -> Result<Seen> {
            let folder = stage.dir().join("adversarial");
            let checkpoints = Checkpoints::new(folder.clone(), 1)?;
            let played = Play {
                knobs: &play,
                generator: &generator,
                train: &texts.train,
                valid: &texts.valid,
                truth: texts.truth.as_ref(),
                device: &device.clone().autodiff(),
                checkpoints: Some(&checkpoints),
            }
            .run(seed, stage.watch())?;
            if folder.exists() {
                std::fs::remove_dir_all(&folder).map_err(trueness_core::Error::io("remove", &folder))?;
            }
            Ok(Seen { history: played.history })
        });
        let history = staged?.value.history;
        for look in &history {
            for measure in &look.measures {
                if let Some(value) = measure.estimate.value {
                    run.log(&format!("{}/{}", arm.name(), measure.name), look.round, value)?;
                }
            }
            if let Some(what) = &look.collapse {
                run.warn(format!("{}: collapsed by round {}: {what}", unit.subject(arm), look.round));
            }
        }
        for (look, subject) in [(history.first(), unit.before(arm)), (history.last(), unit.subject(arm))] {
            let Some(look) = look else { continue };
            look.measures.iter().for_each(|measure| run.push(measure.clone().of(subject.clone())));
        }
        run.keep(arm.name(), &history)?;
    }
    Ok(())
}

/// What fresh classifiers find between real sentences and real sentences.
fn floor(knobs: &GanKnobs, unit: GanUnit, texts: &Texts, run: &mut Run<'_>) -> Result<()> {
    let n = knobs.adversarial.watch_samples;
    let staged = run.stage("floor", &(knobs, unit), |stage| -> Result<Vec<Measure>> {
        let (real, other): (Encoded, Encoded) = (texts.valid.iter().collect(), texts.other.iter().take(n).collect());
        let seed = stage.seed().child("gan/floor");
        Ok(distances(&real, &other, texts.codec.size(), seed, stage.watch())?.into())
    })?;
    let subject = format!("{}/real", unit.name());
    staged.value.into_iter().for_each(|measure| run.push(measure.of(subject.clone())));
    Ok(())
}
