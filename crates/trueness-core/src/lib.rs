//! The kernel of Trueness: experiments that end in measured claims with intervals.
//!
//! In reading order:
//! - [`Seed`]: a pure tree of random streams.
//! - [`Estimate`] and [`resample`]: numbers with their intervals, and how to get them.
//! - [`study`]: a study is a plan of units; its claims are typed comparisons over measured names.
//! - [`run`]: what a unit sees of the world, and where its findings go.
//! - [`report`]: what people read: HTML, Markdown, terminal.
//! - [`conformance`]: what every study must satisfy.
//!
//! The kernel knows no tensor, no domain and no terminal, and reads no clock.

pub mod conformance;
mod error;
mod estimate;
pub mod report;
pub mod resample;
pub mod run;
mod seed;
pub mod study;
mod watch;

pub use error::{Error, Result, nearest};
pub use estimate::{Estimate, LEVEL, Measure, mean_sd, normal_quantile, student_quantile, wilson};
pub use run::{AtomicFile, Run, find_folder, write_atomically};
pub use seed::{Rng, SEED_LIMIT, Seed};
pub use study::{Findings, Study, StudyEntry, StudySource};
pub use watch::{Cancel, Clock, Progress, Silent, Stopped, Watch};
