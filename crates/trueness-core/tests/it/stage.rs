//! Stages, logs and checkpoints, interrupted everywhere and resumed.

use crate::toy::{Toy, create};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use trueness_core::run::{Folder, Memory, Sink};
use trueness_core::{Cancel, Clock, Error, Progress, Silent, StudyEntry, Watch, conformance};

/// Cancels at the n-th report of progress, counted from 1.
struct CancelAt(Cancel, AtomicU64);

impl Progress for CancelAt {
    fn update(&self, _task: &str, _done: u64, _total: u64) {
        if self.1.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.cancel();
        }
    }
}

/// Runs with one seed; whether it came to its end.
fn run(entry: &StudyEntry, sink: &dyn Sink, stop_at: u64) -> bool {
    let knobs = entry.resolve(&[("a test", json!({ "steps": 5 }))]).unwrap();
    let cancel = Cancel::default();
    let progress = CancelAt(cancel.clone(), AtomicU64::new(stop_at));
    match entry.execute(&knobs, &[3], 1, sink, Watch::new(&cancel, &progress)) {
        Ok(_) => true,
        Err(Error::Interrupted) => false,
        Err(error) => panic!("{error}"),
    }
}

fn finish(entry: &StudyEntry, path: &Path) -> String {
    let mut info = crate::toy::info(&[]);
    info.seeds = vec![3];
    let sink = Folder::new(path);
    assert!(run(entry, &sink, 0));
    let knobs = entry.resolve(&[("a test", json!({ "steps": 5 }))]).unwrap();
    let findings = entry.execute(&knobs, &[3], 1, &sink, Watch::new(&Cancel::default(), &Silent)).unwrap();
    let (_, report) = entry.report(entry.manifest(), &knobs, &findings).unwrap();
    let copy = path.with_extension("run");
    let mut folder = trueness_core::run::RunFolder::create(&copy, info, "", false).unwrap();
    fs::rename(path.join("seed-3"), copy.join("seed-3")).unwrap();
    let clock = trueness_core::Stopped;
    folder.finish(&findings, &report, clock.now(), clock.seconds()).unwrap();
    fs::read_to_string(copy.join("seed-3/metrics.jsonl")).unwrap()
}

#[test]
fn the_toy_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conformance::check(&Toy::default().entry(), "smoke", folder.path()).unwrap();
}

#[test]
fn a_stage_is_done_once_for_all_units_of_a_seed() {
    for sink in [&Memory::new() as &dyn Sink, &Folder::new(tempfile::tempdir().unwrap().path())] {
        let toy = Toy::default();
        assert!(run(&toy.entry(), sink, 0) && run(&toy.entry(), sink, 0));
        assert_eq!(toy.counts(), (1, 1));
    }
}

#[test]
fn interrupted_anywhere_the_logs_end_up_as_if_it_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let expected = finish(&Toy::default().entry(), &folder.path().join("whole"));
    // Five sums, the last of them 15, and two parts of 0 and 15 for each of the two units.
    let values = |text: &str| -> Vec<f64> {
        text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["value"].as_f64().unwrap()).collect()
    };
    assert_eq!(values(&expected), [1.0, 3.0, 6.0, 10.0, 15.0, 0.0, 15.0, 0.0, 15.0]);
    let mut interrupted = 0;
    for stop_at in 1..40 {
        let toy = Toy::default();
        let path = folder.path().join(format!("stopped-{stop_at}"));
        fs::create_dir(&path).unwrap();
        if run(&toy.entry(), &Folder::new(&path), stop_at) {
            break;
        }
        interrupted += 1;
        assert_eq!(finish(&toy.entry(), &path), expected, "stopped at {stop_at}");
        let (begun, ended) = toy.counts();
        assert!(ended == 1 && begun <= 2, "stopped at {stop_at}: begun {begun} times, ended {ended} times");
    }
    // Five steps of the stage, two of each unit, and the end of each unit report progress.
    assert_eq!(interrupted, 11);
}

