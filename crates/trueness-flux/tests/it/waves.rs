//! What the intervals of the closed forms hold.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use rayon::prelude::*;
use trueness_core::Seed;
use trueness_flux::estimator::{Bed, Calibration, Diurnal};
use trueness_flux::river::Sites;

#[test]
fn calibrated_intervals_of_closed_forms_hold_the_flux_of_other_sites_upward_and_downward() {
    let mut sites = Sites::default();
    (sites.pattern.days, sites.pattern.step, sites.pattern.sensors.noise) = (5.0, 900.0, 0.05);
    let told = sites.simulate(800, Seed::new(41)).unwrap();
    let bed = Bed { noise: 0.05, ..Bed::default() };
    for method in Diurnal::ALL {
        for pair in [[0, 1], [1, 2]] {
            // Estimates, half intervals and the truth by site.
            let values: Vec<Vec<[f64; 3]>> = told
                .par_iter()
                .map(|site| {
                    let found = method.pair(&site.record, pair, 2.0, 10_800.0, &bed);
                    found.map_or_else(|_| Vec::new(), |found| found.series.against(&site.flux))
                })
                .collect();
            let calibration = Calibration::of_sites(&values[..400]).unwrap();
            for way in ["all", "up", "down"] {
                let test: Vec<bool> = values[400..]
                    .iter()
                    .flatten()
                    .filter(|[_, _, truth]| way == "all" || (way == "up") == (*truth < 0.0))
                    .map(|&[estimate, scale, truth]| {
                        let (low, high) = calibration.interval(estimate, scale);
                        (low..=high).contains(&truth)
                    })
                    .collect();
                let held = test.iter().filter(|held| **held).count() as f64 / test.len() as f64;
                assert!((0.85..=0.95).contains(&held), "{method:?} {pair:?} {way}: {held} of {}", test.len());
            }
        }
    }
}
