//! Corpora: sentences, tokens, vocabularies.

pub mod duplicates;
mod encoded;
pub mod read;
pub mod split;
pub mod tokenize;

pub use encoded::{Encoded, Vocabulary};
