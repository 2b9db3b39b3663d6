//! What is looked at while a generator trains against a discriminator.

use super::{Adversary, Losses, Play, Scene};
use crate::corpus::Encoded;
use crate::discriminator::Protocol;
use crate::error::Result;
use crate::metric::bleu::{Orders, Settings, bleu, self_bleu};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use trueness_core::resample::{bootstrap, percentile_interval};
use trueness_core::{Estimate, Measure, Seed, Watch};
use trueness_nn::Sampling;

/// Resamples behind the intervals of one look.
const RESAMPLES: usize = 200;

/// From this share of samples on, one sentence is a collapse; in the captions of COCO the commonest one is a few in a thousand.
const ONE_SENTENCE: f64 = 0.2;

/// How many samples are shown, and of each bin.
const SHOWN: usize = 5;

/// The ends of the bins of the discriminator's scores, as the code of "The Detection of Distributional Discrepancy for Text Generation" has them.
const BINS: [f32; 5] = [0.0, 0.3, 0.5, 0.9, 1.0];

/// What one look found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// After how many rounds.
    pub round: u64,
    /// The measures.
    pub measures: Vec<Measure>,
    /// Some samples, whatever the discriminator says of them.
    pub samples: Vec<String>,
    /// Samples by what the discriminator says of them.
    pub bins: Vec<Bin>,
    /// What the generator has collapsed to, if it has.
    pub collapse: Option<String>,
}

/// Samples with a score in a range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// The range's ends; a sample on an end is in the bin above it.
    pub range: [f32; 2],
    /// The share of samples.
    pub share: Estimate,
    /// Some of them.
    pub samples: Vec<String>,
}

impl Watched {
    /// The measure of a name.
    pub fn measure(&self, name: &str) -> Option<&Estimate> {
        self.measures.iter().find(|measure| measure.name == name).map(|measure| &measure.estimate)
    }
}

/// DD and the two distances between texts, by a classifier that has seen neither before.
///
/// # Errors
/// As for [`Protocol::judge`].
pub(crate) fn distances(
    real: &Encoded,
    other: &Encoded,
    vocabulary: usize,
    seed: Seed,
    watch: Watch<'_>,
) -> Result<[Measure; 3]> {
    let protocol = Protocol { seeds: 1, ..Protocol::default() };
    let found = protocol.judge(real, other, vocabulary, RESAMPLES, 0, seed, watch)?.discrepancy;
    let named = [("dd", found.dd), ("d-relative", found.relative), ("d-absolute", found.absolute)];
    Ok(named.map(|(name, estimate)| Measure::new(name, estimate).signed(protocol.signature())))
}

/// What stands in the terminal while a training goes on.
const PANEL: [&str; 12] = [
    "dd",
    "d-relative",
    "d-absolute",
    "nll-oracle",
    "dd-density",
    "jeffreys",
    "nll-gen",
    "nll-div",
    "bleu-4",
    "self-bleu-4",
    "length",
    "token-entropy",
];

/// Each measure over the looks so far: a line from its least to its largest value, and the last value with its interval.
pub(super) fn panel(history: &[Watched]) -> Vec<String> {
    let Some(last) = history.last() else { return Vec::new() };
    let mut lines = Vec::new();
    for name in PANEL {
        let Some(now) = last.measure(name) else { continue };
        let values: Vec<f64> = history.iter().filter_map(|look| look.measure(name)?.value).collect();
        let title = crate::metric::card(name).map_or(name, |card| card.title);
        let Some(value) = now.value else { continue };
        let interval = now.low.zip(now.high).map_or(String::new(), |(low, high)| format!(" [{low:.3}, {high:.3}]"));
        lines.push(format!("{title:28} {:12} {value:.3}{interval}", heights(&values)));
    }
    let n = last.round;
    lines.extend(last.collapse.as_ref().map(|what| format!("collapse, seen after round {n}: {what}")));
    lines
}

/// Numbers as blocks, the least one lowest.
fn heights(values: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (least, most) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    let place = |value: &f64| match most > least {
        true => ((value - least) / (most - least) * 7.0).round() as usize,
        false => 0,
    };
    // The last ones, where there are more than fit.
    values.iter().skip(values.len().saturating_sub(40)).map(|value| BLOCKS[place(value).min(7)]).collect()
}

