//! Sentence BLEU with every other sentence as a reference, for all orders in one pass.

use super::ngrams::Ngrams;
use crate::corpus::Encoded;
use crate::error::{Error, Result};
use rayon::prelude::*;
use trueness_core::mean_sd;

/// The highest order of n-grams that can be asked for.
pub const MAX_ORDER: usize = 9;

/// The orders to compute: BLEU-`low` to BLEU-`high`. BLEU-n weighs the precisions of 1 to n tokens
/// alike. The default is 2 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orders {
    low: usize,
    high: usize,
}

impl Default for Orders {
    fn default() -> Self {
        Self { low: 2, high: 5 }
    }
}

impl std::fmt::Display for Orders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.low == self.high { write!(f, "{}", self.low) } else { write!(f, "{}-{}", self.low, self.high) }
    }
}

impl Orders {
    /// The orders from `low` to `high`.
    ///
    /// # Errors
    /// Unless 1 ≤ `low` ≤ `high` ≤ [`MAX_ORDER`].
    pub fn new(low: usize, high: usize) -> Result<Self> {
        if 1 <= low && low <= high && high <= MAX_ORDER {
            Ok(Self { low, high })
        } else {
            Err(Error::Input(format!("orders of BLEU must be from 1 to {MAX_ORDER} and rising, not {low} to {high}")))
        }
    }

    /// The orders one after another, from the lowest.
    pub fn iter(self) -> impl ExactSizeIterator<Item = usize> {
        self.low..self.high + 1
    }

    /// The lowest order.
    pub fn low(self) -> usize {
        self.low
    }

    /// The highest order.
    pub fn high(self) -> usize {
        self.high
    }
}

/// The scores of hypotheses, each in [0, 1], order by order.
///
/// Two candidates' scores of the same sentences are paired, which is what a paired test needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    orders: Orders,
    by_order: Vec<Vec<f64>>,
}

impl Scores {
    /// The orders that were computed.
    pub fn orders(&self) -> Orders {
        self.orders
    }

    /// The scores of one order, one for each hypothesis in order; `None` for an order not computed.
    pub fn of(&self, order: usize) -> Option<&[f64]> {
        self.by_order.get(order.checked_sub(self.orders.low)?).map(Vec::as_slice)
    }

    /// The mean score of one order; `None` for an order not computed.
    pub fn mean(&self, order: usize) -> Option<f64> {
        self.of(order).map(|scores| mean_sd(scores).0)
    }

    /// The mean scores of all orders, from the lowest.
    pub fn means(&self) -> Vec<f64> {
        self.by_order.iter().map(|scores| mean_sd(scores).0).collect()
    }

    /// The order and the scores of each order, from the lowest.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (usize, &[f64])> {
        self.orders.iter().zip(self.by_order.iter().map(Vec::as_slice))
    }

    /// How many hypotheses were scored.
    pub fn len(&self) -> usize {
        self.by_order.first().map_or(0, Vec::len)
    }

    /// Whether none was scored, which the functions that make scores refuse.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How many sentences there are of each length.
#[derive(Debug)]
struct Lengths {
    /// Lengths in tokens, rising, each with its number of sentences.
    sorted: Vec<(usize, usize)>,
}

impl Lengths {
    fn new(sentences: &Encoded) -> Self {
        let mut lengths: Vec<usize> = sentences.iter().map(<[u32]>::len).collect();
        lengths.sort_unstable();
        Self { sorted: lengths.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect() }
    }

    /// The reference length that is closest to a hypothesis of `length` tokens, the shorter of two at
    /// the same distance. With `leave_one_out` one sentence of that very length does not count.
    fn closest(&self, length: usize, leave_one_out: bool) -> usize {
        let at = self.sorted.partition_point(|&(other, _)| other < length);
        let (shorter, mut longer) = self.sorted.split_at(at);
        if let Some(&(_, count)) = longer.first().filter(|(other, _)| *other == length) {
            if count > usize::from(leave_one_out) {
                return length;
            }
            longer = &longer[1..];
        }
        match (shorter.last(), longer.first()) {
            (Some(&(below, _)), Some(&(above, _))) if above - length < length - below => above,
            (Some(&(below, _)), _) => below,
            (None, Some(&(above, _))) => above,
            (None, None) => 0,
        }
    }
}

