//! The legend above a drawing.

use super::svg::{Frame, number, text_cut, text_width};
use super::{Figure, Kind, Reference, marks, palette};
use crate::report::text::line;
use maud::{Markup, html};

/// The legend and its height; nothing where a single series has nothing to be told from.
pub(super) fn draw(figure: &Figure, frame: &Frame<'_>) -> (Markup, f64) {
    let mut entries: Vec<(Option<usize>, String)> = (0..figure.series.len())
        .map(|i| (Some(i), line(&figure.series[i].name)))
        .chain(figure.references.iter().filter_map(|reference| match reference {
            Reference::Diagonal { label } => Some((None, line(label))),
            _ => None,
        }))
        .collect();
    entries.retain(|(_, name)| !name.is_empty());
    if entries.len() < 2 && figure.series.len() < 2 && entries.iter().all(|(series, _)| series.is_some()) {
        return (html! {}, 0.0);
    }
    let (mut x, mut y) = (0.0, 14.0);
    let mut placed = Vec::new();
    for (series, name) in entries {
        let name = text_cut(&name, frame.width() - 40.0);
        let width = 34.0 + text_width(&name) + 18.0;
        if x > 0.0 && x + width - 18.0 > frame.width() {
            (x, y) = (0.0, y + 22.0);
        }
        placed.push((series, name, x, y));
        x += width;
    }
    let markup = html! {
        @for (series, name, x, y) in placed {
            @match series {
                Some(i) => (swatch(figure.series[i].kind, i, x, y - 4.5)),
                None => path class="reference" d={ "M" (number(x)) " " (number(y - 4.5)) "h26" } stroke="#59616a"
                    stroke-width="1.5" stroke-dasharray="4 4" fill="none" {},
            }
            text x=(number(x + 34.0)) y=(number(y)) { (name) }
        }
    };
    (markup, y + 14.0)
}

/// A small picture of how a series is drawn.
fn swatch(kind: Kind, series: usize, x: f64, y: f64) -> Markup {
    let (class, light) = palette::colour(series);
    let stroke = format!("M{} {}h26", number(x), number(y));
    html! {
        g class=(class) stroke=(light) fill=(light) {
            @match kind {
                Kind::Bars => rect x=(number(x + 6.0)) y=(number(y - 6.0)) width="14" height="12" fill-opacity=".45" {},
                Kind::Points => path d=(marks::marker(series, x + 13.0, y)) stroke="none" {},
                Kind::Line | Kind::Band => {
                    path d=(stroke) fill="none" stroke-width="2" stroke-dasharray=[palette::dash(series)] {}
                    path d=(marks::marker(series, x + 13.0, y)) stroke="none" {}
                }
            }
        }
    }
}
