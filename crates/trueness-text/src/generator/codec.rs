//! Sentences as the tokens of a network, and back.

use crate::corpus::tokenize::HuggingFace;
use crate::corpus::{Encoded, Tokenizer, Vocabulary};
use crate::error::{Error, Result};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

/// The word that stands for every word that a model does not know.
pub const UNKNOWN: &str = "<unk>";

/// How sentences become token ids, and where they begin and end.
#[derive(Clone, Debug)]
pub struct Codec {
    kind: Kind,
    /// The id that goes in before the first token.
    start: u32,
    /// The id that ends a sentence; none where all sentences have one length.
    end: Option<u32>,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Words of a vocabulary, the first of which is [`UNKNOWN`]. Id 0 is the beginning and the end, and
    /// word i has id i + 1.
    Words { tokenizer: Tokenizer, vocabulary: Vocabulary },
    /// The words of an oracle, word i with id i; sentences have one length.
    Oracle { vocabulary: Vocabulary },
    /// The pieces of a tokeniser with ids of its own.
    Pieces { tokenizer: HuggingFace, size: usize },
}

/// Sentences as token ids, with how many tokens were not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coded {
    /// One entry a sentence, without beginning and end.
    pub sentences: Vec<Vec<u32>>,
    /// How many tokens were replaced by [`UNKNOWN`].
    pub unknown: u64,
    /// Some of the words that were, in order of appearance.
    pub examples: Vec<String>,
}

impl Codec {
    /// The words of some sentences, as a tokeniser cuts them, that stand there at least `least` times.
    ///
    /// # Errors
    /// Where the tokeniser fails, or no word is left.
    pub fn of_words<S: AsRef<str> + Sync>(sentences: &[S], tokenizer: Tokenizer, least: usize) -> Result<Self> {
        let mut all = Vocabulary::new();
        let encoded = tokenizer.encode(sentences, &mut all)?;
        let mut counts = vec![0usize; all.len()];
        encoded.iter().flatten().for_each(|&id| counts[id as usize] += 1);
        let mut vocabulary = Vocabulary::new();
        vocabulary.add(UNKNOWN);
        for (word, count) in all.words().iter().zip(counts) {
            if count >= least {
                vocabulary.add(word);
            }
        }
        Self::with_words(tokenizer, vocabulary)
    }

    /// The words of a vocabulary, the first of which is [`UNKNOWN`].
    ///
    /// # Errors
    /// If it is not, or there is no other word.
    pub fn with_words(tokenizer: Tokenizer, vocabulary: Vocabulary) -> Result<Self> {
        if vocabulary.words().first().map(String::as_str) != Some(UNKNOWN) || vocabulary.len() < 2 {
            return Err(Error::Input(format!(
                "a model's vocabulary begins with {UNKNOWN:?} and has words after it; got {} words",
                vocabulary.len()
            )));
        }
        Ok(Self { kind: Kind::Words { tokenizer, vocabulary }, start: 0, end: Some(0) })
    }

    /// The words of an oracle whose sentences have one length. As in SeqGAN's code, what goes in first is
    /// token 0, which is an ordinary word too.
    pub fn of_oracle(vocabulary: Vocabulary) -> Self {
        Self { kind: Kind::Oracle { vocabulary }, start: 0, end: None }
    }

    /// A tokeniser with ids of its own.
    pub fn of_pieces(tokenizer: HuggingFace, size: usize, start: u32, end: Option<u32>) -> Self {
        Self { kind: Kind::Pieces { tokenizer, size }, start, end }
    }

    /// Whether every id that can come up is below the number of ids.
    ///
    /// # Errors
    /// [`Error::Input`] naming the id.
    pub(super) fn check(&self) -> Result<()> {
        let largest = match &self.kind {
            Kind::Pieces { tokenizer, .. } => tokenizer.largest_id(),
            _ => None,
        };
        match [Some(self.start), self.end, largest].into_iter().flatten().find(|&id| id as usize >= self.size()) {
            Some(id) => Err(Error::Input(format!("token {id}: expected ids below {}", self.size()))),
            None => Ok(()),
        }
    }

