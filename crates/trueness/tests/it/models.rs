//! Training, sampling, scoring and filtering, one line each, on a person's own files.

use super::{fail, measures, succeed, trueness, write_captions};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SMALL: [&str; 10] =
    ["--hidden", "16", "--embedding", "8", "--epochs", "2", "--oracle-samples", "40", "--learning-rate", "0.01"];

/// A folder with captions and a model of them.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_captions(&folder.path().join("real.txt"), 200, 1);
    train(folder.path(), &["real.txt", "--out", "lm"]);
    folder
}

fn train(folder: &Path, arguments: &[&str]) -> String {
    succeed(folder, &[&["text", "train"], arguments, &SMALL, &["--quiet"]].concat())
}

fn model(folder: &Path, run: &str) -> PathBuf {
    let stages = folder.join(run).join("seed-0/stages");
    let stage = fs::read_dir(&stages).unwrap().flatten().find(|entry| entry.path().join("model").is_dir()).unwrap();
    stage.path().join("model")
}

/// Runs the program on an input.
fn piped(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_trueness"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn a_model_is_trained_sampled_scored_and_filtered_in_one_line_each() {
    let folder = folder();
    let sample = ["text", "sample", "lm", "--n", "300", "--seed", "3"];
    let samples = succeed(folder.path(), &sample);
    assert_eq!(samples.lines().count(), 300);
    assert_eq!(samples, succeed(folder.path(), &[&sample[..], &["--threads", "1"]].concat()));
    fs::write(folder.path().join("generated.txt"), &samples).unwrap();
    let scored = succeed(folder.path(), &["text", "score", "lm", "real.txt", "generated.txt", "--json"]);
    assert_eq!(measures(&scored).iter().filter(|(name, ..)| name == "perplexity").count(), 2);

    let filter = ["text", "filter", "train", "real.txt", "generated.txt", "--judge-seeds", "1", "--out", "f", "--json"];
    let found = measures(&succeed(folder.path(), &filter));
    for (name, subject) in [("dd", "generated"), ("dd", "kept"), ("dd-change", "kept"), ("acceptance", "kept")] {
        assert!(found.iter().any(|(n, s, _)| n == name && s == subject), "{name} {subject}: {found:?}");
    }
    let apply = ["text", "filter", "apply", "f", "--rejected", "rejected.txt"];
    let output = piped(folder.path(), &apply, &samples);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (kept, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let rejected = fs::read_to_string(folder.path().join("rejected.txt")).unwrap();
    let mut all: Vec<&str> = kept.lines().chain(rejected.lines()).collect();
    // A model of two passes makes empty sentences too.
    let whole: Vec<&str> = samples.lines().filter(|line| !line.is_empty()).collect();
    let mut expected = whole.clone();
    assert!(said.contains(&format!("kept {} of {} lines", kept.lines().count(), expected.len())), "{said}");
    all.sort_unstable();
    expected.sort_unstable();
    assert_eq!(all, expected);
    // What was rejected is not written over.
    assert!(fail(folder.path(), &apply, 2).contains("rejected.txt is there already"));
    // Objects come through whole, from a file too.
    let objects = whole.iter().map(|s| serde_json::json!({ "x": 1, "said": s }).to_string() + "\n");
    let objects: String = objects.collect();
    fs::write(folder.path().join("in.jsonl"), &objects).unwrap();
    let from = ["text", "filter", "apply", "f", "--format", "jsonl", "--key", "said", "--input", "in.jsonl", "--quiet"];
    let lines = succeed(folder.path(), &from);
    assert!(lines.lines().all(|line| objects.contains(line)), "{lines}");
    assert_eq!(lines.lines().count(), kept.lines().count(), "{kept}{lines}");
}

#[test]
fn a_model_folder_is_a_source_of_generated_sentences() {
    let folder = folder();
    let arguments = ["text", "filter", "train", "real.txt", "lm", "--n", "400", "--judge-seeds", "1", "--out", "f"];
    succeed(folder.path(), &[&arguments[..], &["--accept", "0.7,0.7", "--quiet"]].concat());
    let report = fs::read_to_string(folder.path().join("f/report.md")).unwrap();
    assert!(report.contains("2 discriminators") && report.contains("0.490"), "{report}");
    // The run is known by the model that it was begun with.
    let weights = model(folder.path(), "lm").join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    assert!(fail(folder.path(), &["text", "filter", "train", "--resume", "f"], 2).contains("has changed"));
}

#[test]
fn oracles_are_drawn_loaded_and_made_of_a_corpus() {
    let folder = folder();
    train(folder.path(), &["--oracle", "seqgan", "--oracle-n", "64", "--out", "a"]);
    let found = fs::read_to_string(folder.path().join("a/measures.json")).unwrap();
    for name in ["nll-oracle", "nll-oracle-start", "oracle-entropy", "nll-gen", "nll-div", "dd-density", "jeffreys"] {
        assert!(found.contains(&format!("\"{name}\"")), "{name}");
    }
    assert!(folder.path().join("a/figures/nll-oracle.svg").exists());
    let stage = model(folder.path(), "a");
    let oracle = stage.parent().unwrap().join("oracle.safetensors").display().to_string();
    train(folder.path(), &["--oracle", &oracle, "--oracle-n", "64", "--seed", "0", "--out", "b"]);
    // A model of a person's corpus is an oracle whose density is known.
    train(folder.path(), &["--oracle", "lm", "--oracle-n", "100", "--model", "gpt2", "--out", "c"]);
    assert!(fs::read_to_string(folder.path().join("c/measures.json")).unwrap().contains("\"dd-density\""));
    let refused = |arguments: &[&str]| fail(folder.path(), &[&["text", "train"], arguments].concat(), 2);
    assert!(refused(&["--oracle", "seqgam"]).contains("there is no \"seqgam\""));
    assert!(refused(&["real.txt", "--oracle", "seqgan"]).contains("either"));
    assert!(refused(&["--oracle", "real.txt"]).contains("real.txt"));
    assert!(refused(&[]).contains("CORPUS"));
}

#[test]
fn a_gan_and_its_control_begin_from_one_generator() {
    let folder = tempfile::tempdir().unwrap();
    let oracle = ["--oracle", "seqgan", "--oracle-n", "256"];
    let seqgan = ["--model", "seqgan", "--rounds", "1", "--rollouts", "1", "--watch-samples", "30"];
    let steps = ["--discriminator-pre-steps", "1", "--discriminator-steps", "1"];
    for (reward, out) in [("discriminator", "g"), ("constant", "c")] {
        train(folder.path(), &[&oracle[..], &seqgan, &steps, &["--reward", reward, "--out", out]].concat());
    }
    let oracle = |run: &str| fs::read(model(folder.path(), run).parent().unwrap().join("oracle.safetensors")).unwrap();
    assert_eq!(oracle("g"), oracle("c"));
    let look = |run: &str, name: &str, subject: &str| {
        let text = fs::read_to_string(folder.path().join(run).join("measures.json")).unwrap();
        let found = measures(&text).into_iter().find(|(of, whose, _)| (of.as_str(), whose.as_str()) == (name, subject));
        found.unwrap().2["value"].clone()
    };
    for name in ["dd", "nll-oracle", "jeffreys", "bleu-4"] {
        assert_eq!(look("g", name, "before"), look("c", name, "before"), "{name}");
        assert_ne!(look("g", name, "before"), look("g", name, "after"), "{name}");
    }
    let beta = fail(folder.path(), &["text", "train", "--oracle", "seqgan", "--model", "seqgan", "--beta", "5"], 2);
    assert!(beta.contains("beta is of relgan alone"), "{beta}");
}

#[test]
fn networks_join_the_comparison() {
    let folder = tempfile::tempdir().unwrap();
    for (name, salt) in [("real.txt", 1), ("a.txt", 2), ("b.txt", 3)] {
        write_captions(&folder.path().join(name), 60, salt);
    }
    let arguments = ["text", "compare", "real.txt", "a.txt", "b.txt", "--only", "lm", "--by", "lm-score", "--json"];
    let network = ["--neural-lm", "lstm", "--lm-epochs", "1"];
    let found = measures(&succeed(folder.path(), &[&arguments[..], &network].concat()));
    for name in ["neural-lm-score", "reverse-neural-lm-score"] {
        let values: Vec<f64> = found
            .iter()
            .filter(|(n, ..)| n == name)
            .map(|(_, _, measure)| measure["value"].as_f64().unwrap())
            .collect();
        assert!(values.len() == 3 && values.iter().all(|v| (0.5..4.0).contains(v)), "{name}: {values:?}");
    }
    let refused = ["text", "compare", "real.txt", "a.txt", "--by", "neural-lm-score"];
    assert!(fail(folder.path(), &refused, 2).contains("--neural-lm"));
}

#[test]
fn corpora_that_cannot_be_learned_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("one.txt", "a dog runs .\n");
    write("same.txt", &"a dog runs .\n".repeat(30));
    write_captions(&folder.path().join("real.txt"), 60, 1);
    let refused = |arguments: &[&str]| fail(folder.path(), &[arguments, &["--out", "new"]].concat(), 2);
    for name in ["one.txt", "same.txt"] {
        let complaint = refused(&["text", "train", name]);
        assert!(complaint.contains(name) && complaint.contains("two different sentences"), "{complaint}");
        let complaint = refused(&["text", "filter", "train", name, "real.txt"]);
        assert!(complaint.contains(name) && complaint.contains("two different sentences"), "{complaint}");
    }
    assert!(refused(&["text", "train", "real.txt", "--length", "2"]).contains("training sentences"));
    assert!(refused(&["text", "filter", "train", "real.txt", "real.txt"]).contains("the same text"));
    assert!(refused(&["text", "filter", "train", "real.txt", "same.txt", "--accept", "1.5"]).contains("at most 1"));
}

