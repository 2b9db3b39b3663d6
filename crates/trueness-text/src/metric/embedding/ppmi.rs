//! PPMI-SVD: word vectors from the reference corpus, sentence vectors as their weighted means.
//!
//! Words within `window` places of each other in a sentence of the *reference* co-occur; the candidate
//! is not looked at, so that one model serves all candidates and their numbers are comparable. With
//! counts #(w,c), #(w) = Σ_c #(w,c) and contexts smoothed by the power .75 (Levy, Goldberg and Dagan
//! 2015), the shifted positive pointwise mutual information is
//!
//! M(w,c) = max(0, log(#(w,c) · Σ_c' #(c')^.75 / (#(w) · #(c)^.75)) − log shift).
//!
//! Word vectors are U·√Σ of its truncated singular value decomposition by random projection with two
//! power iterations (Halko, Martinsson and Tropp 2011, algorithms 4.4 and 5.1). A sentence is the mean
//! of its words' vectors weighted by a/(a + p(w)) (smooth inverse frequency: Arora, Liang and Ma 2017;
//! their removal of the first component is left out, since it depends on what is embedded). Words
//! rarer than `min_count` in the reference, and those that do not stand in it, share one vector.

use super::Embeddings;
use super::moments::eigen;
use crate::corpus::Encoded;
use crate::error::{Error, Result};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use trueness_core::Seed;

/// Directions beyond those asked for, which make the last of those precise.
const OVERSAMPLING: usize = 10;
const POWER_ITERATIONS: usize = 2;
const CONTEXT_POWER: f64 = 0.75;

/// The form of PPMI-SVD embeddings.
#[derive(Clone, Debug, PartialEq)]
pub struct PpmiOptions {
    /// How many places apart words may be to co-occur, at least 1. Default: 5.
    pub window: usize,
    /// The most dimensions, at least 1; fewer where the matrix has a lower rank. Default: 100.
    pub dims: usize,
    /// Words that stand in the reference less often share one vector. Default: 2.
    pub min_count: u32,
    /// The shift (the number of negative samples in the word2vec view), at least 1. Default: 1.
    pub shift: f64,
    /// The a of the weights a/(a + p(w)), above 0. Default: 0.001.
    pub sif: f64,
}

impl Default for PpmiOptions {
    fn default() -> Self {
        Self { window: 5, dims: 100, min_count: 2, shift: 1.0, sif: 1e-3 }
    }
}

/// Word vectors and weights learnt from a reference corpus.
#[derive(Clone, Debug)]
pub struct PpmiSvd {
    /// For each word number its row; numbers beyond are unknown words.
    row: Vec<usize>,
    unknown: usize,
    dims: usize,
    /// Word vectors times their weights, and the weights.
    weighted: Vec<f32>,
    weights: Vec<f32>,
    signature: String,
}

impl PpmiSvd {
    /// Learns word vectors. Candidates have to be encoded with the same vocabulary, which may have
    /// grown meanwhile.
    ///
    /// # Errors
    /// Options outside their ranges; a reference in which no two words co-occur more than by chance.
    pub fn fit(reference: &Encoded, options: &PpmiOptions, seed: Seed) -> Result<Self> {
        let &PpmiOptions { window, dims, min_count, shift, sif } = options;
        if window == 0 || dims == 0 || !(shift >= 1.0 && shift.is_finite()) || !(sif > 0.0 && sif.is_finite()) {
            return Err(Error::Input(format!(
                "expected a window, dimensions and a shift of at least 1 and a weight parameter above 0, got {options:?}"
            )));
        }
        let mut count: Vec<u32> = Vec::new();
        for &word in reference.iter().flatten() {
            if word as usize >= count.len() {
                count.resize(word as usize + 1, 0);
            }
            count[word as usize] = count[word as usize].saturating_add(1);
        }
        let kept = |&word: &usize| count[word] >= min_count.max(1);
        let unknown = (0..count.len()).filter(kept).count();
        let mut row = vec![unknown; count.len()];
        (0..count.len()).filter(kept).enumerate().for_each(|(place, word)| row[word] = place);

        let matrix = ppmi(&cooccurrences(reference, &row, window), unknown + 1, shift);
        let (vectors, dims) = word_vectors(&matrix, dims, seed).ok_or_else(|| {
            Error::Input("PPMI-SVD needs a reference in which words co-occur, got none that do".into())
        })?;

        let mut frequency = vec![0.0f64; unknown + 1];
        row.iter().zip(&count).for_each(|(&row, &count)| frequency[row] += f64::from(count));
        let total = reference.n_tokens() as f64;
        let weights: Vec<f32> = frequency.iter().map(|f| (sif / (sif + f / total)) as f32).collect();
        let weighted = vectors.iter().enumerate().map(|(at, &x)| (x * f64::from(weights[at / dims])) as f32).collect();
        let mut hasher = blake3::Hasher::new();
        for sentence in reference.iter() {
            sentence.iter().for_each(|id| _ = hasher.update(&id.to_le_bytes()));
            hasher.update(&u32::MAX.to_le_bytes());
        }
        let signature = format!(
            "ppmi-svd-w{window}-d{dims}-min{min_count}-shift{shift}-sif{sif}-ref{}-seed{}",
            &hasher.finalize().to_hex()[..8],
            seed.to_u53()
        );
        Ok(Self { row, unknown, dims, weighted, weights, signature })
    }

