//! The BLEU family: how many of a sentence's n-grams stand in reference sentences.
//!
//! In reading order: [`Orders`] and [`Scores`] (what is asked and what comes back), [`References`]
//! (the reference sentences, counted once), [`bleu`], [`reverse_bleu`] and [`self_bleu`] (values with
//! intervals), [`Compat`] (the caps of published code) and [`corpus`] (classic corpus BLEU).
//!
//! Sentence BLEU follows Papineni et al. (2002) with the smoothing "method 1" of Chen and Cherry
//! (2014), as the language-GAN literature uses it: every hypothesis is compared with the whole set of
//! references, and the scores are averaged. Such a number rises with the number of references, so
//! that values of different sizes cannot be compared; the [`signature`] states both sizes.
//!
//! ```
//! use trueness_core::Seed;
//! use trueness_text::corpus::{Encoded, Vocabulary};
//! use trueness_text::metric::bleu::{self, Settings};
//!
//! let mut vocabulary = Vocabulary::new();
//! let mut encode = |lines: &[&str]| -> Encoded {
//!     lines.iter().map(|line| line.split(' ').map(|word| vocabulary.add(word)).collect::<Vec<_>>()).collect()
//! };
//! let real = encode(&["a dog sits on a bench", "two dogs run on the beach"]);
//! let generated = encode(&["a dog sits on the beach", "two dogs on a bench"]);
//! let evaluation = bleu::bleu(&generated, &real, &Settings::default(), Seed::new(1))?;
//! assert_eq!(evaluation.measures[0].name, "bleu-2");
//! assert!(evaluation.measures[0].estimate.has_interval());
//! # Ok::<(), trueness_text::Error>(())
//! ```

mod compat;
pub mod corpus;
mod evaluate;
mod ngrams;
mod sentence;
mod tokenizer_13a;

pub use compat::{Caps, Compat};
pub use evaluate::{Evaluation, Settings, bleu, reverse_bleu, self_bleu, signature};
pub use sentence::{MAX_ORDER, Orders, References, Scores, self_scores};
pub use tokenizer_13a::tokenize_13a;
