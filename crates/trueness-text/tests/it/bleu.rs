//! BLEU against NLTK, sacreBLEU, brute force and its own laws.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use proptest::prelude::*;
use rand::RngExt;
use rand::distr::{Distribution, weighted::WeightedIndex};
use serde_json::Value;
use trueness_core::{Rng, Seed, mean_sd};
use trueness_text::corpus::{Encoded, Vocabulary};
use trueness_text::metric::bleu::corpus::{CorpusSettings, Smoothing, Tokenizer, corpus_bleu};
use trueness_text::metric::bleu::{self, Orders, References, Scores, Settings, self_scores};

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/bleu/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A file of the real data, or `None` with a word of it where there is none.
fn data(path: &str) -> Option<String> {
    let Some(folder) = std::env::var_os("TRUENESS_TEST_DATA") else {
        eprintln!("skipped: TRUENESS_TEST_DATA is unset");
        return None;
    };
    Some(std::fs::read_to_string(std::path::Path::new(&folder).join(path)).unwrap())
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    let row = |row: &Value| row.as_array().unwrap().iter().map(|score| score.as_f64().unwrap()).collect();
    value.as_array().unwrap().iter().map(row).collect()
}

fn encode<'a>(lines: impl IntoIterator<Item = &'a str>, vocabulary: &mut Vocabulary) -> Encoded {
    let mut encoded = Encoded::new();
    for line in lines {
        encoded.push(line.split_whitespace().map(|word| vocabulary.add(word)));
    }
    encoded
}

/// The largest difference between scores and rows of expected scores for all their orders.
fn largest_difference(scores: &Scores, expected: &[Vec<f64>]) -> f64 {
    assert_eq!(scores.len(), expected.len());
    let differences = scores.iter().enumerate().flat_map(|(column, (_, scores))| {
        scores.iter().zip(expected).map(move |(score, row)| (score - row[column]).abs()).collect::<Vec<_>>()
    });
    differences.fold(0.0, f64::max)
}

#[test]
fn sentence_scores_equal_nltk() {
    let golden = fixture("nltk");
    let mut vocabulary = Vocabulary::new();
    let references = encode(strings(&golden["references"]), &mut vocabulary);
    let hypotheses = encode(strings(&golden["hypotheses"]), &mut vocabulary);
    let orders = Orders::new(1, 6).unwrap();
    let scores = References::new(&references, orders).unwrap().score(&hypotheses).unwrap();
    assert!(largest_difference(&scores, &rows(&golden["scores"])) < 1e-12);
    let own = self_scores(&references.first(40), orders).unwrap();
    assert!(largest_difference(&own, &rows(&golden["self_scores"])) < 1e-12);
}

#[test]
fn scores_of_real_captions_equal_nltk() {
    let (Some(test), Some(train)) = (data("text/coco_test.txt"), data("text/coco_train.txt")) else { return };
    let mut vocabulary = Vocabulary::new();
    let references = encode(train.lines().take(500), &mut vocabulary);
    let hypotheses = encode(test.lines().take(20), &mut vocabulary);
    let scores = References::new(&references, Orders::new(1, 6).unwrap()).unwrap().score(&hypotheses).unwrap();
    let golden = rows(&fixture("nltk")["coco_20_of_test_against_500_of_train"]);
    assert!(largest_difference(&scores, &golden) < 1e-12);
}

#[test]
fn ten_thousand_captions_equal_fast_bleu() {
    let (Some(test), Some(train)) = (data("text/coco_test.txt"), data("text/coco_train.txt")) else { return };
    let mut vocabulary = Vocabulary::new();
    let references = encode(train.lines(), &mut vocabulary);
    let hypotheses = encode(test.lines(), &mut vocabulary);
    let close = |scores: Scores, expected: [f64; 4]| {
        for (mean, expected) in scores.means().iter().zip(expected) {
            assert!((mean - expected).abs() < 5e-5, "{mean} {expected}");
        }
    };
    let orders = Orders::default();
    close(References::new(&references, orders).unwrap().score(&hypotheses).unwrap(), [0.8144, 0.6108, 0.4135, 0.2681]);
    close(self_scores(&hypotheses.first(1000), orders).unwrap(), [0.7784, 0.5597, 0.3779, 0.2494]);
}

#[test]
fn corpus_bleu_equals_sacrebleu() {
    let golden = fixture("sacrebleu");
    let hypotheses = strings(&golden["hypotheses"]);
    let streams: Vec<Vec<&str>> = golden["references"].as_array().unwrap().iter().map(strings).collect();
    for case in golden["cases"].as_array().unwrap() {
        let number = |key: &str| case[key].as_u64().unwrap() as usize;
        let value = case["smooth_value"].as_f64();
        let settings = CorpusSettings {
            max_order: number("max_ngram_order"),
            smoothing: match case["smooth_method"].as_str().unwrap() {
                "none" => Smoothing::None,
                "exp" => Smoothing::Exp,
                "floor" => Smoothing::Floor(value.unwrap_or(0.1)),
                _ => Smoothing::AddK(value.unwrap_or(1.0)),
            },
            tokenizer: if case["tokenize"] == "13a" { Tokenizer::V13a } else { Tokenizer::None },
            lowercase: case["lowercase"].as_bool().unwrap(),
            effective_order: case["effective_order"].as_bool().unwrap(),
            resamples: 20,
        };
        let range = number("first")..number("last");
        let references: Vec<Vec<&str>> =
            streams[..number("streams")].iter().map(|stream| stream[range.clone()].to_vec()).collect();
        let ours = corpus_bleu(&hypotheses[range], &references, &settings, Seed::new(1)).unwrap();
        let score = ours.measure.estimate.value.unwrap();
        assert!((score - case["score"].as_f64().unwrap()).abs() < 1e-9, "{score}: {case}");
        assert_eq!(ours.counts.hypothesis_length as usize, number("sys_len"), "{case}");
        assert_eq!(ours.counts.reference_length as usize, number("ref_len"), "{case}");
        // The signature is theirs but for the version, and the order, which theirs leaves out.
        let theirs = case["signature"].as_str().unwrap().split("|version").next().unwrap();
        assert!(ours.measure.signature.starts_with(theirs), "{} {theirs}", ours.measure.signature);
    }
}

