//! The column against closed forms, and what must hold whatever drives it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use proptest::prelude::*;
use std::f64::consts::TAU;
use trueness_flux::DAY;
use trueness_flux::analytic::Stallman;
use trueness_flux::analytic::steady::{bredehoeft_papadopulos, turcotte_schubert};
use trueness_flux::analytic::step::ogata_banks;
use trueness_flux::column::{Columns, Drive, Edge, Grid, Scheme, Stepping};
use trueness_flux::medium::Medium;

const HELD: [Edge; 2] = [Edge::Temperature; 2];
const SCHEMES: [Scheme; 3] = [Scheme::Central, Scheme::Upwind, Scheme::Tvd];

fn sand() -> Medium {
    Medium::saturated(0.3, 2650.0, 900.0, 1.5).unwrap()
}

/// Steps with edges that do not change until nothing does.
fn settle(columns: &mut Columns, flux: &[f64], top: &[f64], bottom: &[f64]) {
    for _ in 0..60 {
        columns.step(30.0 * DAY, Drive { flux, top: [top; 2], bottom: [bottom; 2] }).unwrap();
    }
}

#[test]
fn amplitude_and_phase_are_stallmans() {
    let waves = [-0.5, 0.0, 0.5, 1.0].map(|flux| Stallman {
        mean: 10.0,
        amplitude: 3.0,
        period: DAY,
        flux: flux / DAY,
        medium: Medium { dispersivity: 0.002, ..sand() },
    });
    let (depth, step) = (1.5, 60.0);
    let grid = Grid::uniform(depth, 300).unwrap();
    let mut columns =
        Columns::new(grid, waves.len(), HELD, |_, c| waves[c].medium, |z, c| waves[c].temperature(z, 0.0)).unwrap();
    let flux = waves.map(|wave| wave.flux);
    let at = |depth: f64, time: f64| waves.map(|wave| wave.temperature(depth, time));
    let sensor = 0.15;
    let mut sums = [[0.0; 2]; 4];
    let day = (DAY / step) as usize;
    for i in 0..3 * day {
        let (from, to) = (i as f64 * step, (i + 1) as f64 * step);
        let (top, bottom) = ([at(0.0, from), at(0.0, to)], [at(depth, from), at(depth, to)]);
        columns.step(step, Drive { flux: &flux, top: [&top[0], &top[1]], bottom: [&bottom[0], &bottom[1]] }).unwrap();
        if i >= 2 * day {
            for (sum, temperature) in sums.iter_mut().zip(columns.at_depth(sensor).unwrap()) {
                let angle = TAU * to / DAY;
                sum[0] += 2.0 / day as f64 * temperature * angle.sin();
                sum[1] += 2.0 / day as f64 * temperature * angle.cos();
            }
        }
    }
    for (wave, [sine, cosine]) in waves.iter().zip(sums) {
        let truth = wave.attenuation();
        let (ratio, phase) = (sine.hypot(cosine) / 3.0, -cosine.atan2(sine));
        assert!((ratio / (-truth.decay * sensor).exp() - 1.0).abs() < 0.005, "{wave:?}: ratio {ratio}");
        assert!((phase / (truth.lag * sensor) - 1.0).abs() < 0.005, "{wave:?}: phase {phase}");
    }
    assert!(columns.balance().error() < 1e-8, "{}", columns.balance().error());
}

/// The largest distance from Bredehoeft–Papadopulos in K, of 6 K, over all cells.
fn steady_error(scheme: Scheme, cells: usize, flux: f64) -> f64 {
    let (length, medium) = (0.5, sand());
    let mut columns = Columns::new(Grid::uniform(length, cells).unwrap(), 1, HELD, |_, _| medium, |_, _| 9.0)
        .unwrap()
        .with_scheme(scheme)
        .with_stepping(Stepping::Implicit);
    settle(&mut columns, &[flux / DAY], &[12.0], &[6.0]);
    let error = |cell: usize| {
        let truth = bredehoeft_papadopulos(columns.grid().centre(cell), length, [12.0, 6.0], flux / DAY, &medium);
        (columns.cell(cell)[0] - truth).abs()
    };
    (0..cells).map(error).fold(0.0, f64::max)
}

