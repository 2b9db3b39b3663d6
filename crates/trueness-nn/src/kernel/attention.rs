//! Causal self-attention of several heads.

use super::node::{self, Kernel, Values};
use super::product::{Matrix, Threads, product};
use super::simd::{add_scaled, dot, exp, max, sum, vectorized};
use crate::dropout::mask;
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Tensor, TensorData};
use rayon::prelude::*;
use trueness_core::Seed;

/// Scaled dot-product attention in which each position sees itself and those before it (Vaswani et al.
/// 2017): queries, keys and values side by side, `[batch, time, 3·size]`, to `[batch, time, size]`. The
/// heads lie side by side within each third; their number divides `size`.
///
/// With a seed, each attention probability is kept with probability `keep` and divided by it, else 0.
pub fn causal_attention(qkv: Tensor<3>, heads: usize, keep: f64, seed: Option<Seed>) -> Tensor<3> {
    let [batch, time, wide] = qkv.dims();
    let sizes = Sizes { batch, time, size: wide / 3, heads };
    let factors = seed.filter(|_| keep < 1.0).map(|seed| sizes.factors(keep, seed));
    match node::run([qkv.into_dispatch()], |[qkv], tracked| {
        let mut out = vec![0.0; batch * time * sizes.size];
        let mut probabilities = vec![0.0; batch * sizes.square()];
        out.par_chunks_mut(time * sizes.size)
            .zip(probabilities.par_chunks_mut(sizes.square()))
            .zip(qkv.slice().par_chunks(time * wide))
            .enumerate()
            .for_each(|(b, ((out, probabilities), qkv))| {
                sizes.forward(qkv, sizes.part(&factors, b), probabilities, out)
            });
        let kept = tracked.then(|| Attention { sizes, qkv: qkv.clone(), probabilities, factors: factors.clone() });
        (Values::new(out, [batch, time, sizes.size]), kept)
    }) {
        Ok(output) => Tensor::from_dispatch(output),
        Err([qkv]) => composed(Tensor::from_dispatch(qkv), sizes, factors.as_deref()),
    }
}

fn composed(qkv: Tensor<3>, sizes: Sizes, factors: Option<&[f32]>) -> Tensor<3> {
    let Sizes { batch, time, size, heads } = sizes;
    let device = qkv.device();
    let part = |i: usize| {
        let part = qkv.clone().narrow(2, i * size, size);
        part.reshape([batch, time, heads, size / heads]).swap_dims(1, 2)
    };
    let scores = part(0).matmul(part(1).swap_dims(2, 3)).mul_scalar(sizes.scale());
    let later: Vec<bool> = (0..time * time).map(|i| i % time > i / time).collect();
    let later = Tensor::<2, Bool>::from_data(TensorData::new(later, [time, time]), &device);
    let scores = scores.mask_fill(later.unsqueeze::<4>().expand([batch, heads, time, time]), f32::NEG_INFINITY);
    let probabilities = softmax(scores, 3);
    let probabilities = match factors {
        Some(factors) => {
            let factors = TensorData::new(factors.to_vec(), [batch, heads, time, time]);
            probabilities * Tensor::from_data(factors, &device)
        }
        None => probabilities,
    };
    probabilities.matmul(part(2)).swap_dims(1, 2).reshape([batch, time, size])
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    time: usize,
    size: usize,
    heads: usize,
}

impl Sizes {
    fn scale(&self) -> f32 {
        ((self.size / self.heads) as f32).sqrt().recip()
    }

    /// The probabilities of one sequence.
    fn square(&self) -> usize {
        self.heads * self.time * self.time
    }

    fn factors(&self, keep: f64, seed: Seed) -> Vec<f32> {
        mask(self.batch * self.square(), keep, seed)
    }

