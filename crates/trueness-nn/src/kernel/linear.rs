//! The linear layer.

use super::node::{self, Kernel, Values};
use super::product::{Matrix, Packed, Start, Threads, product_new, product_packed};
use super::simd::vectorized;
use burn::tensor::Tensor;
use rayon::prelude::*;

/// `x · weight + bias`: `[n, inputs]`, `[inputs, outputs]` and `[outputs]` to `[n, outputs]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let inputs = [x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()];
    match node::run(inputs, |[x, weight, bias], tracked| {
        let [n, inputs, outputs] = [x.shape()[0], weight.shape()[0], weight.shape()[1]];
        let (left, right) = (Matrix::new(x.slice(), n, inputs), Matrix::new(weight.slice(), inputs, outputs));
        let out = product_new(Start::Row(bias.slice()), left, right, Threads::Pool);
        let kept = tracked.then(|| Linear { x: x.clone(), weight: weight.clone() });
        (Values::new(out, [n, outputs]), kept)
    }) {
        Ok(output) => Tensor::from_dispatch(output),
        Err([x, weight, bias]) => {
            composed(Tensor::from_dispatch(x), Tensor::from_dispatch(weight), Tensor::from_dispatch(bias))
        }
    }
}

/// Burn's linear layer by the kernel.
pub fn apply(layer: &burn::nn::Linear, x: Tensor<2>) -> Tensor<2> {
    match &layer.bias {
        Some(bias) => linear(x, layer.weight.val(), bias.val()),
        None => x.matmul(layer.weight.val()),
    }
}

fn composed(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    x.matmul(weight) + bias.unsqueeze()
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

impl Kernel<3> for Linear {
    fn backward(self, gradient: Values, needed: [bool; 3]) -> [Option<Values>; 3] {
        let (n, inputs) = (self.x.shape()[0], self.x.shape()[1]);
        let outputs = self.weight.shape()[1];
        let g = Matrix::new(gradient.slice(), n, outputs);
        let dx = needed[0].then(|| {
            let weight = Matrix::new(self.weight.slice(), inputs, outputs);
            let dx = product_new(Start::Zero, g, weight.transposed(), Threads::Pool);
            Values::new(dx, [n, inputs])
        });
        let dw = needed[1].then(|| {
            let x = Matrix::new(self.x.slice(), n, inputs);
            let dw = product_new(Start::Zero, x.transposed(), g, Threads::Pool);
            Values::new(dw, [inputs, outputs])
        });
        let db = needed[2].then(|| {
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
        let shape = |[x, w, b]: [Tensor<1>; 3]| (x.reshape([7, 5]), w.reshape([5, 33]), b);
        agree(
            [draw(35, 1), draw(165, 2), draw(33, 3)],
            |inputs| {
                let (x, w, b) = shape(inputs);
                linear(x, w, b).flatten(0, 1)
            },
            |inputs| {
                let (x, w, b) = shape(inputs);
                composed(x, w, b).flatten(0, 1)
            },
        );
    }
}
