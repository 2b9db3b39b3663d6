//! Texts whose density is known.

pub mod grammar;
pub mod lstm;
