//! Classic corpus BLEU (Papineni et al., 2002): each hypothesis has references of its own, and the
//! counts of all segments are summed before the precisions are taken.
//!
//! Values and settings are those of sacreBLEU (Post, 2018), on its scale from 0 to 100.

use super::sentence::MAX_ORDER;
use super::tokenizer_13a::{tokenize_13a, words};
use crate::corpus::{Encoded, Vocabulary};
use crate::error::{Error, Result};
use rayon::prelude::*;
use trueness_core::{Estimate, Measure, Seed, resample};

/// What to do where an order has no match at all (Chen and Cherry, 2014).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Smoothing {
    /// Nothing: the score is 0.
    None,
    /// The k-th order without a match counts 1/2ᵏ matches, as the script `mteval-v13a` does.
    Exp,
    /// An order without a match counts so many matches (sacreBLEU's default is .1).
    Floor(f64),
    /// So many are added to matches and total of every order above 1 (sacreBLEU's default is 1).
    AddK(f64),
}

/// How a string becomes tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokenizer {
    /// Words between white space, for text that is tokenized already.
    None,
    /// The WMT tokenizer, for plain text; see [`tokenize_13a`].
    V13a,
}

/// The settings of corpus BLEU; the default is sacreBLEU's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CorpusSettings {
    /// The highest order, from 1 to [`MAX_ORDER`].
    pub max_order: usize,
    /// The smoothing.
    pub smoothing: Smoothing,
    /// The tokenizer; it does not matter where tokens are given.
    pub tokenizer: Tokenizer,
    /// Whether letters are made small first; it does not matter where tokens are given.
    pub lowercase: bool,
    /// Whether orders above the longest hypothesis are left out instead of making the score 0.
    pub effective_order: bool,
    /// How many bootstrap resamples the interval takes.
    pub resamples: usize,
}

impl Default for CorpusSettings {
    fn default() -> Self {
        Self {
            max_order: 4,
            smoothing: Smoothing::Exp,
            tokenizer: Tokenizer::V13a,
            lowercase: false,
            effective_order: false,
            resamples: resample::RESAMPLES,
        }
    }
}

/// The counts of one segment, or their sum over segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Matching n-grams by order, clipped at the largest count in one reference.
    pub matches: [u64; MAX_ORDER],
    /// All n-grams of the hypothesis by order.
    pub totals: [u64; MAX_ORDER],
    /// Tokens of the hypothesis.
    pub hypothesis_length: u64,
    /// Tokens of the reference closest in length, the shorter of two at the same distance.
    pub reference_length: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        for n in 0..MAX_ORDER {
            self.matches[n] += other.matches[n];
            self.totals[n] += other.totals[n];
        }
        self.hypothesis_length += other.hypothesis_length;
        self.reference_length += other.reference_length;
    }

    /// The score of these counts, from 0 to 100.
    pub fn score(&self, settings: &CorpusSettings) -> f64 {
        let max_order = settings.max_order.min(MAX_ORDER);
        if self.matches[..max_order].iter().all(|&count| count == 0) {
            return 0.0;
        }
        let (mut unmatched, mut logs, mut effective) = (1.0, 0.0, max_order);
        for n in 0..max_order {
            let added = match settings.smoothing {
                Smoothing::AddK(k) if n > 0 => k,
                _ => 0.0,
            };
            let (matches, total) = (self.matches[n] as f64 + added, self.totals[n] as f64 + added);
            if total == 0.0 {
                if settings.effective_order {
                    effective = n;
                } else {
                    // An order without any n-gram has precision 0 whatever the smoothing.
                    return 0.0;
                }
                break;
            }
            let precision = match settings.smoothing {
                _ if matches > 0.0 => matches / total,
                Smoothing::Exp => {
                    unmatched *= 2.0;
                    1.0 / (unmatched * total)
                }
                Smoothing::Floor(floor) => floor / total,
                Smoothing::None | Smoothing::AddK(_) => 0.0,
            };
            logs += (100.0 * precision).ln();
        }
        let (length, closest) = (self.hypothesis_length as f64, self.reference_length as f64);
        let brevity = if length < closest { (1.0 - closest / length).exp() } else { 1.0 };
        brevity * (logs / effective as f64).exp()
    }
}

/// Corpus BLEU and the counts behind it.
#[derive(Clone, Debug)]
pub struct CorpusBleu {
    /// The counts of each segment, which paired tests between candidates resample.
    pub segments: Vec<Counts>,
    /// Their sum.
    pub counts: Counts,
    /// `corpus-bleu`, from 0 to 100, with a bootstrap over segments, and sacreBLEU's signature with
    /// this program's version.
    pub measure: Measure,
}

