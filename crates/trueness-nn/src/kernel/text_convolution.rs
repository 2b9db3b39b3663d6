//! Convolution over tokens with the maximum over time.

use super::lstm::transpose;
use super::node::{self, Kernel, Values};
use super::product::{Matrix, Threads, product};
use super::simd::{add_scaled, vectorized};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use rayon::prelude::*;

/// Rows of windows whose scores are in memory at once, about; whole sentences.
const ROWS: usize = 512;

/// The largest of relu(window · weight + bias) over all windows of `width` vectors: `[batch, time, size]`,
/// `[width·size, filters]` and `[filters]` to `[batch, filters]`. `time` is at least `width`.
///
/// The gradient flows through the first of the largest windows alone, so that its cost does not grow
/// with time.
pub fn convolve_max(x: Tensor<3>, width: usize, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let [batch, time, size] = x.dims();
    assert!((1..=time).contains(&width), "a window of {width} does not fit into {time} tokens");
    let sizes = Sizes { time, size, width, filters: weight.dims()[1] };
    match node::run([x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()], |[x, weight, bias], tracked| {
        let filters = sizes.filters;
        let mut out = vec![0.0; batch * filters];
        let mut places = vec![0u32; batch * filters];
        let sentences = (ROWS / time).max(1);
        out.par_chunks_mut(sentences * filters)
            .zip(places.par_chunks_mut(sentences * filters))
            .zip(x.slice().par_chunks(sentences * time * size))
            .for_each(|((out, places), x)| sizes.forward(x, weight.slice(), bias.slice(), out, places));
        let out = Values::new(out, [batch, filters]);
        let kept =
            tracked.then(|| Convolution { sizes, x: x.clone(), weight: weight.clone(), out: out.clone(), places });
        (out, kept)
    }) {
        Ok(output) => Tensor::from_dispatch(output),
        Err([x, weight, bias]) => {
            let (weight, bias) = (Tensor::from_dispatch(weight), Tensor::from_dispatch(bias));
            composed(Tensor::from_dispatch(x), width, weight, bias)
        }
    }
}

fn composed(x: Tensor<3>, width: usize, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let ([batch, time, size], [_, filters]) = (x.dims(), weight.dims());
    let windows = time - width + 1;
    let shifted = (0..width).map(|i| x.clone().narrow(1, i, windows)).collect();
    let windows_of_x = Tensor::cat(shifted, 2).reshape([batch * windows, width * size]);
    let scores = windows_of_x.matmul(weight).reshape([batch, windows, filters]);
    // Adding a bias and ReLU are monotone, so that they can follow the maximum, where there is less to do.
    relu(scores.max_dim(1).reshape([batch, filters]) + bias.unsqueeze())
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    time: usize,
    size: usize,
    width: usize,
    filters: usize,
}

impl Sizes {
    /// Some sentences: the values, and the places of the largest windows.
    fn forward(&self, x: &[f32], weight: &[f32], bias: &[f32], out: &mut [f32], places: &mut [u32]) {
        let Self { time, size, width, filters } = *self;
        let wide = width * size;
        // Windows overlap in memory as they do in the sentence. Those that reach from one sentence into
        // the next are computed with the others and not looked at.
        let rows = x.len() / size - width + 1;
        let mut scores = vec![0.0; rows * filters];
        let windows = Matrix::strided(x, rows, wide, size);
        product(windows, Matrix::new(weight, wide, filters), &mut scores, filters, false, Threads::One);
        let sentences = out.chunks_exact_mut(filters).zip(places.chunks_exact_mut(filters));
        for (i, (out, places)) in sentences.enumerate() {
            let first = i * time * filters;
            largest(&scores[first..first + (time - width + 1) * filters], bias, out, places);
        }
    }
}

#[derive(Clone, Debug)]
struct Convolution {
    sizes: Sizes,
    x: Values,
    weight: Values,
    out: Values,
    /// The window that won, for every sentence and filter.
    places: Vec<u32>,
}

impl Kernel<3> for Convolution {
    fn backward(self, gradient: Values, needed: [bool; 3]) -> [Option<Values>; 3] {
        let Sizes { time, size, width, filters } = self.sizes;
        let (wide, batch) = (width * size, gradient.shape()[0]);
        // Where ReLU cut off, nothing flows.
        let gated = |(&g, &y): (&f32, &f32)| if y > 0.0 { g } else { 0.0 };
        let g: Vec<f32> = gradient.slice().iter().zip(self.out.slice()).map(gated).collect();
        let (x, places) = (self.x.slice(), &self.places);
        // Each filter's weights side by side.
        let mut dw = vec![0.0; filters * wide];
        dw.par_chunks_mut(wide).enumerate().for_each(|(f, dw)| {
            for b in 0..batch {
                let at = b * filters + f;
                let from = (b * time + places[at] as usize) * size;
                add(g[at], &x[from..from + wide], dw);
            }
        });
        let dx = needed[0].then(|| {
            let weight = transpose(self.weight.slice(), wide, filters);
            let mut dx = vec![0.0; batch * time * size];
            dx.par_chunks_mut(time * size).enumerate().for_each(|(b, dx)| {
                for (f, weight) in weight.chunks_exact(wide).enumerate() {
                    let at = b * filters + f;
                    let from = places[at] as usize * size;
                    add(g[at], weight, &mut dx[from..from + wide]);
                }
            });
            Values::new(dx, [batch, time, size])
        });
        let mut db = vec![0.0; filters];
        super::linear::add_rows(&g, &mut db);
        let dw = Values::new(transpose(&dw, filters, wide), [wide, filters]);
        [dx, Some(dw), Some(Values::new(db, [filters]))]
    }
}

vectorized! {
    fn add(factor: f32, xs: &[f32], ys: &mut [f32]) {
        if factor != 0.0 {
            add_scaled::<FMA>(factor, xs, ys);
        }
    }
}

vectorized! {
    /// The largest score of each column, the first among equals, then bias and ReLU.
    fn largest(scores: &[f32], bias: &[f32], out: &mut [f32], places: &mut [u32]) {
        let n = bias.len();
        out.fill(f32::NEG_INFINITY);
        for (i, row) in scores.chunks_exact(n).enumerate() {
            for k in 0..n {
                // What is no number wins, so that a network that has diverged is seen to have.
                let better = row[k] > out[k] || row[k].is_nan();
                out[k] = if better { row[k] } else { out[k] };
                places[k] = if better { i as u32 } else { places[k] };
            }
        }
        for (y, &b) in out.iter_mut().zip(bias) {
            let sum = *y + b;
            *y = if sum < 0.0 { 0.0 } else { sum };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::{agree_with_step, draw};

    #[test]
    fn equals_burns_composition_and_finite_differences() {
        // More sentences than one task holds, and as few windows as can be.
        for (batch, time, size, width, filters) in [(ROWS / 4 + 3, 4, 3, 2, 5), (3, 6, 2, 6, 7), (2, 5, 4, 1, 3)] {
            let shape =
                |[x, w, b]: [Tensor<1>; 3]| (x.reshape([batch, time, size]), w.reshape([width * size, filters]), b);
            agree_with_step(
                1e-4,
                [draw(batch * time * size, 1), draw(width * size * filters, 2), draw(filters, 3)],
                |inputs| {
                    let (x, w, b) = shape(inputs);
                    convolve_max(x, width, w, b).flatten(0, 1)
                },
                |inputs| {
                    let (x, w, b) = shape(inputs);
                    composed(x, width, w, b).flatten(0, 1)
                },
            );
        }
    }
}
