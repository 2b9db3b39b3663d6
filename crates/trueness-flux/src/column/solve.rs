//! One step of all columns: coefficients of the faces, then a tridiagonal system.

use super::{Columns, Drive, Edge, Scheme};
use crate::medium::WATER_HEAT;

/// How often the limited part of [`Scheme::Tvd`] is computed anew within a step, at most.
const LIMITED: usize = 20;

/// Where that part is taken as settled, in W/m².
const SETTLED: f64 = 1e-9;

/// Room that every step uses.
#[derive(Clone, Debug)]
pub(super) struct Work {
    /// The heat flux down through a face is `above`·T_above + `below`·T_below; at the ends one of both is the edge's value.
    above: Vec<f64>,
    below: Vec<f64>,
    /// The limited part, of the step's begin and of its end.
    limited: [Vec<f64>; 2],
    /// What each cell has to equal, and the eliminated upper diagonal.
    right: Vec<f64>,
    upper: Vec<f64>,
    next: Vec<f64>,
}

impl Work {
    pub(super) fn new(cells: usize, n: usize) -> Self {
        let room = |rows: usize| vec![0.0; rows * n];
        Self {
            above: room(cells + 1),
            below: room(cells + 1),
            limited: [room(cells + 1), room(cells + 1)],
            right: room(cells),
            upper: room(cells),
            next: room(cells),
        }
    }
}

