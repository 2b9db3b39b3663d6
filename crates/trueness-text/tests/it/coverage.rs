//! What the numbers promise: exact distances, intervals that cover, known orders.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's helpers may stop it, and it says what it found or skipped"
)]

use rand::seq::SliceRandom;
use std::path::PathBuf;
use trueness_core::{Cancel, Seed, Silent, Watch};
use trueness_text::corpus::{Encoded, Tokenizer, Vocabulary, read};
use trueness_text::discriminator::Protocol;
use trueness_text::metric::discrepancy::{from_densities, from_probabilities};
use trueness_text::metric::language_model::NgramSampler;
use trueness_text::oracle::lstm::{LstmConfig, LstmOracle};
use trueness_text::oracle::{Oracle, entropy, log_density_ratio};

fn data(name: &str) -> Option<PathBuf> {
    match std::env::var_os("TRUENESS_TEST_DATA") {
        Some(folder) => Some(PathBuf::from(folder).join("text").join(name)),
        None => {
            eprintln!("skipped: TRUENESS_TEST_DATA is unset");
            None
        }
    }
}

fn captions(files: &[&str]) -> Option<(Encoded, Vocabulary)> {
    let mut sentences = Vec::new();
    for file in files {
        sentences.extend(read::read(data(file)?).unwrap().sentences);
    }
    let mut vocabulary = Vocabulary::new();
    let encoded = Tokenizer::Whitespace.encode(&sentences, &mut vocabulary).unwrap();
    Some((encoded, vocabulary))
}

fn halves(pool: &Encoded, seed: Seed) -> (Encoded, Encoded) {
    let mut rows: Vec<usize> = (0..pool.len()).collect();
    rows.shuffle(&mut seed.rng());
    let half = rows.len() / 2;
    (pool.subset(&rows[..half]), pool.subset(&rows[half..2 * half]))
}

#[test]
fn exact_density_dd_equals_brute_force_total_variation() {
    // Vocabulary 3, length 3: all 27 sentences are listed.
    let config = LstmConfig { vocabulary: 3, embedding: 4, hidden: 4, length: 3 };
    let p = LstmOracle::draw(config.clone(), Seed::new(1)).unwrap();
    let q = LstmOracle::draw(config, Seed::new(2)).unwrap();
    let all: Encoded = (0..27u32).map(|i| [i / 9, i / 3 % 3, i % 3]).collect();
    // The oracle's densities are computed in single precision; laws that sum to 1 exactly are compared.
    let law = |oracle: &LstmOracle| {
        let law: Vec<f64> = oracle.log_density(&all).iter().map(|l| l.exp()).collect();
        let total: f64 = law.iter().sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
        law.iter().map(|p| p / total).collect::<Vec<f64>>()
    };
    let exact = from_probabilities(&law(&p), &law(&q));
    // The largest difference over all 2^27 events is reached by the sentences that p prefers.
    let brute: f64 = law(&p).iter().zip(law(&q)).map(|(a, b)| (a - b).max(0.0)).sum();
    assert!((exact.dd - brute).abs() < 1e-12);
    let ratios = |from: &LstmOracle, seed| log_density_ratio(&p, &q, &from.sample(20_000, Seed::new(seed))).unwrap();
    let sampled = from_densities(&ratios(&p, 3), &ratios(&q, 4));
    assert!((sampled.dd.value.unwrap() - exact.dd).abs() < 0.02);
    assert!((sampled.tv.value.unwrap() - exact.dd).abs() < 0.02);
}

#[test]
fn oracles_of_seqgans_shape_have_the_entropy_of_the_literature() {
    // Ten oracles for a release build; one with few sentences stands for them in the gate.
    let (oracles, n) = if std::env::var_os("TRUENESS_SLOW").is_some() { (10, 2000) } else { (1, 200) };
    let mut entropies = Vec::new();
    for i in 0..oracles {
        let oracle = LstmOracle::draw(LstmConfig::default(), Seed::new(i)).unwrap();
        let found = entropy(&oracle, n, Seed::new(i).child("entropy"));
        eprintln!(
            "oracle {i}: {:.3} [{:.3}, {:.3}] nats per token",
            found.value.unwrap(),
            found.low.unwrap(),
            found.high.unwrap()
        );
        entropies.push(found.value.unwrap());
    }
    let mean = entropies.iter().sum::<f64>() / entropies.len() as f64;
    assert!((5.7..6.1).contains(&mean), "{entropies:?}");
}

