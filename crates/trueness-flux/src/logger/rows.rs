//! Files of text: one row a time.

use super::clean::{Finding, Kind};
use super::time::{self, Stamp, Zone};
use super::{Channel, Format, LoggerFile, MAX_VALUES, Reading, Unit};
use crate::{Error, Result};
use std::path::Path;

/// Where the rows begin, and what their columns are.
struct Layout {
    format: Format,
    separator: u8,
    /// The line of the first row, counted from 0.
    first: usize,
    names: Vec<String>,
    /// Units by column, empty where there are none.
    units: Vec<String>,
}

/// The cells of one line.
fn cells(line: &str, separator: u8) -> Vec<String> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => record.iter().map(|cell| cell.trim().to_owned()).collect(),
        _ => Vec::new(),
    }
}

/// The separator that a line uses: the one of tab, semicolon and comma that it holds most of, and tab first.
fn separator(line: &str) -> u8 {
    let count = |separator: u8| line.bytes().filter(|&byte| byte == separator).count();
    [b'\t', b';', b','].into_iter().rev().max_by_key(|&separator| count(separator)).unwrap_or(b',')
}

fn layout(lines: &[&str], path: &Path) -> Result<Layout> {
    let at = |i: usize| lines.get(i).copied().unwrap_or_default();
    let plain = |format: Format, head: usize, first: usize, units: Vec<String>| {
        let separator = separator(at(head));
        Layout { format, separator, first, names: cells(at(head).trim_start_matches(['#', ' ']), separator), units }
    };
    if at(0).trim_start_matches('"').starts_with("TOA5") {
        if lines.len() < 5 {
            return Err(Error::file(
                path,
                Some(lines.len() as u64),
                "expected four head lines of TOA5 and rows after them",
            ));
        }
        return Ok(plain(Format::Toa5, 1, 4, cells(at(2), b',')));
    }
    // HOBO: the head's first cell is "#", after a title or not.
    let head = lines.iter().take(60).position(|line| line.starts_with("\"#\",") || line.starts_with("#,"));
    if let Some(head) = head {
        let separator = separator(at(head));
        let format =
            if at(0).contains("Plot Title") || at(head).starts_with('"') { Format::Hobo } else { Format::HoboConnect };
        return Ok(Layout { format, separator, first: head + 1, names: cells(at(head), separator), units: Vec::new() });
    }
    let button = |line: &&str| {
        line.trim_start_matches('"').to_ascii_lowercase().starts_with("date/time") && line.contains("Unit")
    };
    if let Some(head) = lines.iter().take(60).position(button) {
        return Ok(plain(Format::IButton, head, head + 1, Vec::new()));
    }
    let head = lines.iter().position(|line| line.starts_with("agency_cd\t"));
    if let Some(head) = head {
        return Ok(plain(Format::Rdb, head, head + 2, Vec::new()));
    }
    // Plain values: the head is the last line before the first row that begins with a time.
    let row = |line: &&str| {
        cells(line, separator(line))
            .first()
            .is_some_and(|cell| time::parse(cell, false).or(time::parse(cell, true)).is_some())
    };
    match lines.iter().take(200).position(row) {
        Some(0) => Err(Error::file(path, Some(1), "expected a head that names the columns, got a row of values")),
        Some(first) => {
            let head = (0..first).rev().find(|&i| !lines[i].trim().is_empty()).unwrap_or(0);
            Ok(plain(Format::Csv, head, first, Vec::new()))
        }
        None => Err(Error::file(
            path,
            Some(1),
            format!(
                "expected a head and rows that begin with a time such as 2024-05-01 12:00, got {:?}",
                at(0).chars().take(60).collect::<String>()
            ),
        )),
    }
}

