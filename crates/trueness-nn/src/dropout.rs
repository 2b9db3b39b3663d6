//! Dropout with masks from a [`Seed`].

use burn::tensor::{Tensor, TensorData};
use rand::Rng as _;
use rayon::prelude::*;
use trueness_core::Seed;

/// Elements per stream. Fixed, so that a mask does not depend on the number of threads.
const CHUNK: usize = 1 << 14;

/// Keeps each element with probability `keep` and divides it by `keep`, else puts 0 there, so that
/// expected values stay (Srivastava et al. 2014, in the inverted form).
///
/// `keep` is in (0, 1]; at 1 or above the tensor comes back untouched. The mask depends on the seed and
/// the shape alone, so a caller passes another seed for every layer and every step.
pub fn dropout<const D: usize>(x: Tensor<D>, keep: f64, seed: Seed) -> Tensor<D> {
    if keep >= 1.0 {
        return x;
    }
    let shape = x.dims();
    let mask = TensorData::new(mask(shape.iter().product(), keep, seed), shape);
    let mask = Tensor::from_data(mask, &x.device());
    x * mask
}

/// `n` factors, each 1/`keep` or 0.
pub(crate) fn mask(n: usize, keep: f64, seed: Seed) -> Vec<f32> {
    // A draw of 32 bits below the threshold keeps; the rounding is less than 2⁻³².
    let threshold = (keep * 2f64.powi(32)) as u64;
    let scale = (1.0 / keep) as f32;
    let mut mask = vec![0.0; n];
    mask.par_chunks_mut(CHUNK).enumerate().for_each(|(i, chunk)| {
        let mut rng = seed.nth(i as u64).rng();
        for factor in chunk {
            if u64::from(rng.next_u32()) < threshold {
                *factor = scale;
            }
        }
    });
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_share_is_a_binomial_one() {
        let n = 100_000;
        let mask = mask(n, 0.75, Seed::new(3));
        let kept = mask.iter().filter(|&&x| x != 0.0).count() as f64;
        let sd = (n as f64 * 0.75 * 0.25).sqrt();
        assert!((kept - 0.75 * n as f64).abs() < 4.0 * sd, "{kept}");
        assert!(mask.iter().all(|&x| x == 0.0 || x == 4.0 / 3.0));
    }

    #[test]
    fn masks_do_not_depend_on_threads() {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| mask(3 * CHUNK + 17, 0.5, Seed::new(8)))
        };
        assert_eq!(on(1), on(3));
    }

    #[test]
    fn keeping_all_changes_nothing() {
        let device = crate::device::parse("cpu").unwrap();
        let x = Tensor::<1>::from_floats([1.0, -2.0], &device);
        assert_eq!(dropout(x, 1.0, Seed::new(1)).to_data().try_to_vec::<f32>().unwrap(), [1.0, -2.0]);
    }
}
