//! The long short-term memory layer.

use super::linear::add_rows;
use super::node::{self, Kernel, Values};
use super::product::{Matrix, Packed, Start, Threads, product_new, product_packed};
use super::simd::{multiply_add, sigmoid, tanh, vectorized};
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid as burn_sigmoid;
use rayon::prelude::*;

/// Sequences that one task carries through all of time, in a small layer. Fixed, so that every sum is the
/// same whatever the number of threads; sequences do not depend on each other.
const SHARD: usize = 32;

/// From this size on, the recurrent weights are worth more than the waiting at every step: all sequences go
/// together, and each product is divided between the threads.
const LARGE: usize = 128;

/// An LSTM layer from a zero state (Hochreiter and Schmidhuber 1997, with forget gates and one bias):
/// `[batch, time, inputs]`, `[inputs, 4·hidden]`, `[hidden, 4·hidden]` and `[4·hidden]` to
/// `[batch, time, hidden]`. The gates lie in the order input, forget, candidate, output:
///
/// c' = σ(f) ⊙ c + σ(i) ⊙ tanh(g), h' = σ(o) ⊙ tanh(c').
pub fn lstm(x: Tensor<3>, weight: Tensor<2>, recurrent: Tensor<2>, bias: Tensor<1>) -> Tensor<3> {
    let inputs = [x.into_dispatch(), weight.into_dispatch(), recurrent.into_dispatch(), bias.into_dispatch()];
    match node::run(inputs, |[x, weight, recurrent, bias], tracked| {
        let sizes = Sizes::of(x, recurrent);
        let Sizes { batch, time, inputs, hidden } = sizes;
        let (shard, _) = sizes.shard();
        let packed = Packed::new(Matrix::new(recurrent.slice(), hidden, 4 * hidden), Threads::Pool);
        let (left, right) =
            (Matrix::new(x.slice(), batch * time, inputs), Matrix::new(weight.slice(), inputs, 4 * hidden));
        let mut gates = product_new(Start::Row(bias.slice()), left, right, Threads::Pool);
        let mut cells = vec![0.0; batch * time * hidden];
        let mut out = vec![0.0; batch * time * hidden];
        gates
            .par_chunks_mut(shard * time * 4 * hidden)
            .zip(cells.par_chunks_mut(shard * time * hidden))
            .zip(out.par_chunks_mut(shard * time * hidden))
            .for_each(|((gates, cells), out)| sizes.forward(gates, cells, out, &packed));
        let out = Values::new(out, [batch, time, hidden]);
        let kept = tracked.then(|| Lstm {
            x: x.clone(),
            weight: weight.clone(),
            recurrent: recurrent.clone(),
            gates,
            cells,
            out: out.clone(),
        });
        (out, kept)
    }) {
        Ok(output) => Tensor::from_dispatch(output),
        Err([x, weight, recurrent, bias]) => composed(
            Tensor::from_dispatch(x),
            Tensor::from_dispatch(weight),
            Tensor::from_dispatch(recurrent),
            Tensor::from_dispatch(bias),
        ),
    }
}

fn composed(x: Tensor<3>, weight: Tensor<2>, recurrent: Tensor<2>, bias: Tensor<1>) -> Tensor<3> {
    let ([batch, time, inputs], [hidden, _]) = (x.dims(), recurrent.dims());
    let all = x.reshape([batch * time, inputs]).matmul(weight) + bias.unsqueeze();
    let all = all.reshape([batch, time, 4 * hidden]);
    let mut h = Tensor::<2>::zeros([batch, hidden], &all.device());
    let mut c = h.clone();
    let mut outputs = Vec::with_capacity(time);
    for t in 0..time {
        let gates = all.clone().narrow(1, t, 1).reshape([batch, 4 * hidden]) + h.matmul(recurrent.clone());
        let gate = |i: usize| gates.clone().narrow(1, i * hidden, hidden);
        c = burn_sigmoid(gate(1)) * c + burn_sigmoid(gate(0)) * gate(2).tanh();
        h = burn_sigmoid(gate(3)) * c.clone().tanh();
        outputs.push(h.clone().unsqueeze_dim::<3>(1));
    }
    Tensor::cat(outputs, 1)
}

