//! Oracles against a replay in NumPy, brute force, sampling frequencies and closed forms.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use serde_json::Value;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use std::path::Path;
use trueness_core::{Estimate, Seed};
use trueness_text::corpus::Encoded;
use trueness_text::oracle::grammar::{Grammar, GrammarKnobs};
use trueness_text::oracle::lstm::{LstmConfig, LstmOracle};
use trueness_text::oracle::{Oracle, divergence, entropy, log_density_ratio, score};

fn on_threads<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

fn small(seed: u64) -> LstmOracle {
    let config = LstmConfig { vocabulary: 4, embedding: 3, hidden: 3, length: 3 };
    LstmOracle::draw(config, Seed::new(seed)).unwrap()
}

fn all_sentences() -> Encoded {
    (0..64u32).map(|i| [i / 16, i / 4 % 4, i % 4]).collect()
}

#[test]
fn lstm_densities_match_the_replay_in_numpy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oracle");
    let oracle = LstmOracle::load(&folder.join("lstm.safetensors")).unwrap();
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("lstm.json")).unwrap()).unwrap();
    let rows = golden["sentences"].as_array().unwrap();
    let sentences: Encoded = rows
        .iter()
        .map(|row| row.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect::<Vec<_>>())
        .collect();
    let expected = golden["log_density"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap());
    for (ours, theirs) in oracle.log_density(&sentences).into_iter().zip(expected) {
        assert!((ours - theirs).abs() < 1e-5 * theirs.abs(), "{ours} {theirs}");
    }
}

#[test]
fn lstm_densities_sum_to_one_and_are_the_sampling_frequencies() {
    for seed in 0..3 {
        let oracle = small(seed);
        let densities = oracle.log_density(&all_sentences());
        assert!((densities.iter().map(|x| x.exp()).sum::<f64>() - 1.0).abs() < 1e-6);
        let n = 40_000;
        let mut counts = [0f64; 64];
        for sentence in oracle.sample(n, Seed::new(seed).child("sample")).iter() {
            counts[(sentence[0] * 16 + sentence[1] * 4 + sentence[2]) as usize] += 1.0;
        }
        // Pearson's chi-square over the cells that expect at least five, the rest put together.
        let (mut statistic, mut cells, mut rest) = (0.0, 0, (0.0, 0.0));
        for (count, density) in counts.iter().zip(&densities) {
            let expected = n as f64 * density.exp();
            if expected >= 5.0 {
                statistic += (count - expected).powi(2) / expected;
                cells += 1;
            } else {
                rest = (rest.0 + count, rest.1 + expected);
            }
        }
        if rest.1 >= 5.0 {
            statistic += (rest.0 - rest.1).powi(2) / rest.1;
            cells += 1;
        }
        let tail = 1.0 - ChiSquared::new(f64::from(cells - 1)).unwrap().cdf(statistic);
        assert!(tail > 1e-3, "seed {seed}: chi-square {statistic} over {cells} cells");
    }
}

#[test]
fn impossible_sentences_have_no_density() {
    let sentences: Encoded = [vec![0, 1, 2], vec![0, 1], vec![0, 1, 9], vec![]].iter().collect();
    let densities = small(1).log_density(&sentences);
    assert!(densities[0].is_finite());
    assert!(densities[1..].iter().all(|&x| x == f64::NEG_INFINITY));
    let longer = small(1).log_density(&all_sentences());
    assert_eq!(longer[6], densities[0], "a density must not depend on its batch");
    assert_eq!(score(&small(1), &sentences).estimate(Seed::new(1)).value, None);
}

#[test]
fn oracles_do_not_depend_on_the_number_of_threads() {
    let lstm = LstmOracle::draw(LstmConfig { vocabulary: 50, ..LstmConfig::default() }, Seed::new(3)).unwrap();
    let grammar = Grammar::default();
    for oracle in [&lstm as &dyn Oracle, &grammar] {
        let run = |threads| {
            on_threads(threads, || {
                let sample = oracle.sample(150, Seed::new(4));
                (oracle.log_density(&sample), sample)
            })
        };
        assert_eq!(run(1), run(3));
        assert_eq!(run(1).1.first(40), oracle.sample(40, Seed::new(4)));
    }
}

