//! Temperatures as signals: smoothing and slopes by local polynomials, and the amplitude and phase of a period.
//!
//! Samples are evenly spaced in time; what is missing is NaN and stays out of every fit.

mod harmonic;
mod polynomial;

pub use harmonic::{Harmonic, harmonic};
pub use polynomial::{LocalPolynomial, Side};
