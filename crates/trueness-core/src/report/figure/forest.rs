//! Sideways figures: categories below each other, values with intervals to the right.

use super::axes::{self, Plot};
use super::ruler::Ruler;
use super::svg::{Frame, number, text_cut, text_width};
use super::{Figure, Kind, Point, Reference, legend, marks, palette};
use crate::report::number::interval;
use crate::report::text::line;
use maud::{Markup, html};

/// The drawing and its height.
pub(super) fn draw(figure: &Figure, frame: &Frame<'_>) -> (Markup, f64) {
    let names: Vec<String> = figure.y.categories.iter().flatten().map(|n| line(n)).collect();
    let rows = Rows::new(figure, frame, &names);
    let (legend, legend_height) = legend::draw(figure, frame);
    let references: Vec<(f64, String)> = figure
        .references
        .iter()
        .filter_map(|r| match r {
            Reference::X { at, label } => Some((*at, line(label))),
            _ => None,
        })
        .collect();
    let labelled = references.iter().filter(|(_, label)| !label.is_empty()).count();
    let top = legend_height + labelled as f64 * 18.0 + 4.0;
    let plot = Plot { left: rows.left, top, right: rows.right, bottom: top + rows.height(names.len()) };

    let values = figure.series.iter().flat_map(|s| &s.points).flat_map(|p| [Some(p.x), p.low, p.high]).flatten();
    let bars = figure.series.iter().any(|s| s.kind == Kind::Bars);
    let at = references.iter().map(|(at, _)| *at);
    let ruler = Ruler::new(&figure.x, values.chain(at), bars, plot.left + 4.0, plot.right - 4.0);

    let label = figure.x.text();
    let clip = frame.id("c");
    let mut line_number = 0.0;
    let markup = html! {
        (legend)
        defs {
            clipPath id=(clip) {
                rect x=(number(plot.left)) y=(number(plot.top)) width=(number(plot.right - plot.left))
                    height=(number(plot.bottom - plot.top)) {}
            }
        }
        (axes::horizontal(&plot, &ruler, true))
        @for (at, label) in &references {
            @if let Some(x) = ruler.at(*at).filter(|x| ruler.shows(*x)) {
                (axes::reference(&format!("M{} {}V{}", number(x), number(plot.top), number(plot.bottom))))
                @if !label.is_empty() {
                    @let y = { line_number += 1.0; legend_height + line_number * 18.0 - 5.0 };
                    (centred(x, y, label, frame.width()))
                }
            }
        }
        g clip-path={ "url(#" (clip) ")" } {
            @for (i, series) in figure.series.iter().enumerate() {
                @let placed = placed(series.points.iter(), i, &names, &rows, &plot);
                (draw_series(series.kind, i, &placed, &ruler))
            }
        }
        @for (i, name) in names.iter().enumerate() { (rows.name(i, name, &plot)) }
        @if rows.shows_values {
            @for (i, series) in figure.series.iter().enumerate() {
                @for (y, row, point) in placed(series.points.iter(), i, &names, &rows, &plot) {
                    (rows.value(frame, y, row, &plot, &value_text(point)))
                }
            }
        }
        @for i in missing(figure, &names) { (rows.value(frame, rows.middle(i, &plot), i, &plot, "–")) }
        @if !label.is_empty() {
            text class="soft" x=(number((plot.left + plot.right) / 2.0)) y=(number(plot.bottom + 42.0))
                text-anchor="middle" { (text_cut(&label, frame.width())) }
        }
    };
    (markup, plot.bottom + if label.is_empty() { 26.0 } else { 50.0 })
}

/// How the rows are laid out.
struct Rows {
    narrow: bool,
    series: f64,
    left: f64,
    right: f64,
    shows_values: bool,
}

impl Rows {
    fn new(figure: &Figure, frame: &Frame<'_>, names: &[String]) -> Self {
        let series = figure.series.len().max(1) as f64;
        // On a phone the names stand above their rows, and there is room for the values of one series beside them.
        let shows_values = !frame.narrow || figure.series.len() <= 1;
        if frame.narrow {
            return Self { narrow: true, series, left: 2.0, right: frame.width() - 2.0, shows_values };
        }
        let longest = names.iter().map(|n| text_width(n)).fold(0.0, f64::max);
        let points = || figure.series.iter().flat_map(|s| &s.points);
        let value = points().map(|p| text_width(&value_text(p))).fold(0.0, f64::max);
        let left = longest.min(frame.width() * 0.34) + 16.0;
        Self { narrow: false, series, left, right: frame.width() - value - 16.0, shows_values }
    }

