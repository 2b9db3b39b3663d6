//! A discriminator as a filter on a generator's samples (arXiv 2004.02135).
//!
//! A discriminator learns to tell real sentences from generated ones; its probability says how much likelier
//! a sentence is in real text. A filter keeps generated sentences in that proportion, so that what is kept
//! is closer to real text, without touching the generator. Filters can be stacked: the next one is trained
//! against what the ones before it keep.

mod acceptance;

pub use acceptance::{Mode, Rule};
