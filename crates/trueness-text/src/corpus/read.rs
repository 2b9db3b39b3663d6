//! Reading corpora: one sentence a line, UTF-8, plain or gzip.
//!
//! A file is hostile until it is read: lines and the decoded whole have size limits, and whatever is
//! not text is an error that says where. Reading streams, so a line that is too long costs no more
//! memory than the limit.

use crate::error::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BUFFER: usize = 1 << 16;

/// Limits for reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// The longest line allowed, in bytes without its line ending. Default: 1 MiB.
    pub max_line_bytes: usize,
    /// The most bytes that a file may hold after decompression. Default: 4 GiB.
    pub max_total_bytes: u64,
    /// The most sentences that a file may hold, blank lines not counted. Default: 50 million. Bytes alone
    /// do not bound the memory: every sentence costs some 50 bytes besides its text, so that a
    /// file of one-letter lines would take twenty-five times its size.
    pub max_sentences: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { max_line_bytes: 1 << 20, max_total_bytes: 4 << 30, max_sentences: 50_000_000 }
    }
}

/// The sentences of a file, and what is needed to say which file that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// The file's name without its folder, or what the caller called it.
    pub name: String,
    /// The sentences in the order of the file, without line endings, otherwise as they stand there.
    pub sentences: Vec<String>,
    /// BLAKE3 of the decoded content in hexadecimal: the same for a file and its gzipped copy.
    pub hash: String,
    /// How many lines were skipped because they held nothing but white space.
    pub blank_lines: u64,
    /// The size of the decoded content, in bytes.
    pub bytes: u64,
}

impl Corpus {
    /// A corpus from sentences in memory. The hash and the size are those of a file that holds each
    /// sentence followed by a line feed.
    pub fn from_sentences(name: impl Into<String>, sentences: Vec<String>) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0;
        for sentence in &sentences {
            hasher.update(sentence.as_bytes()).update(b"\n");
            bytes += sentence.len() as u64 + 1;
        }
        Self { name: name.into(), sentences, hash: hasher.finalize().to_hex().to_string(), blank_lines: 0, bytes }
    }

    /// How many sentences there are.
    pub fn len(&self) -> usize {
        self.sentences.len()
    }

    /// Whether there are none. A corpus that was read is never empty.
    pub fn is_empty(&self) -> bool {
        self.sentences.is_empty()
    }
}

/// Reads a corpus with the default limits; see [`read_with`].
///
/// # Errors
/// As for [`read_with`].
pub fn read(path: impl AsRef<Path>) -> Result<Corpus> {
    read_with(path, &ReadOptions::default())
}

/// Reads a corpus: one sentence a line, UTF-8, plain or gzip (told apart by the first bytes, not by
/// the name). A byte-order mark, CRLF line endings and a missing last line ending are accepted;
/// blank lines are skipped and counted.
///
/// # Errors
/// A file that cannot be read; a line, a whole or a number of sentences beyond the limits; NUL bytes, invalid UTF-8 or
/// damaged gzip data; no sentence at all.
pub fn read_with(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Corpus> {
    let path = path.as_ref();
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    collect(Lines::open(path, options)?, name)
}

/// Reads a corpus from anything, for example standard input, under the name `name`.
///
/// # Errors
/// As for [`read_with`]; the name stands in for the path.
pub fn read_from(reader: impl BufRead + Send + 'static, name: &str, options: &ReadOptions) -> Result<Corpus> {
    collect(Lines::new(reader, name, options)?, name.to_owned())
}

fn collect(mut lines: Lines, name: String) -> Result<Corpus> {
    let sentences = lines.by_ref().collect::<Result<Vec<String>>>()?;
    if sentences.is_empty() {
        let got = match lines.blank_lines {
            0 => "an empty file".to_owned(),
            blank => format!("{blank} blank lines and nothing else"),
        };
        return Err(Error::parse(&lines.path, format!("expected one sentence a line, got {got}")));
    }
    let hash = lines.hasher.finalize().to_hex().to_string();
    Ok(Corpus { name, sentences, hash, blank_lines: lines.blank_lines, bytes: lines.bytes })
}

/// The sentences of a file one by one, without holding the file: blank lines are skipped and counted,
/// and the first error ends the iteration.
pub struct Lines {
    reader: Box<dyn BufRead + Send>,
    path: PathBuf,
    options: ReadOptions,
    gzip: bool,
    hasher: blake3::Hasher,
    line: u64,
    bytes: u64,
    blank_lines: u64,
    sentences: u64,
    ended: bool,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("path", &self.path).field("line", &self.line).finish_non_exhaustive()
    }
}

