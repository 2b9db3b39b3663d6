//! MaliGAN (Che et al. 2017): sentences weighted by the odds that the optimal discriminator would give them, r = D/(1 − D).

use super::opponent::Judge;
use super::policy::{Ends, decisions};
use crate::error::Result;
use trueness_core::Watch;

/// The weight of each sentence of a batch: wᵢ = rᵢ / Σ r − b with b the batch's mean weight 1/n (Che et al. 2017, section 3.2). The
/// paper has b grow from 0 to 1; at 1 nearly every sentence would lose likelihood.
pub(super) fn sentence_weights(probabilities: &[f32]) -> Vec<f32> {
    let ratio = |&p: &f32| {
        let p = f64::from(p).clamp(1e-6, 1.0 - 1e-6);
        p / (1.0 - p)
    };
    let ratios: Vec<f64> = probabilities.iter().map(ratio).collect();
    let total: f64 = ratios.iter().sum();
    ratios.iter().map(|r| (r / total - 1.0 / ratios.len() as f64) as f32).collect()
}

/// The weight of every decision: that of its sentence.
pub(super) fn values(judge: &Judge, sentences: &[Vec<u32>], ends: Ends, watch: Watch<'_>) -> Result<Vec<Vec<f32>>> {
    let weights = sentence_weights(&judge.scores(sentences, watch)?);
    Ok(sentences.iter().zip(weights).map(|(sentence, weight)| vec![weight; decisions(sentence, ends)]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_the_normalised_odds_less_their_mean() {
        // Odds 1, 3 and 1/3: shares of 13/3 are 3/13, 9/13 and 1/13.
        let found = sentence_weights(&[0.5, 0.75, 0.25]);
        for (found, exact) in found.iter().zip([3.0 / 13.0 - 1.0 / 3.0, 9.0 / 13.0 - 1.0 / 3.0, 1.0 / 13.0 - 1.0 / 3.0])
        {
            assert!((f64::from(*found) - exact).abs() < 1e-6, "{found} {exact}");
        }
        assert!(sentence_weights(&[1.0, 0.0]).iter().all(|weight| weight.is_finite()));
    }
}
