//! SeqGAN (Yu et al. 2017): the value of a token is what the discriminator says of sentences that a policy completes from there.

use super::opponent::Judge;
use super::policy::{self, Ends};
use crate::error::Result;
use trueness_core::{Seed, Watch};
use trueness_nn::Runner;

/// Q of every decision, by `rollouts` completions each.
pub(super) fn values<R: Runner>(
    judge: &Judge,
    rolling: &R,
    sentences: &[Vec<u32>],
    rollouts: usize,
    ends: Ends,
    seed: Seed,
    watch: Watch<'_>,
) -> Result<Vec<Vec<f32>>> {
    let score = |sentences: &[Vec<u32>]| judge.scores(sentences, watch);
    policy::action_values(rolling, sentences, rollouts, ends, &score, seed, watch)
}
