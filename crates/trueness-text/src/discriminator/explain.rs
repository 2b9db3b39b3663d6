//! What gives a generator away: n-grams that stand in too many or too few of its sentences.

use crate::corpus::{Encoded, Vocabulary};
use rustc_hash::FxHashMap;
use statrs::function::factorial::ln_binomial;
use trueness_core::{Estimate, LEVEL};

/// The longest n-gram that is named.
const MAX_ORDER: usize = 3;

/// An n-gram whose share of sentences differs between the two sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Giveaway {
    /// Its words; `⟨start⟩` and `⟨end⟩` are the sentence's boundaries.
    pub text: String,
    /// The share of real sentences that hold it, with Wilson's interval.
    pub real: Estimate,
    /// The share of generated sentences that hold it.
    pub generated: Estimate,
    /// The z-score of the difference of shares; positive where the generator has more. It says which way
    /// and roughly how far; what is sure is decided by `p`.
    pub z: f64,
    /// Fisher's exact p-value, twice that of the nearer side, before the correction for many n-grams.
    pub p: f64,
}

/// The `most` n-grams (one to three tokens, boundaries included) whose shares of sentences differ
/// most surely, by Fisher's exact test, surest first. Only those that would be surprising among all
/// n-grams looked at (Bonferroni at level .9) are named, and of n-grams that contain one another and
/// tell the same only the strongest.
///
/// How many sentences hold an n-gram is taken as given, so that its count on one side is hypergeometric
/// where both sides are draws of one source. That holds for rare n-grams and for sides of any sizes,
/// where a z-score does not; the number of n-grams looked at is that of the pooled text, so that two
/// samples of one source have a giveaway with a probability of .1 at most.
pub fn giveaways(real: &Encoded, generated: &Encoded, vocabulary: &Vocabulary, most: usize) -> Vec<Giveaway> {
    let mut counts: FxHashMap<[u32; MAX_ORDER], [u32; 2]> = FxHashMap::default();
    let mut seen: Vec<[u32; MAX_ORDER]> = Vec::new();
    for (label, side) in [real, generated].into_iter().enumerate() {
        for sentence in side.iter() {
            seen.clear();
            grams(sentence, |gram| seen.push(gram));
            seen.sort_unstable();
            seen.dedup();
            for gram in &seen {
                counts.entry(*gram).or_insert([0; 2])[label] += 1;
            }
        }
    }
    let (nr, ng) = (real.len() as f64, generated.len() as f64);
    if nr == 0.0 || ng == 0.0 {
        return Vec::new();
    }
    let z = |[r, g]: [u32; 2]| {
        let (r, g) = (f64::from(r), f64::from(g));
        let pooled = (r + g) / (nr + ng);
        (g / ng - r / nr) / (pooled * (1.0 - pooled) * (1.0 / nr + 1.0 / ng)).sqrt().max(1e-12)
    };
    let threshold = ((1.0 - LEVEL) / counts.len().max(1) as f64).ln();
    let mut surprising: Vec<([u32; MAX_ORDER], [u32; 2], f64)> = counts
        .iter()
        .map(|(gram, count)| (*gram, *count, ln_fisher(*count, [real.len() as u64, generated.len() as u64])))
        .filter(|(_, _, ln_p)| *ln_p <= threshold)
        .collect();
    // A hash map's order means nothing: of n-grams that tell the same the shorter comes first, and
    // ties that are left are broken by the n-gram itself.
    surprising.sort_by(|a, b| a.2.total_cmp(&b.2).then(length(&a.0).cmp(&length(&b.0))).then(a.0.cmp(&b.0)));
    let mut chosen: Vec<([u32; MAX_ORDER], f64)> = Vec::new();
    let mut named = Vec::new();
    for (gram, [r, g], ln_p) in surprising {
        if named.len() == most {
            break;
        }
        let z = z([r, g]);
        if chosen.iter().any(|(other, other_z)| other_z.signum() == z.signum() && overlap(other, &gram)) {
            continue;
        }
        chosen.push((gram, z));
        named.push(Giveaway {
            text: spell(&gram, vocabulary),
            real: Estimate::proportion(u64::from(r), real.len() as u64, "share of sentences, Wilson"),
            generated: Estimate::proportion(u64::from(g), generated.len() as u64, "share of sentences, Wilson"),
            z,
            p: ln_p.exp(),
        });
    }
    named
}

/// The logarithm of Fisher's two-sided p-value, twice the tail on the side where the count lies, for
/// `counts` of `sizes` sentences that hold an n-gram.
fn ln_fisher(counts: [u32; 2], sizes: [u64; 2]) -> f64 {
    let [r, g] = counts.map(u64::from);
    let [nr, ng] = sizes;
    let more_in_generated = g as f64 * nr as f64 > r as f64 * ng as f64;
    // A count above what is expected on the one side is one below it on the other: only upper tails are summed.
    let (x, y, nx, ny) = if more_in_generated { (g, r, ng, nr) } else { (r, g, nr, ng) };
    let holding = x + y;
    let ln_first = ln_binomial(nx, x) + ln_binomial(ny, y) - ln_binomial(nx + ny, holding);
    // P(X = k + 1) / P(X = k) for k of the nx sentences, which falls from term to term above the mode.
    let (mut sum, mut term) = (1.0f64, 1.0f64);
    for k in x..holding.min(nx) {
        let (k, others) = (k as f64, (holding - k) as f64);
        term *= (nx as f64 - k) * others / ((k + 1.0) * (ny as f64 - others + 1.0));
        sum += term;
        if term < 1e-16 * sum {
            break;
        }
    }
    (2f64.ln() + ln_first + sum.ln()).min(0.0)
}

