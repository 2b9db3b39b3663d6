//! Functions that are compiled for several instruction sets, of which the best that the machine has is
//! chosen when they are called; and the elementary functions in a form that compilers vectorise.
//!
//! Sums run over a fixed number of lanes, so that a result depends on the instruction set only through
//! fused multiply-add, which rounds once where others round twice.

use rayon::prelude::*;

/// Defines a function whose body is compiled for AVX-512, AVX2 and the plain instruction set of the
/// target. Within the body, the constant `FMA` says whether fused multiply-add is to be used, and is
/// handed to the functions of this module.
macro_rules! vectorized {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $returns:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) $(-> $returns)? {
            #[inline(always)]
            #[allow(clippy::extra_unused_type_parameters, clippy::too_many_arguments)]
            fn body<const FMA: bool>($($arg: $type),*) $(-> $returns)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx512($($arg: $type),*) $(-> $returns)? {
                    body::<true>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn avx2($($arg: $type),*) $(-> $returns)? {
                    body::<true>($($arg),*)
                }
                if $crate::kernel::simd::has_avx512() {
                    // SAFETY: the machine has every feature that the function is compiled for.
                    return unsafe { avx512($($arg),*) };
                }
                if $crate::kernel::simd::has_avx2() {
                    // SAFETY: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}
pub(super) use vectorized;

/// A copy whose parts of `chunk` elements are worked on in place, by all threads of the pool, while they are in
/// the cache.
pub(super) fn copied(xs: &[f32], chunk: usize, work: impl Fn(usize, &mut [f32]) + Send + Sync) -> Vec<f32> {
    let mut out = Vec::with_capacity(xs.len());
    let parts = out.spare_capacity_mut()[..xs.len()].par_chunks_mut(chunk.max(1)).zip(xs.par_chunks(chunk.max(1)));
    parts.enumerate().for_each(|(i, (to, from))| work(i, to.write_copy_of_slice(from)));
    // SAFETY: the parts cover as many elements as `xs` has, and each was written.
    unsafe { out.set_len(xs.len()) };
    out
}

/// Whether the functions compiled for AVX-512 may be called.
#[cfg(target_arch = "x86_64")]
pub(super) fn has_avx512() -> bool {
    allowed("avx512")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && has_avx2()
}

/// Whether the functions compiled for AVX2 may be called.
#[cfg(target_arch = "x86_64")]
pub(super) fn has_avx2() -> bool {
    allowed("avx2") && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Whether an instruction set may be used: always, but for tests, which run themselves again as on lesser
/// machines.
#[cfg(all(target_arch = "x86_64", not(test)))]
#[inline(always)]
fn allowed(_set: &str) -> bool {
    true
}

#[cfg(all(target_arch = "x86_64", test))]
fn allowed(set: &str) -> bool {
    use std::sync::LazyLock;
    static BEST: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("TRUENESS_TEST_INSTRUCTIONS").ok());
    match BEST.as_deref() {
        None => true,
        Some("avx2") => set == "avx2",
        Some(_) => false,
    }
}

/// a·b + c, rounded once where that is one instruction.
#[inline(always)]
pub(super) fn multiply_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// eˣ within a relative error of 4·10⁻⁷, for x clamped to [−87.3, 88].
///
/// x = n ln 2 + r with |r| ≤ ½ ln 2; eʳ is a polynomial of degree 6, fitted at Chebyshev nodes.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    // Adding this number leaves the nearest integer in the lowest bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first of which has few bits, so that its multiples are exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.3, 88.0);
    let shifted = multiply_add::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = multiply_add::<FMA>(n, -LN2_HIGH, x);
    let r = multiply_add::<FMA>(n, -LN2_LOW, r);
    let q = multiply_add::<FMA>(1.393_373_3e-3, r, 8.363_236e-3);
    let q = multiply_add::<FMA>(q, r, 4.166_646_4e-2);
    let q = multiply_add::<FMA>(q, r, 1.666_657_7e-1);
    let q = multiply_add::<FMA>(q, r, 0.5);
    let e = multiply_add::<FMA>(q, r * r, r) + 1.0;
    // 2ⁿ by its exponent bits.
    e * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// The logistic function 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(super) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FMA>(-x))
}

/// The hyperbolic tangent within a relative error of 3·10⁻⁷: an odd polynomial, fitted at Chebyshev
/// nodes, up to |x| = .6, and 1 − 2 / (e²ˣ + 1) beyond.
#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let z = x * x;
    let q = multiply_add::<FMA>(2.373_484_6e-3, z, -8.412_523e-3);
    let q = multiply_add::<FMA>(q, z, 2.178_909_7e-2);
    let q = multiply_add::<FMA>(q, z, -5.396_165_2e-2);
    let q = multiply_add::<FMA>(q, z, 1.333_331_3e-1);
    let q = multiply_add::<FMA>(q, z, -0.333_333_33);
    let near = multiply_add::<FMA>(x * z, q, x);
    let far = 1.0 - 2.0 / (exp::<FMA>(2.0 * x) + 1.0);
    if x.abs() < 0.6 { near } else { far }
}

/// 2 artanh(s) = ln((1 + s) / (1 − s)) within a relative error of 3·10⁻⁷ for |s| ≤ .18, by its series.
#[inline(always)]
fn twice_artanh<const FMA: bool>(s: f32) -> f32 {
    let z = s * s;
    let q = multiply_add::<FMA>(z, 2.0 / 9.0, 2.0 / 7.0);
    let q = multiply_add::<FMA>(q, z, 2.0 / 5.0);
    let q = multiply_add::<FMA>(q, z, 2.0 / 3.0);
    multiply_add::<FMA>(q * z, s, 2.0 * s)
}

/// ln x within a relative error of 4·10⁻⁷, for positive numbers of full precision.
///
/// x = m 2ⁿ with √½ ≤ m < √2, and ln m = 2 artanh((m − 1) / (m + 1)), so that it keeps its digits about 1.
#[inline(always)]
pub(super) fn ln<const FMA: bool>(x: f32) -> f32 {
    // ln 2 in two parts, the first of which has few bits, so that its multiples are exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let bits = x.to_bits().wrapping_sub(std::f32::consts::FRAC_1_SQRT_2.to_bits());
    let n = (bits.cast_signed() >> 23) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff) + std::f32::consts::FRAC_1_SQRT_2.to_bits());
    let log = twice_artanh::<FMA>((m - 1.0) / (m + 1.0));
    multiply_add::<FMA>(n, LN2_HIGH, multiply_add::<FMA>(n, LN2_LOW, log))
}