impl Lines {
    /// Opens a file.
    ///
    /// # Errors
    /// A file that is missing, is a folder or cannot be read.
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(trueness_core::Error::io("read", path))?;
        // Linux opens a folder without complaint and fails at the first read.
        if file.metadata().map_err(trueness_core::Error::io("read", path))?.is_dir() {
            return Err(trueness_core::Error::io("read", path)(ErrorKind::IsADirectory.into()).into());
        }
        Self::start(BufReader::with_capacity(BUFFER, file), path.to_owned(), options)
    }

    /// Reads lines from anything; `name` stands in for the path in errors.
    ///
    /// # Errors
    /// A reader that fails at its first bytes.
    pub fn new(reader: impl BufRead + Send + 'static, name: &str, options: &ReadOptions) -> Result<Self> {
        Self::start(reader, PathBuf::from(name), options)
    }

    fn start(mut reader: impl BufRead + Send + 'static, path: PathBuf, options: &ReadOptions) -> Result<Self> {
        let mut magic = Vec::with_capacity(2);
        reader.by_ref().take(2).read_to_end(&mut magic).map_err(trueness_core::Error::io("read", &path))?;
        let gzip = magic == GZIP_MAGIC;
        let whole = Cursor::new(magic).chain(reader);
        let reader: Box<dyn BufRead + Send> =
            if gzip { Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(whole))) } else { Box::new(whole) };
        Ok(Self {
            reader,
            path,
            options: options.clone(),
            gzip,
            hasher: blake3::Hasher::new(),
            line: 0,
            bytes: 0,
            blank_lines: 0,
            sentences: 0,
            ended: false,
            buffer: Vec::new(),
        })
    }

    /// The number of the line last read, counted from 1, blank lines included; 0 before the first.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// How many blank lines were skipped so far.
    pub fn blank_lines(&self) -> u64 {
        self.blank_lines
    }

    /// How many decoded bytes were read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::parse_at(&self.path, self.line, message)
    }

    fn failure(&self, source: std::io::Error) -> Error {
        if self.gzip
            && matches!(source.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
        {
            return self.error(format!("the gzip data is damaged or ends early ({source})"));
        }
        trueness_core::Error::io("read", &self.path)(source).into()
    }

    /// Fills the buffer with the next line, its line feed left out. False at the end.
    fn fill(&mut self) -> Result<bool> {
        self.buffer.clear();
        self.line += 1;
        // One byte more than the limit, for the carriage return of a CRLF ending.
        let limit = self.options.max_line_bytes.saturating_add(1);
        let mut length: usize = 0;
        let mut started = false;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failure(error)),
            };
            if available.is_empty() {
                break;
            }
            started = true;
            let end = available.iter().position(|&byte| byte == b'\n');
            let content = &available[..end.unwrap_or(available.len())];
            let taken = content.len() + usize::from(end.is_some());
            self.bytes += taken as u64;
            self.hasher.update(&available[..taken]);
            let room = limit.saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(&content[..content.len().min(room)]);
            length = length.saturating_add(content.len());
            self.reader.consume(taken);
            if self.bytes > self.options.max_total_bytes {
                let limit = self.options.max_total_bytes;
                let what = if self.gzip { "decompressed content is" } else { "file is" };
                return Err(self.error(format!("the {what} larger than the limit of {limit} bytes")));
            }
            if end.is_some() {
                break;
            }
        }
        if !started {
            self.line -= 1;
            return Ok(false);
        }
        if self.buffer.last() == Some(&b'\r') && length == self.buffer.len() {
            self.buffer.pop();
            length -= 1;
        }
        if self.buffer.contains(&0) || self.buffer.len() <= self.options.max_line_bytes && length == self.buffer.len() {
            return Ok(true);
        }
        let limit = self.options.max_line_bytes;
        Err(self.error(format!("expected lines of at most {limit} bytes, got one of {length} bytes")))
    }

    /// The text in the buffer, or what is wrong with it.
    fn text(&mut self) -> Result<String> {
        let bytes = std::mem::take(&mut self.buffer);
        if self.line == 1 && (bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")) {
            return Err(self.error("expected UTF-8, got UTF-16 by its byte-order mark: convert the file first"));
        }
        let start = if self.line == 1 && bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
            return Err(self.error(format!("expected text, got a NUL byte at column {}: is this a text file?", at + 1)));
        }
        let content = &bytes[start..];
        match std::str::from_utf8(content) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => {
                let at = error.valid_up_to();
                let (byte, column) = (content[at], start + at + 1);
                Err(self.error(format!(
                    "expected UTF-8, got the byte 0x{byte:02x} at column {column} (in bytes): is this a text file in UTF-8?"
                )))
            }
        }
    }
}

