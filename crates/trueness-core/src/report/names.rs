//! Names of files and anchors, safe and unique, and the files that stand beside a report.

use super::block::{Attachment, Block, Report};
use super::figure;

/// A name that is safe in a file name and in an address: letters, digits, `.`, `_` and `-`, at most 80 of them.
pub(super) fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().take(80) {
        if c.is_ascii_alphanumeric() || c == '_' || (c == '.' && !out.is_empty()) {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    let out = out.trim_end_matches(['-', '.']);
    if out.is_empty() { "item".to_owned() } else { out.to_owned() }
}

/// A name for each block: from its id, heading or caption, with a number where it would come twice.
pub(super) fn names(report: &Report) -> Vec<String> {
    let mut taken = std::collections::BTreeSet::new();
    report
        .blocks
        .iter()
        .map(|block| {
            let wanted = match block {
                Block::Heading { text, .. } => format!("section-{}", slug(text)),
                Block::Table(table) => format!("table-{}", slug(&table.caption)),
                Block::Figure(figure) => slug(&figure.id),
                Block::Image(image) => slug(&image.id),
                Block::Attachment(attachment) => slug(&attachment.name),
                Block::Verdict(verdict) => format!("claim-{}", slug(&verdict.id)),
                _ => "block".to_owned(),
            };
            let mut name = wanted.clone();
            let mut copy = 2;
            while !taken.insert(name.clone()) {
                name = match wanted.rsplit_once('.') {
                    Some((stem, extension)) => format!("{stem}-{copy}.{extension}"),
                    None => format!("{wanted}-{copy}"),
                };
                copy += 1;
            }
            name
        })
        .collect()
}

/// Where an attachment of this name lies, relative to the report. A result lies beside it, unless a run has a file of that
/// name already.
pub(super) fn attachment_path(attachment: &Attachment, name: &str) -> String {
    const OWN: [&str; 6] = ["run.json", "study.toml", "measures.json", "report.json", "report.html", "report.md"];
    let taken = OWN.contains(&name) || name == "log.txt" || name == "figures" || name.starts_with("seed-");
    if attachment.result && !taken { name.to_owned() } else { format!("attachments/{name}") }
}

/// The files that the Markdown of a report links to, as paths relative to it and contents: `figures/ID.svg`, the
/// figure's full data as `figures/ID.csv`, images as `figures/ID.png` or `.svg`, `attachments/NAME`, and results as `NAME`.
pub fn files(report: &Report) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (block, name) in report.blocks.iter().zip(names(report)) {
        match block {
            Block::Figure(figure) => {
                files.push((format!("figures/{name}.svg"), figure::svg(figure).into_bytes()));
                files.push((format!("figures/{name}.csv"), figure::csv(figure).into_bytes()));
            }
            Block::Image(image) => {
                files.push((format!("figures/{name}.{}", image.media.extension()), image.bytes.0.clone()));
            }
            Block::Attachment(attachment) => {
                files.push((attachment_path(attachment, &name), attachment.bytes.0.clone()));
            }
            _ => {}
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Figure;

    #[test]
    fn names_cannot_leave_their_folder() {
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("DD (filtered) – 0.5"), "dd-filtered-0.5");
        assert_eq!(slug("…"), "item");
    }

    #[test]
    fn names_are_unique() {
        let figure = || Figure::new("dd", "title");
        let report = Report::new("").heading("dd").figure(figure()).figure(figure());
        assert_eq!(names(&report), ["section-dd", "dd", "dd-2"]);
        let paths: Vec<_> = files(&report).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["figures/dd.svg", "figures/dd.csv", "figures/dd-2.svg", "figures/dd-2.csv"]);
    }
}
