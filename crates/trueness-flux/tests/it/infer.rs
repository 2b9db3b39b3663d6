//! From files to flux: the tool as a person calls it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use trueness_core::conformance;
use trueness_flux::DAY;
use trueness_flux::analytic::Stallman;
use trueness_flux::check::{CheckKnobs, check};
use trueness_flux::estimator::learned::{Learner, Site, Split, Training};
use trueness_flux::estimator::{Bed, Diurnal};
use trueness_flux::logger::{Cleaning, Reading, Record, Sampling, read};
use trueness_flux::medium::Medium;

const MEDIUM: Medium = Medium { heat: 2.9e6, conductivity: 1.5, dispersivity: 0.0 };

/// Four days at four depths under a flux in m/d.
fn file(path: &Path, flux: f64) {
    let wave = Stallman { mean: 12.0, amplitude: 4.0, period: DAY, flux: flux / DAY, medium: MEDIUM };
    let mut text = "time,0 cm,10 cm,20 cm,40 cm\n".to_owned();
    for i in 0..384u32 {
        let time = f64::from(i) * 900.0;
        write!(text, "2024-06-{:02}T{:02}:{:02}:00Z", 1 + i / 96, i / 4 % 24, i % 4 * 15).unwrap();
        for depth in [0.0, 0.1, 0.2, 0.4] {
            write!(text, ",{:.6}", wave.temperature(depth, time)).unwrap();
        }
        text.push('\n');
    }
    std::fs::write(path, text).unwrap();
}

#[test]
fn the_tool_keeps_the_rules_of_studies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bed.csv");
    file(&path, -0.4);
    let entry = trueness_flux::studies().unwrap().into_iter().find(|entry| entry.name() == "flux/infer").unwrap();
    let settings = json!({ "loggers": [path], "estimator": ["all"], "step": 900.0, "tune": false, "parquet": true, "calibration-sites": 20 });
    conformance::check_with(&entry, "default", settings, &folder.path().join("runs")).unwrap();
}

#[test]
fn closed_forms_find_the_flux_of_a_wave_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for flux in [-0.4, 0.0, 0.5] {
        let path = folder.path().join("bed.csv");
        file(&path, flux);
        let channels = read(&path, &Reading::default()).unwrap().channels;
        let sampling = Sampling { step: Some(900.0), ..Sampling::default() };
        let (record, findings) = Record::gather(channels, &sampling, &Cleaning::default()).unwrap();
        assert!(findings.is_empty(), "{findings:?}");
        let bed = Bed { medium: MEDIUM, ..Bed::default() };
        for method in [Diurnal::Amplitude, Diurnal::Keery, Diurnal::Combined] {
            let pair = method.pair(&record, [0, 1], 2.0, 3600.0, &bed).unwrap();
            let known: Vec<f64> = pair.series.flux.iter().copied().filter(|q| q.is_finite()).collect();
            assert!(known.len() > 100, "{method:?}");
            assert!(known.iter().all(|q| (q * DAY - flux).abs() < 0.005), "{method:?} {flux}: {}", known[0] * DAY);
        }
    }
}

#[test]
fn the_study_of_exchange_keeps_the_rules_of_studies() {
    let folder = tempfile::tempdir().unwrap();
    let entry = trueness_flux::studies().unwrap().into_iter().find(|entry| entry.name() == "flux/exchange").unwrap();
    conformance::check(&entry, "smoke", folder.path()).unwrap();
}

