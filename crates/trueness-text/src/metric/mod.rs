//! Metrics: numbers that say how far a text is from another, each with its interval.
//!
//! A metric takes token ids, scores, densities or embeddings; the models that make them live elsewhere.

pub mod bleu;
mod catalogue;
pub mod discrepancy;
pub mod diversity;
pub mod embedding;
pub mod frechet;
pub mod frontier;
pub mod language_model;

pub use catalogue::{Better, CATALOGUE, Card, card};
