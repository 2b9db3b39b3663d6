//! The vertical section against columns, which it has to be where nothing varies across, and against closed forms.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use std::f64::consts::{PI, TAU};
use trueness_flux::column::{Columns, Drive, Edge, Grid, Ground, Scheme, Section, Side, Sides, Stepping};
use trueness_flux::medium::{GRAVITY, Medium, WATER_DENSITY, viscosity};

fn layer(row: usize) -> Ground {
    let conductivity = if row < 12 { 1.1 } else { 2.0 };
    let medium = Medium { dispersivity: 0.01, ..Medium::saturated(0.35, 2650.0, 900.0, conductivity).unwrap() };
    let permeability = if row < 20 { 2e-11 } else { 6e-12 };
    Ground { medium, transverse: 0.001, permeability: [5.0 * permeability, permeability] }
}

fn closed() -> Sides {
    Sides { top: Side::Closed, bottom: Side::Closed, left: Side::Closed, right: Side::Closed }
}

#[test]
fn a_section_that_is_alike_across_is_a_column() {
    let faces = |n: usize, width: f64| Grid::new((0..=n).map(|i| i as f64 * width).collect()).unwrap();
    let down = || Grid::new((0..=40).map(|i| f64::from(i) * 0.01 + f64::from(i * i) * 0.0002).collect()).unwrap();
    let start = |depth: f64| 8.0 + 3.0 * depth + (9.0 * depth).sin();
    for across in [faces(1, 0.7), Grid::new(vec![0.0, 0.1, 0.3, 0.4, 1.0, 1.1]).unwrap()] {
        for scheme in [Scheme::Central, Scheme::Upwind] {
            for stepping in [Stepping::Implicit, Stepping::CrankNicolson { damped: 2 }] {
                let wide = across.cells();
                let mut column =
                    Columns::new(down(), 1, [Edge::Temperature; 2], |cell, _| layer(cell).medium, |z, _| start(z))
                        .unwrap()
                        .with_scheme(scheme)
                        .with_stepping(stepping);
                let mut section = Section::new(across.clone(), down(), |_, row| layer(row), |_, z| start(z))
                    .unwrap()
                    .with_scheme(scheme)
                    .unwrap()
                    .with_stepping(stepping);
                let at = |i: usize| {
                    let hours = i as f64 / 6.0;
                    // Water goes down by day and comes up by night.
                    (0.2 * (TAU * hours / 24.0).sin(), 12.0 + 4.0 * (TAU * hours / 24.0).cos())
                };
                for i in 0..144 {
                    let ((h0, t0), (h1, t1)) = (at(i), at(i + 1));
                    let mean = f64::midpoint(h0, h1);
                    let flux = column.flux_of_heads(|cell, _| layer(cell).permeability[1], &[mean], &[0.0]).unwrap();
                    column.step(600.0, Drive { flux: &flux, top: [&[t0], &[t1]], bottom: [&[9.0]; 2] }).unwrap();
                    let open = |head: f64, temperature: f64| Side::Open {
                        head: vec![head; wide],
                        temperature: vec![temperature; wide],
                    };
                    let sides = |h: f64, t: f64| Sides { top: open(h, t), bottom: open(0.0, 9.0), ..closed() };
                    let flow = section.step(600.0, [&sides(h0, t0), &sides(h1, t1)]).unwrap();
                    assert!(
                        flow.down.iter().all(|q| (q / flux[0] - 1.0).abs() < 1e-9),
                        "{flux:?} {:?}",
                        &flow.down[..3]
                    );
                    assert!(section.water_error(&flow) < 1e-9);
                }
                for (i, temperature) in section.temperatures().iter().enumerate() {
                    let apart = (temperature - column.cell(i / wide)[0]).abs();
                    assert!(apart < 1e-9, "{wide} {scheme:?} {stepping:?}: {apart}");
                }
                assert!(section.heat_error() < 1e-9, "{}", section.heat_error());
            }
        }
    }
}

#[test]
fn pumping_by_a_wave_of_heads_is_that_of_elliott_and_brooks() {
    // h(x, z) = h_m·cos(kx)·cosh(k(D − z))/cosh(kD) in ground of depth D: q at the bed is K·k·h_m·tanh(kD)·cos(kx).
    let (length, depth, amplitude) = (1.0, 0.6, 0.05);
    let k = TAU / length;
    let medium = Medium::saturated(0.35, 2650.0, 900.0, 1.5).unwrap();
    let ground = Ground { medium, transverse: 0.0, permeability: [1e-11; 2] };
    let hydraulic = 1e-11 * WATER_DENSITY * GRAVITY / viscosity(10.0);
    let error = |n: usize| {
        let across = Grid::uniform(length / 2.0, n).unwrap();
        let x: Vec<f64> = (0..n).map(|i| across.centre(i)).collect();
        let section = Section::new(across, Grid::uniform(depth, n).unwrap(), |_, _| ground, |_, _| 10.0).unwrap();
        let head = x.iter().map(|x| amplitude * (k * x).cos()).collect();
        let sides = Sides { top: Side::Open { head, temperature: vec![10.0; n] }, ..closed() };
        let flow = section.flow(&sides).unwrap();
        let most = hydraulic * k * amplitude * (k * depth).tanh();
        // What flows through the bed down to a quarter of the wave: the mean flux times its length.
        let found: f64 = (0..n / 2).map(|i| flow.down[i]).sum::<f64>() * length / 2.0 / n as f64;
        (found / (most / k) - 1.0).abs()
    };
    let (coarse, fine) = (error(24), error(48));
    assert!(fine < 0.005 && fine < coarse / 3.0, "{coarse} {fine}");
}