#[test]
fn sentences_that_a_model_cannot_know_are_told() {
    let folder = folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("unseen.txt", "a 犬 runs .\nεὕρηκα zebra !\n");
    let scored = succeed(folder.path(), &["text", "score", "lm", "unseen.txt"]);
    assert!(scored.contains("not known to the model") && scored.contains("犬"), "{scored}");
    train(folder.path(), &["real.txt", "--model", "gpt2", "--out", "gpt"]);
    write("long.txt", &format!("{}.\n", "a dog ".repeat(500)));
    let complaint = fail(folder.path(), &["text", "score", "gpt", "long.txt"], 2);
    assert!(complaint.contains("long.txt") && complaint.contains("at most"), "{complaint}");
    // A filter of another vocabulary says so.
    let arguments = ["text", "filter", "train", "real.txt", "lm", "--n", "300", "--judge-seeds", "1", "--out", "f"];
    succeed(folder.path(), &[&arguments[..], &["--quiet"]].concat());
    let output = piped(folder.path(), &["text", "filter", "apply", "f"], &"quite other words\n".repeat(50));
    assert!(String::from_utf8_lossy(&output.stderr).contains("150 of 150 tokens are not known to the filter"));
    let output = piped(folder.path(), &["text", "filter", "apply", "f"], "a dog runs .\n\u{fffd}\n");
    assert!(output.status.success());
    assert!(fail(folder.path(), &["text", "filter", "apply", "lm"], 2).contains("no filter folder"));
    assert!(fail(folder.path(), &["text", "sample", "f"], 2).contains("no model folder"));
}