#[test]
fn a_model_is_trained_for_the_sensors_of_a_file_and_infers_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bed.csv");
    file(&path, -0.4);
    let entry = |name: &str| trueness_flux::studies().unwrap().into_iter().find(|entry| entry.name() == name).unwrap();
    for learner in ["boosting", "cnn"] {
        let settings = json!({
            "loggers": [path], "learner": learner, "n-sites": 24, "n-test": 6, "days": 3.0, "step": 900.0, "noise": 0.01,
        });
        let runs = folder.path().join(learner);
        conformance::check_with(&entry("flux/train"), "default", settings, &runs).unwrap();
    }
    // The model is what a training leaves in its run's folder.
    let mut pattern = trueness_flux::river::Sites::default().with_sensors(&[0.0, 0.1, 0.2, 0.4]);
    (pattern.pattern.days, pattern.pattern.step) = (3.0, 900.0);
    let seed = trueness_core::Seed::new(1);
    let sites: Vec<Site> = pattern.simulate(24, seed).unwrap().into_iter().map(Site::from).collect();
    let cancel = trueness_core::Cancel::default();
    let watch = trueness_core::Watch::new(&cancel, &trueness_core::Silent);
    let training = Training::new(Learner::Boosting, Split::Held(0.3));
    let model = training.run(&sites, None, None, seed, watch).unwrap();
    let place = folder.path().join("run/seed-0/stages/train-0123456789abcdef/model");
    model.save(&place).unwrap();
    let run = folder.path().join("run");
    let settings = json!({ "loggers": [path], "estimator": ["keery"], "model": run, "step": 900.0, "tune": false });
    conformance::check_with(&entry("flux/infer"), "default", settings, &folder.path().join("runs")).unwrap();
}

#[test]
fn what_is_simulated_is_inferred() {
    let folder = tempfile::tempdir().unwrap();
    let entry = |name: &str| trueness_flux::studies().unwrap().into_iter().find(|entry| entry.name() == name).unwrap();
    let path = folder.path().join("site.toml");
    std::fs::write(&path, "days = 3.0\nstep = 900.0\n[sensors]\ndepths = [0.0, 0.1, 0.25]\nnoise = 0.01\n").unwrap();
    for n in [1, 3] {
        let settings = json!({ "site": path, "n-sites": n });
        let runs = folder.path().join(n.to_string());
        conformance::check_with(&entry("flux/simulate"), "default", settings, &runs).unwrap();
    }
    std::fs::write(&path, "days = 3.0\n\n[sensors]\ndepth = [0.0]\n").unwrap();
    let settings = json!({ "site": path });
    let error = conformance::check_with(&entry("flux/simulate"), "default", settings, &folder.path().join("bad"));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("site.toml") && error.contains("depth"), "{error}");
}

#[test]
fn sensors_are_ranked_by_what_a_learner_and_physics_say() {
    let folder = tempfile::tempdir().unwrap();
    let entry =
        trueness_flux::studies().unwrap().into_iter().find(|entry| entry.name() == "flux/rank-sensors").unwrap();
    let settings = json!({
        "depths": [0.0, 0.1, 0.3], "learner": "ridge", "n-sites": 20, "n-test": 6, "days": 2.0, "step": 1200.0, "noise": 0.01,
    });
    conformance::check_with(&entry, "default", settings, folder.path()).unwrap();
}

#[test]
fn a_check_names_every_fault_and_stops_at_none() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("bed.csv"), folder.path().join("empty.csv"));
    file(&good, -0.4);
    std::fs::write(&bad, "").unwrap();
    let cancel = trueness_core::Cancel::default();
    let watch = trueness_core::Watch::new(&cancel, &trueness_core::Silent);
    let name = |path: &std::path::Path| path.display().to_string();
    let knobs = CheckKnobs { loggers: vec![name(&good), name(&bad)], ..CheckKnobs::default() };
    let found = check(&knobs, watch).unwrap();
    assert!(found.measures.iter().any(|measure| measure.name == "values"));
    assert!(
        found.warnings.iter().any(|warning| warning.contains("empty.csv") && warning.contains("the file is empty"))
    );
    let knobs = CheckKnobs { loggers: vec![name(&good)], depths: vec![0.1], ..CheckKnobs::default() };
    let found = check(&knobs, watch).unwrap();
    assert!(found.warnings.iter().any(|warning| warning.contains("not together")), "{:?}", found.warnings);
}