    fn part<'a>(&self, factors: &'a Option<Vec<f32>>, b: usize) -> Option<&'a [f32]> {
        factors.as_ref().map(|all| &all[b * self.square()..(b + 1) * self.square()])
    }

    /// Queries, keys or values (0, 1, 2) of a head within one sequence.
    fn of<'a>(&self, qkv: &'a [f32], which: usize, head: usize) -> Matrix<'a> {
        let width = self.size / self.heads;
        Matrix::strided(&qkv[which * self.size + head * width..], self.time, width, 3 * self.size)
    }

    fn forward(&self, qkv: &[f32], factors: Option<&[f32]>, probabilities: &mut [f32], out: &mut [f32]) {
        let Self { time, size, heads, .. } = *self;
        let width = size / heads;
        let mut dropped = Vec::new();
        for (head, p) in probabilities.chunks_exact_mut(time * time).enumerate() {
            let keys = self.of(qkv, 1, head).transposed();
            product(self.of(qkv, 0, head), keys, p, time, false, Threads::One);
            causal_softmax(p, time, self.scale());
            let p = match factors {
                Some(factors) => {
                    let factors = &factors[head * time * time..];
                    dropped.clear();
                    dropped.extend(p.iter().zip(factors).map(|(p, f)| p * f));
                    &dropped
                }
                None => &*p,
            };
            let p = Matrix::new(p, time, time);
            product(p, self.of(qkv, 2, head), &mut out[head * width..], size, false, Threads::One);
        }
    }

    /// `out` becomes the gradient of queries, keys and values of one sequence.
    fn backward(&self, qkv: &[f32], p: &[f32], factors: Option<&[f32]>, gradient: &[f32], out: &mut [f32]) {
        let Self { time, size, heads, .. } = *self;
        let width = size / heads;
        let mut dp = vec![0.0; time * time];
        let mut dropped = Vec::new();
        for (head, p) in p.chunks_exact(time * time).enumerate() {
            let g = Matrix::strided(&gradient[head * width..], time, width, size);
            product(g, self.of(qkv, 2, head).transposed(), &mut dp, time, false, Threads::One);
            let used = match factors {
                Some(factors) => {
                    let factors = &factors[head * time * time..];
                    dropped.clear();
                    dropped.extend(p.iter().zip(factors).map(|(p, f)| p * f));
                    dp.iter_mut().zip(factors).for_each(|(d, f)| *d *= f);
                    &dropped
                }
                None => p,
            };
            let mut put = |which: usize, a: Matrix<'_>, b: Matrix<'_>| {
                let out = &mut out[which * size + head * width..];
                product(a, b, out, 3 * size, false, Threads::One);
            };
            put(2, Matrix::new(used, time, time).transposed(), g);
            softmax_back(&mut dp, p, time, self.scale());
            let ds = Matrix::new(&dp, time, time);
            put(0, ds, self.of(qkv, 1, head));
            put(1, ds.transposed(), self.of(qkv, 0, head));
        }
    }
}

#[derive(Clone, Debug)]
struct Attention {
    sizes: Sizes,
    qkv: Values,
    probabilities: Vec<f32>,
    factors: Option<Vec<f32>>,
}

impl Kernel<1> for Attention {
    fn backward(self, gradient: Values, _needed: [bool; 1]) -> [Option<Values>; 1] {
        let Self { sizes, qkv, probabilities, factors } = self;
        let (one, wide) = (sizes.time * sizes.size, sizes.time * 3 * sizes.size);
        let mut out = vec![0.0; qkv.slice().len()];
        out.par_chunks_mut(wide)
            .zip(qkv.slice().par_chunks(wide))
            .zip(probabilities.par_chunks(sizes.square()).zip(gradient.slice().par_chunks(one)))
            .enumerate()
            .for_each(|(b, ((out, qkv), (p, g)))| sizes.backward(qkv, p, sizes.part(&factors, b), g, out));
        [Some(Values::new(out, qkv.shape()))]
    }
}