/// Corpus BLEU of strings. `references` holds streams: stream k has the k-th reference of each
/// hypothesis.
///
/// # Errors
/// If there is no hypothesis or no stream, a stream is not as long as the hypotheses, or a setting is
/// out of its range.
pub fn corpus_bleu<H, R>(
    hypotheses: &[H],
    references: &[Vec<R>],
    settings: &CorpusSettings,
    seed: Seed,
) -> Result<CorpusBleu>
where
    H: AsRef<str> + Sync,
    R: AsRef<str> + Sync,
{
    let mut vocabulary = Vocabulary::new();
    let hypotheses = encode(hypotheses, settings, &mut vocabulary);
    let streams: Vec<Encoded> = references.iter().map(|stream| encode(stream, settings, &mut vocabulary)).collect();
    let tokenizer = match settings.tokenizer {
        Tokenizer::None => "none",
        Tokenizer::V13a => "13a",
    };
    from_tokens(&hypotheses, &streams, settings, tokenizer, seed)
}

/// Corpus BLEU of sentences in the token ids of one vocabulary; the signature's tokenizer is `given`.
///
/// # Errors
/// As [`corpus_bleu`].
pub fn corpus_bleu_of_tokens(
    hypotheses: &Encoded,
    references: &[Encoded],
    settings: &CorpusSettings,
    seed: Seed,
) -> Result<CorpusBleu> {
    from_tokens(hypotheses, references, settings, "given", seed)
}

fn encode<S: AsRef<str> + Sync>(lines: &[S], settings: &CorpusSettings, vocabulary: &mut Vocabulary) -> Encoded {
    let tokenized: Vec<String> = lines
        .par_iter()
        .map(|line| {
            let line = if settings.lowercase { line.as_ref().to_lowercase() } else { line.as_ref().to_owned() };
            match settings.tokenizer {
                Tokenizer::None => line,
                Tokenizer::V13a => tokenize_13a(&line),
            }
        })
        .collect();
    let mut encoded = Encoded::new();
    for line in &tokenized {
        encoded.push(words(line).map(|word| vocabulary.add(word)));
    }
    encoded
}

fn from_tokens(
    hypotheses: &Encoded,
    references: &[Encoded],
    settings: &CorpusSettings,
    tokenizer: &str,
    seed: Seed,
) -> Result<CorpusBleu> {
    check(hypotheses, references, settings)?;
    let n = hypotheses.len();
    let segments: Vec<Counts> = (0..n)
        .into_par_iter()
        .map(|i| {
            let of_segment: Vec<&[u32]> = references.iter().map(|stream| stream.sentence(i)).collect();
            segment_counts(hypotheses.sentence(i), &of_segment, settings.max_order)
        })
        .collect();
    let sum = |indices: &mut dyn Iterator<Item = usize>| {
        let mut counts = Counts::default();
        indices.for_each(|i| counts.add(&segments[i]));
        counts
    };
    let counts = sum(&mut (0..n));
    let replicates = resample::bootstrap(n, settings.resamples, seed.child("corpus-bleu"), |indices| {
        sum(&mut indices.iter().map(|&i| i as usize)).score(settings)
    });
    let (low, high) = resample::percentile_interval(&replicates);
    let method = format!("bootstrap over segments, {} resamples", settings.resamples);
    let estimate = Estimate::interval(counts.score(settings), low, high, n as u64, method).unit("of 100");
    let measure = Measure::new("corpus-bleu", estimate).signed(signature(settings, references.len(), tokenizer));
    Ok(CorpusBleu { segments, counts, measure })
}

fn check(hypotheses: &Encoded, references: &[Encoded], settings: &CorpusSettings) -> Result<()> {
    let fail = |message: String| Err(Error::Input(message));
    if hypotheses.is_empty() || references.is_empty() {
        return fail(format!(
            "corpus BLEU needs hypotheses and at least one stream of references, got {} and {}",
            hypotheses.len(),
            references.len()
        ));
    }
    if let Some((k, stream)) = references.iter().enumerate().find(|(_, stream)| stream.len() != hypotheses.len()) {
        return fail(format!(
            "corpus BLEU needs one reference for each of {} hypotheses, but stream {} has {}",
            hypotheses.len(),
            k + 1,
            stream.len()
        ));
    }
    if !(1..=MAX_ORDER).contains(&settings.max_order) {
        return fail(format!("the order of corpus BLEU must be from 1 to {MAX_ORDER}, not {}", settings.max_order));
    }
    if let Smoothing::Floor(value) | Smoothing::AddK(value) = settings.smoothing
        && !(value.is_finite() && value >= 0.0)
    {
        return fail(format!("the smoothing value of corpus BLEU must be a number from 0, not {value}"));
    }
    if settings.resamples == 0 {
        return fail("corpus BLEU's interval needs at least one resample, got 0".to_owned());
    }
    Ok(())
}

