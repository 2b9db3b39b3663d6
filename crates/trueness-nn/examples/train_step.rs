//! Times training steps and sampling of the networks, for `bench/text/train.py`.
//!
//!     train_step WORK ROUNDS
//!
//! prints one line of JSON: the seconds of each step after two that warm up, and the loss after them, which
//! tells that work was done. WORK is lstm-32, lstm-512, gpt, cnn, sample-32, sample-512 or sample-gpt.

#![allow(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::time::Instant;
use trueness_core::{Cancel, Error, Result, Seed, Silent, Watch};
use trueness_nn::burn::module::Module;
use trueness_nn::burn::nn::loss::CrossEntropyLossConfig;
use trueness_nn::burn::optim::GradientsParams;
use trueness_nn::burn::tensor::{Int, Tensor, TensorData};
use trueness_nn::kernel::AdamConfig;
use trueness_nn::{
    Gpt2Config, LstmInit, LstmModelConfig, NextToken, Sampling, Sequences, TextCnnConfig, device, sample,
};

// The command line's allocator: it keeps freed buffers, so that they need not be faulted in again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VOCABULARY: usize = 5000;

fn lstm(size: usize) -> LstmModelConfig {
    let embedding = size;
    LstmModelConfig { vocabulary: VOCABULARY, embedding, hidden: size, layers: 1, keep: 1.0, init: LstmInit::Uniform }
}

fn gpt() -> Gpt2Config {
    Gpt2Config { heads: 4, keep: 1.0, ..Gpt2Config::new(VOCABULARY, 64, 4, 128) }
}

/// The same tokens as the peer's: a linear congruence.
fn sentences(batch: usize, time: usize) -> Vec<Vec<u32>> {
    let mut x: u64 = 1;
    let mut next = || {
        x = (x * 1_103_515_245 + 12_345) % (1 << 31);
        (x / 65_536 % VOCABULARY as u64) as u32
    };
    (0..batch).map(|_| (0..time).map(|_| next()).collect()).collect()
}

/// The seconds of each step and the last loss.
fn steps<M: Module>(mut model: M, rounds: usize, loss: impl Fn(&M) -> Tensor<1>) -> (Vec<f64>, f32) {
    let mut adam = AdamConfig::default().init();
    let (mut seconds, mut last) = (Vec::new(), 0.0);
    for round in 0..rounds + 2 {
        let start = Instant::now();
        let value = loss(&model);
        last = value.clone().into_scalar::<f32>();
        let gradients = GradientsParams::from_grads(value.backward(), &model);
        model = adam.step(1e-3, model, gradients);
        if round >= 2 {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    (seconds, last)
}

fn likelihood<M: NextToken>(model: M, rounds: usize, batch: usize, time: usize) -> (Vec<f64>, f32) {
    let sequences = Sequences::new(&sentences(batch, time), 0, None).mean();
    steps(model, rounds, |model| model.loss(&sequences, None))
}

fn sampling<M: NextToken>(model: &M, rounds: usize) -> Result<(Vec<f64>, f32)> {
    let runner = model.runner()?;
    let (cancel, silent) = (Cancel::default(), Silent);
    let (mut seconds, mut tokens) = (Vec::new(), 0);
    for round in 0..rounds + 2 {
        let (start, seed) = (Instant::now(), Seed::new(round as u64));
        let watch = Watch::new(&cancel, &silent);
        tokens = sample(&runner, 64, (0, None, 20), Sampling::default(), seed, watch)?.iter().map(Vec::len).sum();
        if round >= 2 {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    Ok((seconds, tokens as f32))
}

fn main() -> Result<()> {
    // In a pool, as the command line works: every operation would else be handed over to it and waited for.
    let pool = rayon::ThreadPoolBuilder::new().build();
    pool.map_err(|error| Error::Failed(error.to_string()))?.install(measure)
}

fn measure() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let usage = || Error::Input("expected WORK and ROUNDS".to_owned());
    let work = arguments.get(1).ok_or_else(usage)?;
    let rounds: usize = arguments.get(2).and_then(|rounds| rounds.parse().ok()).ok_or_else(usage)?;
    let cpu = device::parse("cpu")?;
    let training = cpu.clone().autodiff();
    let seed = Seed::new(1);
    let (seconds, check) = match work.as_str() {
        "lstm-32" => likelihood(lstm(32).init(&training, seed)?, rounds, 64, 20),
        "lstm-512" => likelihood(lstm(512).init(&training, seed)?, rounds, 64, 20),
        "gpt" => likelihood(gpt().init(&training, seed)?, rounds, 16, 64),
        "cnn" => {
            let config = TextCnnConfig { keep: 1.0, ..TextCnnConfig::dd(VOCABULARY) };
            let text = sentences(64, 20);
            steps(config.init(&training, seed)?, rounds, |model| {
                let logits = model.forward(model.batch(&text), None);
                let device = logits.device();
                let labels: Vec<i32> = (0..64).map(|i| i % 2).collect();
                let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [64]), &device);
                CrossEntropyLossConfig::new().init(&device).forward(logits, labels)
            })
        }
        "sample-32" => sampling(&lstm(32).init(&cpu, seed)?, rounds)?,
        "sample-512" => sampling(&lstm(512).init(&cpu, seed)?, rounds)?,
        "sample-gpt" => sampling(&gpt().init(&cpu, seed)?, rounds)?,
        _ => return Err(usage()),
    };
    println!("{{\"seconds\": {seconds:?}, \"check\": {check}}}");
    Ok(())
}