    /// The height of a category with all its series.
    fn row(&self) -> f64 {
        match (self.narrow, self.series > 1.0) {
            (true, _) => 30.0 + self.series * 16.0,
            (false, false) => 32.0,
            (false, true) => 12.0 + self.series * 21.0,
        }
    }

    fn height(&self, categories: usize) -> f64 {
        self.row() * categories.max(1) as f64 + 6.0
    }

    /// The height of the line on which a series' mark of a category stands.
    fn centre(&self, category: usize, series: usize, plot: &Plot) -> f64 {
        let top = plot.top + 3.0 + self.row() * category as f64;
        let (above, below) = if self.narrow { (25.0, 5.0) } else { (5.0, 5.0) };
        let step = (self.row() - above - below) / self.series;
        top + above + step * (series as f64 + 0.5)
    }

    /// The middle of a category's row.
    fn middle(&self, category: usize, plot: &Plot) -> f64 {
        plot.top + 3.0 + self.row() * (category as f64 + 0.5)
    }

    fn name(&self, category: usize, name: &str, plot: &Plot) -> Markup {
        let top = plot.top + 3.0 + self.row() * category as f64;
        let cut = |pixels| text_cut(name, pixels);
        html! {
            @if self.narrow {
                text class="halo" x="2" y=(number(top + 19.0)) {
                    (cut(if self.shows_values { plot.right - 170.0 } else { plot.right }))
                }
            } @else {
                text x=(number(plot.left - 14.0)) y=(number(self.middle(category, plot) + 4.5)) text-anchor="end" {
                    (cut(plot.left - 14.0))
                }
            }
        }
    }

    fn value(&self, frame: &Frame<'_>, y: f64, category: usize, plot: &Plot, text: &str) -> Markup {
        let y = if self.narrow { plot.top + 22.0 + self.row() * category as f64 } else { y + 4.5 };
        html! {
            text class=(if self.narrow { "soft halo" } else { "soft" }) x=(number(frame.width() - 1.0)) y=(number(y))
                text-anchor="end" { (text) }
        }
    }
}

fn value_text(point: &Point) -> String {
    let (value, interval) = interval(point.x, point.low, point.high, false);
    interval.map_or(value.clone(), |interval| format!("{value} {interval}"))
}

/// The points that name a category: the height of each, the category, the point.
fn placed<'a>(
    points: impl Iterator<Item = &'a Point>,
    series: usize,
    names: &[String],
    rows: &Rows,
    plot: &Plot,
) -> Vec<(f64, usize, &'a Point)> {
    points
        .filter(|p| p.x.is_finite())
        .map(|p| (marks::category(p.y, names.len()), p))
        .filter(|(category, _)| *category < names.len())
        .map(|(category, p)| (rows.centre(category, series, plot), category, p))
        .collect()
}

/// The categories that no series has a value for.
fn missing(figure: &Figure, names: &[String]) -> Vec<usize> {
    let points = || figure.series.iter().flat_map(|s| &s.points).filter(|p| p.x.is_finite());
    (0..names.len()).filter(|i| points().all(|p| marks::category(p.y, names.len()) != *i)).collect()
}

fn draw_series(kind: Kind, series: usize, placed: &[(f64, usize, &Point)], ruler: &Ruler) -> Markup {
    let (class, light) = palette::colour(series);
    let mut error_bars = String::new();
    let mut bars = String::new();
    let mut marks_path = String::new();
    for (y, _, point) in placed {
        let Some(x) = ruler.at(point.x) else { continue };
        if let Some((low, high)) = marks::ends(point, ruler) {
            let (top, y) = (number(y - 4.0), number(*y));
            let (low, high) = (number(low), number(high));
            error_bars.push_str(&format!("M{low} {top}v8M{high} {top}v8M{low} {y}H{high}"));
        }
        if kind == Kind::Bars {
            let base = number(ruler.base());
            bars.push_str(&format!("M{base} {}v12H{}v-12Z", number(y - 6.0), number(x)));
        } else {
            marks_path.push_str(&marks::marker(series, x, *y));
        }
    }
    html! {
        g class=(class) stroke=(light) fill=(light) {
            @if !bars.is_empty() { path d=(bars) fill-opacity=".45" {} }
            @if !error_bars.is_empty() { path d=(error_bars) fill="none" stroke-width="2" {} }
            @if !marks_path.is_empty() { path d=(marks_path) stroke="none" {} }
        }
    }
}

/// A label around a place, moved so that it stays within the drawing.
fn centred(x: f64, y: f64, label: &str, width: f64) -> Markup {
    let label = text_cut(label, width);
    let half = text_width(&label) / 2.0;
    let x = x.min(width - half).max(half.min(width / 2.0));
    html! { text class="soft" x=(number(x)) y=(number(y)) text-anchor="middle" { (label) } }
}