    /// Embeds sentences; one without words is the zero vector.
    ///
    /// # Errors
    /// No sentences.
    pub fn embed(&self, encoded: &Encoded) -> Result<Embeddings> {
        let mut data = vec![0.0f32; encoded.len() * self.dims];
        data.par_chunks_mut(self.dims).enumerate().for_each(|(i, vector)| {
            let mut weight = 0.0;
            for &word in encoded.sentence(i) {
                let row = self.row.get(word as usize).copied().unwrap_or(self.unknown);
                weight += self.weights[row];
                let word = &self.weighted[row * self.dims..][..self.dims];
                vector.iter_mut().zip(word).for_each(|(x, w)| *x += w);
            }
            if weight > 0.0 {
                vector.iter_mut().for_each(|x| *x /= weight);
            }
        });
        Embeddings::new(encoded.len(), self.dims, data, self.signature.clone())
    }
}

/// How often each ordered pair of rows co-occurs, sorted by pair.
fn cooccurrences(reference: &Encoded, row: &[usize], window: usize) -> Vec<((usize, usize), f64)> {
    let mut counts: FxHashMap<(usize, usize), u64> = FxHashMap::default();
    for sentence in reference.iter() {
        for (i, &word) in sentence.iter().enumerate() {
            for &other in sentence[i + 1..].iter().take(window) {
                let (a, b) = (row[word as usize], row[other as usize]);
                *counts.entry((a, b)).or_default() += 1;
                *counts.entry((b, a)).or_default() += 1;
            }
        }
    }
    let mut pairs: Vec<((usize, usize), f64)> = counts.into_iter().map(|(pair, n)| (pair, n as f64)).collect();
    pairs.sort_unstable_by_key(|&(pair, _)| pair);
    pairs
}

/// A sparse square matrix by rows: columns and values, and the same of its transpose.
struct Sparse {
    rows: Vec<Vec<(usize, f64)>>,
    columns: Vec<Vec<(usize, f64)>>,
}

fn ppmi(pairs: &[((usize, usize), f64)], size: usize, shift: f64) -> Sparse {
    // Co-occurrence is symmetric, so words and contexts have the same marginal counts.
    let mut marginal = vec![0.0f64; size];
    pairs.iter().for_each(|&((word, _), n)| marginal[word] += n);
    let smoothed: Vec<f64> = marginal.iter().map(|n| n.powf(CONTEXT_POWER)).collect();
    let total: f64 = smoothed.iter().sum();
    let mut matrix = Sparse { rows: vec![Vec::new(); size], columns: vec![Vec::new(); size] };
    for &((word, context), n) in pairs {
        let value = (n * total / (marginal[word] * smoothed[context])).ln() - shift.ln();
        if value > 0.0 {
            matrix.rows[word].push((context, value));
            matrix.columns[context].push((word, value));
        }
    }
    matrix
}

/// The product of a sparse matrix, given by its rows, and a dense one. Each row is added in the order
/// of its entries, whatever the threads.
fn product(rows: &[Vec<(usize, f64)>], dense: &Mat<f64>) -> Mat<f64> {
    let width = dense.ncols();
    let result: Vec<Vec<f64>> = rows
        .par_iter()
        .map(|row| {
            let mut sum = vec![0.0; width];
            for &(column, value) in row {
                sum.iter_mut().enumerate().for_each(|(j, x)| *x += value * dense[(column, j)]);
            }
            sum
        })
        .collect();
    Mat::from_fn(rows.len(), width, |i, j| result[i][j])
}

