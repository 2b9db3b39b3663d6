//! A figure's data as CSV (RFC 4180).

use super::thin::thin;
use super::{Figure, Point};

/// The columns of [`csv`].
pub(in crate::report) struct Data {
    /// The heads of the columns.
    pub(in crate::report) heads: Vec<String>,
    /// The cells, as many to a row as there are heads. A missing value is empty.
    pub(in crate::report) rows: Vec<Vec<String>>,
    /// Whether points were left out.
    pub(in crate::report) thinned: bool,
}

/// All points of a figure as CSV: series, x, y, low, high. Categories stand by name; a missing end is empty.
pub fn csv(figure: &Figure) -> String {
    data(figure, usize::MAX).csv()
}

/// The points of a figure as text, at most about `limit` to a series.
pub(in crate::report) fn data(figure: &Figure, limit: usize) -> Data {
    let named = figure.series.iter().any(|s| !s.name.is_empty());
    let interval = figure.series.iter().flat_map(|s| &s.points).any(|p| p.low.is_some() || p.high.is_some());
    let head = |label: String, fallback: &str| if label.is_empty() { fallback.to_owned() } else { label };
    let (x, y) = (head(figure.x.text(), "x"), head(figure.y.text(), "y"));
    let mut heads = Vec::new();
    if named {
        heads.push("series".to_owned());
    }
    // A sideways figure reads by its categories, so they come first.
    heads.extend(if figure.is_sideways() { [if y == "y" { "name".to_owned() } else { y }, x] } else { [x, y] });
    if interval {
        heads.extend(["low".to_owned(), "high".to_owned()]);
    }
    let mut thinned = false;
    let mut rows = Vec::new();
    for series in &figure.series {
        let points = thin(&series.points, limit);
        thinned |= points.len() < series.points.len();
        for point in points.iter().filter(|p| p.x.is_finite() && p.y.is_finite()) {
            let mut row = if named { vec![series.name.clone()] } else { Vec::new() };
            row.extend(cells(figure, point, limit == usize::MAX));
            row.truncate(if interval { heads.len() } else { usize::from(named) + 2 });
            rows.push(row);
        }
    }
    Data { heads, rows, thinned }
}

/// The texts of a point; in full, or with nine significant digits, which are enough to look at.
fn cells(figure: &Figure, point: &Point, full: bool) -> [String; 4] {
    let number = |x: f64| {
        let rounded = if full { None } else { format!("{x:.8e}").parse::<f64>().ok().filter(|x| x.is_finite()) };
        rounded.unwrap_or(x).to_string()
    };
    let place = |names: &Option<Vec<String>>, value: f64| match names {
        Some(names) => names.get(super::marks::category(value, names.len())).cloned().unwrap_or_default(),
        None => number(value),
    };
    let end = |x: Option<f64>| x.filter(|x| x.is_finite()).map_or(String::new(), number);
    let (x, y) = (place(&figure.x.categories, point.x), place(&figure.y.categories, point.y));
    let (first, second) = if figure.is_sideways() { (y, x) } else { (x, y) };
    [first, second, end(point.low), end(point.high)]
}

impl Data {
    /// The data as CSV.
    pub(in crate::report) fn csv(&self) -> String {
        let mut out = String::new();
        for row in std::iter::once(&self.heads).chain(&self.rows) {
            let fields: Vec<String> = row.iter().map(|f| field(f)).collect();
            out.push_str(&fields.join(","));
            out.push('\n');
        }
        out
    }
}

fn field(text: &str) -> String {
    let text = crate::report::text::clean(text);
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Estimate;
    use crate::report::{Axis, Kind, Series};

    #[test]
    fn names_are_quoted_and_categories_spelt_out() {
        let estimate = Estimate::interval(0.5, 0.25, 0.75, 9, "");
        let figure = Figure::forest("f", "t", "score", [("a \"b\", c", estimate)]);
        assert_eq!(csv(&figure), "name,score,low,high\n\"a \"\"b\"\", c\",0.5,0.25,0.75\n");
    }

    #[test]
    fn series_without_intervals_have_no_columns_for_them() {
        let figure = Figure::new("f", "t").x(Axis::new("n")).series(Series::new("s", Kind::Line).points([(1.0, 2.0)]));
        assert_eq!(csv(&figure), "series,n,y\ns,1,2\n");
    }
}