fn texts() -> impl Strategy<Value = Encoded> {
    proptest::collection::vec(proptest::collection::vec(0u32..6, 0..10), 2..10)
        .prop_map(|sentences| sentences.iter().collect())
}

proptest! {
    #[test]
    fn self_bleu_is_bleu_with_all_others(sentences in texts()) {
        let orders = Orders::new(1, 4).unwrap();
        let own = self_scores(&sentences, orders).unwrap();
        for i in 0..sentences.len() {
            let others = sentences.subset(&(0..sentences.len()).filter(|&j| j != i).collect::<Vec<_>>());
            let one = References::new(&others, orders).unwrap().score(&sentences.subset(&[i])).unwrap();
            for (order, score) in one.iter() {
                prop_assert_eq!(score[0], own.of(order).unwrap()[i]);
            }
        }
    }

    #[test]
    fn a_sentence_among_its_references_scores_one(sentences in texts()) {
        let scores = References::new(&sentences, Orders::default()).unwrap().score(&sentences).unwrap();
        for (order, scores) in scores.iter() {
            for (sentence, &score) in sentences.iter().zip(scores) {
                prop_assert!(sentence.len() < order || score == 1.0);
            }
        }
    }

    #[test]
    fn more_references_never_lower_a_score_of_equal_length(sentences in texts(), more in texts()) {
        // The brevity penalty may change with the lengths, so that all get one length.
        let pad = |texts: &Encoded| -> Encoded {
            texts.iter().map(|s| s.iter().copied().chain(std::iter::repeat(9)).take(10).collect::<Vec<_>>()).collect()
        };
        let (hypothesis, few) = (pad(&sentences).first(1), pad(&sentences).subset(&[1]));
        let many: Encoded = few.iter().chain(pad(&more).iter()).map(<[u32]>::to_vec).collect();
        let score = |references: &Encoded| {
            References::new(references, Orders::default()).unwrap().score(&hypothesis).unwrap().means()
        };
        for (few, many) in score(&few).into_iter().zip(score(&many)) {
            prop_assert!(many >= few);
        }
    }
}

/// Sentences of a Markov chain: Zipf's law for the words, shifted by the word before.
pub(crate) fn chain(n: usize, rng: &mut Rng) -> Encoded {
    const WORDS: usize = 60;
    let zipf = WeightedIndex::new((1..=WORDS).map(|rank| 1.0 / rank as f64)).unwrap();
    let mut sentences = Encoded::new();
    for _ in 0..n {
        let length = rng.random_range(5..13);
        let mut word = 0;
        sentences.push((0..length).map(|_| {
            word = (zipf.sample(rng) + word * 7) % WORDS;
            word as u32
        }));
    }
    sentences
}

/// How many of many samples' intervals hold the statistic's mean over the samples.
pub(crate) fn covered(estimates: &[trueness_core::Estimate]) -> usize {
    let values: Vec<f64> = estimates.iter().map(|estimate| estimate.value.unwrap()).collect();
    let truth = mean_sd(&values).0;
    estimates.iter().filter(|estimate| estimate.covers(truth)).count()
}

#[test]
fn intervals_cover_the_expectation_as_often_as_they_say() {
    let trials = 60;
    let references = chain(150, &mut Seed::new(77).rng());
    let settings = Settings { resamples: 200, ..Settings::default() };
    let (mut plain, mut own) = (Vec::new(), Vec::new());
    for trial in 0..trials {
        let seed = Seed::new(5).nth(trial);
        let sentences = chain(150, &mut seed.child("text").rng());
        plain.push(bleu::bleu(&sentences, &references, &settings, seed).unwrap().measures);
        own.push(bleu::self_bleu(&sentences, &settings, seed).unwrap().measures);
    }
    for measures in [plain, own] {
        for order in 0..4 {
            let name = &measures[0][order].name;
            let estimates: Vec<_> = measures.iter().map(|all| all[order].estimate.clone()).collect();
            let share = covered(&estimates) as f64 / trials as f64;
            // A binomial's standard deviation is .04 here, and the jackknife errs to the safe side.
            let (least, most) = if name.starts_with("self") { (0.85, 1.0) } else { (0.79, 0.99) };
            assert!((least..=most).contains(&share), "{name} {share}");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let sentences = chain(300, &mut Seed::new(3).rng());
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let settings = Settings { resamples: 50, groups: 4, ..Settings::default() };
        pool.install(|| {
            let own = bleu::self_bleu(&sentences, &settings, Seed::new(1)).unwrap();
            let other = bleu::bleu(&sentences.first(99), &sentences, &settings, Seed::new(1)).unwrap();
            (own.scores, own.measures, other.scores, other.measures)
        })
    };
    assert_eq!(run(1), run(3));
}
