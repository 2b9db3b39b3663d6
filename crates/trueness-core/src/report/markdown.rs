//! A report as GitHub's Markdown.

use super::block::{Block, Report};
use super::html::legend;
use super::names::{attachment_path, names};
use super::number::format_estimate;
use super::table::{Align, Cell, Table};
use super::text::{clean, code, code_spans, line};
use super::verdict::{Verdict, tally};
use std::fmt::Write as _;

/// A report as GitHub's Markdown: verdicts first, provenance last. Figures, images and attachments are links to the
/// files that [`files`](super::files) gives. All text is escaped, so that none of it acts as Markdown or HTML.
pub fn markdown(report: &Report) -> String {
    let mut out = format!("# {}\n", prose(&report.title));
    if !report.lead.trim().is_empty() {
        let _ = write!(out, "\n**{}**\n", prose(&report.lead));
    }
    if let Some(legend) = legend(report) {
        let _ = write!(out, "\n{legend}\n");
    }
    let verdicts = report.verdicts();
    if !verdicts.is_empty() {
        let _ = write!(out, "\n## Claims: {}\n\n", tally(&verdicts));
        for verdict in verdicts {
            out.push_str(&item(verdict));
        }
    }
    let levels = report.heading_levels();
    for ((block, name), level) in report.blocks.iter().zip(names(report)).zip(levels) {
        if let Some(text) = render(block, &name, level) {
            let _ = write!(out, "\n{text}\n");
        }
    }
    if !report.provenance.is_empty() {
        let _ = write!(out, "\n## How this was made\n\n{}\n", pairs(&report.provenance));
    }
    out
}

fn render(block: &Block, name: &str, level: u8) -> Option<String> {
    Some(match block {
        Block::Heading { text, .. } => format!("{} {}", "#".repeat(usize::from(level) + 1), prose(text)),
        Block::Text(text) => {
            let text = clean(text);
            let paragraphs = text.split("\n\n").map(prose).filter(|p| !p.is_empty());
            paragraphs.collect::<Vec<_>>().join("\n\n")
        }
        Block::Code(code) => fenced(code),
        Block::Table(table) => self::table(table),
        Block::Figure(figure) => {
            let caption = if figure.caption.trim().is_empty() { String::new() } else { prose(&figure.caption) + " " };
            format!(
                "**{}**\n\n![{}](figures/{name}.svg)\n\n{caption}[Data](figures/{name}.csv)",
                prose(&figure.title),
                plain(&figure.description())
            )
        }
        Block::Image(image) => {
            format!("![{}](figures/{name}.{})\n\n{}", plain(&image.alt), image.media.extension(), prose(&image.caption))
        }
        Block::KeyValues(values) => pairs(values),
        Block::Samples(samples) => {
            let items = samples.items.iter().map(|sample| match &sample.label {
                Some(label) => format!("- **{}** {}", prose(label), plain(&sample.text)),
                None => format!("- {}", plain(&sample.text)),
            });
            format!("**{}**\n\n{}", prose(&samples.title), items.collect::<Vec<_>>().join("\n"))
        }
        Block::Attachment(attachment) => {
            let link = format!("[{}]({})", plain(&attachment.name), attachment_path(attachment, name));
            if attachment.about.trim().is_empty() { link } else { format!("{link} – {}", prose(&attachment.about)) }
        }
        Block::Note(note) => {
            let kind = match note.kind {
                super::NoteKind::Warning => "WARNING",
                super::NoteKind::Info => "NOTE",
            };
            format!("> [!{kind}]\n> {}", prose(&note.text))
        }
        Block::Verdict(_) => return None,
    })
}

fn item(verdict: &Verdict) -> String {
    let (sign, words) = (verdict.outcome.sign(), verdict.outcome.words());
    let mut out = format!("- **{sign} {words}**: {}", prose(&verdict.says));
    if !verdict.source.trim().is_empty() {
        let _ = write!(out, " (the paper: {})", prose(&verdict.source));
    }
    if !verdict.detail.trim().is_empty() {
        let _ = write!(out, "  \n  {}", prose(&verdict.detail));
    }
    for measure in &verdict.figures {
        let of = if measure.subject.is_empty() { String::new() } else { format!(" of {}", plain(&measure.subject)) };
        let _ = write!(out, "\n  - {}{of}: {}", plain(&measure.name), number(&measure.estimate));
    }
    out + "\n"
}