/// One step of a layer on plain rows: `gates` holds the inputs' part and bias, `[batch, 4·hidden]`, and
/// is used up; `h` and `c`, `[batch, hidden]`, become the next state. It runs on the calling thread.
pub(crate) fn lstm_step(gates: &mut [f32], h: &mut [f32], c: &mut [f32], recurrent: &Packed, hidden: usize) {
    let batch = h.len() / hidden.max(1);
    let before = Matrix::new(h, batch, hidden);
    product_packed(Start::Result, before, recurrent, gates, 4 * hidden, Threads::One);
    for ((gates, h), c) in
        gates.chunks_exact_mut(4 * hidden).zip(h.chunks_exact_mut(hidden)).zip(c.chunks_exact_mut(hidden))
    {
        step_in_place(gates, c, h);
    }
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    time: usize,
    inputs: usize,
    hidden: usize,
}

impl Sizes {
    /// How many sequences go together, and who computes their products.
    fn shard(&self) -> (usize, Threads) {
        match self.hidden < LARGE {
            true => (SHARD, Threads::One),
            false => (self.batch.max(1), Threads::Pool),
        }
    }

    fn of(x: &Values, recurrent: &Values) -> Self {
        Self { batch: x.shape()[0], time: x.shape()[1], inputs: x.shape()[2], hidden: recurrent.shape()[0] }
    }

    /// Sequences whose cells one task computes.
    fn at_once(rows: usize, threads: Threads) -> usize {
        match threads {
            Threads::Pool => 8,
            Threads::One => rows.max(1),
        }
    }

    /// Carries some sequences through time: `gates` holds the inputs' part and becomes the activations.
    fn forward(&self, gates: &mut [f32], cells: &mut [f32], out: &mut [f32], recurrent: &Packed) {
        let Self { time, hidden, .. } = *self;
        let (_, threads) = self.shard();
        let rows = out.len() / (time * hidden).max(1);
        let at_once = Self::at_once(rows, threads);
        let zeros = vec![0.0; hidden];
        for t in 0..time {
            if t > 0 {
                let before = Matrix::strided(&out[(t - 1) * hidden..], rows, hidden, time * hidden);
                let gates = &mut gates[t * 4 * hidden..];
                product_packed(Start::Result, before, recurrent, gates, time * 4 * hidden, threads);
            }
            let at = t * hidden;
            let sequences = gates.par_chunks_mut(time * 4 * hidden).zip(cells.par_chunks_mut(time * hidden));
            let sequences = sequences.zip(out.par_chunks_mut(time * hidden)).with_min_len(at_once);
            sequences.for_each(|((gates, cells), out)| {
                let (past, present) = cells.split_at_mut(at);
                let before = if t > 0 { &past[at - hidden..] } else { &zeros };
                step(&mut gates[4 * at..4 * (at + hidden)], before, &mut present[..hidden], &mut out[at..at + hidden]);
            });
        }
    }

    /// Carries gradients back through time: `gates` holds the activations and becomes the gradient of
    /// what goes into them. `transposed` is the recurrent weights' transpose.
    fn backward(&self, gates: &mut [f32], cells: &[f32], gradient: &[f32], transposed: &Packed) {
        let Self { time, hidden, .. } = *self;
        let (_, threads) = self.shard();
        let rows = gradient.len() / (time * hidden).max(1);
        let at_once = Self::at_once(rows, threads);
        let zeros = vec![0.0; hidden];
        let mut dh = vec![0.0; rows * hidden];
        let mut dc = vec![0.0; rows * hidden];
        for t in (0..time).rev() {
            if t + 1 < time {
                let after = Matrix::strided(&gates[(t + 1) * 4 * hidden..], rows, 4 * hidden, time * 4 * hidden);
                product_packed(Start::Zero, after, transposed, &mut dh, hidden, threads);
            }
            let (at, one) = (t * hidden, time * hidden);
            let sequences = gates.par_chunks_mut(4 * one).zip(cells.par_chunks(one)).zip(gradient.par_chunks(one));
            let states = dh.par_chunks(hidden).zip(dc.par_chunks_mut(hidden));
            sequences.zip(states).with_min_len(at_once).for_each(|(((gates, cells), gradient), (dh, dc))| {
                let before = if t > 0 { &cells[at - hidden..at] } else { &zeros };
                let gates = &mut gates[4 * at..4 * (at + hidden)];
                step_back(gates, before, &cells[at..at + hidden], &gradient[at..at + hidden], dh, dc);
            });
        }
    }
}

