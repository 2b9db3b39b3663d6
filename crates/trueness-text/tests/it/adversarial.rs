//! Language GANs: what is refused, and that a collapse is named.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use trueness_core::{Cancel, Seed, Silent, Watch};
use trueness_nn::device;
use trueness_text::adversarial::{AdversarialKnobs, Method, Play, Played, Segments};
use trueness_text::generator::{Codec, Job, Kind, NetworkKnobs, TrainingKnobs};
use trueness_text::oracle::Oracle;
use trueness_text::oracle::lstm::{LstmConfig, LstmOracle};
use trueness_text::train::Truth;

fn oracle(vocabulary: usize) -> LstmOracle {
    LstmOracle::draw(LstmConfig { vocabulary, embedding: 4, hidden: 4, length: 6 }, Seed::new(1)).unwrap()
}

fn knobs() -> AdversarialKnobs {
    AdversarialKnobs {
        rounds: 2,
        watch_every: 1,
        watch_samples: 40,
        rollouts: 2,
        batch: 8,
        discriminator_steps: 2,
        discriminator_pre_steps: 2,
        interleave_steps: 2,
        ..AdversarialKnobs::default()
    }
}

/// A generator of twelve words that has not learned goes on, with an oracle of so many words for the truth.
fn play(knobs: &AdversarialKnobs, model: Kind, words: usize, sentences: usize) -> Result<Played, String> {
    let real = oracle(12);
    let codec = Codec::of_oracle(real.vocabulary().clone());
    let drawn = codec.from_vocabulary(&real.sample(200, Seed::new(2)));
    let truth = oracle(words);
    let test = truth.sample(40, Seed::new(3));
    let truth = Truth::new(Box::new(truth), test);
    let device = device::parse("cpu").unwrap();
    let network = NetworkKnobs { model, embedding: 8, hidden: 8, keep: 1.0, ..NetworkKnobs::default() };
    let job = Job {
        network: &network,
        training: &TrainingKnobs::default(),
        codec: &codec,
        train: &drawn[..sentences],
        valid: &drawn[100..],
        longest: 6,
        device: &device,
        checkpoints: None,
        observe: None,
    };
    let generator = job.initial(Seed::new(4)).unwrap();
    let play = Play {
        knobs,
        generator: &generator,
        train: &drawn[..sentences],
        valid: &drawn[100..],
        truth: Some(&truth),
        device: &device.clone().autodiff(),
        checkpoints: None,
    };
    let (cancel, silent) = (Cancel::default(), Silent);
    play.run(Seed::new(5), Watch::new(&cancel, &silent)).map_err(|error| error.to_string())
}

#[test]
fn what_does_not_fit_is_refused() {
    let error = |knobs: AdversarialKnobs, model, words, sentences| play(&knobs, model, words, sentences).unwrap_err();
    let said = error(knobs(), Kind::Lstm, 15, 100);
    assert!(said.contains("the oracle has 15 words and the generator 12"), "{said}");
    let said = error(knobs(), Kind::Lstm, 12, 7);
    assert!(said.contains("at least 8 training sentences") && said.contains("got 7"), "{said}");
    let long = AdversarialKnobs { segments: Segments::Prefixes(vec![7]), ..knobs() };
    let said = error(long, Kind::Lstm, 12, 100);
    assert!(said.contains("a prefix of 7 tokens is longer than the longest sentence, which has 6"), "{said}");
    let empty = AdversarialKnobs { segments: Segments::Windows { length: 0, stride: 1 }, ..knobs() };
    let said = error(empty, Kind::Lstm, 12, 100);
    assert!(said.contains("0 tokens is empty"), "{said}");
    for (method, model) in
        [(Method::Relgan, Kind::Lstm), (Method::Leakgan, Kind::Lstm), (Method::Seqgan, Kind::Relational)]
    {
        let said = error(AdversarialKnobs { method, ..knobs() }, model, 12, 100);
        assert!(said.contains(method.name()) && said.contains("trains a"), "{said}");
    }
}

#[test]
fn a_collapse_is_named() {
    // Steps as large as these leave nothing of a generator.
    let wild = AdversarialKnobs { learning_rate: 5.0, rounds: 4, watch_every: 4, ..knobs() };
    let named = match play(&wild, Kind::Lstm, 12, 100) {
        Ok(played) => played.history.last().and_then(|look| look.collapse.clone()),
        Err(error) => error.contains("collapse").then_some(error),
    };
    assert!(named.is_some());
    // And where nothing is done, nothing is found.
    let tame = AdversarialKnobs { learning_rate: 1e-6, ..knobs() };
    let history = play(&tame, Kind::Lstm, 12, 100).unwrap().history;
    assert_eq!(history.iter().map(|look| look.round).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(history.iter().all(|look| look.collapse.is_none()));
}