impl Play<'_> {
    /// Looks at a generator after a round.
    pub(super) fn observe<A: Adversary>(
        &self,
        scene: &Scene<'_>,
        adversary: &A,
        round: u64,
        losses: Losses,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Watched> {
        let fresh = seed.child("watch/fresh");
        let seed = seed.child("watch").nth(round);
        let generator = self.generator.with_network(adversary.network(), self.generator.signature().to_owned());
        let n = self.knobs.watch_samples;
        let samples = generator.sample_ids(n, Sampling::default(), seed.child("samples"), watch)?;
        let mut measures = Vec::new();
        if let Some(truth) = self.truth {
            measures.extend(truth.measures(&generator, seed, watch)?);
        } else {
            let valid = generator.score_known(self.valid, watch)?;
            measures.push(Measure::new("nll-gen", valid.estimate(seed.child("nll-gen"))));
            let own = generator.score_own(&samples, watch)?;
            measures.push(Measure::new("nll-div", own.estimate(seed.child("nll-div"))));
        }
        let (real, generated): (Encoded, Encoded) = (self.valid.iter().collect(), samples.iter().collect());
        // Real sentences are divided in the same way at every look, so that the looks can be compared.
        measures.extend(distances(&real, &generated, scene.vocabulary, fresh, watch)?);
        let settings = Settings { orders: Orders::new(2, 4)?, resamples: RESAMPLES, groups: 5, ..Settings::default() };
        measures.extend(bleu(&generated, &real, &settings, seed.child("bleu"))?.measures);
        measures.extend(self_bleu(&generated, &settings, seed.child("self-bleu"))?.measures);
        measures.extend(shape(&samples, seed.child("shape")));
        for (name, loss) in [("generator-loss", losses.generator), ("discriminator-loss", losses.discriminator)] {
            if let Some(loss) = loss {
                measures.push(Measure::new(name, Estimate::uncertain(loss, 1, "mean over the round's steps")));
            }
        }
        let scores = adversary.probabilities(scene, &samples, seed.child("judge"), watch)?;
        let texts: Vec<String> = samples.iter().map(|ids| generator.codec().decode(ids)).collect::<Result<_>>()?;
        let bins = bins(&scores, &texts);
        let shown = texts.iter().take(SHOWN).cloned().collect();
        Ok(Watched { round, measures, samples: shown, bins, collapse: collapse(&samples, &texts) })
    }
}

/// Lengths of samples, the entropy of their tokens in nats, and the share of samples that differ.
fn shape(samples: &[Vec<u32>], seed: Seed) -> Vec<Measure> {
    let lengths: Vec<f64> = samples.iter().map(|sentence| sentence.len() as f64).collect();
    let entropy = |rows: &mut dyn Iterator<Item = usize>| {
        let mut counts: FxHashMap<u32, u64> = FxHashMap::default();
        rows.for_each(|row| samples[row].iter().for_each(|&id| *counts.entry(id).or_default() += 1));
        let mut counts: Vec<u64> = counts.into_values().collect();
        // In one order, so that rounding does not follow the table's.
        counts.sort_unstable();
        let total: u64 = counts.iter().sum();
        let total = total.max(1) as f64;
        -counts.iter().map(|&n| n as f64 / total).map(|p| p * p.ln()).sum::<f64>()
    };
    let found = bootstrap(samples.len(), RESAMPLES, seed, |drawn| entropy(&mut drawn.iter().map(|&i| i as usize)));
    let value = entropy(&mut (0..samples.len()));
    // Resamples lack tokens that the samples have, so that all their entropies are too low by about as much: what they spread counts.
    let below = value - found.iter().sum::<f64>() / found.len().max(1) as f64;
    let (low, high) = percentile_interval(&found);
    let method = format!("bootstrap over sentences about the value, {RESAMPLES} resamples");
    let entropy = Estimate::interval(value, low + below, high + below, samples.len() as u64, method);
    let different: rustc_hash::FxHashSet<&Vec<u32>> = samples.iter().collect();
    vec![
        Measure::new("length", Estimate::mean(&lengths, "mean over samples").unit("tokens")),
        Measure::new("token-entropy", entropy.unit("nats")),
        Measure::new(
            "distinct-sentences",
            Estimate::uncertain(
                different.len() as f64 / samples.len().max(1) as f64,
                samples.len() as u64,
                "share of samples that differ; it falls with the number of samples",
            ),
        ),
    ]
}

