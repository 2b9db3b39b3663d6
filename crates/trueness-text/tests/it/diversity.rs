//! Diversity against plain counting in another language, and the honesty of its intervals.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use crate::bleu::{chain, covered};
use serde_json::Value;
use trueness_core::{Measure, Seed};
use trueness_text::corpus::{Encoded, Vocabulary};
use trueness_text::metric::diversity::{compression_ratio, distinct, ngram_novelty, novelty, self_repetition};

#[test]
fn values_equal_plain_counting() {
    let path = format!("{}/tests/fixtures/bleu/diversity.json", env!("CARGO_MANIFEST_DIR"));
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut vocabulary = Vocabulary::new();
    let mut encode = |key: &str| -> Encoded {
        let lines = golden[key].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
        lines.map(|line| line.split(' ').map(|word| vocabulary.add(word)).collect::<Vec<_>>()).collect()
    };
    let (sentences, others) = (encode("sentences"), encode("others"));
    let seed = Seed::new(1);
    let close = |measure: Measure, expected: &Value| {
        let (value, expected) = (measure.estimate.value.unwrap(), expected.as_f64().unwrap());
        assert!((value - expected).abs() < 1e-12, "{} {value} {expected}", measure.name);
    };
    for n in 1..=4 {
        close(distinct(&sentences, n, 20, seed).unwrap(), &golden["distinct"][n - 1]);
    }
    close(self_repetition(&sentences, 4, 20, seed).unwrap(), &golden["self_repetition_4"]);
    close(novelty(&sentences, &others).unwrap(), &golden["novelty"]);
    close(ngram_novelty(&sentences, &others, 4).unwrap(), &golden["novelty_4"]);
}

#[test]
fn intervals_cover_the_expectation_as_often_as_they_say() {
    let trials = 80;
    let mut samples: Vec<Vec<Measure>> = Vec::new();
    for trial in 0..trials {
        let seed = Seed::new(6).nth(trial);
        let sentences = chain(200, &mut seed.child("text").rng());
        let lines: Vec<String> = sentences
            .iter()
            .map(|sentence| sentence.iter().map(|id| format!("w{id}")).collect::<Vec<_>>().join(" "))
            .collect();
        let mut measures: Vec<Measure> = (1..=4).map(|n| distinct(&sentences, n, 20, seed).unwrap()).collect();
        measures.push(self_repetition(&sentences, 4, 20, seed).unwrap());
        measures.push(compression_ratio(&lines, 20, seed).unwrap());
        samples.push(measures);
    }
    for which in 0..samples[0].len() {
        let estimates: Vec<_> = samples.iter().map(|measures| measures[which].estimate.clone()).collect();
        let share = covered(&estimates) as f64 / trials as f64;
        // A binomial's standard deviation is .034 here; the jackknife may err to the safe side.
        assert!((0.8..=1.0).contains(&share), "{} {share}", samples[0][which].name);
    }
}

#[test]
fn intervals_of_novelty_cover_its_expectation_as_often_as_they_say() {
    let trials = 600;
    let references = chain(400, &mut Seed::new(77).rng());
    let estimates: Vec<_> = (0..trials)
        .map(|trial| {
            let sentences = chain(100, &mut Seed::new(6).nth(trial).rng());
            ngram_novelty(&sentences, &references, 3).unwrap().estimate
        })
        .collect();
    let share = covered(&estimates) as f64 / trials as f64;
    // A binomial's standard deviation is .012 here.
    assert!((0.86..=0.94).contains(&share), "{share}");
}
