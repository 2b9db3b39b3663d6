//! Flux as knots that are fitted to a record through the column: window inversion.
//!
//! Within a segment of a record the unknowns are the flux at knots, linear between them, the temperatures at the begin between
//! the outermost sensors, and the thermal conductivity. They are found by Gauss–Newton steps (Levenberg's damping where one fails)
//! on the column's own temperatures, with the flux's wandering, an Ornstein–Uhlenbeck process, as the prior; every derivative is a
//! column of one batch. Their covariance at the optimum gives the intervals.

use super::{Bed, FluxSeries, bridged};
use crate::column::{Columns, Drive, Edge, Grid};
use crate::logger::Record;
use crate::medium::Medium;
use crate::{DAY, Error, Result};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use rayon::prelude::*;
use std::ops::Range;
use trueness_core::{Watch, normal_quantile};

/// How many steps a fit takes at most, and where it has settled: the relative fall of the cost.
const ROUNDS: usize = 30;
const SETTLED: f64 = 1e-7;

/// No sensor is better than this, in K.
const FINEST: f64 = 1e-4;

/// From how many standard deviations on a residual counts by its size only (Huber 1964).
const HUBER: f64 = 3.0;

/// The longest step of the column, in s.
const LONGEST: f64 = 600.0;

/// Values are taken together up to this step, in s: the flux has far fewer knots.
const FINEST_STEP: f64 = 300.0;

/// The inversion's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inversion {
    /// The time between two knots of the flux, in s.
    pub window: f64,
    /// How long a segment is that is fitted at once, in s.
    pub segment: f64,
    /// How high cells are at most, in m.
    pub cell: f64,
    /// The longest gap of an outermost sensor that is bridged, in s.
    pub bridge: f64,
    /// Relative standard deviation of the conductivity before the record is seen.
    pub conductivity_error: f64,
}

impl Default for Inversion {
    fn default() -> Self {
        Self { window: 7200.0, segment: 3.0 * DAY, cell: 0.01, bridge: 10_800.0, conductivity_error: 0.4 }
    }
}

/// Flux and bed as a record gave them.
#[derive(Clone, Debug, PartialEq)]
pub struct Inverted {
    /// The flux.
    pub series: FluxSeries,
    /// Thermal conductivity in W/m/K with the ends of its interval of 90 %.
    pub conductivity: [f64; 3],
    /// Thermal diffusivity without flow in m²/s with the ends of its interval of 90 %, for the heat capacity that was given.
    pub diffusivity: [f64; 3],
}

/// Unknowns of a segment and how well they are known. Flux is in m/d here, so that all of them are of one size.
struct Fit {
    /// The logarithm of the conductivity, the knots' fluxes, the temperatures at the begin.
    unknowns: Vec<f64>,
    covariance: Mat<f64>,
}

/// What is fitted.
struct Segment<'a> {
    record: &'a Record,
    edges: &'a [Vec<f64>; 2],
    range: Range<usize>,
    bed: &'a Bed,
    /// How many times are between two knots, and how many knots.
    every: f64,
    knots: usize,
    /// Depths at which the temperatures at the begin are unknown.
    nodes: Vec<f64>,
    grid: Grid,
    /// The conductivity's logarithm and its standard deviation before.
    conductivity: (f64, f64),
}

impl Inversion {
    /// Flux of a record, with intervals.
    ///
    /// # Errors
    /// [`Error::Input`] for fewer than three sensors, or a record without a stretch in which the outermost sensors are known;
    /// [`Error::NoFlux`] where none fits; or where `watch` was stopped.
    pub fn fit(&self, record: &Record, bed: &Bed, watch: Watch<'_>) -> Result<Inverted> {
        // Values closer than the column's steps need be are taken together.
        let together = (FINEST_STEP / record.step) as usize;
        if together < 2 || record.len() < 4 * together {
            return self.fit_as_is(record, bed, watch);
        }
        let found = self.fit_as_is(&coarser(record, together), bed, watch)?;
        let fine = |values: &[f64]| {
            (0..record.len()).map(|i| values[(i / together).min(values.len() - 1)]).collect::<Vec<f64>>()
        };
        let FluxSeries { flux, low, high, mean } = found.series;
        let series = FluxSeries { flux: fine(&flux), low: fine(&low), high: fine(&high), mean };
        Ok(Inverted { series, ..found })
    }