/// The depth that a name tells, in m with its sign: a number with a unit of length, such as `-5cm`, `0.15 m`, `6 in`.
pub(super) fn signed_depth(name: &str) -> Option<f64> {
    let bytes = name.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        let begins = bytes[start].is_ascii_digit()
            || (bytes[start] == b'.' && bytes.get(start + 1).is_some_and(u8::is_ascii_digit));
        if !begins {
            start += 1;
            continue;
        }
        let end =
            (start..bytes.len()).find(|&i| !(bytes[i].is_ascii_digit() || bytes[i] == b'.')).unwrap_or(bytes.len());
        let unit: String =
            name[end..].trim_start_matches([' ', '_']).chars().take_while(char::is_ascii_alphabetic).collect();
        let metres = match unit.to_ascii_lowercase().as_str() {
            "cm" => Some(0.01),
            "mm" => Some(0.001),
            "m" | "meter" | "metre" | "meters" | "metres" => Some(1.0),
            "in" | "inch" | "inches" => Some(0.0254),
            "ft" | "feet" | "foot" => Some(0.3048),
            _ => None,
        };
        if let (Some(metres), Ok(number)) = (metres, name[start..end].parse::<f64>()) {
            // A minus that joins words is none.
            let minus =
                start > 0 && bytes[start - 1] == b'-' && (start < 2 || !bytes[start - 2].is_ascii_alphanumeric());
            return Some(if minus { -number * metres } else { number * metres });
        }
        start = end;
    }
    None
}

/// Depths below the bed: where all signs are negative they are elevations, where some are, those sensors are above the bed.
pub(super) fn settle_depths(channels: &mut [Channel]) {
    if channels.iter().all(|channel| channel.depth.is_some_and(|depth| depth <= 0.0)) {
        for channel in channels {
            channel.depth = channel.depth.map(|depth| -depth + 0.0);
        }
    }
}

/// The unit that words tell.
pub(super) fn unit_of(words: &str) -> Option<Unit> {
    let lower = words.to_lowercase();
    let any = |marks: &[&str]| marks.iter().any(|mark| lower.contains(mark));
    // What stands before the letter is a degree sign in whatever encoding.
    let letter = |wanted: char| {
        let mut before = ' ';
        lower.chars().zip(lower.chars().skip(1).chain([' '])).any(|(c, after)| {
            let found = c == wanted && !after.is_alphanumeric() && matches!(before, '°' | 'º' | '\u{fffd}' | '*');
            before = c;
            found
        })
    };
    let exact = lower.trim();
    if any(&["degf", "deg f", "deg_f", "fahrenheit"]) || letter('f') || matches!(exact, "f" | "[f]" | "(f)") {
        Some(Unit::Fahrenheit)
    } else if any(&["degc", "deg c", "deg_c", "celsius"]) || letter('c') || matches!(exact, "c" | "[c]" | "(c)") {
        Some(Unit::Celsius)
    } else {
        None
    }
}

/// Which columns hold temperatures.
fn chosen(layout: &Layout, time_column: usize, reading: &Reading, path: &Path) -> Result<Vec<usize>> {
    let names = &layout.names;
    if !reading.columns.is_empty() {
        let found: Vec<usize> = (0..names.len()).filter(|&i| reading.columns.contains(&names[i])).collect();
        return match found.is_empty() {
            true => Err(Error::file(
                path,
                None,
                format!("no column is called {}; there are {}", reading.columns.join(" or "), names.join(", ")),
            )),
            false => Ok(found),
        };
    }
    let lower = |i: usize| names[i].to_lowercase();
    let others =
        ["head", "pressure", "stage", "batt", "volt", "rssi", "host", "record", "serial", "flag", "level", "_cd"];
    let other = |i: usize| others.iter().any(|word| lower(i).contains(word));
    let after: Vec<usize> = (0..names.len()).filter(|&i| i > time_column && !names[i].is_empty()).collect();
    let temperatures = |i: &usize| match layout.format {
        Format::Rdb => lower(*i).ends_with("_00010"),
        Format::IButton => lower(*i).starts_with("value"),
        _ => {
            !other(*i)
                && (lower(*i).contains("temp")
                    || lower(*i).starts_with("t_")
                    || unit_of(&names[*i]).is_some()
                    || layout.units.get(*i).and_then(|unit| unit_of(unit)).is_some())
        }
    };
    let found: Vec<usize> = after.iter().copied().filter(temperatures).collect();
    let deep: Vec<usize> = after.iter().copied().filter(|&i| !other(i) && signed_depth(&names[i]).is_some()).collect();
    let found = if deep.len() >= found.len() && layout.format == Format::Csv { deep } else { found };
    if found.is_empty() {
        return Err(Error::file(
            path,
            Some(layout.first as u64),
            format!(
                "expected columns of temperatures, named for a depth (5cm, 0.15 m) or with \"temp\", got {}; name them with \
                 --columns",
                names.join(", ")
            ),
        ));
    }
    Ok(found)
}

