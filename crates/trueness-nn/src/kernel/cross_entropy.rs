//! A linear layer with softmax and cross-entropy, without all of its logits in memory.

use super::linear::add_rows;
use super::node::{self, Kernel, Values};
use super::product::{Matrix, Packed, Start, Threads, product, product_packed};
use super::simd::{exp, max, sum, vectorized};
use burn::backend::DispatchTensor;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use rayon::prelude::*;

/// Logits that are in memory at once, about; whole rows. More rows at a time mean fewer passes over the
/// weights and their gradient, fewer mean that the logits stay in the cache.
const LOGITS: usize = 1 << 21;

/// How the weights of an output layer lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// `[inputs, classes]`, as a linear layer has them.
    InputsByClasses,
    /// `[classes, inputs]`, as an embedding has them that is used again at the output.
    ClassesByInputs,
}

/// The weighted cross-entropy Σᵢ wᵢ · (−log softmax(xᵢ · W + b)\[targetᵢ\]), one element.
///
/// `x` is `[n, inputs]`; `targets` and `weights` have n entries, targets being below the number of
/// classes. A weight of 0 masks a row (padding); weights of 1/n give the mean; rewards give the loss of
/// REINFORCE. Logits are computed some rows at a time, and the gradient with them, so that memory does
/// not grow with n times the number of classes.
pub fn linear_cross_entropy(
    x: Tensor<2>,
    weight: Tensor<2>,
    orientation: Orientation,
    bias: Option<Tensor<1>>,
    targets: &[u32],
    weights: &[f32],
) -> Tensor<1> {
    let n = x.dims()[0];
    assert!(targets.len() == n && weights.len() == n, "cross-entropy needs a target and a weight for every row");
    let rows = Rows { orientation, targets, weights };
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    let back = |x: DispatchTensor, weight: DispatchTensor, bias: Option<DispatchTensor>| {
        rows.composed(Tensor::from_dispatch(x), Tensor::from_dispatch(weight), bias.map(Tensor::from_dispatch))
    };
    match bias {
        Some(bias) => {
            let inputs = [x, weight, bias.into_dispatch()];
            node::run(inputs, |[x, w, b], tracked| rows.run(x, w, Some(b), tracked))
                .map_or_else(|[x, weight, bias]| back(x, weight, Some(bias)), Tensor::from_dispatch)
        }
        None => node::run([x, weight], |[x, w], tracked| rows.run(x, w, None, tracked))
            .map_or_else(|[x, weight]| back(x, weight, None), Tensor::from_dispatch),
    }
}

/// What is asked of the rows.
struct Rows<'a> {
    orientation: Orientation,
    targets: &'a [u32],
    weights: &'a [f32],
}