    fn fit_as_is(&self, record: &Record, bed: &Bed, watch: Watch<'_>) -> Result<Inverted> {
        if record.depths.len() < 3 {
            return Err(Error::Input(format!(
                "the inversion needs at least 3 sensors, two that drive the column and one between them, got {}",
                record.depths.len()
            )));
        }
        for (name, value) in [("window", self.window), ("segment", self.segment), ("cell", self.cell)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::Input(format!("{name}: expected a value above 0, got {value}")));
            }
        }
        bed.medium.checked()?;
        let bridge = (self.bridge / record.step) as usize;
        let last = record.depths.len() - 1;
        let edges = [bridged(&record.values[0], bridge), bridged(&record.values[last], bridge)];
        let pieces = self.pieces(record, &edges);
        let Some(longest) = pieces.iter().max_by_key(|(fit, _)| fit.len()) else {
            return Err(Error::Input(
                "the record has no hours in a row in which the outermost sensors and one between are known".to_owned(),
            ));
        };
        // The bed is one: what the longest stretch says of it is what the others begin with.
        let first = self.segment(
            record,
            &edges,
            bed,
            longest.0.clone(),
            (bed.medium.conductivity.ln(), self.conductivity_error),
        )?;
        let found = first.solve()?;
        let known = (found.unknowns[0], found.covariance[(0, 0)].sqrt());
        let fits: Vec<(usize, Fit)> = pieces
            .par_iter()
            .enumerate()
            .map(|(i, (fit, _))| {
                watch.check()?;
                Ok((i, self.segment(record, &edges, bed, fit.clone(), known)?.solve()?))
            })
            .collect::<Result<_>>()?;
        let mut series = FluxSeries {
            flux: vec![f64::NAN; record.len()],
            low: vec![f64::NAN; record.len()],
            high: vec![f64::NAN; record.len()],
            mean: None,
        };
        let quantile = normal_quantile(trueness_core::LEVEL);
        let every = self.window / record.step;
        for (i, fit) in fits {
            let (fitted, told) = &pieces[i];
            for at in told.clone() {
                let (knot, share) = place((at - fitted.start) as f64, every);
                let weights = [(1 + knot, 1.0 - share), (2 + knot, share)];
                let flux: f64 = weights.iter().map(|(j, weight)| weight * fit.unknowns[*j]).sum();
                let variance: f64 = weights
                    .iter()
                    .flat_map(|(j, a)| weights.iter().map(move |(k, b)| (*j, *k, a * b)))
                    .map(|(j, k, weight)| weight * fit.covariance[(j, k)])
                    .sum();
                let error = quantile * (variance.max(0.0) + (bed.heat_error * flux).powi(2)).sqrt();
                (series.flux[at], series.low[at], series.high[at]) =
                    (flux / DAY, (flux - error) / DAY, (flux + error) / DAY);
            }
        }
        let factor = (quantile * known.1).exp();
        let value = known.0.exp();
        let conductivity = [value, value / factor, value * factor];
        Ok(Inverted { series, conductivity, diffusivity: conductivity.map(|x| x / bed.medium.heat) })
    }

    /// Ranges of times to fit, and the part of each that is told: stretches that overlap by a sixth on either side.
    fn pieces(&self, record: &Record, edges: &[Vec<f64>; 2]) -> Vec<(Range<usize>, Range<usize>)> {
        let known = |i: usize| edges.iter().all(|edge| edge[i].is_finite());
        let length = ((self.segment / record.step) as usize).max(12);
        let overlap = length / 6;
        let least = ((2.0 * self.window / record.step).ceil() as usize).max(6);
        let inner = &record.values[1..record.depths.len() - 1];
        let (mut pieces, mut begin) = (Vec::new(), 0);
        while begin < record.len() {
            let end = begin + (begin..record.len()).take_while(|&i| known(i)).count();
            let seen =
                |range: &Range<usize>| inner.iter().any(|sensor| sensor[range.clone()].iter().any(|x| x.is_finite()));
            if end >= begin + least {
                let parts = ((end - begin) as f64 / (length - 2 * overlap) as f64).ceil().max(1.0) as usize;
                for part in 0..parts {
                    let at = |i: usize| begin + (end - begin) * i / parts;
                    let told = at(part)..at(part + 1);
                    let fit = told.start.saturating_sub(overlap).max(begin)..(told.end + overlap).min(end);
                    if seen(&fit) {
                        pieces.push((fit, told));
                    }
                }
            }
            begin = end.max(begin + 1);
        }
        pieces
    }

    fn segment<'a>(
        &self,
        record: &'a Record,
        edges: &'a [Vec<f64>; 2],
        bed: &'a Bed,
        range: Range<usize>,
        conductivity: (f64, f64),
    ) -> Result<Segment<'a>> {
        let depths = &record.depths;
        let (first, last) = (depths[0], depths[depths.len() - 1]);
        let cells = (((last - first) / self.cell).ceil() as usize).clamp(8, 400);
        let faces = (0..=cells).map(|i| first + (last - first) * i as f64 / cells as f64).collect();
        let every = self.window / record.step;
        // At the begin the profile is unknown at the inner sensors, and midway between each two.
        let mut nodes: Vec<f64> =
            depths.windows(2).flat_map(|pair| [f64::midpoint(pair[0], pair[1]), pair[1]]).collect();
        nodes.pop();
        let knots = place((range.len() - 1) as f64, every).0 + 2;
        Ok(Segment { record, edges, range, bed, every, knots, nodes, grid: Grid::new(faces)?, conductivity })
    }
}

