//! The total variation between two automata of one shape, by a dynamic programme.
//!
//! TV = ½ Σₓ |p(x) − q(x)|. All prefixes that reach a state have the same continuations, so of a prefix
//! only its masses (p, q) matter, and prefixes with the same share q/(p + q) can be added up: the
//! future multiplies both masses by factors that depend on the state alone. Where a state has too many
//! distinct shares they are put on a grid. Each |p·a − q·b| is convex in the share at a given p + q, so
//! adding up what lies in a cell gives a lower bound, and splitting it between the ends of the cell with
//! its mass and its mean kept gives an upper bound.

use super::automaton::{Automaton, FINAL};
use std::collections::BTreeMap;

/// The most shares that a state keeps apart.
const CELLS: usize = 1 << 9;

/// Shares closer than this are the same number up to rounding.
const ROUNDING: f64 = 1e-13;

/// Which bound is computed.
#[derive(Clone, Copy, PartialEq)]
enum Bound {
    Lower,
    Upper,
}

/// A lower and an upper bound of the total variation, equal up to rounding where no state had too many
/// shares. Both automata must have the same shape.
pub(super) fn bounds(p: &Automaton, q: &Automaton) -> (f64, f64) {
    (bound(p, q, Bound::Lower), bound(p, q, Bound::Upper).min(1.0))
}

fn bound(p: &Automaton, q: &Automaton, kind: Bound) -> f64 {
    let mut reached: Vec<Atoms> = (0..p.len()).map(|_| Atoms::default()).collect();
    if let Some(start) = reached.last_mut() {
        start.add((1.0, 1.0), kind);
    }
    let mut twice = 0.0;
    for (state, arcs) in p.paired(q) {
        let here = std::mem::take(&mut reached[state]).finish();
        if state == FINAL as usize {
            twice += here.iter().map(|(p, q)| (p - q).abs()).sum::<f64>();
            continue;
        }
        for (to, factors) in by_end(arcs) {
            for (a, b) in factors {
                for &(p, q) in &here {
                    match (p * a, q * b) {
                        (0.0, 0.0) => {}
                        // What only one of the two can produce differs by all of its mass.
                        (mass, 0.0) | (0.0, mass) => twice += mass,
                        atom => reached[to].add(atom, kind),
                    }
                }
            }
        }
    }
    twice / 2.0
}

/// Arcs by the state they lead to, those with the same ratio of probabilities added up: most words of a
/// list are moved by the same factor, or not at all.
fn by_end(arcs: impl Iterator<Item = (usize, f64, f64)>) -> BTreeMap<usize, Vec<(f64, f64)>> {
    let mut ends: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
    for (to, a, b) in arcs.filter(|(_, a, b)| a + b > 0.0) {
        ends.entry(to).or_default().push((a, b));
    }
    ends.values_mut().for_each(add_up);
    ends
}

fn share((p, q): (f64, f64)) -> f64 {
    q / (p + q)
}

/// Puts atoms in the order of their shares and adds up those whose shares are equal up to rounding.
fn add_up(atoms: &mut Vec<(f64, f64)>) {
    atoms.sort_unstable_by(|&a, &b| share(a).total_cmp(&share(b)));
    let mut first = f64::NEG_INFINITY;
    atoms.dedup_by(|atom, last| {
        let same = share(*atom) - first <= ROUNDING;
        if same {
            *last = (last.0 + atom.0, last.1 + atom.1);
        } else {
            first = share(*atom);
        }
        same
    });
}

/// The masses (p, q) of the prefixes that reach a state.
#[derive(Default)]
struct Atoms {
    /// Pairs of distinct shares, while there are few; empty once the grid is in use.
    distinct: Vec<(f64, f64)>,
    /// One pair for each cell (lower bound) or for each border between cells (upper bound).
    grid: Vec<(f64, f64)>,
}

impl Atoms {
    fn add(&mut self, atom: (f64, f64), kind: Bound) {
        if !self.grid.is_empty() {
            return self.put(atom, kind);
        }
        self.distinct.push(atom);
        if self.distinct.len() > 4 * CELLS {
            add_up(&mut self.distinct);
            if self.distinct.len() > CELLS {
                self.grid = vec![(0.0, 0.0); CELLS + 1];
                std::mem::take(&mut self.distinct).into_iter().for_each(|atom| self.put(atom, kind));
            }
        }
    }

    /// Adds an atom to the grid.
    fn put(&mut self, atom: (f64, f64), kind: Bound) {
        let place = share(atom) * CELLS as f64;
        let cell = (place as usize).min(CELLS - 1);
        let mut add = |at: usize, p: f64, q: f64| self.grid[at] = (self.grid[at].0 + p, self.grid[at].1 + q);
        if kind == Bound::Lower {
            return add(cell, atom.0, atom.1);
        }
        let above = (place - cell as f64).clamp(0.0, 1.0);
        let mass = atom.0 + atom.1;
        for (end, weight) in [(cell, 1.0 - above), (cell + 1, above)] {
            let q = end as f64 / CELLS as f64;
            add(end, mass * weight * (1.0 - q), mass * weight * q);
        }
    }

    fn finish(mut self) -> Vec<(f64, f64)> {
        add_up(&mut self.distinct);
        self.grid.retain(|(p, q)| p + q > 0.0);
        self.distinct.extend(self.grid);
        self.distinct
    }
}
