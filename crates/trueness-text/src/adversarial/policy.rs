//! Policy gradients: sentences of a generator, what each of their tokens is worth, and the loss that follows.

use crate::error::Result;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueness_core::{Seed, Watch};
use trueness_nn::burn::tensor::Tensor;
use trueness_nn::{NextToken, Runner, Sequences, roll_out};

/// What goes in first, what ends a sentence, and the tokens of the longest one.
pub(super) type Ends = (u32, Option<u32>, usize);

/// What a generator is rewarded by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reward {
    /// The discriminator, which learns on.
    #[default]
    Discriminator,
    /// The discriminator as it was before the first round: a control.
    Frozen,
    /// One half for every token: a control, which no discriminator has any part in.
    Constant,
    /// A number between 0 and 1 for every token, drawn anew: a control like that.
    Random,
}

impl Reward {
    /// Whether rewards come from a discriminator.
    pub fn asks(self) -> bool {
        matches!(self, Self::Discriminator | Self::Frozen)
    }
}

/// How many decisions a sentence took: its tokens, and its end where it was drawn.
pub(super) fn decisions(sentence: &[u32], (_, end, longest): Ends) -> usize {
    sentence.len() + usize::from(end.is_some() && sentence.len() < longest)
}

/// What sentences are worth, one number each.
pub(super) type Score<'a> = &'a dyn Fn(&[Vec<u32>]) -> Result<Vec<f32>>;

/// Q of every decision of sentences: the mean score of what a policy makes of the sentence so far, and the sentence's own score for
/// the last decision (Yu et al. 2017, equation 4). Without roll-outs, every decision has its sentence's score.
///
/// # Errors
/// Those of the policy and of `score`.
pub(super) fn action_values<R: Runner>(
    policy: &R,
    sentences: &[Vec<u32>],
    rollouts: usize,
    ends: Ends,
    score: Score<'_>,
    seed: Seed,
    watch: Watch<'_>,
) -> Result<Vec<Vec<f32>>> {
    let whole = score(sentences)?;
    let mut values: Vec<Vec<f32>> =
        sentences.iter().zip(&whole).map(|(sentence, &score)| vec![score; decisions(sentence, ends)]).collect();
    if rollouts > 0 {
        let found = roll_out(policy, sentences, rollouts, 1, ends, seed, watch)?;
        let scores = score(&found.sentences)?;
        for (&(sentence, length), scores) in found.prefixes.iter().zip(scores.chunks_exact(rollouts)) {
            // The prefix of t tokens is what the t-th decision led to.
            values[sentence][length - 1] = scores.iter().sum::<f32>() / rollouts as f32;
        }
    }
    Ok(values)
}

/// A number that no discriminator had a part in, for every decision.
pub(super) fn control(reward: Reward, sentences: &[Vec<u32>], ends: Ends, seed: Seed) -> Vec<Vec<f32>> {
    let mut rng = seed.rng();
    let mut one = || match reward {
        Reward::Random => rng.random::<f32>(),
        _ => 0.5,
    };
    sentences.iter().map(|sentence| (0..decisions(sentence, ends)).map(|_| one()).collect()).collect()
}

/// −Σ value · log π(decision | what was before): the gradient of the expected score is that of its negative (Yu et al. 2017,
/// equation 8, without the mean over time, as in the paper's code).
pub(super) fn loss<M: NextToken>(model: &M, sentences: &[Vec<u32>], values: &[Vec<f32>], ends: Ends) -> Tensor<1> {
    model.loss(&weighted(sentences, values, ends), None)
}