    /// The number of token ids.
    pub fn size(&self) -> usize {
        match &self.kind {
            Kind::Words { vocabulary, .. } => vocabulary.len() + 1,
            Kind::Oracle { vocabulary } => vocabulary.len(),
            Kind::Pieces { size, .. } => *size,
        }
    }

    /// What goes in before the first token.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// What ends a sentence.
    pub fn end(&self) -> Option<u32> {
        self.end
    }

    /// The words, where there are words.
    pub fn vocabulary(&self) -> Option<&Vocabulary> {
        match &self.kind {
            Kind::Words { vocabulary, .. } | Kind::Oracle { vocabulary } => Some(vocabulary),
            Kind::Pieces { .. } => None,
        }
    }

    /// The tokeniser's name; `oracle` where words are numbers.
    pub fn name(&self) -> String {
        match &self.kind {
            Kind::Words { tokenizer, .. } => tokenizer.name(),
            Kind::Oracle { .. } => "oracle".to_owned(),
            Kind::Pieces { tokenizer, .. } => Tokenizer::HuggingFace(tokenizer.clone()).name(),
        }
    }

    /// The tokeniser of a file, where there is one.
    pub(crate) fn hugging_face(&self) -> Option<&HuggingFace> {
        match &self.kind {
            Kind::Words { tokenizer: Tokenizer::HuggingFace(tokenizer), .. } | Kind::Pieces { tokenizer, .. } => {
                Some(tokenizer)
            }
            _ => None,
        }
    }

    /// The id that stands for words that are not known.
    pub(super) fn unknown(&self) -> Option<u32> {
        matches!(self.kind, Kind::Words { .. }).then_some(1)
    }

    /// Whether sentences all have one length.
    pub(super) fn is_oracle(&self) -> bool {
        matches!(self.kind, Kind::Oracle { .. })
    }

    /// How far a network's ids lie above the vocabulary's.
    fn offset(&self) -> u32 {
        u32::from(matches!(self.kind, Kind::Words { .. }))
    }

    /// Sentences as token ids.
    ///
    /// # Errors
    /// Where a tokeniser fails, or an oracle's word is not known.
    pub fn encode<S: AsRef<str> + Sync>(&self, sentences: &[S]) -> Result<Coded> {
        let (tokenizer, vocabulary) = match &self.kind {
            Kind::Words { tokenizer, vocabulary } => (tokenizer, vocabulary),
            Kind::Oracle { vocabulary } => (&Tokenizer::Whitespace, vocabulary),
            Kind::Pieces { tokenizer, .. } => {
                let ids = |sentence: &S| tokenizer.ids(sentence.as_ref());
                let sentences = sentences.par_iter().map(ids).collect::<Result<_>>()?;
                return Ok(Coded { sentences, ..Coded::default() });
            }
        };
        let mut local = Vocabulary::new();
        let encoded = tokenizer.encode(sentences, &mut local)?;
        let known: Vec<Option<u32>> = local.words().iter().map(|word| vocabulary.id(word)).collect();
        let mut coded = Coded::default();
        if self.is_oracle()
            && let Some(place) = known.iter().position(Option::is_none)
        {
            return Err(Error::Input(format!("{:?} is no word of this oracle", local.words()[place])));
        }
        let mut seen: FxHashMap<u32, ()> = FxHashMap::default();
        for sentence in encoded.iter() {
            let ids = sentence.iter().map(|&id| match known[id as usize] {
                Some(known) => known + self.offset(),
                None => {
                    coded.unknown += 1;
                    if coded.examples.len() < 5 && seen.insert(id, ()).is_none() {
                        coded.examples.push(local.word(id).to_owned());
                    }
                    self.offset()
                }
            });
            coded.sentences.push(ids.collect());
        }
        Ok(coded)
    }

