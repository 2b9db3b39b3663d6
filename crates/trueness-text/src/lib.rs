//! Measure how far generated text is from real text, with intervals.
//!
//! In reading order:
//! - [`corpus`]: sentences, tokens, vocabularies; reading, splitting, finding copies.
//! - [`oracle`]: texts whose density is known: a grammar of captions, SeqGAN's LSTM.
//! - [`generator`]: language models: training, sampling, densities, model folders.
//! - [`discriminator`]: classifiers of real against generated text.
//! - [`adversarial`]: generators that go on against a discriminator (language GANs).
//! - [`filter`]: a discriminator that keeps what could be real.
//! - [`train`]: both kinds of training, on a person's own text.
//! - [`metric`]: what the numbers are; each takes token ids, scores, densities or embeddings.
//! - [`compare`]: all metrics of a person's own texts, in one report.
//! - [`study`]: papers' claims, re-measured.
//!
//! ```
//! use trueness_core::Seed;
//! use trueness_text::corpus::{Tokenizer, Vocabulary};
//! use trueness_text::metric::bleu::{Settings, bleu};
//!
//! let mut vocabulary = Vocabulary::new();
//! let real = Tokenizer::Whitespace.encode(&["a dog runs .", "a cat sits ."], &mut vocabulary)?;
//! let generated = Tokenizer::Whitespace.encode(&["a dog sits .", "a cat sits ."], &mut vocabulary)?;
//! let found = bleu(&generated, &real, &Settings::default(), Seed::new(0))?;
//! assert_eq!(found.measures[0].name, "bleu-2");
//! # Ok::<(), trueness_text::Error>(())
//! ```

pub mod adversarial;
pub mod compare;
pub mod corpus;
pub mod discriminator;
mod error;
pub mod filter;
pub mod generator;
pub mod metric;
pub mod oracle;
mod safetensors_file;
pub mod study;
pub mod train;

pub use error::{Error, Result};

use trueness_core::StudyEntry;

/// The studies and tools of this toolkit, for the command line.
///
/// # Errors
/// Where a study file that is compiled in does not parse, which a test rules out.
pub fn studies() -> trueness_core::Result<Vec<StudyEntry>> {
    Ok(vec![
        StudyEntry::new(study::Discrepancy, study::DISCREPANCY)?,
        StudyEntry::new(study::FilterStudy, study::FILTER)?,
        StudyEntry::new(study::Gans, study::DETECTION)?,
        StudyEntry::new(study::Gans, study::SUBSEQUENCE)?,
        StudyEntry::new(compare::Compare, compare::SOURCE)?,
        StudyEntry::new(train::Train, train::TRAIN)?,
        StudyEntry::new(filter::FilterTrain, filter::FILTER_TRAIN)?,
    ])
}
