//! Generators: their law against brute force, training on an oracle, model folders, damage.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail like tests")]

use std::path::Path;
use trueness_core::{Cancel, Progress, Seed, Silent, Watch};
use trueness_nn::{Checkpoints, Sampling, device};
use trueness_text::corpus::{Encoded, Tokenizer};
use trueness_text::generator::{
    Beginning, Card, Codec, Generator, Job, Kind, NetworkKnobs, Trained, TrainingKnobs, load,
};
use trueness_text::oracle::Oracle;
use trueness_text::oracle::grammar::Grammar;
use trueness_text::oracle::lstm::{LstmConfig, LstmOracle};

fn watched<T>(work: impl FnOnce(Watch<'_>) -> T) -> T {
    let (cancel, silent) = (Cancel::default(), Silent);
    work(Watch::new(&cancel, &silent))
}

fn small(model: Kind) -> NetworkKnobs {
    NetworkKnobs {
        model,
        embedding: 12,
        hidden: 16,
        layers: 1,
        heads: 2,
        keep: 1.0,
        init: Beginning::Normal,
        ..NetworkKnobs::default()
    }
}

fn captions() -> Vec<String> {
    let oracle = Grammar::default();
    let sample = oracle.sample(400, Seed::new(1));
    sample.iter().map(|sentence| oracle.vocabulary().decode(sentence)).collect()
}

/// Asks to stop at a step.
struct Stop {
    cancel: Cancel,
    step: u64,
}

impl Progress for Stop {
    fn update(&self, _task: &str, done: u64, _total: u64) {
        if done >= self.step {
            self.cancel.cancel();
        }
    }
}

/// A training that is stopped at a step, if one is given.
fn train(
    network: &NetworkKnobs,
    epochs: usize,
    checkpoints: Option<&Checkpoints>,
    stop: Option<u64>,
) -> Option<Trained> {
    let text = captions();
    let codec = Codec::of_words(&text, Tokenizer::Whitespace, 2).unwrap();
    let all = codec.encode(&text).unwrap().sentences;
    let longest = all.iter().map(Vec::len).max().unwrap();
    let training = TrainingKnobs { epochs, learning_rate: 5e-3, batch: 32, ..TrainingKnobs::default() };
    let device = device::parse("cpu").unwrap().autodiff();
    let job = Job {
        network,
        training: &training,
        codec: &codec,
        train: &all[..300],
        valid: &all[300..],
        longest,
        device: &device,
        checkpoints,
        observe: None,
    };
    let stop = Stop { cancel: Cancel::default(), step: stop.unwrap_or(u64::MAX) };
    match job.run(Seed::new(2), Watch::new(&stop.cancel, &stop)) {
        Ok(trained) => Some(trained),
        Err(trueness_text::Error::Core(trueness_core::Error::Interrupted)) => None,
        Err(error) => panic!("{error}"),
    }
}

fn trained(network: &NetworkKnobs, epochs: usize) -> Trained {
    train(network, epochs, None, None).unwrap()
}

/// The probabilities of all sentences of up to three tokens sum to 1, and frequencies follow them.
#[test]
fn the_law_sums_to_one_and_samples_follow_it() {
    for model in [Kind::Lstm, Kind::Gpt2] {
        let text = ["a b", "b", "a a b", "b a"];
        let codec = Codec::of_words(&text, Tokenizer::Whitespace, 1).unwrap();
        let all = codec.encode(&text).unwrap().sentences;
        let device = device::parse("cpu").unwrap();
        let training = TrainingKnobs { epochs: 3, ..TrainingKnobs::default() };
        let network = NetworkKnobs { hidden: 8, ..small(model) };
        let generator = watched(|watch| {
            Job {
                network: &network,
                training: &training,
                codec: &codec,
                train: &all,
                valid: &all,
                longest: 3,
                device: &device.autodiff(),
                checkpoints: None,
                observe: None,
            }
            .run(Seed::new(1), watch)
        })
        .unwrap()
        .generator;
        // The unknown word and two others.
        let words = 3u32;
        let mut listed = Encoded::new();
        listed.push([]);
        for a in 0..words {
            listed.push([a]);
            for b in 0..words {
                listed.push([a, b]);
                (0..words).for_each(|c| listed.push([a, b, c]));
            }
        }
        let logs = generator.log_density(&listed);
        let law: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
        assert!((law.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{model:?} {}", law.iter().sum::<f64>());
        let mut too_long = Encoded::new();
        too_long.push([0, 0, 0, 0]);
        assert_eq!(generator.log_density(&too_long), [f64::NEG_INFINITY]);
        let n = 20_000;
        let sample = Oracle::sample(&generator, n, Seed::new(5));
        // The entropy per token that is drawn, the end being one unless three tokens leave no choice.
        let drawn = listed.iter().map(|sentence| (sentence.len() + usize::from(sentence.len() < 3)) as f64);
        let tokens: f64 = law.iter().zip(drawn).map(|(p, tokens)| p * tokens).sum();
        let entropy = -law.iter().zip(&logs).map(|(p, log)| p * log).sum::<f64>() / tokens;
        let own = watched(|watch| generator.score_own(&generator.codec().from_vocabulary(&sample), watch)).unwrap();
        let found = own.estimate(Seed::new(6));
        let error = (found.high.unwrap() - found.low.unwrap()) / 2.0;
        assert!((found.value.unwrap() - entropy).abs() < 2.5 * error, "{model:?} {found:?} {entropy}");
        for (sentence, p) in listed.iter().zip(law) {
            let count = sample.iter().filter(|other| *other == sentence).count() as f64;
            let sd = (n as f64 * p * (1.0 - p)).sqrt();
            assert!((count - n as f64 * p).abs() < 4.5 * sd + 1.0, "{sentence:?} {count} {p}");
        }
    }
}

#[test]
fn training_learns_and_samples_are_sentences() {
    for model in [Kind::Lstm, Kind::Gpt2] {
        let found = trained(&small(model), 6);
        let (first, last) = (found.history.first().unwrap().metric, found.best.metric);
        assert!(last < first - 0.4, "{model:?}: {first} {last}");
        let samples = watched(|watch| found.generator.sample(50, Sampling::default(), Seed::new(3), watch)).unwrap();
        assert_eq!(samples.len(), 50);
        assert!(samples.iter().filter(|s| s.split(' ').count() >= 3).count() > 40);
    }
}

#[test]
fn an_interrupted_training_ends_in_the_same_weights_whatever_the_threads() {
    let network = NetworkKnobs { keep: 0.8, ..small(Kind::Lstm) };
    let whole = trained(&network, 3);
    let scores = |generator: &Generator| {
        let ids: Vec<Vec<u32>> = vec![vec![2, 3, 4], vec![5]];
        watched(|watch| generator.score(&ids, watch)).unwrap().nll
    };
    for (stop, threads) in [(7, 1), (15, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path(), 1).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again = pool.install(|| {
            assert!(train(&network, 3, Some(&checkpoints), Some(stop)).is_none());
            train(&network, 3, Some(&checkpoints), None).unwrap()
        });
        assert_eq!(again.history, whole.history);
        assert_eq!(scores(&again.generator), scores(&whole.generator));
    }
}

#[test]
fn folders_load_again_to_the_same_numbers() {
    let device = device::parse("cpu").unwrap();
    for model in [Kind::Lstm, Kind::Gpt2, Kind::Relational, Kind::Hierarchical] {
        let generator = trained(&small(model), 1).generator;
        let folder = tempfile::tempdir().unwrap();
        let card = Card { samples: vec!["a dog".to_owned()], ..Card::default() };
        generator.save(folder.path(), &card).unwrap();
        let again = load(folder.path(), &device).unwrap();
        assert_eq!((again.longest(), again.signature()), (generator.longest(), generator.signature()));
        let sample = |g: &Generator| watched(|watch| g.sample(20, Sampling::default(), Seed::new(1), watch)).unwrap();
        assert_eq!(sample(&again), sample(&generator));
        let card = std::fs::read_to_string(folder.path().join("README.md")).unwrap();
        assert!(card.contains("a dog") && card.contains(generator.signature()), "{card}");
        // What is missing or does not fit is named.
        let message = |folder: &Path| load(folder, &device).unwrap_err().to_string();
        let broken = |name: &str, change: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>| {
            let bytes = std::fs::read(folder.path().join(name)).unwrap();
            match change(bytes.clone()) {
                Some(other) => std::fs::write(folder.path().join(name), other).unwrap(),
                None => std::fs::remove_file(folder.path().join(name)).unwrap(),
            }
            let found = message(folder.path());
            std::fs::write(folder.path().join(name), bytes).unwrap();
            found
        };
        for name in ["vocabulary.json", "model.safetensors"] {
            assert!(broken(name, &|_| None).contains(name), "{name}");
        }
        assert!(broken("model.safetensors", &|bytes| Some(bytes[..bytes.len() / 2].to_vec())).contains("safetensors"));
        assert!(broken("vocabulary.json", &|_| Some(b"[\"<unk>\", \"a\"]".to_vec())).contains("words"));
        assert!(broken("vocabulary.json", &|_| Some(b"[\"a\"]".to_vec())).contains("<unk>"));
        assert!(broken("trueness.json", &|_| Some(b"{".to_vec())).contains("trueness.json"));
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(load(empty.path(), &device).unwrap_err().to_string().contains("is no model folder"));
}

#[test]
fn an_oracles_samples_can_be_learned_and_its_nll_falls() {
    // A small oracle of SeqGAN's kind; the generator has its shape.
    let shape = LstmConfig { vocabulary: 40, embedding: 8, hidden: 8, length: 6 };
    let oracle = LstmOracle::draw(shape, Seed::new(4)).unwrap();
    let codec = Codec::of_oracle(oracle.vocabulary().clone());
    let train = codec.from_vocabulary(&oracle.sample(1500, Seed::new(5)));
    let valid = codec.from_vocabulary(&oracle.sample(300, Seed::new(6)));
    let nll = |generator: &Generator| {
        let sample = Oracle::sample(generator, 400, Seed::new(7));
        -oracle.log_density(&sample).iter().sum::<f64>() / (400.0 * 6.0)
    };
    let observe = |generator: &Generator, _: usize, _: Seed| {
        Ok([("nll-oracle".to_owned(), nll(generator))].into_iter().collect())
    };
    let training = TrainingKnobs { epochs: 12, learning_rate: 1e-2, patience: None, ..TrainingKnobs::default() };
    let found = watched(|watch| {
        Job {
            network: &NetworkKnobs { embedding: 16, hidden: 32, ..NetworkKnobs::seqgan() },
            training: &training,
            codec: &codec,
            train: &train,
            valid: &valid,
            longest: 6,
            device: &device::parse("cpu").unwrap().autodiff(),
            checkpoints: None,
            observe: Some(&observe),
        }
        .run(Seed::new(8), watch)
    })
    .unwrap();
    let (first, last) = (&found.history[0].observed["nll-oracle"], &found.history[11].observed["nll-oracle"]);
    assert!(last < &(first - 0.2), "{first} {last}");
    // Sentences of another length are refused.
    let wrong = vec![vec![1, 2]];
    let error = watched(|watch| {
        Job {
            network: &NetworkKnobs::seqgan(),
            training: &training,
            codec: &codec,
            train: &wrong,
            valid: &valid,
            longest: 6,
            device: &device::parse("cpu").unwrap().autodiff(),
            checkpoints: None,
            observe: None,
        }
        .run(Seed::new(8), watch)
    });
    assert!(error.unwrap_err().to_string().contains("expected exactly 6"));
}
