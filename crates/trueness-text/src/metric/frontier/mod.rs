//! The divergence frontier between two texts: MAUVE, MAUVE* and the frontier integral.
//!
//! Written from the published definitions (Pillutla et al. 2021; Liu et al. 2021). Embeddings of both
//! texts are scaled to unit length, reduced to the principal components that hold .9 of the pool's
//! variance, and clustered together by k-means; p and q are the texts' histograms over the clusters.
//! For mixtures r = λp + (1−λ)q the frontier is the curve of (exp(−c·KL(q‖r)), exp(−c·KL(p‖r))), c = 5,
//! with the corners (0, 1) and (1, 0):
//!
//! - `frontier` (MAUVE): the area under the curve, the mean of the areas seen from both axes. 1 for
//!   equal histograms, near 0 for disjoint ones.
//! - `frontier-star` (MAUVE*): the same with ½ added to each count, which lessens the noise of rare
//!   clusters.
//! - `frontier-integral`: 2∫₀¹ λ·KL(p‖r) + (1−λ)·KL(q‖r) dλ in closed form,
//!   Σ (p+q)/2 − pq/(p−q)·ln(p/q). 0 for equal histograms, 1 for disjoint ones.
//!
//! **What the interval holds**: the sampling of sentences given the clustering (a bootstrap of the
//! histograms' counts) and the choice of the clustering (its spread over several seeds). It does not
//! hold the bias of histograms of few sentences per cluster: two samples of one text do not reach
//! 1 (or 0). Values are comparable only at equal numbers of sentences and clusters, and should be read
//! against the same number for real against real. It is wider than need be: at
//! level .9 it held the mean in all of 100 draws of 1,000 sentences from two grammars.

mod quantise;

use super::embedding::Embeddings;
use crate::error::{Error, Result};
use quantise::{k_means, principal_components};
use rand::RngExt;
use rayon::prelude::*;
use trueness_core::{Estimate, Measure, Seed, Watch, mean_sd, normal_quantile};

/// The scale c of the frontier's coordinates.
const SCALE: f64 = 5.0;
/// Mixture weights: this many from [`EDGE`] to 1 − [`EDGE`].
const MIXTURES: usize = 25;
const EDGE: f64 = 1e-6;

/// How the frontier is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontierOptions {
    /// The number of clusters; `None` for max(2, round(n/10)) with the smaller n.
    pub clusters: Option<usize>,
    /// The share of variance that the principal components hold, in (0, 1]. Default: 0.9.
    pub variance: f64,
    /// Starts of k-means, of which the best is kept. Default: 5.
    pub restarts: usize,
    /// The most iterations of each start. Default: 500.
    pub iterations: usize,
    /// How many clusterings with seeds of their own are averaged. Default: 3.
    pub clusterings: usize,
    /// Bootstrap replicates of each clustering's counts. Default: 200.
    pub resamples: usize,
}

impl Default for FrontierOptions {
    fn default() -> Self {
        Self { clusters: None, variance: 0.9, restarts: 5, iterations: 500, clusterings: 3, resamples: 200 }
    }
}

/// The frontier between two texts, summarised three ways.
#[derive(Clone, Debug, PartialEq)]
pub struct Frontier {
    /// MAUVE, in [0, 1]; 1 is equal.
    pub mauve: Estimate,
    /// MAUVE*, in [0, 1]; 1 is equal.
    pub star: Estimate,
    /// The frontier integral, in [0, 1]; 0 is equal.
    pub integral: Estimate,
    /// The curve of the first clustering from (0, 1) to (1, 0): to the right the candidate's share of
    /// exp(−c·KL(q‖r)), upwards the reference's exp(−c·KL(p‖r)).
    pub curve: Vec<[f64; 2]>,
    /// How many clusters there were (the fewest over the clusterings).
    pub clusters: usize,
    /// How many principal components were kept.
    pub dims: usize,
    /// The embedding, the sizes and the settings.
    pub signature: String,
}

impl Frontier {
    /// The three measures `frontier`, `frontier-star` and `frontier-integral`.
    pub fn measures(&self) -> Vec<Measure> {
        [("frontier", &self.mauve), ("frontier-star", &self.star), ("frontier-integral", &self.integral)]
            .map(|(name, estimate)| Measure {
                signature: self.signature.clone(),
                ..Measure::new(name, estimate.clone())
            })
            .to_vec()
    }
}

