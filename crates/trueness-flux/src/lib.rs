//! Heat and water in a river bed: what temperature loggers say of the exchange between river and ground.
//!
//! Everywhere within the crate flux is Darcy flux in m/s, positive downward (a losing river), depth is positive
//! downward in metres, time in seconds, and temperature in °C.
//!
//! - [`medium`]: what sediment and water do to heat.
//! - [`analytic`]: closed forms, each as a temperature and, where it is one, as an estimator of flux.
//! - [`mod@column`]: heat in many columns at once, by finite volumes; water and heat in one that need not be saturated.
//! - [`river`]: rivers and beds as they might be, and what loggers would say there.
//! - [`logger`]: files of temperature loggers, their faults, and one record of all sensors.
//! - [`signal`]: smoothing, slopes, and the amplitude and phase of a period.
//! - [`estimator`]: flux from temperatures, with intervals.
//! - [`rank`]: which sensors matter.
//! - [`study`]: claims of the field, measured again.
//! - [`train`]: learned estimators for a person's own sensors.
//! - [`check`]: what is wrong with a person's logger files.
//! - [`infer`]: a person's logger files, from reading to the report.

pub mod analytic;
pub mod check;
pub mod column;
mod error;
pub mod estimator;
pub mod infer;
pub mod logger;
pub mod medium;
pub mod rank;
pub mod river;
pub mod signal;
pub mod study;
pub mod train;

pub use error::{Error, Result};

/// Seconds of a day: m/d at the edges of the toolkit are m/s times this.
pub const DAY: f64 = 86_400.0;

use trueness_core::StudyEntry;

/// The studies and tools of this toolkit, for the command line.
///
/// # Errors
/// Where a study file that is compiled in does not parse, which a test rules out.
pub fn studies() -> trueness_core::Result<Vec<StudyEntry>> {
    Ok(vec![
        StudyEntry::new(study::Exchange, study::EXCHANGE)?,
        StudyEntry::new(train::Train, train::TRAIN)?,
        StudyEntry::new(infer::Infer, infer::INFER)?,
        StudyEntry::new(river::Simulate, river::SIMULATE)?,
        StudyEntry::new(rank::Rank, rank::RANK)?,
    ])
}