/// The zone that a head tells, as HOBO's `Date Time, GMT-07:00` does.
fn told_zone(head: &str) -> Option<Zone> {
    let start = head.find("GMT").or_else(|| head.find("UTC"))?;
    let name: String =
        head[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | ':')).collect();
    Zone::parse(&name).ok()
}

pub(super) fn read(text: &str, path: &Path, file: &str, reading: &Reading) -> Result<LoggerFile> {
    // Comments are no rows, but count as lines.
    let comment = |line: &str| line.starts_with("# ") && !line.starts_with("# Date");
    let (numbers, lines): (Vec<u64>, Vec<&str>) = (1..).zip(text.lines()).filter(|(_, line)| !comment(line)).unzip();
    if lines.iter().all(|line| line.trim().is_empty()) {
        return Err(Error::file(path, None, "expected rows of times and temperatures, the file is empty"));
    }
    let layout = layout(&lines, path)?;
    let is_time = |name: &String| {
        let lower = name.to_lowercase();
        lower.contains("date") || lower.contains("time")
    };
    let time_column = layout.names.iter().position(is_time).unwrap_or(0);
    let columns = chosen(&layout, time_column, reading, path)?;
    let zone_column = layout.names.iter().position(|name| name == "tz_cd");
    let unit_column = layout.names.iter().position(|name| name == "Unit").filter(|_| layout.format == Format::IButton);
    let day_first = reading.day_first
        || lines[layout.first.min(lines.len())..]
            .iter()
            .any(|line| cells(line, layout.separator).get(time_column).is_some_and(|cell| time::tells_day_first(cell)));
    let mut findings = Vec::new();
    let told = told_zone(&layout.names[time_column]);
    let unzoned = told.is_none() && reading.zone.is_none() && zone_column.is_none();
    let mut civil_times = false;
    let mut zone = told.or_else(|| reading.zone.clone()).unwrap_or_else(Zone::utc);
    let mut row_zone = String::new();
    let mut channels: Vec<Channel> = columns
        .iter()
        .map(|&i| {
            let words = format!("{} {}", layout.names[i], layout.units.get(i).map_or("", String::as_str));
            let unit = reading
                .unit
                .or_else(|| unit_of(&words))
                .or_else(|| unit_of(layout.units.get(i).map_or("", String::as_str)));
            Channel {
                name: layout.names[i].clone(),
                file: file.to_owned(),
                depth: signed_depth(&layout.names[i]),
                unit: unit.unwrap_or(Unit::Celsius),
                unit_known: unit.is_some() || layout.format == Format::Rdb,
                times: Vec::new(),
                values: Vec::new(),
            }
        })
        .collect();
    if lines.len().saturating_mul(channels.len()) > MAX_VALUES {
        return Err(Error::file(path, None, format!("expected at most {MAX_VALUES} values")));
    }
    let mut last: Option<(i64, jiff::civil::DateTime)> = None;
    let (mut unread, mut first_unread) = (0u64, String::new());
    for (line, &number) in lines.iter().zip(&numbers).skip(layout.first) {
        if line.trim().is_empty() {
            continue;
        }
        let row = cells(line, layout.separator);
        let cell = |i: usize| row.get(i).map_or("", String::as_str);
        let Some(stamp) = time::parse(cell(time_column), day_first) else {
            return Err(Error::file(
                path,
                Some(number),
                format!(
                    "expected a time in column {} ({}), got {:?}",
                    time_column + 1,
                    layout.names[time_column],
                    cell(time_column).chars().take(40).collect::<String>()
                ),
            ));
        };
        if let Some(column) = zone_column
            && cell(column) != row_zone
        {
            row_zone = cell(column).to_owned();
            zone = Zone::parse(&row_zone).map_err(|error| Error::file(path, Some(number), error.to_string()))?;
        }
        let moment = match stamp {
            Stamp::Fixed(moment) => Some(moment),
            Stamp::Civil(civil) => {
                civil_times = true;
                // An hour that the clock shows twice: once it has run back, it is the later one.
                let again = zone.twice(civil) && last.is_some_and(|(_, before)| civil <= before)
                    || zone.twice(civil)
                        && last.is_some_and(|(moment, before)| {
                            zone.twice(before) && zone.moment(before, true) == Some(moment)
                        });
                let moment = zone.moment(civil, again);
                last = moment.map(|moment| (moment, civil));
                moment
            }
        };
        let Some(moment) = moment else {
            return Err(Error::file(path, Some(number), "the time is out of range"));
        };
        for (channel, &column) in channels.iter_mut().zip(&columns) {
            if let Some(column) = unit_column
                && let Some(unit) = unit_of(cell(column))
            {
                channel.unit = reading.unit.unwrap_or(unit);
                channel.unit_known = true;
            }
            let text = cell(column);
            let value = match text {
                "" | "NaN" | "nan" | "NAN" | "NA" | "null" | "Logged" | "Eqp" | "Ice" | "***" => f64::NAN,
                text => match text.parse::<f64>().or_else(|_| text.replacen(',', ".", 1).parse()) {
                    Ok(value) => value,
                    Err(_) => {
                        unread += 1;
                        if first_unread.is_empty() {
                            first_unread = format!(
                                "line {number}, {}: {:?}",
                                channel.name,
                                text.chars().take(30).collect::<String>()
                            );
                        }
                        f64::NAN
                    }
                },
            };
            channel.times.push(moment);
            channel.values.push(channel.unit.celsius(value));
        }
    }
    if channels.iter().all(|channel| channel.values.iter().all(|value| !value.is_finite())) {
        return Err(Error::file(
            path,
            None,
            "expected temperatures after the head, there is none: the file may be truncated",
        ));
    }
    if unzoned && civil_times {
        let what = "its times name no time zone and are taken as UTC; give --time-zone if they are not";
        findings.push(Finding::new(Kind::Zone, file, what));
    }
    if unread > 0 {
        findings.push(
            Finding::new(Kind::Unread, file, format!("{unread} cells are no numbers, the first in {first_unread}"))
                .count(unread),
        );
    }
    if !text.ends_with('\n')
        && lines.last().is_some_and(|line| cells(line, layout.separator).len() < layout.names.len())
        && layout.format != Format::Hobo
    {
        findings.push(Finding::new(Kind::Truncated, file, "its last line breaks off: the file may be truncated"));
    }
    let used =
        |i: &usize| columns.contains(i) || *i == time_column || Some(*i) == unit_column || Some(*i) == zone_column;
    let ignored = (0..layout.names.len()).filter(|i| !used(i)).map(|i| layout.names[i].clone()).collect();
    settle_depths(&mut channels);
    Ok(LoggerFile { format: layout.format, channels, ignored, findings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_and_units_stand_in_names() {
        for (name, depth) in [
            ("5cm", Some(0.05)),
            ("-15cm", Some(-0.15)),
            ("0.25 m", Some(0.25)),
            ("temp_10_cm", Some(0.1)),
            ("rod-12cm", Some(0.12)),
            ("6 in", Some(0.1524)),
            ("Temp, °C (LGR S/N: 10172)", None),
            ("depth", None),
        ] {
            let found = signed_depth(name);
            assert!(
                found.zip(depth).is_some_and(|(a, b)| (a - b).abs() < 1e-12) || found == depth,
                "{name}: {found:?}"
            );
        }
        for (words, unit) in [
            ("Temp, °C (LGR S/N: 1)", Some(Unit::Celsius)),
            ("Temp, \u{fffd}F (x)", Some(Unit::Fahrenheit)),
            ("Temperature (*F)", Some(Unit::Fahrenheit)),
            ("Deg C", Some(Unit::Celsius)),
            ("F", Some(Unit::Fahrenheit)),
            ("Coupler", None),
        ] {
            assert_eq!(unit_of(words), unit, "{words}");
        }
    }
}
