//! Tools on a person's own files, end to end.

use super::{fail, measures, succeed, write_captions};
use std::fs;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, n, salt) in [("real.txt", 300, 1), ("near.txt", 300, 2), ("other.txt", 300, 3)] {
        write_captions(&folder.path().join(name), n, salt);
    }
    let far = fs::read_to_string(folder.path().join("near.txt"))
        .unwrap()
        .replace("a dog", "a a dog")
        .replace("near the", "at");
    fs::write(folder.path().join("far.txt"), far).unwrap();
    folder
}

#[test]
fn compare_ranks_candidates_and_leaves_a_run_folder() {
    let folder = folder();
    let arguments = [
        "text",
        "compare",
        "real.txt",
        "far.txt",
        "near.txt",
        "--out",
        "found",
        "--resamples",
        "50",
        "--permutations",
        "99",
    ];
    let json = succeed(folder.path(), &[&arguments[..], &["--json"]].concat());
    let found = measures(&json);
    let value = |name: &str, subject: &str| {
        let (_, _, measure) =
            found.iter().find(|(n, s, _)| n == name && s == subject).unwrap_or_else(|| panic!("{name} of {subject}"));
        measure["value"].as_f64().unwrap()
    };
    assert!(value("dd", "far.txt") > 0.9);
    assert!(value("dd", "near.txt") < 0.5);
    assert!(value("dd-floor", "real.txt").abs() < 0.4);
    for name in [
        "bleu-2",
        "bleu-5",
        "self-bleu-4",
        "d-relative",
        "d-absolute",
        "auc",
        "tv",
        "ece",
        "lm-score",
        "novelty",
        "distinct-3",
    ] {
        value(name, "near.txt");
    }
    for (name, subject, measure) in &found {
        assert!(measure["method"].as_str().is_some_and(|m| !m.is_empty()), "{name} of {subject} has no method");
        assert!(measure["signature"].is_string() && measure["n"].is_u64(), "{name} of {subject}");
    }
    for file in ["run.json", "study.toml", "measures.json", "report.html", "report.md", "log.txt", "figures"] {
        assert!(folder.path().join("found").join(file).exists(), "{file}");
    }
    let html = fs::read_to_string(folder.path().join("found/report.html")).unwrap();
    assert!(html.contains("near.txt is closest"));
    let shown = succeed(folder.path(), &["report", "found"]);
    assert!(shown.contains("near.txt") && shown.contains("report.html"), "{shown}");
}

#[test]
fn compare_twice_gives_the_same_measures_and_the_runs_can_be_compared() {
    let folder = folder();
    let run = |out: &'static str, threads: &'static str| {
        let arguments = [
            "text",
            "compare",
            "real.txt",
            "near.txt",
            "--only",
            "dd,bleu,diversity",
            "--resamples",
            "30",
            "--out",
            out,
            "--threads",
            threads,
            "--json",
        ];
        succeed(folder.path(), &arguments)
    };
    assert_eq!(run("one", "1"), run("two", "2"));
    let shown = succeed(folder.path(), &["compare", "one", "two"]);
    assert!(shown.contains("no difference found") && !shown.contains("differs"), "{shown}");
}

#[test]
fn compare_limits_itself_to_what_is_asked() {
    let folder = folder();
    let json = succeed(
        folder.path(),
        &["text", "compare", "real.txt", "near.txt", "--only", "self-bleu", "--compat", "texygen", "--json"],
    );
    let found = measures(&json);
    assert!(found.iter().any(|(name, ..)| name == "self-bleu-3"));
    assert!(!found.iter().any(|(name, ..)| name == "dd" || name.starts_with("bleu")));
}

#[test]
fn what_a_generator_recites_is_named() {
    let folder = folder();
    let near = fs::read_to_string(folder.path().join("near.txt")).unwrap();
    fs::write(folder.path().join("train.txt"), near + "something else entirely .\n").unwrap();
    let shown = succeed(
        folder.path(),
        &["text", "compare", "real.txt", "near.txt", "--only", "bleu", "--trained-on", "train.txt", "--json"],
    );
    assert!(measures(&shown).iter().any(|(name, _, m)| name == "memorised" && m["value"] == 1.0));
}

#[test]
fn scores_of_ones_own_classifier_are_used() {
    let folder = folder();
    fs::write(folder.path().join("r.scores"), "0.9\n".repeat(300)).unwrap();
    fs::write(folder.path().join("n.scores"), "0.4\n".repeat(150) + &"0.6\n".repeat(150)).unwrap();
    let arguments =
        ["text", "compare", "real.txt", "near.txt", "--only", "dd", "--json", "--scores", "r.scores", "n.scores"];
    let found = measures(&succeed(folder.path(), &arguments));
    // Accuracy is 1 on real and ½ on generated sentences: DD is ½.
    assert!(found.iter().any(|(name, _, m)| name == "dd" && m["value"] == 0.5));
    fs::write(folder.path().join("n.scores"), "0.4\nmany\n").unwrap();
    assert!(fail(folder.path(), &arguments, 2).contains("line 2"));
}

