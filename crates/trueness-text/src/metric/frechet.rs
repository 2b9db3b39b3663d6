//! The Fréchet distance between embedded sentences.
//!
//! Both samples are summarised by Gaussians; the squared 2-Wasserstein distance of these is
//! |μ_r − μ_g|² + Tr(C_r + C_g − 2 (C_r C_g)^½) (Dowson and Landau 1982; Heusel et al. 2017 for images,
//! Semeniuta et al. 2018 for text). The trace of the root is the sum of the roots of the eigenvalues of
//! the symmetric matrix C_r^½ C_g C_r^½.
//!
//! The plug-in value is biased upwards by O(d/n): at equal distributions with d = 32 and n = 1,000 it
//! was .151 in simulation where the truth is 0, with a standard deviation of .013. What is reported is
//! the value with the jackknife's correction of that bias, G·θ − (G−1)·θ̄, and the jackknife's interval.
//! Measured on Gaussian samples with a known distance (150 trials each, level .9, d from 8 to 64, n/d
//! from 1.25 to 60, distances from 0 to large): the bias is gone and the interval covers the truth in
//! .88 to .99 of the trials, most at the null, where it is wider than need be; the interval around the
//! plug-in value covers it in 0 to .86. The corrected value may fall below 0 near the null.

use super::embedding::Embeddings;
use super::embedding::moments::{Moments, eigen, mean};
use crate::error::{Error, Result};
use crate::metric::diversity::random_groups;
use faer::{Mat, MatRef};
use rayon::prelude::*;
use trueness_core::resample::{GROUPS, jackknife};
use trueness_core::{Estimate, Measure, Seed};

/// A Fréchet distance.
#[derive(Clone, Debug, PartialEq)]
pub struct Frechet {
    /// The distance with the jackknife's correction of bias, and its interval.
    pub distance: Estimate,
    /// The plug-in value, which other tools report; biased upwards, so comparable only at equal n.
    pub plug_in: f64,
    /// The embedding and the sizes.
    pub signature: String,
}

impl Frechet {
    /// The distance as a measure, named `frechet`.
    pub fn measure(&self) -> Measure {
        Measure { signature: self.signature.clone(), ..Measure::new("frechet", self.distance.clone()) }
    }
}

/// The Fréchet distance between two samples of embedded sentences. The jackknife's groups are drawn at
/// random from the seed, since the sentences of a file may be ordered, or come round in a cycle.
///
/// # Errors
/// Embeddings of different kinds; on either side no more sentences than dimensions when a twentieth is
/// left out, where covariances are singular and the correction was not measured.
pub fn frechet(reference: &Embeddings, candidate: &Embeddings, seed: Seed) -> Result<Frechet> {
    reference.check_comparable(candidate)?;
    let (n, dims) = (reference.rows().min(candidate.rows()), reference.dims());
    if n - n.div_ceil(GROUPS) <= dims {
        return Err(Error::Input(format!(
            "the Fréchet distance in {dims} dimensions needs more than {} sentences on each side, got {n}",
            dims * GROUPS / (GROUPS - 1)
        )));
    }
    // The same point for both sides, so that it drops out of the difference of the means.
    let about = mean(reference);
    let groups = |side: &Embeddings, name: &str| {
        Moments::groups(side, &random_groups(side.rows(), GROUPS, seed.child("frechet/groups").child(name)), &about)
    };
    let (r, g) = (groups(reference, "reference"), groups(candidate, "candidate"));
    let failed = || Error::Input("the Fréchet distance cannot be had: values are too large".into());
    let (all_r, all_g) = (Moments::total(&r).ok_or_else(failed)?, Moments::total(&g).ok_or_else(failed)?);
    let plug_in = between(&all_r, &all_g).ok_or_else(failed)?;
    // A group leaves both samples at once: they are independent, so their variances add.
    let left_out = (0..GROUPS)
        .into_par_iter()
        .map(|i| between(&all_r.without(&r[i]), &all_g.without(&g[i])))
        .collect::<Option<Vec<f64>>>()
        .ok_or_else(failed)?;
    let count = GROUPS as f64;
    let corrected = count * plug_in - (count - 1.0) * left_out.iter().sum::<f64>() / count;
    let distance = jackknife(corrected, &left_out, n as u64, "sentences");
    let method = format!("{}, bias corrected", distance.method);
    let signature =
        format!("frechet:jackknife|emb:{}|n:{}/{}", reference.signature(), reference.rows(), candidate.rows());
    Ok(Frechet { distance: Estimate { method, ..distance }, plug_in, signature })
}

