//! Small square matrices of a filter, row by row.

/// `out` = `a`·`b`, all of them `n` × `n`.
pub(super) fn product(a: &[f64], b: &[f64], out: &mut [f64], n: usize) {
    out.fill(0.0);
    for (row, into) in a.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
        for (&x, other) in row.iter().zip(b.chunks_exact(n)) {
            if x != 0.0 {
                for (sum, y) in into.iter_mut().zip(other) {
                    *sum += x * y;
                }
            }
        }
    }
}

/// The transpose of an `n` × `n` matrix.
pub(super) fn transpose(a: &[f64], out: &mut [f64], n: usize) {
    for i in 0..n {
        for j in 0..n {
            out[j * n + i] = a[i * n + j];
        }
    }
}

/// The inner product of two vectors.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