/// A set of reference sentences with their n-grams counted, for scoring many hypotheses.
///
/// Counting costs one table look-up for each token and order; memory is about 50 bytes for each
/// distinct n-gram.
#[derive(Debug)]
pub struct References {
    orders: Orders,
    count: usize,
    ngrams: Ngrams,
    lengths: Lengths,
}

impl References {
    /// Counts the references' n-grams.
    ///
    /// # Errors
    /// If there is no reference, or 2³² − 1 sentences or tokens or more.
    pub fn new(references: &Encoded, orders: Orders) -> Result<Self> {
        if references.is_empty() {
            return Err(Error::Input("BLEU needs at least one reference sentence, got none".to_owned()));
        }
        check_size(references, "references")?;
        Ok(Self {
            orders,
            count: references.len(),
            ngrams: Ngrams::count(references, orders.high),
            lengths: Lengths::new(references),
        })
    }

    /// How many references there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none, which [`References::new`] refuses.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Sentence BLEU of each hypothesis with all references, in the token ids of one vocabulary.
    ///
    /// For a hypothesis of L tokens, of which c_n n-grams stand in a reference (clipped counts),
    /// p_n = c_n / max(1, L − n + 1), or .1 / max(1, L − n + 1) where c_n = 0 (method 1 of Chen and
    /// Cherry, 2014). With r the closest reference length, BP = 1 if L > r, else exp(1 − r/L). The
    /// score is BP · (p_1 ⋯ p_N)^(1/N), or 0 where c_1 = 0, hence for an empty hypothesis.
    /// (Papineni et al., 2002, with uniform weights; equal to NLTK's `sentence_bleu` with `method1`.)
    ///
    /// # Errors
    /// If there is no hypothesis, or 2³² − 1 sentences or tokens or more.
    pub fn score(&self, hypotheses: &Encoded) -> Result<Scores> {
        self.score_with(hypotheses, false)
    }

    /// The scores of the first references themselves, each with all others as references
    /// (`leave_one_out`) or with all including itself.
    pub(super) fn score_with(&self, hypotheses: &Encoded, leave_one_out: bool) -> Result<Scores> {
        if hypotheses.is_empty() {
            return Err(Error::Input("BLEU needs at least one sentence to score, got none".to_owned()));
        }
        check_size(hypotheses, "sentences to score")?;
        let clipped = self.ngrams.clipped(hypotheses, leave_one_out);
        let rows: Vec<[f64; MAX_ORDER]> = clipped
            .par_chunks(self.orders.high)
            .enumerate()
            .map(|(i, matches)| {
                let length = hypotheses.sentence(i).len();
                sentence_bleu(matches, length, self.lengths.closest(length, leave_one_out))
            })
            .collect();
        let by_order = self.orders.iter().map(|order| rows.iter().map(|row| row[order - 1]).collect()).collect();
        Ok(Scores { orders: self.orders, by_order })
    }
}

/// The self-BLEU of each sentence: its BLEU with all *other* sentences as references. A sentence that
/// occurs twice is a legitimate reference of its copy.
///
/// The score depends strongly on the number of sentences; compare equal numbers only.
///
/// # Errors
/// If there are fewer than two sentences.
pub fn self_scores(sentences: &Encoded, orders: Orders) -> Result<Scores> {
    if sentences.len() < 2 {
        return Err(Error::Input(format!("self-BLEU needs at least two sentences, got {}", sentences.len())));
    }
    References::new(sentences, orders)?.score_with(sentences, true)
}