/// A record of means over `together` times, without what is left at the end.
fn coarser(record: &Record, together: usize) -> Record {
    let mean = |values: &[f64]| {
        let known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        known.iter().sum::<f64>() / known.len() as f64
    };
    Record {
        start: record.start + ((together - 1) as f64 / 2.0 * record.step * 1000.0).round() as i64,
        step: record.step * together as f64,
        depths: record.depths.clone(),
        names: record.names.clone(),
        values: record.values.iter().map(|values| values.chunks_exact(together).map(mean).collect()).collect(),
    }
}

/// The knot before a time, and how far on to the next one the time is.
fn place(time: f64, every: f64) -> (usize, f64) {
    let at = time / every;
    (at as usize, at.fract())
}

/// A value between points by distance.
fn between(points: &[(f64, f64)], depth: f64) -> f64 {
    let next = points.partition_point(|(at, _)| *at < depth).clamp(1, points.len() - 1);
    let ((a, x), (b, y)) = (points[next - 1], points[next]);
    x + (y - x) * ((depth - a) / (b - a)).clamp(0.0, 1.0)
}

/// What one run of the batch gives.
struct Tried {
    /// Squares of the residuals over the noise's variance, by Huber's measure, and the prior's share.
    cost: f64,
    /// The normal equations.
    curve: Mat<f64>,
    slope: Vec<f64>,
    /// Sum of the residuals' squares, with outliers by Huber's weight and without, and how many there are.
    squares: f64,
    plain: f64,
    values: usize,
}

