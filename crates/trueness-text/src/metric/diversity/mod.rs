//! Diversity: how much a text repeats itself, and how much of it stands in another text.
//!
//! [`distinct`]: distinct-n · [`self_repetition`]: n-grams shared between sentences ·
//! [`compression_ratio`]: redundancy as gzip sees it · [`novelty`] and [`ngram_novelty`]: what does
//! not stand in a reference text.
//!
//! The first three compare the sentences of one text with each other, and (but for the compression
//! ratio, which hardly does) depend strongly on how many there are: compare texts of equal numbers of
//! sentences only. Their intervals are jackknives over groups of sentences, since a bootstrap would
//! put copies of a sentence beside it.

mod compression;
mod distinct;
mod groups;
mod ngram_ids;
mod novelty;
mod self_repetition;

pub use compression::compression_ratio;
pub use distinct::distinct;
pub use novelty::{ngram_novelty, novelty};
pub use self_repetition::self_repetition;

pub(in crate::metric) use groups::random_groups;