/// Sentences whose decisions count as much as they are worth.
pub(super) fn weighted(sentences: &[Vec<u32>], values: &[Vec<f32>], (start, end, _): Ends) -> Sequences {
    let mut sequences = Sequences::new(sentences, start, end);
    sequences.weights.fill(0.0);
    if sequences.time > 0 {
        for (weights, values) in sequences.weights.chunks_exact_mut(sequences.time).zip(values) {
            weights[..values.len()].copy_from_slice(values);
        }
    }
    sequences
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail")]
mod tests {
    use super::*;
    use trueness_core::{Cancel, Silent};
    use trueness_nn::burn::module::{Module, ModuleMapper, Param};
    use trueness_nn::{LstmInit, LstmModel, LstmModelConfig, Sampling, device, sample};

    const LONGEST: usize = 3;

    /// A language model of three tokens, with weights large enough for its law to be far from uniform.
    fn model(seed: u64) -> LstmModel {
        let config =
            LstmModelConfig { vocabulary: 3, embedding: 4, hidden: 5, layers: 1, keep: 1.0, init: LstmInit::Normal };
        let device = device::parse("cpu").unwrap().autodiff();
        let model = config.init(&device, Seed::new(seed)).unwrap().valid();
        model.map(&mut Tenfold)
    }

    struct Tenfold;

    impl ModuleMapper for Tenfold {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|values| values.mul_scalar(10.0))
        }
    }

    /// All sentences that can be drawn, and their probabilities.
    fn all(model: &LstmModel, ends: Ends) -> Vec<(Vec<u32>, f64)> {
        let (start, end, longest) = ends;
        let mut open = vec![Vec::new()];
        let mut sentences = Vec::new();
        for length in 0..=longest {
            if end.is_some() && length < longest {
                sentences.extend(open.iter().cloned());
            }
            if length == longest {
                sentences.append(&mut open);
                break;
            }
            let tokens = (0..3).filter(|&token| Some(token) != end);
            open = open.iter().flat_map(|s| tokens.clone().map(|t| [s.as_slice(), &[t]].concat())).collect();
        }
        let mut sequences = Sequences::new(&sentences, start, end);
        for (weights, sentence) in sequences.weights.chunks_exact_mut(sequences.time).zip(&sentences) {
            (0..weights.len()).for_each(|t| weights[t] = f32::from(u8::from(t < decisions(sentence, ends))));
        }
        let logs = model.log_probabilities(&sequences).unwrap();
        let logs = logs.chunks_exact(sequences.time).map(|logs| logs.iter().map(|&log| f64::from(log)).sum::<f64>());
        sentences.into_iter().zip(logs.map(f64::exp)).collect()
    }

    /// A score that no two sentences share.
    fn score_of(sentence: &[u32]) -> f32 {
        let code = sentence.iter().fold(1.0_f32, |code, &token| 3.0 * code + token as f32);
        0.5 + 0.5 * (1.7 * code).sin()
    }

    #[test]
    fn roll_outs_find_the_values_of_brute_force() {
        let (cancel, silent) = (Cancel::default(), Silent);
        let watch = Watch::new(&cancel, &silent);
        for (number, end) in [(0, None), (1, Some(0))] {
            let ends = (0, end, LONGEST);
            let model = model(number);
            let all = all(&model, ends);
            let total: f64 = all.iter().map(|(_, p)| p).sum();
            assert!((total - 1.0).abs() < 1e-5, "probabilities sum to {total}");
            let sentences: Vec<Vec<u32>> = all.iter().map(|(sentence, _)| sentence.clone()).collect();
            let score = |sentences: &[Vec<u32>]| Ok(sentences.iter().map(|s| score_of(s)).collect());
            let n = 4000;
            let runner = model.runner().unwrap();
            let values = action_values(&runner, &sentences, n, ends, &score, Seed::new(7), watch).unwrap();
            let mut compared = 0;
            for (sentence, values) in sentences.iter().zip(&values) {
                assert_eq!(values.len(), decisions(sentence, ends));
                for (t, value) in values.iter().enumerate() {
                    let last = t + 1 == values.len();
                    if last {
                        assert_eq!(*value, score_of(sentence));
                        continue;
                    }
                    let begun = |other: &&(Vec<u32>, f64)| other.0.starts_with(&sentence[..=t]);
                    let mass: f64 = all.iter().filter(begun).map(|(_, p)| p).sum();
                    let mean = |power: i32| -> f64 {
                        all.iter().filter(begun).map(|(s, p)| p * f64::from(score_of(s)).powi(power)).sum::<f64>()
                            / mass
                    };
                    let error = ((mean(2) - mean(1).powi(2)).max(0.0) / n as f64).sqrt();
                    let far = (f64::from(*value) - mean(1)).abs();
                    assert!(far < 4.5 * error + 1e-5, "{sentence:?} {t}: {value}, exactly {}, {error}", mean(1));
                    compared += 1;
                }
            }
            assert!(compared > 10);
        }
    }

    /// The gradient of a loss by every weight.
    fn gradient(model: &LstmModel, loss: &Tensor<1>) -> Vec<f64> {
        let gradients = loss.backward();
        let layer = &model.layers[0];
        let matrices = [&model.embedding, &layer.weight, &layer.recurrent, &model.output.weight];
        let mut all: Vec<f32> = Vec::new();
        for matrix in matrices {
            all.extend(matrix.val().grad(&gradients).unwrap().try_into_vec_as::<f32>().unwrap());
        }
        for vector in [&layer.bias, model.output.bias.as_ref().unwrap()] {
            all.extend(vector.val().grad(&gradients).unwrap().try_into_vec_as::<f32>().unwrap());
        }
        all.into_iter().map(f64::from).collect()
    }

    #[test]
    fn the_policy_gradient_is_that_of_the_expected_score_within_its_error() {
        let (cancel, silent) = (Cancel::default(), Silent);
        let watch = Watch::new(&cancel, &silent);
        let ends = (0, Some(0), LONGEST);
        let (generator, real) = (model(3), model(4));
        let laws = (all(&generator, ends), all(&real, ends));
        // The discriminator that knows both densities.
        let exact: Vec<(Vec<u32>, f64)> =
            laws.0.iter().zip(&laws.1).map(|((s, q), (_, p))| (s.clone(), p / (p + q))).collect();
        let score = |sentences: &[Vec<u32>]| {
            let of = |s: &Vec<u32>| exact.iter().find(|(other, _)| other == s).map_or(0.0, |(_, d)| *d as f32);
            Ok(sentences.iter().map(of).collect())
        };
        let model = generator.clone().train();
        let sentences: Vec<Vec<u32>> = laws.0.iter().map(|(s, _)| s.clone()).collect();
        // ∇ Σ p(x) D(x) = Σ p(x) D(x) ∇ log p(x), by enumeration.
        let values: Vec<Vec<f32>> =
            laws.0.iter().zip(&exact).map(|((s, q), (_, d))| vec![(q * d) as f32; decisions(s, ends)]).collect();
        let truth = gradient(&model, &loss(&model, &sentences, &values, ends));
        let (batches, batch) = (300, 16);
        let runner = generator.runner().unwrap();
        let mut sums = vec![[0.0; 2]; truth.len()];
        for k in 0..batches {
            let seed = Seed::new(11).nth(k);
            let drawn = sample(&runner, batch, ends, Sampling::default(), seed.child("sentences"), watch).unwrap();
            let values = action_values(&runner, &drawn, 2, ends, &score, seed.child("roll-outs"), watch).unwrap();
            let found = gradient(&model, &loss(&model, &drawn, &values, ends));
            for (sums, found) in sums.iter_mut().zip(found) {
                let one = found / batch as f64;
                (sums[0], sums[1]) = (sums[0] + one, sums[1] + one * one);
            }
        }
        let n = batches as f64;
        let z: Vec<f64> = sums
            .iter()
            .zip(&truth)
            .filter_map(|([sum, squares], truth)| {
                let mean = sum / n;
                let error = ((squares / n - mean * mean).max(0.0) / n).sqrt();
                (error > 1e-9).then(|| (mean - truth) / error)
            })
            .collect();
        assert!(z.len() > 100, "{}", z.len());
        let square = z.iter().map(|z| z * z).sum::<f64>() / z.len() as f64;
        let largest = z.iter().fold(0.0_f64, |largest, z| largest.max(z.abs()));
        assert!(square < 2.0 && largest < 4.5, "mean square {square}, largest {largest} standard errors");
        // And the error is small enough to tell the gradient from nothing.
        let (length, error): (f64, f64) = sums.iter().zip(&truth).fold((0.0, 0.0), |(length, error), (sums, truth)| {
            (length + truth * truth, error + (sums[1] / n - (sums[0] / n).powi(2)) / n)
        });
        assert!(length > 10.0 * error, "{length} {error}");
    }
}
