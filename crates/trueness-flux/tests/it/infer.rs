//! From files to flux: the tool as a person calls it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use trueness_core::conformance;
use trueness_flux::DAY;
use trueness_flux::analytic::Stallman;
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
    let settings = json!({ "loggers": [path], "estimator": ["all"], "step": 900.0, "tune": false });
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
