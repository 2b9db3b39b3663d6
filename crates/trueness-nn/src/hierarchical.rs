//! Language models with a manager and a worker that see what a classifier makes of the sentence so far: LeakGAN's generator (Guo et
//! al. 2018).

use crate::dense::Dense;
use crate::init::{Init, MAX_PARAMETERS, linear};
use crate::kernel::{self, Orientation, Packed};
use crate::lstm::{LstmLayer, RunnerLayer, copy_rows, packed, values};
use crate::next_token::{Head, NextToken, Runner, Sequences};
use crate::prefix_features::{PrefixFeatures, PrefixState};
use crate::text_cnn::{TextCnn, TextCnnConfig};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use trueness_core::{Error, Result, Seed};

/// What keeps a vector of zeros from a division by its length.
const SHORTEST: f64 = 1e-8;

/// What a [`Hierarchical`] is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HierarchicalConfig {
    /// The number of token ids.
    pub vocabulary: usize,
    /// The size of a token's vector.
    pub embedding: usize,
    /// The size of the manager's and of the worker's state.
    pub hidden: usize,
    /// The size to which goals are brought for the worker.
    pub goal: usize,
    /// For how many tokens a goal is set.
    pub horizon: usize,
    /// The classifier that leaks its features; its ids are those of the generator and one more, since 0 is its padding.
    pub leak: TextCnnConfig,
}

impl HierarchicalConfig {
    /// The generator of LeakGAN's code, 32 and 32 with goals of 16 for 4 tokens, and a classifier's sizes.
    pub fn leakgan(vocabulary: usize, leak: TextCnnConfig) -> Self {
        Self { vocabulary, embedding: 32, hidden: 32, goal: 16, horizon: 4, leak }
    }

    /// # Errors
    /// [`Error::Input`] if a size is 0 or far too large, or the classifier has another vocabulary.
    pub fn check(&self) -> Result<()> {
        let Self { vocabulary, embedding, hidden, goal, horizon, ref leak } = *self;
        if [vocabulary, embedding, hidden, goal, horizon].contains(&0) {
            return Err(Error::Input(format!("a manager and a worker need sizes of at least 1, got {self:?}")));
        }
        leak.check()?;
        if leak.vocabulary != vocabulary + 1 {
            return Err(Error::Input(format!(
                "a generator of {vocabulary} ids needs a classifier of one more, got {}",
                leak.vocabulary
            )));
        }
        let features: usize = leak.filters.iter().sum();
        let parameters = || {
            let lstm = |inputs: usize| inputs.checked_add(hidden)?.checked_mul(hidden)?.checked_mul(4);
            let words = hidden.checked_add(1)?.checked_mul(goal)?.checked_add(embedding)?.checked_mul(vocabulary)?;
            let goals = features.checked_mul(hidden.checked_add(goal)?)?;
            lstm(features)?.checked_add(lstm(embedding)?)?.checked_add(words)?.checked_add(goals)
        };
        match parameters() {
            Some(n) if n <= MAX_PARAMETERS => Ok(()),
            _ => Err(Error::Input(format!(
                "a manager and a worker of these sizes have more than {MAX_PARAMETERS} parameters"
            ))),
        }
    }

    /// A network with initial weights: all normal with standard deviation .1, as in LeakGAN's code, and a new classifier.
    ///
    /// # Errors
    /// As for [`HierarchicalConfig::check`].
    pub fn init(&self, device: &Device, seed: Seed) -> Result<Hierarchical> {
        self.check()?;
        let Self { vocabulary, embedding, hidden, goal, .. } = *self;
        let init = Init::Normal { sd: 0.1 };
        let features = self.leak.filters.iter().sum();
        Ok(Hierarchical {
            leak: self.leak.init(device, seed.child("leak"))?,
            manager: LstmLayer::new(features, hidden, init, device, seed.child("manager")),
            goals: linear(hidden, features, init, init, device, seed.child("goals")),
            first_goal: init.param([1, features], device, seed.child("first-goal")),
            embedding: init.param([vocabulary, embedding], device, seed.child("embedding")),
            worker: LstmLayer::new(embedding, hidden, init, device, seed.child("worker")),
            project: init.param([features, goal], device, seed.child("project")),
            output: init.param([(hidden + 1) * goal, vocabulary], device, seed.child("output")),
            horizon: self.horizon,
        })
    }
}