fn table(table: &Table) -> String {
    let columns = 0..table.columns.len();
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let mut lines = vec![format!("**{}**\n", prose(&table.caption))];
    if !table.columns.is_empty() {
        lines.push(row(columns.clone().map(|c| cell_prose(&table.head(c))).collect()));
        lines.push(row(table
            .columns
            .iter()
            .map(|c| if c.align == Align::Right { "---:".to_owned() } else { "---".to_owned() })
            .collect()));
    }
    for r in 0..table.rows.len() {
        let cells = columns.clone().map(|c| {
            let text = match table.cell(r, c) {
                Cell::Text(text) => cell_prose(text),
                Cell::Estimate(e) if table.unit(c).is_empty() => number(e),
                Cell::Estimate(e) => format_estimate(&e.clone().unit("")),
                Cell::Missing => "–".to_owned(),
                Cell::Code(text) => cell_code(text),
            };
            if table.is_best(r, c) { format!("**{text}**") } else { text }
        });
        lines.push(row(cells.collect()));
    }
    let mut out = lines.join("\n");
    if table.is_ranked() {
        let _ = write!(out, "\n\n{}", super::html::BEST);
    }
    if let Some(note) = &table.note {
        let _ = write!(out, "\n\n{}", prose(note));
    }
    out
}

/// An estimate; its own digits and brackets are safe, its unit may not be.
fn number(estimate: &crate::Estimate) -> String {
    let text = format_estimate(&estimate.clone().unit(""));
    if estimate.unit.is_empty() || estimate.value.is_none() {
        text
    } else {
        format!("{text} {}", plain(&estimate.unit))
    }
}

fn pairs(values: &[(String, String)]) -> String {
    values.iter().map(|(k, v)| format!("- {}: {}", prose(k), prose(v))).collect::<Vec<_>>().join("\n")
}

/// Text on one line, escaped, with its code spans kept.
fn prose(text: &str) -> String {
    prose_with(text, code)
}

/// The same within a table's cell.
fn cell_prose(text: &str) -> String {
    prose_with(text, cell_code)
}

fn prose_with(text: &str, code: fn(&str) -> String) -> String {
    let text = line(text);
    let pieces = code_spans(&text)
        .into_iter()
        .map(|(is_code, piece)| if is_code && !piece.trim().is_empty() { code(piece) } else { escaped(piece) });
    start(&pieces.collect::<String>())
}

/// Text on one line, escaped.
fn plain(text: &str) -> String {
    start(&escaped(&line(text)))
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => out.extend(['\\', c]),
            // GitHub makes links of bare addresses and people; a zero-width joiner would corrupt copies, so the
            // character that triggers it becomes an entity.
            ':' => out.push_str(if out.ends_with("http") || out.ends_with("https") { "&#58;" } else { ":" }),
            '@' => out.push_str("&#64;"),
            _ => out.push(c),
        }
    }
    out.replace("www.", "www&#46;")
}

/// Escapes what would open a list or a rule at the beginning of a line.
fn start(text: &str) -> String {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if text.starts_with(['-', '+', '=']) {
        format!("\\{text}")
    } else if digits > 0 && text[digits..].starts_with(['.', ')']) {
        format!("{}\\{}", &text[..digits], &text[digits..])
    } else {
        text.to_owned()
    }
}

/// A code span within a table's cell, which a bar would end even there; elsewhere a bar is a bar.
fn cell_code(text: &str) -> String {
    code(text).replace('|', "\\|")
}

fn fenced(text: &str) -> String {
    let text = clean(text);
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{fence}\n{}\n{fence}", text.trim_end_matches('\n'))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_does_nothing() {
        assert_eq!(plain("<b>|*x*"), "&lt;b&gt;\\|\\*x\\*");
        assert_eq!(plain("- 1. [a](javascript:b)"), "\\- 1. \\[a\\](javascript:b)");
        assert_eq!(plain("12. x"), "12\\. x");
        assert_eq!(cell_code("a`b|c"), "``a`b\\|c``");
        assert_eq!(prose("too many `` `a|b ``, `c`"), "too many `` `a|b ``, `c`");
        assert_eq!(cell_prose("`a|b`"), "`a\\|b`");
        assert_eq!(fenced("```\nx"), "````\n```\nx\n````");
    }
}
