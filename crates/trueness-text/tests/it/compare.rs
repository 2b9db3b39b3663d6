//! What a comparison promises across its candidates: equal sizes, one vocabulary, honest words.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail like tests")]

use serde_json::{Value, json};
use std::path::Path;
use trueness_core::report::Report;
use trueness_core::run::Memory;
use trueness_core::{Cancel, Findings, Measure, Seed, Silent, Watch};
use trueness_text::oracle::Oracle;
use trueness_text::oracle::grammar::{Grammar, GrammarKnobs};

/// Writes sentences of a grammar, one a line, and gives the file's path.
fn write(folder: &Path, name: &str, grammar: &Grammar, n: usize, seed: u64) -> String {
    let sentences = grammar.sample(n, Seed::new(seed));
    let text: String = sentences.iter().map(|s| grammar.vocabulary().decode(s) + "\n").collect();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn faulty() -> Grammar {
    Grammar::new(GrammarKnobs { agreement: 0.5, repetition: 0.1, ..GrammarKnobs::default() }).unwrap()
}

fn compare(knobs: Value) -> (Findings, String) {
    let entry = trueness_text::studies().unwrap().into_iter().find(|entry| entry.name() == "text/compare").unwrap();
    let knobs = entry.resolve(&[("the test", knobs)]).unwrap();
    let found = entry.execute(&knobs, &[0], 2, &Memory::new(), Watch::new(&Cancel::default(), &Silent)).unwrap();
    let (_, report): (_, Report) = entry.report(entry.manifest(), &knobs, &found).unwrap();
    (found, trueness_core::report::markdown(&report))
}

fn measure<'a>(found: &'a Findings, name: &str, subject: &str) -> &'a Measure {
    found.measure(name, subject).unwrap_or_else(|| panic!("{name} of {subject}"))
}

#[test]
fn candidates_of_one_source_and_different_sizes_are_compared_at_one_size() {
    let folder = tempfile::tempdir().unwrap();
    let real = write(folder.path(), "real.txt", &Grammar::default(), 800, 1);
    let few = write(folder.path(), "few.txt", &faulty(), 200, 2);
    let many = write(folder.path(), "many.txt", &faulty(), 800, 3);
    let knobs = json!({"real": real, "candidates": [few, many], "resamples": 100, "permutations": 19,
        "classifier-seeds": 1, "only": ["dd", "self-bleu", "reverse-bleu", "lm", "diversity"]});
    let (found, report) = compare(knobs);
    let ends = |name: &str, subject: &str| {
        let estimate = &measure(&found, name, subject).estimate;
        (estimate.low.unwrap(), estimate.high.unwrap(), estimate.n)
    };
    for name in ["dd", "tv", "dd-words", "self-bleu-4", "distinct-3", "self-repetition-4", "novelty-4"] {
        assert_eq!((ends(name, "few.txt").2, ends(name, "many.txt").2), (200, 200), "{name}");
    }
    // These depend so strongly on the number of sentences that four times as many part the intervals.
    for name in ["self-bleu-4", "self-bleu-5", "reverse-bleu-4", "reverse-lm-score", "distinct-2", "distinct-3"] {
        let (a, b) = (ends(name, "few.txt"), ends(name, "many.txt"));
        assert!(a.0 <= b.1 && b.0 <= a.1, "{name}: {a:?} {b:?}");
    }
    assert!(measure(&found, "reverse-lm-score", "many.txt").signature.contains("trained:200x"));
    let gap = found.measures.iter().find(|m| m.name == "dd-difference").unwrap();
    assert!(gap.estimate.method.contains("paired") && gap.estimate.n == 200, "{gap:?}");
    // All sentences still serve to show how DD rises.
    assert_eq!(ends("dd@800", "many.txt").2, 800);
    assert!(found.warnings.iter().any(|w| w.contains("from 200 to 800 sentences")), "{:?}", found.warnings);
    assert!(report.contains("as many of its sentences as the smallest has"));
}

