//! The n-grams of a text and how often they occur.

use rustc_hash::FxHashMap;

/// The mark before a sentence; never predicted.
pub(super) const BEGIN: u32 = u32::MAX;
/// The mark after a sentence; predicted like a word.
pub(super) const END: u32 = u32::MAX - 1;

/// The node of the empty n-gram.
pub(super) const ROOT: u32 = 0;

/// The key of a node's child.
pub(super) fn key(node: u32, word: u32) -> u64 {
    u64::from(node) << 32 | u64::from(word)
}

/// The n-grams of a text while they are counted, as a trie whose nodes know their suffixes.
pub(super) struct Counts {
    pub(super) children: FxHashMap<u64, u32>,
    /// By node: the node without its last word, without its first word, its last word, n, its count, and
    /// whether it begins with `<s>`.
    pub(super) parent: Vec<u32>,
    pub(super) suffix: Vec<u32>,
    word: Vec<u32>,
    pub(super) order: Vec<u32>,
    pub(super) count: Vec<u32>,
    begins: Vec<bool>,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            children: FxHashMap::default(),
            parent: vec![ROOT],
            suffix: vec![ROOT],
            word: vec![0],
            order: vec![0],
            count: vec![0],
            begins: vec![false],
        }
    }

    /// The child of a node, made if it is new. Its suffix must exist already unless the node is the root.
    fn child(&mut self, node: u32, word: u32) -> u32 {
        if let Some(&child) = self.children.get(&key(node, word)) {
            return child;
        }
        let child = self.parent.len() as u32;
        let suffix = if node == ROOT {
            ROOT
        } else {
            // All n-grams that end at a place are added from the shortest on, so the suffix is there.
            self.children.get(&key(self.suffix[node as usize], word)).copied().unwrap_or(ROOT)
        };
        self.children.insert(key(node, word), child);
        self.parent.push(node);
        self.suffix.push(suffix);
        self.word.push(word);
        self.order.push(self.order[node as usize] + 1);
        self.count.push(0);
        self.begins.push(if node == ROOT { word == BEGIN } else { self.begins[node as usize] });
        child
    }

    /// Counts the n-grams up to `order` of `<s> sentence </s>`.
    pub(super) fn add(&mut self, sentence: &[u32], order: usize, ending: &mut Vec<u32>) {
        // The nodes of the n-grams that end at the place before, the shortest (the empty one) first.
        ending.clear();
        ending.push(ROOT);
        for word in [BEGIN].into_iter().chain(sentence.iter().copied()).chain([END]) {
            ending.truncate(order);
            for node in ending.iter_mut() {
                *node = self.child(*node, word);
                self.count[*node as usize] += 1;
            }
            ending.insert(0, ROOT);
        }
    }

    /// Turns occurrences into Kneser–Ney's counts: occurrences for the highest order and for
    /// n-grams that begin with `<s>`, else the number of distinct words that precede the n-gram.
    pub(super) fn adjust(&mut self, order: u32) {
        let mut preceding = vec![0u32; self.count.len()];
        for node in 1..self.count.len() {
            preceding[self.suffix[node] as usize] += 1;
        }
        for (node, &n) in preceding.iter().enumerate() {
            if self.order[node] < order && !self.begins[node] {
                self.count[node] = n;
            }
        }
    }

    /// Whether a node is something that is predicted: anything but the empty n-gram and `<s>` itself.
    pub(super) fn predicted(&self, node: usize) -> bool {
        node != ROOT as usize && self.word[node] != BEGIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_lower_orders_are_of_distinct_predecessors() {
        let mut counts = Counts::new();
        for sentence in [[0u32, 1], [0, 1], [2, 1]] {
            counts.add(&sentence, 2, &mut Vec::new());
        }
        let at = |counts: &Counts, words: &[u32]| {
            let node = words.iter().fold(ROOT, |node, &word| counts.children[&key(node, word)]);
            counts.count[node as usize]
        };
        assert_eq!((at(&counts, &[1]), at(&counts, &[0, 1]), at(&counts, &[BEGIN, 0])), (3, 2, 2));
        counts.adjust(2);
        // "1" stands after two words, "0" after the beginning alone; the highest order keeps its counts.
        assert_eq!((at(&counts, &[1]), at(&counts, &[0]), at(&counts, &[1, END])), (2, 1, 3));
    }
}
