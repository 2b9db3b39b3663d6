//! What the intervals of the closed forms hold.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use rayon::prelude::*;
use trueness_core::Seed;
use trueness_flux::DAY;
use trueness_flux::estimator::{Bed, Calibration, Diurnal};
use trueness_flux::river::Sites;

#[test]
fn calibrated_intervals_of_closed_forms_hold_the_flux_of_other_sites() {
    let mut sites = Sites::default();
    (sites.pattern.days, sites.pattern.step, sites.pattern.sensors.noise) = (5.0, 900.0, 0.05);
    let told = sites.simulate(600, Seed::new(41)).unwrap();
    let bed = Bed { noise: 0.05, ..Bed::default() };
    let methods = [Diurnal::Amplitude, Diurnal::Phase, Diurnal::Keery, Diurnal::Combined];
    let covered: Vec<(Diurnal, f64, f64)> = methods
        .into_par_iter()
        .map(|method| {
            // Estimates, half intervals and the truth, in m/d.
            let values = |range: std::ops::Range<usize>| -> Vec<[f64; 3]> {
                let known = told[range].iter().filter_map(|site| {
                    Some((method.pair(&site.record, [0, 1], 2.0, 3600.0, &bed).ok()?.series, &site.flux))
                });
                let one = |(of, flux): (trueness_flux::estimator::FluxSeries, &Vec<f64>)| -> Vec<[f64; 3]> {
                    let there = (0..flux.len()).filter(|&i| of.low[i].is_finite());
                    there.map(|i| [of.flux[i] * DAY, (of.high[i] - of.flux[i]) * DAY, flux[i] * DAY]).collect()
                };
                known.flat_map(one).collect()
            };
            let calibration = Calibration::of(values(0..200).into_iter()).unwrap();
            let test = values(200..600);
            let share = |ends: &dyn Fn(f64, f64) -> (f64, f64)| {
                let within = test.iter().filter(|[estimate, scale, truth]| {
                    let (low, high) = ends(*estimate, *scale);
                    (low..=high).contains(truth)
                });
                within.count() as f64 / test.len() as f64
            };
            let alone = share(&|estimate, scale| (estimate - scale, estimate + scale));
            (method, alone, share(&|estimate, scale| calibration.interval(estimate, scale)))
        })
        .collect();
    for (method, alone, calibrated) in covered {
        assert!((0.85..=0.95).contains(&calibrated), "{method:?}: {calibrated}, {alone} without");
    }
}
