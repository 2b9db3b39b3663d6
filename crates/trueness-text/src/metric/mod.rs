//! Metrics: numbers that say how far a text is from another, each with its interval.

pub mod bleu;
pub mod discrepancy;
pub mod diversity;
pub mod embedding;
pub mod frechet;
pub mod frontier;
pub mod language_model;