impl Rows<'_> {
    fn composed(&self, x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<1> {
        let weight = match self.orientation {
            Orientation::InputsByClasses => weight,
            Orientation::ClassesByInputs => weight.transpose(),
        };
        let (n, device) = (self.targets.len(), x.device());
        let logits = x.matmul(weight);
        let logits = match bias {
            Some(bias) => logits + bias.unsqueeze(),
            None => logits,
        };
        let targets: Vec<i32> = self.targets.iter().map(|&target| target.cast_signed()).collect();
        let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [n, 1]), &device);
        let weights = Tensor::<2>::from_data(TensorData::new(self.weights.to_vec(), [n, 1]), &device);
        (log_softmax(logits, 1).gather(1, targets) * weights).sum().neg()
    }

    /// The loss, and with `tracked` its gradient with respect to each input.
    fn run(&self, x: &Values, weight: &Values, bias: Option<&Values>, tracked: bool) -> (Values, Option<Gradients>) {
        let (n, inputs) = (x.shape()[0], x.shape()[1]);
        let transposed = self.orientation == Orientation::ClassesByInputs;
        let [rows, cols] = [weight.shape()[0], weight.shape()[1]];
        let classes = if transposed { rows } else { cols };
        assert!(self.targets.iter().all(|&target| (target as usize) < classes), "a target is no class");
        // The weights as inputs by classes, whichever way they lie.
        let matrix = Matrix::new(weight.slice(), rows, cols);
        let matrix = if transposed { matrix.transposed() } else { matrix };
        // Each piece meets the same weights.
        let packed = Packed::new(matrix, Threads::Pool);
        let back = tracked.then(|| Packed::new(matrix.transposed(), Threads::Pool));
        // Pieces of equal size, so that none is small.
        let pieces = (n * classes).div_ceil(LOGITS).max(1);
        let rows_at_once = n.div_ceil(pieces).max(1);
        let mut logits = vec![0.0; rows_at_once.min(n) * classes];
        let keep = |size: usize| if tracked { vec![0.0; size] } else { Vec::new() };
        let (mut dx, mut dw, mut db) = (keep(n * inputs), keep(inputs * classes), keep(classes));
        let mut loss = 0.0;
        for first in (0..n).step_by(rows_at_once) {
            let count = rows_at_once.min(n - first);
            let logits = &mut logits[..count * classes];
            let part = Matrix::new(&x.slice()[first * inputs..], count, inputs);
            let start = bias.map_or(Start::Zero, |bias| Start::Row(bias.slice()));
            product_packed(start, part, &packed, logits, classes, Threads::Pool);
            let asked = self.targets[first..].iter().zip(&self.weights[first..]);
            let losses: Vec<f32> = logits
                .par_chunks_exact_mut(classes)
                .zip(asked.take(count).collect::<Vec<_>>())
                .map(|(row, (&target, &weight))| {
                    let logit = row[target as usize];
                    let log_sum = softmax_in_place(row);
                    if tracked {
                        scale(row, weight);
                        row[target as usize] -= weight;
                    }
                    weight * (log_sum - logit)
                })
                .collect();
            loss += losses.iter().map(|&l| f64::from(l)).sum::<f64>();
            if let Some(back) = &back {
                let g = Matrix::new(logits, count, classes);
                let into = &mut dx[first * inputs..(first + count) * inputs];
                product_packed(Start::Zero, g, back, into, inputs, Threads::Pool);
                if transposed {
                    product(g.transposed(), part, &mut dw, inputs, true, Threads::Pool);
                } else {
                    product(part.transposed(), g, &mut dw, classes, true, Threads::Pool);
                }
                add_rows(logits, &mut db);
            }
        }
        let kept = tracked.then(|| Gradients {
            x: Values::new(dx, [n, inputs]),
            weight: Values::new(dw, [rows, cols]),
            bias: bias.map(|_| Values::new(db, [classes])),
        });
        (Values::new(vec![loss as f32], [1]), kept)
    }
}

/// The gradient, found together with the loss and multiplied by the upstream one.
#[derive(Clone, Debug)]
struct Gradients {
    x: Values,
    weight: Values,
    bias: Option<Values>,
}

impl Gradients {
    fn times(values: Values, factor: f32) -> Values {
        if factor == 1.0 {
            return values;
        }
        let mut scaled = values.slice().to_vec();
        scale(&mut scaled, factor);
        Values::new(scaled, values.shape())
    }
}

impl Kernel<2> for Gradients {
    fn backward(self, gradient: Values, _needed: [bool; 2]) -> [Option<Values>; 2] {
        let factor = gradient.slice()[0];
        [self.x, self.weight].map(|values| Some(Self::times(values, factor)))
    }
}

impl Kernel<3> for Gradients {
    fn backward(self, gradient: Values, _needed: [bool; 3]) -> [Option<Values>; 3] {
        let factor = gradient.slice()[0];
        [Some(self.x), Some(self.weight), self.bias].map(|values| values.map(|values| Self::times(values, factor)))
    }
}

vectorized! {
    /// Multiplies all by a factor.
    fn scale(row: &mut [f32], factor: f32) {
        row.iter_mut().for_each(|x| *x *= factor);
    }
}

vectorized! {
    /// Replaces logits by their softmax; returns the logarithm of the sum of their exponentials.
    pub(crate) fn softmax_in_place(row: &mut [f32]) -> f32 {
        let largest = max(row);
        for x in row.iter_mut() {
            *x = exp::<FMA>(*x - largest);
        }
        let total = sum(row);
        let factor = 1.0 / total;
        row.iter_mut().for_each(|x| *x *= factor);
        largest + total.ln()
    }
}

