//! Tables on a terminal.

use super::Page;
use crate::report::number::{format_estimate, format_value};
use crate::report::table::{Align, Cell, Table};
use crate::report::text::{cut, line, pad, unmarked, width};

/// The space between columns.
const GAP: usize = 2;

impl Page {
    /// A table: whole if it fits, else without its intervals, else in pieces that repeat the first column.
    pub(super) fn table(&self, out: &mut Vec<String>, table: &Table) {
        self.paragraph(out, &table.caption, "", str::to_owned);
        if table.columns.is_empty() {
            return;
        }
        let with_intervals = self.cells(table, true);
        let has_intervals = table.rows.iter().flatten().any(|c| matches!(c, Cell::Estimate(e) if e.has_interval()));
        let fits = |cells: &Cells| cells.widths.iter().map(|w| w + GAP).sum::<usize>() <= self.columns;
        let (cells, shortened) = if fits(&with_intervals) || !has_intervals {
            (with_intervals, false)
        } else {
            (self.cells(table, false), true)
        };
        // The first column repeats in each piece; a piece holds at least one other column.
        let mut next = 1;
        loop {
            let first = next;
            let mut used = GAP + cells.widths[0];
            while next < cells.widths.len() && (next == first || used + GAP + cells.widths[next] <= self.columns) {
                used += GAP + cells.widths[next];
                next += 1;
            }
            let piece: Vec<usize> = std::iter::once(0).chain(first..next).collect();
            let head: Vec<String> = piece.iter().map(|&c| cells.pad(&cells.heads[c], c)).collect();
            out.push(format!("  {}", self.paint.dim(head.join("  ").trim_end())));
            for (r, row) in cells.rows.iter().enumerate() {
                let shown = piece.iter().map(|&c| {
                    let text = cells.pad(&row[c], c);
                    if table.is_best(r, c) { self.paint.bold(&text) } else { text }
                });
                out.push(format!("  {}", shown.collect::<Vec<_>>().join("  ")));
            }
            if next >= cells.widths.len() {
                break;
            }
        }
        if shortened {
            out.push(self.paint.dim("  … each with its interval in the report"));
        }
        if let Some(note) = &table.note {
            self.paragraph(out, note, "  ", |text| self.paint.dim(text));
        }
    }

    fn cells(&self, table: &Table, with_intervals: bool) -> Cells {
        let columns = 0..table.columns.len();
        // No column may take so much that another would not fit beside it.
        let most = |c: usize| if c == 0 { self.columns / 2 - 3 } else { self.columns / 2 - 1 };
        let text = |r: usize, c: usize| match table.cell(r, c) {
            Cell::Text(text) => cut(&unmarked(text), most(c)),
            Cell::Code(code) => cut(&line(code), most(c)),
            Cell::Missing => "–".to_owned(),
            Cell::Estimate(e) if !with_intervals => cut(&format_value(e), most(c)),
            Cell::Estimate(e) if table.unit(c).is_empty() => format_estimate(e),
            Cell::Estimate(e) => format_estimate(&e.clone().unit("")),
        };
        let heads: Vec<String> = columns.clone().map(|c| cut(&unmarked(&table.head(c)), most(c))).collect();
        let rows: Vec<Vec<String>> =
            (0..table.rows.len()).map(|r| columns.clone().map(|c| text(r, c)).collect()).collect();
        let widths =
            columns.clone().map(|c| rows.iter().map(|row| width(&row[c])).fold(width(&heads[c]), usize::max)).collect();
        let right = table.columns.iter().map(|c| c.align == Align::Right).collect();
        Cells { heads, rows, widths, right }
    }
}

struct Cells {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    widths: Vec<usize>,
    right: Vec<bool>,
}

impl Cells {
    fn pad(&self, text: &str, column: usize) -> String {
        pad(text, self.widths[column], self.right[column])
    }
}
