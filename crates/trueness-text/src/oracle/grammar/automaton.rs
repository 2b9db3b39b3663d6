//! Weighted automata: acyclic, and deterministic, so that every sentence has at most one derivation.

use crate::corpus::Vocabulary;
use rand::RngExt;
use trueness_core::Rng;

/// The number of a state. Arcs lead from larger numbers to smaller ones.
pub(super) type StateId = u32;

/// The state in which sentences end; it has no arcs.
pub(super) const FINAL: StateId = 0;

/// The token of arcs that end the sentence without a word.
const NOTHING: u32 = u32::MAX;

/// One way to go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arc {
    /// The word that is emitted, or [`NOTHING`].
    pub(super) token: u32,
    pub(super) probability: f64,
    pub(super) to: StateId,
}

/// Ways to go on whose probabilities sum to 1.
pub(super) type Arcs = Vec<Arc>;

/// A deterministic acyclic automaton over words with a probability on each arc.
#[derive(Clone, Debug, Default)]
pub(super) struct Automaton {
    pub(super) vocabulary: Vocabulary,
    /// The arcs of each state, in the order of their tokens.
    states: Vec<Arcs>,
}

impl Automaton {
    pub(super) fn new() -> Self {
        Self { vocabulary: Vocabulary::new(), states: vec![Vec::new()] }
    }

    /// An arc that emits a word.
    pub(super) fn word(&mut self, word: &str, probability: f64, to: StateId) -> Arc {
        Arc { token: self.vocabulary.add(word), probability, to }
    }

    /// The arc that ends the sentence without a word.
    pub(super) fn stop(&self) -> Arcs {
        vec![Arc { token: NOTHING, probability: 1.0, to: FINAL }]
    }

    /// Adds a state. The last one added is the start.
    pub(super) fn state(&mut self, mut arcs: Arcs) -> StateId {
        arcs.sort_by_key(|arc| arc.token);
        self.states.push(arcs);
        (self.states.len() - 1) as StateId
    }

    /// The natural logarithm of a sentence's probability; −∞ outside the language.
    pub(super) fn log_density(&self, sentence: &[u32]) -> f64 {
        let mut state = self.states.len() - 1;
        let mut sum = 0.0;
        for &token in sentence {
            match self.states[state].binary_search_by_key(&token, |arc| arc.token) {
                Ok(i) if token != NOTHING => {
                    sum += self.states[state][i].probability.ln();
                    state = self.states[state][i].to as usize;
                }
                _ => return f64::NEG_INFINITY,
            }
        }
        match self.states[state].last() {
            None => sum,
            Some(arc) if arc.token == NOTHING => sum + arc.probability.ln(),
            Some(_) => f64::NEG_INFINITY,
        }
    }

    /// Draws a sentence.
    pub(super) fn sample(&self, rng: &mut Rng) -> Vec<u32> {
        let mut sentence = Vec::new();
        let mut state = self.states.len() - 1;
        while state != FINAL as usize {
            let mut target = rng.random::<f64>();
            // Rounding can leave a rest behind the last arc; the last possible one is taken then.
            let mut chosen = None;
            for arc in self.states[state].iter().filter(|arc| arc.probability > 0.0) {
                chosen = Some(arc);
                target -= arc.probability;
                if target < 0.0 {
                    break;
                }
            }
            let Some(arc) = chosen else { break };
            if arc.token != NOTHING {
                sentence.push(arc.token);
            }
            state = arc.to as usize;
        }
        sentence
    }

    /// The expectation over sentences of Σ f(arc) over the arcs taken; 0·f counts as 0.
    fn expectation(&self, f: impl Fn(&Arc) -> f64) -> f64 {
        let mut values: Vec<f64> = Vec::with_capacity(self.states.len());
        for arcs in &self.states {
            let possible = arcs.iter().filter(|arc| arc.probability > 0.0);
            values.push(possible.map(|arc| arc.probability * (f(arc) + values[arc.to as usize])).sum());
        }
        values.last().copied().unwrap_or(0.0)
    }

    /// The entropy in nats per sentence: by the chain rule, the expected surprise of the arcs taken.
    pub(super) fn entropy(&self) -> f64 {
        self.expectation(|arc| -arc.probability.ln())
    }

    /// The expected number of words in a sentence.
    pub(super) fn mean_length(&self) -> f64 {
        self.expectation(|arc| if arc.token == NOTHING { 0.0 } else { 1.0 })
    }

    /// How often each word is expected in a sentence, by its id.
    pub(super) fn expected_counts(&self) -> Vec<f64> {
        let mut reach = vec![0.0; self.states.len()];
        let mut counts = vec![0.0; self.vocabulary.len()];
        if let Some(start) = reach.last_mut() {
            *start = 1.0;
        }
        for (state, arcs) in self.states.iter().enumerate().rev() {
            for arc in arcs {
                let mass = reach[state] * arc.probability;
                reach[arc.to as usize] += mass;
                if let Some(count) = counts.get_mut(arc.token as usize) {
                    *count += mass;
                }
            }
        }
        counts
    }

    /// How many sentences have a positive probability.
    pub(super) fn n_sentences(&self) -> f64 {
        let mut counts: Vec<f64> = Vec::with_capacity(self.states.len());
        for (state, arcs) in self.states.iter().enumerate() {
            let possible = arcs.iter().filter(|arc| arc.probability > 0.0);
            let sum = possible.map(|arc| counts[arc.to as usize]).sum();
            counts.push(if state == FINAL as usize { 1.0 } else { sum });
        }
        counts.last().copied().unwrap_or(0.0)
    }

    /// Whether two automata have the same words, states and arcs, whatever the probabilities.
    pub(super) fn same_shape(&self, other: &Self) -> bool {
        let same = |(a, b): (&Arcs, &Arcs)| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a.token, a.to) == (b.token, b.to))
        };
        self.vocabulary.words() == other.vocabulary.words()
            && self.states.len() == other.states.len()
            && self.states.iter().zip(&other.states).all(same)
    }

    /// The states with their arcs' ends and two probabilities, of two automata of the same shape, from the
    /// start on.
    pub(super) fn paired<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (usize, impl Iterator<Item = (usize, f64, f64)> + Clone + 'a)> + 'a {
        let pairs = self.states.iter().zip(&other.states).enumerate().rev();
        pairs
            .map(|(state, (a, b))| (state, a.iter().zip(b).map(|(a, b)| (a.to as usize, a.probability, b.probability))))
    }

    /// How many states there are.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    #[cfg(test)]
    pub(super) fn states(&self) -> &[Arcs] {
        &self.states
    }

    /// All sentences of positive probability, with it.
    #[cfg(test)]
    pub(super) fn enumerate(&self) -> Vec<(Vec<u32>, f64)> {
        let mut found = Vec::new();
        let mut open = vec![(Vec::new(), 1.0, self.states.len() - 1)];
        while let Some((sentence, probability, state)) = open.pop() {
            if state == FINAL as usize {
                found.push((sentence, probability));
                continue;
            }
            for arc in self.states[state].iter().filter(|arc| arc.probability > 0.0) {
                let mut longer = sentence.clone();
                if arc.token != NOTHING {
                    longer.push(arc.token);
                }
                open.push((longer, probability * arc.probability, arc.to as usize));
            }
        }
        found
    }
}