fn bins(scores: &[f32], texts: &[String]) -> Vec<Bin> {
    let of = |range: &[f32]| {
        let within = |score: f32| score >= range[0] && (score < range[1] || range[1] >= BINS[BINS.len() - 1]);
        let rows: Vec<usize> = (0..scores.len()).filter(|&i| within(scores[i])).collect();
        Bin {
            range: [range[0], range[1]],
            share: Estimate::proportion(rows.len() as u64, scores.len() as u64, "Wilson, over samples"),
            samples: rows.iter().take(SHOWN).map(|&i| texts[i].clone()).collect(),
        }
    };
    BINS.windows(2).map(of).collect()
}

/// What samples have collapsed to: nothing at all, one sentence, or one token over and over.
fn collapse(samples: &[Vec<u32>], texts: &[String]) -> Option<String> {
    let n = samples.len().max(1) as f64;
    let share = |of: &dyn Fn(&[u32]) -> bool| samples.iter().filter(|sentence| of(sentence)).count() as f64 / n;
    let empty = share(&|sentence| sentence.is_empty());
    if empty > ONE_SENTENCE {
        return Some(format!("empty sentences: {:.0} % of samples have no token", 100.0 * empty));
    }
    let mut counts: FxHashMap<&Vec<u32>, (usize, usize)> = FxHashMap::default();
    for (row, sentence) in samples.iter().enumerate() {
        counts.entry(sentence).or_insert((0, row)).0 += 1;
    }
    // The first of equals.
    let (count, row) = counts.into_values().max_by_key(|&(count, row)| (count, std::cmp::Reverse(row)))?;
    let share_of_one = count as f64 / n;
    if share_of_one > ONE_SENTENCE {
        return Some(format!("one sentence: {:.0} % of samples are {:?}", 100.0 * share_of_one, texts[row]));
    }
    let same = share(&|sentence| sentence.len() > 3 && sentence.iter().all(|id| *id == sentence[0]));
    (same > ONE_SENTENCE).then(|| format!("one token: {:.0} % of samples repeat a single token", 100.0 * same))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(samples: &[Vec<u32>]) -> Option<String> {
        let texts: Vec<String> = samples.iter().map(|sentence| format!("{sentence:?}")).collect();
        collapse(samples, &texts)
    }

    #[test]
    fn collapses_are_named() {
        let different: Vec<Vec<u32>> = (0..100).map(|i| vec![i, i + 1, i + 2, i + 3]).collect();
        assert_eq!(found(&different), None);
        let mut one = different.clone();
        one[..30].fill(vec![1, 2, 3, 4]);
        assert_eq!(found(&one), Some("one sentence: 30 % of samples are \"[1, 2, 3, 4]\"".to_owned()));
        let mut empty = different.clone();
        empty[..40].fill(Vec::new());
        assert!(found(&empty).is_some_and(|found| found.starts_with("empty sentences: 40 %")));
        let repeated: Vec<Vec<u32>> = (0..100).map(|i| vec![i; 5]).collect();
        assert!(found(&repeated).is_some_and(|found| found.starts_with("one token: 100 %")));
    }

    #[test]
    fn numbers_become_blocks() {
        assert_eq!(heights(&[0.0, 1.0, 0.5]), "▁█▅");
        assert_eq!(heights(&[2.0, 2.0]), "▁▁");
        assert_eq!(heights(&[]), "");
    }

    #[test]
    fn bins_hold_all_samples() {
        let scores = [0.0, 0.3, 0.49, 0.5, 0.95, 1.0];
        let texts: Vec<String> = scores.iter().map(f32::to_string).collect();
        let found: Vec<Vec<String>> = bins(&scores, &texts).into_iter().map(|bin| bin.samples).collect();
        assert_eq!(found, [vec!["0"], vec!["0.3", "0.49"], vec!["0.5"], vec!["0.95", "1"]]);
    }
}