fn between(r: &Moments, g: &Moments) -> Option<f64> {
    distance(&r.mean(), r.covariance().as_ref(), &g.mean(), g.covariance().as_ref())
}

/// The Fréchet distance between two Gaussians of `d` dimensions: means of length d, covariances of
/// d · d values (symmetric, so rows and columns are the same).
///
/// # Errors
/// Lengths that do not fit; values that are not finite.
pub fn gaussian_distance(mean_r: &[f64], covariance_r: &[f64], mean_g: &[f64], covariance_g: &[f64]) -> Result<f64> {
    let d = mean_r.len();
    if mean_g.len() != d || [covariance_r.len(), covariance_g.len()].iter().any(|&len| Some(len) != d.checked_mul(d)) {
        return Err(Error::Input(format!(
            "expected means of {d} values and covariances of {d}², got {} and {} values for the second mean and the covariances of {} and {}",
            mean_g.len(),
            d,
            covariance_r.len(),
            covariance_g.len()
        )));
    }
    let matrix = |values| MatRef::from_row_major_slice(values, d, d);
    distance(mean_r, matrix(covariance_r), mean_g, matrix(covariance_g))
        .filter(|distance| distance.is_finite())
        .ok_or_else(|| Error::Input("expected finite means and covariances".into()))
}

fn distance(mean_r: &[f64], c_r: MatRef<'_, f64>, mean_g: &[f64], c_g: MatRef<'_, f64>) -> Option<f64> {
    let d = mean_r.len();
    let root = root(c_r)?;
    let product = &root * c_g * &root;
    // Rounding leaves the product a little asymmetric and its smallest eigenvalues a little negative.
    let symmetric = Mat::from_fn(d, d, |i, j| 0.5 * (product[(i, j)] + product[(j, i)]));
    let (values, _) = eigen(symmetric.as_ref())?;
    let shift: f64 = mean_r.iter().zip(mean_g).map(|(r, g)| (r - g) * (r - g)).sum();
    let traces: f64 = (0..d).map(|i| c_r[(i, i)] + c_g[(i, i)]).sum();
    Some(shift + traces - 2.0 * values.iter().map(|value| value.max(0.0).sqrt()).sum::<f64>())
}

