//! The kernel of Trueness.

mod error;
mod estimate;
pub mod report;
pub mod resample;
mod seed;
mod watch;

pub use error::{Error, Result, nearest};
pub use estimate::{Estimate, LEVEL, Measure, mean_sd, normal_quantile, student_quantile, wilson};
pub use seed::{Rng, SEED_LIMIT, Seed};
pub use watch::{Cancel, Clock, Progress, Silent, Stopped, Watch};