    /// Sentences of the vocabulary's own ids as a network's.
    pub fn from_vocabulary(&self, sentences: &Encoded) -> Vec<Vec<u32>> {
        sentences.iter().map(|sentence| sentence.iter().map(|&id| id + self.offset()).collect()).collect()
    }

    /// The other way.
    pub fn to_vocabulary(&self, sentences: &[Vec<u32>]) -> Encoded {
        let mut encoded = Encoded::new();
        sentences.iter().for_each(|sentence| encoded.push(sentence.iter().map(|&id| id - self.offset())));
        encoded
    }

    /// Token ids as text: words are joined by spaces, characters by nothing.
    ///
    /// # Errors
    /// Where a tokeniser fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        match &self.kind {
            Kind::Pieces { tokenizer, .. } => tokenizer.decode(ids),
            Kind::Words { tokenizer, vocabulary } => {
                let words: Vec<&str> = ids.iter().map(|&id| vocabulary.word(id.saturating_sub(1))).collect();
                match tokenizer {
                    Tokenizer::Characters => Ok(words.concat()),
                    Tokenizer::HuggingFace(tokenizer) => tokenizer.join(&words),
                    _ => Ok(words.join(" ")),
                }
            }
            Kind::Oracle { vocabulary } => Ok(vocabulary.decode(ids)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_and_unknown_ones_are_counted() {
        let text = ["a dog runs", "a cat runs", "a dog sits"];
        let codec = Codec::of_words(&text, Tokenizer::Whitespace, 1).unwrap();
        // The boundary, the unknown word and five words.
        assert_eq!((codec.size(), codec.start(), codec.end()), (7, 0, Some(0)));
        let coded = codec.encode(&text).unwrap();
        assert_eq!((coded.unknown, &coded.sentences[1]), (0, &vec![2, 5, 4]));
        for (sentence, ids) in text.iter().zip(&coded.sentences) {
            assert_eq!(codec.decode(ids).unwrap(), *sentence);
        }
        let coded = codec.encode(&["a zebra runs", "a zebra and"]).unwrap();
        assert_eq!((coded.unknown, coded.examples), (3, vec!["zebra".to_owned(), "and".to_owned()]));
        assert_eq!(codec.decode(&coded.sentences[0]).unwrap(), "a <unk> runs");
        // Rare words are not known.
        let rare = Codec::of_words(&text, Tokenizer::Whitespace, 2).unwrap();
        assert_eq!(rare.encode(&text).unwrap().unknown, 2);
        assert!(Codec::of_words(&text, Tokenizer::Whitespace, 9).is_err());
    }

    #[test]
    fn characters_are_joined_by_nothing() {
        let text = ["犬が走る", "ab c"];
        let codec = Codec::of_words(&text, Tokenizer::Characters, 1).unwrap();
        let coded = codec.encode(&text).unwrap();
        assert_eq!(codec.decode(&coded.sentences[0]).unwrap(), text[0]);
        assert_eq!(codec.decode(&coded.sentences[1]).unwrap(), text[1]);
    }

    #[test]
    fn an_oracles_words_are_its_numbers() {
        let mut vocabulary = Vocabulary::new();
        vocabulary.add("x");
        vocabulary.add("y");
        let codec = Codec::of_oracle(vocabulary);
        let mut encoded = Encoded::new();
        encoded.push([1, 0, 1]);
        assert_eq!(codec.from_vocabulary(&encoded), [[1, 0, 1]]);
        assert_eq!(codec.to_vocabulary(&[vec![1, 0, 1]]), encoded);
        assert_eq!(codec.encode(&["y x"]).unwrap().sentences, [[1, 0]]);
        assert!(codec.encode(&["y z"]).unwrap_err().to_string().contains("\"z\""));
    }
}
