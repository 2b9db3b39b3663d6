//! Duplicates: sentences that stand twice in a file, or in two files, exactly or nearly.
//!
//! Two sentences are *exact* duplicates if they are equal after runs of white space became one space
//! (none at the ends) and, unless switched off, upper case became lower case. They are *near*
//! duplicates if they are not exact ones and the Jaccard similarity |A∩B| / |A∪B| of their sets of
//! shingles (3-grams of tokens or 5-grams of characters) reaches a threshold. A sentence shorter than
//! a shingle is one shingle, all of it.
//!
//! Near duplicates are found exactly, by prefix filtering (Chaudhuri, Ganti and Kaushik 2006; Bayardo,
//! Ma and Srikant 2007): with the shingles of each set in one global order, the rarest first, two sets
//! of similarity ≥ t share a shingle among the first |A| − ⌈t·|A|⌉ + 1 of A and likewise of B. Pairs
//! that do are verified by counting. Where a shingle stands in the prefixes of very many sets, as it
//! does in millions of short sentences from one template, the pairs grow as the square of their number:
//! such a shingle is not followed, and what was found is then said to be a lower bound.

use crate::error::{Error, Result};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use trueness_core::Watch;

/// What a shingle is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shingle {
    /// Three tokens in a row, tokens being what white space separates.
    Tokens,
    /// Five characters (Unicode scalar values) in a row, spaces included.
    Characters,
}

impl Shingle {
    fn size(self) -> usize {
        match self {
            Self::Tokens => 3,
            Self::Characters => 5,
        }
    }
}

/// What counts as a duplicate.
#[derive(Clone, Debug, PartialEq)]
pub struct DuplicateOptions {
    /// Whether upper and lower case are the same. Default: true.
    pub fold_case: bool,
    /// The shingles that near duplicates are compared by. Default: tokens.
    pub shingle: Shingle,
    /// The Jaccard similarity from which on a pair is a near duplicate, in (0, 1]. Default: 0.8.
    pub threshold: f64,
    /// How many example pairs to keep of each kind. Default: 10.
    pub examples: usize,
    /// A shingle that stands in the prefixes of more sets than this is not followed. It bounds the
    /// work for a sentence to so many comparisons for each shingle of its prefix. Default: 5,000.
    pub most_followed: usize,
}

impl Default for DuplicateOptions {
    fn default() -> Self {
        Self { fold_case: true, shingle: Shingle::Tokens, threshold: 0.8, examples: 10, most_followed: 5000 }
    }
}

/// A sentence and one that it duplicates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The number of the sentence, counted from 0.
    pub sentence: usize,
    /// The number of the one that it duplicates, in the same list or in the reference: the earliest
    /// exact one, or the most similar near one (the earliest of equals).
    pub other: usize,
    /// Jaccard similarity of the shingles; 1 for exact duplicates.
    pub similarity: f64,
}

/// How many sentences are duplicates, and of which kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Duplicates {
    /// How many sentences were looked at.
    pub n: u64,
    /// Within one list: sentences that repeat an earlier one. Between two: sentences that stand in
    /// the reference.
    pub exact: u64,
    /// Sentences that are no exact duplicates in the sense of `exact` but are near to a different
    /// sentence (within one list: earlier or later, and copies are counted once).
    pub near: u64,
    /// Whether shingles were too frequent to be followed, so that there may be more near duplicates
    /// (and examples may have nearer ones) than were found. Exact duplicates are always all found.
    pub near_is_lower_bound: bool,
    /// The first exact pairs.
    pub exact_examples: Vec<Pair>,
    /// The first near pairs.
    pub near_examples: Vec<Pair>,
}

