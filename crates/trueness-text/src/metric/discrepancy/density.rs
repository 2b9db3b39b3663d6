//! Distances from densities that are known.

use trueness_core::{Estimate, LEVEL, mean_sd, normal_quantile, wilson};

/// The largest absolute distance that samples can have, mean D·s of real less that of generated sentences: 1 where D is 1 on all real
/// ones, and ½ more where D is just below ½ on all generated ones. Of distributions it is at most 1.
pub(super) const ABSOLUTE_MOST: f64 = 1.5;

/// The exact distances of two distributions.
#[derive(Clone, Debug, PartialEq)]
pub struct Exact<T> {
    /// DD of the optimal classifier, which is the total variation.
    pub dd: T,
    /// The total variation ½Σ|p−q| by another estimator; equal to `dd` where sentences are listed.
    pub tv: T,
    /// ½Σ(p−q)²/(p+q).
    pub relative: T,
    /// Σ|p−q|·p/(p+q).
    pub absolute: T,
}

/// Brute force over listed sentences: `p[i]` and `q[i]` are the probabilities of sentence i under the
/// real and the generated distribution.
pub fn from_probabilities(p: &[f64], q: &[f64]) -> Exact<f64> {
    let sum =
        |f: fn(f64, f64) -> f64| p.iter().zip(q).filter(|(a, b)| **a + **b > 0.0).map(|(&a, &b)| f(a, b)).sum::<f64>();
    let tv = sum(|a, b| (a - b).abs()) / 2.0;
    Exact {
        dd: tv,
        tv,
        relative: sum(|a, b| (a - b).powi(2) / (a + b)) / 2.0,
        absolute: sum(|a, b| (a - b).abs() * a / (a + b)),
    }
}

/// From samples of both sides with known densities: `real[i]` is log p(x) − log q(x) of the i-th real
/// sentence and `generated[i]` that of the i-th generated one, in nats; +∞ where only the real side
/// can say the sentence, −∞ where only the other can.
///
/// `dd` is the paper's estimator ½(mean_r sgn + mean_g −sgn); `tv` averages the two unbiased
/// estimators E_r(1 − q/p)₊ and E_g(1 − p/q)₊, which has the smaller variance.
pub fn from_densities(real: &[f64], generated: &[f64]) -> Exact<Estimate> {
    if real.is_empty() || generated.is_empty() {
        let none = || Estimate::missing("no sentences");
        return Exact { dd: none(), tv: none(), relative: none(), absolute: none() };
    }
    let sgn = |l: f64| {
        if l > 0.0 {
            1.0
        } else if l < 0.0 {
            -1.0
        } else {
            0.0
        }
    };
    let d = crate::discriminator::sigmoid;
    let of = |on_real: &dyn Fn(f64) -> f64, on_generated: &dyn Fn(f64) -> f64, range: (f64, f64)| {
        let r: Vec<f64> = real.iter().map(|&l| on_real(l)).collect();
        let g: Vec<f64> = generated.iter().map(|&l| on_generated(l)).collect();
        two_means(&r, &g, range, "exact densities on samples of both sides")
    };
    Exact {
        dd: of(&|l| sgn(l) / 2.0, &|l| -sgn(l) / 2.0, (-1.0, 1.0)),
        tv: of(&|l| (1.0 - (-l).exp()).max(0.0) / 2.0, &|l| (1.0 - l.exp()).max(0.0) / 2.0, (0.0, 1.0)),
        relative: of(&d, &|l| -d(l), (-1.0, 1.0)),
        absolute: of(&|l| d(l) * sgn(l), &|l| -d(l) * sgn(l), (-ABSOLUTE_MOST, ABSOLUTE_MOST)),
    }
}

/// Jeffreys' divergence KL(p‖q) + KL(q‖p) in nats per sentence (Jeffreys 1946), from the same log ratios as
/// [`from_densities`]: it goes on growing where the total variation is 1 to all digits. Missing where a sentence of one
/// side is impossible on the other: the divergence is infinite then.
pub fn jeffreys(real: &[f64], generated: &[f64]) -> Estimate {
    if real.is_empty() || generated.is_empty() {
        return Estimate::missing("no sentences");
    }
    let impossible = real.iter().chain(generated).filter(|ratio| !ratio.is_finite()).count();
    if impossible > 0 {
        return Estimate::missing(format!("infinite: {impossible} sentences are impossible on the other side"));
    }
    let (value, error) = sum_of_means(real, &generated.iter().map(|ratio| -ratio).collect::<Vec<f64>>());
    let n = (real.len() + generated.len()) as u64;
    Estimate::normal(value, error, n, "exact densities on samples of both sides").unit("nats/sentence")
}

/// The sum of the means of two independent samples, and its standard error.
fn sum_of_means(a: &[f64], b: &[f64]) -> (f64, f64) {
    let ((ma, sa), (mb, sb)) = (mean_sd(a), mean_sd(b));
    (ma + mb, (sa * sa / a.len() as f64 + sb * sb / b.len() as f64).sqrt())
}

