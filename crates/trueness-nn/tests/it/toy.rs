//! A small task that every test can train: tell sentences that hold a token from others.

use rand::RngExt;
use std::sync::atomic::{AtomicU64, Ordering};
use trueness_core::{Cancel, Error, Progress, Result, Seed, Silent, Watch};
use trueness_nn::burn::nn::loss::CrossEntropyLossConfig;
use trueness_nn::burn::optim::{AdamConfig, ModuleOptimizer};
use trueness_nn::burn::tensor::{Int, Tensor, TensorData};
use trueness_nn::{Checkpoints, FitConfig, Fitted, Goal, Schedule, Task, TextCnn, TextCnnConfig, device, fit};

pub(crate) struct Toy {
    pub(crate) sentences: Vec<Vec<u32>>,
    pub(crate) labels: Vec<i32>,
}

impl Toy {
    /// Class 1 holds token 1, class 0 does not; about `length` tokens of 2..20 otherwise.
    pub(crate) fn new(n: usize, length: usize, seed: u64) -> Self {
        let mut rng = Seed::new(seed).rng();
        let labels: Vec<i32> = (0..n).map(|i| (i % 2) as i32).collect();
        let sentence = |&label: &i32| {
            let length = rng.random_range(length / 2 + 1..=length);
            let mut sentence: Vec<u32> = (0..length).map(|_| rng.random_range(2..20)).collect();
            if label == 1 {
                let at = rng.random_range(0..length);
                sentence[at] = 1;
            }
            sentence
        };
        Self { sentences: labels.iter().map(sentence).collect(), labels }
    }

    pub(crate) fn accuracy(&self, model: &TextCnn) -> f64 {
        let logits = model.forward(model.batch(&self.sentences), None).into_data().try_to_vec::<f32>().unwrap();
        let right = logits.chunks(2).zip(&self.labels).filter(|(z, label)| i32::from(z[1] > z[0]) == **label).count();
        right as f64 / self.labels.len() as f64
    }
}

/// Training on the first toy, validated on the second.
pub(crate) struct ToyTask(pub(crate) Toy, pub(crate) Toy);

impl Task for ToyTask {
    type Model = TextCnn;

    fn n_train(&self) -> usize {
        self.0.sentences.len()
    }

    fn loss(&self, model: &TextCnn, batch: &[usize], seed: Seed) -> Result<Tensor<1>> {
        let sentences: Vec<&[u32]> = batch.iter().map(|&i| self.0.sentences[i].as_slice()).collect();
        let labels: Vec<i32> = batch.iter().map(|&i| self.0.labels[i]).collect();
        let logits = model.forward(model.batch(&sentences), Some(seed));
        let device = logits.device();
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [batch.len()]), &device);
        Ok(CrossEntropyLossConfig::new().init(&device).forward(logits, labels))
    }

    fn validate(&self, model: &TextCnn, watch: Watch<'_>) -> Result<f64> {
        watch.check()?;
        Ok(self.1.accuracy(model))
    }

    fn signature(&self) -> String {
        format!("toy|n:{}", self.0.sentences.len())
    }
}

pub(crate) fn config() -> FitConfig {
    FitConfig {
        label: "toy".to_owned(),
        epochs: 3,
        batch: 16,
        learning_rate: 0.01,
        schedule: Schedule::Constant,
        goal: Goal::Maximize,
        patience: None,
        clip_norm: Some(1.0),
        checkpoint_every: None,
    }
}

pub(crate) fn network() -> TextCnnConfig {
    TextCnnConfig { embedding: 8, filters: vec![6, 6], ..TextCnnConfig::small(20) }
}

pub(crate) fn adam() -> ModuleOptimizer {
    AdamConfig::new().with_epsilon(1e-8).init()
}

/// Asks to stop when so many steps have been reported, once.
pub(crate) struct StopAt {
    pub(crate) cancel: Cancel,
    pub(crate) step: u64,
    pub(crate) seen: AtomicU64,
}

impl Progress for StopAt {
    fn update(&self, _task: &str, done: u64, _total: u64) {
        self.seen.store(done, Ordering::Relaxed);
        if done == self.step {
            self.cancel.cancel();
        }
    }
}

pub(crate) fn train(
    task: &ToyTask,
    network: &TextCnnConfig,
    config: &FitConfig,
    checkpoints: Option<&Checkpoints>,
) -> Result<Fitted<TextCnn>> {
    let seed = Seed::new(11);
    let model = network.init(&device::parse("cpu").unwrap(), seed.child("init")).unwrap();
    fit(task, model, adam(), config, seed, checkpoints, Watch::new(&Cancel::default(), &Silent))
}

/// Trains until `step`, where somebody asks to stop.
pub(crate) fn train_until(task: &ToyTask, config: &FitConfig, checkpoints: Option<&Checkpoints>, step: u64) {
    let seed = Seed::new(11);
    let model = network().init(&device::parse("cpu").unwrap(), seed.child("init")).unwrap();
    let cancel = Cancel::default();
    let stop = StopAt { cancel: cancel.clone(), step, seen: AtomicU64::new(0) };
    let result = fit(task, model, adam(), config, seed, checkpoints, Watch::new(&cancel, &stop));
    assert!(matches!(result, Err(Error::Interrupted)));
    assert_eq!(stop.seen.load(Ordering::Relaxed), step);
}