/// BLEU-1 to BLEU-n of a hypothesis of `length` tokens with n clipped counts; see [`References::score`].
fn sentence_bleu(matches: &[u32], length: usize, closest: usize) -> [f64; MAX_ORDER] {
    let mut scores = [0.0; MAX_ORDER];
    if matches[0] == 0 {
        return scores;
    }
    let brevity = if length > closest { 1.0 } else { (1.0 - closest as f64 / length as f64).exp() };
    let mut sum = 0.0;
    for (i, (&count, score)) in matches.iter().zip(&mut scores).enumerate() {
        let possible = length.saturating_sub(i).max(1) as f64;
        let count = if count == 0 { 0.1 } else { f64::from(count) };
        sum += (count / possible).ln();
        *score = brevity * (sum / (i + 1) as f64).exp();
    }
    scores
}

/// Sentences and n-grams are numbered with 32 bits.
fn check_size(sentences: &Encoded, what: &str) -> Result<()> {
    let limit = u32::MAX as usize;
    if sentences.len() < limit && sentences.n_tokens() < limit {
        return Ok(());
    }
    Err(Error::Input(format!(
        "BLEU takes fewer than {limit} sentences and tokens, got {} {what} of {} tokens",
        sentences.len(),
        sentences.n_tokens()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sentences: &[&[u32]]) -> Encoded {
        sentences.iter().collect()
    }

    #[test]
    fn the_closest_length_prefers_the_shorter_and_leaves_one_out() {
        let lengths = Lengths::new(&texts(&[&[1; 3], &[1; 7], &[1; 7], &[1; 10]]));
        assert_eq!(lengths.closest(5, false), 3);
        assert_eq!(lengths.closest(6, false), 7);
        assert_eq!(lengths.closest(0, false), 3);
        assert_eq!(lengths.closest(99, false), 10);
        assert_eq!(lengths.closest(7, true), 7);
        assert_eq!(lengths.closest(3, true), 7);
        assert_eq!(lengths.closest(10, true), 7);
    }

    #[test]
    fn a_score_by_hand() {
        // Hypothesis a b c d; reference a b x: p1 = 2/4, p2 = 1/3, p3 = .1/2, L = 4 > r = 3.
        let references = References::new(&texts(&[&[0, 1, 9]]), Orders::new(1, 3).unwrap()).unwrap();
        let scores = references.score(&texts(&[&[0, 1, 2, 3]])).unwrap();
        let expected = [0.5f64, (0.5f64 / 3.0).sqrt(), (0.5f64 / 3.0 * 0.05).cbrt()];
        for (mean, expected) in scores.means().iter().zip(expected) {
            assert!((mean - expected).abs() < 1e-15, "{mean} {expected}");
        }
        assert_eq!(scores.of(4), None);
        assert_eq!(scores.of(0), None);
    }

    #[test]
    fn odd_sentences_have_scores_as_nltk_gives_them() {
        let references = References::new(&texts(&[&[0, 1, 2], &[]]), Orders::default()).unwrap();
        let scores = references.score(&texts(&[&[], &[7, 8], &[0]])).unwrap();
        let two = scores.of(2).unwrap();
        assert_eq!(two[..2], [0.0, 0.0]);
        // One token, matched: p1 = 1, p2 = .1/1; the closest length is 0 (at distance 1), so BP = 1.
        assert!((two[2] - 0.1f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn a_copy_is_a_reference_and_the_sentence_itself_is_not() {
        let scores = self_scores(&texts(&[&[0, 1, 2, 3, 4], &[0, 1, 2, 3, 4], &[5, 6, 7]]), Orders::default()).unwrap();
        assert_eq!(scores.of(5).unwrap(), [1.0, 1.0, 0.0]);
    }

    #[test]
    fn bad_requests_say_what_was_expected() {
        assert!(Orders::new(0, 3).unwrap_err().to_string().contains("not 0 to 3"));
        assert!(Orders::new(4, 3).is_err() && Orders::new(1, MAX_ORDER + 1).is_err());
        let one = texts(&[&[1, 2]]);
        assert!(self_scores(&one, Orders::default()).unwrap_err().to_string().contains("got 1"));
        assert!(References::new(&Encoded::new(), Orders::default()).is_err());
        assert!(References::new(&one, Orders::default()).unwrap().score(&Encoded::new()).is_err());
    }
}
