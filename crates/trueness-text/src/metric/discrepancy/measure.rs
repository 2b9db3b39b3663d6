//! Distances with intervals, from the scores of several classifier seeds.

use super::density::{ABSOLUTE_MOST, bounded};
use super::distances::{Distances, Sorted, sign};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use trueness_core::resample::bootstrap_pair;
use trueness_core::{Estimate, Measure, Seed, mean_sd};

/// P(real) of one classifier on held-out real and generated sentences.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// One probability for each real sentence.
    pub real: Vec<f64>,
    /// One for each generated sentence.
    pub generated: Vec<f64>,
}

/// All distances of one candidate, with intervals over sentences and classifier seeds.
#[derive(Clone, Debug)]
pub struct Discrepancy {
    /// DD.
    pub dd: Estimate,
    /// The relative distance.
    pub relative: Estimate,
    /// The absolute-weighted distance.
    pub absolute: Estimate,
    /// The plug-in total variation.
    pub tv: Estimate,
    /// The area under the ROC curve.
    pub auc: Estimate,
    /// The calibration error.
    pub ece: Estimate,
    /// The p-value of "the classifier tells nothing": the share of permutations of the held-out
    /// labels whose DD is at least the one found, itself included.
    pub p_value: Estimate,
    /// What differences between candidates are computed from.
    pub decisions: Decisions,
}

/// What a difference between two candidates' DD is computed from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decisions {
    /// DD.
    pub dd: Option<f64>,
    /// For each held-out real sentence the mean of s over classifier seeds.
    pub real: Vec<f64>,
    /// For each held-out generated sentence the mean of s over classifier seeds.
    pub generated: Vec<f64>,
    /// The variance of DD over classifier seeds, divided by their number.
    pub seed_variance: f64,
    /// Which real sentences were held out: the same text for the same sentences in the same order, and
    /// empty where that is not known. Equal numbers of sentences are not equal sentences.
    pub held_out: String,
}

/// DD of one candidate minus DD of another.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The difference and its interval.
    pub estimate: Estimate,
    /// Whether the interval holds 0: too close to call.
    pub too_close: bool,
}

impl Discrepancy {
    /// The distances of `scores`, one entry a classifier seed, all on the same held-out sentences.
    ///
    /// Values are means over classifier seeds. The standard error adds the variance over sentences (a
    /// bootstrap of real and generated sentences) and the variance over seeds divided by their number.
    /// The sentences that the classifiers were trained, chosen and calibrated on are given: the interval
    /// is of what these classifiers would find on all other sentences. Where the texts are drawn again,
    /// and with them the classifiers, it holds the mean over draws less often. At level .9, for 100 draws
    /// of 1,000 sentences of each side from two grammars: DD .79, AUC .78, absolute distance .79, relative
    /// distance .59, plug-in total variation .19, calibration error .97; the relative distance and the
    /// plug-in move with the slope of a calibration that 100 sentences of each side decide.
    /// The p-value permutes held-out labels with the classifiers fixed. That is exact where the held-out
    /// sentences of both sides are independent draws that the classifiers have not seen; it is not where
    /// a text holds the same sentence more often than independent draws would. The copies then count as
    /// so many sentences, and p-value and interval promise more than they know.
    ///
    /// Returns `None` where there are no scores, or one side has no sentences.
    pub fn measure(scores: &[Scores], resamples: usize, permutations: usize, seed: Seed) -> Option<Self> {
        let first = scores.first()?;
        let (nr, ng) = (first.real.len(), first.generated.len());
        if nr == 0 || ng == 0 || scores.iter().any(|s| s.real.len() != nr || s.generated.len() != ng) {
            return None;
        }
        let sorted: Vec<Sorted> = scores.iter().map(|s| Sorted::new(&s.real, &s.generated)).collect();
        let mean_of = |r: &[u32], g: &[u32]| -> Distances {
            sorted.iter().fold(Distances::default(), |sum, s| sum.plus(&s.distances(r, g), 1.0 / scores.len() as f64))
        };
        let points: Vec<Distances> = sorted.iter().map(|s| s.distances(&vec![1; nr], &vec![1; ng])).collect();
        // Real and generated sentences are resampled apart, so that both keep their number.
        let replicates = bootstrap_pair(nr, ng, resamples, seed.child("discrepancy/bootstrap"), mean_of);
        let seeds = scores.len();
        let over = format!("bootstrap over held-out sentences, {resamples} resamples");
        let method = match seeds {
            1 => format!("one classifier; {over}"),
            _ => format!("{seeds} classifier seeds; {over}, plus seed variance"),
        };
        let n = nr + ng;
        let estimate = |get: fn(&Distances) -> f64, low: f64, high: f64| {
            let over_seeds: Vec<f64> = points.iter().map(get).collect();
            let over_sentences: Vec<f64> = replicates.iter().map(get).collect();
            let (value, between) = mean_sd(&over_seeds);
            let error = (mean_sd(&over_sentences).1.powi(2) + between * between / seeds as f64).sqrt();
            bounded(value, error, n as f64, low, high, &method)
        };
        let decisions = |side: fn(&Scores) -> &Vec<f64>, len: usize| -> Vec<f64> {
            (0..len).map(|i| scores.iter().map(|s| sign(side(s)[i])).sum::<f64>() / seeds as f64).collect()
        };
        let real_decisions = decisions(|s| &s.real, nr);
        let generated_decisions = decisions(|s| &s.generated, ng);
        let dds: Vec<f64> = points.iter().map(|p| p.dd).collect();
        Some(Self {
            dd: estimate(|d| d.dd, -1.0, 1.0),
            relative: estimate(|d| d.relative, -1.0, 1.0),
            absolute: estimate(|d| d.absolute, -ABSOLUTE_MOST, ABSOLUTE_MOST),
            tv: estimate(|d| d.tv, 0.0, 1.0),
            auc: estimate(|d| d.auc, 0.0, 1.0),
            ece: estimate(|d| d.ece, 0.0, 1.0),
            p_value: permutation_p(&real_decisions, &generated_decisions, permutations, seed),
            decisions: Decisions {
                dd: Some(mean_sd(&dds).0).filter(|dd| dd.is_finite()),
                real: real_decisions,
                generated: generated_decisions,
                seed_variance: mean_sd(&dds).1.powi(2) / seeds as f64,
                held_out: String::new(),
            },
        })
    }

