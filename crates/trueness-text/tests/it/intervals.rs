//! Do the intervals of every metric hold the metric's expectation as often as they say?
//!
//! Texts are drawn again and again from two grammars whose law is known; the expectation at a sample size
//! is the mean over the draws. Two questions: does the interval cover where the text that the metric
//! calls its sample is redrawn and the other one fixed, and where both are redrawn.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test's helpers may stop it, and it says what it found")]

use std::collections::BTreeMap;
use trueness_core::{Cancel, Estimate, Measure, Seed, Silent, Watch, mean_sd};
use trueness_text::corpus::Encoded;
use trueness_text::discriminator::Protocol;
use trueness_text::metric::bleu::{self, Settings};
use trueness_text::metric::diversity::{compression_ratio, distinct, ngram_novelty, novelty, self_repetition};
use trueness_text::metric::embedding::{HashedOptions, hashed};
use trueness_text::metric::frechet::frechet;
use trueness_text::metric::frontier::{FrontierOptions, frontier};
use trueness_text::metric::language_model::{NgramConfig, NgramModel};
use trueness_text::oracle::Oracle;
use trueness_text::oracle::grammar::{Grammar, GrammarKnobs};

fn settings() -> Settings {
    Settings { resamples: 200, ..Settings::default() }
}

fn language_model(oracle: &Grammar, name: &str, train: &Encoded, scored: &Encoded, seed: Seed) -> Measure {
    let config = NgramConfig { order: 3, vocabulary: Some(oracle.vocabulary().len()) };
    let scores = NgramModel::fit(train, &config).unwrap().score(scored);
    Measure::new(name, scores.estimate(seed.child(name)))
}

/// The metrics that score the real text by the other one.
fn reversed(oracle: &Grammar, real: &Encoded, text: &Encoded, seed: Seed) -> Vec<Measure> {
    let mut found = bleu::reverse_bleu(text, real, &settings(), seed).unwrap().measures;
    found.push(language_model(oracle, "reverse-lm-score", text, real, seed));
    found
}

/// All other metrics of one pair of texts.
fn forward(oracle: &Grammar, real: &Encoded, text: &Encoded, slow: bool, seed: Seed) -> Vec<Measure> {
    let (cancel, silent) = (Cancel::default(), Silent);
    let watch = || Watch::new(&cancel, &silent);
    let mut found = bleu::bleu(text, real, &settings(), seed).unwrap().measures;
    found.extend(bleu::self_bleu(text, &settings(), seed).unwrap().measures);
    found.push(language_model(oracle, "lm-score", real, text, seed));
    let lines: Vec<String> = text.iter().map(|sentence| oracle.vocabulary().decode(sentence)).collect();
    found.extend((1..=4).map(|n| distinct(text, n, 20, seed).unwrap()));
    found.push(compression_ratio(&lines, 20, seed).unwrap());
    found.push(self_repetition(text, 4, 20, seed).unwrap());
    found.push(novelty(text, real).unwrap());
    found.push(ngram_novelty(text, real, 4).unwrap());
    let options = HashedOptions { dims: 32, ..HashedOptions::default() };
    let embed = |text: &Encoded| hashed(text, oracle.vocabulary(), &options).unwrap();
    let (a, b) = (embed(real), embed(text));
    found.push(frechet(&a, &b, seed).unwrap().measure());
    if slow {
        let options = FrontierOptions { clusters: Some(50), restarts: 2, clusterings: 2, ..FrontierOptions::default() };
        found.extend(frontier(&a, &b, &options, seed, &watch()).unwrap().measures());
        let words = oracle.vocabulary().len();
        let judged = Protocol::default().judge(real, text, words, 200, 0, seed.child("judge"), watch()).unwrap();
        found.extend(judged.discrepancy.measures().into_iter().filter(|m| m.name != "dd-p"));
    }
    found
}

/// The share of the intervals that hold the mean over the draws. A share of 1 in every draw has Wilson's
/// upper end at 1 but for rounding, which is no fault of the interval.
fn covered(estimates: &[Estimate]) -> f64 {
    let values: Vec<f64> = estimates.iter().map(|e| e.value.unwrap()).collect();
    let (mean, tiny) = (mean_sd(&values).0, 1e-9);
    let held = estimates.iter().filter(|e| e.low.unwrap() - tiny <= mean && mean <= e.high.unwrap() + tiny).count();
    held as f64 / estimates.len() as f64
}

/// What a metric's documentation promises of its interval.
enum Promise {
    /// The other text is held fixed; the interval is as wide as it should be.
    OtherFixed,
    /// Both texts may be drawn again; the interval may be wider than need be.
    AtLeast,
    /// The texts that classifiers were trained on are held fixed, which no column of the table does.
    TrainedOnFixed,
}

fn promise(name: &str) -> Promise {
    match name {
        "dd" | "auc" | "tv" | "ece" | "d-relative" | "d-absolute" => Promise::TrainedOnFixed,
        "compression-ratio" | "frechet" => Promise::AtLeast,
        name if ["self-", "distinct", "frontier"].iter().any(|start| name.starts_with(start)) => Promise::AtLeast,
        _ => Promise::OtherFixed,
    }
}

