//! Infiltration into soil that is not saturated.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use trueness_flux::column::{Columns, Drive, Edge, Grid, Richards, Scheme, Soil, Stepping, WaterEdge};
use trueness_flux::medium::Medium;

/// The soil of Celia, Bouloutas & Zarba (1990), New Mexico.
fn celia() -> Soil {
    Soil {
        wet: 0.368,
        dry: 0.102,
        alpha: 3.35,
        n: 2.0,
        conductivity: 9.22e-5,
        storage: 0.0,
        grain_heat: 2.4e6,
        heat_conductivity: [0.5, 1.5],
    }
}

/// A day of their infiltration: heads of −75 cm above and −1,000 cm below, into 1 m of soil at −1,000 cm.
fn infiltrated(cells: usize, seconds: f64) -> Richards {
    let grid = Grid::uniform(1.0, cells).unwrap();
    let mut column = Richards::new(grid, |_| celia(), |_| (-10.0, 12.0)).unwrap();
    let steps = (86_400.0 / seconds) as usize;
    for _ in 0..steps {
        column.step(seconds, [WaterEdge::Head(-0.75), WaterEdge::Head(-10.0)], [20.0, 12.0]).unwrap();
    }
    column
}

/// The depth in m at which the head passes −5 m.
fn front(column: &Richards) -> f64 {
    let heads = column.heads();
    let below = heads.iter().position(|head| *head < -5.0).unwrap();
    let share = (heads[below - 1] + 5.0) / (heads[below - 1] - heads[below]);
    column.grid().centre(below - 1) + share * (column.grid().centre(below) - column.grid().centre(below - 1))
}

#[test]
fn water_moves_into_dry_sand_as_an_independent_solver_has_it_and_none_is_lost() {
    // SciPy's LSODA to 1e-7 on the same equation in the form of heads, by number of cells: where −5 m is after a day, what has
    // come in, and the heads at .1 to .5 m.
    let golden: [(usize, f64, f64, [f64; 5]); 2] = [
        (40, 0.588_41, 0.041_896, [-0.7686, -0.8023, -0.8661, -1.0011, -1.4064]),
        (200, 0.567_19, 0.041_220, [-0.7687, -0.8027, -0.8669, -1.0036, -1.4241]),
    ];
    for (cells, at, gained, heads) in golden {
        let column = infiltrated(cells, 120.0);
        assert!((front(&column) - at).abs() < 1e-3, "{cells}: {} {at}", front(&column));
        assert!((column.water_balance().gained()[0] / gained - 1.0).abs() < 2e-3, "{:?}", column.water_balance());
        for (i, head) in heads.into_iter().enumerate() {
            let place = 0.1 * (i + 1) as f64 * cells as f64 - 0.5;
            let (cell, share) = (place as usize, place.fract());
            let found = column.heads()[cell] * (1.0 - share) + column.heads()[cell + 1] * share;
            assert!((found / head - 1.0).abs() < 5e-3, "{cells} {i}: {found} {head}");
        }
        assert!(column.water_balance().error() <= 1e-6, "{}", column.water_balance().error());
        assert!(column.heat_balance().error() <= 1e-8, "{}", column.heat_balance().error());
    }
    // Long steps lose no water either, which is what the mixed form is for.
    let coarse = infiltrated(40, 3600.0);
    assert!(coarse.water_balance().error() <= 1e-6, "{}", coarse.water_balance().error());
}

#[test]
fn a_saturated_column_is_that_of_uniform_flux() {
    let soil = Soil { storage: 1e-4, ..celia() };
    let medium = Medium { heat: 0.368 * 4.186e6 + 0.632 * 2.4e6, conductivity: 1.5, dispersivity: 0.0 };
    let grid = || Grid::uniform(0.5, 50).unwrap();
    let (head, flux) = (|z: f64| 1.0 + 0.9 * z, 0.1 * soil.conductivity);
    let mut wet = Richards::new(grid(), |_| soil, |z| (head(z), 12.0)).unwrap();
    let mut column = Columns::new(grid(), 1, [Edge::Temperature; 2], |_, _| medium, |_, _| 12.0)
        .unwrap()
        .with_scheme(Scheme::Upwind)
        .with_stepping(Stepping::Implicit);
    for _ in 0..300 {
        wet.step(600.0, [WaterEdge::Head(head(0.0)), WaterEdge::Head(head(0.5))], [18.0, 12.0]).unwrap();
        let (top, bottom) = ([18.0], [12.0]);
        column.step(600.0, Drive { flux: &[flux], top: [&top, &top], bottom: [&bottom, &bottom] }).unwrap();
    }
    for (cell, value) in wet.temperatures().iter().enumerate() {
        assert!((value - column.cell(cell)[0]).abs() < 1e-6, "{cell}: {value} {}", column.cell(cell)[0]);
    }
    assert!(wet.fluxes().iter().all(|q| (q / flux - 1.0).abs() < 1e-6));
}

#[test]
fn rain_is_stored_and_drains_without_loss() {
    let grid = Grid::uniform(2.0, 80).unwrap();
    let mut column = Richards::new(grid, |_| celia(), |z| (z - 2.0, 10.0)).unwrap().with_viscosity();
    for hour in 0..72 {
        let rain = if hour % 24 < 6 { 3e-6 } else { 0.0 };
        column.step(3600.0, [WaterEdge::Flux(rain), WaterEdge::Drain], [10.0, 10.0]).unwrap();
    }
    assert!(column.water_balance().error() <= 1e-6, "{}", column.water_balance().error());
    // Water of the soil's own temperature changes none, and rain of 10 °C is that.
    assert!(column.temperatures().iter().all(|value| (value - 10.0).abs() < 1e-7), "{:?}", column.temperatures());
}

#[test]
fn what_cannot_be_is_refused() {
    let mut column = Richards::new(Grid::uniform(1.0, 10).unwrap(), |_| celia(), |_| (-1.0, 10.0)).unwrap();
    let mut message = |water| column.step(60.0, water, [10.0, 10.0]).unwrap_err().to_string();
    assert!(message([WaterEdge::Drain, WaterEdge::Drain]).starts_with("top: water drains"));
    assert!(message([WaterEdge::Head(f64::NAN), WaterEdge::Drain]).starts_with("edge: expected"));
}
