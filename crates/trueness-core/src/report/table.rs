//! Tables, whose numbers are estimates.

use crate::estimate::Estimate;
use serde::{Deserialize, Serialize};

/// Where a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Align {
    /// At the left, for words.
    Left,
    /// At the right, for numbers.
    Right,
}

/// Which value of a column is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Best {
    /// The lowest.
    Lowest,
    /// The highest.
    Highest,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The column's head.
    pub head: String,
    /// Where its cells stand.
    pub align: Align,
    /// Which value is marked: the best one, and those whose interval overlaps it.
    #[serde(default)]
    pub best: Option<Best>,
}

/// A cell of a table. Numbers are estimates only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cell {
    /// Words.
    Text(String),
    /// A value with its interval.
    Estimate(Estimate),
    /// Nothing was measured; shown as "–".
    Missing,
    /// Code, such as a setting, in a fixed-width font.
    Code(String),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Estimate> for Cell {
    fn from(estimate: Estimate) -> Self {
        Self::Estimate(estimate)
    }
}

impl From<Option<Estimate>> for Cell {
    fn from(estimate: Option<Estimate>) -> Self {
        estimate.map_or(Self::Missing, Self::Estimate)
    }
}

/// A table. The first column names the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What the table shows.
    pub caption: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows. A row shorter than the columns is filled with missing cells; what is longer is not shown.
    pub rows: Vec<Vec<Cell>>,
    /// A remark below the table.
    #[serde(default)]
    pub note: Option<String>,
}

impl Table {
    /// A table without columns and rows.
    pub fn new(caption: impl Into<String>) -> Self {
        Self { caption: caption.into(), columns: Vec::new(), rows: Vec::new(), note: None }
    }

    /// The same table with one more column of words.
    pub fn words(self, head: impl Into<String>) -> Self {
        self.column(Column { head: head.into(), align: Align::Left, best: None })
    }

    /// The same table with one more column of numbers.
    pub fn numbers(self, head: impl Into<String>) -> Self {
        self.column(Column { head: head.into(), align: Align::Right, best: None })
    }

    /// The same table with one more column of numbers, of which the best are marked.
    pub fn ranked(self, head: impl Into<String>, best: Best) -> Self {
        self.column(Column { head: head.into(), align: Align::Right, best: Some(best) })
    }

    /// The same table with one more column.
    pub fn column(mut self, column: Column) -> Self {
        self.columns.push(column);
        self
    }

    /// The same table with one more row.
    pub fn row(mut self, cells: impl IntoIterator<Item = Cell>) -> Self {
        self.rows.push(cells.into_iter().collect());
        self
    }

    /// The same table with a remark below it.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The cell at a row and a column; missing where the row is too short.
    pub(super) fn cell(&self, row: usize, column: usize) -> &Cell {
        self.rows.get(row).and_then(|cells| cells.get(column)).unwrap_or(&Cell::Missing)
    }

    /// The unit that all estimates of a column share, which then stands in the head once.
    pub(super) fn unit(&self, column: usize) -> &str {
        let mut shared: Option<&str> = None;
        for cells in &self.rows {
            if let Some(Cell::Estimate(Estimate { value: Some(_), unit, .. })) = cells.get(column) {
                if shared.is_some_and(|known| known != unit) {
                    return "";
                }
                shared = Some(unit);
            }
        }
        shared.unwrap_or("")
    }

    /// A column's head with the unit that all its estimates share.
    pub(super) fn head(&self, column: usize) -> String {
        let head = self.columns.get(column).map_or("", |c| &c.head);
        match self.unit(column) {
            "" => head.to_owned(),
            unit => format!("{head} ({unit})"),
        }
    }

    /// Whether a cell is marked as best: it holds its column's best value, or its interval overlaps that of the
    /// best value, so that the two are not told apart. Nothing is marked where fewer than two values compete.
    pub(super) fn is_best(&self, row: usize, column: usize) -> bool {
        let Some(best) = self.columns.get(column).and_then(|c| c.best) else { return false };
        let estimates = || {
            (0..self.rows.len()).filter_map(|r| match self.cell(r, column) {
                Cell::Estimate(e) => e.value.filter(|v| v.is_finite()).map(|v| (r, v, e)),
                _ => None,
            })
        };
        let top = match best {
            Best::Lowest => estimates().min_by(|a, b| a.1.total_cmp(&b.1)),
            Best::Highest => estimates().max_by(|a, b| a.1.total_cmp(&b.1)),
        };
        let Some((_, top_value, top)) = top else { return false };
        let ends = |e: &Estimate, v: f64| (e.low.unwrap_or(v), e.high.unwrap_or(v));
        let (top_low, top_high) = ends(top, top_value);
        estimates().count() > 1
            && estimates().any(|(r, value, e)| {
                let (low, high) = ends(e, value);
                r == row && low <= top_high && top_low <= high
            })
    }

    /// Whether any column marks its best values.
    pub(super) fn is_ranked(&self) -> bool {
        self.columns.iter().any(|c| c.best.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_not_told_apart_from_the_best_are_marked_too() {
        let interval = |v: f64, h: f64| Cell::from(Estimate::interval(v, v - h, v + h, 9, ""));
        let table = Table::new("t")
            .words("model")
            .ranked("loss", Best::Lowest)
            .row(["a".into(), interval(1.0, 0.2)])
            .row(["b".into(), interval(1.3, 0.2)])
            .row(["c".into(), interval(2.0, 0.2)])
            .row(["d".into()]);
        assert_eq!([0, 1, 2, 3].map(|row| table.is_best(row, 1)), [true, true, false, false]);
        assert!(!table.is_best(0, 0));
    }

    #[test]
    fn a_shared_unit_moves_to_the_head() {
        let metres = |x| Cell::from(Estimate::exact(x, "").unit("m"));
        let table = Table::new("t").numbers("depth").row([metres(1.0)]).row([Cell::Missing]).row([metres(2.0)]);
        assert_eq!(table.head(0), "depth (m)");
        assert_eq!(table.clone().row([Estimate::exact(1.0, "").into()]).head(0), "depth");
    }
}
