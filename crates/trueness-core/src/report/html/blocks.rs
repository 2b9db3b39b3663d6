//! Each block as HTML.

use super::super::block::{Attachment, Block, Bytes, Image, Note, NoteKind, Samples};
use super::super::figure::{self, Figure, Frame, LIMIT};
use super::super::number;
use super::super::table::{Align, Cell, Table};
use super::super::text::{clean, line};
use super::prose;
use crate::estimate::Estimate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// How many example texts are shown before the rest is folded away.
const SAMPLES: usize = 12;
/// Up to how many rows a figure's data are shown as a table; beyond, they are a file to download.
const ROWS: usize = 60;
/// Images narrower than this are enlarged without smoothing, in CSS pixels.
const SMALL: u32 = 96;

/// A block; nothing for a verdict, which stands at the top.
pub(super) fn block(block: &Block, name: &str, level: u8) -> Markup {
    match block {
        Block::Heading { text, .. } => heading(text, name, level),
        Block::Text(text) => html! {
            @for paragraph in clean(text).split("\n\n").filter(|p| !p.trim().is_empty()) { p { (prose(paragraph)) } }
        },
        Block::Code(code) => html! { pre tabindex="0" { code { (clean(code)) } } },
        Block::Table(table) => self::table(table, name),
        Block::Figure(figure) => self::figure(figure, name),
        Block::Image(image) => self::image(image),
        Block::KeyValues(values) => pairs(values),
        Block::Samples(samples) => self::samples(samples),
        Block::Attachment(attachment) => self::attachment(attachment, name),
        Block::Note(note) => self::note(note),
        Block::Verdict(_) => html! {},
    }
}

fn heading(text: &str, name: &str, level: u8) -> Markup {
    let text = prose(text);
    match level {
        0 | 1 => html! { h2 id=(name) { (text) } },
        2 => html! { h3 id=(name) { (text) } },
        3 => html! { h4 id=(name) { (text) } },
        _ => html! { h5 id=(name) { (text) } },
    }
}

/// Names and values.
pub(super) fn pairs(values: &[(String, String)]) -> Markup {
    html! {
        dl class="pairs" {
            @for (name, value) in values { dt { (line(name)) } dd { (prose(value)) } }
        }
    }
}

/// An estimate: the value, its interval in softer ink, the unit if asked for; how it was obtained on hovering.
pub(super) fn estimate(estimate: &Estimate, with_unit: bool) -> Markup {
    let parts = number::parts(estimate);
    html! {
        span title=(obtained(estimate)) {
            span class="value" { (parts.value) }
            @if let Some(interval) = parts.interval { " " span class="interval" { (interval) } }
            @if with_unit && !parts.unit.is_empty() { " " (parts.unit) }
        }
    }
}