    /// The distances as measures with the names used everywhere.
    pub fn measures(&self) -> Vec<Measure> {
        [
            ("dd", &self.dd),
            ("d-relative", &self.relative),
            ("d-absolute", &self.absolute),
            ("tv", &self.tv),
            ("auc", &self.auc),
            ("ece", &self.ece),
            ("dd-p", &self.p_value),
        ]
        .into_iter()
        .map(|(name, estimate)| Measure::new(name, estimate.clone()))
        .collect()
    }
}

impl Distances {
    fn plus(self, other: &Self, weight: f64) -> Self {
        Self {
            dd: self.dd + weight * other.dd,
            relative: self.relative + weight * other.relative,
            absolute: self.absolute + weight * other.absolute,
            tv: self.tv + weight * other.tv,
            auc: self.auc + weight * other.auc,
            ece: self.ece + weight * other.ece,
        }
    }
}

/// The share of permutations, the identity included, whose DD is at least the one found.
fn permutation_p(real: &[f64], generated: &[f64], permutations: usize, seed: Seed) -> Estimate {
    if permutations == 0 {
        return Estimate::missing("no permutations asked for");
    }
    let pooled: Vec<f64> = real.iter().chain(generated).copied().collect();
    let total: f64 = pooled.iter().sum();
    let (nr, ng) = (real.len() as f64, generated.len() as f64);
    let dd = |sum_real: f64| (sum_real / nr - (total - sum_real) / ng) / 2.0;
    let found = dd(real.iter().sum());
    let at_least = (0..permutations as u64)
        .into_par_iter()
        .map_init(
            || pooled.clone(),
            |values, i| {
                values.clone_from(&pooled);
                let (drawn, _) =
                    values.partial_shuffle(&mut seed.child("discrepancy/permutation").nth(i).rng(), real.len());
                // Sums of the same numbers in another order may differ in the last bit.
                usize::from(dd(drawn.iter().sum()) >= found - 1e-12)
            },
        )
        .sum::<usize>();
    let p = (at_least + 1) as f64 / (permutations + 1) as f64;
    Estimate { n: permutations as u64, ..Estimate::exact(p, format!("{permutations} permutations of held-out labels")) }
}

