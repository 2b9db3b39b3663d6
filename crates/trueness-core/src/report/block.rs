//! The report and its blocks.

use super::figure::Figure;
use super::table::Table;
use super::verdict::Verdict;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a study or a tool has to say. Only the renderers of this module show it.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    /// The title.
    pub title: String,
    /// The result in one sentence.
    pub lead: String,
    /// The blocks, in order. Verdicts are shown before the others.
    pub blocks: Vec<Block>,
    /// Command, seed, versions, machine and time, shown last: names and values in order.
    pub provenance: Vec<(String, String)>,
}

/// A piece of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Block {
    /// The beginning of a section. Level 1 is a section, 2 a section within it, and so on.
    Heading {
        /// The depth, from 1.
        level: u8,
        /// The heading.
        text: String,
    },
    /// A paragraph of plain text; what stands between backquotes is shown as code.
    Text(String),
    /// Lines of code or of a terminal, kept as they are.
    Code(String),
    /// A table.
    Table(Table),
    /// A figure drawn from data, in a box because it is much larger than the other blocks.
    Figure(Box<Figure>),
    /// A ready-made image.
    Image(Image),
    /// Names and values in words, in order.
    KeyValues(Vec<(String, String)>),
    /// Example texts.
    Samples(Samples),
    /// A file for the reader to take along.
    Attachment(Attachment),
    /// A remark that stands out.
    Note(Note),
    /// What became of a claim.
    Verdict(Verdict),
}

/// Bytes, written as base64 in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// The bytes in base64.
    pub(super) fn base64(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.base64())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(|e| serde::de::Error::custom(format!("expected base64: {e}")))
    }
}

/// What an image's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Media {
    /// A PNG file.
    Png,
    /// An SVG file.
    Svg,
}

impl Media {
    /// The media type, as in `data:` addresses.
    pub(super) fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Svg => "image/svg+xml",
        }
    }

    /// The ending of a file's name, without the dot.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }
}

/// A ready-made image, embedded in the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// A name for the file, unique in the report.
    pub id: String,
    /// What the image shows, for those who see it.
    pub caption: String,
    /// What the image shows, for those who do not see it.
    pub alt: String,
    /// What the bytes are.
    pub media: Media,
    /// The file.
    pub bytes: Bytes,
    /// The width in CSS pixels; the image's own if not given. A small image is enlarged without smoothing.
    #[serde(default)]
    pub width: Option<u32>,
}

/// Example texts under a title.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// What the texts are.
    pub title: String,
    /// The texts, in order.
    pub items: Vec<Sample>,
}

/// An example text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// A word about it, such as "real" or "rejected".
    #[serde(default)]
    pub label: Option<String>,
    /// The text.
    pub text: String,
}

impl Samples {
    /// No texts yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), items: Vec::new() }
    }

    /// The same list with one more text.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.items.push(Sample { label: None, text: text.into() });
        self
    }

    /// The same list with one more text and a word about it.
    pub fn labelled(mut self, label: impl Into<String>, text: impl Into<String>) -> Self {
        self.items.push(Sample { label: Some(label.into()), text: text.into() });
        self
    }
}

/// A file offered for download.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// What the file is, in a few words.
    pub about: String,
    /// The media type, for example `text/csv`.
    pub mime: String,
    /// The content.
    pub bytes: Bytes,
    /// Whether this is what the run was made for: it lies in the run's own folder then, not in `attachments/`.
    #[serde(default)]
    pub result: bool,
}

impl Attachment {
    /// A text file.
    pub fn text(name: impl Into<String>, about: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            about: about.into(),
            mime: "text/plain;charset=utf-8".to_owned(),
            bytes: Bytes(text.into().into_bytes()),
            result: false,
        }
    }

    /// The file that the run was made for, which lies in the run's own folder.
    pub fn result(
        name: impl Into<String>,
        about: impl Into<String>,
        mime: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        Self { name: name.into(), about: about.into(), mime: mime.into(), bytes: Bytes(bytes.into()), result: true }
    }
}

/// How grave a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NoteKind {
    /// Good to know.
    Info,
    /// Something that limits what the report can say.
    Warning,
}

impl NoteKind {
    /// The word that opens the note.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Info => "Note",
            Self::Warning => "Warning",
        }
    }
}