impl Iterator for Lines {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let text = match self.fill() {
                Ok(true) => self.text(),
                Ok(false) => {
                    self.ended = true;
                    return None;
                }
                Err(error) => Err(error),
            };
            match text {
                Ok(text) if text.trim().is_empty() => self.blank_lines += 1,
                Ok(_) if self.sentences == self.options.max_sentences => {
                    self.ended = true;
                    let limit = self.options.max_sentences;
                    return Some(Err(self.error(format!("expected at most {limit} sentences, got more"))));
                }
                Ok(text) => {
                    self.sentences += 1;
                    return Some(Ok(text));
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn parse_with(bytes: &[u8], options: &ReadOptions) -> Result<Corpus> {
        read_from(Cursor::new(bytes.to_vec()), "test", options)
    }

    fn parse(bytes: &[u8]) -> Result<Corpus> {
        parse_with(bytes, &ReadOptions::default())
    }

    fn message(bytes: &[u8]) -> String {
        parse(bytes).unwrap_err().to_string()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn line_endings_marks_and_blank_lines_are_understood() {
        let corpus = parse(b"\xef\xbb\xbfone\r\n\r\n \t\ntwo three").unwrap();
        assert_eq!(corpus.sentences, ["one", "two three"]);
        assert_eq!((corpus.blank_lines, corpus.bytes), (2, 22));
    }

    #[test]
    fn gzip_is_told_by_its_bytes_and_has_the_hash_of_its_content() {
        let plain = b"a b c\nd e\n";
        let (x, y) = (parse(plain).unwrap(), parse(&gzip(plain)).unwrap());
        assert_eq!(x, y);
        assert_eq!(x.hash, blake3::hash(plain).to_hex().to_string());
        // Concatenated gzip members are one file, as with gunzip.
        assert_eq!(parse(&[gzip(b"a\n"), gzip(b"b\n")].concat()).unwrap().sentences, ["a", "b"]);
    }

    #[test]
    fn damaged_gzip_data_is_an_error() {
        let whole = gzip(&b"some words here\n".repeat(100));
        assert!(message(&whole[..whole.len() - 6]).contains("gzip data is damaged or ends early"));
        let mut broken = whole.clone();
        broken[14] ^= 0xff;
        assert!(parse(&broken).is_err());
    }

    #[test]
    fn a_gzip_bomb_stops_at_the_limit() {
        let bomb = gzip(&b"word word word\n".repeat(100_000));
        let options = ReadOptions { max_total_bytes: 10_000, ..ReadOptions::default() };
        let error = parse_with(&bomb, &options).unwrap_err().to_string();
        assert!(error.contains("decompressed content is larger than the limit of 10000 bytes"), "{error}");
    }

    #[test]
    fn more_sentences_than_the_limit_are_refused_with_the_line() {
        let options = ReadOptions { max_sentences: 2, ..ReadOptions::default() };
        // Blank lines cost nothing and count nothing.
        assert_eq!(parse_with(b"a\n\nb\n\n", &options).unwrap().len(), 2);
        let error = parse_with(b"a\n\nb\nc\nd\n", &options).unwrap_err().to_string();
        assert_eq!(error, "test, line 4: expected at most 2 sentences, got more");
    }

    #[test]
    fn a_long_line_is_named_and_not_held() {
        let options = ReadOptions { max_line_bytes: 8, ..ReadOptions::default() };
        assert_eq!(parse_with(b"12345678\r\n12345678", &options).unwrap().len(), 2);
        let error = parse_with(b"short\n123456789\n", &options).unwrap_err().to_string();
        assert_eq!(error, "test, line 2: expected lines of at most 8 bytes, got one of 9 bytes");
        let long = [b"ok\n".to_vec(), vec![b'x'; 3_000_000]].concat();
        let mut lines = Lines::new(Cursor::new(long), "test", &ReadOptions::default()).unwrap();
        assert!(lines.next().unwrap().is_ok());
        let error = lines.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("3000000 bytes"), "{error}");
        assert!(lines.buffer.capacity() < 3 << 20 && lines.next().is_none());
    }

    #[test]
    fn what_is_not_text_is_named_by_line_and_column() {
        assert!(message(b"good\nab\xffcd\n").contains("line 2: expected UTF-8, got the byte 0xff at column 3"));
        assert!(message(b"good\nab\0cd\n").contains("line 2: expected text, got a NUL byte at column 3"));
        assert!(message(b"\xff\xfea\0b\0").contains("UTF-16"));
        // A binary file is called one, even where it has no line ending within the limit.
        assert!(message(&vec![0; 2_000_000]).contains("NUL byte at column 1"));
    }

    #[test]
    fn nothing_is_an_error() {
        assert!(message(b"").contains("got an empty file"));
        assert!(message(b"\n \n").contains("got 2 blank lines"));
        assert!(message(&gzip(b"")).contains("got an empty file"));
    }

    #[test]
    fn files_that_cannot_be_read_are_input_errors() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing.txt")] {
            let error: trueness_core::Error = read(&path).unwrap_err().into();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(&path.display().to_string()));
        }
    }

    #[test]
    fn a_corpus_in_memory_equals_the_file_it_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.txt");
        std::fs::write(&path, "a b\nc\n").unwrap();
        assert_eq!(read(&path).unwrap(), Corpus::from_sentences("x.txt", vec!["a b".into(), "c".into()]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), zip in any::<bool>()) {
            let options = ReadOptions { max_line_bytes: 50, max_total_bytes: 150, ..ReadOptions::default() };
            let _ = parse_with(&if zip { gzip(&bytes) } else { bytes }, &options);
        }

        #[test]
        fn lines_come_back_as_they_were_written(
            lines in prop::collection::vec("[^\r\n\u{0}\u{feff}]{0,20}", 1..20),
            crlf in any::<bool>(),
            last in any::<bool>(),
        ) {
            let ending = if crlf { "\r\n" } else { "\n" };
            let text = lines.join(ending) + if last { ending } else { "" };
            let kept: Vec<&String> = lines.iter().filter(|l| !l.trim().is_empty()).collect();
            match parse(text.as_bytes()) {
                Ok(corpus) => prop_assert!(corpus.sentences.iter().eq(kept)),
                Err(_) => prop_assert!(kept.is_empty()),
            }
        }
    }
}
