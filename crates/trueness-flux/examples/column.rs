//! Columns beside their peers: what `bench/flux/column.py` runs.
//!
//! `column month DRIVE.csv CELLS SCHEME EVERY` moves one column of 1 to 65 cm through the rows of a file (flux in m/s, temperatures at
//! both ends in °C, one row every 300 s), EVERY of a row's seconds a step, and prints the temperatures at 5, 15 and 25 cm with the
//! seconds that took. `column batch COLUMNS CELLS STEPS THREADS` moves many columns at once, and prints cell-steps a second.

use rayon::prelude::*;
use std::io::Write;
use std::time::Instant;
use trueness_flux::column::{Columns, Drive, Edge, Grid, Scheme};
use trueness_flux::medium::Medium;
use trueness_flux::{DAY, Error, Result};

const ROW: f64 = 300.0;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = std::io::stdout().lock();
    match words.as_slice() {
        ["month", drive, cells, scheme, step] => {
            let scheme = match *scheme {
                "central" => Scheme::Central,
                "upwind" => Scheme::Upwind,
                _ => Scheme::Tvd,
            };
            let rows = read(drive)?;
            let (seconds, found) = month(&rows, cells.parse()?, scheme, step.parse()?)?;
            writeln!(out, "{}", serde_json::json!({ "seconds": seconds, "temperatures": found }))?;
        }
        ["batch", columns, cells, steps, threads] => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
            let (columns, cells, steps) = (columns.parse()?, cells.parse()?, steps.parse()?);
            let rate = pool.install(|| batch(columns, cells, steps))?;
            writeln!(out, "{}", serde_json::json!({ "cell_steps_per_second": rate }))?;
        }
        _ => return Err("expected month DRIVE.csv CELLS SCHEME STEP, or batch COLUMNS CELLS STEPS THREADS".into()),
    }
    Ok(())
}

fn read(path: &str) -> std::result::Result<Vec<[f64; 3]>, Box<dyn std::error::Error>> {
    let mut rows = Vec::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let cells = line.split(',').map(|cell| cell.trim().parse()).collect::<std::result::Result<Vec<f64>, _>>()?;
        rows.push(cells.try_into().map_err(|cells| format!("{path}: expected 3 cells a row, got {cells:?}"))?);
    }
    Ok(rows)
}

/// Seconds, and the temperatures at the sensors by row.
fn month(rows: &[[f64; 3]], cells: usize, scheme: Scheme, step: f64) -> Result<(f64, Vec<[f64; 3]>)> {
    let medium = Medium::saturated(0.43, 2650.0, 920.0, 0.93)?;
    let grid = Grid::new((0..=cells).map(|i| 0.01 + 0.64 * i as f64 / cells as f64).collect())?;
    let start = |z: f64| rows[0][1] + (rows[0][2] - rows[0][1]) * (z - 0.01) / 0.64;
    let mut column = Columns::new(grid, 1, [Edge::Temperature; 2], |_, _| medium, |z, _| start(z))?.with_scheme(scheme);
    let sensors = [0.05, 0.15, 0.25];
    let mut found = Vec::with_capacity(rows.len());
    let parts = (ROW / step).round().max(1.0);
    let begin = Instant::now();
    for pair in rows.windows(2) {
        let [before, after] = [pair[0], pair[1]];
        let flux = [f64::midpoint(before[0], after[0])];
        for part in 0..parts as usize {
            let at = |which: usize, part: usize| [before[which] + (after[which] - before[which]) * part as f64 / parts];
            let edge = |which: usize| [at(which, part), at(which, part + 1)];
            let (top, bottom) = (edge(1), edge(2));
            column
                .step(ROW / parts, Drive { flux: &flux, top: [&top[0], &top[1]], bottom: [&bottom[0], &bottom[1]] })?;
        }
        let mut told = [0.0; 3];
        for (told, depth) in told.iter_mut().zip(sensors) {
            *told = column.at_depth(depth)?[0];
        }
        found.push(told);
    }
    Ok((begin.elapsed().as_secs_f64(), found))
}

fn batch(n: usize, cells: usize, steps: usize) -> Result<f64> {
    // As simulations do it: as many columns at once as fill instructions and stay in the cache.
    const TOGETHER: usize = 16;
    let medium = Medium::saturated(0.43, 2650.0, 920.0, 0.93)?;
    let pieces: Vec<usize> = (0..n.div_ceil(TOGETHER)).map(|piece| TOGETHER.min(n - piece * TOGETHER)).collect();
    let mut all = pieces
        .iter()
        .map(|n| Columns::new(Grid::uniform(0.64, cells)?, *n, [Edge::Temperature; 2], |_, _| medium, |z, _| 10.0 + z))
        .collect::<Result<Vec<_>>>()?;
    let begin = Instant::now();
    all.par_iter_mut().try_for_each(|columns| {
        let n = columns.len();
        let level = |value: f64| vec![value; n];
        let (mut flux, mut top, bottom) = (level(0.0), level(10.0), level(12.0));
        for i in 0..steps {
            let day = std::f64::consts::TAU * i as f64 * ROW / DAY;
            flux.iter_mut().enumerate().for_each(|(c, q)| *q = (c as f64 / n as f64 - 0.5 + day.sin()) / DAY);
            let next = level(10.0 + 2.0 * day.sin());
            columns.step(ROW, Drive { flux: &flux, top: [&top, &next], bottom: [&bottom, &bottom] })?;
            top = next;
        }
        Ok::<(), Error>(())
    })?;
    Ok((n * cells * steps) as f64 / begin.elapsed().as_secs_f64())
}
