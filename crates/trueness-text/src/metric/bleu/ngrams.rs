//! The n-grams of the reference sentences, counted once.
//!
//! An n-gram has a number, found by looking up (the number of its first n − 1 tokens, its last token)
//! in an open-addressing table, one table for each order; so the n-grams of all orders that start at
//! a position cost one look-up each, and a search ends at the first order that is not known.
//! The tables are split into [`SHARDS`] by the first tokens of the n-gram. Shards share nothing, so
//! that threads build and read them without locks, and each one is small enough for a core's cache.

use crate::corpus::Encoded;
use rayon::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many pieces the tables are split into. The counts do not depend on it.
const SHARDS: usize = 16;

/// What a missing number looks like. There are fewer n-grams and sentences than this.
const NONE: u32 = u32::MAX;

/// The largest counts of one n-gram in single sentences.
#[derive(Clone, Copy)]
struct Top {
    /// The largest count.
    first: u32,
    /// The sentence that has it.
    owner: u32,
    /// The largest count in any other sentence.
    second: u32,
}

impl Top {
    /// Takes note that `sentence` has `count` of the n-gram so far. Counts of a sentence arrive in
    /// increasing order, and the sentences one after another.
    fn raise(&mut self, sentence: u32, count: u32) {
        if self.owner == sentence {
            self.first = count;
        } else if count > self.first {
            *self = Self { first: count, owner: sentence, second: self.first };
        } else {
            self.second = self.second.max(count);
        }
    }

    /// The largest count in the sentences other than `sentence`.
    fn without(&self, sentence: u32) -> u32 {
        if self.owner == sentence { self.second } else { self.first }
    }
}

/// How often an n-gram was seen so far in the sentence that was seen last.
#[derive(Clone, Copy)]
struct Running {
    sentence: u32,
    count: u32,
}

const UNSEEN: Running = Running { sentence: NONE, count: 0 };

impl Running {
    fn next(&mut self, sentence: u32) -> u32 {
        self.count = if self.sentence == sentence { self.count + 1 } else { 1 };
        self.sentence = sentence;
        self.count
    }
}

#[derive(Clone, Copy)]
struct Slot {
    prefix: u32,
    token: u32,
    id: u32,
}

/// The n-grams of one order in one shard: linear probing, at most two thirds full.
struct Table {
    slots: Vec<Slot>,
    /// 64 minus the binary logarithm of the number of slots.
    shift: u32,
    top: Vec<Top>,
}

impl Table {
    fn new() -> Self {
        let bits = 6;
        Self { slots: vec![Slot { prefix: 0, token: 0, id: NONE }; 1 << bits], shift: 64 - bits, top: Vec::new() }
    }

    /// The slot of a key, or the empty slot where it would go.
    fn slot(&self, prefix: u32, token: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = (scramble(prefix, token) >> self.shift) as usize;
        loop {
            let slot = &self.slots[at];
            if slot.id == NONE || (slot.token == token && slot.prefix == prefix) {
                return at;
            }
            at = (at + 1) & mask;
        }
    }

    fn find(&self, prefix: u32, token: u32) -> Option<u32> {
        let id = self.slots[self.slot(prefix, token)].id;
        (id != NONE).then_some(id)
    }

    fn find_or_add(&mut self, prefix: u32, token: u32) -> u32 {
        let at = self.slot(prefix, token);
        if self.slots[at].id != NONE {
            return self.slots[at].id;
        }
        let id = self.top.len() as u32;
        self.slots[at] = Slot { prefix, token, id };
        self.top.push(Top { first: 0, owner: NONE, second: 0 });
        if self.top.len() * 3 > self.slots.len() * 2 {
            self.grow();
        }
        id
    }

    fn grow(&mut self) {
        let larger = vec![Slot { prefix: 0, token: 0, id: NONE }; self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, larger);
        self.shift -= 1;
        for slot in old.into_iter().filter(|slot| slot.id != NONE) {
            let at = self.slot(slot.prefix, slot.token);
            self.slots[at] = slot;
        }
    }
}

