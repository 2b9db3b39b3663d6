//! Linear regression with a penalty on the squares of its coefficients: Hoerl & Kennard (1970).

use super::Rows;
use crate::{Error, Result};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use serde::{Deserialize, Serialize};

/// Penalties that are tried, as a share of the mean variance of a standardised column.
const PENALTIES: [f64; 9] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0];

/// Into how many stretches rows are cut where the penalty is chosen.
const STRETCHES: usize = 5;

/// A fitted line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ridge {
    intercept: f64,
    coefficients: Vec<f64>,
}

impl Ridge {
    /// Fits coefficients of standardised columns; the penalty is the one with the least error over stretches of rows that were
    /// left out in turn.
    ///
    /// # Errors
    /// [`Error::Input`] for fewer rows than stretches.
    pub fn fit(rows: &Rows) -> Result<Self> {
        let n = rows.len();
        if n < 2 * STRETCHES {
            return Err(Error::Input(format!("ridge: expected at least {} rows, got {n}", 2 * STRETCHES)));
        }
        let stretches: Vec<Moments> =
            (0..STRETCHES).map(|i| Moments::of(rows, i * n / STRETCHES..(i + 1) * n / STRETCHES)).collect();
        let all = Moments::sum(stretches.iter());
        let mut best = (f64::INFINITY, PENALTIES[0]);
        for penalty in PENALTIES {
            let mut lost = 0.0;
            for (left_out, stretch) in stretches.iter().enumerate() {
                let rest = Moments::sum(stretches.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, m)| m));
                lost += stretch.lost(&rest.solve(penalty)?);
            }
            if lost < best.0 {
                best = (lost, penalty);
            }
        }
        all.solve(best.1)
    }

    /// The value at a row.
    pub fn predict(&self, row: &[f64]) -> f64 {
        self.intercept + self.coefficients.iter().zip(row).map(|(a, b)| a * b).sum::<f64>()
    }
}

/// Sums over rows of 1, the columns and the target, and of their products.
#[derive(Clone)]
struct Moments {
    n: f64,
    /// Columns, then the target.
    sums: Vec<f64>,
    products: Mat<f64>,
}

impl Moments {
    fn of(rows: &Rows, range: std::ops::Range<usize>) -> Self {
        let (p, n) = (rows.columns, range.len());
        let value = |i: usize, j: usize| match j < p {
            true => rows.x[(range.start + i) * p + j],
            false => rows.y[range.start + i],
        };
        let design = Mat::from_fn(n, p + 1, value);
        let sums = (0..=p).map(|j| (0..n).map(|i| design[(i, j)]).sum()).collect();
        Self { n: n as f64, sums, products: design.transpose() * &design }
    }

    fn sum<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut parts = parts.cloned();
        let first = parts.next().unwrap_or_else(|| Self { n: 0.0, sums: Vec::new(), products: Mat::zeros(0, 0) });
        parts.fold(first, |a, b| Self {
            n: a.n + b.n,
            sums: a.sums.iter().zip(&b.sums).map(|(a, b)| a + b).collect(),
            products: a.products + b.products,
        })
    }

    fn solve(&self, penalty: f64) -> Result<Ridge> {
        let p = self.sums.len() - 1;
        let mean: Vec<f64> = self.sums.iter().map(|sum| sum / self.n).collect();
        let centred = |i: usize, j: usize| self.products[(i, j)] / self.n - mean[i] * mean[j];
        // A column that does not vary has no say.
        let scale: Vec<f64> = (0..p)
            .map(|j| centred(j, j).max(0.0).sqrt())
            .map(|sd| if sd > 1e-12 { sd } else { f64::INFINITY })
            .collect();
        let matrix = Mat::from_fn(p, p, |i, j| {
            let product = centred(i, j) / (scale[i] * scale[j]);
            if i == j { product + penalty.max(1e-12) } else { product }
        });
        let right = Mat::from_fn(p, 1, |i, _| centred(i, p) / scale[i]);
        let factors = matrix
            .llt(Side::Lower)
            .map_err(|error| Error::Input(format!("ridge: the columns cannot be told apart ({error:?})")))?;
        let solved = factors.solve(&right);
        let coefficients: Vec<f64> = (0..p).map(|j| solved[(j, 0)] / scale[j]).collect();
        let intercept = mean[p] - coefficients.iter().zip(&mean).map(|(a, b)| a * b).sum::<f64>();
        Ok(Ridge { intercept, coefficients })
    }

    /// The sum of the squared errors of a line over these rows.
    fn lost(&self, line: &Ridge) -> f64 {
        let p = self.sums.len() - 1;
        let weight = |j: usize| if j < p { -line.coefficients[j] } else { 1.0 };
        let mut lost = line.intercept * line.intercept * self.n;
        for i in 0..=p {
            lost -= 2.0 * line.intercept * weight(i) * self.sums[i];
            for j in 0..=p {
                lost += weight(i) * weight(j) * self.products[(i, j)];
            }
        }
        lost
    }
}
