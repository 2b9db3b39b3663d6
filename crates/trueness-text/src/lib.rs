//! Measure how far generated text is from real text.

pub mod compare;
pub mod corpus;
pub mod discriminator;
mod error;
pub mod metric;
pub mod oracle;
pub mod study;

pub use error::{Error, Result};
