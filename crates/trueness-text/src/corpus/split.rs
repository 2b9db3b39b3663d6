//! Independent re-splits: pool sentences, shuffle them, cut them into parts.
//!
//! Shipped train/test splits often differ in topic or date, so that a classifier tells real from
//! real. A re-split of the pool gives parts that are draws from one distribution.

use super::duplicates::normalise;
use crate::error::{Error, Result};
use rand::RngExt;
use rand::seq::SliceRandom;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use trueness_core::{AtomicFile, Seed};

/// How large the parts are.
#[derive(Clone, Debug, PartialEq)]
pub enum Sizes {
    /// Sentences per part. What is left over goes into no part.
    Counts(Vec<usize>),
    /// Shares of the pool, each above 0 and together at most 1; part ends are rounded.
    Shares(Vec<f64>),
}

/// How to split.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitOptions {
    /// The parts.
    pub sizes: Sizes,
    /// Whether equal sentences all go into one part, so that none stands in two. Equal means what
    /// [`duplicates`](super::duplicates) calls exact: after runs of white space became one space and
    /// upper case became lower case.
    ///
    /// Off by default: independent draws from one source do share their frequent sentences, and a
    /// floor (real against real) has to be allowed the same, or it comes out too high. Switch it on
    /// for training and test data where a sentence learnt by heart must not help.
    pub keep_duplicates_together: bool,
}

impl SplitOptions {
    /// Parts of the given sizes, duplicates free to fall into different parts.
    pub fn new(sizes: Sizes) -> Self {
        Self { sizes, keep_duplicates_together: false }
    }
}

impl Sizes {
    /// The parts' sizes for a pool of `n` sentences.
    fn counts(&self, n: usize) -> Result<Vec<usize>> {
        let counts = match self {
            Self::Counts(counts) => counts.clone(),
            Self::Shares(shares) => {
                let sum: f64 = shares.iter().sum();
                if !shares.iter().all(|share| *share > 0.0 && share.is_finite()) || sum > 1.0 + 1e-9 {
                    return Err(Error::Input(format!(
                        "expected shares above 0 that sum to at most 1, got {shares:?} with the sum {sum}"
                    )));
                }
                let mut ends = vec![0];
                let mut cumulative = 0.0;
                for share in shares {
                    cumulative += share;
                    ends.push(((cumulative * n as f64).round() as usize).min(n));
                }
                ends.windows(2).map(|pair| pair[1] - pair[0]).collect()
            }
        };
        if counts.is_empty() || counts.contains(&0) {
            return Err(Error::Input(format!(
                "expected at least one part and no empty one, got parts of {counts:?} from {n} sentences"
            )));
        }
        let wanted = counts.iter().fold(0usize, |sum, &count| sum.saturating_add(count));
        if wanted > n {
            return Err(Error::Input(format!(
                "the parts {counts:?} need {wanted} sentences together, but there are only {n}"
            )));
        }
        Ok(counts)
    }
}

/// Splits a pool at random: for each part the numbers of its sentences, in random order. No sentence
/// is in two parts.
///
/// # Errors
/// Parts that are empty or need more sentences than there are; with duplicates kept together, sizes
/// that cannot be reached with whole groups.
pub fn split<S: AsRef<str>>(sentences: &[S], options: &SplitOptions, seed: Seed) -> Result<Vec<Vec<usize>>> {
    let counts = options.sizes.counts(sentences.len())?;
    let mut order: Vec<usize> = (0..sentences.len()).collect();
    order.shuffle(&mut seed.child("split/order").rng());
    if options.keep_duplicates_together {
        return whole_groups(sentences, &counts, &order, seed);
    }
    let mut rest = order.as_slice();
    Ok(counts
        .iter()
        .map(|&count| {
            let (part, tail) = rest.split_at(count);
            rest = tail;
            part.to_vec()
        })
        .collect())
}