impl Segment<'_> {
    fn count(&self) -> usize {
        1 + self.knots + self.nodes.len()
    }

    /// What is thought before the record is seen: means and the precision.
    fn prior(&self) -> (Vec<f64>, Mat<f64>) {
        let n = self.count();
        let mut means = vec![0.0; n];
        let mut precision = Mat::zeros(n, n);
        means[0] = self.conductivity.0;
        precision[(0, 0)] = self.conductivity.1.max(1e-6).powi(-2);
        // An Ornstein–Uhlenbeck process at even times: a chain of which each link forgets the same share.
        let keep = (-self.every * self.record.step / self.bed.memory).exp();
        let variance = (self.bed.flux_sd * DAY).powi(2);
        let fresh = 1.0 / (variance * (1.0 - keep * keep));
        precision[(1, 1)] += 1.0 / variance;
        for knot in 1..self.knots {
            let (a, b) = (knot, knot + 1);
            precision[(a, a)] += keep * keep * fresh;
            precision[(b, b)] += fresh;
            precision[(a, b)] -= keep * fresh;
            precision[(b, a)] -= keep * fresh;
        }
        let points = self.begins();
        let spread = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max)
            - points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
        for (i, depth) in self.nodes.iter().enumerate() {
            let at = 1 + self.knots + i;
            means[at] = between(&points, *depth);
            precision[(at, at)] = (0.2 * spread + 2.0 * self.bed.noise + 0.05).powi(-2);
        }
        (means, precision)
    }

    /// Depths and temperatures of the sensors at the begin.
    fn begins(&self) -> Vec<(f64, f64)> {
        let (depths, at) = (&self.record.depths, self.range.start);
        let last = depths.len() - 1;
        let mut points = vec![(depths[0], self.edges[0][at])];
        points.extend((1..last).map(|s| (depths[s], self.record.values[s][at])).filter(|(_, value)| value.is_finite()));
        points.push((depths[last], self.edges[1][at]));
        points
    }

    fn solve(&self) -> Result<Fit> {
        let (means, precision) = self.prior();
        let mut unknowns = means.clone();
        let mut noise = self.bed.noise.max(FINEST);
        let mut tried = self.run(&unknowns, &means, &precision, noise)?;
        // Far from the optimum all residuals are large, and none of them is an outlier: what is taken as noise begins with their
        // size and shrinks with them.
        let start = (tried.plain / tried.values.max(1) as f64).sqrt();
        if start > noise {
            noise = start;
            tried = self.run(&unknowns, &means, &precision, noise)?;
        }
        let mut damping = 0.0;
        for _ in 0..ROUNDS {
            let mut curve = tried.curve.clone();
            for i in 0..unknowns.len() {
                curve[(i, i)] *= 1.0 + damping;
            }
            let step = self.cholesky(&curve)?.solve(Mat::from_fn(unknowns.len(), 1, |i, _| tried.slope[i]));
            let next: Vec<f64> = unknowns.iter().enumerate().map(|(i, value)| value + step[(i, 0)]).collect();
            let other = self.run(&next, &means, &precision, noise)?;
            if other.cost.is_nan() || other.cost > tried.cost * (1.0 + 1e-12) {
                damping = (10.0 * damping).max(1e-3);
                if damping > 1e6 {
                    break;
                }
                continue;
            }
            let fell = tried.cost - other.cost;
            damping *= 0.1;
            if damping < 1e-6 {
                damping = 0.0;
            }
            (unknowns, tried) = (next, other);
            let left = (tried.values as f64 - self.count() as f64).max(0.3 * tried.values as f64).max(1.0);
            let settled = fell <= SETTLED * (1.0 + tried.cost);
            let squares = if settled { tried.squares } else { tried.plain };
            // What is left over tells the noise; the fit is over where it is the one that was assumed.
            let found = (squares / left).sqrt().max(FINEST);
            if settled && (found / noise).ln().abs() < 0.05 {
                break;
            }
            if settled || found < 0.7 * noise {
                noise = found;
                tried = self.run(&unknowns, &means, &precision, noise)?;
            }
        }
        let n = unknowns.len();
        let covariance = self.cholesky(&tried.curve)?.solve(Mat::<f64>::identity(n, n));
        Ok(Fit { unknowns, covariance })
    }

    fn cholesky(&self, curve: &Mat<f64>) -> Result<faer::linalg::solvers::Llt<f64>> {
        curve.llt(Side::Lower).map_err(|error| {
            let (from, to) = (self.range.start, self.range.end);
            Error::NoFlux(format!("no flux agrees with the record from value {from} to {to}: {error:?}"))
        })
    }

    /// Runs a column a derivative beside the one of the unknowns themselves.
    fn run(&self, unknowns: &[f64], means: &[f64], precision: &Mat<f64>, noise: f64) -> Result<Tried> {
        let n = self.count();
        let small: Vec<f64> = (0..n).map(|i| if i == 0 { 1e-4 } else { 1e-3 }).collect();
        let value = |column: usize, i: usize| unknowns[i] + if column == i + 1 { small[i] } else { 0.0 };
        let (depths, begin) = (&self.record.depths, self.range.start);
        let last = depths.len() - 1;
        let medium =
            |column: usize| Medium { conductivity: value(column, 0).clamp(-5.0, 5.0).exp(), ..self.bed.medium };
        let starts: Vec<Vec<(f64, f64)>> = (0..=n)
            .map(|column| {
                let mut points = vec![(depths[0], self.edges[0][begin])];
                points.extend(
                    self.nodes.iter().enumerate().map(|(i, depth)| (*depth, value(column, 1 + self.knots + i))),
                );
                points.push((depths[last], self.edges[1][begin]));
                points
            })
            .collect();
        let mut columns = Columns::new(
            self.grid.clone(),
            n + 1,
            [Edge::Temperature; 2],
            |_, column| medium(column),
            |depth, column| between(&starts[column], depth),
        )?;
        let parts = (self.record.step / LONGEST).ceil().max(1.0);
        let seconds = self.record.step / parts;
        let mut tried =
            Tried { cost: 0.0, curve: precision.clone(), slope: vec![0.0; n], squares: 0.0, plain: 0.0, values: 0 };
        for i in 0..n {
            tried.slope[i] = -(0..n).map(|j| precision[(i, j)] * (unknowns[j] - means[j])).sum::<f64>();
            tried.cost -= tried.slope[i] * (unknowns[i] - means[i]);
        }
        let mut row = vec![0.0; n];
        let mut flux = vec![0.0; n + 1];
        for at in self.range.clone() {
            let edge = |which: usize, share: f64| {
                let (a, b) = (self.edges[which][at - 1], self.edges[which][at]);
                vec![a + share * (b - a); n + 1]
            };
            if at > begin {
                for part in 0..parts as usize {
                    let shares = [part as f64 / parts, (part + 1) as f64 / parts];
                    let time = (at - 1 - begin) as f64 + f64::midpoint(shares[0], shares[1]);
                    let (knot, share) = place(time, self.every);
                    for (column, flux) in flux.iter_mut().enumerate() {
                        *flux = ((1.0 - share) * value(column, 1 + knot) + share * value(column, 2 + knot)) / DAY;
                    }
                    let (top, bottom) = (shares.map(|share| edge(0, share)), shares.map(|share| edge(1, share)));
                    columns.step(
                        seconds,
                        Drive { flux: &flux, top: [&top[0], &top[1]], bottom: [&bottom[0], &bottom[1]] },
                    )?;
                }
            }
            for (sensor, &depth) in depths.iter().enumerate().take(last).skip(1) {
                let told = self.record.values[sensor][at];
                if !told.is_finite() {
                    continue;
                }
                let seen = |column: usize| columns.between_edges(column, depth, self.edges[0][at], self.edges[1][at]);
                let base = seen(0);
                let residual = told - base;
                let far = (residual / noise).abs();
                let weight = if far > HUBER { HUBER / far } else { 1.0 };
                tried.cost += if far > HUBER { HUBER * (2.0 * far - HUBER) } else { far * far };
                tried.squares += weight * residual * residual;
                tried.plain += residual * residual;
                tried.values += 1;
                for (i, slope) in row.iter_mut().enumerate() {
                    *slope = (seen(i + 1) - base) / small[i];
                }
                let scale = weight / (noise * noise);
                for i in 0..n {
                    if row[i] == 0.0 {
                        continue;
                    }
                    tried.slope[i] += scale * row[i] * residual;
                    for j in 0..=i {
                        let grown = scale * row[i] * row[j];
                        tried.curve[(i, j)] += grown;
                        if j < i {
                            tried.curve[(j, i)] += grown;
                        }
                    }
                }
            }
        }
        Ok(tried)
    }
}
