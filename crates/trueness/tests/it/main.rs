//! The command line from outside, and the invariants of the workspace.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers may stop the test")]

mod bad_input;
mod docs;
mod kill;
mod models;
mod tidy;
mod tools;

use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in a folder.
fn trueness(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_trueness");
    Command::new(program).args(arguments).current_dir(folder).env("NO_COLOR", "1").output().unwrap()
}

/// Runs the program, which must succeed, and returns what it printed.
fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = trueness(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the program, which must fail with an exit code, and returns what it complained of.
fn fail(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = trueness(folder, arguments);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {complaint}");
    assert!(!complaint.contains("panicked"), "{complaint}");
    complaint
}

/// A file of `n` caption-like sentences; the same for the same arguments.
fn write_captions(path: &Path, n: usize, salt: usize) {
    let (nouns, verbs) = (["dog", "cat", "man", "bird", "bus"], ["runs", "sits", "stands", "waits", "sleeps"]);
    let places = ["street", "bench", "lake", "field", "wall", "tree", "car"];
    let text: String = (0..n)
        .map(|i| {
            let k = (i * 7919 + salt * 104_729 + (i * i) % 97 * 31) ^ (i >> 2);
            format!("a {} {} near the {} .\n", nouns[k % 5], verbs[k / 5 % 5], places[k / 25 % 7])
        })
        .collect();
    std::fs::write(path, text).unwrap();
}

/// The measures of `--json` output, as (name, subject, whole measure).
fn measures(json: &str) -> Vec<(String, String, serde_json::Value)> {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(value["schema_version"], 1);
    let name = |m: &serde_json::Value, key: &str| m[key].as_str().unwrap().to_owned();
    value["measures"].as_array().unwrap().iter().map(|m| (name(m, "name"), name(m, "subject"), m.clone())).collect()
}
