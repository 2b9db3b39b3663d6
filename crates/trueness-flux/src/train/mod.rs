//! Learned estimators for a person's own sensors: trained on simulated sites like theirs.

mod tool;

pub use tool::{TRAIN, Train, TrainKnobs, TrainUnit};
