//! The inversion through the column, against fluxes that are known.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use std::f64::consts::TAU;
use trueness_core::{Cancel, Silent, Watch};
use trueness_flux::DAY;
use trueness_flux::estimator::{Bed, Inversion};
use trueness_flux::logger::Record;
use trueness_flux::medium::Medium;

/// Four days of Stallman's solution (1965) at a flux in m/d.
fn stallman(medium: &Medium, flux: f64) -> Record {
    let depths = vec![0.0, 0.1, 0.2, 0.4];
    let (kappa, v, omega) = (medium.diffusivity(0.0), medium.front(flux / DAY), TAU / DAY);
    let alpha = (v.powi(4) + (4.0 * omega * kappa).powi(2)).sqrt();
    let damping = (f64::midpoint(alpha, v * v).sqrt() - v) / (2.0 * kappa);
    let lag = ((alpha - v * v) / 2.0).sqrt() / (2.0 * kappa);
    let step = 600.0;
    let value = |z: f64, i: usize| 12.0 + 3.0 * (-damping * z).exp() * (omega * i as f64 * step - lag * z).sin();
    Record {
        start: 0,
        step,
        names: depths.iter().map(|z| format!("{z} m")).collect(),
        values: depths.iter().map(|&z| (0..577).map(|i| value(z, i)).collect()).collect(),
        depths,
    }
}

#[test]
fn stallman_without_noise_gives_its_flux_within_1_percent_and_its_diffusivity_within_2() {
    let truth = Medium { heat: 2.9e6, conductivity: 1.3, dispersivity: 0.0 };
    let bed = Bed { noise: 0.001, memory: 2.0 * DAY, ..Bed::default() };
    for flux in [-1.0, -0.6, -0.2, 0.2, 0.6, 1.0] {
        let found =
            Inversion::default().fit(&stallman(&truth, flux), &bed, Watch::new(&Cancel::default(), &Silent)).unwrap();
        let diffusivity = found.diffusivity[0] / truth.diffusivity(0.0) - 1.0;
        assert!(diffusivity.abs() < 0.02, "{flux} m/d: diffusivity off by {diffusivity}");
        let series = &found.series;
        let mean = series.flux.iter().sum::<f64>() / series.len() as f64 * DAY;
        assert!((mean / flux - 1.0).abs() < 0.01, "{flux} m/d: {mean}");
        let worst = series.flux[36..540].iter().map(|q| (q * DAY / flux - 1.0).abs()).fold(0.0, f64::max);
        assert!(worst < 0.01, "{flux} m/d: off by {worst} at worst");
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that was skipped has to say so")]
fn a_month_of_pflotran_is_inverted_in_windows() {
    let Some((record, truth)) = crate::kalman::month() else {
        eprintln!("skipped: TRUENESS_TEST_DATA is not set");
        return;
    };
    let medium = Medium::saturated(0.43, 2650.0, 920.0, 0.93).unwrap();
    // The heat capacity is known, the conductivity is not.
    let medium = Medium { conductivity: 1.5, ..medium };
    let bed = Bed { medium, memory: 21_600.0, ..Bed::default() };
    let found = Inversion::default().fit(&record, &bed, Watch::new(&Cancel::default(), &Silent)).unwrap();
    let last = truth.len() * 7 / 10;
    let efficiency = crate::kalman::efficiency(&found.series.flux[last..], &truth[last..]);
    assert!(efficiency > 0.9, "{efficiency}, coverage {}", crate::kalman::coverage(&found.series, &truth));
    let conductivity = found.conductivity;
    assert!((conductivity[0] / 0.93 - 1.0).abs() < 0.1, "{conductivity:?}");
}
