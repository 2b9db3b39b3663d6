//! BLEU, reverse BLEU and self-BLEU with their intervals.

use super::compat::Caps;
use super::sentence::{Orders, References, Scores};
use crate::corpus::Encoded;
use crate::error::{Error, Result};
use crate::metric::diversity::random_groups;
use trueness_core::{Measure, Seed, resample};

/// What to compute and how.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The orders.
    pub orders: Orders,
    /// How many sentences take part.
    pub caps: Caps,
    /// How many bootstrap resamples BLEU's interval takes.
    pub resamples: usize,
    /// How many groups self-BLEU's interval leaves out in turn. Each costs one more computation.
    pub groups: usize,
}

impl Default for Settings {
    /// Orders 2 to 5, all sentences, and the kernel's numbers of resamples and groups.
    fn default() -> Self {
        Self {
            orders: Orders::default(),
            caps: Caps::default(),
            resamples: resample::RESAMPLES,
            groups: resample::GROUPS,
        }
    }
}

/// The scores of single sentences, and what a report shows of them.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// A score for each hypothesis and order.
    pub scores: Scores,
    /// The mean score of each order with its interval, from the lowest order. The signature is the
    /// metric's own part; a caller adds the tokenizer and the data.
    pub measures: Vec<Measure>,
}

/// `bleu-n`: the mean over candidate sentences of their BLEU with all reference sentences.
///
/// The interval is a bootstrap over the candidate's sentences with the references held fixed; it says
/// how the value varies with the candidate's sample, not with the choice of references.
///
/// # Errors
/// If there are no candidates or no references.
pub fn bleu(candidates: &Encoded, references: &Encoded, settings: &Settings, seed: Seed) -> Result<Evaluation> {
    against("bleu", candidates, references, settings, seed)
}

/// `reverse-bleu-n`: the same with the roles exchanged. Real sentences are scored with the generated
/// ones as references, so that it falls where the generator leaves real phrases out.
///
/// The interval is a bootstrap over the real sentences with the generated ones held fixed.
///
/// # Errors
/// If there are no generated or no real sentences.
pub fn reverse_bleu(generated: &Encoded, real: &Encoded, settings: &Settings, seed: Seed) -> Result<Evaluation> {
    against("reverse-bleu", real, generated, settings, seed)
}

fn against(
    name: &str,
    hypotheses: &Encoded,
    references: &Encoded,
    settings: &Settings,
    seed: Seed,
) -> Result<Evaluation> {
    let hypotheses = capped(hypotheses, settings.caps.max_hypotheses);
    let references = capped(references, settings.caps.max_references);
    if settings.resamples == 0 {
        return Err(Error::Input("BLEU's interval needs at least one resample, got 0".to_owned()));
    }
    let scores = References::new(&references, settings.orders)?.score(&hypotheses)?;
    let seed = seed.child(name);
    // All orders share the resamples, which the same stream gives.
    let signature = signature(name, settings, references.len(), hypotheses.len());
    let measures = scores
        .iter()
        .map(|(order, values)| {
            let mut estimate = resample::bootstrap_mean(values, settings.resamples, seed, "hypotheses");
            estimate.method.push_str(", references fixed");
            Measure::new(format!("{name}-{order}"), estimate).signed(signature.clone())
        })
        .collect();
    Ok(Evaluation { scores, measures })
}

/// `self-bleu-n`: the mean over sentences of their BLEU with all *other* sentences as references.
///
/// The value depends strongly on the number of sentences; compare equal numbers only. The interval
/// is a delete-a-group jackknife over randomly drawn groups, a group leaving as hypotheses and as
/// references alike. The jackknife's variance is too large rather than too small (Efron and Stein,
/// 1981): on simulated texts of 200 to 1,000 sentences the interval at .9 covered the expectation in 92
/// to 99 %. Disjoint batches covered in 43 to 100 %, depending on the order, and treating the scores
/// as independent in 78 to 98 %.
///
/// # Errors
/// If there are fewer than four sentences (two must remain when a group is left out) or two groups.
pub fn self_bleu(sentences: &Encoded, settings: &Settings, seed: Seed) -> Result<Evaluation> {
    let sentences = capped(sentences, settings.caps.max_references);
    let n = sentences.len();
    if n < 4 || settings.groups < 2 {
        return Err(Error::Input(format!(
            "self-BLEU needs at least 4 sentences and 2 groups for its interval, got {n} and {}",
            settings.groups
        )));
    }
    let leave_one_out = !settings.caps.self_includes_hypothesis;
    // The hypotheses are the first of the sentences, so that hypothesis i is reference i.
    let hypotheses = settings.caps.max_hypotheses.unwrap_or(n).min(n);
    let score = |indices: &[usize]| -> Result<Scores> {
        let kept = sentences.subset(indices);
        let scored = kept.first(indices.partition_point(|&i| i < hypotheses));
        References::new(&kept, settings.orders)?.score_with(&scored, leave_one_out)
    };
    let all: Vec<usize> = (0..n).collect();
    let scores = score(&all)?;
    let group = random_groups(n, settings.groups.min(hypotheses / 2).max(2), seed.child("self-bleu"));
    let groups = group.iter().max().map_or(0, |last| last + 1);
    let mut left_out: Vec<Vec<f64>> = vec![Vec::with_capacity(groups); settings.orders.iter().len()];
    for leave in 0..groups {
        let kept: Vec<usize> = all.iter().copied().filter(|&i| group[i] != leave).collect();
        for (values, mean) in left_out.iter_mut().zip(score(&kept)?.means()) {
            values.push(mean);
        }
    }
    let signature = signature("self-bleu", settings, n, hypotheses);
    let measures = scores
        .iter()
        .zip(scores.means())
        .zip(&left_out)
        .map(|(((order, _), mean), left_out)| {
            let mut estimate = resample::jackknife(mean, left_out, hypotheses as u64, "sentences");
            estimate.low = estimate.low.map(|low| low.max(0.0));
            estimate.high = estimate.high.map(|high| high.min(1.0));
            Measure::new(format!("self-bleu-{order}"), estimate).signed(signature.clone())
        })
        .collect();
    Ok(Evaluation { scores, measures })
}

