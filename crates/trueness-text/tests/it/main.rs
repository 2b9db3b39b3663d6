//! Integration tests.

mod bleu;
mod diversity;