#[test]
fn split_writes_disjoint_parts_and_stats_counts_them() {
    let folder = folder();
    let arguments = [
        "text",
        "split",
        "real.txt",
        "near.txt",
        "--shares",
        "0.5,0.25,0.25",
        "--names",
        "train,valid,test",
        "--out",
        "parts",
    ];
    succeed(folder.path(), &arguments);
    let lines = |name: &str| fs::read_to_string(folder.path().join("parts").join(name)).unwrap().lines().count();
    assert_eq!((lines("train.txt"), lines("valid.txt"), lines("test.txt")), (300, 150, 150));
    assert!(fail(folder.path(), &arguments, 2).contains("--force"));
    assert!(fail(folder.path(), &["text", "split", "real.txt", "--counts", "200,200"], 2).contains("400"));
    let found = measures(&succeed(folder.path(), &["text", "stats", "parts/train.txt", "parts/test.txt", "--json"]));
    assert!(
        found
            .iter()
            .any(|(name, subject, m)| name == "sentences" && subject == "parts/test.txt" && m["value"] == 150.0)
    );
}

#[test]
fn a_flag_leaves_the_next_position_alone() {
    let folder = folder();
    let run = |flag: &'static str, out: &'static str| {
        let arguments = ["text", "split", flag, "real.txt", "near.txt", "--shares", "0.5", "--out", out, "--json"];
        measures(&succeed(folder.path(), &arguments))
    };
    // Half of 600 sentences: both files are read.
    for (flag, out) in [("--together", "a"), ("--together=true", "b"), ("--together=false", "c")] {
        assert_eq!(run(flag, out)[0].2["value"], 300.0);
    }
}

#[test]
fn a_quiet_report_is_written_and_not_shown() {
    let folder = folder();
    let compare = ["text", "compare", "real.txt", "near.txt", "--only", "bleu", "--quiet", "--out", "found"];
    assert_eq!(succeed(folder.path(), &compare), "");
    fs::remove_file(folder.path().join("found/report.html")).unwrap();
    assert_eq!(succeed(folder.path(), &["report", "found", "--quiet"]), "");
    assert!(folder.path().join("found/report.html").exists());
}

#[test]
fn list_and_explain_tell_what_there_is() {
    let folder = folder();
    assert!(succeed(folder.path(), &["list"]).contains("text/discrepancy"));
    assert!(succeed(folder.path(), &["explain", "dd"]).contains("total variation"));
    assert!(succeed(folder.path(), &["explain", "text", "compare"]).contains("trained-on"));
    assert!(succeed(folder.path(), &["explain", "text/discrepancy"]).contains("lstm_n"));
    assert!(succeed(folder.path(), &["explain", "run"]).contains("--strict"));
    assert!(fail(folder.path(), &["explain", "raport"], 2).contains("did you mean \"report\""));
    assert!(fail(folder.path(), &["explain", "self-blue-4"], 2).contains("did you mean \"self-bleu-4\""));
}

#[test]
fn verbs_of_flux_that_make_runs_take_the_options_of_runs() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for verb in ["infer", "simulate", "train", "rank-sensors"] {
        let help = super::succeed(here, &["flux", verb, "--help"]);
        for option in ["--out", "--force", "--seed", "--threads", "--json", "--quiet", "--resume"] {
            assert!(help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")), "{verb} {option}");
        }
    }
    let help = super::succeed(here, &["flux", "check", "--help"]);
    assert!(help.contains("--json") && help.contains("--threads"));
}

#[test]
fn depths_stand_for_the_files_they_would_come_from() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["train", "rank-sensors"] {
        // Too deep a sensor is refused by the verb: the depths were understood, and no file was asked for.
        let error = super::fail(folder.path(), &["flux", verb, "--depths", "0.01,0.05,1e9"], 2);
        assert!(!error.contains("LOGGER") && !error.contains("required"), "{verb}: {error}");
    }
}

#[test]
fn what_is_simulated_is_learned_and_inferred_by_the_model_that_was_trained() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| super::succeed(folder.path(), arguments);
    let depths = ["--depths", "0.01,0.05,0.15"];
    let small = ["--n-sites", "20", "--n-test", "5", "--days", "2", "--learner", "ridge", "--out", "model"];
    run(&[&["flux", "train"], &depths[..], &small[..]].concat());
    std::fs::write(
        folder.path().join("site.toml"),
        "days = 3.0\nstep = 900.0\n[sensors]\ndepths = [0.01, 0.05, 0.15]\nnoise = 0.02\n",
    )
    .unwrap();
    run(&["flux", "simulate", "site.toml", "--out", "site"]);
    run(&["flux", "infer", "site/temperatures.csv", "--estimator", "keery", "--model", "model", "--out", "flux"]);
    let text = std::fs::read_to_string(folder.path().join("flux/flux.csv")).unwrap();
    assert!(text.lines().filter(|line| line.contains(",ridge (trained),") && !line.ends_with(",gap")).count() > 100);
    assert!(
        super::fail(folder.path(), &["flux", "infer", "site/temperatures.csv", "--model", "site"], 2).contains("model")
    );
}
