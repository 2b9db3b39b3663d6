//! Sentences as numbers: a vocabulary and the token ids of many sentences in one array.

use rustc_hash::FxHashMap;

/// Words and their numbers, in order of first appearance.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    words: Vec<String>,
    ids: FxHashMap<String, u32>,
}

impl Vocabulary {
    /// An empty vocabulary.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of a word, which is added if it is new.
    pub fn add(&mut self, word: &str) -> u32 {
        if let Some(&id) = self.ids.get(word) {
            return id;
        }
        let id = self.words.len() as u32;
        self.words.push(word.to_owned());
        self.ids.insert(word.to_owned(), id);
        id
    }

    /// The number of a word, if it is known.
    pub fn id(&self, word: &str) -> Option<u32> {
        self.ids.get(word).copied()
    }

    /// The word of a number; empty for a number that was never given out.
    pub fn word(&self, id: u32) -> &str {
        self.words.get(id as usize).map_or("", String::as_str)
    }

    /// All words, in order of their numbers.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words of a sentence, joined by single spaces.
    pub fn decode(&self, sentence: &[u32]) -> String {
        let words: Vec<&str> = sentence.iter().map(|&id| self.word(id)).collect();
        words.join(" ")
    }
}

/// A hash of sentences' token ids, and how many there are: equal for equal sentences in the same order.
pub(crate) fn fingerprint(sentences: &[Vec<u32>]) -> String {
    let mut hasher = blake3::Hasher::new();
    for sentence in sentences {
        hasher.update(&(sentence.len() as u64).to_le_bytes());
        for id in sentence {
            hasher.update(&id.to_le_bytes());
        }
    }
    format!("{}:{}", sentences.len(), &hasher.finalize().to_hex()[..16])
}

/// Token ids of many sentences, one after another in one array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    tokens: Vec<u32>,
    /// One more than there are sentences: sentence i is `tokens[ends[i]..ends[i + 1]]`.
    ends: Vec<usize>,
}

impl Default for Encoded {
    fn default() -> Self {
        Self { tokens: Vec::new(), ends: vec![0] }
    }
}

impl Encoded {
    /// No sentences yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sentence.
    pub fn push(&mut self, sentence: impl IntoIterator<Item = u32>) {
        self.tokens.extend(sentence);
        self.ends.push(self.tokens.len());
    }

    /// How many sentences there are.
    pub fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tokens all sentences have together.
    pub fn n_tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The token ids of sentence `i`, counted from 0.
    ///
    /// # Panics
    /// If there is no such sentence, like indexing a slice.
    pub fn sentence(&self, i: usize) -> &[u32] {
        &self.tokens[self.ends[i]..self.ends[i + 1]]
    }

    /// All sentences in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.ends.windows(2).map(|pair| &self.tokens[pair[0]..pair[1]])
    }

    /// The sentences with the given numbers, in the given order.
    pub fn subset(&self, indices: &[usize]) -> Self {
        let mut chosen = Self::new();
        for &i in indices {
            chosen.push(self.sentence(i).iter().copied());
        }
        chosen
    }

    /// The first `n` sentences, or all where there are fewer.
    pub fn first(&self, n: usize) -> Self {
        let n = n.min(self.len());
        Self { tokens: self.tokens[..self.ends[n]].to_vec(), ends: self.ends[..=n].to_vec() }
    }
}

impl<S: AsRef<[u32]>> FromIterator<S> for Encoded {
    fn from_iter<I: IntoIterator<Item = S>>(sentences: I) -> Self {
        let mut encoded = Self::new();
        for sentence in sentences {
            encoded.push(sentence.as_ref().iter().copied());
        }
        encoded
    }
}
