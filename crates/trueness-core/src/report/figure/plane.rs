//! Upright figures: values over numbers or over categories.

use super::axes::{self, Plot};
use super::ruler::Ruler;
use super::svg::{Frame, number, text_cut, text_width};
use super::{Axis, Figure, Kind, Point, Reference, legend, marks};
use crate::report::text::line;
use maud::{Markup, html};

/// The drawing and its height.
pub(super) fn draw(figure: &Figure, frame: &Frame<'_>) -> (Markup, f64) {
    let (legend, mut top) = legend::draw(figure, frame);
    let label = figure.y.text();
    let label_at = top + 13.0;
    top += if label.is_empty() { 8.0 } else { 28.0 };

    // The labels of the vertical axis decide how wide the plot is, and they depend on the values alone.
    let height = if frame.narrow { 230.0 } else { 320.0 };
    let y_ruler = |height: f64| {
        let bars = figure.series.iter().any(|s| s.kind == Kind::Bars);
        Ruler::new(&figure.y, y_values(figure), bars, top + height, top)
    };
    let count = |height: f64| (height / 48.0) as usize;
    let labels = y_ruler(height).ticks(count(height));
    let left = labels.iter().map(|(_, l)| text_width(l)).fold(8.0, f64::max) + 12.0;
    let mut right = frame.width() - 14.0;
    let height = if figure.square { (right - left).min(if frame.narrow { 300.0 } else { 420.0 }) } else { height };
    if figure.square {
        right = left + height;
    }
    let plot = Plot { left, top, right, bottom: top + height };
    let y = y_ruler(height);
    let x = x_ruler(figure, &plot);
    let (x_axis, below) = match &figure.x.categories {
        Some(names) => names_below(names, &x, &plot),
        None => (axes::horizontal(&plot, &x, false), 26.0),
    };
    let x_label = figure.x.text();
    let label_y = plot.bottom + below + 16.0;
    let clip = frame.id("c");
    let markup = html! {
        (legend)
        @if !label.is_empty() {
            text class="soft" x="0" y=(number(label_at)) { (text_cut(&label, frame.width())) }
        }
        defs {
            clipPath id=(clip) {
                rect x=(number(plot.left - 6.0)) y=(number(plot.top - 6.0)) width=(number(right - left + 12.0))
                    height=(number(height + 12.0)) {}
            }
        }
        (axes::vertical(&plot, &y.ticks(count(height))))
        (x_axis)
        g clip-path={ "url(#" (clip) ")" } {
            (reference_lines(figure, &plot, &x, &y))
            @for (i, series) in figure.series.iter().enumerate() {
                (marks::draw(series, &place(figure, i, &x, &y)))
            }
        }
        (reference_labels(figure, &plot, &x, &y))
        @if !x_label.is_empty() {
            text class="soft" x=(number((left + right) / 2.0)) y=(number(label_y)) text-anchor="middle" {
                (text_cut(&x_label, frame.width()))
            }
        }
    };
    (markup, plot.bottom + below + if x_label.is_empty() { 4.0 } else { 24.0 })
}

fn points(figure: &Figure) -> impl Iterator<Item = &Point> {
    figure.series.iter().flat_map(|s| &s.points).filter(|p| p.x.is_finite() && p.y.is_finite())
}

fn y_values(figure: &Figure) -> impl Iterator<Item = f64> {
    let references = figure.references.iter().filter_map(|r| match r {
        Reference::Y { at, .. } => Some(*at),
        _ => None,
    });
    points(figure).flat_map(|p| [Some(p.y), p.low, p.high]).flatten().chain(references)
}

fn x_ruler(figure: &Figure, plot: &Plot) -> Ruler {
    let references = figure.references.iter().filter_map(|r| match r {
        Reference::X { at, .. } => Some(*at),
        _ => None,
    });
    match &figure.x.categories {
        Some(names) => {
            let axis = Axis::new("").range(-0.5, names.len().max(1) as f64 - 0.5);
            Ruler::new(&axis, std::iter::empty(), false, plot.left, plot.right)
        }
        None => Ruler::new(&figure.x, points(figure).map(|p| p.x).chain(references), false, plot.left, plot.right),
    }
}

