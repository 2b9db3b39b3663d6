//! N-grams as numbers.

use crate::corpus::Encoded;
use rustc_hash::FxHashMap;

/// The number of each n-gram of each sentence, in order of position, and how many numbers there are.
/// Equal n-grams have equal numbers, given out from 0 in order of first appearance. A sentence of
/// fewer than `n` tokens has none.
///
/// The n-grams are built order by order from (the number of the first n − 1 tokens, the last token).
pub(super) fn ngram_ids(sentences: &Encoded, n: usize) -> (Encoded, usize) {
    let mut ids = Encoded::new();
    sentences.iter().for_each(|tokens| ids.push(tokens.iter().map(|_| 0)));
    let mut distinct = 0;
    for order in 1..=n {
        let mut numbers: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        let mut next = Encoded::new();
        for (tokens, prefixes) in sentences.iter().zip(ids.iter()) {
            let lasts = tokens.get(order - 1..).unwrap_or(&[]);
            next.push(prefixes.iter().zip(lasts).map(|(&prefix, &last)| {
                let new = numbers.len() as u32;
                *numbers.entry((prefix, last)).or_insert(new)
            }));
        }
        ids = next;
        distinct = numbers.len();
    }
    (ids, distinct)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ngrams_have_equal_numbers() {
        let texts: Encoded = [&[7u32, 8, 7, 8][..], &[8], &[8, 7, 9]].into_iter().collect();
        let (ids, distinct) = ngram_ids(&texts, 2);
        assert_eq!(ids, [&[0u32, 1, 0][..], &[], &[1, 2]].into_iter().collect());
        assert_eq!(distinct, 3);
        assert_eq!(ngram_ids(&texts, 4).1, 1);
        assert_eq!(ngram_ids(&texts, 5), ([&[][..] as &[u32], &[], &[]].into_iter().collect(), 0));
    }
}
