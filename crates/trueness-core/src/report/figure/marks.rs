//! The marks of a series: lines, bands, bars, points and error bars.

use super::ruler::Ruler;
use super::svg::number;
use super::thin::{LIMIT, thin};
use super::{Kind, Point, Series, palette};
use maud::{Markup, html};
use std::fmt::Write as _;

/// Up to how many points of a line carry a mark of their own.
const MARKED: usize = 40;

/// The number of the category that a value names, or `count` for a value that names none.
pub(super) fn category(value: f64, count: usize) -> usize {
    let rounded = value.round();
    if (0.0..count as f64).contains(&rounded) { rounded as usize } else { count }
}

/// Where a series is drawn.
pub(super) struct Place<'a> {
    /// The horizontal ruler.
    pub(super) x: &'a Ruler,
    /// The vertical ruler.
    pub(super) y: &'a Ruler,
    /// The number of the series, for its colour.
    pub(super) series: usize,
    /// How far along x the marks are moved, in pixels, so that series do not cover each other.
    pub(super) shift: f64,
    /// The width of a bar in pixels.
    pub(super) bar: f64,
}

/// A series over two rulers.
pub(super) fn draw(series: &Series, place: &Place<'_>) -> Markup {
    let points = thin(&series.points, LIMIT);
    // A value that is not finite breaks a line.
    let runs: Vec<Vec<(f64, f64, &Point)>> = points
        .split(|p| !p.y.is_finite())
        .map(|run| run.iter().filter_map(|p| Some((place.x.at(p.x)? + place.shift, place.y.at(p.y)?, p))).collect())
        .collect();
    let drawn = runs.concat();
    let (class, light) = palette::colour(place.series);
    let lined = matches!(series.kind, Kind::Line | Kind::Band);
    let marked = series.kind == Kind::Points || lined && drawn.len() <= MARKED;
    html! {
        g class=(class) stroke=(light) fill=(light) {
            @if series.kind == Kind::Band {
                path d=(runs.iter().map(|run| band(run, place.y)).collect::<String>()) stroke="none" fill-opacity=".16" {}
            }
            @if series.kind == Kind::Bars {
                path d=(bars(&drawn, place)) fill-opacity=".45" {}
            }
            @if series.kind != Kind::Band {
                path d=(error_bars(&drawn, place.y)) fill="none" stroke-width="1.5" {}
            }
            @if lined {
                path d=(runs.iter().map(|run| line(run)).collect::<String>()) fill="none" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"
                    stroke-dasharray=[palette::dash(place.series)] {}
            }
            @if marked {
                path d=(drawn.iter().map(|(x, y, _)| marker(place.series, *x, *y)).collect::<String>()) stroke="none" {}
            }
        }
    }
}

fn line(drawn: &[(f64, f64, &Point)]) -> String {
    let mut d = String::new();
    for (i, (x, y, _)) in drawn.iter().enumerate() {
        let _ = write!(d, "{}{} {}", if i == 0 { "M" } else { "L" }, number(*x), number(*y));
    }
    d
}

/// The places of an interval's ends; an end that the scale cannot show lies at the start of the axis.
pub(super) fn ends(point: &Point, ruler: &Ruler) -> Option<(f64, f64)> {
    let place = |end: f64| ruler.at(end).unwrap_or_else(|| ruler.base());
    let (low, high) = (point.low.filter(|x| x.is_finite())?, point.high.filter(|x| x.is_finite())?);
    Some((place(low), place(high)))
}

fn band(drawn: &[(f64, f64, &Point)], ruler: &Ruler) -> String {
    let edges: Vec<(f64, f64, f64)> = drawn
        .iter()
        .map(|(x, y, point)| {
            // A point without an interval pinches the band rather than bridging it with an invented one.
            let (low, high) = ends(point, ruler).unwrap_or((*y, *y));
            (*x, low, high)
        })
        .collect();
    let mut d = String::new();
    for (i, (x, _, high)) in edges.iter().enumerate() {
        let _ = write!(d, "{}{} {}", if i == 0 { "M" } else { "L" }, number(*x), number(*high));
    }
    for (x, low, _) in edges.iter().rev() {
        let _ = write!(d, "L{} {}", number(*x), number(*low));
    }
    if !d.is_empty() {
        d.push('Z');
    }
    d
}

fn bars(drawn: &[(f64, f64, &Point)], place: &Place<'_>) -> String {
    let base = place.y.base();
    drawn.iter().fold(String::new(), |mut d, (x, y, _)| {
        let (left, width) = (number(x - place.bar / 2.0), number(place.bar));
        let _ = write!(d, "M{left} {}h{width}V{}h-{width}Z", number(base), number(*y));
        d
    })
}

fn error_bars(drawn: &[(f64, f64, &Point)], ruler: &Ruler) -> String {
    drawn.iter().fold(String::new(), |mut d, (x, _, point)| {
        if let Some((low, high)) = ends(point, ruler) {
            let (left, x) = (number(x - 4.0), number(*x));
            let (low, high) = (number(low), number(high));
            let _ = write!(d, "M{left} {low}h8M{left} {high}h8M{x} {low}V{high}");
        }
        d
    })
}

/// The outline of the mark of the i-th series around a place: circle, square, triangle, diamond, turned triangle.
pub(super) fn marker(series: usize, x: f64, y: f64) -> String {
    let at = |dx: f64, dy: f64| format!("{} {}", number(x + dx), number(y + dy));
    match series % 5 {
        0 => format!("M{}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z", at(-4.5, 0.0)),
        1 => format!("M{}h8v8h-8Z", at(-4.0, -4.0)),
        2 => format!("M{}L{}L{}Z", at(0.0, -5.5), at(5.2, 3.8), at(-5.2, 3.8)),
        3 => format!("M{}L{}L{}L{}Z", at(0.0, -5.8), at(5.8, 0.0), at(0.0, 5.8), at(-5.8, 0.0)),
        _ => format!("M{}L{}L{}Z", at(0.0, 5.5), at(5.2, -3.8), at(-5.2, -3.8)),
    }
}
