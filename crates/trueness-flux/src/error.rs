//! What can go wrong in the flux toolkit.

/// The result of the toolkit's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the flux toolkit.
#[derive(Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request cannot be met with this input: sizes that do not fit, values outside their range, ….
    #[error("{0}")]
    Input(String),
    /// No flux agrees with what was observed.
    #[error("{0}")]
    NoFlux(String),
}
