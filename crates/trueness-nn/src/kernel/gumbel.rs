//! Softened draws from the laws of logits: the Gumbel-softmax.

use super::cross_entropy::softmax_in_place;
use super::node::{self, Kernel, Values};
use super::simd::{dot, gumbel, max, vectorized};
use burn::tensor::{Tensor, TensorData, activation};
use rand::Rng as _;
use rayon::prelude::*;
use trueness_core::{Error, Result, Rng};

/// What writes the noise of a row, given its number: [`gumbel_noise`], or numbers that are known.
pub type Noise<'a> = &'a (dyn Fn(usize, &mut [f32]) + Sync);

/// softmax(β(logits + noise)) of every row of `[n, classes]`, and the class of each row's largest sum, the first of equals (Jang, Gu and
/// Poole 2017; Maddison, Mnih and Teh 2017). With Gumbel noise that class is a draw from softmax(logits), of which the softmax is the
/// softened form. A row whose class is `fixed` is 1 there and 0 elsewhere, whatever its logits are. `fixed` has n entries.
///
/// # Errors
/// [`Error::Failed`] if a device other than the CPU does not hand its logits out.
pub fn gumbel_softmax(
    logits: Tensor<2>,
    beta: f32,
    fixed: &[Option<u32>],
    noise: Noise<'_>,
) -> Result<(Tensor<2>, Vec<u32>)> {
    let [n, classes] = logits.dims();
    assert!(fixed.len() == n, "a softened draw says of every row whether it is fixed");
    assert!(fixed.iter().flatten().all(|&class| (class as usize) < classes), "a row is fixed to no class");
    let mut drawn = vec![0; n];
    match node::run([logits.into_dispatch()], |[logits], tracked| {
        let mut soft = vec![0.0; n * classes];
        let rows = soft.par_chunks_exact_mut(classes.max(1)).zip(logits.slice().par_chunks_exact(classes.max(1)));
        rows.zip(&mut drawn).enumerate().for_each(|(i, ((row, logits), drawn))| match fixed[i] {
            Some(class) => {
                row[class as usize] = 1.0;
                *drawn = class;
            }
            None => {
                noise(i, row);
                *drawn = soften(row, logits, beta);
            }
        });
        let soft = Values::new(soft, [n, classes]);
        (soft.clone(), tracked.then_some(Softened { soft, beta }))
    }) {
        Ok(output) => Ok((Tensor::from_dispatch(output), drawn)),
        Err([logits]) => composed(Tensor::from_dispatch(logits), beta, fixed, noise),
    }
}

fn composed(logits: Tensor<2>, beta: f32, fixed: &[Option<u32>], noise: Noise<'_>) -> Result<(Tensor<2>, Vec<u32>)> {
    let ([n, classes], device) = (logits.dims(), logits.device());
    let mut all = vec![0.0; n * classes];
    all.par_chunks_exact_mut(classes.max(1)).enumerate().for_each(|(i, row)| noise(i, row));
    let noisy = logits + Tensor::from_data(TensorData::new(all, [n, classes]), &device);
    let sums = noisy.clone().detach().try_into_vec_as::<f32>();
    let sums = sums.map_err(|error| Error::Failed(format!("cannot read logits: {error}")))?;
    let drawn = sums.chunks_exact(classes.max(1)).zip(fixed).map(|(row, fixed)| fixed.unwrap_or_else(|| first(row)));
    let drawn = drawn.collect();
    let mut soft = activation::softmax(noisy.mul_scalar(beta), 1);
    if fixed.iter().any(Option::is_some) {
        let mut ones = vec![0.0; n * classes];
        fixed.iter().enumerate().filter_map(|(i, class)| Some(i * classes + (*class)? as usize)).for_each(|at| {
            ones[at] = 1.0;
        });
        let keep: Vec<f32> = fixed.iter().map(|class| f32::from(u8::from(class.is_none()))).collect();
        let of = |values: Vec<f32>, shape: [usize; 2]| Tensor::<2>::from_data(TensorData::new(values, shape), &device);
        soft = soft * of(keep, [n, 1]) + of(ones, [n, classes]);
    }
    Ok((soft, drawn))
}

/// Where the largest element is, the first of equals.
#[inline(always)]
fn first(row: &[f32]) -> u32 {
    const PART: usize = 64;
    let largest = max(row);
    // Parts are passed over by their largest element, which compilers vectorise.
    let part = row.chunks(PART).position(|part| max(part) == largest).unwrap_or(0);
    let within = row.iter().skip(part * PART).position(|&x| x == largest).unwrap_or(0);
    (part * PART + within) as u32
}

#[derive(Clone, Debug)]
struct Softened {
    soft: Values,
    beta: f32,
}

