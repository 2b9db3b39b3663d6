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
    /// The resistance of half a cell to conduction and dispersion, in m²K/W.
    halves: Vec<f64>,
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
            halves: room(cells),
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

    /// The coefficients of all faces. Inner loops run over columns, on slices of one length: they become vector instructions.
    fn faces(&self, work: &mut Work, flux: &[f64]) {
        let (n, cells) = (self.n, self.grid.cells());
        let Work { above, below, halves, .. } = work;
        for (cell, halves) in halves.chunks_exact_mut(n).enumerate() {
            let row = cell * n..(cell + 1) * n;
            let half = self.grid.height(cell) / 2.0;
            let ground = self.conductivity[row.clone()].iter().zip(&self.dispersivity[row]);
            for ((to, q), (conductivity, dispersivity)) in halves.iter_mut().zip(flux).zip(ground) {
                *to = half / (conductivity + dispersivity * (WATER_HEAT * q).abs());
            }
        }
        let faces = above.chunks_exact_mut(n).zip(below.chunks_exact_mut(n)).enumerate();
        for (face, (above, below)) in faces {
            let out = above.iter_mut().zip(below).zip(flux);
            if face == 0 || face == cells {
                let cell = if face == 0 { 0 } else { cells - 1 };
                for (((above, below), q), half) in out.zip(&halves[cell * n..(cell + 1) * n]) {
                    (*above, *below) = self.outer(face == 0, WATER_HEAT * q, 1.0 / half);
                }
                continue;
            }
            let resistance = halves[(face - 1) * n..face * n].iter().zip(&halves[face * n..(face + 1) * n]);
            let (over, under) = (self.grid.height(face - 1), self.grid.height(face));
            let (central, by_distance) = (self.scheme == Scheme::Central, under / (over + under));
            for (((above, below), q), (a, b)) in out.zip(resistance) {
                let (carried, conducted) = (WATER_HEAT * q, 1.0 / (a + b));
                let share = if central { by_distance } else { from_above(*q) };
                *above = conducted + carried * share;
                *below = carried * (1.0 - share) - conducted;
            }
        }
    }

    /// The coefficients of the upper or the lower end's face.
    fn outer(&self, first: bool, carried: f64, conducted: f64) -> (f64, f64) {
        match self.edges[usize::from(!first)] {
            Edge::Temperature => {
                // The face's temperature is the edge's.
                let share = match self.scheme {
                    Scheme::Upwind => from_above(carried),
                    _ => f64::from(u8::from(first)),
                };
                (conducted + carried * share, carried * (1.0 - share) - conducted)
            }
            // What is conducted in counts down at the top and up at the bottom.
            Edge::Heat if first => (1.0, carried),
            Edge::Heat => (carried, -1.0),
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
        let Work { above, below, limited, right, upper, next, .. } = work;
        let explicit = 1.0 - theta;
        for cell in 0..cells {
            let inertia = self.grid.height(cell) / seconds;
            let heat = &self.heat[cell * n..][..n];
            let old = &self.temperatures[cell * n..][..n];
            let old_over = if cell == 0 { drive.top[0] } else { &self.temperatures[(cell - 1) * n..][..n] };
            let old_under = if cell + 1 == cells { drive.bottom[0] } else { &self.temperatures[(cell + 1) * n..][..n] };
            let [above, above_next] = [0, 1].map(|face| &above[(cell + face) * n..][..n]);
            let [below, below_next] = [0, 1].map(|face| &below[(cell + face) * n..][..n]);
            let [came, came_old] = [1, 0].map(|end: usize| &limited[end][cell * n..][..n]);
            let [went, went_old] = [1, 0].map(|end: usize| &limited[end][(cell + 1) * n..][..n]);
            let (upper_over, upper) = upper.split_at_mut(cell * n);
            let (right_over, right) = right.split_at_mut(cell * n);
            let (upper, right) = (&mut upper[..n], &mut right[..n]);
            for c in 0..n {
                let inertia = heat[c] * inertia;
                let mut value = inertia * old[c] + theta * (came[c] - went[c]);
                let into = above[c] * old_over[c] + below[c] * old[c] + came_old[c];
                let out = above_next[c] * old[c] + below_next[c] * old_under[c] + went_old[c];
                value += explicit * (into - out);
                right[c] = value;
                upper[c] = inertia + theta * (above_next[c] - below[c]);
            }
            if cell == 0 {
                for c in 0..n {
                    right[c] += theta * above[c] * drive.top[1][c];
                }
            } else {
                let (upper_over, right_over) = (&upper_over[(cell - 1) * n..], &right_over[(cell - 1) * n..]);
                for c in 0..n {
                    let lower = -theta * above[c];
                    upper[c] -= lower * upper_over[c];
                    right[c] -= lower * right_over[c];
                }
            }
            if cell + 1 == cells {
                for c in 0..n {
                    right[c] -= theta * below_next[c] * drive.bottom[1][c];
                }
            }
            for c in 0..n {
                let diagonal = 1.0 / upper[c];
                upper[c] = theta * below_next[c] * diagonal;
                right[c] *= diagonal;
            }
        }
        next[(cells - 1) * n..].copy_from_slice(&right[(cells - 1) * n..]);
        for cell in (0..cells - 1).rev() {
            let (next, under) = next[cell * n..].split_at_mut(n);
            let (right, upper) = (&right[cell * n..][..n], &upper[cell * n..][..n]);
            for ((next, under), (right, upper)) in next.iter_mut().zip(under).zip(right.iter().zip(upper)) {
                *next = right - upper * *under;
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

/// 1 where water comes from above.
fn from_above(flux: f64) -> f64 {
    f64::from(u8::from(flux > 0.0))
}
