//! An extended Kalman filter of temperatures and flux, and the smoother that belongs to it.
//!
//! The state is the temperature of every cell between the uppermost and the lowest sensor, and the flux, which wanders:
//! an Ornstein–Uhlenbeck process of a standard deviation and a time. The two outermost sensors drive the column, the ones
//! between them correct it. Values of sensors enter one after another (their errors are taken as independent), and the
//! backward pass is the modified Bryson–Frazier smoother (Bierman 1973), which needs no inverse of a covariance.

use super::matrix::{dot, product, transpose};
use super::{Bed, FluxSeries, bridged};
use crate::logger::Record;
use crate::medium::{Medium, WATER_HEAT};
use crate::{Error, Result};
use trueness_core::normal_quantile;

/// From how many standard deviations of its surprise a value is an outlier, and how many of them in a row may be left out.
const OUTLIER: f64 = 5.0;
const IN_A_ROW: usize = 24;

/// The filter's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kalman {
    /// How high cells are at most, in m.
    pub cell: f64,
    /// The longest gap of any sensor that is bridged, in s; beyond it the filter begins anew.
    pub bridge: f64,
}

impl Default for Kalman {
    fn default() -> Self {
        Self { cell: 0.02, bridge: 10_800.0 }
    }
}

/// The column as a linear map of its temperatures at a given flux: θ = ½ in time, central in space.
struct Model {
    cells: usize,
    height: f64,
    step: f64,
    medium: Medium,
    /// Weights of the cells in what each inner sensor sees: first cell and share of the next.
    seen: Vec<(usize, f64)>,
}

/// One step of the column at one flux.
struct Moved {
    temperatures: Vec<f64>,
    /// d temperatures / d temperatures before, row by row, without the flux.
    map: Vec<f64>,
    /// d temperatures / d flux.
    by_flux: Vec<f64>,
    /// d temperatures / d value of the upper and of the lower sensor, at begin and end together.
    by_edge: [Vec<f64>; 2],
}

impl Model {
    /// The coefficients of what flows into a cell from above and from below.
    fn faces(&self, flux: f64) -> [f64; 4] {
        let conducted = self.medium.effective_conductivity(flux) / self.height;
        let carried = WATER_HEAT * flux;
        // Inner faces: flux down = over·T_over + under·T_under; the edges lie half a cell away, and the face has their value.
        [conducted + carried / 2.0, carried / 2.0 - conducted, 2.0 * conducted, carried]
    }

    /// Solves (I − θ·L)·x = r for several right sides, all of them columns of `n`.
    fn solve(&self, flux: f64, rights: &mut [Vec<f64>]) {
        let n = self.cells;
        let [over, under, edge, _] = self.faces(flux);
        let inertia = self.medium.heat * self.height / self.step;
        let mut upper = vec![0.0; n];
        for i in 0..n {
            // What leaves a cell: down through its lower face, up through its upper one.
            let down = if i + 1 < n { over } else { edge };
            let up = if i > 0 { -under } else { edge };
            let mut diagonal = inertia + 0.5 * (down + up);
            let lower = if i > 0 { -0.5 * over } else { 0.0 };
            if i > 0 {
                diagonal -= lower * upper[i - 1];
            }
            upper[i] = if i + 1 < n { 0.5 * under / diagonal } else { 0.0 };
            for right in rights.iter_mut() {
                let before = if i > 0 { right[i - 1] } else { 0.0 };
                right[i] = (right[i] - lower * before) / diagonal;
            }
        }
        for right in rights {
            for i in (0..n - 1).rev() {
                right[i] -= upper[i] * right[i + 1];
            }
        }
    }

    /// What the column gains in W/m² by cell.
    fn gains(&self, t: &[f64], flux: f64, top: f64, bottom: f64) -> Vec<f64> {
        let n = self.cells;
        let [over, under, edge, carried] = self.faces(flux);
        let mut down = vec![0.0; n + 1];
        down[0] = edge * (top - t[0]) + carried * top;
        for i in 1..n {
            down[i] = over * t[i - 1] + under * t[i];
        }
        down[n] = edge * (t[n - 1] - bottom) + carried * bottom;
        (0..n).map(|i| down[i] - down[i + 1]).collect()
    }

