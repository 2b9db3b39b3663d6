//! Integration tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what is wrong in a test's helper is a failed test")]

mod folder;
mod report;
mod stage;
mod toy;
