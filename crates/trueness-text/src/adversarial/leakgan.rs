//! LeakGAN (Guo et al. 2018): the discriminator leaks its features of the sentence so far to a manager, whose goals a worker follows.
//!
//! The manager is rewarded for goals that point to where the features went when that was worth something; the worker for going where
//! the manager pointed. Between rounds both learn by maximum likelihood again.
//!
//! The features that leak are those of the whole sentence so far, whatever segments the discriminator judges by.

use super::opponent::{Judge, Opponent, drawn, finite};
use super::policy::{self, Ends, Reward};
use super::{Adversary, GENERATOR, Losses, Scene};
use crate::error::{Error, Result};
use crate::generator::Network;
use rustc_hash::FxHashMap;
use std::path::Path;
use trueness_core::{Seed, Watch};
use trueness_nn::burn::module::Module;
use trueness_nn::kernel::AdamConfig;
use trueness_nn::{
    Goals, Hierarchical, HierarchicalRunner, Learner, NextToken, Sampling, Sequences, Transition, roll_out, sample,
};

/// How steep rewards are in ranks: σ(16·rank/n − 8), as in LeakGAN's code.
const STEEPNESS: f32 = 16.0;

/// LeakGAN under way.
#[derive(Clone)]
pub(super) struct LeakGan {
    generator: Learner<Hierarchical>,
    opponent: Opponent,
}

/// What a goal was worth: its sentence's number, the tokens when it was set, the tokens when it was over, the worth.
type Worth = (usize, usize, usize, f32);

/// Rewards by rank among those of equal goals, the best one ranked highest; equal ones share the mean of their ranks.
fn rescaled(worths: &mut [Worth]) {
    let mut by_begin: FxHashMap<usize, Vec<usize>> = FxHashMap::default();
    worths.iter().enumerate().for_each(|(i, worth)| by_begin.entry(worth.1).or_default().push(i));
    for group in by_begin.into_values() {
        let values: Vec<f32> = group.iter().map(|&i| worths[i].3).collect();
        for (&i, value) in group.iter().zip(&values) {
            let below = values.iter().filter(|other| *other < value).count() as f32;
            let equal = values.iter().filter(|other| *other == value).count() as f32;
            let rank = below + (equal + 1.0) / 2.0;
            worths[i].3 = 1.0 / (1.0 + (STEEPNESS / 2.0 - STEEPNESS * rank / values.len() as f32).exp());
        }
    }
}

/// What each goal of some sentences was worth: the mean score of what the generator makes of the sentence as it was when the goal was
/// over, and the sentence's own for its last goal. A goal is set after every `horizon` tokens.
fn worths(
    judge: &Judge,
    runner: &HierarchicalRunner,
    sentences: &[Vec<u32>],
    (rollouts, horizon): (usize, usize),
    ends: Ends,
    seed: Seed,
    watch: Watch<'_>,
) -> Result<Vec<Worth>> {
    let whole = judge.scores(sentences, watch)?;
    let mut found: FxHashMap<(usize, usize), f32> = FxHashMap::default();
    if rollouts > 0 {
        let rolled = roll_out(runner, sentences, rollouts, horizon, ends, seed, watch)?;
        let scores = judge.scores(&rolled.sentences, watch)?;
        let means = scores.chunks_exact(rollouts).map(|scores| scores.iter().sum::<f32>() / rollouts as f32);
        found.extend(rolled.prefixes.into_iter().zip(means));
    }
    let of = |row: usize, to: usize| match found.get(&(row, to)) {
        Some(score) if to < sentences[row].len() => *score,
        _ => whole[row],
    };
    Ok(goals_of(sentences, horizon).map(|(row, from, to)| (row, from, to, of(row, to))).collect())
}

/// Every goal's sentence, begin and end.
fn goals_of(sentences: &[Vec<u32>], horizon: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    sentences.iter().enumerate().flat_map(move |(row, sentence)| {
        let length = sentence.len();
        (0..length).step_by(horizon).map(move |from| (row, from, (from + horizon).min(length)))
    })
}

/// The worker's reward of every decision: how far it went where the goals of the last steps pointed, (1/c)·Σ cos(f_t − f_{t−i},
/// g_{t−i}) over i from 1 to the horizon c (Guo et al. 2018, equation 9).
fn intrinsic(goals: &Goals, sentences: &[Vec<u32>], horizon: usize, ends: Ends) -> Result<Vec<Vec<f32>>> {
    let mut transitions = Vec::new();
    for (row, sentence) in sentences.iter().enumerate() {
        for made in 1..=policy::decisions(sentence, ends) {
            // An end leaves the sentence as it is.
            let to = made.min(sentence.len());
            let back = |i: usize| Transition { row, from: made - i, to, weight: 1.0 };
            transitions.extend((1..=horizon.min(made)).map(back));
        }
    }
    let cosines = goals.cosines(&transitions).detach().try_into_vec_as::<f32>();
    let cosines = cosines.map_err(|error| trueness_core::Error::Failed(format!("cannot read rewards: {error}")))?;
    let mut cosines = cosines.into_iter();
    let one = |made: usize, cosines: &mut dyn Iterator<Item = f32>| {
        cosines.take(horizon.min(made)).sum::<f32>() / horizon as f32
    };
    Ok(sentences
        .iter()
        .map(|sentence| (1..=policy::decisions(sentence, ends)).map(|made| one(made, &mut cosines)).collect())
        .collect())
}

