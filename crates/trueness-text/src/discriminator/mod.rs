//! Classifiers of real against generated.

pub mod cnn;