/// Places groups of equal sentences, the largest first so that single sentences fill what remains;
/// a group goes to a part with a probability in proportion to the part's free places.
fn whole_groups<S: AsRef<str>>(
    sentences: &[S],
    counts: &[usize],
    order: &[usize],
    seed: Seed,
) -> Result<Vec<Vec<usize>>> {
    // "A dog ." and "a dog ." are one sentence to a reader and to the duplicates that are counted.
    let mut numbers: FxHashMap<String, usize> = FxHashMap::default();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &i in order {
        let group = *numbers.entry(normalise(sentences[i].as_ref(), true)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(i);
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    // The last place stands for the sentences that go into no part.
    let wanted: usize = counts.iter().sum();
    let mut free: Vec<usize> = counts.iter().copied().chain([sentences.len() - wanted]).collect();
    let mut parts = vec![Vec::new(); free.len()];
    let mut rng = seed.child("split/groups").rng();
    for group in groups {
        let open: usize = free.iter().filter(|&&room| room >= group.len()).sum();
        if open == 0 {
            return Err(Error::Input(format!(
                "the parts {counts:?} cannot be filled with whole groups of equal sentences: \
                 a group of {} does not fit into the free places {free:?} (the last for what is left over)",
                group.len()
            )));
        }
        let mut ticket = rng.random_range(0..open);
        for (part, room) in parts.iter_mut().zip(&mut free) {
            if *room < group.len() {
                continue;
            }
            if ticket < *room {
                *room -= group.len();
                part.extend(group);
                break;
            }
            ticket -= *room;
        }
    }
    parts.pop();
    for (i, part) in parts.iter_mut().enumerate() {
        part.shuffle(&mut seed.child("split/parts").nth(i as u64).rng());
    }
    Ok(parts)
}

/// Divides sentences into those to learn from and about the given share to hold out. All copies of a sentence
/// (see [`SplitOptions::keep_duplicates_together`] for what counts as one) fall on one side. Each part is in random
/// order.
///
/// # Errors
/// [`Error::Input`] for fewer than two different sentences.
pub fn hold_out(sentences: Vec<String>, share: f64, seed: Seed) -> Result<[Vec<String>; 2]> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, sentence) in sentences.iter().enumerate() {
        groups.entry(normalise(sentence, true)).or_default().push(i);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    if groups.len() < 2 {
        return Err(Error::Input(format!(
            "expected at least two different sentences, one of them to hold out; got {}",
            groups.len()
        )));
    }
    groups.shuffle(&mut seed.rng());
    let wanted = ((sentences.len() as f64 * share).round() as usize).max(1);
    let mut held = vec![false; sentences.len()];
    let mut count = 0;
    // At least one group is left to learn from.
    for group in &groups[1..] {
        if count >= wanted {
            break;
        }
        group.iter().for_each(|&i| held[i] = true);
        count += group.len();
    }
    let mut parts = [Vec::new(), Vec::new()];
    for (sentence, held) in sentences.into_iter().zip(held) {
        parts[usize::from(held)].push(sentence);
    }
    // A file may be sorted, or be two sources one after the other: the first sentences of a part are a random sample.
    for (i, part) in parts.iter_mut().enumerate() {
        part.shuffle(&mut seed.child("hold-out/order").nth(i as u64).rng());
    }
    Ok(parts)
}

/// Writes sentences one a line, each with a line feed, under a name of its own beside the place and then
/// renamed to it. A file that stands there is replaced, and no other is touched.
///
/// # Errors
/// A sentence with a line ending in it; a place that cannot be written. What stood there is kept.
pub fn write<'a>(path: &Path, sentences: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut out = AtomicFile::create(path)?;
    for sentence in sentences {
        if sentence.contains(['\n', '\r']) {
            return Err(Error::Input(format!("expected sentences of one line each, got {sentence:?}")));
        }
        writeln!(out, "{sentence}").map_err(trueness_core::Error::io("write", path))?;
    }
    Ok(out.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn options(sizes: Sizes, keep_duplicates_together: bool) -> SplitOptions {
        SplitOptions { sizes, keep_duplicates_together }
    }

    #[test]
    fn sizes_beyond_the_pool_are_refused_with_the_numbers() {
        let error = |sizes| split(&["a"; 10], &options(sizes, false), Seed::new(1)).unwrap_err().to_string();
        assert_eq!(
            error(Sizes::Counts(vec![8, 3])),
            "the parts [8, 3] need 11 sentences together, but there are only 10"
        );
        assert!(error(Sizes::Counts(vec![usize::MAX, 2])).contains("only 10"));
        assert!(error(Sizes::Shares(vec![0.9, 0.2])).contains("sum to at most 1"));
        assert!(error(Sizes::Shares(vec![0.5, f64::NAN])).contains("above 0"));
        assert!(error(Sizes::Counts(vec![])).contains("at least one part"));
    }

    #[test]
    fn shares_use_everything_where_they_sum_to_one() {
        let parts = split(&["a"; 10], &options(Sizes::Shares(vec![1.0 / 3.0; 3]), false), Seed::new(1)).unwrap();
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [3, 4, 3]);
    }

    #[test]
    fn every_sentence_falls_into_every_part_as_often() {
        // 2,000 splits of 10 into 3 and 5: sentence 0 is in the first part 600 times, give or take
        // five standard deviations (20.5).
        let hits = (0..2000)
            .filter(|&i| {
                let sizes = options(Sizes::Counts(vec![3, 5]), false);
                split(&["a"; 10], &sizes, Seed::new(i)).unwrap()[0].contains(&0)
            })
            .count();
        assert!((498..=702).contains(&hits), "{hits}");
    }

    #[test]
    fn groups_that_cannot_fit_are_an_error() {
        let sizes = options(Sizes::Counts(vec![2, 2]), true);
        let error = split(&["a", "a", "a", "b"], &sizes, Seed::new(1)).unwrap_err().to_string();
        assert!(error.contains("a group of 3 does not fit"), "{error}");
    }

    #[test]
    fn sentences_that_differ_in_case_and_white_space_stay_together() {
        let sentences: Vec<String> = (0..40)
            .map(|i| if i % 2 == 0 { format!("A dog  {}", i / 2) } else { format!("a dog {}", i / 2) })
            .collect();
        for seed in 0..20 {
            let parts = split(&sentences, &options(Sizes::Counts(vec![20, 20]), true), Seed::new(seed)).unwrap();
            let numbers = |part: &[usize]| part.iter().map(|i| i / 2).collect::<BTreeSet<_>>();
            assert!(numbers(&parts[0]).is_disjoint(&numbers(&parts[1])));
        }
    }

    #[test]
    fn what_was_written_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.txt");
        write(&path, ["a b", "c"]).unwrap();
        assert_eq!(crate::corpus::read::read(&path).unwrap().sentences, ["a b", "c"]);
        assert!(write(&path, ["a\nb"]).is_err());
        assert_eq!(crate::corpus::read::read(&path).unwrap().sentences, ["a b", "c"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        // A person's own file of a likely name is none of ours.
        let own = folder.path().join("part.txt.partial");
        std::fs::write(&own, "mine").unwrap();
        write(&path, ["d"]).unwrap();
        assert_eq!(std::fs::read_to_string(own).unwrap(), "mine");
    }

    proptest! {
        #[test]
        fn parts_are_disjoint_have_their_sizes_and_keep_groups(
            words in prop::collection::vec(0u8..20, 4..60),
            cut in 0.1f64..0.9,
            seed in 0u64..1000,
            together in any::<bool>(),
        ) {
            let sentences: Vec<String> = words.iter().map(u8::to_string).collect();
            let first = ((sentences.len() as f64 * cut) as usize).max(1);
            let second = (sentences.len() - first) / 2 + 1;
            let sizes = options(Sizes::Counts(vec![first, second.min(sentences.len() - first)]), together);
            if let Ok(parts) = split(&sentences, &sizes, Seed::new(seed)) {
                let Sizes::Counts(counts) = &sizes.sizes else { unreachable!() };
                prop_assert_eq!(&parts.iter().map(Vec::len).collect::<Vec<_>>(), counts);
                let all: BTreeSet<usize> = parts.concat().into_iter().collect();
                prop_assert_eq!(all.len(), counts.iter().sum::<usize>());
                if together {
                    let texts = |part: &[usize]| part.iter().map(|&i| &sentences[i]).collect::<BTreeSet<_>>();
                    prop_assert!(texts(&parts[0]).is_disjoint(&texts(&parts[1])));
                }
            } else {
                prop_assert!(together);
            }
        }
    }
}
