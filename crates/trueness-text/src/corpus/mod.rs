//! Corpora: reading sentences, cutting them into tokens, splitting pools, finding duplicates.

pub mod duplicates;
mod encoded;
pub mod read;
pub mod split;
pub mod tokenize;
pub mod tool;

pub(crate) use encoded::fingerprint;
pub use encoded::{Encoded, Vocabulary};
pub use read::{Corpus, Lines, ReadOptions};
pub use tokenize::Tokenizer;
