//! Closed forms against published values, the equation they solve, and each other.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]
#![allow(clippy::approx_constant, reason = "0.6370 is a phase that was computed elsewhere, not 2/π")]

use proptest::prelude::*;
use trueness_flux::analytic::steady::{
    bredehoeft_papadopulos, bredehoeft_papadopulos_flux, turcotte_schubert, turcotte_schubert_flux,
};
use trueness_flux::analytic::step::ogata_banks;
use trueness_flux::analytic::{Stallman, hatch_amplitude, hatch_phase, keery, mccallum_luce};
use trueness_flux::medium::Medium;
use trueness_flux::{DAY, Error};

fn sand() -> Medium {
    Medium::saturated(0.3, 2650.0, 900.0, 1.5).unwrap()
}

fn daily(flux: f64, medium: Medium) -> Stallman {
    Stallman { mean: 10.0, amplitude: 3.0, period: DAY, flux: flux / DAY, medium }
}

/// How far ∂T/∂t = κ·∂²T/∂z² − v·∂T/∂z is from holding, by differences, beside the size of its terms.
fn residual(t: impl Fn(f64, f64) -> f64, depth: f64, time: f64, v: f64, kappa: f64) -> f64 {
    let (dz, dt) = (1e-3, 10.0);
    let in_time = (t(depth, time + dt) - t(depth, time - dt)) / (2.0 * dt);
    let slope = (t(depth + dz, time) - t(depth - dz, time)) / (2.0 * dz);
    let bend = (t(depth + dz, time) - 2.0 * t(depth, time) + t(depth - dz, time)) / (dz * dz);
    (in_time - kappa * bend + v * slope).abs() / (in_time.abs() + (kappa * bend).abs() + (v * slope).abs() + 1e-9)
}

#[test]
fn stallman_has_the_values_of_an_independent_computation() {
    for (flux, ratio, phase) in [(-0.5, 0.0615, 1.0112), (0.5, 0.6931, 1.0112), (1.0, 0.9210, 0.6370)] {
        let found = daily(flux, sand()).attenuation();
        assert!(((-found.decay * 0.15).exp() - ratio).abs() < 1e-4, "{flux}: {found:?}");
        assert!((found.lag * 0.15 - phase).abs() < 1e-4, "{flux}: {found:?}");
    }
}

#[test]
fn a_rising_temperature_has_the_error_function_without_flow() {
    // Half of a change has come where z = 0.95387·√(κt): erfc(0.476936) = 1/2.
    let medium = sand();
    let time = 3.0 * DAY;
    let depth = 2.0 * 0.476_936_276_204_469_9 * (medium.diffusivity(0.0) * time).sqrt();
    assert!((ogata_banks(depth, time, 8.0, 12.0, 0.0, &medium) - 10.0).abs() < 1e-9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn periodic_and_sudden_changes_solve_the_equation(
        flux in -3.0f64..3.0, depth in 0.03f64..0.5, hours in 3.0f64..40.0, dispersivity in 0.0f64..0.01,
    ) {
        let medium = Medium { dispersivity, ..sand() };
        let wave = daily(flux, medium);
        let (v, kappa) = (medium.front(wave.flux), medium.diffusivity(wave.flux));
        let time = 3600.0 * hours;
        let scale = (-wave.attenuation().decay * depth).exp();
        // Where next to nothing is left of the wave, differences are rounding.
        if scale > 1e-6 {
            prop_assert!(residual(|z, t| (wave.temperature(z, t) - 10.0) / scale, depth, time, v, kappa) < 0.01);
        }
        let sudden = |z: f64, t: f64| ogata_banks(z, t, 0.0, 1.0, wave.flux, &medium);
        let there = sudden(depth, time);
        if there > 1e-4 && there < 1.0 - 1e-4 {
            prop_assert!(residual(sudden, depth, time, v, kappa) < 0.01);
        }
    }

    #[test]
    fn estimators_recover_what_they_assume(
        flux in -1.5f64..4.0, spacing in 0.02f64..0.3, conductivity in 0.9f64..2.5, porosity in 0.15f64..0.5,
    ) {
        let medium = Medium::saturated(porosity, 2650.0, 900.0, conductivity).unwrap();
        let wave = daily(flux, medium);
        let found = wave.attenuation();
        let (ratio, lag) = ((-found.decay * spacing).exp(), found.lag * spacing * DAY / std::f64::consts::TAU);
        prop_assume!(ratio > 1e-12);
        let close = |q: f64, wanted: f64| (DAY * q - wanted).abs() < 1e-6 * (1.0 + wanted.abs());
        prop_assert!(close(hatch_amplitude(ratio, spacing, DAY, &medium).unwrap(), flux));
        prop_assert!(close(keery(ratio, spacing, DAY, &medium).unwrap(), flux));
        // The lag hardly changes with a small flux.
        if flux.abs() > 0.1 {
            prop_assert!(close(hatch_phase(lag, spacing, DAY, &medium).unwrap(), flux.abs()));
        }
        let (q, kappa) = mccallum_luce(ratio, lag, spacing, DAY, &medium).unwrap();
        prop_assert!(close(q, flux));
        prop_assert!((kappa / medium.diffusivity(0.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn steady_profiles_give_their_flux_back(flux in -2.0f64..2.0, share in 0.1f64..0.9, length in 0.1f64..1.0) {
        let medium = sand();
        let q = flux / DAY;
        let at = |depth: f64| bredehoeft_papadopulos(depth, length, [12.0, 6.0], q, &medium);
        let depths = [0.0, share * length, length];
        let temperatures = depths.map(at);
        prop_assert_eq!([temperatures[0], temperatures[2]], [12.0, 6.0]);
        let b = 4.186e6 * q * length / 1.5;
        // Where the profile is flat at an end, nothing of the flux is left in it.
        if b.abs() < 15.0 {
            let found = DAY * bredehoeft_papadopulos_flux(depths, temperatures, &medium).unwrap();
            prop_assert!((found - flux).abs() < 1e-6, "{} {}", found, flux);
        }
        if flux < 0.0 {
            let t = turcotte_schubert(0.1, 12.0, 6.0, q, &medium).unwrap();
            if t > 6.0 + 1e-6 {
                let found = DAY * turcotte_schubert_flux(0.1, t, 12.0, 6.0, &medium).unwrap();
                prop_assert!((found - flux).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn what_no_flux_makes_is_an_error_that_says_so() {
    let medium = sand();
    for ratio in [0.0, 1.0, 1.3, -0.2, f64::NAN] {
        assert!(matches!(hatch_amplitude(ratio, 0.1, DAY, &medium), Err(Error::NoFlux(_))), "{ratio}");
        assert!(matches!(keery(ratio, 0.1, DAY, &medium), Err(Error::NoFlux(_))), "{ratio}");
    }
    let longer = hatch_phase(0.9 * DAY, 0.1, DAY, &medium).unwrap_err().to_string();
    assert!(longer.contains("longer than conduction alone makes"), "{longer}");
    assert!(matches!(hatch_amplitude(0.5, 0.0, DAY, &medium), Err(Error::Input(_))));
    let outside = bredehoeft_papadopulos_flux([0.0, 0.1, 0.2], [12.0, 13.0, 6.0], &medium);
    assert!(matches!(outside, Err(Error::NoFlux(_))));
    assert!(matches!(turcotte_schubert(0.1, 12.0, 6.0, 1e-6, &medium), Err(Error::Input(_))));
}