#[derive(Clone, Debug)]
struct Lstm {
    x: Values,
    weight: Values,
    recurrent: Values,
    /// Activations, `[batch, time, 4·hidden]`.
    gates: Vec<f32>,
    /// `[batch, time, hidden]`.
    cells: Vec<f32>,
    out: Values,
}

impl Kernel<4> for Lstm {
    fn backward(self, gradient: Values, needed: [bool; 4]) -> [Option<Values>; 4] {
        let sizes = Sizes::of(&self.x, &self.recurrent);
        let Sizes { batch, time, inputs, hidden } = sizes;
        let (n, wide) = (batch * time, 4 * hidden);
        let (shard, _) = sizes.shard();
        let mut gates = self.gates;
        let recurrent = Matrix::new(self.recurrent.slice(), hidden, wide);
        let transposed = Packed::new(recurrent.transposed(), Threads::Pool);
        gates
            .par_chunks_mut(shard * time * wide)
            .zip(self.cells.par_chunks(shard * time * hidden))
            .zip(gradient.slice().par_chunks(shard * time * hidden))
            .for_each(|((gates, cells), gradient)| sizes.backward(gates, cells, gradient, &transposed));
        let g = Matrix::new(&gates, n, wide);
        let dx = needed[0].then(|| {
            let weight = Matrix::new(self.weight.slice(), inputs, wide);
            let dx = product_new(Start::Zero, g, weight.transposed(), Threads::Pool);
            Values::new(dx, [batch, time, inputs])
        });
        let x = Matrix::new(self.x.slice(), n, inputs);
        let dw = product_new(Start::Zero, x.transposed(), g, Threads::Pool);
        // The states before each step: the outputs one step late, zero at the beginning.
        let mut before = vec![0.0; n * hidden];
        let sequences =
            before.par_chunks_exact_mut(time * hidden).zip(self.out.slice().par_chunks_exact(time * hidden));
        sequences.for_each(|(before, out)| before[hidden..].copy_from_slice(&out[..(time - 1) * hidden]));
        let before = Matrix::new(&before, n, hidden);
        let du = product_new(Start::Zero, before.transposed(), g, Threads::Pool);
        let mut db = vec![0.0; wide];
        add_rows(&gates, &mut db);
        let [dw, du] = [Values::new(dw, [inputs, wide]), Values::new(du, [hidden, wide])];
        [dx, Some(dw), Some(du), Some(Values::new(db, [wide]))]
    }
}

/// The transpose of a matrix of `rows` by `cols`.
pub(super) fn transpose(matrix: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows * cols];
    // In tiles, so that neither side is walked through across the cache.
    const TILE: usize = 16;
    for r in (0..rows).step_by(TILE) {
        for c in (0..cols).step_by(TILE) {
            for i in r..rows.min(r + TILE) {
                for j in c..cols.min(c + TILE) {
                    out[j * rows + i] = matrix[i * cols + j];
                }
            }
        }
    }
    out
}

vectorized! {
    /// The cell: activates the gates in place; the new cell and output follow.
    fn step(gates: &mut [f32], before: &[f32], cell: &mut [f32], out: &mut [f32]) {
        let n = out.len();
        let (i, rest) = gates.split_at_mut(n);
        let (f, rest) = rest.split_at_mut(n);
        let (g, o) = rest.split_at_mut(n);
        let (before, cell, o) = (&before[..n], &mut cell[..n], &mut o[..n]);
        for k in 0..n {
            i[k] = sigmoid::<FMA>(i[k]);
            f[k] = sigmoid::<FMA>(f[k]);
            g[k] = tanh::<FMA>(g[k]);
            o[k] = sigmoid::<FMA>(o[k]);
            cell[k] = multiply_add::<FMA>(f[k], before[k], i[k] * g[k]);
            out[k] = o[k] * tanh::<FMA>(cell[k]);
        }
    }
}

