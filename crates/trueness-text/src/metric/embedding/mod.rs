//! Sentence embeddings: made here without a download ([`hashed`], [`PpmiSvd`]) or read from a file
//! ([`read`]).
//!
//! Distances between embedded sentences depend on the embedding as much as on the text, so each
//! carries a signature and numbers are comparable only where signatures are equal.

mod file;
mod hashed;
pub(in crate::metric) mod moments;
mod ppmi;

pub use file::{check, parse, read};
pub use hashed::{HashedOptions, hashed};
pub use ppmi::{PpmiOptions, PpmiSvd};

use crate::error::{Error, Result};

/// Vectors of many sentences, one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    rows: usize,
    dims: usize,
    data: Vec<f32>,
    signature: String,
}

impl Embeddings {
    /// Embeddings from values in row-major order, all of them finite.
    ///
    /// # Errors
    /// No rows or no dimensions; a number of values other than rows · dims; a value that is not
    /// finite, with its row and column (both counted from 0).
    pub fn new(rows: usize, dims: usize, data: Vec<f32>, signature: impl Into<String>) -> Result<Self> {
        if rows == 0 || dims == 0 || rows.checked_mul(dims) != Some(data.len()) {
            return Err(Error::Input(format!(
                "expected embeddings of at least one row and one dimension, got {rows} rows × {dims} dimensions with {} values",
                data.len()
            )));
        }
        if let Some(at) = data.iter().position(|x| !x.is_finite()) {
            return Err(Error::Input(format!(
                "expected finite embeddings, got {} in row {}, column {} (counted from 0)",
                data[at],
                at / dims,
                at % dims
            )));
        }
        Ok(Self { rows, dims, data, signature: signature.into() })
    }

    /// How many sentences.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many dimensions.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// The values, row after row.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// What made them, for signatures of measures.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// The vectors, in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.dims)
    }

    /// The rows with the given numbers, in the given order.
    ///
    /// # Errors
    /// No numbers, or one that is not there.
    pub fn subset(&self, indices: &[usize]) -> Result<Self> {
        let mut data = Vec::with_capacity(indices.len() * self.dims);
        for &i in indices {
            let row = self.data.get(i.saturating_mul(self.dims)..).and_then(|rest| rest.get(..self.dims));
            let row = row.ok_or_else(|| Error::Input(format!("there is no row {i}: there are {} rows", self.rows)))?;
            data.extend_from_slice(row);
        }
        Self::new(indices.len(), self.dims, data, self.signature.clone())
    }

    /// Whether two embeddings can be compared.
    ///
    /// # Errors
    /// Different dimensions or different signatures.
    pub(crate) fn check_comparable(&self, other: &Self) -> Result<()> {
        if self.dims == other.dims && self.signature == other.signature {
            return Ok(());
        }
        Err(Error::Input(format!(
            "embeddings of one kind are needed on both sides, got {} ({} dimensions) and {} ({} dimensions)",
            self.signature, self.dims, other.signature, other.dims
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_named() {
        let error = Embeddings::new(2, 2, vec![0.0, 1.0, 2.0, f32::NAN], "x").unwrap_err().to_string();
        assert_eq!(error, "expected finite embeddings, got NaN in row 1, column 1 (counted from 0)");
        assert!(Embeddings::new(2, 2, vec![0.0; 3], "x").is_err());
        assert!(Embeddings::new(0, 2, vec![], "x").is_err());
    }

    #[test]
    fn subsets_hold_the_rows_asked_for() {
        let all = Embeddings::new(3, 2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "x").unwrap();
        assert_eq!(all.subset(&[2, 0]).unwrap().data(), [4.0, 5.0, 0.0, 1.0]);
        assert!(all.subset(&[3]).is_err() && all.subset(&[usize::MAX]).is_err());
    }
}