/// A remark that stands out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// How grave it is.
    pub kind: NoteKind,
    /// The remark.
    pub text: String,
}

impl Report {
    /// A report without content.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// The same report with its result in one sentence.
    pub fn lead(mut self, lead: impl Into<String>) -> Self {
        self.lead = lead.into();
        self
    }

    /// The same report with one more block.
    pub fn block(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// The same report with the blocks of a unit at its end.
    pub fn blocks(mut self, blocks: impl IntoIterator<Item = Block>) -> Self {
        self.blocks.extend(blocks);
        self
    }

    /// The same report with one more section.
    pub fn heading(self, text: impl Into<String>) -> Self {
        self.block(Block::Heading { level: 1, text: text.into() })
    }

    /// The same report with one more section within a section.
    pub fn subheading(self, text: impl Into<String>) -> Self {
        self.block(Block::Heading { level: 2, text: text.into() })
    }

    /// The same report with one more paragraph.
    pub fn text(self, text: impl Into<String>) -> Self {
        self.block(Block::Text(text.into()))
    }

    /// The same report with lines of code.
    pub fn code(self, code: impl Into<String>) -> Self {
        self.block(Block::Code(code.into()))
    }

    /// The same report with one more table.
    pub fn table(self, table: Table) -> Self {
        self.block(Block::Table(table))
    }

    /// The same report with one more figure.
    pub fn figure(self, figure: Figure) -> Self {
        self.block(Block::Figure(Box::new(figure)))
    }

    /// The same report with one more image.
    pub fn image(self, image: Image) -> Self {
        self.block(Block::Image(image))
    }

    /// The same report with names and values in words.
    pub fn key_values<K: Into<String>, V: Into<String>>(self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        self.block(Block::KeyValues(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect()))
    }

    /// The same report with example texts.
    pub fn samples(self, samples: Samples) -> Self {
        self.block(Block::Samples(samples))
    }

    /// The same report with a file.
    pub fn attachment(self, attachment: Attachment) -> Self {
        self.block(Block::Attachment(attachment))
    }

    /// The same report with a remark.
    pub fn info(self, text: impl Into<String>) -> Self {
        self.block(Block::Note(Note { kind: NoteKind::Info, text: text.into() }))
    }

    /// The same report with a warning.
    pub fn warning(self, text: impl Into<String>) -> Self {
        self.block(Block::Note(Note { kind: NoteKind::Warning, text: text.into() }))
    }

    /// The same report with one more verdict.
    pub fn verdict(self, verdict: Verdict) -> Self {
        self.block(Block::Verdict(verdict))
    }

    /// The same report with one more line of provenance.
    pub fn provenance(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.provenance.push((name.into(), value.into()));
        self
    }

    /// All verdicts, in order.
    pub fn verdicts(&self) -> Vec<&Verdict> {
        self.blocks
            .iter()
            .filter_map(|block| match block {
                Block::Verdict(verdict) => Some(verdict),
                _ => None,
            })
            .collect()
    }

    /// The depth of each block's heading, from 1, such that no level is skipped on the way down; 0 for a block
    /// that is no heading.
    pub(super) fn heading_levels(&self) -> Vec<u8> {
        let mut deepest = 0u8;
        self.blocks
            .iter()
            .map(|block| match block {
                Block::Heading { level, .. } => {
                    deepest = (*level).clamp(1, deepest.saturating_add(1).min(4));
                    deepest
                }
                _ => 0,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_never_skip_a_level_downwards() {
        let heading = |level| Block::Heading { level, text: String::new() };
        let report = Report::new("").blocks([heading(3), heading(9), heading(1), heading(0)]);
        assert_eq!(report.heading_levels(), [1, 2, 1, 1]);
    }

    #[test]
    fn bytes_are_base64_in_json() {
        // RFC 4648, section 10: "foobar" is Zm9vYmFy.
        assert_eq!(serde_json::to_string(&Bytes(b"foobar".to_vec())).unwrap(), "\"Zm9vYmFy\"");
        assert_eq!(serde_json::from_str::<Bytes>("\"Zm9vYmFy\"").unwrap().0, b"foobar");
        assert!(serde_json::from_str::<Bytes>("\"?\"").is_err());
    }
}
