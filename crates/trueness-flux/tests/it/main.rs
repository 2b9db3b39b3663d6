//! The toolkit from outside: closed forms against the equations and against the column, and real data.

mod analytic;
mod column;
mod hanford;
mod infer;
mod inversion;
mod kalman;
mod learned;
mod logger;
mod richards;
mod river;
mod section;
mod waves;
