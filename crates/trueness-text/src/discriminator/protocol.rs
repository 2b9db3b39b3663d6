//! The protocol: train, choose and calibrate, score what was held out; once for each classifier seed.

use super::calibrate::Platt;
use super::cnn::{self, CnnConfig};
use super::features::{FeatureConfig, Features};
use super::logistic::{Labelled, Logistic, LogisticConfig};
use crate::corpus::Encoded;
use crate::error::{Error, Result};
use crate::metric::discrepancy::{Discrepancy, Scores};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueness_core::{Seed, Watch};

/// The shares of training and validation sentences; the rest is held out.
const TRAIN: f64 = 0.6;
const VALID: f64 = 0.1;

/// The fewest sentences of each side with which the protocol makes sense: six to train on, one to
/// validate on and three to test on.
pub(super) const FEWEST: usize = 10;

/// A kind of classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Classifier {
    /// Logistic regression on hashed n-grams: seconds.
    Ngram,
    /// The papers' convolutional network: minutes.
    Cnn,
}

/// How sentences are scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Protocol {
    /// The classifiers to try; for each classifier seed the one with the highest validation accuracy,
    /// the first of equals, scores the held-out sentences.
    pub classifiers: Vec<Classifier>,
    /// How many classifier seeds.
    #[schemars(range(min = 1, max = 100))]
    pub seeds: u32,
    /// The n-gram classifier.
    pub ngram: LogisticConfig,
    /// The convolutional network.
    pub cnn: CnnConfig,
    /// The device that networks train on.
    pub device: String,
}

impl Default for Protocol {
    fn default() -> Self {
        Self {
            classifiers: vec![Classifier::Ngram],
            seeds: 3,
            ngram: LogisticConfig::default(),
            cnn: CnnConfig::default(),
            device: "cpu".to_owned(),
        }
    }
}

/// A division of sentences into what is trained on, what chooses, and what is held out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Rows to train on.
    pub train: Vec<usize>,
    /// Rows that stop training, choose the classifier and calibrate it.
    pub valid: Vec<usize>,
    /// Rows that are scored.
    pub test: Vec<usize>,
}

impl Parts {
    /// A random division of `n` rows, 60 : 10 : 30.
    pub fn draw(n: usize, seed: Seed) -> Self {
        let mut rows: Vec<usize> = (0..n).collect();
        rows.shuffle(&mut seed.rng());
        let (train, valid) = ends(n);
        let test = rows.split_off(valid.min(n));
        let valid = rows.split_off(train.min(rows.len()));
        Self { train: rows, valid, test }
    }

    /// A random division of the sentences, 60 : 10 : 30 as nearly as whole groups of equal sentences
    /// allow: all copies of a sentence are in one part. Where no sentence stands twice it is the division
    /// of [`draw`](Self::draw).
    ///
    /// It is for real text. A collection may hold a sentence many times for reasons that are no property
    /// of its source (a page that was fetched twice, a caption that was kept for every picture); a
    /// classifier would learn such copies in training and know them again where it is tested. Generated
    /// sentences are draws of the generator, so that their copies are what is to be measured: they are
    /// divided freely, or a generator that says one thing over and over would go unnoticed wherever
    /// that one thing fell into training.
    ///
    /// # Errors
    /// [`Error::Input`] for fewer than three different sentences.
    pub fn draw_whole(sentences: &Encoded, seed: Seed) -> Result<Self> {
        let mut numbers: FxHashMap<&[u32], usize> = FxHashMap::default();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (row, sentence) in sentences.iter().enumerate() {
            let group = *numbers.entry(sentence).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[group].push(row);
        }
        if groups.len() < 3 {
            return Err(Error::Input(format!(
                "a classifier needs at least 3 different real sentences, to train, validate and test on; got {} in {}",
                groups.len(),
                sentences.len()
            )));
        }
        groups.shuffle(&mut seed.rng());
        let (train, valid) = ends(sentences.len());
        let mut parts: [Vec<Vec<usize>>; 3] = Default::default();
        let mut before = 0;
        for group in groups {
            let part = usize::from(before >= train) + usize::from(before >= valid);
            before += group.len();
            parts[part].push(group);
        }
        // A large group may have taken the place of a whole part.
        while let Some(empty) = parts.iter().position(Vec::is_empty) {
            let Some(group) = parts.iter_mut().max_by_key(|part| part.len()).and_then(Vec::pop) else { break };
            parts[empty].push(group);
        }
        let [train, valid, test] = parts.map(|groups| groups.concat());
        Ok(Self { train, valid, test })
    }

