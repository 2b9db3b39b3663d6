//! Training a generator on a person's own text, or on an oracle: by maximum likelihood, and against a discriminator.

mod knobs;
mod report;
mod source;
mod tool;

pub use knobs::{Model, TrainKnobs};
pub use source::Truth;
pub use tool::{TRAIN, Train, TrainUnit};