#[test]
fn the_excess_over_the_floor_is_there_for_small_texts_and_can_rank() {
    let folder = tempfile::tempdir().unwrap();
    // The floor's halves have 15 sentences, fewer than the learning curve begins with.
    let real = write(folder.path(), "real.txt", &Grammar::default(), 30, 1);
    let a = write(folder.path(), "a.txt", &faulty(), 40, 2);
    let b = write(folder.path(), "b.txt", &Grammar::default(), 40, 3);
    let knobs = json!({"real": real, "candidates": [a, b], "by": "dd-excess", "resamples": 50, "permutations": 0,
        "classifier-seeds": 1, "only": ["dd"]});
    let (found, _) = compare(knobs);
    for subject in ["a.txt", "b.txt"] {
        assert_eq!(measure(&found, "dd-excess", subject).estimate.n, 15);
    }
    let gap = found.measures.iter().find(|m| m.name == "dd-excess-difference").unwrap();
    // The floor is the same for both, so that it drops out.
    assert!(gap.estimate.method.contains("paired"), "{gap:?}");
    let excess = |s: &str| measure(&found, "dd-excess", s).estimate.value.unwrap();
    assert!((gap.estimate.value.unwrap() - (excess("a.txt") - excess("b.txt")).abs()).abs() < 1e-9);
}

#[test]
fn language_models_of_all_candidates_share_one_vocabulary() {
    let folder = tempfile::tempdir().unwrap();
    let real = write(folder.path(), "real.txt", &Grammar::default(), 60, 1);
    let a = write(folder.path(), "a.txt", &Grammar::default(), 60, 2);
    let strange: String = (0..60).map(|i| format!("a strange{i} walks .\n")).collect();
    let b = folder.path().join("b.txt").display().to_string();
    std::fs::write(&b, strange).unwrap();
    let (found, _) = compare(json!({"real": real, "candidates": [a, b], "only": ["lm"]}));
    let words = |name: &str, subject: &str| {
        let signature = &measure(&found, name, subject).signature;
        signature.split('|').find_map(|part| part.strip_prefix("vocabulary:")).unwrap().parse::<usize>().unwrap()
    };
    let all = words("lm-score", "a.txt");
    assert!(all > 60);
    for subject in ["a.txt", "b.txt", "real.txt (halves)"] {
        assert_eq!((words("lm-score", subject), words("reverse-lm-score", subject)), (all, all), "{subject}");
    }
}

#[test]
fn the_floor_is_measured_with_the_embeddings_that_were_given() {
    let folder = tempfile::tempdir().unwrap();
    let real = write(folder.path(), "real.txt", &Grammar::default(), 60, 1);
    let fake = write(folder.path(), "fake.txt", &faulty(), 60, 2);
    let mut header = "{'descr': '<f4', 'fortran_order': False, 'shape': (60, 2), }".to_owned();
    header.push_str(&" ".repeat(63 - (10 + header.len()) % 64));
    header.push('\n');
    let file = |name: &str, shift: f32| {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        (0..120u32).for_each(|i| bytes.extend(((i * 37 % 101) as f32 / 101.0 + shift).to_le_bytes()));
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let knobs = json!({"real": real, "candidates": [fake], "only": ["frechet"],
        "embeddings": [file("r.npy", 0.0), file("f.npy", 3.0)]});
    let (found, _) = compare(knobs);
    let (floor, candidate) = (measure(&found, "frechet", "real.txt (halves)"), measure(&found, "frechet", "fake.txt"));
    assert!(floor.signature.contains("file-d2") && candidate.signature.contains("file-d2"), "{}", floor.signature);
    // The candidate's vectors are the real text's, moved by 3 in both dimensions.
    assert!((candidate.estimate.value.unwrap() - 18.0).abs() < 0.5 && floor.estimate.value.unwrap() < 0.2);
}

#[test]
fn the_least_self_bleu_is_not_called_the_closest() {
    let folder = tempfile::tempdir().unwrap();
    let real = write(folder.path(), "real.txt", &Grammar::default(), 100, 1);
    let varied: String =
        (0..100).map(|i| format!("x{} y{} z{} u{} v{}\n", i, i * 7 % 100, i * 11 % 100, i * 13 % 100, i)).collect();
    let noise = folder.path().join("noise.txt").display().to_string();
    std::fs::write(&noise, varied).unwrap();
    let good = write(folder.path(), "good.txt", &Grammar::default(), 100, 2);
    // Words at random repeat each other least, and nobody would call them close to the real text.
    let knobs = json!({"real": real, "candidates": [good, noise], "by": "self-bleu-4", "only": ["self-bleu"]});
    let (_, report) = compare(knobs);
    assert!(report.contains("noise.txt has the lowest self-BLEU-4"), "{report}");
    assert!(report.contains("Real against real, in halves: ") && !report.contains("closest"), "{report}");
}