/// A language model of two levels.
///
/// With fₜ the classifier's features of the first t tokens, the manager, an LSTM, makes of f₀ … fₜ a goal gₜ of length one in the
/// space of features. The worker, an LSTM over the tokens, makes of them a matrix Oₜ with a row for each token id, linear in its
/// state; the goals of the last `horizon` steps, the first one after a learned initial goal, are summed and brought to a small vector
/// ψₜ of length one; the logits of the next token are Oₜ·ψₜ. They are linear in state ⊗ ψ and ψ, which are the features here.
///
/// The classifier's weights are constants: no gradient flows into them. Nor does a gradient flow from the worker into the manager.
#[derive(Module, Debug)]
pub struct Hierarchical {
    /// What leaks its features.
    pub leak: TextCnn,
    /// From features of the classifier to the manager's state.
    pub manager: LstmLayer,
    /// From the manager's state to goals.
    pub goals: Linear,
    /// `[1, features]`.
    pub first_goal: Param<Tensor<2>>,
    /// `[vocabulary, embedding]`.
    pub embedding: Param<Tensor<2>>,
    /// From tokens to the worker's state.
    pub worker: LstmLayer,
    /// ψ's, `[features, goal]`.
    pub project: Param<Tensor<2>>,
    /// O's, `[(hidden + 1) · goal, vocabulary]`: the weights of the state's first number, of its next, and so on, then the biases.
    pub output: Param<Tensor<2>>,
    /// For how many tokens a goal is set.
    pub horizon: usize,
}

/// What the manager sees of sequences, and where it wants to go.
#[derive(Clone, Debug)]
pub struct Goals {
    /// The classifier's features before each token and after the last one, `[batch · (time + 1), features]`.
    pub features: Tensor<2>,
    /// The goal before each token, `[batch · time, features]`, each of length one.
    pub goals: Tensor<2>,
    time: usize,
}

/// One goal of one sequence: the direction from a step to a later one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// The sequence's number.
    pub row: usize,
    /// How many tokens there were when the goal was set.
    pub from: usize,
    /// How many there are when it is asked what came of it.
    pub to: usize,
    /// How much it counts.
    pub weight: f32,
}

/// Rows of length one.
fn unit(x: Tensor<2>) -> Tensor<2> {
    let norm = x.clone().square().sum_dim(1).sqrt().clamp_min(SHORTEST);
    x / norm
}

impl Goals {
    /// cos(f_to − f_from, g_from) of transitions, one each.
    pub fn cosines(&self, transitions: &[Transition]) -> Tensor<1> {
        let device = self.goals.device();
        let places = |of: &dyn Fn(&Transition) -> usize| {
            let places: Vec<i32> = transitions.iter().map(|transition| (of(transition) as u32).cast_signed()).collect();
            Tensor::<1, Int>::from_data(TensorData::new(places, [transitions.len()]), &device)
        };
        let at = |t: usize, row: usize| row * (self.time + 1) + t;
        let from = self.features.clone().select(0, places(&|t| at(t.from, t.row)));
        let to = self.features.clone().select(0, places(&|t| at(t.to, t.row)));
        let goals = self.goals.clone().select(0, places(&|t| t.row * self.time + t.from));
        (unit(to - from) * goals).sum_dim(1).squeeze_dim(1)
    }