/// Duplicates within one list of sentences.
///
/// # Errors
/// A threshold outside (0, 1]; [`trueness_core::Error::Interrupted`] where the watch was cancelled.
pub fn within<S: AsRef<str> + Sync>(
    sentences: &[S],
    options: &DuplicateOptions,
    watch: Watch<'_>,
) -> Result<Duplicates> {
    check(options)?;
    let distinct = Distinct::new(sentences, options);
    let mut shingles = Shingles::default();
    let sets = shingles.sets(&distinct.texts, options.shingle);
    let order = shingles.order(&[&sets]);
    let sets = order.apply(sets);
    watch.check()?;
    let index = Index::new(&sets, options);
    let exact = distinct.repeats().collect::<Vec<_>>();
    let nearest: Vec<Nearest> = (0..sets.len())
        .into_par_iter()
        .map_init(Vec::new, |candidates, i| {
            watch.check()?;
            Ok(index.nearest(&sets[i], Some(i), candidates))
        })
        .collect::<Result<_>>()?;
    let skipped = nearest.iter().any(|found| found.skipped);
    let near = nearest.iter().enumerate().filter_map(|(i, found)| {
        found.best.map(|(j, similarity)| Pair { sentence: distinct.first[i], other: distinct.first[j], similarity })
    });
    Ok(summary(sentences.len(), exact, near.collect(), skipped, options))
}

/// Duplicates between two lists: which of `sentences` stand in `reference`, exactly or nearly.
///
/// # Errors
/// A threshold outside (0, 1]; [`trueness_core::Error::Interrupted`] where the watch was cancelled.
pub fn between<S: AsRef<str> + Sync, R: AsRef<str> + Sync>(
    sentences: &[S],
    reference: &[R],
    options: &DuplicateOptions,
    watch: Watch<'_>,
) -> Result<Duplicates> {
    check(options)?;
    let (asked, known) = (Distinct::new(sentences, options), Distinct::new(reference, options));
    let places: FxHashMap<&str, usize> = known.texts.iter().enumerate().map(|(i, text)| (text.as_str(), i)).collect();
    let mut shingles = Shingles::default();
    let (asked_sets, known_sets) =
        (shingles.sets(&asked.texts, options.shingle), shingles.sets(&known.texts, options.shingle));
    let order = shingles.order(&[&asked_sets, &known_sets]);
    let (asked_sets, known_sets) = (order.apply(asked_sets), order.apply(known_sets));
    watch.check()?;
    let index = Index::new(&known_sets, options);
    let found: Vec<Nearest> = asked
        .texts
        .par_iter()
        .zip(&asked_sets)
        .map_init(Vec::new, |candidates, (text, set)| {
            watch.check()?;
            Ok(match places.get(text.as_str()) {
                Some(&place) => Nearest { best: Some((place, EXACT)), skipped: false },
                None => index.nearest(set, None, candidates),
            })
        })
        .collect::<Result<_>>()?;
    let skipped = found.iter().any(|found| found.skipped);
    // Every copy of a sentence counts: the question is how many of the sentences are duplicates.
    let pairs = asked.number.iter().enumerate().filter_map(|(sentence, &text)| {
        let (place, similarity) = found[text?].best?;
        Some(Pair { sentence, other: known.first[place], similarity })
    });
    let (exact, near): (Vec<Pair>, Vec<Pair>) = pairs.partition(|pair| pair.similarity == EXACT);
    let exact = exact.into_iter().map(|pair| Pair { similarity: 1.0, ..pair }).collect();
    Ok(summary(sentences.len(), exact, near, skipped, options))
}

/// Marks an exact duplicate while exact and near pairs travel together: no Jaccard similarity is 2.
const EXACT: f64 = 2.0;

fn check(options: &DuplicateOptions) -> Result<()> {
    if options.threshold > 0.0 && options.threshold <= 1.0 {
        return Ok(());
    }
    Err(Error::Input(format!("expected a similarity threshold above 0 and at most 1, got {}", options.threshold)))
}

fn summary(
    n: usize,
    mut exact: Vec<Pair>,
    mut near: Vec<Pair>,
    near_is_lower_bound: bool,
    options: &DuplicateOptions,
) -> Duplicates {
    let (n_exact, n_near) = (exact.len() as u64, near.len() as u64);
    exact.truncate(options.examples);
    near.truncate(options.examples);
    Duplicates {
        n: n as u64,
        exact: n_exact,
        near: n_near,
        near_is_lower_bound,
        exact_examples: exact,
        near_examples: near,
    }
}

/// White-space runs to one space, none at the ends; lower case if asked for.
pub fn normalise(sentence: &str, fold_case: bool) -> String {
    let mut text = String::with_capacity(sentence.len());
    for word in sentence.split_whitespace() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    if fold_case { text.to_lowercase() } else { text }
}