#[test]
fn a_stage_goes_on_from_its_checkpoint_with_the_logs_cut_back_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let toy = Toy::default();
    // The fourth report comes after three steps, of which two are in a checkpoint.
    assert!(!run(&toy.entry(), &Folder::new(folder.path()), 4));
    let log = || {
        let logs = folder.path().join("seed-3/logs");
        let name = crate::toy::names(&logs).into_iter().find(|name| name.starts_with("stages~sum-")).unwrap();
        logs.join(name)
    };
    assert_eq!(fs::read_to_string(log()).unwrap().lines().count(), 3);
    // A process that is killed may leave half a line, cut within a character.
    let mut bytes = fs::read(log()).unwrap();
    bytes.extend_from_slice(&"{\"name\":\"é".as_bytes()[..10]);
    fs::write(log(), bytes).unwrap();
    // The first report after resuming is that of the third step.
    assert!(!run(&toy.entry(), &Folder::new(folder.path()), 1));
    let text = fs::read_to_string(log()).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(run(&toy.entry(), &Folder::new(folder.path()), 0));
    assert_eq!(fs::read_to_string(log()).unwrap().lines().count(), 5);
}

#[test]
fn only_what_is_made_again_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let toy = Toy::default();
    assert!(run(&toy.entry(), &Folder::new(folder.path()), 0));
    let complaint = || {
        let knobs = toy.entry().resolve(&[("a test", json!({ "steps": 5 }))]).unwrap();
        let watch = (Cancel::default(), Silent);
        let sink = Folder::new(folder.path());
        toy.entry().execute(&knobs, &[3], 1, &sink, Watch::new(&watch.0, &watch.1)).unwrap_err().to_string()
    };
    let unit = folder.path().join("seed-3/units/once.json");
    fs::write(&unit, "{").unwrap();
    assert!(complaint().contains(&format!("delete {} to have it made again", unit.display())));
    fs::remove_file(&unit).unwrap();
    // The stage's value is damaged, then lost: its folder makes way for a new one.
    let stages = folder.path().join("seed-3/stages");
    let stage = stages.join(crate::toy::names(&stages).remove(0));
    fs::write(stage.join("stage.json"), "{").unwrap();
    assert!(complaint().contains(&format!("delete {} to have", stage.display())));
    fs::remove_file(stage.join("stage.json")).unwrap();
    assert!(run(&toy.entry(), &Folder::new(folder.path()), 0));
    assert_eq!(toy.counts(), (2, 2));
    let run_folder = folder.path().join("run");
    drop(create(&run_folder, false).unwrap());
    fs::write(run_folder.join("run.json"), "{").unwrap();
    let damaged = trueness_core::run::folder::read_info(&run_folder).unwrap_err().to_string();
    assert!(damaged.contains("run.json is damaged") && !damaged.contains("made again"), "{damaged}");
}

#[test]
fn a_measure_taken_twice_is_an_error_that_names_it() {
    let entry = Toy::default().entry();
    let knobs = entry.resolve(&[("a test", json!({ "repeat": true }))]).unwrap();
    let found = entry.execute(&knobs, &[5], 1, &Memory::new(), Watch::new(&Cancel::default(), &Silent));
    assert_eq!(found.unwrap_err().to_string(), "seed 5 measures \"sum/once\" more than once");
}

#[test]
fn a_claim_is_judged_with_the_seeds_numbers() {
    let entry = Toy::default().entry();
    let knobs = entry.resolve(&[]).unwrap();
    let watch = (Cancel::default(), Silent);
    let found = entry.execute(&knobs, &[1, 2, 3], 1, &Memory::new(), Watch::new(&watch.0, &watch.1)).unwrap();
    let (verdicts, _) = entry.report(entry.manifest(), &knobs, &found).unwrap();
    // Twice minus once is 7, 8, 9: the sum of 3 steps and the seed's number.
    assert!(verdicts[0].detail.contains('8') && verdicts[0].outcome == trueness_core::report::Outcome::Holds);
}
