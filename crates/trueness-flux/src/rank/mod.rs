//! Which sensors matter: what a learner loses where one tells something else, what is left when some are taken away, and what
//! physics says that each knows.

mod information;
mod learned;
mod tool;

pub use information::information;
pub use learned::{Importance, Subset, greedy, importance};
pub use tool::{RANK, Rank, RankKnobs, RankUnit};
pub(crate) use tool::{measure_importance, measure_information};
