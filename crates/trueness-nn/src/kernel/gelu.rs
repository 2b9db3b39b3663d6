//! The Gaussian error linear unit, in GPT-2's form.

use super::node::{self, Kernel, Values};
use super::simd::{copied, multiply_add, tanh, vectorized};
use burn::tensor::Tensor;

/// Elements that one task works on; fixed, though nothing is summed.
const CHUNK: usize = 1 << 14;
/// √(2/π).
const SCALE: f32 = 0.797_884_6;
const CUBE: f32 = 0.044_715;

/// ½x (1 + tanh(√(2/π)(x + .044715 x³))): Hendrycks and Gimpel 2016, the approximation that GPT-2 uses
/// (`gelu_new` in `transformers`).
pub fn gelu(x: Tensor<2>) -> Tensor<2> {
    match node::run([x.into_dispatch()], |[x], tracked| {
        let out = copied(x.slice(), CHUNK, |_, xs| gelu_rows(xs));
        (Values::new(out, x.shape()), tracked.then(|| Gelu(x.clone())))
    }) {
        Ok(output) => Tensor::from_dispatch(output),
        Err([x]) => composed(Tensor::from_dispatch(x)),
    }
}

fn composed(x: Tensor<2>) -> Tensor<2> {
    let inner = (x.clone() + x.clone().powi_scalar(3).mul_scalar(CUBE)).mul_scalar(SCALE);
    x.mul_scalar(0.5) * inner.tanh().add_scalar(1.0)
}

#[derive(Clone, Debug)]
struct Gelu(Values);

impl Kernel<1> for Gelu {
    fn backward(self, gradient: Values, _needed: [bool; 1]) -> [Option<Values>; 1] {
        let xs = self.0.slice();
        let out = copied(gradient.slice(), CHUNK, |i, g| backward(g, &xs[i * CHUNK..]));
        [Some(Values::new(out, gradient.shape()))]
    }
}

vectorized! {
    /// The unit in place, on the calling thread.
    pub(crate) fn gelu_rows(xs: &mut [f32]) {
        for x in xs {
            let cube = multiply_add::<FMA>(CUBE * *x * *x, *x, *x);
            *x *= 0.5 * (1.0 + tanh::<FMA>(SCALE * cube));
        }
    }
}

vectorized! {
    fn backward(gradient: &mut [f32], xs: &[f32]) {
        for (g, &x) in gradient.iter_mut().zip(xs) {
            let t = tanh::<FMA>(SCALE * multiply_add::<FMA>(CUBE * x * x, x, x));
            let inner = SCALE * multiply_add::<FMA>(3.0 * CUBE * x, x, 1.0);
            *g *= 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::{agree, draw};

    #[test]
    fn equals_burns_composition_and_finite_differences() {
        let xs: Vec<f32> = draw(300, 1).into_iter().map(|x| 4.0 * x).collect();
        agree([xs], |[x]| gelu(x.reshape([3, 100])).flatten(0, 1), |[x]| composed(x.reshape([3, 100])).flatten(0, 1));
    }
}