    fn step(&self, t: &[f64], flux: f64, top: [f64; 2], bottom: [f64; 2]) -> Moved {
        let n = self.cells;
        let inertia = self.medium.heat * self.height / self.step;
        let [_, _, edge, carried] = self.faces(flux);
        let zeros = vec![0.0; n];
        let mut rights = Vec::with_capacity(n + 4);
        for j in 0..n {
            let mut unit = zeros.clone();
            unit[j] = 1.0;
            let mut right: Vec<f64> = self.gains(&unit, flux, 0.0, 0.0).iter().map(|gain| 0.5 * gain).collect();
            right[j] += inertia;
            rights.push(right);
        }
        let mut by_top = zeros.clone();
        by_top[0] = 0.5 * (edge + carried);
        let mut by_bottom = zeros.clone();
        by_bottom[n - 1] = 0.5 * (edge - carried);
        rights.push(by_top);
        rights.push(by_bottom);
        self.solve(flux, &mut rights);
        let bottom_map = rights.pop().unwrap_or_default();
        let top_map = rights.pop().unwrap_or_default();
        let mut map = vec![0.0; n * n];
        for (j, column) in rights.iter().enumerate() {
            for (i, &value) in column.iter().enumerate() {
                map[i * n + j] = value;
            }
        }
        let moved: Vec<f64> = (0..n)
            .map(|i| {
                dot(&map[i * n..(i + 1) * n], t)
                    + top_map[i] * (top[0] + top[1])
                    + bottom_map[i] * (bottom[0] + bottom[1])
            })
            .collect();
        // (I − θL)·T' = (I + θL)·T + edges: its derivative by the flux is (I − θL)⁻¹·dL/dq·(T + T')/2.
        let middle: Vec<f64> = t.iter().zip(&moved).map(|(a, b)| f64::midpoint(*a, *b)).collect();
        let (top, bottom) = (f64::midpoint(top[0], top[1]), f64::midpoint(bottom[0], bottom[1]));
        let small = 1e-8;
        let more = self.gains(&middle, flux + small, top, bottom);
        let less = self.gains(&middle, flux - small, top, bottom);
        let mut slope = [more.iter().zip(&less).map(|(a, b)| (a - b) / (2.0 * small)).collect::<Vec<f64>>()];
        self.solve(flux, &mut slope);
        let [by_flux] = slope;
        Moved { temperatures: moved, map, by_flux, by_edge: [top_map, bottom_map] }
    }
}

/// What all pieces of a record add up to.
#[derive(Default)]
struct Total {
    likelihood: f64,
    values: usize,
    /// The sum of the fluxes, its variance, and of how many.
    sum: f64,
    variance: f64,
    times: usize,
}

/// What is kept of a step for the way back.
struct Kept {
    /// State and its covariance's flux row before the values of the step.
    flux: f64,
    row: Vec<f64>,
    /// Each value's sensor, surprise, its variance, and gain.
    values: Vec<(usize, f64, f64, Vec<f64>)>,
    /// How the state came from the one before.
    transition: Vec<f64>,
}

