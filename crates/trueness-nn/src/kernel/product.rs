//! Matrix products by the `gemm` crate, behind a checked interface.
//!
//! Each element of a product is summed in an order that does not depend on the number of threads.

use gemm::Parallelism;

/// A matrix within a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows that follow each other.
    pub(crate) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// Rows that begin every `stride` elements; they may overlap.
    pub(crate) fn strided(data: &'a [f32], rows: usize, cols: usize, stride: usize) -> Self {
        assert!(rows == 0 || cols == 0 || (rows - 1) * stride + cols <= data.len(), "a matrix leaves its slice");
        Self { data, rows, cols, row_stride: stride, col_stride: 1 }
    }

    /// The transpose, without moving anything.
    pub(crate) fn transposed(self) -> Self {
        let Self { data, rows, cols, row_stride, col_stride } = self;
        Self { data, rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }
}

/// Who computes a product.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// All threads of the current pool.
    Pool,
    /// The calling one: for products within a parallel loop.
    One,
}

/// out ← a·b, or out + a·b with `add`. The rows of `out` begin every `stride` elements.
pub(crate) fn product(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], stride: usize, add: bool, threads: Threads) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    assert_eq!(k, b.rows, "the inner sizes of a product differ");
    if m == 0 || n == 0 {
        return;
    }
    assert!(stride >= n && (m - 1) * stride + n <= out.len(), "a product leaves its slice");
    let parallelism = match threads {
        Threads::Pool => Parallelism::Rayon(0),
        Threads::One => Parallelism::None,
    };
    let signed = |stride: usize| stride as isize;
    // SAFETY: the constructors and the assertion above hold every element of the three matrices within
    // its slice; `out` is borrowed mutably, so that it overlaps neither factor; and its rows do not
    // overlap each other, since a row is at most as long as the stride. `out` is initialised, so that
    // reading it is sound.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            signed(stride),
            add,
            a.data.as_ptr(),
            signed(a.col_stride),
            signed(a.row_stride),
            b.data.as_ptr(),
            signed(b.col_stride),
            signed(b.row_stride),
            f32::from(u8::from(add)),
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Init;
    use proptest::prelude::*;
    use trueness_core::Seed;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn products_equal_the_sum_of_products(
            (m, n, k) in (1usize..40, 1usize..40, 0usize..40),
            (more, flip, add) in (0usize..5, any::<[bool; 2]>(), any::<bool>()),
        ) {
            let draw = |n, name| Init::Uniform { low: -1.0, high: 1.0 }.values(n, Seed::new(7).child(name));
            let (a, b) = (draw(m * k, "a"), draw(k * n, "b"));
            let start = draw(m * (n + more), "out");
            let mut out = start.clone();
            let x = if flip[0] { Matrix::new(&a, k, m).transposed() } else { Matrix::new(&a, m, k) };
            let y = if flip[1] { Matrix::new(&b, n, k).transposed() } else { Matrix::new(&b, k, n) };
            product(x, y, &mut out, n + more, add, Threads::One);
            for i in 0..m {
                for j in 0..n + more {
                    let at = i * (n + more) + j;
                    let a_at = |l: usize| f64::from(if flip[0] { a[l * m + i] } else { a[i * k + l] });
                    let b_at = |l: usize| f64::from(if flip[1] { b[j * k + l] } else { b[l * n + j] });
                    let truth = match j < n {
                        true => (0..k).map(|l| a_at(l) * b_at(l)).sum::<f64>()
                            + if add { f64::from(start[at]) } else { 0.0 },
                        false => f64::from(start[at]),
                    };
                    prop_assert!((f64::from(out[at]) - truth).abs() < 1e-5, "{} {}", out[at], truth);
                }
            }
        }
    }
}
