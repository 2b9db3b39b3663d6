//! What gives a generator away: n-grams that stand in too many or too few of its sentences.

use crate::corpus::{Encoded, Vocabulary};
use rustc_hash::FxHashMap;
use trueness_core::{Estimate, normal_quantile};

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
    /// The z-score of the difference of shares; positive where the generator has more.
    pub z: f64,
}

/// The `most` n-grams (one to three tokens, boundaries included) whose shares of sentences differ
/// most surely, by the two-proportion z-score, strongest first. Only those that would be surprising
/// among all n-grams looked at (Bonferroni at level .9) are named, and of n-grams that contain one
/// another and tell the same only the strongest.
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
    let threshold = normal_quantile(1.0 - 0.1 / counts.len().max(1) as f64);
    let mut surprising: Vec<([u32; MAX_ORDER], [u32; 2], f64)> =
        counts.iter().map(|(gram, count)| (*gram, *count, z(*count))).filter(|(_, _, z)| z.abs() > threshold).collect();
    // A hash map's order means nothing: of n-grams that tell the same the shorter comes first, and
    // ties that are left are broken by the n-gram itself.
    surprising
        .sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()).then(length(&a.0).cmp(&length(&b.0))).then(a.0.cmp(&b.0)));
    let mut chosen: Vec<([u32; MAX_ORDER], f64)> = Vec::new();
    let mut named = Vec::new();
    for (gram, [r, g], z) in surprising {
        if named.len() == most {
            break;
        }
        if chosen.iter().any(|(other, other_z)| other_z.signum() == z.signum() && overlap(other, &gram)) {
            continue;
        }
        chosen.push((gram, z));
        named.push(Giveaway {
            text: spell(&gram, vocabulary),
            real: Estimate::proportion(u64::from(r), real.len() as u64, "share of sentences, Wilson"),
            generated: Estimate::proportion(u64::from(g), generated.len() as u64, "share of sentences, Wilson"),
            z,
        });
    }
    named
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
    fn the_same_text_has_no_giveaway() {
        let mut vocabulary = Vocabulary::new();
        let text = encode(&["a dog runs", "a cat sits"].repeat(30), &mut vocabulary);
        assert!(giveaways(&text, &text, &vocabulary, 10).is_empty());
    }
}