/// DD of `a` minus DD of `b`. Where both had the same real sentences held out, what the two classifiers
/// say of each is paired; else all sentences are independent. Generated sentences always are. `None`
/// where a DD is missing.
pub fn difference(a: &Decisions, b: &Decisions) -> Option<Difference> {
    let value = a.dd? - b.dd?;
    let variance = |values: &[f64]| mean_sd(values).1.powi(2) / values.len().max(1) as f64;
    let paired = !a.held_out.is_empty() && a.held_out == b.held_out && a.real.len() == b.real.len();
    let (real, n_real, method) = if paired {
        let gaps: Vec<f64> = a.real.iter().zip(&b.real).map(|(x, y)| x - y).collect();
        (variance(&gaps), gaps.len(), "paired over held-out real sentences")
    } else {
        let both = variance(&a.real) + variance(&b.real);
        (both, a.real.len() + b.real.len(), "over held-out sentences, as of independent texts")
    };
    let generated = variance(&a.generated) + variance(&b.generated);
    let error = ((real + generated) / 4.0 + a.seed_variance + b.seed_variance).sqrt();
    let n = (a.generated.len() + b.generated.len() + n_real) as u64;
    let estimate = Estimate::normal(value, error, n, method);
    let too_close = estimate.covers(0.0);
    Some(Difference { estimate, too_close })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    fn noise(n: usize, shift: f64, seed: u64) -> Vec<f64> {
        let mut rng = Seed::new(seed).rng();
        (0..n).map(|_| (rng.random::<f64>() + shift).clamp(0.0, 1.0)).collect()
    }

    #[test]
    fn p_values_are_uniform_where_there_is_nothing_to_tell() {
        let below = (0..200)
            .filter(|&i| {
                let scores = [Scores { real: noise(60, 0.0, 2 * i), generated: noise(60, 0.0, 2 * i + 1) }];
                Discrepancy::measure(&scores, 20, 99, Seed::new(i)).unwrap().p_value.value.unwrap() <= 0.1
            })
            .count();
        // 200 trials at .1: 20 ± 4.2; the test is discrete, so it may only be rarer.
        assert!(below <= 33, "{below} of 200 below .1");
    }

    #[test]
    fn the_absolute_distance_of_samples_may_be_above_1_and_lies_within_its_interval() {
        // D of .6 to 1 on real sentences, and of .3 to .5 on generated ones, which s takes with a minus: .8 + .4 in the mean.
        let within = |low: f64, width: f64, seed| noise(300, 0.0, seed).iter().map(|u| low + width * u).collect();
        let scores = [Scores { real: within(0.6, 0.4, 1), generated: within(0.3, 0.2, 2) }];
        let found = Discrepancy::measure(&scores, 200, 0, Seed::new(3)).unwrap().absolute;
        assert!(found.covers(1.2) && found.high > found.value, "{found:?}");
    }

    #[test]
    fn intervals_cover_what_a_fixed_classifier_would_score_on_all_sentences() {
        // The scores are min(u + .1, 1) for real and u for generated. DD = ½(.2) = .1; the relative distance
        // is .1 − .1²/2; AUC = ∫ min(u + .1, 1) du; the plug-in is the mean of .5 and .16 + .25 + .1.
        let found: Vec<Discrepancy> = (0..200)
            .map(|i| {
                let scores = [Scores { real: noise(300, 0.1, 5000 + 2 * i), generated: noise(300, 0.0, 5001 + 2 * i) }];
                Discrepancy::measure(&scores, 200, 0, Seed::new(i)).unwrap()
            })
            .collect();
        type Get = fn(&Discrepancy) -> &Estimate;
        let truths: [(Get, f64); 4] =
            [(|d| &d.dd, 0.1), (|d| &d.relative, 0.095), (|d| &d.auc, 0.595), (|d| &d.tv, 0.505)];
        for (i, (get, truth)) in truths.into_iter().enumerate() {
            let covered = found.iter().filter(|d| get(d).covers(truth)).count();
            // 180 of 200 with a standard deviation of 4.2.
            assert!((168..=194).contains(&covered), "{i}: {covered} of 200");
        }
    }

    #[test]
    fn a_perfect_classifier_has_an_interval_all_the_same() {
        let scores = [Scores { real: vec![0.9; 40], generated: vec![0.1; 40] }];
        let found = Discrepancy::measure(&scores, 100, 99, Seed::new(0)).unwrap();
        assert_eq!((found.dd.value, found.auc.value), (Some(1.0), Some(1.0)));
        assert!(found.dd.low.unwrap() < 1.0);
        assert_eq!(found.p_value.value, Some(0.01));
    }

    #[test]
    fn a_candidate_is_too_close_to_itself() {
        let scores = [Scores { real: noise(200, 0.1, 1), generated: noise(200, 0.0, 2) }];
        let found = Discrepancy::measure(&scores, 50, 0, Seed::new(0)).unwrap();
        let gap = difference(&found.decisions, &found.decisions).unwrap();
        assert!(gap.too_close && gap.estimate.value == Some(0.0));
    }

    #[test]
    fn only_the_same_sentences_are_paired() {
        let scores = [Scores { real: noise(200, 0.1, 1), generated: noise(200, 0.0, 2) }];
        let found = Discrepancy::measure(&scores, 50, 0, Seed::new(0)).unwrap().decisions;
        let of = |held_out: &str| Decisions { held_out: held_out.to_owned(), ..found.clone() };
        let width = |a: &str, b: &str| {
            let estimate = difference(&of(a), &of(b)).unwrap().estimate;
            (estimate.high.unwrap() - estimate.low.unwrap(), estimate.method.contains("paired"))
        };
        // As many sentences, but other ones or unknown ones: the real sentences' variance counts twice.
        let ((same, paired), (other, not)) = (width("x", "x"), width("x", "y"));
        assert!(paired && !not && same < 0.8 * other, "{same} {other}");
        assert_eq!(width("", ""), (other, false));
    }
}
