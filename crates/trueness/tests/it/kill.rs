//! A run that is killed and resumed gives what an uninterrupted one gives.

use super::{fail, succeed};
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
    assert!(fail(folder.path(), &["run", "--resume", "a", "--set", "n=77"], 2).contains("n=77"));
    assert!(
        fail(folder.path(), &["run", "text/discrepancy", "--preset", "smoke", "--out", "a"], 2).contains("--resume")
    );
    let info = folder.path().join("a/run.json");
    let text = fs::read_to_string(&info).unwrap().replace("\"build\": \"", "\"build\": \"0");
    fs::write(&info, text).unwrap();
    assert!(fail(folder.path(), &["run", "--resume", "a"], 2).contains("build"));
    assert!(fail(folder.path(), &["run", "--resume", "nowhere"], 2).contains("nowhere"));
}
