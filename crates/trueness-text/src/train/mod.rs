//! Training a generator on a person's own text, or on an oracle: by maximum likelihood, and against a discriminator.

mod knobs;
mod report;
mod source;
mod stage;
mod tool;

pub use knobs::{Model, TrainKnobs};
pub use source::Truth;
pub(crate) use stage::in_stage;
pub use tool::{TRAIN, Train, TrainUnit};
