//! Integration tests.

mod folder;
mod report;
mod stage;
mod toy;