/// sacreBLEU's form: `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:trueness-…`, with the order
/// where it is not 4.
fn signature(settings: &CorpusSettings, streams: usize, tokenizer: &str) -> String {
    let smooth = match settings.smoothing {
        Smoothing::None => "none".to_owned(),
        Smoothing::Exp => "exp".to_owned(),
        Smoothing::Floor(value) => format!("floor[{value:.2}]"),
        Smoothing::AddK(value) => format!("add-k[{value:.2}]"),
    };
    let case = if settings.lowercase { "lc" } else { "mixed" };
    let effective = if settings.effective_order { "yes" } else { "no" };
    let order = if settings.max_order == 4 { String::new() } else { format!("|order:{}", settings.max_order) };
    format!(
        "nrefs:{streams}|case:{case}|eff:{effective}|tok:{tokenizer}|smooth:{smooth}{order}|version:trueness-{}",
        env!("CARGO_PKG_VERSION")
    )
}

fn segment_counts(hypothesis: &[u32], references: &[&[u32]], max_order: usize) -> Counts {
    let length = hypothesis.len();
    let closest = references.iter().map(|reference| reference.len()).min_by_key(|&r| (r.abs_diff(length), r));
    let mut counts =
        Counts { hypothesis_length: length as u64, reference_length: closest.unwrap_or(0) as u64, ..Counts::default() };
    for n in 1..=max_order {
        let own = runs(hypothesis, n);
        let mut largest = vec![0usize; own.len()];
        for reference in references {
            let others = runs(reference, n);
            let mut at = 0;
            for ((gram, _), best) in own.iter().zip(&mut largest) {
                while at < others.len() && others[at].0 < *gram {
                    at += 1;
                }
                if let Some((_, count)) = others.get(at).filter(|(other, _)| other == gram) {
                    *best = (*best).max(*count);
                }
            }
        }
        counts.matches[n - 1] = own.iter().zip(&largest).map(|((_, count), best)| *count.min(best) as u64).sum();
        counts.totals[n - 1] = (length + 1).saturating_sub(n) as u64;
    }
    counts
}

/// The distinct n-grams of a sentence in order, each with its count. Sorting beats hashing for
/// sentences of usual length.
fn runs(sentence: &[u32], n: usize) -> Vec<(&[u32], usize)> {
    let mut grams: Vec<&[u32]> = sentence.windows(n).collect();
    grams.sort_unstable();
    grams.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_paper_is_clipped() {
        // Papineni et al. (2002), example 2: p1 of "the" seven times is 2/7.
        let counts = segment_counts(&[0; 7], &[&[0, 1, 2, 3, 0, 4], &[5, 2, 6, 1, 3, 0, 4]], 2);
        assert_eq!((counts.matches[0], counts.totals[0]), (2, 7));
        assert_eq!((counts.matches[1], counts.totals[1]), (0, 6));
        assert_eq!(counts.reference_length, 7);
    }

    #[test]
    fn a_perfect_translation_scores_100() {
        let lines = ["a b c d e", "f g h i j k"];
        let references = vec![lines.to_vec()];
        let bleu = corpus_bleu(&lines, &references, &CorpusSettings::default(), Seed::new(1)).unwrap();
        assert!((bleu.measure.estimate.value.unwrap() - 100.0).abs() < 1e-9);
        assert!(bleu.measure.signature.starts_with("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:"));
    }

    #[test]
    fn streams_must_fit() {
        let error = corpus_bleu(&["a"], &[vec!["a", "b"]], &CorpusSettings::default(), Seed::new(1)).unwrap_err();
        assert!(error.to_string().contains("stream 1 has 2"), "{error}");
        let none: [Vec<&str>; 0] = [];
        assert!(corpus_bleu(&["a"], &none, &CorpusSettings::default(), Seed::new(1)).is_err());
        let order = CorpusSettings { max_order: 10, ..CorpusSettings::default() };
        assert!(corpus_bleu(&["a"], &[vec!["a"]], &order, Seed::new(1)).is_err());
    }
}
