//! A run that is killed and resumed gives what an uninterrupted one gives.

use super::{fail, succeed, write_captions};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn measures(folder: &Path, run: &str) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(folder.join(run).join("measures.json")).unwrap()).unwrap()
}

/// Waits until a unit of the run is finished; whether that happened in time.
fn a_unit_is_finished(run: &Path) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(120) {
        let units = fs::read_dir(run.join("seed-0/units")).into_iter().flatten().flatten();
        if units.filter(|entry| entry.path().extension().is_some_and(|e| e == "json")).count() > 0 {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

#[test]
fn killed_and_resumed_equals_uninterrupted() {
    let folder = tempfile::tempdir().unwrap();
    let whole = ["run", "text/discrepancy", "--preset", "smoke", "--threads", "1", "--quiet", "--out", "whole"];
    succeed(folder.path(), &whole);
    let mut child = Command::new(env!("CARGO_BIN_EXE_trueness"))
        .args(["run", "text/discrepancy", "--preset", "smoke", "--threads", "1", "--quiet", "--out", "killed"])
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(a_unit_is_finished(&folder.path().join("killed")));
    // On Unix this is SIGKILL: the process has no chance to tidy up.
    child.kill().unwrap();
    child.wait().unwrap();
    let killed_early = !folder.path().join("killed/measures.json").exists();
    assert!(killed_early, "the run ended before it could be killed");
    assert!(fail(folder.path(), &["report", "killed"], 2).contains("--resume"));
    succeed(folder.path(), &["run", "--resume", "killed", "--threads", "2", "--quiet"]);
    assert_eq!(measures(folder.path(), "whole"), measures(folder.path(), "killed"));
}

#[test]
fn other_knobs_and_other_programs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    succeed(
        folder.path(),
        &["run", "text/discrepancy", "--preset", "smoke", "--seeds", "1", "--set", "moves=[]", "--quiet", "--out", "a"],
    );
    let before = fs::read(folder.path().join("a/run.json")).unwrap();
    let refused = |arguments: &[&str]| fail(folder.path(), &[&["run", "--resume", "a"], arguments].concat(), 2);
    assert!(refused(&["--set", "n=77"]).contains("n was 300 and is 77"));
    assert!(refused(&["--seed", "7"]).contains("first seed 0, and 7"));
    assert!(refused(&["--seeds", "2"]).contains("seeds: 1, and 2"));
    assert!(refused(&["--preset", "paper"]).contains("smoke, and paper"));
    assert!(refused(&["--force"]).contains("--force"));
    let other = "study = \"text/discrepancy\"\n[preset.smoke]\nexpected_minutes = 1\nseeds = 1\n";
    fs::write(folder.path().join("other.toml"), other).unwrap();
    assert!(refused(&["other.toml"]).contains("other claims"));
    fs::copy(folder.path().join("a/study.toml"), folder.path().join("same.toml")).unwrap();
    let changed = fs::read_to_string(folder.path().join("same.toml")).unwrap().replace("n = 300\n", "n = 55\n");
    fs::write(folder.path().join("changed.toml"), changed).unwrap();
    assert!(refused(&["changed.toml"]).contains("n was 300 and is 55"));
    assert_eq!(fs::read(folder.path().join("a/run.json")).unwrap(), before, "a refusal must not change the run");
    succeed(folder.path(), &["run", "same.toml", "--resume", "a", "--set", "n=300", "--seed", "0", "--quiet"]);
    assert!(
        fail(folder.path(), &["run", "text/discrepancy", "--preset", "smoke", "--out", "a"], 2).contains("--resume")
    );
    let info = folder.path().join("a/run.json");
    let text = fs::read_to_string(&info).unwrap().replace("\"build\": \"", "\"build\": \"0");
    fs::write(&info, text).unwrap();
    assert!(fail(folder.path(), &["run", "--resume", "a"], 2).contains("build"));
    assert!(fail(folder.path(), &["run", "--resume", "nowhere"], 2).contains("nowhere"));
}

#[test]
fn a_comparison_is_resumed_only_with_its_own_files_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, salt) in [("real.txt", 1), ("fake.txt", 2), ("other.txt", 3)] {
        write_captions(&path(name), 60, salt);
    }
    let begin = ["text", "compare", "real.txt", "fake.txt", "--only", "bleu", "--quiet", "--out", "a"];
    succeed(folder.path(), &begin);
    let resume = |arguments: &[&str], code| {
        let all = [&["text", "compare", "--resume", "a", "--quiet"], arguments].concat();
        if code == 0 { succeed(folder.path(), &all) } else { fail(folder.path(), &all, code) }
    };
    assert!(resume(&["other.txt"], 2).contains("real was \"real.txt\" and is \"other.txt\""));
    assert!(resume(&["real.txt", "other.txt"], 2).contains("candidates was"));
    assert!(resume(&["--only", "dd"], 2).contains("only was"));
    resume(&["real.txt", "fake.txt", "--only", "bleu"], 0);
    let text = fs::read_to_string(path("fake.txt")).unwrap();
    fs::write(path("fake.txt"), text.replace("dog", "cow")).unwrap();
    assert!(resume(&[], 2).contains("fake.txt has changed"));
    fs::remove_file(path("fake.txt")).unwrap();
    assert!(resume(&[], 2).contains("fake.txt"));
}

#[test]
fn what_fails_at_the_end_is_recorded_and_stays_the_error() {
    let folder = tempfile::tempdir().unwrap();
    for (name, salt) in [("real.txt", 1), ("fake.txt", 2)] {
        write_captions(&folder.path().join(name), 60, salt);
    }
    let run = folder.path().join("a");
    succeed(folder.path(), &["text", "compare", "real.txt", "fake.txt", "--only", "bleu", "--quiet", "--out", "a"]);
    let exit = || -> String {
        let info: serde_json::Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
        info["exit"].as_str().unwrap().to_owned()
    };
    assert_eq!(exit(), "done");
    let resume = ["text", "compare", "--resume", "a", "--quiet"];
    fs::remove_file(run.join("report.html")).unwrap();
    fs::create_dir(run.join("report.html")).unwrap();
    assert!(fail(folder.path(), &resume, 2).contains("report.html"));
    assert!(exit().starts_with("failed: ") && exit().contains("report.html"), "{}", exit());
    // Where the failure cannot be logged either, the first error is the one that counts.
    fs::remove_file(run.join("log.txt")).unwrap();
    fs::create_dir(run.join("log.txt")).unwrap();
    let complaint = fail(folder.path(), &resume, 2);
    assert!(complaint.contains("warning: cannot open") && complaint.contains("error: cannot open"), "{complaint}");
    assert!(exit().contains("log.txt"), "{}", exit());
}
