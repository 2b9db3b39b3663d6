//! The total variation between two automata of one shape, by a dynamic programme.
//!
//! TV = ½ Σₓ |p(x) − q(x)|. All prefixes that reach a state have the same continuations, so of a prefix
//! only its masses (p, q) matter, and prefixes with the same share q/(p + q) can be added up: the
//! future multiplies both masses by factors that depend on the state alone. Where a state has too many
//! distinct shares they are put on a grid. Each |p·a − q·b| is convex in the share at a given p + q, so
//! adding up what lies in a cell gives a lower bound, and splitting it between the ends of the cell with
//! its mass and its mean kept gives an upper bound.

use super::automaton::{Automaton, FINAL};

/// The most shares that a state keeps apart.
const CELLS: usize = 1 << 12;

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
    let mut atoms: Vec<Vec<(f64, f64)>> = vec![Vec::new(); p.len()];
    if let Some(start) = atoms.last_mut() {
        start.push((1.0, 1.0));
    }
    let mut twice = 0.0;
    for (state, arcs) in p.paired(q) {
        let here = merge(std::mem::take(&mut atoms[state]), kind);
        if state == FINAL as usize {
            twice += here.iter().map(|(p, q)| (p - q).abs()).sum::<f64>();
            continue;
        }
        for (to, a, b) in arcs {
            for &(p, q) in &here {
                match (p * a, q * b) {
                    (0.0, 0.0) => {}
                    // What only one of the two can produce differs by all of its mass.
                    (mass, 0.0) | (0.0, mass) => twice += mass,
                    pair => atoms[to].push(pair),
                }
            }
            // A popular state is thinned out before it holds what many arcs brought.
            if atoms[to].len() > 64 * CELLS {
                atoms[to] = merge(std::mem::take(&mut atoms[to]), kind);
            }
        }
    }
    twice / 2.0
}

/// Adds up atoms of the same share, and puts them on a grid if there are still too many.
fn merge(mut atoms: Vec<(f64, f64)>, kind: Bound) -> Vec<(f64, f64)> {
    let share = |&(p, q): &(f64, f64)| q / (p + q);
    atoms.sort_unstable_by(|a, b| share(a).total_cmp(&share(b)));
    let mut merged: Vec<(f64, f64)> = Vec::new();
    let mut first = f64::NEG_INFINITY;
    for atom in atoms {
        match merged.last_mut() {
            Some(last) if share(&atom) - first <= ROUNDING => *last = (last.0 + atom.0, last.1 + atom.1),
            _ => {
                first = share(&atom);
                merged.push(atom);
            }
        }
    }
    if merged.len() <= CELLS {
        return merged;
    }
    let mut grid = vec![(0.0, 0.0); CELLS + 1];
    for atom in merged {
        let mass = atom.0 + atom.1;
        let place = share(&atom) * CELLS as f64;
        let cell = (place as usize).min(CELLS - 1);
        if kind == Bound::Lower {
            grid[cell] = (grid[cell].0 + atom.0, grid[cell].1 + atom.1);
            continue;
        }
        let above = (place - cell as f64).clamp(0.0, 1.0);
        for (end, weight) in [(cell, 1.0 - above), (cell + 1, above)] {
            let q = end as f64 / CELLS as f64;
            grid[end] = (grid[end].0 + mass * weight * (1.0 - q), grid[end].1 + mass * weight * q);
        }
    }
    grid.retain(|(p, q)| p + q > 0.0);
    grid
}