/// A hash of two numbers: a multiplication, a fold and a multiplication, so that the top bits depend
/// on all of both.
fn scramble(a: u32, b: u32) -> u64 {
    let x = ((u64::from(a) << 32) | u64::from(b)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

/// The shard of the n-grams that start with two tokens. It uses other bits of the hash than the
/// tables do, since all keys of a shard share these.
fn shard_of(first: u32, second: u32) -> usize {
    (scramble(first, second) as usize >> 8) % SHARDS
}

/// The unigrams and the longer n-grams that fall into a shard, order by order.
type Shard = Vec<Table>;

/// The n-grams of a set of sentences with their largest counts in a sentence.
pub(super) struct Ngrams {
    max_order: usize,
    shards: Vec<Shard>,
}

impl std::fmt::Debug for Ngrams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count: usize = self.shards.iter().flatten().map(|table| table.top.len()).sum();
        f.debug_struct("Ngrams").field("max_order", &self.max_order).field("ngrams", &count).finish_non_exhaustive()
    }
}

impl Ngrams {
    /// Counts the n-grams of 1 to `max_order` tokens of fewer than 2³² − 1 sentences.
    pub(super) fn count(sentences: &Encoded, max_order: usize) -> Self {
        let shards = (0..SHARDS).into_par_iter().map(|shard| count_shard(sentences, max_order, shard)).collect();
        Self { max_order, shards }
    }

    /// For each hypothesis and each order from 1, how many of its n-grams stand in a reference: for
    /// each n-gram the smaller of its count in the hypothesis and its largest count in a reference.
    /// Row-major, `max_order` numbers to a hypothesis.
    ///
    /// With `leave_one_out`, hypothesis i is reference i, which then does not count as a reference.
    pub(super) fn clipped(&self, hypotheses: &Encoded, leave_one_out: bool) -> Vec<u32> {
        // Whole numbers, so that the sum does not depend on the order of the threads.
        let sums: Vec<AtomicU32> = (0..hypotheses.len() * self.max_order).map(|_| AtomicU32::new(0)).collect();
        self.shards.par_iter().enumerate().for_each(|(shard, tables)| {
            clip_shard(tables, shard, hypotheses, leave_one_out, &sums);
        });
        sums.into_iter().map(AtomicU32::into_inner).collect()
    }
}

fn count_shard(sentences: &Encoded, max_order: usize, shard: usize) -> Shard {
    let mut tables: Vec<Table> = (0..max_order).map(|_| Table::new()).collect();
    let mut running: Vec<Vec<Running>> = vec![Vec::new(); max_order];
    let mut see = |tables: &mut [Table], order: usize, prefix: u32, token: u32, sentence: u32| {
        let id = tables[order - 1].find_or_add(prefix, token);
        let runs = &mut running[order - 1];
        if id as usize == runs.len() {
            runs.push(UNSEEN);
        }
        let count = runs[id as usize].next(sentence);
        tables[order - 1].top[id as usize].raise(sentence, count);
        id
    };
    for (number, tokens) in sentences.iter().enumerate() {
        let number = number as u32;
        for (i, &first) in tokens.iter().enumerate() {
            if shard_of(first, NONE) == shard {
                see(&mut tables, 1, NONE, first, number);
            }
            let Some(&second) = tokens.get(i + 1) else { continue };
            if max_order < 2 || shard_of(first, second) != shard {
                continue;
            }
            let mut id = see(&mut tables, 2, first, second, number);
            for (order, &token) in (3..=max_order).zip(&tokens[i + 2..]) {
                id = see(&mut tables, order, id, token, number);
            }
        }
    }
    tables
}

