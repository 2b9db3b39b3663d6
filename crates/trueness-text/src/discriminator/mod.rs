//! Classifiers of real against generated text, and the protocol that scores held-out sentences.
//!
//! A classifier is trained on one part of the sentences, chosen and calibrated on a second, and
//! scores a third that it never saw. What the scores mean is [`crate::metric::discrepancy`]'s matter.

mod calibrate;
pub mod cnn;
mod explain;
mod features;
mod logistic;
mod protocol;
mod surface;

pub use calibrate::{Platt, sigmoid};
pub use explain::{Giveaway, giveaways};
pub use features::{FeatureConfig, Features, Hasher};
pub use logistic::{Labelled, Logistic, LogisticConfig};
pub use protocol::{Classifier, Judged, Parts, Protocol};
pub use surface::{Surface, surface_discrepancy};