#[test]
fn moving_an_lstm_oracle_moves_its_density_by_degrees() {
    let config = LstmConfig { vocabulary: 60, ..LstmConfig::default() };
    let oracle = LstmOracle::draw(config, Seed::new(5)).unwrap();
    let far: Vec<Estimate> = [0.0, 0.1, 0.3, 1.0]
        .map(|epsilon| {
            let moved = oracle.moved(epsilon, Seed::new(6)).unwrap();
            divergence(&oracle, &moved, 400, Seed::new(7)).unwrap()
        })
        .into();
    assert_eq!(far[0].value, Some(0.0));
    assert!(far.windows(2).all(|pair| pair[0].high < pair[1].low), "{far:?}");
    // N(0, 1) parameters stay N(0, 1).
    let moved = oracle.moved(0.6, Seed::new(6)).unwrap();
    let all: Vec<f64> = moved.parameters().iter().flatten().map(|&x| f64::from(x)).collect();
    let variance = all.iter().map(|x| x * x).sum::<f64>() / all.len() as f64;
    assert!((variance - 1.0).abs() < 5.0 * (2.0 / all.len() as f64).sqrt(), "{variance}");
    assert!(oracle.moved(1.5, Seed::new(1)).is_err());
    assert!(log_density_ratio(&oracle, &small(1), &Encoded::new()).is_err());
}

#[test]
fn lstm_oracles_survive_the_disk_and_refuse_what_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oracle.safetensors");
    let oracle = small(2);
    oracle.save(&path).unwrap();
    let back = LstmOracle::load(&path).unwrap();
    assert_eq!((back.config(), back.signature()), (oracle.config(), oracle.signature()));
    assert_eq!(back.log_density(&all_sentences()), oracle.log_density(&all_sentences()));
    let bytes = std::fs::read(&path).unwrap();
    for broken in [&bytes[..bytes.len() - 4], &bytes[..20], b"hello", b""] {
        std::fs::write(&path, broken).unwrap();
        assert!(LstmOracle::load(&path).unwrap_err().to_string().contains("oracle.safetensors"));
    }
    let nan = LstmOracle::from_arrays(oracle.config().clone(), {
        let mut arrays = oracle.parameters().to_vec();
        arrays[3][0] = f32::NAN;
        arrays
    });
    assert!(nan.unwrap_err().to_string().contains("input_gate.bias"));
    assert!(LstmOracle::draw(LstmConfig { hidden: 0, ..LstmConfig::default() }, Seed::new(1)).is_err());
}

#[test]
fn seqgan_sized_oracles_have_the_entropy_that_was_measured_elsewhere() {
    // SeqGAN's own oracle has 5.74 nats per token, and other N(0, 1) draws of its shape 5.9 to 6.0.
    let oracle = LstmOracle::draw(LstmConfig::default(), Seed::new(11)).unwrap();
    let estimate = entropy(&oracle, 64, Seed::new(12));
    let value = estimate.value.unwrap();
    assert!((5.5..6.3).contains(&value), "{estimate:?}");
    assert!(estimate.has_interval() && estimate.unit == "nats/token");
}

#[test]
fn captions_look_like_captions() {
    let grammar = Grammar::default();
    let sample = grammar.sample(2000, Seed::new(8));
    assert!(log_is_finite(&grammar, &sample));
    let words =
        |text: &str| -> Vec<u32> { text.split(' ').map(|word| grammar.vocabulary().id(word).unwrap()).collect() };
    let known: Encoded = [
        "a small black dog is sitting on a red bench .",
        "two men ride bikes .",
        "two men ride some bikes .",
        "a dog are sitting on a bench .",
        "a kettle is grazing near a tree .",
        "the man with a red hat stands in the park while a dog runs down the road .",
        "a dog sits on",
    ]
    .map(words)
    .iter()
    .collect();
    let possible: Vec<bool> = grammar.log_density(&known).iter().map(|x| x.is_finite()).collect();
    assert_eq!(possible, [true, false, true, false, false, true, false]);
    assert!(grammar.n_sentences() > 1e9);
    // The entropy is exact, and the samples agree with it.
    let nll = score(&grammar, &sample);
    let (mean, sd) = trueness_core::mean_sd(&nll.nll);
    let exact = grammar.exact_entropy().unwrap();
    assert!((mean - exact).abs() < 5.0 * sd / 2000f64.sqrt(), "{mean} {exact}");
}

