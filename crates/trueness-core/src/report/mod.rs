//! Reports: blocks that studies and tools build, and the renderers that alone show them.
//!
//! Domain code makes a [`Report`] out of [`Block`]s; [`html`], [`markdown`] and [`terminal`] render it. Verdicts
//! come first and provenance last whatever their place among the blocks. Every number in a table is an
//! [`Estimate`](crate::Estimate), and [`format_estimate`] is the one place that decides its digits.
//!
//! ```
//! use trueness_core::Estimate;
//! use trueness_core::report::{self, Figure, Report};
//!
//! let rows = [("gpt2.txt", Estimate::normal(0.21, 0.012, 10_000, "bootstrap over sentences"))];
//! let report = Report::new("Real against candidate")
//!     .lead("gpt2.txt is told from real text better than chance, though not by much.")
//!     .heading("Discrepancy")
//!     .figure(Figure::forest("dd", "Distributional discrepancy", "discrepancy", rows))
//!     .provenance("seed", "0");
//! assert!(report::html(&report).starts_with("<!DOCTYPE html>"));
//! assert!(report::terminal(&report, 80, false).contains("0.21 [0.19, 0.23]"));
//! ```

mod block;
mod figure;
mod found;
mod html;
mod markdown;
mod names;
mod number;
mod table;
mod terminal;
mod text;
mod verdict;

pub use block::{Attachment, Block, Bytes, Image, Media, Note, NoteKind, Report, Sample, Samples};
pub use figure::{Axis, Figure, Kind, Point, Reference, Scale, Series, csv, figures, svg};
pub use found::Found;
pub use html::html;
pub use markdown::markdown;
pub use names::files;
pub use number::{format_estimate, format_value};
pub use table::{Align, Best, Cell, Column, Table};
pub use terminal::terminal;
pub use text::code;
pub use verdict::{Outcome, Verdict};
