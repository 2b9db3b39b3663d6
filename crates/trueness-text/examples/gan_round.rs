//! Adversarial rounds of SeqGAN or RelGAN, timed: what `bench/text/gan.py` runs.
//!
//! `gan_round seqgan|relgan small|authors ROUNDS SEED` prints the seconds of each round, and the losses in the last one, as JSON.

use rand::RngExt;
use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;
use trueness_core::{Cancel, Progress, Seed, Watch};
use trueness_nn::device;
use trueness_text::adversarial::{AdversarialKnobs, Method, Play};
use trueness_text::corpus::Vocabulary;
use trueness_text::generator::{Codec, DiscriminatorSize, Job, Kind, NetworkKnobs, TrainingKnobs};

const VOCABULARY: usize = 5000;
const LONGEST: usize = 20;

// As in the command line.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// When each round began, and when the last one was over.
#[derive(Default)]
struct Clock(Mutex<Vec<Instant>>);

impl Progress for Clock {
    fn update(&self, task: &str, done: u64, _total: u64) {
        let Ok(mut moments) = self.0.lock() else { return };
        if task == "adversarial rounds" && moments.len() as u64 == done {
            moments.push(Instant::now());
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [method @ ("seqgan" | "relgan"), size @ ("small" | "authors"), rounds, seed] = words.as_slice() else {
        return Err("expected seqgan or relgan, small or authors, a number of rounds and a seed".into());
    };
    let (rounds, authors) = (rounds.parse::<usize>()?, *size == "authors");
    let seed = Seed::new(seed.parse()?);
    let relgan = *method == "relgan";
    let network = match (relgan, authors) {
        (false, _) => NetworkKnobs::seqgan(),
        (true, true) => NetworkKnobs { model: Kind::Relational, embedding: 32, hidden: 512, ..NetworkKnobs::default() },
        (true, false) => NetworkKnobs { model: Kind::Relational, embedding: 32, hidden: 64, ..NetworkKnobs::default() },
    };
    let device = device::parse("cpu")?;
    let mut vocabulary = Vocabulary::new();
    for id in 0..VOCABULARY {
        vocabulary.add(&id.to_string());
    }
    let codec = Codec::of_oracle(vocabulary);
    let mut rng = seed.child("sentences").rng();
    let mut drawn = |n: usize| -> Vec<Vec<u32>> {
        let mut id = || (VOCABULARY as f64 * rng.random::<f64>().powi(2)) as u32;
        (0..n).map(|_| (0..LONGEST).map(|_| id()).collect()).collect()
    };
    let (train, valid) = (drawn(2000), drawn(100));
    let job = Job {
        network: &network,
        training: &TrainingKnobs::default(),
        codec: &codec,
        train: &train,
        valid: &valid,
        longest: LONGEST,
        device: &device,
        checkpoints: None,
        observe: None,
    };
    let knobs = AdversarialKnobs {
        method: if relgan { Method::Relgan } else { Method::Seqgan },
        // Two more than are timed: the first one's memory is cold, and the last one's end is the next one's begin.
        rounds: rounds + 2,
        watch_every: rounds + 2,
        watch_samples: 100,
        discriminator_pre_steps: 0,
        beta: 1.0,
        discriminator: if authors { DiscriminatorSize::Dd } else { DiscriminatorSize::Small },
        ..AdversarialKnobs::default()
    };
    let play = Play {
        knobs: &knobs,
        generator: &job.initial(seed.child("weights"))?,
        train: &train,
        valid: &valid,
        truth: None,
        device: &device.clone().autodiff(),
        checkpoints: None,
    };
    let (cancel, clock) = (Cancel::default(), Clock::default());
    let played = play.run(seed.child("rounds"), Watch::new(&cancel, &clock))?;
    let moments = clock.0.lock().map_err(|_poisoned| "the clock is broken")?;
    let seconds: Vec<f64> =
        moments.windows(2).skip(1).take(rounds).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    let loss = |name: &str| played.history.last().and_then(|look| look.measure(name)?.value);
    let found = serde_json::json!({
        "seconds": seconds,
        "check": [loss("generator-loss"), loss("discriminator-loss")],
    });
    writeln!(std::io::stdout(), "{found}")?;
    Ok(())
}
