//! Apache Parquet files: one column of times, the others of temperatures.

use super::clean::{Finding, Kind};
use super::rows::{settle_depths, signed_depth, unit_of};
use super::time::{self, Stamp, Zone};
use super::{Channel, Format, LoggerFile, MAX_VALUES, Reading, Unit};
use crate::{Error, Result};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;

/// Reads a file. The crate that decodes its pages panics at some damage; that is an error of the file, and told as one.
pub(super) fn read(bytes: Vec<u8>, path: &Path, file: &str, reading: &Reading) -> Result<LoggerFile> {
    without_panic(|| decode(bytes, path, file, reading)).unwrap_or_else(|what| {
        Err(Error::file(path, None, format!("no whole Parquet file: its pages are damaged ({what})")))
    })
}

thread_local! {
    /// Whether this thread is where a panic is an answer.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` returns, or what it said as it panicked; nothing is printed then.
fn without_panic<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    static QUIET: Once = Once::new();
    // Set once and passing every other panic on, since a hook belongs to the whole process.
    QUIET.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                others(info);
            }
        }));
    });
    GUARDED.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    outcome.map_err(|what| {
        let text = what.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| what.downcast_ref::<&str>().copied()).unwrap_or("no reason given").to_owned()
    })
}

fn decode(bytes: Vec<u8>, path: &Path, file: &str, reading: &Reading) -> Result<LoggerFile> {
    let fail = |what: String| Error::file(path, None, what);
    let size = bytes.len() as u64;
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes))
        .map_err(|error| fail(format!("no whole Parquet file: {error}")))?;
    let meta = reader.metadata().file_metadata();
    let fields = meta.schema().get_fields();
    let names: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
    // What a header declares is believed only as far as the file is large.
    let rows = u64::try_from(meta.num_rows())
        .map_err(|_negative| fail(format!("its head declares {} rows", meta.num_rows())))?;
    let declared: i64 =
        reader.metadata().row_groups().iter().map(|group| group.total_byte_size().max(0)).fold(0, i64::saturating_add);
    if rows.saturating_mul(names.len().max(1) as u64) > MAX_VALUES as u64 || declared as u64 > super::MAX_BYTES {
        return Err(fail(format!(
            "its head declares {rows} rows of {} columns and {declared} bytes in a file of {size} bytes; expected at most \
             {MAX_VALUES} values and {} bytes",
            names.len(),
            super::MAX_BYTES
        )));
    }
    // The reader takes these places for true and would panic at a negative one.
    for column in reader.metadata().row_groups().iter().flat_map(|group| group.columns()) {
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let length = column.compressed_size();
        let end = start.checked_add(length).and_then(|end| u64::try_from(end).ok());
        if start < 0 || length < 0 || end.is_none_or(|end| end > size) {
            return Err(fail(format!(
                "its head puts column {} at byte {start}, {length} bytes long, of a file of {size} bytes",
                column.column_path()
            )));
        }
    }
    let timely = |name: &String| {
        ["date", "time"].iter().any(|word| name.to_lowercase().contains(word)) || name.starts_with("__index")
    };
    let time_column = names.iter().position(timely).ok_or_else(|| {
        fail(format!("expected a column of times, with \"date\" or \"time\" in its name, got {}", names.join(", ")))
    })?;
    let wanted = |i: &usize| {
        *i != time_column
            && match reading.columns.is_empty() {
                true => signed_depth(&names[*i]).is_some() || names[*i].to_lowercase().contains("temp"),
                false => reading.columns.contains(&names[*i]),
            }
    };
    let columns: Vec<usize> = (0..names.len()).filter(wanted).collect();
    if columns.is_empty() {
        return Err(fail(format!(
            "expected columns of temperatures, named for a depth (5cm, 0.15 m) or with \"temp\", got {}",
            names.join(", ")
        )));
    }
    let mut channels: Vec<Channel> = columns
        .iter()
        .map(|&i| {
            let unit = reading.unit.or_else(|| unit_of(&names[i]));
            Channel {
                name: names[i].clone(),
                file: file.to_owned(),
                depth: signed_depth(&names[i]),
                unit: unit.unwrap_or(Unit::Celsius),
                unit_known: unit.is_some(),
                times: Vec::new(),
                values: Vec::new(),
            }
        })
        .collect();
    let zone = reading.zone.clone().unwrap_or_else(Zone::utc);
    let mut named = true;
    let iter = reader.get_row_iter(None).map_err(|error| fail(format!("cannot read its rows: {error}")))?;
    for (number, row) in iter.enumerate() {
        let at = |what: String| fail(format!("row {}: {what}", number + 1));
        let row = row.map_err(|error| at(error.to_string()))?;
        let values: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
        let moment = match values.get(time_column) {
            Some(Field::TimestampMillis(moment)) => Some(*moment),
            Some(Field::TimestampMicros(moment)) => Some(moment.div_euclid(1000)),
            // This reader tells plain numbers, nanoseconds among them, without their unit: only one puts them into our time.
            Some(Field::Long(moment)) => plausible(*moment),
            Some(Field::Str(text)) => match time::parse(text, reading.day_first) {
                Some(Stamp::Fixed(moment)) => Some(moment),
                Some(Stamp::Civil(civil)) => {
                    named = false;
                    zone.moment(civil, false)
                }
                None => None,
            },
            _ => None,
        };
        let moment = moment.ok_or_else(|| {
            at(format!(
                "expected a time in {}, got {}",
                names[time_column],
                values.get(time_column).map_or(String::new(), |field| field.to_string())
            ))
        })?;
        for (channel, &column) in channels.iter_mut().zip(&columns) {
            let value = match values.get(column) {
                Some(Field::Double(value)) => *value,
                Some(Field::Float(value)) => f64::from(*value),
                Some(Field::Int(value)) => f64::from(*value),
                Some(Field::Null) | None => f64::NAN,
                Some(other) => return Err(at(format!("expected a number in {}, got {other}", channel.name))),
            };
            channel.times.push(moment);
            channel.values.push(channel.unit.celsius(value));
        }
    }
    if channels.iter().all(|channel| channel.values.iter().all(|value| !value.is_finite())) {
        return Err(fail("expected temperatures, there is none".to_owned()));
    }
    let mut findings = Vec::new();
    if !named && reading.zone.is_none() {
        findings.push(Finding::new(
            Kind::Zone,
            file,
            "its times name no time zone and are taken as UTC; give --time-zone if they are not",
        ));
    }
    let ignored =
        (0..names.len()).filter(|i| *i != time_column && !columns.contains(i)).map(|i| names[i].clone()).collect();
    settle_depths(&mut channels);
    Ok(LoggerFile { format: Format::Parquet, channels, ignored, findings })
}

/// Milliseconds since 1970 of a count of s, ms, µs or ns: the unit by which it lies between 1980 and 2200, which is one at most.
fn plausible(count: i64) -> Option<i64> {
    const YEARS: std::ops::Range<i64> = 315_532_800_000..7_258_118_400_000;
    let by = [count.checked_mul(1000), Some(count), Some(count.div_euclid(1000)), Some(count.div_euclid(1_000_000))];
    by.into_iter().flatten().find(|moment| YEARS.contains(moment))
}