/// The shares of intervals that hold the mean over the draws, by metric: the other text fixed, and both redrawn.
fn coverage(n: usize, trials: u64, slow: bool) -> BTreeMap<String, [f64; 2]> {
    let real = Grammar::default();
    let faulty =
        Grammar::new(GrammarKnobs { agreement: 0.3, repetition: 0.05, lexicon: 0.2, ..GrammarKnobs::default() })
            .unwrap();
    let fixed = Seed::new(12);
    let keep = (real.sample(n, fixed.child("real")), faulty.sample(n, fixed.child("faulty")));
    let mut table: BTreeMap<String, [f64; 2]> = BTreeMap::new();
    for (column, both) in [false, true].into_iter().enumerate() {
        let mut all: BTreeMap<String, Vec<Estimate>> = BTreeMap::new();
        for trial in 0..trials {
            let seed = Seed::new(11).child(if both { "both" } else { "one" }).nth(trial);
            let fresh = (real.sample(n, seed.child("real")), faulty.sample(n, seed.child("faulty")));
            // What a metric scores is its sample: the real text for the reverse metrics, else the other.
            let mut found = forward(&real, if both { &fresh.0 } else { &keep.0 }, &fresh.1, slow, seed);
            found.extend(reversed(&real, &fresh.0, if both { &fresh.1 } else { &keep.1 }, seed));
            for measure in found {
                all.entry(measure.name).or_default().push(measure.estimate);
            }
        }
        for (name, estimates) in all {
            table.entry(name).or_insert([f64::NAN; 2])[column] = covered(&estimates);
        }
    }
    table
}

#[test]
fn intervals_of_every_metric_cover_its_expectation() {
    let slow = std::env::var_os("TRUENESS_SLOW").is_some();
    let (n, trials) = if slow { (1000, 100) } else { (150, 30) };
    let table = coverage(n, trials, slow);
    eprintln!("coverage at .9, {trials} draws of {n} sentences: the other text fixed, both redrawn");
    for (name, [one, both]) in &table {
        eprintln!("  {name:24} {one:.3} {both:.3}");
    }
    // Three standard deviations of a binomial: .09 for 100 draws, .16 for 30.
    let band = 3.0 * (0.9 * 0.1 / trials as f64).sqrt();
    for (name, [one, both]) in &table {
        match promise(name) {
            Promise::OtherFixed => assert!((*one - 0.9).abs() <= band, "{name} {one}"),
            Promise::AtLeast => assert!(*both >= 0.9 - band, "{name} {both}"),
            // A trained classifier varies with its sentences, and its calibration more than its accuracy:
            // what is documented is held, not what would be wished. The promise itself, for classifiers
            // that are given, is tested beside the intervals.
            Promise::TrainedOnFixed if matches!(name.as_str(), "dd" | "auc" | "d-absolute") => {
                assert!((*both - 0.79).abs() <= 0.12, "{name} {both}");
            }
            Promise::TrainedOnFixed => {}
        }
    }
}

#[test]
fn repeats_that_a_source_makes_by_itself_give_no_discrepancy() {
    let slow = std::env::var_os("TRUENESS_SLOW").is_some();
    let (n, trials) = if slow { (1000, 60) } else { (300, 60) };
    let grammar = Grammar::new(GrammarKnobs { diversity: 0.6, ..GrammarKnobs::default() }).unwrap();
    let words = grammar.vocabulary().len();
    let (cancel, silent) = (Cancel::default(), Silent);
    let mut repeats = 0;
    let found: Vec<Estimate> = (0..trials)
        .map(|trial| {
            let seed = Seed::new(31).nth(trial);
            let (a, b) = (grammar.sample(n, seed.child("a")), grammar.sample(n, seed.child("b")));
            repeats += n - a.iter().collect::<std::collections::BTreeSet<_>>().len();
            let watch = Watch::new(&cancel, &silent);
            Protocol::default().judge(&a, &b, words, 200, 0, seed.child("judge"), watch).unwrap().discrepancy.dd
        })
        .collect();
    let values: Vec<f64> = found.iter().map(|e| e.value.unwrap()).collect();
    let (mean, sd) = mean_sd(&values);
    let covering = found.iter().filter(|e| e.covers(0.0)).count();
    let share = repeats as f64 / (trials as usize * n) as f64;
    eprintln!("{share:.3} repeat; DD {mean:.4}, sd {sd:.4}; {covering} of {trials} cover 0");
    // Copies of real sentences are kept out of training where they are tested, and those of the other side
    // are not; 1.4 to 4 % of repeats leave no bias beyond what the draws can show.
    assert!(share > 0.01 && mean.abs() < 3.5 * sd / (trials as f64).sqrt(), "{share} {mean} {sd}");
    // A binomial's standard deviation is .039.
    assert!(covering as f64 / trials as f64 > 0.78, "{covering} of {trials}");
}
