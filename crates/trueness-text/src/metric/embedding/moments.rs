//! Means and covariances of embeddings, from sums that can be added and taken apart again.

use super::Embeddings;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};
use rayon::prelude::*;

/// Rows per product: enough for the product to be fast, few enough to stay in the cache.
const BLOCK: usize = 256;

/// n, Σ(x−s) and Σ(x−s)(x−s)ᵀ of some rows, about a fixed point s near their mean, in f64.
#[derive(Clone)]
pub(in crate::metric) struct Moments {
    pub(in crate::metric) n: usize,
    sum: Vec<f64>,
    outer: Mat<f64>,
}

impl Moments {
    /// The sums of each group of rows, `group` holding the number of every row's group, counted from 0.
    /// About a point near the mean the sums do not cancel.
    pub(in crate::metric) fn groups(embeddings: &Embeddings, group: &[usize], about: &[f64]) -> Vec<Self> {
        let dims = embeddings.dims();
        let mut members: Vec<Vec<&[f32]>> = vec![Vec::new(); group.iter().max().map_or(0, |last| last + 1)];
        for (row, &group) in embeddings.iter().zip(group) {
            members[group].push(row);
        }
        members
            .into_par_iter()
            .map(|rows| {
                let mut moments = Self { n: 0, sum: vec![0.0; dims], outer: Mat::zeros(dims, dims) };
                let mut block = Vec::with_capacity(BLOCK * dims);
                for rows in rows.chunks(BLOCK) {
                    block.clear();
                    for row in rows {
                        block.extend(row.iter().zip(about).map(|(&x, s)| f64::from(x) - s));
                    }
                    for row in block.chunks_exact(dims) {
                        moments.sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                    }
                    let x = MatRef::from_row_major_slice(&block, rows.len(), dims);
                    matmul(moments.outer.as_mut(), Accum::Add, x.transpose(), x, 1.0, Par::Seq);
                    moments.n += rows.len();
                }
                moments
            })
            .collect()
    }

    /// The sums of all groups together, added in order.
    pub(in crate::metric) fn total(groups: &[Self]) -> Option<Self> {
        let (first, rest) = groups.split_first()?;
        let mut total = first.clone();
        for group in rest {
            total.combine(group, 1.0);
        }
        Some(total)
    }

    /// The sums without those of a group that is part of them.
    pub(in crate::metric) fn without(&self, group: &Self) -> Self {
        let mut rest = self.clone();
        rest.combine(group, -1.0);
        rest
    }

    fn combine(&mut self, other: &Self, sign: f64) {
        self.n = if sign > 0.0 { self.n + other.n } else { self.n - other.n };
        self.sum.iter_mut().zip(&other.sum).for_each(|(a, b)| *a += sign * b);
        self.outer += sign * &other.outer;
    }

    /// The mean, less the point that the sums are about.
    pub(in crate::metric) fn mean(&self) -> Vec<f64> {
        self.sum.iter().map(|sum| sum / self.n as f64).collect()
    }

    /// The unbiased covariance (divisor n − 1).
    pub(in crate::metric) fn covariance(&self) -> Mat<f64> {
        let (n, mean) = (self.n as f64, self.mean());
        Mat::from_fn(mean.len(), mean.len(), |i, j| (self.outer[(i, j)] - n * mean[i] * mean[j]) / (n - 1.0))
    }
}

/// The mean of the rows, each column added in order of the rows.
pub(in crate::metric) fn mean(embeddings: &Embeddings) -> Vec<f64> {
    let mut mean = vec![0.0; embeddings.dims()];
    for row in embeddings.iter() {
        mean.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    mean.iter().map(|sum| sum / embeddings.rows() as f64).collect()
}

/// Eigenvalues, rising, and eigenvectors (columns) of a symmetric matrix; `None` where the
/// decomposition fails, which takes values that are not finite.
pub(in crate::metric) fn eigen(symmetric: MatRef<'_, f64>) -> Option<(Vec<f64>, Mat<f64>)> {
    // Values that overflowed would make the decomposition loop or panic.
    let finite = (0..symmetric.ncols()).all(|j| symmetric.col(j).iter().all(|x| x.is_finite()));
    let eigen = if finite { symmetric.self_adjoint_eigen(Side::Lower).ok()? } else { return None };
    Some((eigen.S().column_vector().iter().copied().collect(), eigen.U().to_owned()))
}