/// One query, `[size]`, attends to the keys and values of `n` positions, `[n, size]` each, added to
/// nothing: `out` is overwritten.
pub(crate) fn attend(query: &[f32], keys: &[f32], values: &[f32], heads: usize, out: &mut [f32]) {
    let width = query.len() / heads;
    let mut scores = vec![0.0; keys.len() / query.len()];
    for head in 0..heads {
        let part = head * width..(head + 1) * width;
        attend_head(&query[part.clone()], keys, values, [query.len(), part.start], &mut scores, &mut out[part]);
    }
}

vectorized! {
    fn attend_head(q: &[f32], keys: &[f32], values: &[f32], place: [usize; 2], scores: &mut [f32], out: &mut [f32]) {
        let [stride, offset] = place;
        let scale = 1.0 / (q.len() as f32).sqrt();
        for (i, score) in scores.iter_mut().enumerate() {
            let at = i * stride + offset;
            *score = scale * dot::<FMA>(q, &keys[at..at + q.len()]);
        }
        let largest = max(scores);
        scores.iter_mut().for_each(|s| *s = exp::<FMA>(*s - largest));
        let total = sum(scores);
        out.fill(0.0);
        for (i, &score) in scores.iter().enumerate() {
            let at = i * stride + offset;
            add_scaled::<FMA>(score / total, &values[at..at + q.len()], out);
        }
    }
}

vectorized! {
    /// Softmax of scaled scores over the positions up to one's own; 0 for later ones.
    fn causal_softmax(scores: &mut [f32], time: usize, scale: f32) {
        for (t, row) in scores.chunks_exact_mut(time).enumerate() {
            let (seen, later) = row.split_at_mut(t + 1);
            let largest = max(seen) * scale;
            for s in seen.iter_mut() {
                *s = exp::<FMA>(*s * scale - largest);
            }
            let factor = 1.0 / sum(seen);
            seen.iter_mut().for_each(|s| *s *= factor);
            later.fill(0.0);
        }
    }
}

vectorized! {
    /// The gradient of probabilities becomes that of the unscaled scores.
    fn softmax_back(gradient: &mut [f32], probabilities: &[f32], time: usize, scale: f32) {
        for (g, p) in gradient.chunks_exact_mut(time).zip(probabilities.chunks_exact(time)) {
            let mean = dot::<FMA>(g, p);
            for (g, &p) in g.iter_mut().zip(p) {
                *g = scale * p * (*g - mean);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::{agree, distance, draw};

    #[test]
    fn equals_burns_composition_and_finite_differences() {
        let (batch, time, size, heads) = (3, 5, 8, 2);
        let sizes = Sizes { batch, time, size, heads };
        let shape = [batch, time, 3 * size];
        for keep in [1.0, 0.6] {
            let seed = Seed::new(5);
            let factors = (keep < 1.0).then(|| sizes.factors(keep, seed));
            agree(
                [draw(batch * time * 3 * size, 1).iter().map(|x| 2.0 * x).collect()],
                |[x]| causal_attention(x.reshape(shape), heads, keep, Some(seed)).flatten(0, 2),
                |[x]| composed(x.reshape(shape), sizes, factors.as_deref()).flatten(0, 2),
            );
        }
    }

    #[test]
    fn one_query_after_the_other_equals_all_at_once() {
        let (time, size, heads) = (6, 8, 4);
        let qkv = draw(time * 3 * size, 2);
        let device = crate::device::parse("cpu").unwrap();
        let all = Tensor::<1>::from_floats(qkv.as_slice(), &device).reshape([1, time, 3 * size]);
        let all = causal_attention(all, heads, 1.0, None).into_data().try_to_vec::<f32>().unwrap();
        let part = |t: usize, i: usize| &qkv[(3 * t + i) * size..(3 * t + i + 1) * size];
        let (mut keys, mut values, mut out) = (Vec::new(), Vec::new(), vec![0.0; size]);
        for t in 0..time {
            keys.extend_from_slice(part(t, 1));
            values.extend_from_slice(part(t, 2));
            attend(part(t, 0), &keys, &values, heads, &mut out);
            assert!(distance(&out, &all[t * size..(t + 1) * size]) < 1e-6);
        }
    }
}