impl Kalman {
    /// Flux of a record, with intervals from the smoother's covariance, the heat capacity's error, and the cells' size.
    ///
    /// # Errors
    /// [`Error::Input`] for fewer than three sensors, or a record without two neighbouring times at which the outermost sensors are
    /// known.
    pub fn smooth(&self, record: &Record, bed: &Bed) -> Result<FluxSeries> {
        let (mut series, _) = self.pass(record, bed, true)?;
        // Cells of twice the height err four times as much, so that a third of the difference is what these err.
        let coarse = Self { cell: 2.0 * self.cell, ..*self };
        let (other, _) = coarse.pass(record, bed, true)?;
        let wider = |error: f64, apart: f64| error.hypot(normal_quantile(trueness_core::LEVEL) * apart / 3.0);
        for i in 0..series.len() {
            let error = wider(series.high[i] - series.flux[i], series.flux[i] - other.flux[i]);
            (series.low[i], series.high[i]) = (series.flux[i] - error, series.flux[i] + error);
        }
        if let (Some([mean, _, high]), Some([coarse, ..])) = (series.mean, other.mean) {
            let error = wider(high - mean, mean - coarse);
            series.mean = Some([mean, mean - error, mean + error]);
        }
        Ok(series)
    }

    /// The logarithm of the likelihood of a record's inner sensors, per value.
    ///
    /// # Errors
    /// As [`Kalman::smooth`].
    pub fn likelihood(&self, record: &Record, bed: &Bed) -> Result<f64> {
        Ok(self.pass(record, bed, false)?.1)
    }

    fn model(&self, record: &Record, bed: &Bed) -> Result<Model> {
        let (first, last) = match (record.depths.first(), record.depths.last()) {
            (Some(&first), Some(&last)) if record.depths.len() >= 3 => (first, last),
            _ => {
                return Err(Error::Input(format!(
                    "the filter needs at least 3 sensors, two that drive the column and one between them, got {}",
                    record.depths.len()
                )));
            }
        };
        let cells = (((last - first) / self.cell).ceil() as usize).clamp(8, 64);
        let height = (last - first) / cells as f64;
        let seen = record.depths[1..record.depths.len() - 1]
            .iter()
            .map(|depth| {
                let place = ((depth - first) / height - 0.5).clamp(0.0, cells as f64 - 1.0);
                let cell = (place as usize).min(cells - 2);
                (cell, place - cell as f64)
            })
            .collect();
        Ok(Model { cells, height, step: record.step, medium: bed.medium.checked()?, seen })
    }

    fn pass(&self, record: &Record, bed: &Bed, back: bool) -> Result<(FluxSeries, f64)> {
        let model = self.model(record, bed)?;
        let sensors = record.depths.len();
        let bridge = (self.bridge / record.step) as usize;
        let edges = [bridged(&record.values[0], bridge), bridged(&record.values[sensors - 1], bridge)];
        let mut series = FluxSeries {
            flux: vec![f64::NAN; record.len()],
            low: vec![f64::NAN; record.len()],
            high: vec![f64::NAN; record.len()],
            mean: None,
        };
        let mut total = Total::default();
        let mut begin = 0;
        while begin < record.len() {
            let known = |i: usize| edges.iter().all(|edge| edge[i].is_finite());
            let end = begin + (begin..record.len()).take_while(|&i| known(i)).count();
            if end >= begin + 3 {
                self.piece(record, bed, &model, &edges, begin..end, back, &mut series, &mut total);
            }
            begin = end.max(begin + 1);
        }
        if total.values == 0 {
            return Err(Error::Input(
                "the record has no three times in a row at which the outermost sensors and one between are known"
                    .to_owned(),
            ));
        }
        if total.times > 0 {
            let times = total.times as f64;
            let mean = total.sum / times;
            let error = normal_quantile(trueness_core::LEVEL)
                * (total.variance / (times * times) + (bed.heat_error * mean).powi(2)).sqrt();
            series.mean = Some([mean, mean - error, mean + error]);
        }
        Ok((series, total.likelihood / total.values as f64))
    }

