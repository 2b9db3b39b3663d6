//! The column against a month that PFLOTRAN computed: a column of 65 cm at the Hanford Reach, every 5 minutes.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

use std::path::PathBuf;
use trueness_flux::column::{Columns, Drive, Edge, Grid};
use trueness_flux::medium::Medium;

/// The numbers of a file's rows, without its first column; nothing where there are no test data.
pub(crate) fn rows(name: &str) -> Option<Vec<Vec<f64>>> {
    let path = PathBuf::from(std::env::var_os("TRUENESS_TEST_DATA")?).join("flux").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let row = |line: &str| line.split(',').skip(1).map(|cell| cell.trim().parse().unwrap()).collect();
    Some(text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).map(row).collect())
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that was skipped has to say so")]
fn a_month_of_pflotran_is_met_within_four_hundredths_of_a_degree() {
    let (Some(temperatures), Some(heads)) = (rows("synth_temperature.csv"), rows("synth_hydraulic_head.csv")) else {
        eprintln!("skipped: TRUENESS_TEST_DATA is not set");
        return;
    };
    let permeability = 3.86e-11;
    let medium = Medium::saturated(0.43, 2650.0, 920.0, 0.93).unwrap();
    // From the uppermost sensor, whose record drives the column where it says it lies, to the lowest one.
    let grid = Grid::new((1..=65).map(|i| f64::from(i) / 100.0).collect()).unwrap();
    let mut column = Columns::new(grid, 1, [Edge::Temperature; 2], |_, _| medium, |_, _| 5.34).unwrap();
    let mut squares = [0.0; 3];
    for i in 1..temperatures.len() {
        // Water flows through all cells in turn, each with the viscosity of its temperature. Heads are those of the ends of the
        // whole column of 65 cm, the cells here those of 64.
        let mean = |end: usize| [f64::midpoint(heads[i - 1][end], heads[i][end]) * 0.64 / 0.65];
        let flux = column.flux_of_heads(|_, _| permeability, &mean(0), &mean(1)).unwrap();
        let edge = |which: usize| [[temperatures[i - 1][which]], [temperatures[i][which]]];
        let (top, bottom) = (edge(0), edge(4));
        column.step(300.0, Drive { flux: &flux, top: [&top[0], &top[1]], bottom: [&bottom[0], &bottom[1]] }).unwrap();
        for (sum, (sensor, depth)) in squares.iter_mut().zip([(1, 0.05), (2, 0.15), (3, 0.25)]) {
            // What PFLOTRAN tells of a depth is the cell that ends there. At the depth itself the errors are .037, .037 and
            // .041: gradients are so steep that half a centimetre counts.
            let found = column.at_depth(depth - 0.005).unwrap()[0];
            *sum += (found - temperatures[i][sensor]).powi(2);
        }
    }
    let errors = squares.map(|sum: f64| (sum / (temperatures.len() - 1) as f64).sqrt());
    assert!(errors.iter().all(|error| *error <= 0.04), "{errors:?}");
    assert!(column.balance().error() < 1e-8, "{}", column.balance().error());
}
