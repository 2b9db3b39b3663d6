//! Tokenisers: sentences to tokens to numbers.

use super::{Encoded, Vocabulary};
use crate::error::{Error, Result};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use tokenizers::models::ModelWrapper;
use unicode_segmentation::UnicodeSegmentation;

/// Sentences per piece of parallel work: large enough that a piece's own vocabulary pays.
const PIECE: usize = 1024;

/// The largest `tokenizer.json` that is read.
const MAX_FILE_BYTES: u64 = 1 << 28;

/// The names that [`Tokenizer::from_str`] knows besides paths.
pub(crate) const NAMES: [&str; 3] = ["whitespace", "words", "characters"];

/// A way to cut a sentence into tokens.
#[derive(Clone, Debug)]
pub enum Tokenizer {
    /// What stands between runs of Unicode white space. For text that was tokenised before.
    Whitespace,
    /// Words and punctuation: the regular expression `[\w']+|[.,!?;]` with case kept, as in the code
    /// of the distributional-discrepancy papers; all other characters are dropped. A word character
    /// is `_` or what [`char::is_alphanumeric`] says.
    Words,
    /// Unicode's extended grapheme clusters. White space inside the sentence is kept, since a
    /// generator of characters can get it wrong; at the ends of the line it is dropped.
    Characters,
    /// A tokeniser of the Hugging Face `tokenizers` library, without special tokens, padding or
    /// truncation.
    HuggingFace(HuggingFace),
}

/// A tokeniser read from a `tokenizer.json`.
#[derive(Clone)]
pub struct HuggingFace {
    tokenizer: Arc<tokenizers::Tokenizer>,
    hash: String,
}