fn log_is_finite(oracle: &dyn Oracle, sentences: &Encoded) -> bool {
    oracle.log_density(sentences).iter().all(|x| x.is_finite())
}

#[test]
fn wrong_agreement_is_a_known_distance() {
    // A clause shows its number with probability .6 and a second clause comes with probability .1; none of
    // the faulty sentences is possible without the fault. TV = 1 − P(no fault).
    let plain = Grammar::default();
    for agreement in [0.1, 0.5] {
        let moved = Grammar::new(GrammarKnobs { agreement, ..GrammarKnobs::default() }).unwrap();
        let right = 1.0 - 0.6 * agreement;
        let closed = 1.0 - (0.9 * right + 0.1 * right * right);
        assert!((plain.total_variation(&moved).unwrap() - closed).abs() < 1e-9);
    }
}

#[test]
fn faults_that_leave_the_language_are_counted_by_sampling() {
    // For faults that only add impossible sentences and scale the rest down, TV is the share of samples
    // that the plain grammar cannot produce.
    let plain = Grammar::default();
    let knobs = [
        GrammarKnobs { repetition: 0.1, ..GrammarKnobs::default() },
        GrammarKnobs { truncation: 0.2, ..GrammarKnobs::default() },
    ];
    for (i, knobs) in knobs.into_iter().enumerate() {
        let moved = Grammar::new(knobs).unwrap();
        let exact = plain.total_variation(&moved).unwrap();
        let n = 4000;
        let sample = moved.sample(n, Seed::new(20 + i as u64));
        let outside = plain.log_density(&sample).iter().filter(|x| !x.is_finite()).count();
        let share = outside as f64 / n as f64;
        assert!((share - exact).abs() < 5.0 * (exact * (1.0 - exact) / n as f64).sqrt(), "{share} {exact}");
    }
}

#[test]
fn selection_keeps_every_word_as_frequent_as_it_was() {
    let plain = Grammar::default();
    let moved = Grammar::new(GrammarKnobs { selection: 0.7, ..GrammarKnobs::default() }).unwrap();
    for (a, b) in plain.expected_counts().iter().zip(moved.expected_counts()) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
    assert!(plain.total_variation(&moved).unwrap() > 0.2);
}

#[test]
fn total_variation_agrees_with_monte_carlo_over_exact_densities() {
    // TV = E_p[(1 − q/p)₊], each term in [0, 1].
    let plain = Grammar::default();
    let settings = [
        GrammarKnobs { lexicon: 0.3, ..GrammarKnobs::default() },
        GrammarKnobs { diversity: 0.2, ..GrammarKnobs::default() },
        GrammarKnobs { selection: 0.5, agreement: 0.1, ..GrammarKnobs::default() },
    ];
    for knobs in settings {
        let moved = Grammar::new(knobs).unwrap();
        let (low, high) = plain.total_variation_bounds(&moved).unwrap();
        let ratios = log_density_ratio(&plain, &moved, &plain.sample(4000, Seed::new(30))).unwrap();
        let terms: Vec<f64> = ratios.iter().map(|ratio| (1.0 - (-ratio).exp()).max(0.0)).collect();
        let (mean, sd) = trueness_core::mean_sd(&terms);
        let slack = 5.0 * sd / 4000f64.sqrt();
        assert!(low - slack < mean && mean < high + slack && low <= high + 1e-12, "{low} {mean} {high}");
        assert!(high - low < 2e-3, "{low} {high}");
    }
}

#[test]
fn knobs_outside_their_range_are_named() {
    let error = Grammar::new(GrammarKnobs { truncation: 1.2, ..GrammarKnobs::default() }).unwrap_err();
    assert!(error.to_string().contains("truncation") && error.to_string().contains("1.2"));
    assert!(serde_json::from_str::<GrammarKnobs>(r#"{"agreemnt": 0.1}"#).is_err());
}
