//! Integration tests of the neural layer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what is wrong in a test's helper is a failed test")]

mod fit;
mod language_models;
mod replay;
mod text_cnn;
mod toy;
mod weights;