impl std::fmt::Debug for HuggingFace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HuggingFace").field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl HuggingFace {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// A file that cannot be read, is larger than 256 MiB or is not a tokeniser; a tokeniser with
    /// BPE dropout, which is random.
    pub fn open(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).map_err(trueness_core::Error::io("read", path))?.len();
        if size > MAX_FILE_BYTES {
            return Err(Error::parse(
                path,
                format!("expected a tokenizer.json of at most {MAX_FILE_BYTES} bytes, got {size}"),
            ));
        }
        let bytes = std::fs::read(path).map_err(trueness_core::Error::io("read", path))?;
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(&bytes)
            .map_err(|error| Error::parse(path, format!("expected a Hugging Face tokenizer.json, got: {error}")))?;
        if let ModelWrapper::BPE(model) = tokenizer.get_model()
            && model.dropout.is_some_and(|dropout| dropout > 0.0)
        {
            return Err(Error::parse(path, "BPE dropout makes tokens random: set \"dropout\" to null"));
        }
        tokenizer
            .with_padding(None)
            .with_truncation(None)
            .map_err(|error| Error::parse(path, format!("cannot switch truncation off: {error}")))?;
        Ok(Self { tokenizer: Arc::new(tokenizer), hash: blake3::hash(&bytes).to_hex()[..12].to_owned() })
    }

    /// The tokeniser's own ids of a sentence's tokens.
    ///
    /// # Errors
    /// Where the tokeniser fails.
    pub fn ids(&self, sentence: &str) -> Result<Vec<u32>> {
        let encoding = self
            .tokenizer
            .encode_fast(sentence, false)
            .map_err(|error| Error::Input(format!("the tokeniser failed on {sentence:?}: {error}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of ids, without special tokens.
    ///
    /// # Errors
    /// Where the tokeniser fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer.decode(ids, true).map_err(|error| Error::Input(format!("the tokeniser failed: {error}")))
    }

    /// The text of tokens.
    ///
    /// # Errors
    /// Where the tokeniser fails.
    pub fn join(&self, tokens: &[&str]) -> Result<String> {
        use tokenizers::Decoder;
        let tokens: Vec<String> = tokens.iter().map(|&token| token.to_owned()).collect();
        match self.tokenizer.get_decoder() {
            Some(decoder) => {
                decoder.decode(tokens).map_err(|error| Error::Input(format!("the tokeniser failed: {error}")))
            }
            None => Ok(tokens.join(" ")),
        }
    }

    /// The largest id.
    pub fn largest_id(&self) -> Option<u32> {
        self.tokenizer.get_vocab(true).into_values().max()
    }

    /// The number of its ids.
    pub fn size(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The whole tokeniser as `tokenizer.json` has it.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn json(&self) -> Result<String> {
        let failed = |error| Error::Input(format!("the tokeniser cannot be written: {error}"));
        self.tokenizer.to_string(true).map_err(failed)
    }

    fn tokens(&self, sentence: &str) -> Result<Vec<String>> {
        let encoding = self
            .tokenizer
            .encode_fast(sentence, false)
            .map_err(|error| Error::Input(format!("the tokeniser failed on {sentence:?}: {error}")))?;
        // The fast way leaves out the texts of tokens along with their offsets.
        let text = |&id: &u32| self.tokenizer.id_to_token(id).unwrap_or_default();
        Ok(encoding.get_ids().iter().map(text).collect())
    }
}

impl FromStr for Tokenizer {
    type Err = Error;

    /// `whitespace`, `words`, `characters`, or the path of a `tokenizer.json`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "whitespace" => Ok(Self::Whitespace),
            "words" => Ok(Self::Words),
            "characters" => Ok(Self::Characters),
            path if path.ends_with(".json") || path.contains(['/', '\\']) => {
                Ok(Self::HuggingFace(HuggingFace::open(Path::new(path))?))
            }
            other => {
                let hint = trueness_core::nearest(other, NAMES)
                    .map_or_else(String::new, |name| format!(" Did you mean {name:?}?"));
                Err(Error::Input(format!(
                    "expected a tokeniser (whitespace, words, characters, or path/to/tokenizer.json), got {other:?}.{hint}"
                )))
            }
        }
    }
}

impl Tokenizer {
    /// The name in signatures; that of a Hugging Face tokeniser carries a hash of its file.
    pub fn name(&self) -> String {
        match self {
            Self::Whitespace => "whitespace".into(),
            Self::Words => "words".into(),
            Self::Characters => "characters".into(),
            Self::HuggingFace(tokenizer) => format!("hf-{}", tokenizer.hash),
        }
    }

    /// The tokens of one sentence, in order; none where nothing in it is a token.
    ///
    /// # Errors
    /// Only where a Hugging Face tokeniser fails.
    pub fn tokens<'a>(&self, sentence: &'a str) -> Result<Vec<Cow<'a, str>>> {
        Ok(match self {
            Self::Whitespace => sentence.split_whitespace().map(Cow::Borrowed).collect(),
            Self::Words => words(sentence).map(Cow::Borrowed).collect(),
            Self::Characters => sentence.trim().graphemes(true).map(Cow::Borrowed).collect(),
            Self::HuggingFace(tokenizer) => tokenizer.tokens(sentence)?.into_iter().map(Cow::Owned).collect(),
        })
    }

    /// The sentences as numbers, new words added to the vocabulary in order of first appearance. The
    /// result is the same whatever the number of threads. A sentence without tokens stays, empty, so
    /// that sentence i remains line i: see [`n_empty`].
    ///
    /// # Errors
    /// Only where a Hugging Face tokeniser fails.
    pub fn encode<S: AsRef<str> + Sync>(&self, sentences: &[S], vocabulary: &mut Vocabulary) -> Result<Encoded> {
        let pieces = sentences
            .par_chunks(PIECE)
            .map(|piece| self.encode_piece(piece))
            .collect::<Result<Vec<(Vec<Cow<'_, str>>, Encoded)>>>()?;
        let mut encoded = Encoded::new();
        // In order, so that a word's number depends on its first appearance alone.
        for (words, piece) in pieces {
            let ids: Vec<u32> = words.iter().map(|word| vocabulary.add(word)).collect();
            for sentence in piece.iter() {
                encoded.push(sentence.iter().map(|&local| ids[local as usize]));
            }
        }
        Ok(encoded)
    }

    fn encode_piece<'a, S: AsRef<str>>(&self, piece: &'a [S]) -> Result<(Vec<Cow<'a, str>>, Encoded)> {
        let mut words: Vec<Cow<'a, str>> = Vec::new();
        let mut numbers: FxHashMap<Cow<'a, str>, u32> = FxHashMap::default();
        let mut encoded = Encoded::new();
        for sentence in piece {
            let tokens = self.tokens(sentence.as_ref())?;
            encoded.push(tokens.into_iter().map(|token| match numbers.get(&token) {
                Some(&number) => number,
                None => {
                    let number = words.len() as u32;
                    words.push(token.clone());
                    numbers.insert(token, number);
                    number
                }
            }));
        }
        Ok((words, encoded))
    }
}

/// How many sentences have no token. Metrics over sentences have to say what they make of these.
pub fn n_empty(encoded: &Encoded) -> u64 {
    encoded.iter().filter(|sentence| sentence.is_empty()).count() as u64
}

