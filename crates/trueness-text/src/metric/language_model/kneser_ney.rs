//! Interpolated modified Kneser–Ney smoothing (Chen & Goodman 1998, "An Empirical Study of Smoothing
//! Techniques for Language Modeling", section 4.1.6).
//!
//! p(w | h) = max(0, a(hw) − D(a(hw))) / Σₓ a(hx) + b(h)·p(w | h′), h′ being h without its first word,
//! b(h) = Σₓ D(a(hx)) / Σₓ a(hx), and below the words the uniform distribution 1/|V|. The count a(·) is the
//! number of occurrences for n-grams of the highest order and for those that begin with `<s>`, else the
//! number of distinct words that precede the n-gram (both as KenLM says of itself; one `<s>` stands before a
//! sentence). Tests hold the estimates to a second implementation of the formulas, and the way in which a
//! model is asked to KenLM's queries; KenLM's own estimates were not at hand to compare with.
//!
//! With t_k the number of n-grams of an order whose count is k and Y = t₁/(t₁ + 2t₂), the discounts are
//! D₁ = 1 − 2Y·t₂/t₁, D₂ = 2 − 3Y·t₃/t₂ and D₃₊ = 3 − 4Y·t₄/t₃. Where an order gives a discount that is
//! undefined or outside (0, k], its discounts are ½, 1, 1½, which is KenLM's fallback.

use super::counts::{BEGIN, Counts, END, ROOT, key};
use crate::corpus::Encoded;
use crate::metric::language_model::SentenceScores;
use crate::{Error, Result};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an n-gram model is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NgramConfig {
    /// The longest n-grams, 1 to 5.
    pub order: usize,
    /// How many words share the uniform distribution at the bottom, the end of a sentence not counted.
    /// None: those of the training text and one for all unknown words. A number: every id below it is a
    /// word, which makes models of different texts comparable.
    pub vocabulary: Option<usize>,
}

impl Default for NgramConfig {
    fn default() -> Self {
        Self { order: 4, vocabulary: None }
    }
}

/// What is subtracted from counts of 1, of 2 and of 3 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Discounts {
    /// D₁, D₂ and D₃₊.
    pub by_count: [f64; 3],
    /// Whether the counts of counts gave no valid discounts, so that these are the fallback.
    pub fallback: bool,
}

impl Discounts {
    /// The discounts from the numbers of n-grams with counts 1 to 4.
    fn new(t: [u64; 4]) -> Self {
        let t = t.map(|x| x as f64);
        let y = t[0] / (t[0] + 2.0 * t[1]);
        let by_count = [1.0, 2.0, 3.0].map(|k| k - (k + 1.0) * y * t[k as usize] / t[k as usize - 1]);
        // A NaN fails the comparison too.
        if by_count.iter().zip([1.0, 2.0, 3.0]).all(|(&d, k)| d > 0.0 && d <= k) {
            Self { by_count, fallback: false }
        } else {
            Self { by_count: [0.5, 1.0, 1.5], fallback: true }
        }
    }

    fn of(&self, count: u32) -> f64 {
        match count {
            0 => 0.0,
            k => self.by_count[k.min(3) as usize - 1],
        }
    }
}

/// One n-gram: its probability after its first words, and its weight as a context.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The node of the n-gram without its first word.
    suffix: u32,
    /// n.
    order: u32,
    /// ln p(last word | the words before it).
    log_probability: f64,
    /// ln b(this n-gram), 0 where nothing was seen after it.
    log_backoff: f64,
}

/// An n-gram language model with modified Kneser–Ney smoothing: see the [module](self).
///
/// A token id that the training text has not is an unknown word, and has the probability b(h)·…·b(∅)/|V|:
/// with [`NgramConfig::vocabulary`] unset all unknown words together (they are one word, `<unk>`), else each.
#[derive(Clone, Debug)]
pub struct NgramModel {
    config: NgramConfig,
    /// (node, next word) → node.
    children: FxHashMap<u64, u32>,
    nodes: Vec<Node>,
    discounts: Vec<Discounts>,
    /// ln(1/|V|).
    log_uniform: f64,
    n_sentences: usize,
    hash: String,
}