/// −ln(−ln u) for u = (bits + ½) / 2³², within 6·10⁻⁷ of its size or of 1.
#[inline(always)]
pub(super) fn gumbel<const FMA: bool>(bits: u32) -> f32 {
    // 2⁻³².
    const UNIT: f32 = f32::EPSILON / 512.0;
    let u = (bits as f32 + 0.5) * UNIT;
    // 1 − u, which has more digits than u where u is near 1.
    let rest = (!bits as f32 + 0.5) * UNIT;
    let near = twice_artanh::<FMA>(rest / (2.0 - rest));
    let far = -ln::<FMA>(u);
    -ln::<FMA>(if rest < 0.25 { near } else { far })
}

/// Lanes over which sums run.
const LANES: usize = 16;

/// Folds a slice over [`LANES`] lanes.
#[inline(always)]
fn lanes(xs: &[f32], start: f32, fold: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lane = [start; LANES];
    let (chunks, rest) = xs.as_chunks::<LANES>();
    for chunk in chunks {
        for (l, &x) in lane.iter_mut().zip(chunk) {
            *l = fold(*l, x);
        }
    }
    for (l, &x) in lane.iter_mut().zip(rest) {
        *l = fold(*l, x);
    }
    lane.into_iter().reduce(&fold).unwrap_or(start)
}

/// The sum.
#[inline(always)]
pub(super) fn sum(xs: &[f32]) -> f32 {
    lanes(xs, 0.0, |a, b| a + b)
}

vectorized! {
    /// The sum of a slice.
    pub(crate) fn sum_of(xs: &[f32]) -> f32 {
        sum(xs)
    }
}