    /// Tells one division from another: equal for equal held-out rows.
    fn held_out(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for &row in &self.test {
            hasher.update(&(row as u64).to_le_bytes());
        }
        format!("{} of {}: {}", self.test.len(), self.len(), &hasher.finalize().to_hex()[..16])
    }

    fn len(&self) -> usize {
        self.train.len() + self.valid.len() + self.test.len()
    }
}

/// Where the training and the validation sentences end, of `n`.
fn ends(n: usize) -> (usize, usize) {
    let train = (n as f64 * TRAIN).round() as usize;
    (train, train + ((n as f64 * VALID).round() as usize).max(1))
}

/// What the protocol found for one candidate.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The distances.
    pub discrepancy: Discrepancy,
    /// The scores of each classifier seed on the held-out sentences.
    pub scores: Vec<Scores>,
    /// How many sentences of each side were used, held-out ones included.
    pub n: usize,
    /// The kind of classifier that each seed chose.
    pub chosen: Vec<Classifier>,
}

/// Logits on validation and held-out sentences of both sides.
struct Logits {
    kind: Classifier,
    valid: [Vec<f64>; 2],
    test: [Vec<f64>; 2],
}

impl Logits {
    /// The mean of the accuracies on real and on generated validation sentences, a logit of exactly 0
    /// counting as generated. Kinds of classifiers are compared by it: losses are not comparable between
    /// a classifier that was stopped by its loss and one that was stopped by its accuracy, and DD is a
    /// function of the accuracy.
    fn valid_accuracy(&self) -> f64 {
        let [real, generated] = &self.valid;
        let share = |side: &[f64], right: fn(f64) -> bool| {
            side.iter().filter(|&&logit| right(logit)).count() as f64 / side.len().max(1) as f64
        };
        (share(real, |logit| logit > 0.0) + share(generated, |logit| logit <= 0.0)) / 2.0
    }
}

impl Protocol {
    /// Checks what does not depend on the texts, so that a long run does not end in a refusal.
    ///
    /// # Errors
    /// [`Error::Input`] that names what makes no sense.
    pub fn check(&self) -> Result<()> {
        if self.classifiers.is_empty() {
            return Err(Error::Input("the protocol has no classifiers: expected ngram, cnn or both".to_owned()));
        }
        if self.classifiers.contains(&Classifier::Ngram) && self.ngram.rates.is_empty() {
            return Err(Error::Input("the classifier has no learning rates to try: expected at least one".to_owned()));
        }
        if self.classifiers.contains(&Classifier::Cnn) {
            self.cnn.check()?;
        }
        trueness_nn::device::parse(&self.device)?;
        Ok(())
    }