impl Columns {
    /// Moves on by `seconds`, `theta` of it by the state at the end.
    pub(super) fn advance(&mut self, seconds: f64, theta: f64, drive: Drive<'_>) {
        let mut work = std::mem::replace(&mut self.work, Work::new(0, 0));
        self.faces(&mut work, drive.flux);
        let explicit = 1.0 - theta;
        if self.scheme == Scheme::Tvd && explicit > 0.0 {
            self.limit(&self.temperatures, [drive.top[0], drive.bottom[0]], drive.flux, &mut work.limited[0]);
        }
        work.next.copy_from_slice(&self.temperatures);
        for round in 0..LIMITED {
            if self.scheme == Scheme::Tvd {
                let before = work.limited[1].clone();
                self.limit(&work.next, [drive.top[1], drive.bottom[1]], drive.flux, &mut work.limited[1]);
                let change = before.iter().zip(&work.limited[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                if round > 0 && change < SETTLED {
                    break;
                }
            }
            self.eliminate(&mut work, seconds, theta, drive);
            if self.scheme != Scheme::Tvd {
                break;
            }
        }
        self.account(&work, seconds, theta, drive);
        std::mem::swap(&mut self.temperatures, &mut work.next);
        self.work = work;
    }

    /// The coefficients of all faces.
    fn faces(&self, work: &mut Work, flux: &[f64]) {
        let (n, cells) = (self.n, self.grid.cells());
        for face in 0..=cells {
            for (column, &q) in flux.iter().enumerate() {
                let carried = WATER_HEAT * q;
                // The resistance of half a cell.
                let half = |cell: usize| {
                    let at = cell * n + column;
                    let conductivity = self.conductivity[at] + self.dispersivity[at] * carried.abs();
                    self.grid.height(cell) / 2.0 / conductivity
                };
                let from_above = f64::from(u8::from(q > 0.0));
                let (above, below) = if face == 0 || face == cells {
                    let cell = if face == 0 { 0 } else { cells - 1 };
                    let side = usize::from(face > 0);
                    match self.edges[side] {
                        Edge::Temperature => {
                            let conducted = 1.0 / half(cell);
                            // The face's temperature is the edge's.
                            let share = match self.scheme {
                                Scheme::Upwind => from_above,
                                _ => f64::from(u8::from(face == 0)),
                            };
                            (conducted + carried * share, carried * (1.0 - share) - conducted)
                        }
                        // What is conducted in counts down at the top and up at the bottom.
                        Edge::Heat if face == 0 => (1.0, carried),
                        Edge::Heat => (carried, -1.0),
                    }
                } else {
                    let conducted = 1.0 / (half(face - 1) + half(face));
                    let share = match self.scheme {
                        Scheme::Central => {
                            let (over, under) = (self.grid.height(face - 1), self.grid.height(face));
                            under / (over + under)
                        }
                        Scheme::Upwind | Scheme::Tvd => from_above,
                    };
                    (conducted + carried * share, carried * (1.0 - share) - conducted)
                };
                work.above[face * n + column] = above;
                work.below[face * n + column] = below;
            }
        }
    }

    /// What van Leer's limiter adds to the upwind flux at the inner faces, in W/m².
    fn limit(&self, temperatures: &[f64], edges: [&[f64]; 2], flux: &[f64], limited: &mut [f64]) {
        let (n, cells) = (self.n, self.grid.cells());
        for face in 1..cells {
            for column in 0..n {
                let at = |cell: usize| temperatures[cell * n + column];
                let down = flux[column] > 0.0;
                let (up, on) = if down { (face - 1, face) } else { (face, face - 1) };
                let before = match (down, up) {
                    // A face lies half a cell away, so that its step counts twice.
                    (true, 0) if self.edges[0] == Edge::Temperature => 2.0 * (at(up) - edges[0][column]),
                    (false, up) if up == cells - 1 && self.edges[1] == Edge::Temperature => {
                        2.0 * (at(up) - edges[1][column])
                    }
                    (true, 0) => 0.0,
                    (true, up) => at(up) - at(up - 1),
                    (false, up) if up == cells - 1 => 0.0,
                    (false, up) => at(up) - at(up + 1),
                };
                let step = at(on) - at(up);
                // ψ(r)·step with r = before/step, without the division.
                let added = match before * step > 0.0 {
                    true => 2.0 * before * step / (before + step),
                    false => 0.0,
                };
                limited[face * n + column] = WATER_HEAT * flux[column] * 0.5 * added;
            }
        }
    }

    /// Solves for the temperatures at the end of the step, by the Thomas algorithm.
    fn eliminate(&self, work: &mut Work, seconds: f64, theta: f64, drive: Drive<'_>) {
        let (n, cells) = (self.n, self.grid.cells());
        let Work { above, below, limited, right, upper, next } = work;
        let explicit = 1.0 - theta;
        for cell in 0..cells {
            let height = self.grid.height(cell);
            let (over, under) = (cell * n, (cell + 1) * n);
            for column in 0..n {
                let (a, b) = (over + column, under + column);
                let old = self.temperatures[a];
                let old_over = if cell == 0 { drive.top[0][column] } else { self.temperatures[a - n] };
                let old_under = if cell + 1 == cells { drive.bottom[0][column] } else { self.temperatures[b] };
                let inertia = self.heat[a] * height / seconds;
                let mut value = inertia * old + theta * (limited[1][a] - limited[1][b]);
                if explicit > 0.0 {
                    let came = above[a] * old_over + below[a] * old + limited[0][a];
                    let went = above[b] * old + below[b] * old_under + limited[0][b];
                    value += explicit * (came - went);
                }
                let mut diagonal = inertia + theta * (above[b] - below[a]);
                if cell == 0 {
                    value += theta * above[a] * drive.top[1][column];
                } else {
                    let lower = -theta * above[a];
                    diagonal -= lower * upper[a - n];
                    value -= lower * right[a - n];
                }
                if cell + 1 == cells {
                    value -= theta * below[b] * drive.bottom[1][column];
                }
                upper[a] = theta * below[b] / diagonal;
                right[a] = value / diagonal;
            }
        }
        next[(cells - 1) * n..].copy_from_slice(&right[(cells - 1) * n..]);
        for cell in (0..cells - 1).rev() {
            for column in 0..n {
                let at = cell * n + column;
                next[at] = right[at] - upper[at] * next[at + n];
            }
        }
    }

    /// Adds the step to the balance.
    fn account(&mut self, work: &Work, seconds: f64, theta: f64, drive: Drive<'_>) {
        let (n, cells) = (self.n, self.grid.cells());
        let last = cells * n;
        let explicit = 1.0 - theta;
        for column in 0..n {
            let (first_cell, last_cell) = (column, last - n + column);
            let (top, bottom) = (column, last + column);
            let came =
                |end: usize, t: &[f64]| work.above[top] * drive.top[end][column] + work.below[top] * t[first_cell];
            let went = |end: usize, t: &[f64]| {
                work.above[bottom] * t[last_cell] + work.below[bottom] * drive.bottom[end][column]
            };
            let mean = |flow: &dyn Fn(usize, &[f64]) -> f64| {
                seconds * (theta * flow(1, &work.next) + explicit * flow(0, &self.temperatures))
            };
            let (came, went) = (mean(&came), mean(&went));
            self.balance.gained[column] += came - went;
            self.balance.moved[column] += came.abs() + went.abs();
        }
        for cell in 0..cells {
            let height = self.grid.height(cell);
            for column in 0..n {
                let at = cell * n + column;
                self.balance.stored[column] += self.heat[at] * height * (work.next[at] - self.temperatures[at]);
            }
        }
    }
}