    /// −Σ weight · cos(f_to − f_from, g_from): what the manager minimises (Guo et al. 2018, equation 8). One element.
    pub fn loss(&self, transitions: &[Transition]) -> Tensor<1> {
        let weights: Vec<f32> = transitions.iter().map(|transition| -transition.weight).collect();
        let weights = TensorData::new(weights, [transitions.len()]);
        (self.cosines(transitions) * Tensor::<1>::from_data(weights, &self.goals.device())).sum()
    }
}

impl Hierarchical {
    /// The same generator with another classifier of the same sizes.
    #[must_use]
    pub fn with_leak(self, leak: TextCnn) -> Self {
        Self { leak, ..self }
    }

    /// What the manager sees of sequences, and its goals.
    pub fn goals(&self, sequences: &Sequences) -> Goals {
        let Sequences { batch, time, .. } = *sequences;
        let features = self.leaked(sequences);
        let size = features.dims()[1];
        let before = features.clone().reshape([batch, time + 1, size]).narrow(1, 0, time);
        let LstmLayer { weight, recurrent, bias } = &self.manager;
        let state = kernel::lstm(before, weight.val(), recurrent.val(), bias.val());
        let hidden = state.dims()[2];
        let goals = unit(kernel::apply(&self.goals, state.reshape([batch * time, hidden])));
        Goals { features, goals, time }
    }

    /// The classifier's features before each token and after the last one, `[batch · (time + 1), features]`: constants.
    fn leaked(&self, sequences: &Sequences) -> Tensor<2> {
        /// Sequences that are looked at together: fixed, since rounding depends on their number.
        const TOGETHER: usize = 16;
        let Sequences { batch, time, .. } = *sequences;
        let tokens: Vec<u32> = sequences.targets.iter().map(|id| id + 1).collect();
        let Ok(prefixes) = PrefixFeatures::of(&self.leak) else {
            // Weights that do not come out of their device stay there: each prefix is looked at by itself.
            let rows = tokens.chunks_exact(time.max(1));
            let all: Vec<&[u32]> = rows.flat_map(|row| (0..=time).map(move |t| &row[..t])).collect();
            let leak = self.leak.clone().no_grad();
            return leak.features(leak.batch(&all)).detach();
        };
        let size = prefixes.features();
        let mut found = vec![0.0; batch * (time + 1) * size];
        found.par_chunks_mut(TOGETHER * (time + 1) * size).enumerate().for_each(|(chunk, found)| {
            let rows = found.len() / ((time + 1) * size);
            let mut state = prefixes.start(rows);
            for t in 0..=time {
                for (row, now) in prefixes.read(&state).chunks_exact(size).enumerate() {
                    found[(row * (time + 1) + t) * size..][..size].copy_from_slice(now);
                }
                if t < time {
                    prefixes.push(&mut state, (0..rows).map(|row| tokens[(chunk * TOGETHER + row) * time + t]));
                }
            }
        });
        Tensor::from_data(TensorData::new(found, [batch * (time + 1), size]), &self.embedding.device())
    }

    /// The worker's features of every position under given goals, `[batch · time, features]`; the goals are constants.
    pub fn worked(&self, sequences: &Sequences, goals: &Goals) -> Tensor<2> {
        let Sequences { batch, time, .. } = *sequences;
        let size = self.first_goal.dims()[1];
        let all = goals.goals.clone().detach().reshape([batch, time, size]);
        let first = unit(self.first_goal.val()).unsqueeze::<3>().repeat_dim(0, batch);
        let sum = match self.horizon {
            1 => all,
            horizon => {
                let none = Tensor::zeros([batch, horizon - 2, size], &all.device());
                let before = if horizon > 2 { vec![none, first, all] } else { vec![first, all] };
                let padded = Tensor::cat(before, 1);
                let shifted = (0..horizon).map(|i| padded.clone().narrow(1, i, time));
                shifted.reduce(|sum, one| sum + one).unwrap_or(padded)
            }
        };
        let psi = unit(sum.reshape([batch * time, size]).matmul(self.project.val()));
        let input = kernel::embedding(self.embedding.val(), &sequences.inputs);
        let wide = input.dims()[1];
        let LstmLayer { weight, recurrent, bias } = &self.worker;
        let state = kernel::lstm(input.reshape([batch, time, wide]), weight.val(), recurrent.val(), bias.val());
        let (hidden, goal) = (state.dims()[2], psi.dims()[1]);
        let outer = state.reshape([batch * time, hidden, 1]) * psi.clone().unsqueeze_dim::<3>(1);
        Tensor::cat(vec![outer.reshape([batch * time, hidden * goal]), psi], 1)
    }