impl NgramModel {
    /// Trains a model. Token ids are any numbers below 2³² − 2.
    ///
    /// # Errors
    /// If there are no sentences, the order is not from 1 to 5, a token id is too large, or
    /// [`NgramConfig::vocabulary`] is smaller than an id of the text asks for.
    pub fn fit(text: &Encoded, config: &NgramConfig) -> Result<Self> {
        if !(1..=5).contains(&config.order) {
            return Err(Error::Input(format!("an n-gram model has an order from 1 to 5; got {}", config.order)));
        }
        if text.is_empty() {
            return Err(Error::Input("an n-gram model needs at least one sentence to train on; got none".to_owned()));
        }
        if let Some(id) =
            text.iter().flatten().find(|&&id| id >= config.vocabulary.map_or(END, |n| n.min(END as usize) as u32))
        {
            let limit = config.vocabulary.unwrap_or(END as usize);
            return Err(Error::Input(format!("an n-gram model expected token ids below {limit}; got {id}")));
        }
        let order = config.order as u32;
        let mut counts = Counts::new();
        let mut hasher = blake3::Hasher::new();
        let mut ending = Vec::new();
        for sentence in text.iter() {
            counts.add(sentence, config.order, &mut ending);
            sentence.iter().chain([&END]).for_each(|id| {
                hasher.update(&id.to_le_bytes());
            });
        }
        counts.adjust(order);
        // Types: every unigram but `<s>`; that leaves the words and `</s>`.
        let types = (1..counts.count.len()).filter(|&node| counts.order[node] == 1 && counts.predicted(node)).count();
        let size = config.vocabulary.map_or(types + 1, |n| n + 1);
        let mut model = Self {
            config: config.clone(),
            discounts: discounts(&counts, order),
            log_uniform: -(size as f64).ln(),
            nodes: Vec::new(),
            children: FxHashMap::default(),
            n_sentences: text.len(),
            hash: hasher.finalize().to_hex()[..16].to_owned(),
        };
        model.nodes = model.smooth(&counts);
        model.children = counts.children;
        Ok(model)
    }

    /// Computes all probabilities and back-off weights.
    fn smooth(&self, counts: &Counts) -> Vec<Node> {
        let n = counts.count.len();
        let mut total = vec![0u64; n];
        let mut discounted = vec![0f64; n];
        for node in (1..n).filter(|&node| counts.predicted(node)) {
            let context = counts.parent[node] as usize;
            total[context] += u64::from(counts.count[node]);
            discounted[context] += self.discounts[counts.order[node] as usize - 1].of(counts.count[node]);
        }
        let backoff = |node: usize| if total[node] == 0 { 1.0 } else { discounted[node] / total[node] as f64 };
        let mut probability = vec![0f64; n];
        // A suffix has a smaller order but not always a smaller number, so the orders go one by one.
        for order in 1..=self.config.order as u32 {
            let discounts = &self.discounts[order as usize - 1];
            for node in (1..n).filter(|&node| counts.order[node] == order && counts.predicted(node)) {
                let (context, count) = (counts.parent[node] as usize, counts.count[node]);
                let lower = if order == 1 { self.log_uniform.exp() } else { probability[counts.suffix[node] as usize] };
                let own = (f64::from(count) - discounts.of(count)).max(0.0) / total[context] as f64;
                probability[node] = own + backoff(context) * lower;
            }
        }
        (0..n)
            .map(|node| Node {
                suffix: counts.suffix[node],
                order: counts.order[node],
                log_probability: probability[node].ln(),
                log_backoff: backoff(node).ln(),
            })
            .collect()
    }

    /// The logarithms of the probabilities of a sentence's tokens and of its end, given all that comes
    /// before them: one more than there are tokens, in nats.
    pub fn log_probabilities(&self, sentence: &[u32]) -> Vec<f64> {
        let mut context = self.start();
        sentence.iter().copied().chain([END]).map(|word| self.next(&mut context, word)).collect()
    }

    /// The negative log-likelihood of sentences; the end of a sentence counts as a token.
    pub fn score(&self, text: &Encoded) -> SentenceScores {
        let sentences: Vec<&[u32]> = text.iter().collect();
        let nll = sentences.par_iter().map(|sentence| {
            let mut context = self.start();
            let words = sentence.iter().copied().chain([END]);
            -words.map(|word| self.next(&mut context, word)).sum::<f64>()
        });
        SentenceScores { nll: nll.collect(), tokens: sentences.iter().map(|s| s.len() as u32 + 1).collect() }
    }

    /// The node of the context at the beginning of a sentence.
    fn start(&self) -> u32 {
        if self.config.order == 1 { ROOT } else { self.children.get(&key(ROOT, BEGIN)).copied().unwrap_or(ROOT) }
    }

