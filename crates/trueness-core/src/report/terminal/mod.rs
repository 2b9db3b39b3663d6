//! A report for a terminal.

mod chart;
mod paint;
mod table;

use super::block::{Block, NoteKind, Report};
use super::names::{attachment_path, names};
use super::number::format_estimate;
use super::text::{clean, cut, line, pad, unmarked, width, wrap};
use super::verdict::{Outcome, Verdict, tally};
use paint::Paint;

/// The narrowest terminal that is written for.
const NARROWEST: usize = 40;
/// How many example texts are shown.
const SAMPLES: usize = 5;

/// A report for a terminal of `columns` columns (40 at least), with or without colours. Verdicts come first, in
/// words. A table that does not fit is shown without its intervals, then in pieces; figures of categories become
/// bars, curves become a line of blocks.
pub fn terminal(report: &Report, columns: usize, colour: bool) -> String {
    let page = Page { columns: columns.max(NARROWEST), paint: Paint { colour } };
    let mut out = Vec::new();
    page.paragraph(&mut out, &report.title, "", |text| page.paint.bold(text));
    page.paragraph(&mut out, &report.lead, "", str::to_owned);
    let verdicts = report.verdicts();
    if !verdicts.is_empty() {
        out.push(String::new());
        page.paragraph(&mut out, &format!("Claims: {}", tally(&verdicts)), "", |text| page.paint.bold(text));
        verdicts.iter().for_each(|verdict| page.verdict(&mut out, verdict));
    }
    for (block, name) in report.blocks.iter().zip(names(report)) {
        page.block(&mut out, block, &name);
    }
    if !report.provenance.is_empty() {
        out.push(String::new());
        page.pairs(&mut out, &report.provenance);
    }
    out.dedup_by(|b, a| a.is_empty() && b.is_empty());
    let lines: Vec<&str> = out.iter().map(|l| l.trim_end()).collect();
    lines.join("\n").trim_matches('\n').to_owned() + "\n"
}

struct Page {
    columns: usize,
    paint: Paint,
}

impl Page {
    /// Wrapped text with an indent, each line through `paint`; nothing for empty text.
    fn paragraph(&self, out: &mut Vec<String>, text: &str, indent: &str, paint: impl Fn(&str) -> String) {
        for text in wrap(&unmarked(text), self.columns - width(indent)) {
            out.push(format!("{indent}{}", paint(&text)));
        }
    }

    fn verdict(&self, out: &mut Vec<String>, verdict: &Verdict) {
        let head = format!("{} {}", verdict.outcome.sign(), verdict.outcome.words());
        let painted = match verdict.outcome {
            Outcome::Holds => self.paint.green(&head),
            Outcome::Fails => self.paint.red(&head),
            Outcome::Inconclusive => self.paint.yellow(&head),
            Outcome::NotMeasured => self.paint.dim(&head),
        };
        let indent = " ".repeat(16);
        let mut lines = Vec::new();
        let source = if verdict.source.trim().is_empty() { String::new() } else { format!(" ({})", verdict.source) };
        self.paragraph(&mut lines, &format!("{}{source}", verdict.says), &indent, str::to_owned);
        if let Some(first) = lines.first_mut() {
            *first = format!("{}{}{}", painted, " ".repeat(16 - width(&head)), first.trim_start());
        } else {
            lines.push(painted);
        }
        self.paragraph(&mut lines, &verdict.detail, &indent, |text| self.paint.dim(text));
        for measure in &verdict.figures {
            let of = if measure.subject.is_empty() { String::new() } else { format!(" of {}", measure.subject) };
            let text = format!("{}{of}: {}", measure.name, format_estimate(&measure.estimate));
            self.paragraph(&mut lines, &text, &indent, |text| self.paint.dim(text));
        }
        out.append(&mut lines);
    }

    fn block(&self, out: &mut Vec<String>, block: &Block, name: &str) {
        if matches!(block, Block::Verdict(_)) {
            return;
        }
        out.push(String::new());
        match block {
            Block::Heading { text, .. } => self.paragraph(out, text, "", |text| self.paint.bold(text)),
            Block::Text(text) => {
                for paragraph in clean(text).split("\n\n") {
                    self.paragraph(out, paragraph, "", str::to_owned);
                }
            }
            Block::Code(code) => out.extend(clean(code).lines().map(|l| format!("  {}", l.replace('\t', "    ")))),
            Block::Table(table) => self.table(out, table),
            Block::Figure(figure) => self.chart(out, figure, name),
            Block::Image(image) => {
                let file = format!("figures/{name}.{}", image.media.extension());
                self.paragraph(out, &format!("{} → {file}", image.caption), "", str::to_owned);
            }
            Block::KeyValues(values) => self.pairs(out, values),
            Block::Samples(samples) => {
                self.paragraph(out, &samples.title, "", str::to_owned);
                let label = |s: &super::Sample| s.label.as_deref().map(line).unwrap_or_default();
                let shown = &samples.items[..samples.items.len().min(SAMPLES)];
                let column = shown.iter().map(|s| width(&label(s))).max().unwrap_or(0).min(self.columns / 4);
                for sample in shown {
                    let head = pad(&cut(&label(sample), column), column, false);
                    let gap = if column == 0 { "" } else { "  " };
                    let text = cut(&line(&sample.text), self.columns - 2 - column - gap.len());
                    out.push(format!("  {}{gap}{text}", self.paint.dim(&head)));
                }
                if samples.items.len() > shown.len() {
                    out.push(self.paint.dim(&format!("  … {} more in the report", samples.items.len() - shown.len())));
                }
            }
            Block::Attachment(attachment) => {
                let about = if attachment.about.is_empty() { String::new() } else { format!("{}: ", attachment.about) };
                self.paragraph(out, &format!("{about}{}", attachment_path(attachment, name)), "", str::to_owned);
            }
            Block::Note(note) => {
                let start = out.len();
                self.paragraph(out, &note.text, "  ", str::to_owned);
                if let Some(first) = out.get_mut(start) {
                    let sign = match note.kind {
                        NoteKind::Warning => self.paint.yellow("!"),
                        NoteKind::Info => self.paint.dim("·"),
                    };
                    *first = format!("{sign} {}", first.trim_start());
                }
            }
            Block::Verdict(_) => {}
        }
    }

    /// Names and values in two columns.
    fn pairs(&self, out: &mut Vec<String>, pairs: &[(String, String)]) {
        let column = pairs.iter().map(|(k, _)| width(&line(k))).max().unwrap_or(0).min(self.columns / 3);
        let indent = " ".repeat(column + 2);
        for (key, value) in pairs {
            let key = pad(&cut(&line(key), column), column, false);
            let start = out.len();
            self.paragraph(out, value, &indent, str::to_owned);
            match out.get_mut(start) {
                Some(first) => *first = format!("{}  {}", self.paint.dim(&key), first.trim_start()),
                None => out.push(self.paint.dim(&key)),
            }
        }
    }
}