/// The divergence frontier between a reference and a candidate.
///
/// # Errors
/// Embeddings of different kinds; all of them equal, so that there is nothing to cluster; options
/// outside their ranges; [`trueness_core::Error::Interrupted`] where the watch says so.
pub fn frontier(
    reference: &Embeddings,
    candidate: &Embeddings,
    options: &FrontierOptions,
    seed: Seed,
    watch: &Watch<'_>,
) -> Result<Frontier> {
    reference.check_comparable(candidate)?;
    let n = reference.rows().min(candidate.rows());
    let asked = options.clusters.unwrap_or_else(|| ((n as f64 / 10.0).round() as usize).max(2));
    if asked < 2
        || !(options.variance > 0.0 && options.variance <= 1.0)
        || options.restarts == 0
        || options.clusterings == 0
    {
        return Err(Error::Input(format!(
            "the frontier needs at least two clusters, one start and one clustering and a share of variance in (0, 1], got {options:?}"
        )));
    }
    let points = principal_components(&[reference, candidate], options.variance).ok_or_else(|| {
        Error::Input("the frontier needs embeddings that differ, got one and the same for all sentences".into())
    })?;
    let mut found = Vec::with_capacity(options.clusterings);
    let mut clusters = usize::MAX;
    for i in 0..options.clusterings {
        let seed = seed.child("frontier").nth(i as u64);
        let clustering = k_means(&points, asked, options.restarts, options.iterations, seed.child("k-means"), watch)?;
        let Some(clustering) = clustering else { continue };
        clusters = clusters.min(clustering.k);
        let (p, q) = clustering.labels.split_at(reference.rows());
        found.push(Histograms::new(p, q, clustering.k).summarise(p, q, options.resamples, seed.child("bootstrap")));
        watch.step("frontier", i as u64 + 1, options.clusterings as u64)?;
    }
    let curve = found.first().map(|first| first.curve.clone()).unwrap_or_default();
    let estimate = |which: usize| combine(&found, which, n as u64, options);
    let signature = format!(
        "frontier:k{clusters}|pca:{}|restarts:{}|clusterings:{}|c:{SCALE}|emb:{}|n:{}/{}|seed:{}",
        options.variance,
        options.restarts,
        options.clusterings,
        reference.signature(),
        reference.rows(),
        candidate.rows(),
        seed.to_u53()
    );
    Ok(Frontier {
        mauve: estimate(0),
        star: estimate(1),
        integral: estimate(2),
        curve,
        clusters,
        dims: points.dims,
        signature,
    })
}

/// What one clustering says: MAUVE, MAUVE* and the integral, and their bootstrap variances.
struct Summary {
    values: [f64; 3],
    variances: [f64; 3],
    curve: Vec<[f64; 2]>,
}

/// The mean over clusterings. Its variance is that of the counts, the same sentences in each
/// clustering, and that of the mean of the clusterings.
fn combine(found: &[Summary], which: usize, n: u64, options: &FrontierOptions) -> Estimate {
    let values: Vec<f64> = found.iter().map(|s| s.values[which]).collect();
    let (mean, sd) = mean_sd(&values);
    let counts = found.iter().map(|s| s.variances[which]).sum::<f64>() / found.len() as f64;
    let half = normal_quantile(trueness_core::LEVEL) * (counts + sd * sd / found.len() as f64).sqrt();
    let method = format!(
        "mean of {} clusterings, bootstrap of counts given the clustering ({} resamples) and spread over clusterings",
        found.len(),
        options.resamples
    );
    Estimate::interval(mean, (mean - half).max(0.0), (mean + half).min(1.0), n, method)
}

/// Counts of both texts over the clusters.
#[derive(Clone)]
struct Histograms {
    p: Vec<f64>,
    q: Vec<f64>,
}

impl Histograms {
    fn new(p: &[u32], q: &[u32], k: usize) -> Self {
        let mut histograms = Self { p: vec![0.0; k], q: vec![0.0; k] };
        p.iter().for_each(|&label| histograms.p[label as usize] += 1.0);
        q.iter().for_each(|&label| histograms.q[label as usize] += 1.0);
        histograms
    }

    /// Shares of clusters with `add` added to each count; clusters that are empty on both sides hold
    /// nothing and are left out where nothing is added.
    fn shares(&self, add: f64) -> (Vec<f64>, Vec<f64>) {
        let share = |counts: &[f64]| -> Vec<f64> {
            let total = counts.iter().sum::<f64>() + add * counts.len() as f64;
            counts.iter().map(|count| (count + add) / total).collect()
        };
        (share(&self.p), share(&self.q))
    }

    fn values(&self) -> [f64; 3] {
        let (p, q) = self.shares(0.0);
        let (smooth_p, smooth_q) = self.shares(0.5);
        [area(&curve(&p, &q)), area(&curve(&smooth_p, &smooth_q)), integral(&p, &q)]
    }

