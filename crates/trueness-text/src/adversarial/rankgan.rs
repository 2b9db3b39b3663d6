//! RankGAN (Lin et al. 2017): sentences are ranked by how near their features are to those of references.
//!
//! α(s|u) is the cosine of the features of a sentence and a reference; P(s|u, C) = exp(γα(s|u)) / Σ over C and s itself of
//! exp(γα(·|u)); the rank score is the mean of P over references u, and C holds sentences of the other side.

use trueness_nn::burn::tensor::Tensor;

/// γ, as in Texygen.
pub(super) const SHARPNESS: f64 = 1.0;

/// How many references a sentence is ranked by.
pub(super) const REFERENCES: usize = 16;

/// Features of length one, `[sentences, features]`.
pub(super) fn normalised(features: Tensor<2>) -> Tensor<2> {
    let norm = features.clone().square().sum_dim(1).sqrt().clamp_min(1e-8);
    features / norm
}

/// The rank score of sentences, `[sentences, 1]`, by references among others; all features have length one.
pub(super) fn rank(features: Tensor<2>, references: Tensor<2>, others: Tensor<2>) -> Tensor<2> {
    let near = |features: Tensor<2>| features.matmul(references.clone().transpose()).mul_scalar(SHARPNESS).exp();
    let (own, others) = (near(features), near(others).sum_dim(0));
    (own.clone() / (own + others)).mean_dim(1)
}

/// What a ranker minimises: −mean log of real sentences' ranks among generated ones, and that of generated ones' among real ones the
/// other way round (Lin et al. 2017, equation 4). One element.
pub(super) fn loss(real: Tensor<2>, generated: Tensor<2>, references: Tensor<2>) -> Tensor<1> {
    let up = rank(real.clone(), references.clone(), generated.clone()).log().mean();
    let down = rank(generated, references, real).log().mean();
    down - up
}