/// The sum of the means of two independent samples, with an interval that stays within a range.
fn two_means(real: &[f64], generated: &[f64], range: (f64, f64), method: &str) -> Estimate {
    let (value, error) = sum_of_means(real, generated);
    bounded(value, error, (real.len() + generated.len()) as f64, range.0, range.1, method)
}

/// An interval for a value in [low, high]: normal inside, Wilson's where the value is so near an end
/// that the normal interval would leave the range or have no width.
pub(super) fn bounded(value: f64, error: f64, n: f64, low: f64, high: f64, method: &str) -> Estimate {
    let half = normal_quantile(LEVEL) * error;
    let (mut a, mut b) = (value - half, value + half);
    if error <= 0.0 || a < low || b > high {
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
        let scaled = error / (high - low);
        let effective =
            if scaled > 0.0 && share > 0.0 && share < 1.0 { share * (1.0 - share) / (scaled * scaled) } else { n };
        let (x, y) = wilson(share, effective.min(n), LEVEL);
        (a, b) = (low + x * (high - low), low + y * (high - low));
    }
    Estimate::interval(value, a.min(value), b.max(value), n as u64, method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::RngExt;
    use trueness_core::Seed;

    proptest! {
        #[test]
        fn listed_sentences_give_the_total_variation(weights in prop::collection::vec((0.0f64..1.0, 0.0f64..1.0), 2..12)) {
            let total = |f: fn(&(f64, f64)) -> f64| weights.iter().map(f).sum::<f64>();
            let (tp, tq) = (total(|w| w.0), total(|w| w.1));
            prop_assume!(tp > 0.1 && tq > 0.1);
            let p: Vec<f64> = weights.iter().map(|w| w.0 / tp).collect();
            let q: Vec<f64> = weights.iter().map(|w| w.1 / tq).collect();
            let exact = from_probabilities(&p, &q);
            // The largest difference of probability over all events, by trying all events.
            let brute = (0u32..1 << p.len())
                .map(|event| (0..p.len()).filter(|i| event >> i & 1 == 1).map(|i| p[i] - q[i]).sum::<f64>())
                .fold(0.0, f64::max);
            prop_assert!((exact.dd - brute).abs() < 1e-12);
        }
    }

    #[test]
    fn sampled_densities_cover_the_exact_values() {
        let (p, q) = ([0.4, 0.3, 0.2, 0.1, 0.0], [0.1, 0.2, 0.3, 0.3, 0.1]);
        // Jeffreys' divergence is infinite there, and finite where both sides say all.
        let everywhere = [0.35, 0.3, 0.2, 0.1, 0.05];
        let divergence: f64 = everywhere.iter().zip(&q).map(|(p, q)| (p - q) * f64::ln(p / q)).sum();
        let exact = from_probabilities(&p, &q);
        let draw = |law: &[f64; 5], rng: &mut trueness_core::Rng| {
            let mut u = rng.random::<f64>();
            law.iter()
                .position(|w| {
                    u -= w;
                    u < 0.0
                })
                .unwrap_or(4)
        };
        let ratio = |i: usize| f64::ln(p[i] / q[i]);
        let mut covered = [0; 4];
        for seed in 0..300 {
            let mut rng = Seed::new(seed).rng();
            let real: Vec<f64> = (0..500).map(|_| ratio(draw(&p, &mut rng))).collect();
            let generated: Vec<f64> = (0..500).map(|_| ratio(draw(&q, &mut rng))).collect();
            let found = from_densities(&real, &generated);
            covered[0] += usize::from(found.dd.covers(exact.dd));
            covered[1] += usize::from(found.tv.covers(exact.tv));
            covered[2] += usize::from(found.relative.covers(exact.relative));
            let mut sides = [&everywhere, &q].map(|law| -> Vec<f64> {
                (0..500).map(|_| draw(law, &mut rng)).map(|i| f64::ln(everywhere[i] / q[i])).collect()
            });
            covered[3] += usize::from(jeffreys(&sides[0], &sides[1]).covers(divergence));
            sides[1][0] = f64::NEG_INFINITY;
            assert_eq!(jeffreys(&sides[0], &sides[1]).value, None, "infinite");
        }
        // 300 trials at .9: the binomial's standard deviation is 5.2.
        assert!(covered.iter().all(|c| (254..=286).contains(c)), "{covered:?}");
    }

    #[test]
    fn disjoint_texts_are_at_distance_one() {
        let found = from_densities(&[f64::INFINITY; 50], &[f64::NEG_INFINITY; 50]);
        assert_eq!((found.dd.value, found.tv.value), (Some(1.0), Some(1.0)));
        assert!(found.dd.low.unwrap() < 1.0, "the interval must not pretend certainty");
    }

    #[test]
    fn the_same_oracle_is_at_distance_zero() {
        let found = from_densities(&[0.0; 50], &[0.0; 50]);
        assert_eq!((found.dd.value, found.tv.value), (Some(0.0), Some(0.0)));
    }
}
