//! The run folder: the lock, what is replaced, and what a run that is taken up must have in common with
//! the one that was begun.

use crate::toy::{Toy, create, info, machine, names, program};
use std::fs;
use std::path::Path;
use trueness_core::run::{Program, RunFolder, Sink, UnitRecord};
use trueness_core::{Cancel, Silent, Watch};

fn resume(path: &Path) -> trueness_core::Result<RunFolder> {
    RunFolder::resume(path, &program(), &machine("avx2"))
}

fn message<T: std::fmt::Debug>(result: trueness_core::Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

/// A finished run of the toy, with figures.
fn finished(path: &Path) {
    let entry = Toy::default().entry();
    let mut folder = create(path, false).unwrap();
    let knobs = entry.resolve(&[]).unwrap();
    let watch = (Cancel::default(), Silent);
    let found = entry.execute(&knobs, &[0, 1], 1, &folder.sink(), Watch::new(&watch.0, &watch.1)).unwrap();
    let (_, report) = entry.report(entry.manifest(), &knobs, &found).unwrap();
    folder.log("done").unwrap();
    folder.finish(&found, &report, "now".to_owned(), 1.0).unwrap();
}

#[test]
fn one_process_works_on_a_folder_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let held = create(&path, false).unwrap();
    assert!(message(resume(&path)).contains("another process is working on"));
    assert!(message(create(&path, true)).contains("another process is working on"));
    drop(held);
    resume(&path).unwrap();
}

#[test]
fn force_replaces_what_a_run_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    finished(&path);
    assert!(path.join("figures/sums.svg").exists() && path.join("seed-1/metrics.jsonl").exists());
    fs::write(path.join(".tmpAb12Cd"), "left by a killed process").unwrap();
    assert!(message(create(&path, false)).contains("--resume"));
    let held = create(&path, true).unwrap();
    assert_eq!(names(&path), [".lock", "run.json", "study.toml"]);
    assert!(message(resume(&path)).contains("another process"), "the lock must be held all along");
    drop(held);
}

#[test]
fn force_removes_nothing_where_something_else_is_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    for (i, own) in ["notes.txt", "figures/mine.svg", "seed-0/thesis.tex", "seed-7", "seed-0/units/mine.txt"]
        .into_iter()
        .enumerate()
    {
        let path = folder.path().join(i.to_string());
        finished(&path);
        fs::write(path.join(own), "mine").unwrap();
        let before = names(&path);
        assert!(message(create(&path, true)).contains("is nothing that a run makes"), "{own}");
        assert_eq!(names(&path), before);
        assert_eq!(fs::read_to_string(path.join(own)).unwrap(), "mine");
    }
    // A file that is called run.json makes no run folder.
    for (i, content) in ["{}", "[]", "{\"name\": \"my-package\"}", ""].into_iter().enumerate() {
        let path = folder.path().join(format!("package-{i}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("run.json"), content).unwrap();
        fs::write(path.join("precious.txt"), "mine").unwrap();
        message(create(&path, true));
        assert_eq!(fs::read_to_string(path.join("precious.txt")).unwrap(), "mine");
        assert_eq!(fs::read_to_string(path.join("run.json")).unwrap(), content);
    }
}

#[cfg(unix)]
#[test]
fn force_follows_no_links() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("r"), folder.path().join("other"));
    finished(&path);
    fs::create_dir(&other).unwrap();
    fs::write(other.join("0.json"), "mine").unwrap();
    fs::remove_dir_all(path.join("seed-1/units")).unwrap();
    std::os::unix::fs::symlink(&other, path.join("seed-1/units")).unwrap();
    assert!(message(create(&path, true)).contains("seed-1/units"));
    assert!(other.join("0.json").exists());
}

#[test]
fn force_spares_a_folder_that_an_input_lies_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    finished(&path);
    let input = path.join("seed-0/metrics.jsonl");
    let replaced = RunFolder::create(&path, info(std::slice::from_ref(&input)), "", true);
    assert!(message(replaced).contains("metrics.jsonl lies in it"));
    assert!(input.exists());
}

#[test]
fn a_run_is_taken_up_only_where_nothing_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    drop(create(&path, false).unwrap());
    let other = Program { build: "b".to_owned(), ..program() };
    assert!(message(RunFolder::resume(&path, &other, &machine("avx2"))).contains("build"));
    let elsewhere = message(RunFolder::resume(&path, &program(), &machine("avx2 avx512f")));
    assert!(elsewhere.contains("\"avx2\"") && elsewhere.contains("\"avx2 avx512f\""), "{elsewhere}");
    let study = fs::read_to_string(path.join("study.toml")).unwrap();
    fs::write(path.join("study.toml"), format!("{study}# edited\n")).unwrap();
    assert!(message(resume(&path)).contains("study.toml that was changed"));
    fs::write(path.join("study.toml"), study).unwrap();
    resume(&path).unwrap();
}

