//! Resampling: intervals for statistics that have no formula.
//!
//! Choose by the statistic. A mean over independent sentences is bootstrapped. A statistic that
//! compares sentences with each other (self-BLEU, distinct-n) is jackknifed by groups or taken on
//! disjoint batches, since a bootstrap would put copies of a sentence among its own references.

use crate::estimate::{Estimate, LEVEL, mean_sd, student_quantile};
use crate::seed::Seed;
use rand::RngExt;
use rayon::prelude::*;

/// How many resamples a bootstrap takes unless a caller says otherwise.
pub const RESAMPLES: usize = 1000;

/// How many groups a jackknife leaves out in turn unless a caller says otherwise.
pub const GROUPS: usize = 20;

/// `resamples` bootstrap replicates of a statistic of `n` observations, in order of their number.
/// `statistic` gets the n indices of one resample. Each replicate has a stream of its own, so the
/// result does not depend on the number of threads.
pub fn bootstrap<T: Send>(n: usize, resamples: usize, seed: Seed, statistic: impl Fn(&[u32]) -> T + Sync) -> Vec<T> {
    (0..resamples)
        .into_par_iter()
        .map_init(
            || vec![0u32; n],
            |indices, replicate| {
                let mut rng = seed.nth(replicate as u64).rng();
                indices.fill_with(|| rng.random_range(0..n as u32));
                statistic(indices)
            },
        )
        .collect()
}

/// Like [`bootstrap`], for a statistic of two independent samples of `n` and `m` observations. The
/// statistic gets how often each observation of either sample was drawn.
pub fn bootstrap_pair<T: Send>(
    n: usize,
    m: usize,
    resamples: usize,
    seed: Seed,
    statistic: impl Fn(&[u32], &[u32]) -> T + Sync,
) -> Vec<T> {
    let draw = |counts: &mut [u32], rng: &mut crate::Rng| {
        counts.fill(0);
        let len = counts.len();
        (0..len).for_each(|_| counts[rng.random_range(0..len)] += 1);
    };
    (0..resamples)
        .into_par_iter()
        .map_init(
            || (vec![0u32; n], vec![0u32; m]),
            |(a, b), replicate| {
                let mut rng = seed.nth(replicate as u64).rng();
                draw(a, &mut rng);
                draw(b, &mut rng);
                statistic(a, b)
            },
        )
        .collect()
}

/// The percentile interval of bootstrap replicates at [`LEVEL`]: `(low, high)`.
pub fn percentile_interval(replicates: &[f64]) -> (f64, f64) {
    let mut sorted: Vec<f64> = replicates.iter().copied().filter(|x| x.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let tail = (1.0 - LEVEL) / 2.0;
    (quantile_sorted(&sorted, tail), quantile_sorted(&sorted, 1.0 - tail))
}

/// The quantile of sorted values by linear interpolation; NaN for none.
pub fn quantile_sorted(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

/// The mean of independent observations with the bootstrap's percentile interval.
pub fn bootstrap_mean(values: &[f64], resamples: usize, seed: Seed, what: &str) -> Estimate {
    if values.is_empty() {
        return Estimate::missing("no observations");
    }
    let n = values.len();
    let replicates =
        bootstrap(n, resamples, seed, |indices| indices.iter().map(|&i| values[i as usize]).sum::<f64>() / n as f64);
    let (low, high) = percentile_interval(&replicates);
    Estimate::interval(mean_sd(values).0, low, high, n as u64, format!("bootstrap over {what}, {resamples} resamples"))
}

/// The delete-a-group jackknife: the statistic on everything, and the statistic with each group of
/// observations left out in turn. The standard error is √((G−1)/G · Σ(θ₍g₎ − θ̄)²); the interval is
/// Student's with G − 1 degrees of freedom.
pub fn jackknife(full: f64, left_out: &[f64], n: u64, what: &str) -> Estimate {
    let groups = left_out.len();
    if groups < 2 {
        return Estimate::missing("too few groups for a jackknife");
    }
    let mean = left_out.iter().sum::<f64>() / groups as f64;
    let squares = left_out.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
    let half = student_quantile(LEVEL, (groups - 1) as f64) * (squares * (groups - 1) as f64 / groups as f64).sqrt();
    Estimate::interval(full, full - half, full + half, n, format!("jackknife over {groups} groups of {what}"))
}

/// Disjoint batches: the statistic on everything, and the statistic on each of B disjoint batches of
/// n/B observations. The standard error at n is the batches' standard deviation over √B, which holds
/// where the variance falls as 1/n; the level of the statistic itself may depend on n, and the
/// interval is put around the value at n.
pub fn batches(full: f64, batch_values: &[f64], n: u64, what: &str) -> Estimate {
    let count = batch_values.len();
    if count < 2 {
        return Estimate::missing("too few batches");
    }
    let (_, sd) = mean_sd(batch_values);
    let half = student_quantile(LEVEL, (count - 1) as f64) * sd / (count as f64).sqrt();
    Estimate::interval(full, full - half, full + half, n, format!("{count} disjoint batches of {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::seq::SliceRandom;

    fn uniform(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = Seed::new(seed).rng();
        (0..n).map(|_| rng.random::<f64>()).collect()
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile_sorted(&[1.0, 2.0, 3.0], 0.75), 2.5);
        assert!(quantile_sorted(&[], 0.5).is_nan());
    }

    #[test]
    fn the_jackknife_of_a_mean_is_its_standard_error() {
        // For groups of one observation the jackknife's standard error of a mean is exactly s/√n.
        let values = uniform(50, 1);
        let total: f64 = values.iter().sum();
        let left_out: Vec<f64> = values.iter().map(|x| (total - x) / 49.0).collect();
        let estimate = jackknife(total / 50.0, &left_out, 50, "values");
        let direct = Estimate::mean(&values, "");
        assert!((estimate.low.unwrap() - direct.low.unwrap()).abs() < 1e-12);
        assert!((estimate.high.unwrap() - direct.high.unwrap()).abs() < 1e-12);
    }

    #[test]
    fn the_bootstrap_covers_the_true_mean_as_often_as_it_says() {
        let covered = (0..400)
            .filter(|&i| bootstrap_mean(&uniform(60, 1000 + i), 300, Seed::new(i), "values").covers(0.5))
            .count();
        // 400 trials at .9: a binomial's standard deviation is 6, and 60 values cost about a point.
        assert!((336..=384).contains(&covered), "{covered} of 400");
    }

    #[test]
    fn replicates_do_not_depend_on_the_number_of_threads() {
        let values = uniform(100, 5);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bootstrap_mean(&values, 200, Seed::new(9), "values"))
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn batches_ignore_the_order_of_batches() {
        let mut values = uniform(20, 2);
        let first = batches(0.5, &values, 100, "x");
        values.shuffle(&mut Seed::new(1).rng());
        let second = batches(0.5, &values, 100, "x");
        assert!((first.low.unwrap() - second.low.unwrap()).abs() < 1e-12);
    }
}
