//! Files of temperature loggers: what they hold, what is wrong with it, and one record of all depths on one clock.
//!
//! [`read`] knows HOBO CSV (HOBOware and HOBOconnect), iButton, Campbell TOA5, USGS RDB, plain CSV (also gzipped) and Parquet,
//! by what stands in them rather than by their names. [`Cleaning`] finds what cannot be true, and [`Record`] brings
//! channels together.

mod clean;
mod columnar;
mod record;
mod rows;
mod time;

pub use clean::{Cleaning, Finding, Kind};
pub use record::{Record, Sampling};
pub use time::{Zone, rfc3339};

use crate::{Error, Result};
use std::io::Read;
use std::path::Path;

/// The largest file that is read, unpacked, in bytes.
pub const MAX_BYTES: u64 = 1 << 30;

/// The most numbers that are read from one file.
pub const MAX_VALUES: usize = 100_000_000;

/// What kind of file it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Onset HOBOware's CSV.
    Hobo,
    /// Onset HOBOconnect's CSV.
    HoboConnect,
    /// Maxim's OneWireViewer and its like, for iButtons.
    IButton,
    /// Campbell Scientific's TOA5.
    Toa5,
    /// USGS NWIS tab-delimited text.
    Rdb,
    /// Comma-, semicolon- or tab-separated values with a head.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// The format's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hobo => "HOBO CSV",
            Self::HoboConnect => "HOBOconnect CSV",
            Self::IButton => "iButton CSV",
            Self::Toa5 => "Campbell TOA5",
            Self::Rdb => "USGS RDB",
            Self::Csv => "CSV",
            Self::Parquet => "Parquet",
        }
    }
}

/// A unit of temperature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// °C.
    Celsius,
    /// °F.
    Fahrenheit,
}

impl Unit {
    /// A value of this unit in °C.
    pub fn celsius(self, value: f64) -> f64 {
        match self {
            Self::Celsius => value,
            Self::Fahrenheit => (value - 32.0) / 1.8,
        }
    }
}

/// One temperature sensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// What the file calls it.
    pub name: String,
    /// The file it is from.
    pub file: String,
    /// Depth below the bed in m, where the head tells it.
    pub depth: Option<f64>,
    /// The unit that the file tells, or that was asked for; °C where neither says anything.
    pub unit: Unit,
    /// Whether the unit was told by anything.
    pub unit_known: bool,
    /// Times in ms since 1970 UTC, as they stand in the file.
    pub times: Vec<i64>,
    /// Temperatures in °C, NaN where the file has none.
    pub values: Vec<f64>,
}

/// A file as read.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggerFile {
    /// Its format.
    pub format: Format,
    /// Its sensors.
    pub channels: Vec<Channel>,
    /// Columns that are no temperatures.
    pub ignored: Vec<String>,
    /// What was strange in reading.
    pub findings: Vec<Finding>,
}

/// How a file is to be read where it does not say it itself.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The time zone of times that name none; UTC without it.
    pub zone: Option<Zone>,
    /// Whether 1/2/2024 is the first of February.
    pub day_first: bool,
    /// The unit of temperatures, over what the file says.
    pub unit: Option<Unit>,
    /// Names of the columns that hold temperatures; all that look like it without them.
    pub columns: Vec<String>,
}

/// A file of any known format.
///
/// # Errors
/// [`Error::File`] where it cannot be read, is empty, is too large, or holds no temperatures; with the line where one is to
/// blame.
pub fn read(path: &Path, reading: &Reading) -> Result<LoggerFile> {
    let bytes = load(path)?;
    let fail = |what: String| Error::File { path: path.to_owned(), line: None, what };
    let file = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    if bytes.starts_with(b"PAR1") {
        return columnar::read(bytes, path, &file, reading);
    }
    if bytes.is_empty() {
        return Err(fail("expected rows of times and temperatures, the file is empty".to_owned()));
    }
    // Degree signs are often Latin-1; what stands in their place does not matter.
    let text = String::from_utf8_lossy(&bytes);
    rows::read(text.trim_start_matches('\u{feff}'), path, &file, reading)
}

/// The bytes of a file, unpacked if it is gzipped.
fn load(path: &Path) -> Result<Vec<u8>> {
    let fail = |what: String| Error::File { path: path.to_owned(), line: None, what };
    let open = std::fs::File::open(path).map_err(|error| fail(format!("cannot open it: {error}")))?;
    let mut bytes = Vec::new();
    let mut first = open.take(MAX_BYTES + 1);
    first.read_to_end(&mut bytes).map_err(|error| fail(format!("cannot read it: {error}")))?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut unpacked = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice())
            .take(MAX_BYTES + 1)
            .read_to_end(&mut unpacked)
            .map_err(|error| fail(format!("cannot unpack it, it may be truncated: {error}")))?;
        bytes = unpacked;
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err(fail(format!("expected at most {MAX_BYTES} bytes, unpacked")));
    }
    Ok(bytes)
}
