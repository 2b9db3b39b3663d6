//! What heat went in and out of columns, and what is stored.

/// Heat by column, in J/m².
#[derive(Clone, Debug, PartialEq)]
pub struct Balance {
    /// Heat that came in through both edges, less what went out.
    pub(super) gained: Vec<f64>,
    /// The growth of the heat that is stored.
    pub(super) stored: Vec<f64>,
    /// All heat that crossed an edge, in either direction.
    pub(super) moved: Vec<f64>,
}

impl Balance {
    pub(super) fn new(n: usize) -> Self {
        Self { gained: vec![0.0; n], stored: vec![0.0; n], moved: vec![0.0; n] }
    }

    /// Heat that came in through both edges, less what went out, in J/m².
    pub fn gained(&self) -> &[f64] {
        &self.gained
    }

    /// The growth of the heat that is stored, in J/m².
    pub fn stored(&self) -> &[f64] {
        &self.stored
    }

    /// What is missing, as a share of all heat that crossed an edge: the largest of all columns. 0 before the first step.
    pub fn error(&self) -> f64 {
        let of = |i: usize| match self.moved[i] > 0.0 {
            true => (self.gained[i] - self.stored[i]).abs() / self.moved[i],
            false => 0.0,
        };
        (0..self.moved.len()).map(of).fold(0.0, f64::max)
    }
}
