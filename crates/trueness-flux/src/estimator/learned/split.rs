//! Rows with their truth, and how they are divided.

use serde::{Deserialize, Serialize};

use std::ops::Range;

/// Rows of features and the flux in m/d.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// How many columns there are.
    pub columns: usize,
    /// Features row by row.
    pub x: Vec<f64>,
    /// Flux, one a row.
    pub y: Vec<f64>,
}

impl Rows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    pub(super) fn push(&mut self, x: &[f64], y: f64) {
        self.x.extend_from_slice(x);
        self.y.push(y);
    }

    /// Every so many rows, so that there are at most `most`.
    #[must_use]
    pub(super) fn thinned(self, most: usize) -> Self {
        let every = self.len().div_ceil(most.max(1));
        if every < 2 {
            return self;
        }
        let mut thin = Self { columns: self.columns, ..Self::default() };
        for i in (0..self.len()).step_by(every) {
            thin.push(&self.x[i * self.columns..(i + 1) * self.columns], self.y[i]);
        }
        thin
    }
}

/// Stretches of rows at even times, none of them with a gap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examples {
    /// How many columns there are.
    pub columns: usize,
    /// The stretches.
    pub stretches: Vec<Rows>,
}

impl Examples {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.stretches.iter().map(Rows::len).sum()
    }

    /// All rows, one stretch after the other.
    pub(super) fn flat(&self) -> Rows {
        let mut rows = Rows { columns: self.columns, ..Rows::default() };
        for stretch in &self.stretches {
            rows.x.extend_from_slice(&stretch.x);
            rows.y.extend_from_slice(&stretch.y);
        }
        rows
    }

    /// A short mark of all values, so that a training does not go on with others.
    pub(super) fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for stretch in &self.stretches {
            for value in stretch.x.iter().chain(&stretch.y) {
                hasher.update(&value.to_le_bytes());
            }
            hasher.update(&stretch.len().to_le_bytes());
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }
}

/// How data are held out, always in blocks: whole sites, or stretches of a record.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Split {
    /// The share of the blocks that only calibrate.
    Held(f64),
    /// So many parts, each held out once; the final fit sees all of them.
    Folds(usize),
}

/// A block of rows of a site that is held out as a whole.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    pub(super) site: usize,
    pub(super) rows: Range<usize>,
}

/// How many blocks there are at least.
const BLOCKS: usize = 20;

/// Sites, cut where there are few of them.
pub(super) fn blocks(rows: &[usize]) -> Vec<Block> {
    let each = BLOCKS.div_ceil(rows.len().max(1));
    let cut =
        |(site, &n): (usize, &usize)| (0..each).map(move |i| Block { site, rows: i * n / each..(i + 1) * n / each });
    rows.iter().enumerate().flat_map(cut).collect()
}

impl Split {
    /// Which blocks are held out, one set a fit.
    pub(super) fn held(self, blocks: usize) -> Vec<Vec<usize>> {
        match self {
            // Every so many, so that times of all kinds are among them.
            Self::Held(share) => {
                let taken = |i: usize| ((i + 1) as f64 * share).floor() > (i as f64 * share).floor();
                vec![(0..blocks).filter(|&i| taken(i)).collect()]
            }
            Self::Folds(n) => {
                let n = n.clamp(2, blocks.max(2));
                (0..n).map(|fold| (fold * blocks / n..(fold + 1) * blocks / n).collect()).collect()
            }
        }
    }
}