    fn summarise(&self, p: &[u32], q: &[u32], resamples: usize, seed: Seed) -> Summary {
        let k = self.p.len();
        let replicates: Vec<[f64; 3]> = (0..resamples)
            .into_par_iter()
            .map(|replicate| {
                let mut rng = seed.nth(replicate as u64).rng();
                let mut counts = Self { p: vec![0.0; k], q: vec![0.0; k] };
                p.iter().for_each(|_| counts.p[p[rng.random_range(0..p.len())] as usize] += 1.0);
                q.iter().for_each(|_| counts.q[q[rng.random_range(0..q.len())] as usize] += 1.0);
                counts.values()
            })
            .collect();
        let variances = [0, 1, 2].map(|which| {
            let values: Vec<f64> = replicates.iter().map(|replicate| replicate[which]).collect();
            mean_sd(&values).1.powi(2)
        });
        let (p, q) = self.shares(0.0);
        Summary { values: self.values(), variances, curve: curve(&p, &q) }
    }
}

/// KL(a‖r) for r = λp + (1−λ)q, in nats; r covers a for λ inside (0, 1).
fn divergence(a: &[f64], p: &[f64], q: &[f64], weight: f64) -> f64 {
    let terms = a.iter().zip(p.iter().zip(q)).filter(|(a, _)| **a > 0.0);
    let sum: f64 = terms.map(|(&a, (&p, &q))| a * (a / (weight * p + (1.0 - weight) * q)).ln()).sum();
    // Rounding can leave a divergence of nearly equal distributions a little below 0.
    sum.max(0.0)
}

/// The curve from (0, 1) to (1, 0), the weight of p falling.
fn curve(p: &[f64], q: &[f64]) -> Vec<[f64; 2]> {
    let point = |i: usize| {
        let weight = 1.0 - EDGE - (1.0 - 2.0 * EDGE) * i as f64 / (MIXTURES - 1) as f64;
        [(-SCALE * divergence(q, p, q, weight)).exp(), (-SCALE * divergence(p, p, q, weight)).exp()]
    };
    std::iter::once([0.0, 1.0]).chain((0..MIXTURES).map(point)).chain([[1.0, 0.0]]).collect()
}

/// The mean of the areas between the curve and either axis, by the trapezoidal rule.
fn area(curve: &[[f64; 2]]) -> f64 {
    let pairs = || curve.windows(2);
    let right: f64 = pairs().map(|w| (w[1][0] - w[0][0]) * (w[1][1] + w[0][1]) / 2.0).sum();
    let up: f64 = pairs().map(|w| (w[0][1] - w[1][1]) * (w[1][0] + w[0][0]) / 2.0).sum();
    ((right + up) / 2.0).clamp(0.0, 1.0)
}

