//! `trueness flux check`: what is in logger files, and what is wrong with them.

mod tool;

pub use tool::{CheckKnobs, check};