impl Kernel<1> for Softened {
    fn backward(self, gradient: Values, _needed: [bool; 1]) -> [Option<Values>; 1] {
        let classes = gradient.shape()[1].max(1);
        let mut out = gradient.slice().to_vec();
        // A fixed row is 1 in one place, so that it takes no gradient here either.
        out.par_chunks_exact_mut(classes).zip(self.soft.slice().par_chunks_exact(classes)).for_each(|(row, soft)| {
            backward(row, soft, self.beta);
        });
        [Some(Values::new(out, gradient.shape()))]
    }
}

vectorized! {
    /// Turns a row of noise into softmax(β(logits + noise)); returns where the largest sum is.
    fn soften(row: &mut [f32], logits: &[f32], beta: f32) -> u32 {
        row.iter_mut().zip(logits).for_each(|(x, &logit)| *x += logit);
        let largest = first(row);
        row.iter_mut().for_each(|x| *x *= beta);
        softmax_in_place(row);
        largest
    }
}

vectorized! {
    fn backward(gradient: &mut [f32], soft: &[f32], beta: f32) {
        let mean = dot::<FMA>(gradient, soft);
        for (g, &p) in gradient.iter_mut().zip(soft) {
            *g = beta * p * (*g - mean);
        }
    }
}

/// Draws from the standard Gumbel law: −log(−log u) for u uniform over (0, 1), of which 32 bits are drawn.
pub fn gumbel_noise(rng: &mut Rng, into: &mut [f32]) {
    let mut bits = [0; 256];
    for part in into.chunks_mut(bits.len()) {
        bits[..part.len()].iter_mut().for_each(|bits| *bits = rng.next_u32());
        noise_of(&bits, part);
    }
}

vectorized! {
    fn noise_of(bits: &[u32], into: &mut [f32]) {
        into.iter_mut().zip(bits).for_each(|(x, &bits)| *x = gumbel::<FMA>(bits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::{agree, draw};
    use trueness_core::Seed;

    const CLASSES: usize = 23;

    #[test]
    fn equals_burns_composition_and_finite_differences() {
        let noise = draw(5 * CLASSES, 2);
        let noise = |i: usize, row: &mut [f32]| row.copy_from_slice(&noise[i * CLASSES..][..CLASSES]);
        for fixed in [[None; 5], [None, Some(3), None, None, Some(22)]] {
            let shaped = |x: Tensor<1>| x.reshape([5, CLASSES]);
            agree(
                [draw(5 * CLASSES, 1)],
                |[x]| gumbel_softmax(shaped(x), 2.5, &fixed, &noise).unwrap().0.flatten(0, 1),
                |[x]| composed(shaped(x), 2.5, &fixed, &noise).unwrap().0.flatten(0, 1),
            );
            let device = crate::device::parse("cpu").unwrap();
            let x = shaped(Tensor::from_floats(draw(5 * CLASSES, 1).as_slice(), &device));
            let drawn = gumbel_softmax(x.clone(), 2.5, &fixed, &noise).unwrap().1;
            assert_eq!(drawn, composed(x, 2.5, &fixed, &noise).unwrap().1);
            assert!(fixed.iter().zip(&drawn).all(|(fixed, drawn)| fixed.is_none_or(|class| class == *drawn)));
        }
    }

    #[test]
    fn classes_are_drawn_as_often_as_their_law_says() {
        let (n, law) = (40_000, [0.5_f32, 0.3, 0.15, 0.05]);
        let logits: Vec<f32> = law.iter().map(|p| p.ln()).collect();
        let device = crate::device::parse("cpu").unwrap();
        let logits = Tensor::<2>::from_data(TensorData::new(logits.repeat(n), [n, 4]), &device);
        let noise = |i: usize, row: &mut [f32]| gumbel_noise(&mut Seed::new(1).nth(i as u64).rng(), row);
        let drawn = gumbel_softmax(logits, 1.0, &vec![None; n], &noise).unwrap().1;
        for (class, p) in law.into_iter().enumerate() {
            let share = drawn.iter().filter(|&&drawn| drawn as usize == class).count() as f64 / n as f64;
            let p = f64::from(p);
            let error = (p * (1.0 - p) / n as f64).sqrt();
            assert!((share - p).abs() < 4.0 * error, "class {class}: {share} of {p}");
        }
    }

    #[test]
    fn noise_is_minus_log_of_minus_log() {
        let corners = [0, 1, 2, u32::MAX - 2, u32::MAX - 1, u32::MAX];
        let bits: Vec<u32> = (0..400_000u32).map(|i| i.wrapping_mul(10_737)).chain(corners).collect();
        let mut found = vec![0.0; bits.len()];
        noise_of(&bits, &mut found);
        for (&bits, &found) in bits.iter().zip(&found) {
            let u = (f64::from(bits) + 0.5) / 4_294_967_296.0;
            // ln_1p keeps the digits where u is near 1.
            let exact = -(-(-(4_294_967_295.5 - f64::from(bits)) / 4_294_967_296.0).ln_1p()).ln();
            let error = (f64::from(found) - exact).abs();
            assert!(error < 6e-7 * exact.abs().max(1.0), "{bits} {u}: {found} {exact} {error:e}");
        }
    }
}