/// The different texts of a list after normalisation; what is empty then is no text.
struct Distinct {
    texts: Vec<String>,
    /// For each text the sentence where it stands first.
    first: Vec<usize>,
    /// For each sentence its text.
    number: Vec<Option<usize>>,
}

impl Distinct {
    fn new<S: AsRef<str> + Sync>(sentences: &[S], options: &DuplicateOptions) -> Self {
        let normal: Vec<String> = sentences.par_iter().map(|s| normalise(s.as_ref(), options.fold_case)).collect();
        let mut places: FxHashMap<String, usize> = FxHashMap::default();
        let mut distinct = Self { texts: Vec::new(), first: Vec::new(), number: Vec::with_capacity(normal.len()) };
        for (i, text) in normal.into_iter().enumerate() {
            if text.is_empty() {
                distinct.number.push(None);
                continue;
            }
            let place = match places.get(&text) {
                Some(&place) => place,
                None => {
                    distinct.texts.push(text.clone());
                    distinct.first.push(i);
                    places.insert(text, distinct.first.len() - 1);
                    distinct.first.len() - 1
                }
            };
            distinct.number.push(Some(place));
        }
        distinct
    }

    /// Sentences that repeat an earlier one, with that one.
    fn repeats(&self) -> impl Iterator<Item = Pair> + '_ {
        self.number.iter().enumerate().filter_map(|(sentence, &text)| {
            let other = self.first[text?];
            (other != sentence).then_some(Pair { sentence, other, similarity: 1.0 })
        })
    }
}

/// Numbers for shingles. A shingle is stored whole, so that none is taken for another.
#[derive(Default)]
struct Shingles {
    units: FxHashMap<String, u32>,
    ids: FxHashMap<[u32; 5], u32>,
}

impl Shingles {
    /// For each text the numbers of its shingles, each once.
    fn sets(&mut self, texts: &[String], shingle: Shingle) -> Vec<Vec<u32>> {
        texts
            .iter()
            .map(|text| {
                let units: Vec<u32> = match shingle {
                    Shingle::Characters => text.chars().map(u32::from).collect(),
                    Shingle::Tokens => text.split(' ').map(|word| self.unit(word)).collect(),
                };
                let mut set: Vec<u32> =
                    units.windows(shingle.size().min(units.len())).map(|window| self.id(window)).collect();
                set.sort_unstable();
                set.dedup();
                set
            })
            .collect()
    }

    fn unit(&mut self, word: &str) -> u32 {
        if let Some(&unit) = self.units.get(word) {
            return unit;
        }
        let unit = self.units.len() as u32;
        self.units.insert(word.to_owned(), unit);
        unit
    }

    fn id(&mut self, window: &[u32]) -> u32 {
        let mut key = [u32::MAX; 5];
        key[..window.len()].copy_from_slice(window);
        let next = self.ids.len() as u32;
        *self.ids.entry(key).or_insert(next)
    }

    /// The global order of shingles: the rarest first, then by number.
    fn order(&self, lists: &[&Vec<Vec<u32>>]) -> Order {
        let mut count = vec![0u32; self.ids.len()];
        for &shingle in lists.iter().flat_map(|list| list.iter().flatten()) {
            count[shingle as usize] += 1;
        }
        let mut by_rarity: Vec<u32> = (0..count.len() as u32).collect();
        by_rarity.sort_by_key(|&shingle| (count[shingle as usize], shingle));
        let mut rank = vec![0; count.len()];
        for (place, shingle) in by_rarity.into_iter().enumerate() {
            rank[shingle as usize] = place as u32;
        }
        Order { rank }
    }
}

struct Order {
    rank: Vec<u32>,
}

impl Order {
    /// Sets of ranks in place of numbers, the rarest first.
    fn apply(&self, mut sets: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
        for set in &mut sets {
            for shingle in set.iter_mut() {
                *shingle = self.rank[*shingle as usize];
            }
            set.sort_unstable();
        }
        sets
    }
}

/// For each shingle the sets that have it in their prefix.
struct Index<'a> {
    sets: &'a [Vec<u32>],
    places: FxHashMap<u32, Vec<u32>>,
    threshold: f64,
    most_followed: usize,
}

/// What was found for a set, and whether a shingle was too frequent to be followed.
#[derive(Clone, Copy)]
struct Nearest {
    best: Option<(usize, f64)>,
    skipped: bool,
}