/// How an estimate was obtained, in words.
fn obtained(estimate: &Estimate) -> String {
    let level = estimate.level.filter(|l| l.is_finite());
    let level = level.map(|l| format!("{} % interval", number::plain(l * 100.0)));
    let n = (estimate.n > 0).then(|| format!("n = {}", number::plain(estimate.n as f64)));
    let method = Some(line(&estimate.method)).filter(|m| !m.is_empty());
    [method, level, n].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn table(table: &Table, name: &str) -> Markup {
    let right = |column: usize| (table.columns.get(column).map(|c| c.align) == Some(Align::Right)).then_some("right");
    let units: Vec<bool> = (0..table.columns.len()).map(|c| table.unit(c).is_empty()).collect();
    html! {
        div class="table" {
            div class="scroll" tabindex="0" role="group" aria-labelledby=(name) {
                table {
                    caption id=(name) { span { (prose(&table.caption)) } }
                    thead {
                        tr {
                            @for column in 0..table.columns.len() {
                                th scope="col" class=[right(column)] { (line(&table.head(column))) }
                            }
                        }
                    }
                    tbody {
                        @for row in 0..table.rows.len() {
                            tr {
                                @for column in 0..table.columns.len() {
                                    @let cell = cell(table.cell(row, column), units[column]);
                                    @let class = match (right(column), table.is_best(row, column)) {
                                        (Some(_), true) => Some("right best"),
                                        (None, true) => Some("best"),
                                        (right, false) => right,
                                    };
                                    @if column == 0 { th scope="row" class=[class] { (cell) } }
                                    @else { td class=[class] { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
            @if table.is_ranked() { p class="note" { (BEST) } }
            @if let Some(note) = &table.note { p class="note" { (prose(note)) } }
        }
    }
}

/// What bold numbers mean.
pub(in crate::report) const BEST: &str = "Bold: the best value of a column, and those whose interval overlaps it.";

fn cell(cell: &Cell, with_unit: bool) -> Markup {
    match cell {
        Cell::Text(text) => prose(&line(text)),
        Cell::Estimate(e) => estimate(e, with_unit),
        Cell::Missing => html! { span class="soft" title="not measured" { "–" } },
        Cell::Code(code) => html! { code { (line(code)) } },
    }
}

fn figure(figure: &Figure, name: &str) -> Markup {
    let data = figure::data(figure, LIMIT);
    let scroll = format!("{name}-data");
    html! {
        figure {
            figcaption {
                b { (prose(&figure.title)) }
                @if !figure.caption.trim().is_empty() { span { (prose(&figure.caption)) } }
            }
            div class="wide" { (figure::draw(figure, &Frame { name, narrow: false, alone: false })) }
            div class="narrow" { (figure::draw(figure, &Frame { name, narrow: true, alone: false })) }
            details {
                summary { "Data" }
                @if data.rows.len() <= ROWS {
                    div class="scroll" tabindex="0" role="group" aria-labelledby=(scroll) {
                        table {
                            caption id=(scroll) { span { "Data of “" (line(&figure.title)) "”" } }
                            thead { tr { @for head in &data.heads { th scope="col" { (line(head)) } } } }
                            tbody {
                                @for row in &data.rows { tr { @for text in row { td { (line(text)) } } } }
                            }
                        }
                    }
                }
                p class="get" {
                    a href=(address("text/csv;charset=utf-8", data.csv().as_bytes())) download={ (name) ".csv" } {
                        (name) ".csv"
                    }
                    @if data.thinned { " (thinned; the full series is in the report's folder)" }
                }
            }
        }
    }
}

/// A `data:` address.
fn address(mime: &str, bytes: &[u8]) -> String {
    format!("data:{};base64,{}", mime, STANDARD.encode(bytes))
}

fn image(image: &Image) -> Markup {
    let Bytes(bytes) = &image.bytes;
    // A PNG file states its own width in bytes 16 to 19, at the beginning of its first chunk.
    let own = bytes.get(16..20).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
    let crisp = image.media.mime() == "image/png" && own.is_some_and(|w| w < SMALL);
    html! {
        figure {
            @if !image.caption.trim().is_empty() { figcaption { b { (prose(&image.caption)) } } }
            img src=(address(image.media.mime(), bytes)) alt=(clean(&image.alt)) width=[image.width]
                class=[crisp.then_some("crisp")];
        }
    }
}

fn samples(samples: &Samples) -> Markup {
    let list = |items: &[super::super::block::Sample]| {
        html! {
            ul class="samples" role="list" {
                @for sample in items {
                    li {
                        @if let Some(label) = &sample.label { span class="label" { (line(label)) } }
                        span class="words" { (clean(&sample.text)) }
                    }
                }
            }
        }
    };
    let (first, rest) = samples.items.split_at(samples.items.len().min(SAMPLES));
    html! {
        p class="title" { (prose(&samples.title)) }
        (list(first))
        @if !rest.is_empty() {
            details { summary { (rest.len()) " more" } (list(rest)) }
        }
    }
}

fn attachment(attachment: &Attachment, name: &str) -> Markup {
    // Whatever the attachment says it is, it must not open as a page of its own,
    // as HTML, XML and SVG would.
    let plain = |c: char| c.is_ascii_alphanumeric() || "/+.-;= ".contains(c);
    let safe = attachment.mime.chars().all(plain)
        && !["ml", "svg"].iter().any(|page| attachment.mime.to_ascii_lowercase().contains(page));
    let mime = if safe { attachment.mime.as_str() } else { "application/octet-stream" };
    html! {
        p {
            a href=(address(mime, &attachment.bytes.0)) download=(name) { (line(&attachment.name)) }
            @if !attachment.about.trim().is_empty() { " " span class="soft" { "– " (line(&attachment.about)) } }
        }
    }
}

fn note(note: &Note) -> Markup {
    let class = if note.kind == NoteKind::Warning { "remark warning" } else { "remark" };
    html! { p class=(class) { b { (note.kind.words()) ":" } (prose(&note.text)) } }
}