    /// Σ weight · −log p(target | inputs so far) with the worker's features, one element: nothing of it reaches the manager.
    pub fn worker_loss(&self, sequences: &Sequences, goals: &Goals) -> Tensor<1> {
        let Head { weight, orientation, bias } = self.head();
        let features = self.worked(sequences, goals);
        kernel::linear_cross_entropy(features, weight, orientation, bias, &sequences.targets, &sequences.weights)
    }
}

impl NextToken for Hierarchical {
    type Runner = HierarchicalRunner;

    fn vocabulary(&self) -> usize {
        self.embedding.dims()[0]
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn features(&self, sequences: &Sequences, _dropout: Option<Seed>) -> Tensor<2> {
        self.worked(sequences, &self.goals(sequences))
    }

    fn head(&self) -> Head {
        Head { weight: self.output.val(), orientation: Orientation::InputsByClasses, bias: None }
    }

    /// The likelihood's loss. Its gradient has the manager's too, who learns to point to where the sequences go (Guo et al. 2018,
    /// section "Training"), though the value has no part of that.
    fn loss(&self, sequences: &Sequences, _dropout: Option<Seed>) -> Tensor<1> {
        let goals = self.goals(sequences);
        let worker = self.worker_loss(sequences, &goals);
        let transitions: Vec<Transition> = (0..sequences.batch)
            .flat_map(|row| {
                let weights = &sequences.weights[row * sequences.time..(row + 1) * sequences.time];
                // The last token may be an end, of which the classifier has no features.
                let last = weights.iter().filter(|weight| **weight != 0.0).count().saturating_sub(1);
                let reach = last.checked_sub(self.horizon).map_or(0..0, |begins| 0..begins + 1);
                reach.map(move |from| Transition { row, from, to: from + self.horizon, weight: weights[from] })
            })
            .collect();
        if transitions.is_empty() {
            return worker;
        }
        let manager = goals.loss(&transitions);
        worker + manager.clone() - manager.detach()
    }

    fn runner(&self) -> Result<HierarchicalRunner> {
        let first = values(unit(self.first_goal.val()))?;
        Ok(HierarchicalRunner {
            vocabulary: self.vocabulary(),
            size: self.embedding.dims()[1],
            horizon: self.horizon,
            leak: PrefixFeatures::of(&self.leak)?,
            manager: RunnerLayer::of(&self.manager)?,
            goals: Dense::of(&self.goals)?,
            first,
            embedding: values(self.embedding.val())?,
            worker: RunnerLayer::of(&self.worker)?,
            project: Dense { weight: packed(self.project.val())?, bias: vec![0.0; self.project.dims()[1]] },
            output: packed(self.output.val())?,
            no_bias: vec![0.0; self.vocabulary()],
        })
    }
}

/// A [`Hierarchical`] that runs token by token.
#[derive(Clone, Debug)]
pub struct HierarchicalRunner {
    vocabulary: usize,
    /// The size of a token's vector.
    size: usize,
    horizon: usize,
    leak: PrefixFeatures,
    manager: RunnerLayer,
    goals: Dense,
    first: Vec<f32>,
    embedding: Vec<f32>,
    worker: RunnerLayer,
    project: Dense,
    output: Packed,
    no_bias: Vec<f32>,
}

/// What a [`HierarchicalRunner`] keeps of some sequences.
#[derive(Clone, Debug)]
pub struct HierarchicalState {
    /// Whether what goes in first has gone in.
    begun: bool,
    prefixes: PrefixState,
    /// Output and cell, `[batch, hidden]`, of the manager and of the worker.
    manager: [Vec<f32>; 2],
    worker: [Vec<f32>; 2],
    /// The goals of the last steps, at most one less than the horizon, `[batch, features]` each; the oldest first.
    goals: Vec<Vec<f32>>,
}

/// Makes rows as long as one.
fn make_unit(rows: &mut [f32], size: usize) {
    for row in rows.chunks_exact_mut(size.max(1)) {
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(SHORTEST as f32);
        row.iter_mut().for_each(|x| *x /= norm);
    }
}

impl Runner for HierarchicalRunner {
    type State = HierarchicalState;

    fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn start(&self, batch: usize) -> HierarchicalState {
        let zeros = |layer: &RunnerLayer| [(); 2].map(|()| vec![0.0; batch * layer.hidden()]);
        let first = if self.horizon > 1 { vec![self.first.repeat(batch)] } else { Vec::new() };
        HierarchicalState {
            begun: false,
            prefixes: self.leak.start(batch),
            manager: zeros(&self.manager),
            worker: zeros(&self.worker),
            goals: first,
        }
    }

    fn chosen(&self, state: &HierarchicalState, rows: &[usize]) -> HierarchicalState {
        let mut chosen = self.start(rows.len());
        chosen.begun = state.begun;
        chosen.prefixes = self.leak.chosen(&state.prefixes, rows);
        let own = chosen.manager.iter_mut().chain(&mut chosen.worker);
        own.zip(state.manager.iter().chain(&state.worker)).for_each(|(to, from)| copy_rows(from, rows, to));
        chosen.goals = state.goals.iter().map(|_| vec![0.0; rows.len() * self.first.len()]).collect();
        chosen.goals.iter_mut().zip(&state.goals).for_each(|(to, from)| copy_rows(from, rows, to));
        chosen
    }

    fn step(&self, state: &mut HierarchicalState, tokens: &[u32], logits: &mut [f32]) {
        let (batch, features) = (tokens.len(), self.leak.features());
        if state.begun {
            self.leak.push(&mut state.prefixes, tokens.iter().map(|id| id + 1));
        }
        state.begun = true;
        let hidden = self.manager.hidden().max(self.worker.hidden());
        let mut gates = vec![0.0; batch * 4 * hidden];
        let seen = self.leak.read(&state.prefixes);
        let [h, c] = &mut state.manager;
        self.manager.step(&seen, h, c, &mut gates[..batch * 4 * self.manager.hidden()]);
        let mut goal = self.goals.apply(h, batch);
        make_unit(&mut goal, features);
        let mut sum = goal.clone();
        for before in &state.goals {
            sum.iter_mut().zip(before).for_each(|(sum, before)| *sum += before);
        }
        if self.horizon > 1 {
            state.goals.push(goal);
            let over = state.goals.len().saturating_sub(self.horizon - 1);
            state.goals.drain(..over);
        }
        let mut psi = self.project.apply(&sum, batch);
        let size = self.project.bias.len();
        make_unit(&mut psi, size);
        let row = |token: u32| self.embedding[token as usize * self.size..(token as usize + 1) * self.size].iter();
        let x: Vec<f32> = tokens.iter().flat_map(|&token| row(token)).copied().collect();
        let [h, c] = &mut state.worker;
        self.worker.step(&x, h, c, &mut gates[..batch * 4 * self.worker.hidden()]);
        let mut all = Vec::with_capacity(batch * (self.worker.hidden() + 1) * size);
        for (h, psi) in h.chunks_exact(self.worker.hidden()).zip(psi.chunks_exact(size)) {
            all.extend(h.iter().flat_map(|h| psi.iter().map(move |psi| h * psi)));
            all.extend_from_slice(psi);
        }
        kernel::linear_packed(&all, &self.output, &self.no_bias, logits);
    }
}