#[test]
fn nothing_is_written_before_the_caller_says_to_carry_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    create(&path, false).unwrap().stop("interrupted", "then".to_owned(), 2.5).unwrap();
    let before = fs::read(path.join("run.json")).unwrap();
    let mut taken = resume(&path).unwrap();
    assert_eq!(fs::read(path.join("run.json")).unwrap(), before);
    taken.carry_on().unwrap();
    let now = trueness_core::run::folder::read_info(&path).unwrap();
    assert_eq!((now.resumed, now.exit, now.seconds), (1, None, 2.5));
}

#[test]
fn input_files_are_held_against_what_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let (path, text) = (folder.path().join("r"), folder.path().join("real.txt"));
    fs::write(&text, "a dog .\n").unwrap();
    drop(RunFolder::create(&path, info(std::slice::from_ref(&text)), "", false).unwrap());
    let taken = resume(&path).unwrap();
    let recorded = &taken.info().inputs[0];
    assert!(recorded.path.is_absolute() && recorded.bytes == 8);
    // The hash of the same bytes by another way.
    assert_eq!(recorded.hash, blake3::hash(b"a dog .\n").to_hex().to_string());
    taken.check_inputs(std::slice::from_ref(&text)).unwrap();
    let moved = folder.path().join("moved.txt");
    fs::copy(&text, &moved).unwrap();
    taken.check_inputs(std::slice::from_ref(&moved)).unwrap();
    fs::write(&text, "a cat .\n").unwrap();
    assert!(message(taken.check_inputs(std::slice::from_ref(&text))).contains("real.txt has changed"));
    fs::write(&moved, "a bird .\n").unwrap();
    let complaint = message(taken.check_inputs(std::slice::from_ref(&moved)));
    assert!(
        complaint.contains("moved.txt holds something else: 8 bytes") && complaint.contains("9 bytes"),
        "{complaint}"
    );
    fs::remove_file(&text).unwrap();
    assert!(message(taken.check_inputs(std::slice::from_ref(&text))).contains("begun with the file"));
    assert!(message(taken.check_inputs(&[])).contains("1 input files, and now there are 0"));
}

#[test]
fn a_knob_without_a_value_survives_the_study_file() {
    let entry = Toy::default().entry();
    let file = entry.resolved_file("smoke", 3, 0.1, &serde_json::json!({ "a": null }), "study = \"toy/sum\"").unwrap();
    assert!(file.contains("a = \"none\""), "{file}");
}

#[test]
fn a_failed_finish_counts_no_time_and_leaves_the_run_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let mut held = create(&path, false).unwrap();
    held.sink().finish_unit(0, "once", &UnitRecord::default()).unwrap();
    fs::create_dir(path.join("report.html")).unwrap();
    let report = trueness_core::report::Report::new("x");
    held.finish(&trueness_core::Findings::default(), &report, "now".to_owned(), 3.0).unwrap_err();
    assert_eq!((held.info().exit.clone(), held.info().seconds), (None, 0.0));
    held.stop("failed: disk full", "now".to_owned(), 3.0).unwrap();
    let now = trueness_core::run::folder::read_info(&path).unwrap();
    assert_eq!((now.exit.as_deref(), now.seconds), (Some("failed: disk full"), 3.0));
}

#[test]
fn what_a_stage_left_is_found_below_its_run_and_what_is_not_finished_is_passed_over() {
    let run = tempfile::tempdir().unwrap();
    let place = |name: &str| run.path().join(name);
    let put = |name: &str| {
        std::fs::create_dir_all(place(name)).unwrap();
        std::fs::write(place(name).join("model.json"), "{}").unwrap();
    };
    let find = |path: &std::path::Path| trueness_core::find_folder(path, &["model.json"], "model");
    put("seed-0/stages/train-00ff.partial/model");
    assert!(find(run.path()).unwrap_err().to_string().contains("is not finished"));
    let empty = tempfile::tempdir().unwrap();
    assert!(find(empty.path()).unwrap_err().to_string().contains("is no model folder: expected model.json"));
    put("seed-0/stages/train-00aa/model");
    let model = place("seed-0/stages/train-00aa/model");
    assert_eq!([find(run.path()).unwrap(), find(&model).unwrap()], [model.clone(), model]);
    put("seed-1/stages/train-00bb/model");
    assert!(find(run.path()).unwrap_err().to_string().contains("holds 2 model folders"));
}
