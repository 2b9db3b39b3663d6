//! A report as one HTML file that needs nothing else: no network, no scripts.

mod blocks;

mod verdicts;

use super::block::{Block, Report};
use super::figure::{DARK, LIGHT, RULES};
use super::names::names;
use super::text::{code_spans, line};
pub(super) use blocks::BEST;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The rules of the page, in terms of custom properties.
const STYLE: &str = include_str!("style.css");
/// Custom properties that the page has beyond those of its drawings.
const PAGE_LIGHT: &str = "--panel:#f4f6f8;--link:#0b5cad;--bad:#b93815;--unsure:#8a5d00;";
/// The same for a dark page.
const PAGE_DARK: &str = "--panel:#1f242a;--link:#7db8f0;--bad:#ff8a5c;--unsure:#e6b04a;";

/// How many sections make a table of contents worth its place.
const LONG: usize = 4;

/// A report as one self-contained HTML file: verdicts first, provenance last, light or dark as its reader prefers.
///
/// All text is escaped, the page has neither scripts nor addresses outside itself, and a content security policy
/// says so to the browser.
pub fn html(report: &Report) -> String {
    let names = names(report);
    let levels = report.heading_levels();
    let verdicts = report.verdicts();
    let title = line(&report.title);
    let sections = report.blocks.iter().filter(|b| matches!(b, Block::Heading { .. })).count();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; img-src data:; style-src 'unsafe-inline'";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="Trueness";
                title { (title) }
                style { (PreEscaped(style())) }
            }
            body {
                a class="skip" href="#report" { "Skip to the report" }
                header {
                    h1 { (title) }
                    @if !report.lead.trim().is_empty() { p class="lead" { (prose(&report.lead)) } }
                    @if let Some(legend) = legend(report) { p class="hint" { (legend) } }
                }
                main id="report" tabindex="-1" {
                    @if !verdicts.is_empty() { (verdicts::section(report, &names)) }
                    @if sections >= LONG { (contents(report, &names, &levels)) }
                    @for ((block, name), level) in report.blocks.iter().zip(&names).zip(&levels) {
                        (blocks::block(block, name, *level))
                    }
                }
                @if !report.provenance.is_empty() {
                    footer {
                        h2 { "How this was made" }
                        (blocks::pairs(&report.provenance))
                    }
                }
            }
        }
    };
    page.into_string()
}

fn style() -> String {
    let dark = format!("@media screen and (prefers-color-scheme:dark){{:root{{{DARK}{PAGE_DARK}}}}}");
    format!(":root{{{LIGHT}{PAGE_LIGHT}}}{dark}{}{RULES}", STYLE.replace('\n', ""))
}

/// What brackets and dashes mean, where the report has numbers.
pub(super) fn legend(report: &Report) -> Option<&'static str> {
    let has_numbers = report.blocks.iter().any(|block| match block {
        Block::Table(table) => table.rows.iter().flatten().any(|c| matches!(c, super::Cell::Estimate(_))),
        Block::Verdict(verdict) => !verdict.figures.is_empty(),
        Block::Figure(_) => true,
        _ => false,
    });
    has_numbers.then_some("Brackets hold 90 % intervals unless they say otherwise; – means not measured.")
}

/// Plain text with backquoted code.
fn prose(text: &str) -> Markup {
    let text = super::text::clean(text);
    html! {
        @for (code, piece) in code_spans(&text) {
            @if code { code { (piece) } } @else { (piece) }
        }
    }
}

fn contents(report: &Report, names: &[String], levels: &[u8]) -> Markup {
    html! {
        nav aria-label="Contents" {
            p { "Contents" }
            ol {
                @for ((block, name), level) in report.blocks.iter().zip(names).zip(levels) {
                    @if let Block::Heading { text, .. } = block {
                        @if *level <= 2 {
                            li class=[(*level == 2).then_some("deeper")] { a href={ "#" (name) } { (line(text)) } }
                        }
                    }
                }
            }
        }
    }
}
