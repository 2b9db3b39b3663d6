//! The frame of a drawing: a whole SVG element, alone in a file or within a page.

use super::{Figure, LIGHT, RULES, forest, palette, plane};
use crate::report::block::{Block, Report};
use crate::report::names::names;
use crate::report::text::{clean, line};
use maud::{Markup, PreEscaped, html};

/// The width of a drawing for a page, in CSS pixels.
const WIDE: f64 = 760.0;
/// The width of a drawing for a phone, in CSS pixels.
const NARROW: f64 = 360.0;

/// How a figure is framed.
pub(in crate::report) struct Frame<'a> {
    /// What the ids within the drawing begin with, unique on the page.
    pub(in crate::report) name: &'a str,
    /// Whether it is drawn for a phone.
    pub(in crate::report) narrow: bool,
    /// Whether it stands in a file of its own and so brings its colours.
    pub(in crate::report) alone: bool,
}

impl Frame<'_> {
    /// The width of the drawing in CSS pixels.
    pub(super) fn width(&self) -> f64 {
        if self.narrow { NARROW } else { WIDE }
    }

    /// An id within the drawing.
    pub(super) fn id(&self, part: &str) -> String {
        format!("{}-{}{part}", self.name, if self.narrow { "n" } else { "w" })
    }
}

/// A figure as an SVG file for pages: light or dark as its reader prefers, and the same text every time.
pub fn svg(figure: &Figure) -> String {
    let name = crate::report::names::slug(&figure.id);
    draw(figure, &Frame { name: &name, narrow: false, alone: true }).into_string()
}

/// The figures of a report as SVG files: names, and texts as [`svg`] makes them.
pub fn figures(report: &Report) -> Vec<(String, String)> {
    let named = report.blocks.iter().zip(names(report));
    named
        .filter_map(|(block, name)| match block {
            Block::Figure(figure) => Some((format!("{name}.svg"), svg(figure))),
            _ => None,
        })
        .collect()
}

/// A figure as an SVG element.
pub(in crate::report) fn draw(figure: &Figure, frame: &Frame<'_>) -> Markup {
    let (content, height) = if figure.is_sideways() { forest::draw(figure, frame) } else { plane::draw(figure, frame) };
    // Alone, a drawing needs a margin around it; a page gives its own.
    let margin = if frame.alone { 12.0 } else { 0.0 };
    let (width, height) = (number(frame.width() + 2.0 * margin), number(height + 2.0 * margin));
    let corner = number(-margin);
    let (title, description) = (frame.id("t"), frame.id("d"));
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="drawing" viewBox={ (corner) " " (corner) " " (width) " " (height) } width=(width)
            height=(height) role="img" aria-labelledby={ (title) " " (description) } {
            title id=(title) { (line(&figure.title)) }
            desc id=(description) { (clean(&figure.description())) }
            @if frame.alone {
                style { (PreEscaped(style())) }
                rect class="page" x=(corner) y=(corner) width=(width) height=(height) fill="#ffffff" {}
            }
            (content)
        }
    }
}

/// The style of a drawing that stands alone.
fn style() -> String {
    let dark = palette::DARK;
    format!(".drawing{{{LIGHT}}}@media (prefers-color-scheme:dark){{.drawing{{{dark}}}}}{RULES}")
}

/// A place or a length in pixels with one decimal at most.
pub(super) fn number(x: f64) -> String {
    let rounded = (x * 10.0).round() / 10.0;
    // Adding 0 turns −0 into 0.
    format!("{}", rounded + 0.0)
}

/// About how many pixels a text of the drawings takes: an upper estimate, since fonts differ between systems.
pub(super) fn text_width(text: &str) -> f64 {
    crate::report::text::width(text) as f64 * 7.2
}

/// The text cut to about a width in pixels.
pub(super) fn text_cut(text: &str, pixels: f64) -> String {
    crate::report::text::cut(text, (pixels / 7.2).max(4.0) as usize)
}