/// The symmetric root of a positive semidefinite matrix.
fn root(matrix: MatRef<'_, f64>) -> Option<Mat<f64>> {
    let (values, vectors) = eigen(matrix)?;
    let scaled = Mat::from_fn(values.len(), values.len(), |i, j| vectors[(i, j)] * values[j].max(0.0).sqrt());
    Some(&scaled * vectors.transpose())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};

    fn frechet(reference: &Embeddings, candidate: &Embeddings) -> Result<Frechet> {
        super::frechet(reference, candidate, Seed::new(99))
    }

    /// n Gaussian vectors with independent components of the given means and standard deviations.
    fn gaussian(n: usize, mean: f64, sd: &[f64], seed: Seed) -> Embeddings {
        let mut rng = seed.rng();
        let data = (0..n * sd.len())
            .map(|at| {
                let z: f64 = StandardNormal.sample(&mut rng);
                (mean + sd[at % sd.len()] * z) as f32
            })
            .collect();
        Embeddings::new(n, sd.len(), data, "gaussian").unwrap()
    }

    #[test]
    fn commuting_covariances_have_a_closed_form() {
        // For C_r = diag(a), C_g = diag(b) the distance is |μ_r − μ_g|² + Σ(√a − √b)².
        let (a, b) = ([4.0, 1.0, 0.25], [1.0, 9.0, 0.0]);
        let diagonal = |v: [f64; 3]| [v[0], 0.0, 0.0, 0.0, v[1], 0.0, 0.0, 0.0, v[2]];
        let found = gaussian_distance(&[1.0, 0.0, 0.0], &diagonal(a), &[0.0, 2.0, 0.0], &diagonal(b)).unwrap();
        assert!((found - (5.0 + 1.0 + 4.0 + 0.25)).abs() < 1e-12, "{found}");
        assert!(gaussian_distance(&[1.0], &[1.0], &[1.0, 2.0], &[1.0]).is_err());
        assert!(gaussian_distance(&[f64::NAN], &[1.0], &[1.0], &[1.0]).is_err());
        assert!(gaussian_distance(&[1.0], &[f64::INFINITY], &[1.0], &[1.0]).is_err());
    }

    #[test]
    fn a_sample_is_at_distance_0_from_itself_and_the_distance_is_symmetric() {
        let (x, y) = (gaussian(300, 0.0, &[1.0, 2.0, 0.5], Seed::new(1)), gaussian(300, 0.4, &[1.5; 3], Seed::new(2)));
        assert!(frechet(&x, &x).unwrap().plug_in.abs() < 1e-9);
        let (there, back) = (frechet(&x, &y).unwrap().plug_in, frechet(&y, &x).unwrap().plug_in);
        assert!((there - back).abs() < 1e-9);
    }

    #[test]
    fn the_interval_covers_the_true_distance_as_often_as_it_says() {
        // Eight dimensions, 200 sentences a side: at the null, near it and far from it.
        let sd: Vec<f64> = (0..8).map(|i| (-0.2 * f64::from(i)).exp()).collect();
        for (shift, scale) in [(0.0, 1.0), (0.05, 1.1), (0.5, 1.5)] {
            let wide: Vec<f64> = sd.iter().map(|s| s * scale).collect();
            let truth = 8.0 * shift * shift + sd.iter().map(|s| (s * scale - s).powi(2)).sum::<f64>();
            let trials = 60;
            let found: Vec<Frechet> = (0..trials)
                .map(|i| {
                    let seed = Seed::new(17).nth(i);
                    let x = gaussian(200, 0.0, &sd, seed.child("r"));
                    frechet(&x, &gaussian(200, shift, &wide, seed.child("g"))).unwrap()
                })
                .collect();
            let covered = found.iter().filter(|f| f.distance.covers(truth)).count();
            // A binomial's standard deviation is 2.3 at .9; the jackknife is wide at the null.
            assert!((48..=60).contains(&covered), "{shift}: {covered} of {trials}");
            let mean = |f: fn(&Frechet) -> f64| found.iter().map(f).sum::<f64>() / trials as f64;
            let (plug_in, corrected) = (mean(|f| f.plug_in), mean(|f| f.distance.value.unwrap()));
            assert!((corrected - truth).abs() < 0.5 * (plug_in - truth).abs(), "{truth} {plug_in} {corrected}");
        }
    }

    #[test]
    fn sentences_that_come_round_in_a_cycle_do_not_widen_the_interval() {
        // Rows of period twenty, as of a file that goes through twenty templates: groups by the row's number
        // modulo twenty would each lose one template whole.
        let noise = gaussian(2000, 0.0, &[0.1; 4], Seed::new(3));
        let cycle = |order: &dyn Fn(usize) -> usize| {
            let shifted = noise.data().iter().enumerate().map(|(at, x)| x + (order(at / 4) % 20) as f32);
            Embeddings::new(2000, 4, shifted.collect(), "gaussian").unwrap()
        };
        let width = |a: &Embeddings, b: &Embeddings| {
            let found = frechet(a, b).unwrap().distance;
            found.high.unwrap() - found.low.unwrap()
        };
        let other = gaussian(2000, 9.5, &[6.0; 4], Seed::new(4));
        let (in_turn, in_blocks) = (cycle(&|row| row), cycle(&|row| row / 100));
        let ratio = width(&in_turn, &other) / width(&in_blocks, &other);
        // A jackknife's standard error from twenty groups has a relative standard deviation of about a sixth.
        assert!((0.5..2.0).contains(&ratio), "{ratio}");
    }

    #[test]
    fn too_few_sentences_and_different_embeddings_are_refused() {
        let x = gaussian(10, 0.0, &[1.0; 10], Seed::new(1));
        let error = frechet(&x, &x).unwrap_err().to_string();
        assert!(error.contains("in 10 dimensions needs more than 10 sentences on each side, got 10"), "{error}");
        let y = Embeddings::new(1, 10, vec![0.0; 10], "another").unwrap();
        assert!(frechet(&x, &y).unwrap_err().to_string().contains("gaussian (10 dimensions) and another"));
    }
}