/// Names below a plot, slanted where they would touch each other, and the height that they take.
fn names_below(names: &[String], x: &Ruler, plot: &Plot) -> (Markup, f64) {
    let names: Vec<String> = names.iter().map(|n| text_cut(&line(n), 150.0)).collect();
    let slot = (plot.right - plot.left) / names.len().max(1) as f64;
    let longest = names.iter().map(|n| text_width(n)).fold(0.0, f64::max);
    let slanted = longest + 8.0 > slot;
    let y = number(plot.bottom + 20.0);
    let markup = html! {
        path class="axis" stroke="#8b939c" fill="none"
            d={ "M" (number(plot.left)) " " (number(plot.bottom)) "H" (number(plot.right)) } {}
        @for (place, name) in names.iter().enumerate().filter_map(|(i, name)| Some((number(x.at(i as f64)?), name))) {
            @if slanted {
                text x=(place) y=(y) text-anchor="end" transform={ "rotate(-40 " (place) " " (y) ")" } { (name) }
            } @else {
                text x=(place) y=(y) text-anchor="middle" { (name) }
            }
        }
    };
    (markup, if slanted { 26.0 + longest * 0.65 } else { 26.0 })
}

/// Where the i-th series is drawn: bars and marks over categories stand side by side.
fn place<'a>(figure: &Figure, i: usize, x: &'a Ruler, y: &'a Ruler) -> marks::Place<'a> {
    let beside = |s: &super::Series| s.kind == Kind::Bars || figure.x.categories.is_some() && s.kind == Kind::Points;
    let n = figure.series.iter().filter(|s| beside(s)).count().max(1) as f64;
    let before = figure.series[..i].iter().filter(|s| beside(s)).count() as f64;
    let slot = slot(figure, x) * 0.8;
    let shift = if beside(&figure.series[i]) { (before + 0.5 - n / 2.0) * slot / n } else { 0.0 };
    marks::Place { x, y, series: i, shift, bar: (slot / n - 1.0).max(1.0) }
}

/// The space between neighbouring bars in pixels: the least distance of two different x, at most 80.
fn slot(figure: &Figure, x: &Ruler) -> f64 {
    if figure.x.categories.is_some() {
        return x.at(1.0).zip(x.at(0.0)).map_or(40.0, |(a, b)| (a - b).min(140.0));
    }
    let mut places: Vec<f64> = points(figure).filter_map(|p| x.at(p.x)).collect();
    places.sort_by(f64::total_cmp);
    let gaps = places.windows(2).map(|w| w[1] - w[0]).filter(|gap| *gap > 0.01);
    gaps.fold(80.0, f64::min).max(1.25)
}

fn reference_lines(figure: &Figure, plot: &Plot, x: &Ruler, y: &Ruler) -> Markup {
    let (left, right) = (number(plot.left), number(plot.right));
    html! {
        @for reference in &figure.references {
            @match reference {
                Reference::X { at, .. } => {
                    @if let Some(x) = x.at(*at) {
                        (axes::reference(&format!("M{} {}V{}", number(x), number(plot.top), number(plot.bottom))))
                    }
                }
                Reference::Y { at, .. } => {
                    @if let Some(y) = y.at(*at) { (axes::reference(&format!("M{left} {}H{right}", number(y)))) }
                }
                Reference::Diagonal { .. } => (axes::reference(&diagonal(plot, x, y))),
            }
        }
    }
}

/// The curve x = y, which is straight unless one axis alone is logarithmic.
fn diagonal(plot: &Plot, x: &Ruler, y: &Ruler) -> String {
    let mut d = String::new();
    for i in 0..=64 {
        let at = plot.left + (plot.right - plot.left) * f64::from(i) / 64.0;
        if let Some(height) = y.at(x.value(at)) {
            d.push_str(&format!("{}{} {}", if d.is_empty() { "M" } else { "L" }, number(at), number(height)));
        }
    }
    d
}

fn reference_labels(figure: &Figure, plot: &Plot, x: &Ruler, y: &Ruler) -> Markup {
    let mut lines = 0.0;
    html! {
        @for reference in &figure.references {
            @match reference {
                Reference::X { at, label } if !label.is_empty() => {
                    @if let Some(x) = x.at(*at) {
                        @let height = { lines += 1.0; plot.top + lines * 17.0 - 3.0 };
                        (axes::reference_label(x, height, &text_cut(&line(label), plot.right - plot.left), plot.right))
                    }
                }
                Reference::Y { at, label } if !label.is_empty() => {
                    @if let Some(y) = y.at(*at).filter(|place| y.shows(*place)) {
                        text class="soft halo" x=(number(plot.right)) y=(number(y - 6.0)) text-anchor="end" {
                            (text_cut(&line(label), plot.right - plot.left))
                        }
                    }
                }
                _ => {}
            }
        }
    }
}
