//! Layer normalisation.

use super::node::{self, Kernel, Values};
use super::simd::{copied, dot, sum, vectorized};
use burn::tensor::Tensor;
use rayon::prelude::*;

/// Rows that one task works on; fixed, so that sums over rows do not depend on the threads.
const ROWS: usize = 64;

/// (x − mean) / √(variance + ε) · scale + shift over the last dimension, the variance being the mean square
/// about the mean (Ba, Kiros and Hinton 2016): `[n, size]`, `[size]` and `[size]` to `[n, size]`.
pub fn layer_norm(x: Tensor<2>, scale: Tensor<1>, shift: Tensor<1>, epsilon: f32) -> Tensor<2> {
    match node::run([x.into_dispatch(), scale.into_dispatch(), shift.into_dispatch()], |[x, scale, shift], tracked| {
        let mut out = x.slice().to_vec();
        let size = x.shape()[1];
        let mut inverse = vec![0.0; x.shape()[0]];
        out.par_chunks_mut(ROWS * size).zip(inverse.par_chunks_mut(ROWS)).for_each(|(rows, inverse)| {
            standardise(rows, inverse, size, epsilon);
        });
        // The standardised values are what the gradient needs; a copy is scaled and shifted.
        let scaled = |rows: &mut [f32]| affine(rows, scale.slice(), shift.slice());
        let (out, normalised) = if tracked {
            (copied(&out, ROWS * size, |_, rows| scaled(rows)), Some(Values::new(out, x.shape())))
        } else {
            out.par_chunks_mut(ROWS * size).for_each(scaled);
            (out, None)
        };
        let kept = normalised.map(|normalised| LayerNorm { normalised, inverse, scale: scale.clone() });
        (Values::new(out, x.shape()), kept)
    }) {
        Ok(output) => Tensor::from_dispatch(output),
        Err([x, scale, shift]) => {
            let (scale, shift) = (Tensor::from_dispatch(scale), Tensor::from_dispatch(shift));
            composed(Tensor::from_dispatch(x), scale, shift, epsilon)
        }
    }
}

fn composed(x: Tensor<2>, scale: Tensor<1>, shift: Tensor<1>, epsilon: f32) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1);
    centred / variance.add_scalar(epsilon).sqrt() * scale.unsqueeze() + shift.unsqueeze()
}

/// Normalises every row in place.
pub(crate) fn normalise_rows(rows: &mut [f32], scale: &[f32], shift: &[f32], epsilon: f32) {
    let size = scale.len().max(1);
    let mut inverse = vec![0.0; rows.len() / size];
    standardise(rows, &mut inverse, size, epsilon);
    affine(rows, scale, shift);
}

#[derive(Clone, Debug)]
struct LayerNorm {
    normalised: Values,
    /// 1 / √(variance + ε) of every row.
    inverse: Vec<f32>,
    scale: Values,
}

impl Kernel<3> for LayerNorm {
    fn backward(self, gradient: Values, _needed: [bool; 3]) -> [Option<Values>; 3] {
        let size = gradient.shape()[1];
        let mut dx = gradient.slice().to_vec();
        let sums: Vec<Vec<f32>> = dx
            .par_chunks_mut(ROWS * size)
            .zip(self.normalised.slice().par_chunks(ROWS * size))
            .zip(self.inverse.par_chunks(ROWS))
            .map(|((g, normalised), inverse)| {
                let mut sums = vec![0.0; 2 * size];
                backward(g, normalised, inverse, self.scale.slice(), &mut sums);
                sums
            })
            .collect();
        let mut total = vec![0.0; 2 * size];
        for part in &sums {
            total.iter_mut().zip(part).for_each(|(t, &p)| *t += p);
        }
        let shift = total.split_off(size);
        let dx = Values::new(dx, gradient.shape());
        [Some(dx), Some(Values::new(total, [size])), Some(Values::new(shift, [size]))]
    }
}

vectorized! {
    fn standardise(rows: &mut [f32], inverse: &mut [f32], size: usize, epsilon: f32) {
        for (row, inverse) in rows.chunks_exact_mut(size).zip(inverse) {
            let mean = sum(row) / size as f32;
            row.iter_mut().for_each(|x| *x -= mean);
            *inverse = 1.0 / (dot::<FMA>(row, row) / size as f32 + epsilon).sqrt();
            row.iter_mut().for_each(|x| *x *= *inverse);
        }
    }
}

vectorized! {
    fn affine(rows: &mut [f32], scale: &[f32], shift: &[f32]) {
        for row in rows.chunks_exact_mut(scale.len()) {
            for ((x, &a), &b) in row.iter_mut().zip(scale).zip(shift) {
                *x = *x * a + b;
            }
        }
    }
}

vectorized! {
    /// Turns the gradient of rows into that of the inputs; adds the gradients of scale and shift to `sums`.
    fn backward(rows: &mut [f32], normalised: &[f32], inverse: &[f32], scale: &[f32], sums: &mut [f32]) {
        let size = scale.len();
        let (to_scale, to_shift) = sums.split_at_mut(size);
        for ((g, x), &inverse) in rows.chunks_exact_mut(size).zip(normalised.chunks_exact(size)).zip(inverse) {
            for i in 0..size {
                to_scale[i] += g[i] * x[i];
                to_shift[i] += g[i];
                g[i] *= scale[i];
            }
            let mean = sum(g) / size as f32;
            let slope = dot::<FMA>(g, x) / size as f32;
            for (g, &x) in g.iter_mut().zip(x) {
                *g = (*g - mean - x * slope) * inverse;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::{agree, draw};

    #[test]
    fn equals_burns_composition_and_finite_differences() {
        let n = ROWS + 5;
        agree(
            [draw(n * 19, 1), draw(19, 2), draw(19, 3)],
            |[x, a, b]| layer_norm(x.reshape([n, 19]), a, b, 1e-5).flatten(0, 1),
            |[x, a, b]| composed(x.reshape([n, 19]), a, b, 1e-5).flatten(0, 1),
        );
    }
}
