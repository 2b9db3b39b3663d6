//! The n-gram model against an independent implementation, and against KenLM answering queries from that
//! implementation's ARPA files (fixtures/oracle/make.py). KenLM's own estimation (lmplz) is not tested.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at what it did not expect, and says when it is skipped"
)]

use serde_json::Value;
use std::path::Path;
use trueness_core::Seed;
use trueness_text::corpus::{Encoded, Vocabulary};
use trueness_text::metric::language_model::{NgramConfig, NgramModel, NgramSampler, lm_score, reverse_lm_score};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/oracle").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn encode<'a>(vocabulary: &mut Vocabulary, lines: impl IntoIterator<Item = &'a str>) -> Encoded {
    let mut encoded = Encoded::new();
    for line in lines {
        encoded.push(line.split_whitespace().map(|word| vocabulary.add(word)));
    }
    encoded
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn probabilities_match_the_plain_implementation_and_kenlm_s_queries_of_it() {
    let golden: Value = serde_json::from_str(&fixture("ngram.json")).unwrap();
    let mut vocabulary = Vocabulary::new();
    let train = encode(&mut vocabulary, fixture("corpus.txt").lines());
    let test = encode(&mut vocabulary, golden["test"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()));
    for order in 1..=5 {
        let expected = &golden["models"][order.to_string()];
        let model = NgramModel::fit(&train, &NgramConfig { order, vocabulary: None }).unwrap();
        for (discounts, expected) in model.discounts().iter().zip(expected["discounts"].as_array().unwrap()) {
            for (ours, theirs) in discounts.by_count.iter().zip(numbers(expected)) {
                assert!((ours - theirs).abs() < 1e-12, "order {order}: {discounts:?}, {expected}");
            }
        }
        // KenLM keeps its probabilities in single precision. It answers from an ARPA file that the plain
        // implementation wrote, so it vouches for back-off and for sentence ends, not for the estimates.
        for (name, tolerance) in [("log_probabilities", 1e-10), ("kenlm", 2e-5)] {
            let Some(rows) = expected[name].as_array() else { continue };
            for (sentence, row) in test.iter().zip(rows) {
                let ours = model.log_probabilities(sentence);
                let theirs = numbers(row);
                assert_eq!(ours.len(), theirs.len());
                for (a, b) in ours.iter().zip(&theirs) {
                    assert!((a - b).abs() < tolerance, "order {order}, {name}: {ours:?}, {theirs:?}");
                }
            }
        }
        let scores = model.score(&test);
        for ((sentence, nll), &tokens) in test.iter().zip(&scores.nll).zip(&scores.tokens) {
            assert!((model.log_probabilities(sentence).iter().sum::<f64>() + nll).abs() < 1e-9);
            assert_eq!(tokens as usize, sentence.len() + 1);
        }
    }
}

#[test]
fn scores_say_which_text_is_worse() {
    let mut vocabulary = Vocabulary::new();
    let text = encode(&mut vocabulary, fixture("corpus.txt").lines());
    let (train, real): (Vec<usize>, Vec<usize>) = (0..text.len()).partition(|i| i % 2 == 0);
    let (train, real) = (text.subset(&train), text.subset(&real));
    let config = NgramConfig { order: 3, vocabulary: Some(vocabulary.len()) };
    let model = NgramModel::fit(&train, &config).unwrap();
    let draw = |order| NgramSampler::fit(&train, order).unwrap().sample(400, Seed::new(1), 60);
    let (unigrams, trigrams) = (draw(1), draw(3));
    let score = |text: &Encoded| lm_score(&model, text, Seed::new(2));
    assert!(score(&unigrams).estimate.low > score(&trigrams).estimate.high);
    let reverse = |text: &Encoded| reverse_lm_score(text, &real, &config, Seed::new(3)).unwrap();
    // One likely sentence over and over: fluent, but real text is a surprise to its model.
    let collapsed: Encoded = std::iter::repeat_n(trigrams.sentence(0), 400).collect();
    assert!(reverse(&collapsed).estimate.low > reverse(&trigrams).estimate.high);
    assert!(reverse(&trigrams).signature.contains("mkn3"), "{:?}", reverse(&trigrams));
}

#[test]
fn closed_vocabularies_make_the_real_text_finite_under_a_poor_model() {
    let text: Encoded = [[0u32, 1, 2]].iter().collect();
    let model = NgramModel::fit(&text, &NgramConfig { order: 2, vocabulary: Some(100) }).unwrap();
    let unseen: Encoded = [[50u32, 60]].iter().collect();
    assert!(model.score(&unseen).nll[0].is_finite());
}

#[test]
fn real_captions_are_likelier_than_what_an_ngram_sampler_makes_of_them() {
    let Some(folder) = std::env::var_os("TRUENESS_TEST_DATA") else {
        eprintln!("skipped: TRUENESS_TEST_DATA is unset");
        return;
    };
    let path = Path::new(&folder).join("text/coco_train.txt");
    let captions = std::fs::read_to_string(path).unwrap();
    let mut vocabulary = Vocabulary::new();
    let text = encode(&mut vocabulary, captions.lines());
    let (train, held): (Vec<usize>, Vec<usize>) = (0..text.len()).partition(|i| i % 5 != 0);
    let (train, held) = (text.subset(&train), text.subset(&held));
    let model = NgramModel::fit(&train, &NgramConfig::default()).unwrap();
    let draw = |order| NgramSampler::fit(&train, order).unwrap().sample(2000, Seed::new(order as u64), 60);
    let score = |text: &Encoded| lm_score(&model, text, Seed::new(9)).estimate;
    let scores = [score(&held), score(&draw(3)), score(&draw(2)), score(&draw(1))];
    // Held-out captions hold words that no sampler of the training captions can hold.
    let worse = |a: &trueness_core::Estimate, b: &trueness_core::Estimate| a.high < b.low;
    assert!(worse(&scores[1], &scores[2]) && worse(&scores[2], &scores[3]), "{scores:?}");
    assert!((2.5..4.5).contains(&scores[0].value.unwrap()), "{scores:?}");
}