/// A hundred re-splits are for release builds (set TRUENESS_SLOW); twenty stand for them in the gate.
#[test]
fn the_interval_of_dd_covers_zero_where_there_is_nothing_to_find() {
    let Some((pool, vocabulary)) = captions(&["coco_train.txt"]) else { return };
    let slow = std::env::var_os("TRUENESS_SLOW").is_some();
    let (splits, least) = if slow { (100, 90) } else { (20, 14) };
    let protocol = Protocol::default();
    let (cancel, silent) = (Cancel::default(), Silent);
    let covered = (0..splits)
        .filter(|&split| {
            let (a, b) = halves(&pool, Seed::new(split));
            let (a, b) = if slow { (a, b) } else { (a.first(1000), b.first(1000)) };
            let watch = Watch::new(&cancel, &silent);
            let judged =
                protocol.judge(&a, &b, vocabulary.len(), 200, 0, Seed::new(split).child("judge"), watch).unwrap();
            judged.discrepancy.dd.covers(0.0)
        })
        .count();
    eprintln!("{covered} of {splits} intervals cover 0");
    assert!(covered >= least, "{covered} of {splits}");
}

#[test]
fn n_gram_samples_score_in_the_order_of_their_orders() {
    let Some((pool, vocabulary)) = captions(&["coco_train.txt", "coco_test.txt"]) else { return };
    let (train, real) = halves(&pool, Seed::new(5));
    let slow = std::env::var_os("TRUENESS_SLOW").is_some();
    let n = if slow { real.len() } else { 3000 };
    let (cancel, silent) = (Cancel::default(), Silent);
    let scores: Vec<f64> = (1..=4)
        .map(|order| {
            let generated = NgramSampler::fit(&train, order).unwrap().sample(n, Seed::new(6).nth(order as u64), 100);
            let watch = Watch::new(&cancel, &silent);
            let judged = Protocol::default()
                .judge(&real.first(n), &generated, vocabulary.len(), 100, 99, Seed::new(7), watch)
                .unwrap();
            let found = judged.discrepancy;
            eprintln!(
                "{order}-gram: DD {:.3} [{:.3}, {:.3}]",
                found.dd.value.unwrap(),
                found.dd.low.unwrap(),
                found.dd.high.unwrap()
            );
            found.dd.value.unwrap()
        })
        .collect();
    assert!(scores.windows(2).all(|pair| pair[0] > pair[1]), "{scores:?}");
}

#[test]
fn texts_of_different_topics_are_told_apart_and_the_words_named() {
    let mut vocabulary = Vocabulary::new();
    let load = |name: &str, vocabulary: &mut Vocabulary| -> Option<Encoded> {
        let corpus = read::read(data(name)?).unwrap();
        Some(Tokenizer::Whitespace.encode(&corpus.sentences, vocabulary).unwrap())
    };
    let Some(train) = load("coco_train.txt", &mut vocabulary) else { return };
    let Some(test) = load("coco_test.txt", &mut vocabulary) else { return };
    let (cancel, silent) = (Cancel::default(), Silent);
    let protocol = Protocol { seeds: 1, ..Protocol::default() };
    let judged =
        protocol.judge(&train, &test, vocabulary.len(), 100, 99, Seed::new(1), Watch::new(&cancel, &silent)).unwrap();
    let dd = judged.discrepancy.dd.value.unwrap();
    assert!((0.8..0.9).contains(&dd), "{dd}");
    let named = trueness_text::discriminator::giveaways(&train, &test, &vocabulary, 40);
    for word in ["motorcycle", "bathroom", "zebra"] {
        assert!(named.iter().any(|n| n.text.contains(word)), "{word} is not among {named:?}");
    }
}
