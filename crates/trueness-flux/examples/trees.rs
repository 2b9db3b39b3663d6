//! Forests and boosting beside their peers: what `bench/flux/trees.py` runs.
//!
//! `trees table SITES SEED OUT.csv` simulates sites whose sensors err by .05 K and writes their features with the flux in m/d as the
//! last column. `trees fit TRAIN.csv TEST.csv forest|boosting SEED` fits one and prints the seconds of the fit and the efficiency.

use rayon::prelude::*;
use std::io::Write;
use std::time::Instant;
use trueness_core::{Cancel, Seed, Silent, Watch};
use trueness_flux::estimator::learned::{Boosting, BoostingKnobs, Features, Forest, ForestKnobs, Rows};
use trueness_flux::river::{self, Sites};
use trueness_flux::{DAY, Error, Result};

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["table", sites, seed, out] => std::fs::write(out, table(sites.parse()?, seed.parse()?)?)?,
        ["fit", train, test, learner, seed] => {
            let (train, test) = (read(train)?, read(test)?);
            let (seconds, found) = fit(&train, &test, learner, Seed::new(seed.parse()?))?;
            let mean = test.y.iter().sum::<f64>() / test.len() as f64;
            let lost: f64 = found.iter().zip(&test.y).map(|(a, b)| (a - b).powi(2)).sum();
            let nse = 1.0 - lost / test.y.iter().map(|b| (b - mean).powi(2)).sum::<f64>();
            writeln!(std::io::stdout(), "{}", serde_json::json!({ "seconds": seconds, "nse": nse }))?;
        }
        _ => return Err("usage: trees table SITES SEED OUT | trees fit TRAIN TEST forest|boosting SEED".into()),
    }
    Ok(())
}

fn table(sites: u64, seed: u64) -> Result<String> {
    use std::fmt::Write as _;
    let mut from = Sites::default();
    (from.pattern.days, from.pattern.step, from.pattern.sensors.noise) = (5.0, 600.0, 0.05);
    let seed = Seed::new(seed);
    let drawn = (0..sites).into_par_iter().map(|i| from.draw(seed.nth(i))).collect::<Result<Vec<_>>>()?;
    let seeds: Vec<Seed> = (0..sites).map(|i| seed.child("errors").nth(i)).collect();
    let mut text = String::new();
    for site in river::simulate(&drawn, &seeds)? {
        let table = Features::default().of(&site.record)?;
        for (i, place) in table.places.iter().enumerate().filter(|(i, _)| table.row(*i).iter().all(|x| x.is_finite())) {
            // Writing to a string does not fail.
            for x in table.row(i) {
                let _ = write!(text, "{x:.9e},");
            }
            let _ = writeln!(text, "{:.9e}", site.flux[*place] * DAY);
        }
    }
    Ok(text)
}

fn read(path: &str) -> std::result::Result<Rows, Box<dyn std::error::Error>> {
    let mut rows = Rows::default();
    for line in std::fs::read_to_string(path)?.lines() {
        let mut values = line.split(',').map(str::parse).collect::<std::result::Result<Vec<f64>, _>>()?;
        rows.y.extend(values.pop());
        rows.columns = values.len();
        rows.x.extend(values);
    }
    Ok(rows)
}

fn fit(train: &Rows, test: &Rows, learner: &str, seed: Seed) -> Result<(f64, Vec<f64>)> {
    let cancel = Cancel::default();
    let watch = Watch::new(&cancel, &Silent);
    let begin = Instant::now();
    Ok(match learner {
        "forest" => {
            let forest = Forest::fit(train, &ForestKnobs::default(), seed, watch)?;
            (begin.elapsed().as_secs_f64(), forest.predict(&test.x, test.columns)?)
        }
        "boosting" => {
            let boosting = Boosting::fit(train, &BoostingKnobs::default(), seed, watch)?;
            (begin.elapsed().as_secs_f64(), boosting.predict(&test.x, test.columns))
        }
        other => return Err(Error::Input(format!("expected forest or boosting, got {other}"))),
    })
}
