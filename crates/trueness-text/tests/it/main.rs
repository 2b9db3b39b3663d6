//! The toolkit from outside: golden values of independent tools, coverage of intervals, real data.

mod adversarial;
mod bleu;
mod compare;
mod conformance;
mod corpus;
mod coverage;
mod diversity;
mod filter;
mod frechet;
mod generator;
mod intervals;
mod language_model;
mod oracle;