vectorized! {
    /// The cell where nothing is kept for a gradient.
    fn step_in_place(gates: &[f32], cell: &mut [f32], out: &mut [f32]) {
        let n = out.len();
        let (i, rest) = gates.split_at(n);
        let (f, rest) = rest.split_at(n);
        let (g, o) = rest.split_at(n);
        let (cell, o) = (&mut cell[..n], &o[..n]);
        for k in 0..n {
            let kept = sigmoid::<FMA>(f[k]) * cell[k];
            cell[k] = multiply_add::<FMA>(sigmoid::<FMA>(i[k]), tanh::<FMA>(g[k]), kept);
            out[k] = sigmoid::<FMA>(o[k]) * tanh::<FMA>(cell[k]);
        }
    }
}

vectorized! {
    /// The gradient of the cell: `gradient` and `dh` are those of its output, `dc` that of its cell, which
    /// becomes the previous cell's; the activations become the gradients of what went into them.
    fn step_back(gates: &mut [f32], before: &[f32], cell: &[f32], gradient: &[f32], dh: &[f32], dc: &mut [f32]) {
        let n = dc.len();
        let (i, rest) = gates.split_at_mut(n);
        let (f, rest) = rest.split_at_mut(n);
        let (g, o) = rest.split_at_mut(n);
        let (before, cell, gradient, dh, o) = (&before[..n], &cell[..n], &gradient[..n], &dh[..n], &mut o[..n]);
        for k in 0..n {
            let out = gradient[k] + dh[k];
            let t = tanh::<FMA>(cell[k]);
            let c = multiply_add::<FMA>(out * o[k], 1.0 - t * t, dc[k]);
            dc[k] = c * f[k];
            let (a, b, d) = (i[k], f[k], g[k]);
            i[k] = c * d * a * (1.0 - a);
            f[k] = c * before[k] * b * (1.0 - b);
            g[k] = c * a * (1.0 - d * d);
            o[k] = out * t * o[k] * (1.0 - o[k]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::{agree, distance, draw};

    #[test]
    fn equals_burns_composition_and_finite_differences() {
        // More sequences than one task carries.
        for (batch, time, inputs, hidden) in [(SHARD + 3, 5, 4, 6), (2, 1, 3, 17), (5, 3, 4, LARGE)] {
            let shape = |[x, w, u, b]: [Tensor<1>; 4]| {
                let wide = 4 * hidden;
                (x.reshape([batch, time, inputs]), w.reshape([inputs, wide]), u.reshape([hidden, wide]), b)
            };
            agree(
                [
                    draw(batch * time * inputs, 1),
                    draw(inputs * 4 * hidden, 2),
                    draw(hidden * 4 * hidden, 3),
                    draw(4 * hidden, 4),
                ],
                |inputs| {
                    let (x, w, u, b) = shape(inputs);
                    lstm(x, w, u, b).flatten(0, 2)
                },
                |inputs| {
                    let (x, w, u, b) = shape(inputs);
                    composed(x, w, u, b).flatten(0, 2)
                },
            );
        }
    }

    #[test]
    fn steps_one_by_one_equal_the_layer() {
        let (time, hidden) = (4, 5);
        let (x, u) = (draw(3 * time * 4 * hidden, 1), draw(hidden * 4 * hidden, 2));
        let device = crate::device::parse("cpu").unwrap();
        let tensor = |v: &[f32]| Tensor::<1>::from_floats(v, &device);
        // With the unit matrix as weights, the inputs are the gates' own parts.
        let wide = 4 * hidden;
        let whole = lstm(
            tensor(&x).reshape([3, time, wide]),
            Tensor::eye(wide, &device),
            tensor(&u).reshape([hidden, wide]),
            Tensor::zeros([wide], &device),
        );
        let whole = whole.into_data().try_to_vec::<f32>().unwrap();
        let packed = Packed::new(Matrix::new(&u, hidden, wide), Threads::One);
        let (mut h, mut c) = (vec![0.0; 3 * hidden], vec![0.0; 3 * hidden]);
        for t in 0..time {
            let mut gates: Vec<f32> =
                (0..3).flat_map(|b| x[(b * time + t) * wide..(b * time + t + 1) * wide].to_vec()).collect();
            lstm_step(&mut gates, &mut h, &mut c, &packed, hidden);
            for b in 0..3 {
                let at = (b * time + t) * hidden;
                assert!(distance(&h[b * hidden..(b + 1) * hidden], &whole[at..at + hidden]) < 1e-6);
            }
        }
    }
}
