//! What a discriminator says of the segments of sentences, made one answer.

use super::segments::{Combine, Segments};
use crate::error::Result;
use std::ops::Range;
use trueness_nn::burn::tensor::{Tensor, TensorData, activation};

/// The segments that a discriminator looks at, and how its logits on them are combined.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    ranges: Vec<Range<usize>>,
    combine: Combine,
    longest: usize,
}

impl Answers {
    /// # Errors
    /// As for [`Segments::ranges`].
    pub(super) fn new(segments: &Segments, combine: Combine, longest: usize) -> Result<Self> {
        Ok(Self { ranges: segments.ranges(longest)?, combine, longest })
    }

    /// How many segments a sentence has.
    pub(super) fn segments(&self) -> usize {
        self.ranges.len()
    }

    /// To how many tokens sentences are padded at least: where there are several segments, what lies beyond one is as long as the
    /// longest sentence allows, whatever sentences are beside it.
    pub(super) fn least(&self) -> usize {
        if self.is_whole() { 0 } else { self.longest }
    }

    /// Whether the one segment is the whole sentence.
    fn is_whole(&self) -> bool {
        self.ranges.iter().eq(std::iter::once(&(0..self.longest)))
    }

    /// The sentences once for each segment, those of the first segment first: `[sentences, time, size]` to
    /// `[segments · sentences, time, size]`. What lies outside a segment is zero instead of a token's vector, as in SegGAN's code.
    pub(super) fn masked(&self, embedded: Tensor<3>) -> Tensor<3> {
        if self.is_whole() {
            return embedded;
        }
        let [sentences, time, _] = embedded.dims();
        let mut mask = Vec::with_capacity(self.ranges.len() * sentences * time);
        for range in &self.ranges {
            // Padding belongs to a segment that reaches to the longest sentence's end.
            let inside = |t: usize| t >= range.start && (t < range.end || range.end == self.longest);
            let row: Vec<f32> = (0..time).map(|t| f32::from(u8::from(inside(t)))).collect();
            (0..sentences).for_each(|_| mask.extend_from_slice(&row));
        }
        let mask = TensorData::new(mask, [self.ranges.len() * sentences, time, 1]);
        let mask = Tensor::<3>::from_data(mask, &embedded.device());
        Tensor::cat(vec![embedded; self.ranges.len()], 0) * mask
    }

    /// The answers from the logits on segments, `[segments, n]` to `[answers, n]`: one, or one a segment where each has a loss of its
    /// own.
    pub(super) fn combined(&self, logits: Tensor<2>) -> Tensor<2> {
        match self.combine {
            Combine::MeanLoss => logits,
            Combine::MeanLogit => logits.mean_dim(0),
            Combine::Weighted => {
                let total: usize = self.ranges.iter().map(Range::len).sum();
                let weights: Vec<f32> = self.ranges.iter().map(|range| range.len() as f32 / total as f32).collect();
                let weights = TensorData::new(weights, [self.ranges.len(), 1]);
                (logits.clone() * Tensor::<2>::from_data(weights, &logits.device())).sum_dim(0)
            }
            Combine::MeanProb => {
                // Within what 32 bits tell from 0 and 1.
                let p = activation::sigmoid(logits).mean_dim(0).clamp(1e-6, 1.0 - 1e-6);
                p.clone().log() - (p.neg() + 1.0).log()
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail")]
mod tests {
    use super::*;
    use trueness_nn::device;

    fn answers(combine: Combine) -> Answers {
        Answers::new(&"prefixes:2".parse().unwrap(), combine, 6).unwrap()
    }

    #[test]
    fn answers_are_those_of_the_definitions() {
        let device = device::parse("cpu").unwrap();
        // Of one sentence, on its first two tokens and on all six.
        let logits = || Tensor::<2>::from_data(TensorData::new(vec![1.0_f32, -3.0], [2, 1]), &device);
        let found = |combine| answers(combine).combined(logits()).try_into_vec_as::<f32>().unwrap();
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        let p = (sigmoid(1.0) + sigmoid(-3.0)) / 2.0;
        for (combine, exact) in [
            (Combine::MeanLogit, vec![-1.0]),
            (Combine::MeanProb, vec![(p / (1.0 - p)).ln()]),
            (Combine::MeanLoss, vec![1.0, -3.0]),
            (Combine::Weighted, vec![(2.0 * 1.0 - 6.0 * 3.0) / 8.0]),
        ] {
            let found = found(combine);
            assert_eq!(found.len(), exact.len());
            assert!(found.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 1e-5), "{combine:?}: {found:?} {exact:?}");
        }
    }

    #[test]
    fn what_is_outside_a_segment_is_zero() {
        let device = device::parse("cpu").unwrap();
        // Two sentences of three tokens and two of padding, one number each.
        let values: Vec<f32> = (1..=10).map(|i| i as f32).collect();
        let embedded = Tensor::<3>::from_data(TensorData::new(values, [2, 5, 1]), &device);
        let answers = Answers::new(&"disjoint:2".parse().unwrap(), Combine::MeanLogit, 3).unwrap();
        let found = answers.masked(embedded).try_into_vec_as::<f32>().unwrap();
        let expected = [1., 2., 0., 0., 0., 6., 7., 0., 0., 0., 0., 0., 3., 4., 5., 0., 0., 8., 9., 10.];
        assert_eq!(found, expected);
    }
}