impl LeakGan {
    /// # Errors
    /// If the generator sees the features of a discriminator of other sizes, or for segments that do not fit.
    pub(super) fn new(scene: &Scene<'_>, model: Hierarchical) -> Result<Self> {
        let expected = scene.knobs.discriminator.config().network(scene.vocabulary).parameters();
        if expected != Some(model.leak.num_params()) {
            return Err(Error::Input(format!(
                "the generator sees the features of a discriminator with {} parameters, and one of {} was asked for",
                model.leak.num_params(),
                expected.unwrap_or_default()
            )));
        }
        let opponent = Opponent::of(scene, model.leak.clone(), false)?;
        Ok(Self { generator: Learner::new(model, AdamConfig::default().init()), opponent })
    }

    /// The generator sees what the discriminator sees now.
    fn leaking(self) -> Self {
        let leak = self.opponent.network();
        Self { generator: self.generator.map(|model| model.with_leak(leak)), ..self }
    }

    /// Some steps of maximum likelihood.
    fn likelihood(mut self, scene: &Scene<'_>, seed: Seed, watch: Watch<'_>) -> Result<Self> {
        let knobs = scene.knobs;
        let (start, end, _) = scene.ends;
        let mut rng = seed.rng();
        for step in 0..knobs.interleave_steps {
            let sequences = Sequences::new(&drawn(scene.real, knobs.batch, &mut rng), start, end).mean();
            let loss = self.generator.model().loss(&sequences, None);
            finite("the generator", Learner::<Hierarchical>::value(&loss)?)?;
            self.generator = self.generator.step(&loss, knobs.generator_rate(), Some(knobs.clip))?;
            watch.step("maximum likelihood", step as u64 + 1, knobs.interleave_steps as u64)?;
        }
        Ok(self)
    }

    /// The rewards of the manager's goals, and of the worker's decisions.
    fn rewards(
        &self,
        scene: &Scene<'_>,
        runner: &HierarchicalRunner,
        sentences: &[Vec<u32>],
        goals: &Goals,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<(Vec<Worth>, Vec<Vec<f32>>)> {
        let (knobs, horizon) = (scene.knobs, self.generator.model().horizon);
        if !knobs.reward.asks() {
            let values = policy::control(knobs.reward, sentences, scene.ends, seed.child("control"));
            let goals = goals_of(sentences, horizon).map(|(row, from, to)| (row, from, to, values[row][from]));
            return Ok((goals.collect(), values));
        }
        let judge = self.opponent.judge(scene, seed.child("judge"));
        let seed = seed.child("roll-outs");
        let mut worths = worths(&judge, runner, sentences, (knobs.rollouts, horizon), scene.ends, seed, watch)?;
        rescaled(&mut worths);
        Ok((worths, intrinsic(goals, sentences, horizon, scene.ends)?))
    }
}

impl Adversary for LeakGan {
    fn prepare(self, scene: &Scene<'_>, seed: Seed, watch: Watch<'_>) -> Result<Self> {
        let runner = self.generator.model().valid().runner()?;
        let steps = scene.knobs.discriminator_pre_steps;
        let (opponent, _) = self.opponent.learn(scene, &runner, steps, seed.child("discriminator"), watch)?;
        Self { opponent, ..self }.leaking().likelihood(scene, seed.child("likelihood"), watch)
    }

