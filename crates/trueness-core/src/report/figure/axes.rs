//! Axes: grid lines, tick labels, and reference lines.

use super::ruler::Ruler;
use super::svg::{number, text_width};
use maud::{Markup, html};

/// The rectangle of a plot in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plot {
    /// The left edge.
    pub(super) left: f64,
    /// The upper edge.
    pub(super) top: f64,
    /// The right edge.
    pub(super) right: f64,
    /// The lower edge.
    pub(super) bottom: f64,
}

/// The ticks whose labels do not touch each other along a horizontal axis.
pub(super) fn sparse(ticks: Vec<(f64, String)>) -> Vec<(f64, String)> {
    let mut free_from = f64::NEG_INFINITY;
    let mut kept = Vec::new();
    for (place, label) in ticks {
        let half = text_width(&label) / 2.0;
        if place - half >= free_from {
            free_from = place + half + 8.0;
            kept.push((place, label));
        }
    }
    kept
}

/// A horizontal axis below a plot: vertical grid lines, labels and a line.
pub(super) fn horizontal(plot: &Plot, ruler: &Ruler, grid: bool) -> Markup {
    let ticks = sparse(ruler.ticks(((plot.right - plot.left) / 70.0).clamp(2.0, 10.0) as usize));
    let (top, bottom) = (number(plot.top), number(plot.bottom));
    html! {
        @if grid {
            path class="grid" stroke="#e4e7eb" fill="none"
                d=(ticks.iter().map(|(x, _)| format!("M{} {top}V{bottom}", number(*x))).collect::<String>()) {}
        }
        path class="axis" stroke="#8b939c" fill="none" d={
            "M" (number(plot.left)) " " (bottom) "H" (number(plot.right))
            @for (x, _) in &ticks { "M" (number(*x)) " " (bottom) "v5" }
        } {}
        @for (x, label) in &ticks {
            text class="soft" x=(number(*x)) y=(number(plot.bottom + 20.0)) text-anchor="middle" { (label) }
        }
    }
}

/// A vertical axis at the left of a plot: horizontal grid lines and labels.
pub(super) fn vertical(plot: &Plot, ticks: &[(f64, String)]) -> Markup {
    let (left, right) = (number(plot.left), number(plot.right));
    html! {
        path class="grid" stroke="#e4e7eb" fill="none"
            d=(ticks.iter().map(|(y, _)| format!("M{left} {}H{right}", number(*y))).collect::<String>()) {}
        @for (y, label) in ticks {
            text class="soft" x=(number(plot.left - 8.0)) y=(number(y + 4.5)) text-anchor="end" { (label) }
        }
    }
}

/// A dashed line through a plot.
pub(super) fn reference(d: &str) -> Markup {
    html! { path class="reference" d=(d) stroke="#59616a" stroke-width="1.5" stroke-dasharray="4 4" fill="none" {} }
}

/// The label of a vertical line, beside its upper end, on the side where there is room.
pub(super) fn reference_label(x: f64, y: f64, label: &str, right: f64) -> Markup {
    let (anchor, dx) = if x + 6.0 + text_width(label) > right { ("end", -6.0) } else { ("start", 6.0) };
    html! { text class="soft halo" x=(number(x + dx)) y=(number(y)) text-anchor=(anchor) { (label) } }
}