fn clip_shard(tables: &[Table], shard: usize, hypotheses: &Encoded, leave_one_out: bool, sums: &[AtomicU32]) {
    let max_order = tables.len();
    let mut running: Vec<Vec<Running>> = tables.iter().map(|table| vec![UNSEEN; table.top.len()]).collect();
    let mut clipped = vec![0u32; max_order];
    // Adds one occurrence. What follows a prefix that no reference has is in no reference either, and
    // then there is no number to go on from.
    let mut see = |clipped: &mut [u32], order: usize, prefix: u32, token: u32, sentence: u32| -> Option<u32> {
        let table = &tables[order - 1];
        let id = table.find(prefix, token)?;
        let top = &table.top[id as usize];
        let limit = if leave_one_out { top.without(sentence) } else { top.first };
        if limit == 0 {
            return None;
        }
        if running[order - 1][id as usize].next(sentence) <= limit {
            clipped[order - 1] += 1;
        }
        Some(id)
    };
    for (number, tokens) in hypotheses.iter().enumerate() {
        let sentence = number as u32;
        for (i, &first) in tokens.iter().enumerate() {
            if shard_of(first, NONE) == shard {
                see(&mut clipped, 1, NONE, first, sentence);
            }
            let Some(&second) = tokens.get(i + 1) else { continue };
            if max_order < 2 || shard_of(first, second) != shard {
                continue;
            }
            let Some(mut id) = see(&mut clipped, 2, first, second, sentence) else { continue };
            for (order, &token) in (3..=max_order).zip(&tokens[i + 2..]) {
                match see(&mut clipped, order, id, token, sentence) {
                    Some(next) => id = next,
                    None => break,
                }
            }
        }
        for (count, sum) in clipped.iter_mut().zip(&sums[number * max_order..]) {
            if *count > 0 {
                sum.fetch_add(std::mem::take(count), Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn counts(sentence: &[u32], n: usize) -> BTreeMap<&[u32], u32> {
        let mut counts = BTreeMap::new();
        for gram in sentence.windows(n) {
            *counts.entry(gram).or_default() += 1;
        }
        counts
    }

    fn brute_force(hypotheses: &Encoded, references: &Encoded, max_order: usize, leave_one_out: bool) -> Vec<u32> {
        let mut clipped = Vec::new();
        for (i, hypothesis) in hypotheses.iter().enumerate() {
            for n in 1..=max_order {
                let mut largest: BTreeMap<&[u32], u32> = BTreeMap::new();
                for (j, reference) in references.iter().enumerate() {
                    if leave_one_out && i == j {
                        continue;
                    }
                    for (gram, count) in counts(reference, n) {
                        let best = largest.entry(gram).or_default();
                        *best = count.max(*best);
                    }
                }
                clipped.push(
                    counts(hypothesis, n).iter().map(|(gram, count)| *count.min(largest.get(gram).unwrap_or(&0))).sum(),
                );
            }
        }
        clipped
    }

    fn texts() -> impl Strategy<Value = Encoded> {
        proptest::collection::vec(proptest::collection::vec(0u32..5, 0..12), 1..12)
            .prop_map(|sentences| sentences.iter().collect())
    }

    proptest! {
        #[test]
        fn clipped_counts_equal_brute_force(references in texts(), hypotheses in texts(), order in 1usize..6) {
            let ngrams = Ngrams::count(&references, order);
            prop_assert_eq!(ngrams.clipped(&hypotheses, false), brute_force(&hypotheses, &references, order, false));
            prop_assert_eq!(ngrams.clipped(&references, true), brute_force(&references, &references, order, true));
        }
    }

    #[test]
    fn tables_hold_many_keys_and_the_largest_numbers() {
        let mut table = Table::new();
        let keys: Vec<(u32, u32)> = (0..5000).map(|i| (NONE - i % 7, NONE - i)).collect();
        for (number, &(prefix, token)) in keys.iter().enumerate() {
            assert_eq!(table.find(prefix, token), None);
            assert_eq!(table.find_or_add(prefix, token), number as u32);
        }
        for (number, &(prefix, token)) in keys.iter().enumerate() {
            assert_eq!(table.find(prefix, token), Some(number as u32));
        }
    }
}
