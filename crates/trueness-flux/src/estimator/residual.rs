//! What a flux leaves unexplained of what sensors say.

use super::{FluxSeries, bridged};
use crate::column::{Columns, Drive, Edge, Grid};
use crate::logger::Record;
use crate::medium::Medium;
use crate::{Error, Result};

/// The longest gap of an outermost sensor that is bridged, in s.
const BRIDGE: f64 = 3600.0;

/// The height of a cell in m, and how many cells there are at most.
const CELL: f64 = 0.01;
const MOST_CELLS: f64 = 1000.0;

/// What each sensor says less what a column says there, in K, by sensor and time. The column lies between the outermost sensors,
/// which drive it and leave nothing; it begins on lines between sensors, and does so again after a gap. NaN where nothing is known.
///
/// # Errors
/// [`Error::Input`] for fewer than three sensors, or a flux at other times than the record's.
pub fn residuals(record: &Record, series: &FluxSeries, medium: Medium) -> Result<Vec<Vec<f64>>> {
    let (n, depths) = (record.len(), &record.depths);
    let [first, .., last] = depths.as_slice() else {
        return Err(Error::Input(format!("residuals need at least 3 sensors, got {}", depths.len())));
    };
    if depths.len() < 3 || series.len() != n {
        return Err(Error::Input(format!(
            "residuals: expected at least 3 sensors and a flux at each of {n} times, got {} and {}",
            depths.len(),
            series.len()
        )));
    }
    let length = last - first;
    let grid = Grid::uniform(length, (length / CELL).ceil().clamp(8.0, MOST_CELLS) as usize)?;
    let bridge = (BRIDGE / record.step) as usize;
    let edges = [0, depths.len() - 1].map(|sensor| bridged(&record.values[sensor], bridge));
    let known = |i: usize| edges.iter().all(|edge| edge[i].is_finite()) && series.flux[i].is_finite();
    let mut left = vec![vec![f64::NAN; n]; depths.len()];
    let mut column: Option<Columns> = None;
    for i in 0..n {
        if !known(i) {
            column = None;
            continue;
        }
        match column.as_mut() {
            Some(column) => {
                let flux = [f64::midpoint(series.flux[i - 1], series.flux[i])];
                let [top, bottom] = [0, 1].map(|side: usize| [[edges[side][i - 1]], [edges[side][i]]]);
                column.step(
                    record.step,
                    Drive { flux: &flux, top: [&top[0], &top[1]], bottom: [&bottom[0], &bottom[1]] },
                )?;
            }
            None => {
                let profile: Vec<[f64; 2]> = (0..depths.len())
                    .map(|sensor| match sensor {
                        0 => [*first, edges[0][i]],
                        _ if sensor == depths.len() - 1 => [*last, edges[1][i]],
                        _ => [depths[sensor], record.values[sensor][i]],
                    })
                    .filter(|[_, value]| value.is_finite())
                    .collect();
                let begin = |depth: f64, _: usize| line(&profile, first + depth);
                column = Some(Columns::new(grid.clone(), 1, [Edge::Temperature; 2], |_, _| medium, begin)?);
            }
        }
        if let Some(column) = &column {
            for sensor in 1..depths.len() - 1 {
                left[sensor][i] = record.values[sensor][i] - column.at_depth(depths[sensor] - first)?[0];
            }
        }
    }
    Ok(left)
}

/// The value at a depth on lines between depths in order.
fn line(profile: &[[f64; 2]], depth: f64) -> f64 {
    let below = profile.partition_point(|[at, _]| *at < depth).clamp(1, profile.len() - 1);
    let ([a, from], [b, to]) = (profile[below - 1], profile[below]);
    from + (to - from) * ((depth - a) / (b - a)).clamp(0.0, 1.0)
}