    #[allow(clippy::too_many_arguments, reason = "one call")]
    fn piece(
        &self,
        record: &Record,
        bed: &Bed,
        model: &Model,
        edges: &[Vec<f64>; 2],
        range: std::ops::Range<usize>,
        back: bool,
        series: &mut FluxSeries,
        total: &mut Total,
    ) {
        // After the temperatures come the flux and the sum of all fluxes before, whose last error is that of the mean.
        let (n, flux_at, sum_at) = (model.cells + 2, model.cells, model.cells + 1);
        let variance = bed.flux_sd * bed.flux_sd;
        let keep = (-record.step / bed.memory).exp();
        let noise = bed.noise * bed.noise;
        let mut state = profile(record, model, edges, range.start);
        state.extend([0.0, 0.0]);
        let mut covariance = vec![0.0; n * n];
        // What lies between sensors at the begin is known to about a tenth of the profile's range, and nearby cells err alike.
        let spread = 0.1 * (edges[0][range.start] - edges[1][range.start]).abs() + 0.2;
        for i in 0..model.cells {
            for j in 0..model.cells {
                let apart = (i as f64 - j as f64) * model.height / 0.05;
                covariance[i * n + j] =
                    spread * spread * (-0.5 * apart * apart).exp() + if i == j { 1e-6 } else { 0.0 };
            }
        }
        covariance[flux_at * n + flux_at] = variance;
        let (mut mapped, mut turned) = (vec![0.0; n * n], vec![0.0; n * n]);
        let mut outliers = vec![0usize; model.seen.len()];
        let mut history: Vec<Kept> = Vec::with_capacity(if back { range.len() } else { 0 });
        for i in range.clone() {
            let mut transition = Vec::new();
            if i > range.start {
                let moved = model.step(
                    &state[..flux_at],
                    state[flux_at],
                    [edges[0][i - 1], edges[0][i]],
                    [edges[1][i - 1], edges[1][i]],
                );
                transition = vec![0.0; n * n];
                for row in 0..model.cells {
                    transition[row * n..row * n + flux_at]
                        .copy_from_slice(&moved.map[row * model.cells..(row + 1) * model.cells]);
                    transition[row * n + flux_at] = moved.by_flux[row];
                }
                transition[flux_at * n + flux_at] = keep;
                transition[sum_at * n + flux_at] = 1.0;
                transition[sum_at * n + sum_at] = 1.0;
                product(&transition, &covariance, &mut mapped, n);
                transpose(&transition, &mut turned, n);
                product(&mapped, &turned, &mut covariance, n);
                for (row, _) in moved.temperatures.iter().enumerate() {
                    for column in 0..model.cells {
                        let edge: f64 = moved.by_edge.iter().map(|by| by[row] * by[column]).sum();
                        covariance[row * n + column] += 2.0 * noise * edge;
                    }
                    // What the model does not know, per step.
                    covariance[row * n + row] += 1e-8;
                }
                covariance[flux_at * n + flux_at] += variance * (1.0 - keep * keep);
                state[sum_at] += state[flux_at];
                state[flux_at] *= keep;
                state[..flux_at].copy_from_slice(&moved.temperatures);
            }
            let mut kept = Kept {
                flux: state[flux_at],
                row: covariance[flux_at * n..sum_at * n].to_vec(),
                values: Vec::new(),
                transition,
            };
            for (sensor, &(cell, share)) in model.seen.iter().enumerate() {
                let value = record.values[sensor + 1][i];
                if !value.is_finite() {
                    continue;
                }
                // P·hᵀ, where h takes two cells.
                let towards: Vec<f64> = (0..n)
                    .map(|row| (1.0 - share) * covariance[row * n + cell] + share * covariance[row * n + cell + 1])
                    .collect();
                let expected = (1.0 - share) * state[cell] + share * state[cell + 1];
                let surprise = value - expected;
                let spread = (1.0 - share) * towards[cell] + share * towards[cell + 1] + noise;
                let far = surprise * surprise / spread;
                total.likelihood -= 0.5 * (far.min(OUTLIER * OUTLIER) + spread.ln() + std::f64::consts::TAU.ln());
                total.values += 1;
                // A single wild value is left out; many in a row are no outliers, but a state that has lost its way.
                if far > OUTLIER * OUTLIER && outliers[sensor] < IN_A_ROW {
                    outliers[sensor] += 1;
                    continue;
                }
                outliers[sensor] = 0;
                let gain: Vec<f64> = towards.iter().map(|x| x / spread).collect();
                for row in 0..n {
                    state[row] += gain[row] * surprise;
                    for column in 0..n {
                        covariance[row * n + column] -= gain[row] * towards[column];
                    }
                }
                kept.values.push((sensor, surprise, spread, gain));
            }
            if back {
                history.push(kept);
            }
        }
        if back {
            self.backwards(bed, model, &range, &history, series);
            let at = |row: usize, column: usize| covariance[row * n + column];
            total.sum += state[sum_at] + state[flux_at];
            total.variance += (at(sum_at, sum_at) + 2.0 * at(sum_at, flux_at) + at(flux_at, flux_at)).max(0.0);
            total.times += range.len();
        }
    }