    fn round(mut self, scene: &Scene<'_>, round: u64, seed: Seed, watch: Watch<'_>) -> Result<(Self, Losses)> {
        let knobs = scene.knobs;
        let mut total = 0.0;
        if round > 0 && round.is_multiple_of(knobs.interleave as u64) {
            self = self.likelihood(scene, seed.child("likelihood"), watch)?;
        }
        for step in 0..knobs.generator_steps {
            let seed = seed.child("generator").nth(step as u64);
            let runner = self.generator.model().valid().runner()?;
            let sentences =
                sample(&runner, knobs.batch, scene.ends, Sampling::default(), seed.child("sentences"), watch)?;
            let goals = self.generator.model().goals(&Sequences::new(&sentences, scene.ends.0, scene.ends.1));
            let (worths, mut values) = self.rewards(scene, &runner, &sentences, &goals, seed, watch)?;
            // Means, over goals and over decisions.
            let share = 1.0 / worths.len().max(1) as f32;
            let transition = |&(row, from, to, worth): &Worth| Transition { row, from, to, weight: share * worth };
            let transitions: Vec<Transition> = worths.iter().map(transition).collect();
            let decisions = values.iter().map(Vec::len).sum::<usize>().max(1) as f32;
            values.iter_mut().flatten().for_each(|value| *value /= decisions);
            let sequences = policy::weighted(&sentences, &values, scene.ends);
            let mut loss = self.generator.model().worker_loss(&sequences, &goals);
            if !transitions.is_empty() {
                loss = loss + goals.loss(&transitions);
            }
            total += finite("the generator", Learner::<Hierarchical>::value(&loss)?)?;
            self.generator = self.generator.step(&loss, knobs.generator_rate(), Some(knobs.clip))?;
        }
        let mut losses = Losses::mean(total, knobs.generator_steps);
        if knobs.reward == Reward::Discriminator {
            let (runner, seed) = (self.generator.model().valid().runner()?, seed.child("discriminator"));
            let (opponent, loss) = self.opponent.learn(scene, &runner, knobs.steps(), seed, watch)?;
            losses.discriminator = loss;
            self = Self { opponent, ..self }.leaking();
        }
        Ok((self, losses))
    }

    fn network(&self) -> Network {
        self.generator.model().valid().into()
    }

    fn probabilities(
        &self,
        scene: &Scene<'_>,
        sentences: &[Vec<u32>],
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Vec<f32>> {
        self.opponent.judge(scene, seed).probabilities(sentences, watch)
    }

    fn write(&self, folder: &Path) -> trueness_core::Result<()> {
        self.generator.write(folder, GENERATOR)?;
        self.opponent.write(folder)
    }

    fn resume(self, folder: &Path) -> trueness_core::Result<Self> {
        Ok(Self { generator: self.generator.resume(folder, GENERATOR)?, opponent: self.opponent.resume(folder)? })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail")]
mod tests {
    use super::super::{AdversarialKnobs, Method};
    use super::*;
    use trueness_core::{Cancel, Silent};
    use trueness_nn::{HierarchicalConfig, device, weights};

    #[test]
    fn rewards_follow_ranks_and_equals_share_one() {
        let mut worths = vec![(0, 0, 4, 0.2), (1, 0, 4, 0.9), (2, 0, 3, 0.2), (3, 0, 4, 0.1), (0, 4, 8, 0.7)];
        rescaled(&mut worths);
        let sigma = |x: f32| 1.0 / (1.0 + (-x).exp());
        // Ranks 2½, 4, 2½ and 1 of four; one of one.
        for (worth, expected) in worths.iter().zip([sigma(2.0), sigma(8.0), sigma(2.0), sigma(-4.0), sigma(8.0)]) {
            assert!((worth.3 - expected).abs() < 1e-6, "{worth:?} {expected}");
        }
    }

    #[test]
    fn a_round_moves_both_sides_and_the_generator_sees_the_discriminator_as_it_is() {
        let (cancel, silent) = (Cancel::default(), Silent);
        let watch = Watch::new(&cancel, &silent);
        let device = device::parse("cpu").unwrap().autodiff();
        let real: Vec<Vec<u32>> = (0..8).map(|i| vec![1 + i % 5, 2, 3, 4, 1 + i % 3]).collect();
        for (reward, moves) in [(Reward::Discriminator, true), (Reward::Frozen, false), (Reward::Constant, false)] {
            let knobs = AdversarialKnobs {
                method: Method::Leakgan,
                batch: 4,
                rollouts: 2,
                discriminator_steps: 2,
                discriminator_pre_steps: 1,
                interleave_steps: 1,
                reward,
                ..AdversarialKnobs::default()
            };
            let scene = Scene { knobs: &knobs, ends: (0, Some(0), 6), vocabulary: 6, real: &real, device: &device };
            let leak = knobs.discriminator.config().network(6);
            let model = HierarchicalConfig::leakgan(6, leak).init(&device, Seed::new(1)).unwrap();
            let before = LeakGan::new(&scene, model).unwrap().prepare(&scene, Seed::new(2), watch).unwrap();
            let (after, losses) = before.clone().round(&scene, 0, Seed::new(3), watch).unwrap();
            assert!(losses.generator.is_some() && losses.discriminator.is_some() == moves);
            let (old, new) = [&before, &after].map(|gan| weights::named(gan.generator.model()).unwrap()).into();
            for ((name, old), new) in old.iter().zip(new.values()) {
                let leaks = name.starts_with("leak");
                assert_eq!(old != new, moves || !leaks, "{name}");
            }
            let (seen, judge) =
                (weights::named(&after.generator.model().leak), weights::named(&after.opponent.network()));
            assert_eq!(seen.unwrap(), judge.unwrap());
        }
    }
}