/// The least overlap that a set of `len` shingles must have with a partner: ⌈t·len⌉. The small
/// allowance keeps rounding from asking for one too many.
fn least_overlap(len: usize, threshold: f64) -> usize {
    ((threshold * len as f64 - 1e-9).ceil() as usize).max(1)
}

impl<'a> Index<'a> {
    fn new(sets: &'a [Vec<u32>], options: &DuplicateOptions) -> Self {
        let (threshold, most_followed) = (options.threshold, options.most_followed);
        let mut places: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (i, set) in sets.iter().enumerate() {
            for &shingle in prefix(set, threshold) {
                places.entry(shingle).or_default().push(i as u32);
            }
        }
        Self { sets, places, threshold, most_followed }
    }

    /// The most similar set that reaches the threshold, the earliest of equals; `but` is left out.
    fn nearest(&self, set: &[u32], but: Option<usize>, candidates: &mut Vec<u32>) -> Nearest {
        candidates.clear();
        let mut skipped = false;
        for shingle in prefix(set, self.threshold) {
            let places = self.places.get(shingle).map_or(&[][..], Vec::as_slice);
            if places.len() > self.most_followed {
                skipped = true;
            } else {
                candidates.extend(places);
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        let mut best: Option<(usize, f64)> = None;
        for &candidate in candidates.iter().filter(|&&candidate| Some(candidate as usize) != but) {
            let other = &self.sets[candidate as usize];
            let (small, large) = (set.len().min(other.len()), set.len().max(other.len()));
            if small < least_overlap(large, self.threshold) {
                continue;
            }
            let similarity = jaccard(set, other);
            if similarity >= self.threshold && best.is_none_or(|(_, highest)| similarity > highest) {
                best = Some((candidate as usize, similarity));
            }
        }
        Nearest { best, skipped }
    }
}

fn prefix(set: &[u32], threshold: f64) -> &[u32] {
    let length = set.len() + 1 - least_overlap(set.len(), threshold).min(set.len());
    &set[..length.min(set.len())]
}

/// |A∩B| / |A∪B| of two sorted sets.
fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let (mut i, mut j, mut common) = (0, 0, 0usize);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                common += 1;
                i += 1;
                j += 1;
            }
        }
    }
    common as f64 / (a.len() + b.len() - common) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use trueness_core::{Cancel, Silent};

    fn within<S: AsRef<str> + Sync>(sentences: &[S], options: &DuplicateOptions) -> Result<Duplicates> {
        super::within(sentences, options, Watch::new(&Cancel::default(), &Silent))
    }

    fn between<S: AsRef<str> + Sync, R: AsRef<str> + Sync>(
        sentences: &[S],
        reference: &[R],
        options: &DuplicateOptions,
    ) -> Result<Duplicates> {
        super::between(sentences, reference, options, Watch::new(&Cancel::default(), &Silent))
    }

    /// The similarity of two sentences straight from the definition.
    fn similarity(a: &str, b: &str, shingle: Shingle) -> f64 {
        let set = |text: &str| -> BTreeSet<Vec<String>> {
            let units: Vec<String> = match shingle {
                Shingle::Tokens => text.split(' ').map(str::to_owned).collect(),
                Shingle::Characters => text.chars().map(String::from).collect(),
            };
            units.windows(shingle.size().min(units.len())).map(<[String]>::to_vec).collect()
        };
        let (a, b) = (set(a), set(b));
        a.intersection(&b).count() as f64 / a.union(&b).count() as f64
    }

    #[test]
    fn white_space_and_case_do_not_matter_for_exact_duplicates() {
        let found = within(&["A  cat sat", "a cat\tsat ", "", " ", "a dog"], &DuplicateOptions::default()).unwrap();
        assert_eq!((found.n, found.exact, found.near), (5, 1, 0));
        assert_eq!(found.exact_examples, [Pair { sentence: 1, other: 0, similarity: 1.0 }]);
        let options = DuplicateOptions { fold_case: false, ..DuplicateOptions::default() };
        assert_eq!(within(&["A cat sat", "a cat sat"], &options).unwrap().exact, 0);
    }

    #[test]
    fn every_copy_of_a_memorised_sentence_counts() {
        let found = between(&["x y", "new", "X y", "x y"], &["q", "x y"], &DuplicateOptions::default()).unwrap();
        assert_eq!(
            (found.exact, found.near, found.exact_examples[1]),
            (3, 0, Pair { sentence: 2, other: 1, similarity: 1.0 })
        );
    }

    #[test]
    fn near_duplicates_reach_the_threshold_exactly() {
        // Nine 3-grams against the same and one more: 9/10. One word changed at the end: 8/10.
        let base = "a b c d e f g h i j k";
        let found = between(&["a b c d e f g h i j k l"], &[base], &DuplicateOptions::default()).unwrap();
        assert_eq!((found.near, found.near_examples[0].similarity), (1, 0.9));
        let found = between(&["a b c d e f g h i j z"], &[base], &DuplicateOptions::default()).unwrap();
        assert_eq!((found.near, found.near_examples[0].similarity), (1, 0.8));
        let found = between(&["a b c d e f g h i y z"], &[base], &DuplicateOptions::default()).unwrap();
        assert_eq!(found.near, 0);
    }

    #[test]
    fn shingles_in_too_many_sentences_are_not_followed_and_that_is_said() {
        // Every sentence is near to every other one by the same shingles: 9 of 11.
        let sentences: Vec<String> = (0..50).map(|i| format!("a b c d e f g h i j k n{i}")).collect();
        let all = within(&sentences, &DuplicateOptions::default()).unwrap();
        assert_eq!((all.near, all.near_is_lower_bound), (50, false));
        let few = within(&sentences, &DuplicateOptions { most_followed: 49, ..DuplicateOptions::default() }).unwrap();
        assert_eq!((few.exact, few.near, few.near_is_lower_bound), (0, 0, true));
        let options = DuplicateOptions { most_followed: 49, ..DuplicateOptions::default() };
        let other = between(&["a b c d e f g h i j k", &sentences[3]], &sentences, &options).unwrap();
        assert_eq!((other.exact, other.near, other.near_is_lower_bound), (1, 0, true));
    }

    #[test]
    fn a_cancelled_watch_stops_the_search() {
        let cancel = Cancel::default();
        cancel.cancel();
        let watch = Watch::new(&cancel, &Silent);
        let options = DuplicateOptions::default();
        let interrupted =
            |found: Result<Duplicates>| matches!(found, Err(Error::Core(trueness_core::Error::Interrupted)));
        assert!(interrupted(super::within(&["a b", "a b"], &options, watch)));
        assert!(interrupted(super::between(&["a b"], &["a c"], &options, watch)));
    }

    #[test]
    fn thresholds_outside_their_range_are_refused() {
        for threshold in [0.0, -1.0, 1.1, f64::NAN] {
            let options = DuplicateOptions { threshold, ..DuplicateOptions::default() };
            assert!(within(&["a"], &options).unwrap_err().to_string().contains("above 0 and at most 1"));
        }
    }

    proptest! {
        #[test]
        fn prefix_filtering_finds_what_brute_force_finds(
            a in prop::collection::vec("[ab]( [abc]){0,9}", 1..12),
            b in prop::collection::vec("[ab]( [abc]){0,9}", 1..12),
            threshold in 0.05f64..=1.0,
            characters in any::<bool>(),
        ) {
            let shingle = if characters { Shingle::Characters } else { Shingle::Tokens };
            let options = DuplicateOptions { shingle, threshold, ..DuplicateOptions::default() };
            let found = between(&a, &b, &options).unwrap();
            let near = |s: &String, list: &[String]| list.iter().any(|o| o != s && similarity(s, o, shingle) >= threshold);
            prop_assert_eq!(found.exact, a.iter().filter(|s| b.contains(s)).count() as u64);
            prop_assert_eq!(found.near, a.iter().filter(|s| !b.contains(s) && near(s, &b)).count() as u64);
            for pair in &found.near_examples {
                let best = b.iter().map(|o| similarity(&a[pair.sentence], o, shingle)).fold(0.0, f64::max);
                prop_assert_eq!(pair.similarity, best);
            }
            let inside = within(&a, &options).unwrap();
            let distinct: BTreeSet<&String> = a.iter().collect();
            prop_assert_eq!(inside.exact as usize, a.len() - distinct.len());
            prop_assert_eq!(inside.near as usize, distinct.iter().filter(|s| near(s, &a)).count());
        }
    }
}
