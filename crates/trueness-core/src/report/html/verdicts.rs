//! The verdicts at the top of a page.

use super::super::block::{Block, Report};
use super::super::text::line;
use super::super::verdict::{Outcome, Verdict, tally};
use super::{blocks, prose};
use crate::estimate::Measure;
use maud::{Markup, html};

/// The section of all verdicts, with their count in words.
pub(super) fn section(report: &Report, names: &[String]) -> Markup {
    html! {
        section aria-labelledby="claims" {
            h2 id="claims" { "Claims: " (tally(&report.verdicts())) }
            ul class="verdicts" role="list" {
                @for (block, name) in report.blocks.iter().zip(names) {
                    @if let Block::Verdict(verdict) = block { (item(verdict, name)) }
                }
            }
        }
    }
}

fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Holds => "holds",
        Outcome::Fails => "fails",
        Outcome::Inconclusive => "inconclusive",
        Outcome::NotMeasured => "not-measured",
    }
}

fn item(verdict: &Verdict, name: &str) -> Markup {
    let outcome = verdict.outcome;
    html! {
        li id=(name) class=(class(outcome)) {
            p class="outcome" { b aria-hidden="true" { (outcome.sign()) } (outcome.words()) }
            div {
                p class="says" { (prose(&verdict.says)) }
                @if !verdict.detail.trim().is_empty() { p class="detail" { (prose(&verdict.detail)) } }
                @if !verdict.figures.is_empty() {
                    dl class="measures" {
                        @for measure in &verdict.figures {
                            dt { (measured(measure)) }
                            dd { (blocks::estimate(&measure.estimate, true)) }
                        }
                    }
                }
                p class="from soft" {
                    @if !verdict.source.trim().is_empty() { "The paper: " (line(&verdict.source)) " · " }
                    code { (line(&verdict.id)) }
                }
            }
        }
    }
}

fn measured(measure: &Measure) -> Markup {
    html! { (line(&measure.name)) @if !measure.subject.is_empty() { " of " (line(&measure.subject)) } }
}