/// The matches of `[\w']+|[.,!?;]`.
fn words(sentence: &str) -> impl Iterator<Item = &str> {
    let mut rest = sentence;
    std::iter::from_fn(move || {
        let start = rest.find(|c| is_word(c) || is_punctuation(c))?;
        rest = &rest[start..];
        let end = match rest.find(|c| !is_word(c)) {
            // A punctuation mark is a token alone; each of them is one byte.
            Some(0) => 1,
            Some(end) => end,
            None => rest.len(),
        };
        let (token, tail) = rest.split_at(end);
        rest = tail;
        Some(token)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '\''
}

fn is_punctuation(c: char) -> bool {
    matches!(c, '.' | ',' | '!' | '?' | ';')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(tokenizer: &Tokenizer, sentence: &str) -> Vec<String> {
        tokenizer.tokens(sentence).unwrap().into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn sentences_are_cut_as_documented() {
        assert_eq!(tokens(&Tokenizer::Whitespace, " a\tb\u{a0}c.  "), ["a", "b", "c."]);
        assert_eq!(tokens(&Tokenizer::Words, "It's  (so-so), no?!"), ["It's", "so", "so", ",", "no", "?", "!"]);
        assert_eq!(tokens(&Tokenizer::Characters, " e\u{301}a b "), ["e\u{301}", "a", " ", "b"]);
        assert!(tokens(&Tokenizer::Words, "— …").is_empty());
    }

    #[test]
    fn misspelt_names_are_corrected() {
        let error = "word".parse::<Tokenizer>().unwrap_err().to_string();
        assert!(error.ends_with("got \"word\". Did you mean \"words\"?"), "{error}");
        assert!("zzz".parse::<Tokenizer>().unwrap_err().to_string().ends_with("got \"zzz\"."));
        assert!(matches!("no/such/tokenizer.json".parse::<Tokenizer>(), Err(Error::Core(_))));
        for name in NAMES {
            assert_eq!(name.parse::<Tokenizer>().unwrap().name(), name);
        }
    }

    const WORD_LEVEL: &str = r#"{"version":"1.0","truncation":{"direction":"Right","max_length":2,"strategy":"LongestFirst","stride":0},
        "padding":null,"added_tokens":[],"normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"Whitespace"},
        "post_processor":null,"decoder":null,
        "model":{"type":"WordLevel","vocab":{"a":0,"cat":1,"sat":2,"[UNK]":3},"unk_token":"[UNK]"}}"#;

    #[test]
    fn a_hugging_face_file_is_used_without_its_truncation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, WORD_LEVEL).unwrap();
        let tokenizer: Tokenizer = path.to_str().unwrap().parse().unwrap();
        assert_eq!(tokens(&tokenizer, "A cat sat down"), ["a", "cat", "sat", "[UNK]"]);
        assert_eq!(tokenizer.name(), format!("hf-{}", &blake3::hash(WORD_LEVEL.as_bytes()).to_hex()[..12]));
        std::fs::write(&path, "{}").unwrap();
        let error = path.to_str().unwrap().parse::<Tokenizer>().unwrap_err().to_string();
        assert!(error.contains("expected a Hugging Face tokenizer.json"), "{error}");
    }

    #[test]
    fn numbers_do_not_depend_on_threads_and_decode_to_the_tokens() {
        let sentences: Vec<String> = (0..5000).map(|i| format!("w{} x{} !", i * 7919 % 977, i % 13)).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut vocabulary = Vocabulary::new();
            let encoded = pool.install(|| Tokenizer::Words.encode(&sentences, &mut vocabulary)).unwrap();
            (encoded, vocabulary.words().to_vec())
        };
        assert_eq!(run(1), run(3));
        let mut plain = Vocabulary::new();
        let one_by_one: Encoded =
            sentences.iter().map(|s| s.split(' ').map(|word| plain.add(word)).collect::<Vec<u32>>()).collect();
        assert_eq!(run(2), (one_by_one, plain.words().to_vec()));
    }

    #[test]
    fn sentences_without_tokens_keep_their_place() {
        let encoded = Tokenizer::Words.encode(&["a", "--", "b"], &mut Vocabulary::new()).unwrap();
        assert_eq!((encoded.len(), n_empty(&encoded), encoded.sentence(2)), (3, 1, &[1][..]));
    }

    proptest! {
        #[test]
        fn words_are_the_matches_of_the_regular_expression(text in "[ -~äßéñЖ中०²Ⅷ—’\t]{0,40}") {
            let expression = regex::Regex::new(r"[\w']+|[.,!?;]").unwrap();
            // Rust's \w has no numbers beyond decimal digits and letter numbers; Python's has, as here.
            let text = text.replace('²', "");
            let expected: Vec<&str> = expression.find_iter(&text).map(|m| m.as_str()).collect();
            prop_assert_eq!(words(&text).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            for tokenizer in [Tokenizer::Whitespace, Tokenizer::Words, Tokenizer::Characters] {
                prop_assert!(tokens(&tokenizer, &text).iter().all(|token| !token.is_empty()));
            }
        }
    }
}