/// The metric's own part of a signature, for example
/// `bleu:sentence-mean|smooth:method1|orders:2-5|refs:10000|hyps:10000`.
pub fn signature(name: &str, settings: &Settings, references: usize, hypotheses: usize) -> String {
    let defect = if name == "self-bleu" && settings.caps.self_includes_hypothesis { "|own-reference:yes" } else { "" };
    format!(
        "{name}:sentence-mean|smooth:method1|orders:{}|refs:{references}|hyps:{hypotheses}{defect}",
        settings.orders
    )
}

fn capped(sentences: &Encoded, cap: Option<usize>) -> std::borrow::Cow<'_, Encoded> {
    match cap {
        Some(cap) if cap < sentences.len() => std::borrow::Cow::Owned(sentences.first(cap)),
        _ => std::borrow::Cow::Borrowed(sentences),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::bleu::Compat;

    fn texts(n: u32) -> Encoded {
        (0..n).map(|i| [0, 1 + i % 3, 5 + i % 2, 8 + i % 5, 1 + i % 4, 20]).collect()
    }

    #[test]
    fn measures_have_names_intervals_and_signatures() {
        let evaluation = bleu(&texts(30), &texts(40), &Settings::default(), Seed::new(1)).unwrap();
        let names: Vec<&str> = evaluation.measures.iter().map(|measure| measure.name.as_str()).collect();
        assert_eq!(names, ["bleu-2", "bleu-3", "bleu-4", "bleu-5"]);
        assert_eq!(evaluation.measures[0].signature, "bleu:sentence-mean|smooth:method1|orders:2-5|refs:40|hyps:30");
        assert!(evaluation.measures[3].estimate.method.ends_with("references fixed"));
        let reverse = reverse_bleu(&texts(30), &texts(40), &Settings::default(), Seed::new(1)).unwrap();
        assert_eq!((reverse.measures[0].name.as_str(), reverse.scores.len()), ("reverse-bleu-2", 40));
        let own = self_bleu(&texts(30), &Settings::default(), Seed::new(1)).unwrap();
        assert_eq!(own.measures[0].name, "self-bleu-2");
        assert!(own.measures.iter().all(|measure| measure.estimate.has_interval()));
    }

    #[test]
    fn caps_cut_both_sides_and_only_relgan_repeats_its_defect() {
        let settings = |compat: Compat| Settings { caps: compat.caps(), ..Settings::default() };
        let many = texts(700);
        let texygen = bleu(&many, &many, &settings(Compat::Texygen), Seed::new(1)).unwrap();
        assert!(texygen.measures[0].signature.ends_with("refs:500|hyps:700"));
        let own = self_bleu(&many, &settings(Compat::Texygen), Seed::new(1)).unwrap();
        assert!(own.measures[0].signature.ends_with("refs:500|hyps:500"));
        let textgan = self_bleu(&many, &settings(Compat::Textgan), Seed::new(1)).unwrap();
        assert!(textgan.measures[0].signature.ends_with("refs:700|hyps:200"));
        let unlike: Encoded = (0..700u32).map(|i| [i * 7, i * 7 + 1, i * 7 + 2, i * 7 + 3, i * 7 + 4]).collect();
        let honest = self_bleu(&unlike, &settings(Compat::Seggan), Seed::new(1)).unwrap();
        assert_eq!(honest.scores.means(), [0.0; 4]);
        let relgan = self_bleu(&unlike, &settings(Compat::Relgan), Seed::new(1)).unwrap();
        assert_eq!(relgan.scores.means(), [1.0; 4]);
        assert!(relgan.measures[0].signature.ends_with("refs:700|hyps:100|own-reference:yes"));
    }

    #[test]
    fn too_few_sentences_are_refused() {
        let message = self_bleu(&texts(3), &Settings::default(), Seed::new(1)).unwrap_err().to_string();
        assert!(message.contains("at least 4 sentences"), "{message}");
        assert!(bleu(&texts(0), &texts(3), &Settings::default(), Seed::new(1)).is_err());
    }
}
