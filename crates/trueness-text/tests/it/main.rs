//! The toolkit from outside: golden values of independent tools, coverage of intervals, real data.

mod bleu;
mod corpus;
mod diversity;
mod frechet;