vectorized! {
    /// The logarithm of the sum of the exponentials.
    pub(crate) fn log_sum_exp(row: &[f32]) -> f32 {
        let largest = max(row);
        // In pieces that stay in the cache, since nothing is written back.
        let mut total = 0.0;
        let mut piece = [0.0; 512];
        for part in row.chunks(512) {
            for (e, &x) in piece.iter_mut().zip(part) {
                *e = exp::<FMA>(x - largest);
            }
            total += sum(&piece[..part.len()]);
        }
        largest + total.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::{agree, draw};

    #[test]
    fn equals_burns_composition_and_finite_differences() {
        // Some rows are masked.
        let n = 137;
        let targets: Vec<u32> = (0..n as u32).map(|i| i * 7 % 23).collect();
        let weights: Vec<f32> = (0..n).map(|i| if i % 5 == 0 { 0.0 } else { 0.01 * (i % 3) as f32 - 0.005 }).collect();
        for orientation in [Orientation::InputsByClasses, Orientation::ClassesByInputs] {
            let shape = match orientation {
                Orientation::InputsByClasses => [6, 23],
                Orientation::ClassesByInputs => [23, 6],
            };
            let rows = || Rows { orientation, targets: &targets, weights: &weights };
            agree(
                [draw(n * 6, 1), draw(138, 2), draw(23, 3)],
                |[x, w, b]| {
                    let (x, w) = (x.reshape([n, 6]), w.reshape(shape));
                    linear_cross_entropy(x, w, orientation, Some(b), &targets, &weights)
                },
                |[x, w, b]| rows().composed(x.reshape([n, 6]), w.reshape(shape), Some(b)),
            );
            agree(
                [draw(n * 6, 4), draw(138, 5)],
                |[x, w]| {
                    // An upstream gradient other than 1.
                    let (x, w) = (x.reshape([n, 6]), w.reshape(shape));
                    linear_cross_entropy(x, w, orientation, None, &targets, &weights).mul_scalar(3.0)
                },
                |[x, w]| rows().composed(x.reshape([n, 6]), w.reshape(shape), None).mul_scalar(3.0),
            );
        }
    }

    #[test]
    fn pieces_add_up_to_the_whole() {
        // Rows for several pieces: their losses and gradients are those of the rows one by one.
        let (n, classes) = (7, LOGITS / 3);
        let device = crate::device::parse("cpu").unwrap().autodiff();
        let values = draw(n, 1);
        let leaf = |values: &[f32]| {
            Tensor::<2>::from_data(TensorData::new(values.to_vec(), [values.len(), 1]), &device).require_grad()
        };
        let x = leaf(&values);
        let w = Tensor::<1>::from_floats(draw(classes, 2).as_slice(), &device).reshape([1, classes]);
        let targets: Vec<u32> = (0..n as u32).map(|i| i * 1000).collect();
        let loss = |x: Tensor<2>, targets: &[u32]| {
            linear_cross_entropy(x, w.clone(), Orientation::InputsByClasses, None, targets, &vec![1.0; targets.len()])
        };
        let whole = loss(x.clone(), &targets);
        let gradient = x.grad(&whole.clone().backward()).unwrap().into_data().try_to_vec::<f32>().unwrap();
        let mut sum = 0.0;
        for i in 0..n {
            let row = leaf(&values[i..=i]);
            let one = loss(row.clone(), &targets[i..=i]);
            sum += one.clone().into_scalar::<f32>();
            let alone = row.grad(&one.backward()).unwrap().into_scalar::<f32>();
            assert!((alone - gradient[i]).abs() < 1e-4, "{alone} {}", gradient[i]);
        }
        assert!((whole.into_scalar::<f32>() - sum).abs() < 1e-3);
    }

    #[test]
    fn improbable_targets_keep_their_digits() {
        let device = crate::device::parse("cpu").unwrap();
        let x = Tensor::<2>::from_floats([[1.0]], &device);
        let w = Tensor::<2>::from_floats([[200.0, 0.0]], &device);
        let loss = linear_cross_entropy(x, w, Orientation::InputsByClasses, None, &[1], &[1.0]);
        assert_eq!(loss.into_scalar::<f32>(), 200.0);
        assert!((log_sum_exp(&[1000.0; 700]) - 1000.0 - 700f32.ln()).abs() < 1e-4);
    }
}