#[test]
fn damaged_model_folders_are_refused_by_name() {
    let folder = folder();
    let model = model(folder.path(), "lm");
    for file in ["model.safetensors", "vocabulary.json", "trueness.json"] {
        let path = model.join(file);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(fail(folder.path(), &["text", "sample", "lm"], 2).contains(file), "{file}");
        if file == "model.safetensors" {
            // A header that claims more than there is.
            let mut hostile = whole.clone();
            hostile[..8].copy_from_slice(&u64::MAX.to_le_bytes());
            fs::write(&path, &hostile).unwrap();
            assert!(fail(folder.path(), &["text", "sample", "lm"], 2).contains(file));
            let text = String::from_utf8_lossy(&whole[8..600]).into_owned();
            let at = text.find("\"shape\":[").unwrap() + 8 + 9;
            let mut other = whole.clone();
            other[at] = if other[at] == b'9' { b'8' } else { b'9' };
            fs::write(&path, &other).unwrap();
            assert!(fail(folder.path(), &["text", "sample", "lm"], 2).contains(file));
        }
        fs::remove_file(&path).unwrap();
        if file != "trueness.json" {
            assert!(fail(folder.path(), &["text", "sample", "lm"], 2).contains(file), "{file}");
        }
        fs::write(&path, whole).unwrap();
    }
    succeed(folder.path(), &["text", "sample", "lm"]);
}

/// `/dev/full` takes nothing: every write to it fails as on a full disk.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let folder = folder();
    let arguments = ["text", "filter", "train", "real.txt", "lm", "--n", "300", "--judge-seeds", "1", "--out", "f"];
    succeed(folder.path(), &[&arguments[..], &["--quiet"]].concat());
    for arguments in
        [&["text", "sample", "lm", "--n", "50"][..], &["text", "filter", "apply", "f", "--input", "real.txt"]]
    {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_trueness"))
            .args(arguments)
            .current_dir(folder.path())
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && complaint.contains("No space left"), "{complaint}");
    }
    // The model is untouched.
    assert!(trueness(folder.path(), &["text", "sample", "lm"]).status.success());
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = folder();
    let arguments = ["text", "filter", "train", "real.txt", "lm", "--n", "300", "--judge-seeds", "1", "--out", "f"];
    succeed(folder.path(), &[&arguments[..], &["--quiet"]].concat());
    let lines = fs::read_to_string(folder.path().join("real.txt")).unwrap().repeat(500);
    fs::write(folder.path().join("many.txt"), lines).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_trueness"))
        .args(["text", "filter", "apply", "f", "--input", "many.txt"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
