//! Integration tests.

mod corpus;
mod frechet;