    fn backwards(
        &self,
        bed: &Bed,
        model: &Model,
        range: &std::ops::Range<usize>,
        history: &[Kept],
        series: &mut FluxSeries,
    ) {
        let (n, flux_at) = (model.cells + 2, model.cells);
        let quantile = normal_quantile(trueness_core::LEVEL);
        let mut slope = vec![0.0; n];
        let mut curve = vec![0.0; n * n];
        let (mut mapped, mut turned) = (vec![0.0; n * n], vec![0.0; n * n]);
        for (kept, i) in history.iter().zip(range.clone()).rev() {
            for (sensor, surprise, total, gain) in kept.values.iter().rev() {
                let (cell, share) = model.seen[*sensor];
                let weights = [(cell, 1.0 - share), (cell + 1, share)];
                // With C = I − K·h: Cᵀ·slope − hᵀ·surprise/total, and Cᵀ·curve·C + hᵀ·h/total.
                let along = dot(gain, &slope);
                let times: Vec<f64> = curve.chunks_exact(n).map(|row| dot(row, gain)).collect();
                let both = dot(gain, &times);
                for (at, weight) in weights {
                    slope[at] -= weight * (along + surprise / total);
                    for (j, time) in times.iter().enumerate() {
                        curve[at * n + j] -= weight * time;
                        curve[j * n + at] -= weight * time;
                    }
                    for (other, second) in weights {
                        curve[at * n + other] += weight * second * (both + 1.0 / total);
                    }
                }
            }
            let flux = kept.flux - dot(&kept.row, &slope);
            let times: Vec<f64> = curve.chunks_exact(n).map(|row| dot(row, &kept.row)).collect();
            let variance = (kept.row[flux_at] - dot(&kept.row, &times)).max(0.0);
            let error = quantile * (variance + (bed.heat_error * flux).powi(2)).sqrt();
            (series.flux[i], series.low[i], series.high[i]) = (flux, flux - error, flux + error);
            if !kept.transition.is_empty() {
                slope = (0..n).map(|j| (0..n).map(|row| kept.transition[row * n + j] * slope[row]).sum()).collect();
                product(&curve, &kept.transition, &mut mapped, n);
                transpose(&kept.transition, &mut turned, n);
                product(&turned, &mapped, &mut curve, n);
            }
        }
    }
}

/// Temperatures of the cells at a time, between the sensors by distance.
fn profile(record: &Record, model: &Model, edges: &[Vec<f64>; 2], at: usize) -> Vec<f64> {
    let last = record.depths.len() - 1;
    let mut points = vec![(record.depths[0], edges[0][at])];
    points.extend((1..last).map(|s| (record.depths[s], record.values[s][at])).filter(|(_, value)| value.is_finite()));
    points.push((record.depths[last], edges[1][at]));
    (0..model.cells)
        .map(|cell| {
            let depth = record.depths[0] + (cell as f64 + 0.5) * model.height;
            let next = points.iter().position(|(at, _)| *at >= depth).unwrap_or(points.len() - 1).max(1);
            let ((a, x), (b, y)) = (points[next - 1], points[next]);
            x + (y - x) * (depth - a) / (b - a)
        })
        .collect()
}