#[test]
fn a_bump_of_heat_fades_as_diffusion_says() {
    // Closed to the left and right, held at 0 above and below: cos(πx/W)·sin(πz/D) fades with exp(−κπ²(1/W² + 1/D²)t).
    let (width, depth, time) = (0.5, 0.4, 43_200.0);
    let medium = Medium::saturated(0.35, 2650.0, 900.0, 1.5).unwrap();
    let ground = Ground { medium, transverse: 0.0, permeability: [1e-11; 2] };
    let shape = |x: f64, z: f64| (PI * x / width).cos() * (PI * z / depth).sin();
    let error = |n: usize, steps: usize| {
        let (across, down) = (Grid::uniform(width, n).unwrap(), Grid::uniform(depth, n).unwrap());
        let held = Side::Open { head: vec![0.0; n], temperature: vec![0.0; n] };
        let sides = Sides { top: held.clone(), bottom: held, ..closed() };
        let centres = (across.clone(), down.clone());
        let mut section = Section::new(across, down, |_, _| ground, shape).unwrap();
        for _ in 0..steps {
            section.step(time / steps as f64, [&sides; 2]).unwrap();
        }
        let rate = medium.diffusivity(0.0) * PI * PI * (1.0 / width.powi(2) + 1.0 / depth.powi(2));
        let worst = section.temperatures().iter().enumerate().map(|(i, found)| {
            (found - shape(centres.0.centre(i % n), centres.1.centre(i / n)) * (-rate * time).exp()).abs()
        });
        worst.fold(0.0, f64::max) / (-rate * time).exp()
    };
    let (coarse, fine) = (error(8, 40), error(16, 80));
    assert!(fine < 0.01 && fine < coarse / 3.5, "{coarse} {fine}");
}

#[test]
fn heat_is_kept_where_flow_bends() {
    let n = 16;
    let medium = Medium { dispersivity: 0.05, ..Medium::saturated(0.35, 2650.0, 900.0, 1.5).unwrap() };
    let ground = |column: usize, row: usize| {
        let permeability = if (column / 3 + row / 4).is_multiple_of(2) { 1e-11 } else { 2e-12 };
        Ground { medium, transverse: 0.005, permeability: [3.0 * permeability, permeability] }
    };
    let grid = || Grid::uniform(1.0, n).unwrap();
    let mut section = Section::new(grid(), grid(), ground, |x, z| 10.0 + x + z).unwrap();
    let head = (0..n).map(|i| 0.1 * (i as f64 / 3.0).sin()).collect();
    let sides = Sides {
        top: Side::Open { head, temperature: (0..n).map(|i| 14.0 + 0.1 * i as f64).collect() },
        left: Side::Fed { flux: vec![2e-6; n], temperature: vec![8.0; n] },
        ..closed()
    };
    for _ in 0..100 {
        let flow = section.step(1800.0, [&sides; 2]).unwrap();
        assert!(section.water_error(&flow) < 1e-9, "{}", section.water_error(&flow));
    }
    assert!(section.heat_error() < 1e-9, "{}", section.heat_error());
    // Nothing is warmer or colder than what came in, but for what cross dispersion may overshoot by.
    assert!(section.temperatures().iter().all(|t| (7.5..16.0).contains(t)));
}

#[test]
fn sides_that_make_no_sense_are_named() {
    let medium = Medium::saturated(0.35, 2650.0, 900.0, 1.5).unwrap();
    let ground = Ground { medium, transverse: 0.0, permeability: [1e-11; 2] };
    let grid = || Grid::uniform(1.0, 4).unwrap();
    let mut section = Section::new(grid(), grid(), |_, _| ground, |_, _| 10.0).unwrap();
    let message = |found: trueness_flux::Result<_>| -> String { found.map(|_: ()| ()).unwrap_err().to_string() };
    assert!(message(section.flow(&closed()).map(|_| ())).contains("expected a head on at least one"));
    let short = Sides { top: Side::Open { head: vec![0.0; 3], temperature: vec![1.0; 4] }, ..closed() };
    assert!(message(section.flow(&short).map(|_| ())).contains("head at the top: expected 4 finite values"));
    let open = Sides { top: Side::Open { head: vec![0.0; 4], temperature: vec![1.0; 4] }, ..closed() };
    assert!(message(section.step(60.0, [&open, &closed()]).map(|_| ())).contains("the top: expected the same kind"));
    let wide = Ground { transverse: 0.1, ..ground };
    assert!(message(Section::new(grid(), grid(), |_, _| wide, |_, _| 10.0).map(|_| ())).contains("transverse"));
}