/// The frontier integral in closed form.
fn integral(p: &[f64], q: &[f64]) -> f64 {
    let term = |p: f64, q: f64| {
        if p == q {
            0.0
        } else if p == 0.0 || q == 0.0 {
            (p + q) / 2.0
        } else {
            // Near p = q the difference of nearly equal numbers loses digits; the series
            // p·δ²/6 with δ = (q−p)/p does not.
            let ratio = (q - p) / p;
            if ratio.abs() < 1e-4 { p * ratio * ratio / 6.0 } else { (p + q) / 2.0 - p * q / (p - q) * (p / q).ln() }
        }
    };
    p.iter().zip(q).map(|(&p, &q)| term(p, q)).sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_distr::{Distribution, StandardNormal};
    use trueness_core::{Cancel, Silent};

    fn gaussian(n: usize, dims: usize, shift: f64, seed: u64) -> Embeddings {
        let mut rng = Seed::new(seed).rng();
        let mut draw = || -> f64 { StandardNormal.sample(&mut rng) };
        let data = (0..n * dims).map(|at| (draw() + if at % dims == 0 { shift } else { 0.0 }) as f32).collect();
        Embeddings::new(n, dims, data, "gaussian").unwrap()
    }

    fn compute(p: &Embeddings, q: &Embeddings, options: &FrontierOptions) -> Frontier {
        let cancel = Cancel::default();
        frontier(p, q, options, Seed::new(1), &Watch::new(&cancel, &Silent)).unwrap()
    }

    #[test]
    fn equal_histograms_have_a_full_frontier_and_disjoint_ones_none() {
        let equal = [0.25, 0.75];
        assert!((area(&curve(&equal, &equal)) - 1.0).abs() < 1e-12);
        assert_eq!(integral(&equal, &equal), 0.0);
        let (p, q) = ([1.0, 0.0], [0.0, 1.0]);
        assert_eq!(integral(&p, &q), 1.0);
        // For disjoint ones KL(q‖r) = −ln(1−λ) and KL(p‖r) = −ln λ, so the curve is ((1−λ)^c, λ^c), whose
        // area is c·B(c+1, c) = 5·5!·4!/10! = 1/252 for c = 5; 25 points overestimate it a little.
        let found = area(&curve(&p, &q));
        assert!((found - 1.0 / 252.0).abs() < 2e-4, "{found}");
    }

    proptest! {
        #[test]
        fn the_integral_is_the_integral(p in prop::collection::vec(0u8..20, 2..8), q in prop::collection::vec(0u8..20, 8)) {
            let q = &q[..p.len()];
            let total = |counts: &[u8]| counts.iter().map(|&c| f64::from(c)).sum::<f64>();
            prop_assume!(total(&p) > 0.0 && total(q) > 0.0);
            let share = |counts: &[u8]| counts.iter().map(|&c| f64::from(c) / total(counts)).collect::<Vec<f64>>();
            let (p, q) = (share(&p), share(q));
            // The midpoint rule with 20,000 points.
            let steps = 20_000;
            let sum: f64 = (0..steps).map(|i| {
                let weight = (f64::from(i) + 0.5) / f64::from(steps);
                weight * divergence(&p, &p, &q, weight) + (1.0 - weight) * divergence(&q, &p, &q, weight)
            }).sum();
            let numeric = 2.0 * sum / f64::from(steps);
            prop_assert!((integral(&p, &q) - numeric).abs() < 1e-4, "{} {}", integral(&p, &q), numeric);
            // The curve falls, the area is symmetric.
            let points = curve(&p, &q);
            prop_assert!(points.windows(2).all(|w| w[0][0] <= w[1][0] + 1e-12 && w[0][1] >= w[1][1] - 1e-12));
            prop_assert!((area(&points) - area(&curve(&q, &p))).abs() < 1e-9);
        }
    }

    #[test]
    fn farther_apart_is_less() {
        let options = FrontierOptions { clusterings: 2, restarts: 2, resamples: 50, ..FrontierOptions::default() };
        let real = gaussian(600, 5, 0.0, 1);
        let values: Vec<Frontier> =
            [0.0, 1.0, 3.0].iter().map(|&shift| compute(&real, &gaussian(600, 5, shift, 2), &options)).collect();
        let of = |f: fn(&Frontier) -> &Estimate| values.iter().map(|v| f(v).value.unwrap()).collect::<Vec<f64>>();
        assert!(of(|f| &f.mauve).is_sorted_by(|a, b| a > b));
        assert!(of(|f| &f.star).is_sorted_by(|a, b| a > b));
        assert!(of(|f| &f.integral).is_sorted_by(|a, b| a < b));
        let names: Vec<String> = values[0].measures().into_iter().map(|m| m.name).collect();
        assert_eq!(names, ["frontier", "frontier-star", "frontier-integral"]);
        assert_eq!(values[0].clusters, 60);
        assert!(values[0].mauve.has_interval() && values[0].curve.len() == MIXTURES + 2);
    }

    #[test]
    fn the_result_does_not_depend_on_threads() {
        let (p, q) = (gaussian(300, 4, 0.0, 1), gaussian(250, 4, 0.5, 2));
        let options = FrontierOptions { clusterings: 2, resamples: 40, ..FrontierOptions::default() };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| compute(&p, &q, &options))
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn what_cannot_be_clustered_is_refused_and_work_can_be_stopped() {
        let same = Embeddings::new(30, 2, [1.0, 2.0].repeat(30), "gaussian").unwrap();
        let cancel = Cancel::default();
        let watch = Watch::new(&cancel, &Silent);
        let options = FrontierOptions::default();
        let error = frontier(&same, &same, &options, Seed::new(1), &watch).unwrap_err().to_string();
        assert!(error.contains("embeddings that differ"), "{error}");
        let none = FrontierOptions { clusterings: 0, ..options.clone() };
        assert!(frontier(&same, &same, &none, Seed::new(1), &watch).is_err());
        cancel.cancel();
        let (p, q) = (gaussian(50, 2, 0.0, 1), gaussian(50, 2, 0.0, 2));
        let stopped = frontier(&p, &q, &options, Seed::new(1), &watch).unwrap_err();
        assert!(matches!(stopped, Error::Core(trueness_core::Error::Interrupted)));
    }
}
