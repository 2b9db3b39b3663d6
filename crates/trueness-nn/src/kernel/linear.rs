//! The linear layer.

use super::node::{self, Kernel, Values};
use super::product::{Matrix, Packed, Start, Threads, product_new, product_packed};
use super::simd::vectorized;
use burn::backend::DispatchTensor;
use burn::module::Param;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// `x · weight + bias`: `[n, inputs]`, `[inputs, outputs]` and `[outputs]` to `[n, outputs]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    let back = |x: DispatchTensor, weight: DispatchTensor, bias: Option<DispatchTensor>| {
        composed(Tensor::from_dispatch(x), Tensor::from_dispatch(weight), bias.map(Tensor::from_dispatch))
    };
    match bias {
        Some(bias) => {
            node::run([x, weight, bias.into_dispatch()], |[x, w, b], tracked| forward(x, w, Some(b), tracked))
                .map_or_else(|[x, weight, bias]| back(x, weight, Some(bias)), Tensor::from_dispatch)
        }
        None => node::run([x, weight], |[x, w], tracked| forward(x, w, None, tracked))
            .map_or_else(|[x, weight]| back(x, weight, None), Tensor::from_dispatch),
    }
}

fn forward(x: &Values, weight: &Values, bias: Option<&Values>, tracked: bool) -> (Values, Option<Linear>) {
    let [n, inputs, outputs] = [x.shape()[0], weight.shape()[0], weight.shape()[1]];
    let (left, right) = (Matrix::new(x.slice(), n, inputs), Matrix::new(weight.slice(), inputs, outputs));
    let start = bias.map_or(Start::Zero, |bias| Start::Row(bias.slice()));
    let out = product_new(start, left, right, Threads::Pool);
    let kept = tracked.then(|| Linear { x: x.clone(), weight: weight.clone() });
    (Values::new(out, [n, outputs]), kept)
}

/// Burn's linear layer by the kernel.
pub fn apply(layer: &burn::nn::Linear, x: Tensor<2>) -> Tensor<2> {
    linear(x, layer.weight.val(), layer.bias.as_ref().map(Param::val))
}

fn composed(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let product = x.matmul(weight);
    match bias {
        Some(bias) => product + bias.unsqueeze(),
        None => product,
    }
}

/// The layer on plain rows with packed weights, on the calling thread.
pub(crate) fn linear_packed(x: &[f32], weight: &Packed, bias: &[f32], out: &mut [f32]) {
    let n = out.len() / bias.len().max(1);
    let x = Matrix::new(x, n, x.len() / n.max(1));
    product_packed(Start::Row(bias), x, weight, out, bias.len(), Threads::One);
}

/// The sum of the rows, added to `sums`.
pub(super) fn add_rows(rows: &[f32], sums: &mut [f32]) {
    /// Columns that one task adds up.
    const COLUMNS: usize = 512;
    let wide = sums.len().max(1);
    sums.par_chunks_mut(COLUMNS).enumerate().for_each(|(i, sums)| add_columns(rows, wide, i * COLUMNS, sums));
}

vectorized! {
    fn add_columns(rows: &[f32], wide: usize, first: usize, sums: &mut [f32]) {
        for row in rows.chunks_exact(wide) {
            for (sum, &x) in sums.iter_mut().zip(&row[first..]) {
                *sum += x;
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Linear {
    x: Values,
    weight: Values,
}

impl Linear {
    /// The gradients of `x` and `weight`, where they are needed.
    fn products(&self, gradient: &Values, [x, weight]: [bool; 2]) -> [Option<Values>; 2] {
        let (n, inputs) = (self.x.shape()[0], self.x.shape()[1]);
        let outputs = self.weight.shape()[1];
        let g = Matrix::new(gradient.slice(), n, outputs);
        let dx = x.then(|| {
            let weight = Matrix::new(self.weight.slice(), inputs, outputs);
            let dx = product_new(Start::Zero, g, weight.transposed(), Threads::Pool);
            Values::new(dx, [n, inputs])
        });
        let dw = weight.then(|| {
            let x = Matrix::new(self.x.slice(), n, inputs);
            let dw = product_new(Start::Zero, x.transposed(), g, Threads::Pool);
            Values::new(dw, [inputs, outputs])
        });
        [dx, dw]
    }
}

impl Kernel<2> for Linear {
    fn backward(self, gradient: Values, needed: [bool; 2]) -> [Option<Values>; 2] {
        self.products(&gradient, needed)
    }
}

impl Kernel<3> for Linear {
    fn backward(self, gradient: Values, [x, weight, bias]: [bool; 3]) -> [Option<Values>; 3] {
        let [dx, dw] = self.products(&gradient, [x, weight]);
        let db = bias.then(|| {
            let outputs = gradient.shape()[1];
            let mut db = vec![0.0; outputs];
            add_rows(gradient.slice(), &mut db);
            Values::new(db, [outputs])
        });
        [dx, dw, db]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::{agree, draw};

    #[test]
    fn equals_burns_composition_and_finite_differences() {
        let shape = |x: Tensor<1>, w: Tensor<1>| (x.reshape([7, 5]), w.reshape([5, 33]));
        let with = |f: fn(Tensor<2>, Tensor<2>, Option<Tensor<1>>) -> Tensor<2>| {
            move |[x, w, b]: [Tensor<1>; 3]| {
                let (x, w) = shape(x, w);
                f(x, w, Some(b)).flatten(0, 1)
            }
        };
        agree([draw(35, 1), draw(165, 2), draw(33, 3)], with(linear), with(composed));
        let without = |f: fn(Tensor<2>, Tensor<2>, Option<Tensor<1>>) -> Tensor<2>| {
            move |[x, w]: [Tensor<1>; 2]| {
                let (x, w) = shape(x, w);
                f(x, w, None).flatten(0, 1)
            }
        };
        agree([draw(35, 4), draw(165, 5)], without(linear), without(composed));
    }
}
