//! Whether a filter helped: DD before and after, by classifiers that the filter never knew.

use crate::corpus::Encoded;
use crate::discriminator::Protocol;
use crate::error::Result;
use crate::metric::discrepancy::{Discrepancy, difference};
use trueness_core::{Estimate, Seed, Watch};

/// The fewest sentences of each side of which something can be said.
const FEWEST: usize = 20;

/// What was found before and after a filter, all on equally many sentences.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Generated sentences against real ones.
    pub before: Discrepancy,
    /// Kept sentences against the same real ones.
    pub after: Discrepancy,
    /// DD after minus DD before.
    pub change: Estimate,
    /// DD of one half of the real sentences against the other, each of as many sentences as there were, or
    /// half of the real ones where these are fewer.
    pub floor: Estimate,
    /// Sentences of each side.
    pub n: usize,
}

/// Judges `generated` and what a filter kept of it against `real`; neither may have taken part in making the
/// filter. The first n of each are used, n being the smallest of the three numbers, since DD rises with the
/// number of sentences to learn from. `None` where there are too few.
///
/// The same real sentences are held out before and after, so that the change is paired over them. Generated
/// and kept sentences count as independent, which errs to the safe side, as the latter are some of the former.
///
/// # Errors
/// As for [`Protocol::judge`].
#[allow(clippy::too_many_arguments, reason = "the arguments are independent, and named at every call")]
pub fn judge(
    protocol: &Protocol,
    real: &Encoded,
    generated: &Encoded,
    kept: &Encoded,
    vocabulary: usize,
    resamples: usize,
    seed: Seed,
    watch: Watch<'_>,
) -> Result<Option<Judgement>> {
    let n = real.len().min(generated.len()).min(kept.len());
    if n < FEWEST {
        return Ok(None);
    }
    let one = |real: &Encoded, text: &Encoded| {
        let judged = protocol.judge(real, text, vocabulary, resamples, 0, seed.child("filter/judge"), watch)?;
        Ok::<Discrepancy, crate::Error>(judged.discrepancy)
    };
    let first = real.first(n);
    let (before, after) = (one(&first, &generated.first(n))?, one(&first, &kept.first(n))?);
    let change = difference(&after.decisions, &before.decisions)
        .map_or_else(|| Estimate::missing("a DD is missing"), |difference| difference.estimate);
    let half = n.min(real.len() / 2);
    let rows: Vec<usize> = (real.len() - half..real.len()).collect();
    let floor = if half < FEWEST {
        Estimate::missing("too few real sentences for two halves")
    } else {
        one(&real.first(half), &real.subset(&rows))?.dd.n(half as u64)
    };
    Ok(Some(Judgement { before, after, change, floor, n }))
}