/// U·√Σ row by row, and how many columns it has; `None` for a matrix of zeros.
fn word_vectors(matrix: &Sparse, dims: usize, seed: Seed) -> Option<(Vec<f64>, usize)> {
    let size = matrix.rows.len();
    let width = dims.saturating_add(OVERSAMPLING).min(size);
    let mut rng = seed.child("ppmi-svd/projection").rng();
    let random: Mat<f64> = Mat::from_fn(size, width, |_, _| StandardNormal.sample(&mut rng));
    let mut basis = product(&matrix.rows, &random).qr().compute_thin_Q();
    for _ in 0..POWER_ITERATIONS {
        let back = product(&matrix.columns, &basis).qr().compute_thin_Q();
        basis = product(&matrix.rows, &back).qr().compute_thin_Q();
    }
    // With B = QᵀM, the singular values and left vectors of M are those of Q·B, and BBᵀ is small.
    let transposed = product(&matrix.columns, &basis);
    let mut gram = Mat::<f64>::zeros(width, width);
    matmul(gram.as_mut(), Accum::Replace, transposed.transpose(), transposed.as_ref(), 1.0, Par::Seq);
    let (values, vectors) = eigen(gram.as_ref())?;
    let largest = values.last().copied().unwrap_or(0.0).max(0.0);
    // Squared singular values below this are rounding.
    let rank = values.iter().filter(|&&value| value > largest * 1e-12 && value > 0.0).count();
    let kept = dims.min(rank);
    if kept == 0 {
        return None;
    }
    let left = Mat::from_fn(width, kept, |i, j| vectors[(i, width - 1 - j)] * values[width - 1 - j].powf(0.25));
    let mut words = Mat::<f64>::zeros(size, kept);
    matmul(words.as_mut(), Accum::Replace, basis.as_ref(), left.as_ref(), 1.0, Par::Seq);
    Some(((0..size * kept).map(|at| words[(at / kept, at % kept)]).collect(), kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus() -> Encoded {
        // Two topics that never mix: words 0 to 4 and words 5 to 9.
        (0..200u32).map(|i| (0..6).map(|j| i % 2 * 5 + (i * 7 + j * j + i / 3) % 5).collect::<Vec<u32>>()).collect()
    }

    #[test]
    fn the_matrix_is_that_of_the_formula() {
        // "a b" twice, "a c" once, window 1: #(a)=3, #(b)=2, #(c)=1, no word below the count.
        let encoded: Encoded = [[0u32, 1], [0, 1], [0, 2]].into_iter().collect();
        let matrix = ppmi(&cooccurrences(&encoded, &[0, 1, 2], 1), 4, 1.0);
        let total = 3f64.powf(0.75) + 2f64.powf(0.75) + 1.0;
        let expected = (2.0 * total / (3.0 * 2f64.powf(0.75))).ln();
        assert!((matrix.rows[0][0].1 - expected).abs() < 1e-12 && matrix.rows[0][0].0 == 1);
        assert_eq!(matrix.columns[1][0], (0, matrix.rows[0][0].1));
    }

    #[test]
    fn all_directions_give_back_the_matrix() {
        // With as many dimensions as words, (U√Σ)(U√Σ)ᵀ is the polar factor √(MMᵀ), so its square is MMᵀ.
        let encoded = corpus();
        let row: Vec<usize> = (0..10).collect();
        let matrix = ppmi(&cooccurrences(&encoded, &row, 5), 11, 1.0);
        let (words, kept) = word_vectors(&matrix, 11, Seed::new(1)).unwrap();
        let words = Mat::from_fn(11, kept, |i, j| words[i * kept + j]);
        let dense = Mat::from_fn(11, 11, |i, j| matrix.rows[i].iter().find(|e| e.0 == j).map_or(0.0, |e| e.1));
        let polar = &words * words.transpose();
        let difference = &polar * &polar - &dense * dense.transpose();
        assert!(difference.norm_max() < 1e-9, "{}", difference.norm_max());
    }

    #[test]
    fn sentences_of_one_topic_are_near() {
        let encoded = corpus();
        let model = PpmiSvd::fit(&encoded, &PpmiOptions { dims: 4, ..PpmiOptions::default() }, Seed::new(2)).unwrap();
        let vectors = model.embed(&encoded).unwrap();
        let row: Vec<&[f32]> = vectors.iter().collect();
        let cosine = |a: &[f32], b: &[f32]| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        assert!(cosine(row[0], row[2]) > 0.8 && cosine(row[0], row[1]) < 0.2);
        // Words that the reference does not have are one unknown word, not an error.
        assert!(model.embed(&[[77u32, 78]].into_iter().collect()).is_ok());
    }

    #[test]
    fn the_result_does_not_depend_on_threads() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let model = PpmiSvd::fit(&corpus(), &PpmiOptions::default(), Seed::new(3)).unwrap();
                model.embed(&corpus()).unwrap()
            })
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn a_reference_of_single_words_is_refused() {
        let encoded: Encoded = [[0u32], [1], [0]].into_iter().collect();
        let error = PpmiSvd::fit(&encoded, &PpmiOptions::default(), Seed::new(1)).unwrap_err().to_string();
        assert!(error.contains("words co-occur"), "{error}");
    }
}