    /// ln p(word | context); the context moves on by the word.
    fn next(&self, context: &mut u32, word: u32) -> f64 {
        let mut sum = 0.0;
        loop {
            if let Some(&child) = self.children.get(&key(*context, word)) {
                let node = self.nodes[child as usize];
                // A full-length n-gram is never a context; what it leaves is its longest proper suffix.
                *context = if node.order as usize == self.config.order { node.suffix } else { child };
                return sum + node.log_probability;
            }
            sum += self.nodes[*context as usize].log_backoff;
            if *context == ROOT {
                return sum + self.log_uniform;
            }
            *context = self.nodes[*context as usize].suffix;
        }
    }

    /// The probability of an unknown word where nothing is known of its context: b(∅)/|V|.
    pub fn unknown_probability(&self) -> f64 {
        (self.nodes[ROOT as usize].log_backoff + self.log_uniform).exp()
    }

    /// The discounts of orders 1, 2, ….
    pub fn discounts(&self) -> &[Discounts] {
        &self.discounts
    }

    /// How many sentences trained the model.
    pub fn n_sentences(&self) -> usize {
        self.n_sentences
    }

    /// How many n-grams of all orders the model holds.
    pub fn n_ngrams(&self) -> usize {
        self.nodes.len() - 1
    }

    /// What the model is, in words.
    pub fn name(&self) -> String {
        format!("modified Kneser–Ney {}-gram model", self.config.order)
    }

    /// Everything that the model depends on, in one line.
    pub fn signature(&self) -> String {
        let vocabulary = self.config.vocabulary.map_or("open".to_owned(), |n| n.to_string());
        format!("mkn{}|vocabulary:{vocabulary}|trained:{}x{}", self.config.order, self.n_sentences, self.hash)
    }
}

/// The discounts of each order, from its counts of counts.
fn discounts(counts: &Counts, order: u32) -> Vec<Discounts> {
    let mut t = vec![[0u64; 4]; order as usize];
    for node in (1..counts.count.len()).filter(|&node| counts.predicted(node)) {
        if let count @ 1..=4 = counts.count[node] {
            t[counts.order[node] as usize - 1][count as usize - 1] += 1;
        }
    }
    t.into_iter().map(Discounts::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn corpus(sentences: &[Vec<u32>]) -> Encoded {
        sentences.iter().collect()
    }

    #[test]
    fn discounts_match_a_hand_computed_case() {
        // t = 4, 2, 1, 1: Y = 1/2, D₁ = 1 − 2·½·2/4, D₂ = 2 − 3·½·1/2, D₃ = 3 − 4·½·1/1.
        let discounts = Discounts::new([4, 2, 1, 1]);
        assert_eq!((discounts.by_count, discounts.fallback), ([0.5, 1.25, 1.0], false));
        assert!(Discounts::new([0, 2, 1, 1]).fallback);
        assert!(Discounts::new([4, 0, 0, 0]).fallback);
        assert!(Discounts::new([4, 2, 1, 9]).fallback);
    }

    #[test]
    fn bad_requests_are_refused() {
        let text = corpus(&[vec![0, 1]]);
        assert!(NgramModel::fit(&text, &NgramConfig { order: 6, vocabulary: None }).is_err());
        assert!(NgramModel::fit(&text, &NgramConfig { order: 2, vocabulary: Some(1) }).is_err());
        assert!(NgramModel::fit(&Encoded::new(), &NgramConfig::default()).is_err());
    }

    proptest! {
        #[test]
        fn probabilities_sum_to_one_after_any_context(
            sentences in proptest::collection::vec(proptest::collection::vec(0u32..6, 0..7), 1..30),
            context in proptest::collection::vec(0u32..8, 0..6),
            order in 1usize..=5,
            closed in any::<bool>(),
        ) {
            let vocabulary = closed.then_some(8);
            let text = corpus(&sentences);
            let model = NgramModel::fit(&text, &NgramConfig { order, vocabulary }).unwrap();
            let mut node = model.start();
            for &word in &context {
                model.next(&mut node, word);
            }
            let seen = |id: u32| text.iter().flatten().any(|&word| word == id);
            // An open vocabulary has the words of the text and one unknown word; a closed one has 8 words.
            let mut words: Vec<u32> = (0..8).filter(|&id| closed || seen(id)).collect();
            if !closed {
                words.push(99);
            }
            words.push(END);
            let total: f64 = words.into_iter().map(|word| model.next(&mut { node }, word).exp()).sum();
            prop_assert!((total - 1.0).abs() < 1e-12, "{total}");
        }
    }
}