#[test]
fn steady_profiles_are_bredehoefts_and_errors_fall_with_the_square_of_the_cells() {
    for flux in [-1.0, -0.2, 0.0, 0.3, 1.0] {
        assert!(steady_error(Scheme::Central, 100, flux) < 0.005 * 6.0, "{flux}");
        if flux != 0.0 {
            let [coarse, middle, fine] = [40, 80, 160].map(|cells| steady_error(Scheme::Central, cells, flux));
            let orders = [(coarse / middle).log2(), (middle / fine).log2()];
            assert!(orders.iter().all(|order| (1.85..2.3).contains(order)), "{flux}: {orders:?}");
            let upwind = (steady_error(Scheme::Upwind, 80, flux) / steady_error(Scheme::Upwind, 160, flux)).log2();
            assert!((0.7..1.3).contains(&upwind), "{flux}: {upwind}");
            assert!(steady_error(Scheme::Tvd, 80, flux) < steady_error(Scheme::Upwind, 80, flux) / 2.0, "{flux}");
        }
    }
}

#[test]
fn rising_water_has_the_profile_of_turcotte_and_schubert() {
    let medium = sand();
    let mut columns = Columns::new(Grid::uniform(3.0, 600).unwrap(), 1, HELD, |_, _| medium, |_, _| 10.0)
        .unwrap()
        .with_stepping(Stepping::Implicit);
    settle(&mut columns, &[-0.3 / DAY], &[18.0], &[10.0]);
    for depth in [0.05, 0.1, 0.2, 0.5] {
        let truth = turcotte_schubert(depth, 18.0, 10.0, -0.3 / DAY, &medium).unwrap();
        let found = columns.at_depth(depth).unwrap()[0];
        assert!((found - truth).abs() < 0.01 * (truth - 10.0), "{depth}: {found} {truth}");
    }
}

#[test]
fn a_sudden_change_goes_down_as_ogata_and_banks_say() {
    let medium = sand();
    for scheme in SCHEMES {
        for flux in [-0.3, 0.0, 0.5, 1.0] {
            let mut columns = Columns::new(Grid::uniform(3.0, 600).unwrap(), 1, HELD, |_, _| medium, |_, _| 8.0)
                .unwrap()
                .with_scheme(scheme);
            let drive = Drive { flux: &[flux / DAY], top: [&[12.0]; 2], bottom: [&[8.0]; 2] };
            for _ in 0..720 {
                columns.step(60.0, drive).unwrap();
            }
            for depth in [0.05, 0.1, 0.2, 0.3] {
                let truth = ogata_banks(depth, 0.5 * DAY, 8.0, 12.0, flux / DAY, &medium);
                let found = columns.at_depth(depth).unwrap()[0];
                assert!((found - truth).abs() < 0.01 * 4.0, "{scheme:?} {flux} {depth}: {found} {truth}");
            }
            assert!(columns.balance().error() < 1e-8);
        }
    }
}

#[test]
fn conducted_heat_warms_a_column_by_what_was_conducted() {
    let mut columns =
        Columns::new(Grid::uniform(0.5, 20).unwrap(), 1, [Edge::Heat; 2], |_, _| sand(), |_, _| 9.0).unwrap();
    for _ in 0..24 {
        columns.step(3600.0, Drive { flux: &[0.0], top: [&[50.0]; 2], bottom: [&[10.0]; 2] }).unwrap();
    }
    let stored: f64 = (0..20).map(|cell| (columns.cell(cell)[0] - 9.0) * sand().heat * 0.025).sum();
    assert!((stored / (60.0 * DAY) - 1.0).abs() < 1e-9, "{stored}");
    assert!(columns.balance().error() < 1e-9);
}

