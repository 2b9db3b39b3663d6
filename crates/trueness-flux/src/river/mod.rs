//! Rivers and their beds as they might be: what drives a bed, sites drawn at random, and what loggers would say there.
//!
//! A [`Site`] is a description, in a file or drawn from [`Sites`]; its [`Driving`] is what it does over time; [`simulate`] puts
//! both through the [column](mod@crate::column) and gives a [`Record`](crate::logger::Record) with every error that sensors make,
//! beside the flux that was there. All of it is drawn from a [`Seed`](trueness_core::Seed).

mod draw;
mod driving;
mod simulate;
mod site;
mod tool;

pub use draw::{Drawn, Sites};
pub use driving::Driving;
pub use simulate::{Simulated, simulate};
pub use site::{Aquifer, Sediment, Sensors, Site, Stage, Water};
pub use tool::{SIMULATE, Simulate, SimulateKnobs, SimulateUnit};
