//! The discriminator filter: with exact ratios, trained, stacked, kept as a folder, on a stream.

#![allow(clippy::unwrap_used, reason = "what is wrong in a test's helper is a failed test")]

use rand::RngExt;
use trueness_core::{Cancel, Seed, Silent, Watch};
use trueness_nn::device;
use trueness_text::Result;
use trueness_text::corpus::{Encoded, Tokenizer};
use trueness_text::discriminator::Protocol;
use trueness_text::filter::{Filter, FilterConfig, Format, Mode, Passed, Rule, pass};
use trueness_text::generator::Codec;
use trueness_text::metric::discrepancy::from_densities;
use trueness_text::oracle::grammar::{Grammar, GrammarKnobs};
use trueness_text::oracle::{Oracle, log_density_ratio};

fn watched<T>(work: impl FnOnce(Watch<'_>) -> T) -> T {
    let (cancel, silent) = (Cancel::default(), Silent);
    work(Watch::new(&cancel, &silent))
}

fn faulty() -> Grammar {
    Grammar::new(GrammarKnobs { agreement: 0.5, repetition: 0.2, ..GrammarKnobs::default() }).unwrap()
}

fn text(grammar: &Grammar, n: usize, seed: u64) -> Vec<String> {
    grammar.sample(n, Seed::new(seed)).iter().map(|s| grammar.vocabulary().decode(s)).collect()
}

/// With the exact ratio of densities and a share below the bound, what is kept has the real law: the
/// classifier's DD of it against fresh real sentences covers 0, where before it did not.
#[test]
fn exact_ratios_remove_the_discrepancy() {
    let (real, generated) = (Grammar::default(), faulty());
    let sample = generated.sample(30_000, Seed::new(1));
    let ratios = log_density_ratio(&real, &generated, &sample).unwrap();
    let largest = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let acceptance = 0.9 / largest.exp();
    let rule = Rule::solve(Mode::Rejection, acceptance, &ratios).unwrap();
    let draw = |i: usize| Seed::new(2).nth(i as u64).rng().random::<f64>() < rule.probability(ratios[i]);
    let rows: Vec<usize> = (0..sample.len()).filter(|&i| draw(i)).collect();
    let share = rows.len() as f64 / sample.len() as f64;
    assert!((share - acceptance).abs() < 0.02, "{share} {acceptance}");
    let kept = sample.subset(&rows);
    // No sentence of positive density in the real grammar is kept too often or too rarely.
    assert!(real.log_density(&kept).iter().all(|log| log.is_finite()));
    let judge = |text: &Encoded, seed: u64| {
        let fresh = real.sample(text.len(), Seed::new(seed));
        let words = real.vocabulary().len();
        let judged =
            watched(|watch| Protocol::default().judge(&fresh, text, words, 200, 0, Seed::new(seed), watch).unwrap());
        judged.discrepancy.dd
    };
    let n = kept.len();
    assert!(n > 1000, "{n}");
    assert!(judge(&sample.first(n), 3).low.unwrap() > 0.2);
    assert!(judge(&kept, 4).covers(0.0), "{:?}", judge(&kept, 4));
    // The exact DD before, for comparison: it is what the filter removed.
    let backward = log_density_ratio(&real, &generated, &real.sample(5000, Seed::new(5))).unwrap();
    assert!(from_densities(&backward, &ratios).dd.value.unwrap() > 0.4);
}

fn trained(acceptance: &[f64]) -> Filter {
    let (real, generated) = (text(&Grammar::default(), 3000, 1), text(&faulty(), 3000, 2));
    let codec = Codec::of_words(&[real.clone(), generated.clone()].concat(), Tokenizer::Whitespace, 1).unwrap();
    let config = FilterConfig {
        protocol: Protocol::default(),
        mode: Mode::Calibrated,
        acceptance: acceptance.to_vec(),
        checkpoints: None,
    };
    watched(|watch| Filter::train(&real, &generated, &codec, &config, Seed::new(3), watch)).unwrap()
}

#[test]
fn a_trained_filter_keeps_the_asked_share_and_lowers_the_exact_distance() {
    let (real, generated) = (Grammar::default(), faulty());
    let fresh = text(&generated, 8000, 7);
    for acceptance in [vec![0.5], vec![0.6, 0.6]] {
        let filter = trained(&acceptance);
        let kept = filter.decide(&fresh, 0, Seed::new(8)).unwrap();
        let share = kept.iter().filter(|&&k| k).count() as f64 / fresh.len() as f64;
        // The rule is solved on 600 sentences or fewer, so that the share has an error of its own.
        assert!((share - filter.acceptance()).abs() < 0.06, "{share} {acceptance:?}");
        // The share of ungrammatical sentences falls.
        let encode = |sentences: &[&String]| -> Encoded {
            let vocabulary = real.vocabulary();
            sentences.iter().map(|s| s.split(' ').map(|w| vocabulary.id(w).unwrap()).collect::<Vec<_>>()).collect()
        };
        let wrong = |sentences: &[&String]| {
            let logs = real.log_density(&encode(sentences));
            logs.iter().filter(|log| log.is_infinite()).count() as f64 / logs.len() as f64
        };
        let all: Vec<&String> = fresh.iter().collect();
        let some: Vec<&String> = fresh.iter().zip(&kept).filter_map(|(s, &k)| k.then_some(s)).collect();
        assert!(wrong(&some) < 0.75 * wrong(&all), "{} {}", wrong(&some), wrong(&all));
    }
}

#[test]
fn a_folder_decides_as_the_filter_that_wrote_it() {
    let filter = trained(&[0.5, 0.7]);
    let folder = tempfile::tempdir().unwrap();
    filter.save(folder.path()).unwrap();
    let cpu = device::parse("cpu").unwrap();
    let again = Filter::load(folder.path(), &cpu).unwrap();
    let fresh = text(&faulty(), 500, 9);
    let decide = |filter: &Filter| filter.decide(&fresh, 3, Seed::new(1)).unwrap();
    assert_eq!(decide(&filter), decide(&again));
    assert_eq!(again.signature(), filter.signature());
    for name in ["filter.json", "vocabulary.json", "stage-2.weights"] {
        let path = folder.path().join(name);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let message = Filter::load(folder.path(), &cpu).unwrap_err().to_string();
        assert!(message.contains(name), "{name}: {message}");
        std::fs::write(&path, bytes).unwrap();
    }
}

fn stream(filter: &Filter, format: Format, input: &str) -> Result<(Passed, String, String)> {
    let (mut kept, mut rejected) = (Vec::new(), Vec::new());
    let found = watched(|watch| {
        pass(filter, format, "text", input.as_bytes(), &mut kept, Some(&mut rejected), Seed::new(4), watch)
    })?;
    Ok((found, String::from_utf8(kept).unwrap(), String::from_utf8(rejected).unwrap()))
}

#[test]
fn a_stream_is_cut_into_kept_and_rejected_lines() {
    let filter = trained(&[0.5]);
    let sentences = text(&faulty(), 9000, 10);
    let (found, kept, rejected) = stream(&filter, Format::Text, &(sentences.join("\n") + "\n\n")).unwrap();
    assert_eq!((found.kept + found.rejected) as usize, sentences.len());
    assert_eq!((kept.lines().count() as u64, rejected.lines().count() as u64), (found.kept, found.rejected));
    // The same decisions as all at once, whatever the pieces.
    let all = filter.decide(&sentences, 0, Seed::new(4)).unwrap();
    let expected: Vec<&str> = sentences.iter().zip(&all).filter_map(|(s, &k)| k.then_some(s.as_str())).collect();
    assert_eq!(kept.lines().collect::<Vec<_>>(), expected);
    // Objects come through whole.
    let objects: Vec<String> =
        sentences.iter().enumerate().map(|(i, s)| serde_json::json!({ "id": i, "text": s }).to_string()).collect();
    let (_, kept, _) = stream(&filter, Format::Jsonl, &objects.join("\n")).unwrap();
    let expected: Vec<&String> = objects.iter().zip(&all).filter_map(|(s, &k)| k.then_some(s)).collect();
    assert_eq!(kept.lines().collect::<Vec<_>>(), expected);
    // Bad lines are named.
    let message = |input: &str| stream(&filter, Format::Jsonl, input).unwrap_err().to_string();
    assert!(message("{\"text\": \"a\"}\n{\"other\": 1}").contains("line 2"));
    assert!(message("nonsense").contains("expected JSON"));
    assert!(stream(&filter, Format::Text, &"a ".repeat(1 << 20)).unwrap_err().to_string().contains("at most"));
}