#[test]
fn bad_input_is_named_and_moves_nothing() {
    let message = |found: Result<Columns, trueness_flux::Error>| found.unwrap_err().to_string();
    let grid = || Grid::uniform(0.5, 5).unwrap();
    assert!(Grid::new(vec![0.0, 0.2, 0.1]).unwrap_err().to_string().contains("got 0.1 m below 0.2 m"));
    assert!(Grid::uniform(0.5, 0).is_err());
    assert!(message(Columns::new(grid(), 0, HELD, |_, _| sand(), |_, _| 9.0)).contains("at least one column"));
    let wrong = |cell, column| Medium { heat: if (cell, column) == (3, 1) { 0.0 } else { 3e6 }, ..sand() };
    assert!(message(Columns::new(grid(), 2, HELD, wrong, |_, _| 9.0)).starts_with("column 1, cell 3: heat capacity"));
    let mut columns = Columns::new(grid(), 2, HELD, |_, _| sand(), |_, _| 9.0).unwrap();
    let two: &[f64] = &[1.0, 2.0];
    let drive = Drive { flux: two, top: [two; 2], bottom: [two; 2] };
    assert!(columns.step(0.0, drive).unwrap_err().to_string().starts_with("step: expected"));
    let short = Drive { top: [two, &[1.0]], ..drive };
    assert!(columns.step(60.0, short).unwrap_err().to_string().starts_with("top: expected 2 values"));
    let gap = Drive { flux: &[0.0, f64::NAN], ..drive };
    assert!(columns.step(60.0, gap).unwrap_err().to_string().contains("column 1 has NaN"));
    assert!(columns.cell(0).iter().all(|&t| t == 9.0));
    assert!(columns.at_depth(0.02).unwrap_err().to_string().starts_with("depth: expected 0.05 to 0.45"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Layers, uneven cells, all schemes: energy is kept, a column does not see its neighbours, and without wiggles
    /// nothing is warmer or colder than what came in.
    #[test]
    fn energy_is_kept_and_columns_are_alone(
        heights in prop::collection::vec(0.005f64..0.05, 3..20),
        fluxes in prop::collection::vec(-5.0f64..5.0, 3),
        edges in prop::collection::vec(0.0f64..20.0, 12),
        scheme in 0usize..3,
        implicit in any::<bool>(),
    ) {
        let mut faces = vec![0.0];
        heights.iter().for_each(|height| faces.push(faces[faces.len() - 1] + height));
        let cells = heights.len();
        let medium = |cell: usize, column: usize| Medium {
            heat: 2.5e6 + 1e5 * (cell % 3) as f64,
            conductivity: 0.9 + 0.2 * ((cell + column) % 4) as f64,
            dispersivity: 0.003,
        };
        let stepping = if implicit { Stepping::Implicit } else { Stepping::default() };
        let build = |columns: std::ops::Range<usize>| {
            let first = columns.start;
            let grid = Grid::new(faces.clone()).unwrap();
            Columns::new(grid, columns.len(), HELD, |cell, c| medium(cell, c + first), |_, c| 8.0 + (c + first) as f64)
                .unwrap()
                .with_scheme(SCHEMES[scheme])
                .with_stepping(stepping)
        };
        let mut all = build(0..3);
        let mut alone: Vec<Columns> = (0..3).map(|c| build(c..c + 1)).collect();
        for i in 0..20 {
            let at = |i: usize, c: usize| edges[(i + 5 * c) % edges.len()];
            let values = |i: usize| [at(i, 0), at(i, 1), at(i, 2)];
            let (top, bottom) = ([values(i), values(i + 1)], [values(i + 2), values(i + 3)]);
            let flux: Vec<f64> = fluxes.iter().map(|q| q / DAY * if i > 10 { -1.0 } else { 1.0 }).collect();
            all.step(300.0, Drive { flux: &flux, top: [&top[0], &top[1]], bottom: [&bottom[0], &bottom[1]] }).unwrap();
            for (c, one) in alone.iter_mut().enumerate() {
                let drive = Drive {
                    flux: &flux[c..=c],
                    top: [&top[0][c..=c], &top[1][c..=c]],
                    bottom: [&bottom[0][c..=c], &bottom[1][c..=c]],
                };
                one.step(300.0, drive).unwrap();
            }
        }
        prop_assert!(all.balance().error() < 1e-8, "{}", all.balance().error());
        for cell in 0..cells {
            for (c, one) in alone.iter().enumerate() {
                if SCHEMES[scheme] == Scheme::Tvd {
                    // How often the limiter is computed anew depends on all columns.
                    prop_assert!((all.cell(cell)[c] - one.cell(cell)[0]).abs() < 1e-6);
                } else {
                    prop_assert_eq!(all.cell(cell)[c], one.cell(cell)[0]);
                }
            }
            if SCHEMES[scheme] == Scheme::Upwind && implicit {
                prop_assert!(all.cell(cell).iter().all(|t| (0.0..=20.0).contains(t)));
            }
        }
    }
}