/// Marks an unused place of an n-gram, and the two boundaries.
const NONE: u32 = u32::MAX;
const START: u32 = u32::MAX - 1;
const END: u32 = u32::MAX - 2;

fn grams(sentence: &[u32], mut visit: impl FnMut([u32; MAX_ORDER])) {
    let at = |i: usize| if i == 0 { START } else { sentence.get(i - 1).copied().unwrap_or(END) };
    let len = sentence.len() + 2;
    for start in 0..len {
        for order in 1..=MAX_ORDER.min(len - start) {
            let mut gram = [NONE; MAX_ORDER];
            (0..order).for_each(|k| gram[k] = at(start + k));
            if order > 1 || (gram[0] != START && gram[0] != END) {
                visit(gram);
            }
        }
    }
}

fn length(gram: &[u32; MAX_ORDER]) -> usize {
    gram.iter().take_while(|&&id| id != NONE).count()
}

/// Whether one n-gram stands inside the other.
fn overlap(a: &[u32; MAX_ORDER], b: &[u32; MAX_ORDER]) -> bool {
    let (long, short) = if length(a) >= length(b) { (a, b) } else { (b, a) };
    let (long, short) = (&long[..length(long)], &short[..length(short)]);
    long.windows(short.len().max(1)).any(|window| window == short)
}

fn spell(gram: &[u32; MAX_ORDER], vocabulary: &Vocabulary) -> String {
    let word = |&id: &u32| match id {
        START => "⟨start⟩",
        END => "⟨end⟩",
        id => vocabulary.word(id),
    };
    gram.iter().take_while(|&&id| id != NONE).map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(lines: &[&str], vocabulary: &mut Vocabulary) -> Encoded {
        let ids = |line: &&str| line.split(' ').map(|w| w.to_owned()).collect::<Vec<_>>();
        lines.iter().map(|line| ids(line).iter().map(|w| vocabulary.add(w)).collect::<Vec<u32>>()).collect()
    }

    #[test]
    fn a_doubled_article_is_named_and_nothing_else() {
        let mut vocabulary = Vocabulary::new();
        let real = encode(&["a dog runs", "a cat sits", "a man eats", "a bird sings"].repeat(50), &mut vocabulary);
        let generated =
            encode(&["a a dog runs", "a cat sits", "a man eats", "a bird sings"].repeat(50), &mut vocabulary);
        let named = giveaways(&real, &generated, &vocabulary, 10);
        let more: Vec<&str> = named.iter().filter(|g| g.z > 0.0).map(|g| g.text.as_str()).collect();
        assert_eq!(more, ["a a"]);
        assert_eq!(named.iter().find(|g| g.text == "a a").unwrap().generated.value, Some(0.25));
    }

    #[test]
    fn fisher_s_test_gives_the_values_of_counting_by_hand() {
        let p = |counts, sizes| ln_fisher(counts, sizes).exp();
        // Fisher's tea taster, 3 of 4 against 1 of 4: the upper tail is 17/70.
        assert!((p([1, 3], [4, 4]) - 2.0 * 17.0 / 70.0).abs() < 1e-12);
        assert!((p([3, 1], [4, 4]) - 2.0 * 17.0 / 70.0).abs() < 1e-12);
        // One sentence of 200 against none of 10,000: the tail is 200/10,200, where z is 7.1.
        assert!((p([0, 1], [10_000, 200]) - 400.0 / 10_200.0).abs() < 1e-9);
        // None of 3 against 3 of 5: the tail of C(5,3)/C(8,3) = 10/56.
        assert!((p([0, 3], [3, 5]) - 20.0 / 56.0).abs() < 1e-12);
        assert_eq!(p([7, 9], [7, 9]), 1.0);
    }

    #[test]
    fn samples_of_one_source_have_no_giveaways_whatever_their_sizes() {
        use crate::oracle::{Oracle, grammar::Grammar};
        use trueness_core::Seed;
        let grammar = Grammar::default();
        let draws = 40;
        let with_any = (0..draws)
            .filter(|&draw| {
                let seed = Seed::new(8).nth(draw);
                let (few, many) = (grammar.sample(200, seed.child("few")), grammar.sample(10_000, seed.child("many")));
                let (real, generated) = if draw % 2 == 0 { (&many, &few) } else { (&few, &many) };
                !giveaways(real, generated, grammar.vocabulary(), 12).is_empty()
            })
            .count();
        // At most a tenth is promised: 4 of 40, with a standard deviation of 1.9.
        assert!(with_any <= 8, "{with_any} of {draws}");
    }

    #[test]
    fn the_same_text_has_no_giveaway() {
        let mut vocabulary = Vocabulary::new();
        let text = encode(&["a dog runs", "a cat sits"].repeat(30), &mut vocabulary);
        assert!(giveaways(&text, &text, &vocabulary, 10).is_empty());
    }
}