    /// Judges `generated` against `real`, of which the first n = min of both sizes are used. Real
    /// sentences are divided in the same way for every candidate of the same n and seed, so that
    /// candidates can be compared pairwise; copies of a real sentence are never divided (see
    /// [`Parts::draw_whole`]).
    ///
    /// # Errors
    /// [`Error::Input`] for fewer than ten sentences on a side, or three different real ones;
    /// [`trueness_core::Error::Interrupted`] where the watch was cancelled.
    #[allow(clippy::too_many_arguments, reason = "the arguments are independent, and named at every call")]
    pub fn judge(
        &self,
        real: &Encoded,
        generated: &Encoded,
        vocabulary: usize,
        resamples: usize,
        permutations: usize,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Judged> {
        let n = real.len().min(generated.len());
        if n < FEWEST {
            return Err(Error::Input(format!(
                "a classifier needs at least {FEWEST} sentences of each side, got {} real and {} generated",
                real.len(),
                generated.len()
            )));
        }
        if self.classifiers.is_empty() {
            return Err(Error::Input("the protocol has no classifiers: expected ngram, cnn or both".to_owned()));
        }
        let parts = [
            Parts::draw_whole(&real.first(n), seed.child("split/real"))?,
            Parts::draw(n, seed.child("split/generated")),
        ];
        let judge_one = |k: u32| -> Result<(Scores, Classifier)> {
            let seed = seed.child("classifier").nth(u64::from(k));
            let mut best: Option<Logits> = None;
            for &kind in &self.classifiers {
                let found = match kind {
                    Classifier::Ngram => self.ngram_logits(real, generated, &parts, seed, watch)?,
                    Classifier::Cnn => self.cnn_logits(real, generated, &parts, vocabulary, seed, watch)?,
                };
                if best.as_ref().is_none_or(|best| found.valid_accuracy() > best.valid_accuracy()) {
                    best = Some(found);
                }
            }
            let best = best.ok_or_else(|| Error::Input("the protocol has no classifiers".to_owned()))?;
            let platt = Platt::fit(&best.valid[0], &best.valid[1]);
            let scored = |logits: &[f64]| logits.iter().map(|&x| platt.probability(x)).collect::<Vec<f64>>();
            Ok((Scores { real: scored(&best.test[0]), generated: scored(&best.test[1]) }, best.kind))
        };
        let judged: Vec<(Scores, Classifier)> =
            (0..self.seeds.max(1)).into_par_iter().map(judge_one).collect::<Result<_>>()?;
        let (scores, chosen): (Vec<Scores>, Vec<Classifier>) = judged.into_iter().unzip();
        let mut discrepancy = Discrepancy::measure(&scores, resamples, permutations, seed)
            .ok_or_else(|| Error::Input(format!("no held-out sentences are left of {n}")))?;
        discrepancy.decisions.held_out = parts[0].held_out();
        Ok(Judged { discrepancy, scores, n, chosen })
    }

    fn ngram_logits(
        &self,
        real: &Encoded,
        generated: &Encoded,
        parts: &[Parts; 2],
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Logits> {
        let n = parts[0].len();
        let (real, generated) = (real.first(n), generated.first(n));
        // Orders are of one family and are compared by the loss that stopped them.
        let mut best: Option<(f64, Logits)> = None;
        for &max_order in &self.ngram.orders {
            if !(1..=6).contains(&max_order) {
                return Err(Error::Input(format!("ngram.orders: expected n-grams of 1 to 6 tokens, got {max_order}")));
            }
            let config = FeatureConfig { max_order, bits: self.ngram.bits };
            let (r, g) = (Features::of(&real, config, seed), Features::of(&generated, config, seed));
            let part = |rows: fn(&Parts) -> &Vec<usize>| Labelled {
                real: &r,
                generated: &g,
                real_rows: rows(&parts[0]),
                generated_rows: rows(&parts[1]),
            };
            let model = Logistic::train(&self.ngram, part(|p| &p.train), part(|p| &p.valid), seed, watch)?;
            if best.as_ref().is_none_or(|(loss, _)| model.valid_loss < *loss) {
                let logits = |rows: fn(&Parts) -> &Vec<usize>| {
                    [model.logits(&r, rows(&parts[0])), model.logits(&g, rows(&parts[1]))]
                };
                let (valid, test) = (logits(|p| &p.valid), logits(|p| &p.test));
                best = Some((model.valid_loss, Logits { kind: Classifier::Ngram, valid, test }));
            }
        }
        best.map(|(_, logits)| logits)
            .ok_or_else(|| Error::Input("ngram.orders is empty: expected at least one".to_owned()))
    }

    fn cnn_logits(
        &self,
        real: &Encoded,
        generated: &Encoded,
        parts: &[Parts; 2],
        vocabulary: usize,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Logits> {
        let part = |rows: fn(&Parts) -> &Vec<usize>| (real.subset(rows(&parts[0])), generated.subset(rows(&parts[1])));
        let (train, valid, test) = (part(|p| &p.train), part(|p| &p.valid), part(|p| &p.test));
        let device = trueness_nn::device::parse(&self.device)?;
        let (train, valid_sides) = ((&train.0, &train.1), (&valid.0, &valid.1));
        let trained = cnn::train(&self.cnn, train, valid_sides, vocabulary, &device, seed.child("cnn"), watch)?;
        let score =
            |side: &Encoded| -> Result<Vec<f64>> { Ok(trained.logits(side)?.into_iter().map(f64::from).collect()) };
        let valid = [score(&valid.0)?, score(&valid.1)?];
        Ok(Logits { kind: Classifier::Cnn, valid, test: [score(&test.0)?, score(&test.1)?] })
    }

    /// The classifier's part of a signature.
    pub fn signature(&self) -> String {
        let names: Vec<String> = self
            .classifiers
            .iter()
            .map(|kind| match kind {
                Classifier::Ngram => {
                    let orders: Vec<String> = self.ngram.orders.iter().map(u32::to_string).collect();
                    format!("hashed-{}gram-2^{}", orders.join("/"), self.ngram.bits)
                }
                Classifier::Cnn => self.cnn.signature(),
            })
            .collect();
        format!("classifier:{}|classifier-seeds:{}|split:60/10/30", names.join("+"), self.seeds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{Oracle, grammar::Grammar};
    use trueness_core::{Cancel, Silent, mean_sd};

    fn judge(real: &Encoded, generated: &Encoded, words: usize, seed: u64) -> Discrepancy {
        let protocol = Protocol { seeds: 1, ..Protocol::default() };
        let (cancel, silent) = (Cancel::default(), Silent);
        let watch = Watch::new(&cancel, &silent);
        protocol.judge(real, generated, words, 100, 99, Seed::new(seed), watch).unwrap().discrepancy
    }

    #[test]
    fn kinds_are_compared_by_accuracy_whatever_the_losses() {
        let logits = |real: &[f64], generated: &[f64]| Logits {
            kind: Classifier::Ngram,
            valid: [real.to_vec(), generated.to_vec()],
            test: [Vec::new(), Vec::new()],
        };
        // Three of four right with a loss of 2.5, against two of four with one of .69: a logit of 0 is generated.
        let bold = logits(&[5.0, -10.0], &[-5.0, -5.0]);
        let timid = logits(&[0.0, 0.0], &[0.0, 0.0]);
        assert_eq!((bold.valid_accuracy(), timid.valid_accuracy()), (0.75, 0.5));
        // Sides count alike whatever their sizes.
        assert_eq!(logits(&[1.0], &[1.0, -1.0, 1.0, 1.0]).valid_accuracy(), 0.625);
    }

    #[test]
    fn copies_stay_in_one_part_and_parts_keep_their_shares() {
        let sentences: Encoded = (0..1000u32).map(|i| [i % 200, 7]).collect();
        let parts = Parts::draw_whole(&sentences, Seed::new(3)).unwrap();
        let of = |rows: &[usize]| rows.iter().map(|i| i % 200).collect::<std::collections::BTreeSet<_>>();
        let (train, valid, test) = (of(&parts.train), of(&parts.valid), of(&parts.test));
        assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
        assert_eq!((parts.train.len(), parts.valid.len(), parts.test.len()), (600, 100, 300));
        let mut all = [parts.train, parts.valid, parts.test].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
        // Without copies it is the plain division.
        let different: Encoded = (0..50u32).map(|i| [i]).collect();
        assert_eq!(Parts::draw_whole(&different, Seed::new(4)).unwrap(), Parts::draw(50, Seed::new(4)));
    }

    #[test]
    fn one_sentence_that_fills_the_text_leaves_no_part_empty() {
        for seed in 0..50 {
            let sentences: Encoded = (0..100u32).map(|i| [i.saturating_sub(97)]).collect();
            let parts = Parts::draw_whole(&sentences, Seed::new(seed)).unwrap();
            assert!(!parts.train.is_empty() && !parts.valid.is_empty() && !parts.test.is_empty(), "{parts:?}");
        }
        let two: Encoded = (0..100u32).map(|i| [i % 2]).collect();
        assert!(Parts::draw_whole(&two, Seed::new(1)).unwrap_err().to_string().contains("got 2 in 100"));
    }

    #[test]
    fn a_real_text_of_copies_is_not_told_from_its_own_source() {
        let grammar = Grammar::default();
        let words = grammar.vocabulary().len();
        let draws = 12;
        let found: Vec<Discrepancy> = (0..draws)
            .map(|draw| {
                let seed = Seed::new(21).nth(draw);
                let once = grammar.sample(500, seed.child("real"));
                let rows: Vec<usize> = (0..2500).map(|i| i % 500).collect();
                judge(&once.subset(&rows), &grammar.sample(2500, seed.child("iid")), words, draw)
            })
            .collect();
        let values: Vec<f64> = found.iter().map(|d| d.dd.value.unwrap()).collect();
        let (mean, sd) = mean_sd(&values);
        let covered = found.iter().filter(|d| d.dd.covers(0.0)).count();
        let tiny = found.iter().filter(|d| d.p_value.value.unwrap() <= 0.02).count();
        // 150 different real sentences are held out, five times each. As if each copy were a sentence of
        // its own, the interval is too narrow: ±.042, where the standard deviation is ½√(1/150 + 1/750) =
        // .045, so that it covers in about two thirds. With copies in training the mean would be far above 0.
        assert!(mean < 2.5 * 0.045 / (draws as f64).sqrt(), "{values:?}");
        assert!(mean > -0.1 && sd < 0.1, "{values:?}");
        assert!(covered >= 4 && tiny <= 5, "{covered} of {draws} cover 0, {tiny} tiny p-values: {values:?}");
    }

    #[test]
    fn a_generator_that_says_one_thing_half_of_the_time_is_found_out() {
        // The total variation is about one half. If copies of generated sentences were kept together, the
        // one sentence would be in training or in the test but not in both.
        let grammar = Grammar::default();
        for seed in 0..4 {
            let real = grammar.sample(1000, Seed::new(seed).child("real"));
            let draws = grammar.sample(1000, Seed::new(seed).child("generated"));
            let rows: Vec<usize> = (0..1000).map(|i| if i % 2 == 0 { 0 } else { i }).collect();
            let found = judge(&real, &draws.subset(&rows), grammar.vocabulary().len(), seed);
            assert!(found.dd.value.unwrap() > 0.35, "{:?}", found.dd);
        }
    }
}
