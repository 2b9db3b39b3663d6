//! Integration tests.

mod language_model;
mod oracle;