/// The largest element; −∞ of none.
#[inline(always)]
pub(super) fn max(xs: &[f32]) -> f32 {
    lanes(xs, f32::NEG_INFINITY, |a, b| if b > a { b } else { a })
}

/// The sum of products.
#[inline(always)]
pub(super) fn dot<const FMA: bool>(xs: &[f32], ys: &[f32]) -> f32 {
    let mut lane = [0.0; LANES];
    let ((a, a_rest), (b, b_rest)) = (xs.as_chunks::<LANES>(), ys.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            lane[i] = multiply_add::<FMA>(a[i], b[i], lane[i]);
        }
    }
    for (i, (&a, &b)) in a_rest.iter().zip(b_rest).enumerate() {
        lane[i] = multiply_add::<FMA>(a, b, lane[i]);
    }
    sum(&lane)
}

/// y ← y + a·x.
#[inline(always)]
pub(super) fn add_scaled<const FMA: bool>(a: f32, xs: &[f32], ys: &mut [f32]) {
    for (y, &x) in ys.iter_mut().zip(xs) {
        *y = multiply_add::<FMA>(a, x, *y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    vectorized! {
        fn all(f: usize, xs: &[f32], ys: &mut [f32]) {
            for (y, &x) in ys.iter_mut().zip(xs) {
                *y = match f {
                    0 => exp::<FMA>(x),
                    1 => tanh::<FMA>(x),
                    2 => sigmoid::<FMA>(x),
                    _ => ln::<FMA>(x),
                };
            }
        }
    }

    #[test]
    fn elementary_functions_are_near_those_in_double_precision() {
        let xs: Vec<f32> = (-200_000..200_000).map(|i| i as f32 * 4e-4).chain([1e-6, -3e-5, 0.0]).collect();
        let exact: [fn(f64) -> f64; 3] = [f64::exp, f64::tanh, |x| 1.0 / (1.0 + (-x).exp())];
        for (which, exact) in exact.into_iter().enumerate() {
            let mut ys = vec![0.0; xs.len()];
            all(which, &xs, &mut ys);
            for (&x, &y) in xs.iter().zip(&ys) {
                let truth = exact(f64::from(x));
                let error = (f64::from(y) - truth).abs() / truth.abs().max(1e-36);
                assert!(x == 0.0 && truth == f64::from(y) || error < 4e-7, "{which} {x}: {y} {truth} {error:e}");
            }
        }
    }

    /// Every kernel passes its tests on machines without AVX-512, and without AVX2 too. The choice is made once
    /// in a process, so that the tests run in others.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn lesser_instruction_sets_pass_the_same_tests() {
        if std::env::var_os("TRUENESS_TEST_INSTRUCTIONS").is_some() {
            return;
        }
        for best in ["avx2", "plain"] {
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["kernel::", "--test-threads", "2"])
                .env("TRUENESS_TEST_INSTRUCTIONS", best)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && !said.contains("running 0 tests"), "{best}: {said}");
        }
    }

    #[test]
    fn logarithms_are_near_those_in_double_precision() {
        let near = (-100_000..100_000).map(|i| 1.0 + i as f32 * 4e-6);
        let xs: Vec<f32> = (-8600..8800).map(|i| (i as f32 * 1e-2).exp()).chain(near).collect();
        let mut ys = vec![0.0; xs.len()];
        all(3, &xs, &mut ys);
        for (&x, &y) in xs.iter().zip(&ys) {
            let truth = f64::from(x).ln();
            assert!((f64::from(y) - truth).abs() <= 4e-7 * truth.abs(), "{x}: {y} {truth}");
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        for x in [-1e30, -100.0, 100.0, 1e30, f32::NEG_INFINITY, f32::INFINITY] {
            assert!(exp::<false>(x).is_finite());
            assert_eq!(tanh::<false>(x), x.signum());
            assert!((sigmoid::<false>(x) - f32::from(x > 0.0)).abs() < 1e-37);
        }
    }

    #[test]
    fn folds_reach_every_element() {
        let xs: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!((sum(&xs), max(&xs), dot::<true>(&xs, &xs)), (666.0, 36.0, 16_206.0));
        assert_eq!(max(&[-3.0, -2.0]), -2.0);
    }
}
