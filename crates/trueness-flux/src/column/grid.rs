//! The cells of a column.

use crate::{Error, Result};

/// Cells between faces, from the top down.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Depths of the faces in m, one more than cells.
    faces: Vec<f64>,
}

impl Grid {
    /// Cells of one size from the bed's surface to a depth in m.
    ///
    /// # Errors
    /// [`Error::Input`] for a depth of 0 or less, or no cells.
    pub fn uniform(depth: f64, cells: usize) -> Result<Self> {
        Self::new((0..=cells).map(|i| depth * i as f64 / cells as f64).collect())
    }

    /// Cells between given faces, in m, whose depths grow.
    ///
    /// # Errors
    /// [`Error::Input`] for fewer than two faces, or depths that do not grow.
    pub fn new(faces: Vec<f64>) -> Result<Self> {
        if faces.len() < 2 {
            return Err(Error::Input(format!("grid: expected at least 2 faces, got {}", faces.len())));
        }
        if let Some(i) = (1..faces.len()).find(|&i| !(faces[i] > faces[i - 1] && faces[i].is_finite())) {
            let (above, below) = (faces[i - 1], faces[i]);
            return Err(Error::Input(format!("grid: expected depths that grow, got {below} m below {above} m")));
        }
        Ok(Self { faces })
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.faces.len() - 1
    }

    /// The height of a cell in m.
    pub(super) fn height(&self, cell: usize) -> f64 {
        self.faces[cell + 1] - self.faces[cell]
    }

    /// The depths of the first and the last face in m.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.faces[0], self.faces[self.faces.len() - 1])
    }

    /// The depth of a cell's centre in m.
    pub fn centre(&self, cell: usize) -> f64 {
        f64::midpoint(self.faces[cell], self.faces[cell + 1])
    }

    /// The last cell whose centre is at or above a depth, and how far on to the next one the depth is.
    pub(super) fn between(&self, depth: f64) -> Result<(usize, f64)> {
        let last = self.cells() - 1;
        let (first, end) = (self.centre(0), self.centre(last));
        if !(first..=end).contains(&depth) {
            return Err(Error::Input(format!("depth: expected {first} to {end} m, got {depth}")));
        }
        Ok(self.place(depth))
    }

    /// The same for a depth that is known to lie between the first and the last centre.
    pub(super) fn place(&self, depth: f64) -> (usize, f64) {
        let last = self.cells() - 1;
        // The cell that the depth lies in, or the one above where it lies above that one's centre.
        let within = self.faces.partition_point(|face| *face <= depth).clamp(1, last + 1) - 1;
        let cell = if self.centre(within) <= depth { within } else { within.saturating_sub(1) };
        if cell == last {
            return (last, 0.0);
        }
        let (above, below) = (self.centre(cell), self.centre(cell + 1));
        (cell, (depth - above) / (below - above))
    }
}
