//! Times as loggers write them.

use crate::{Error, Result};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

/// A time zone: a fixed offset from UTC, or a place with its rules of daylight saving.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// A zone by its name: `UTC`, `GMT-07:00`, `-0700`, `PDT`, `America/Los_Angeles`.
    ///
    /// # Errors
    /// [`Error::Input`] for a zone that is none.
    pub fn parse(name: &str) -> Result<Self> {
        let trimmed = name.trim();
        let rest = ["GMT", "UTC"].iter().find_map(|prefix| trimmed.strip_prefix(prefix)).unwrap_or(trimmed);
        if rest.is_empty() && !trimmed.is_empty() || matches!(trimmed, "Z" | "z") {
            return Ok(Self::utc());
        }
        if let Some(seconds) = offset(rest) {
            return Self::fixed(seconds, trimmed);
        }
        // The abbreviations of USGS files; hours from UTC.
        let hours = match trimmed {
            "AST" | "EDT" => -4,
            "EST" | "CDT" => -5,
            "CST" | "MDT" => -6,
            "MST" | "PDT" => -7,
            "PST" | "AKDT" => -8,
            "AKST" => -9,
            "HST" => -10,
            "CET" => 1,
            "CEST" => 2,
            _ => {
                return TimeZone::get(trimmed).map(Self).map_err(|_unknown| {
                    Error::Input(format!(
                        "time zone: expected UTC, an offset such as -07:00, or a name such as America/Los_Angeles, got \
                         {name:?}"
                    ))
                });
            }
        };
        Self::fixed(hours * 3600, trimmed)
    }

    fn fixed(seconds: i32, name: &str) -> Result<Self> {
        let offset = Offset::from_seconds(seconds)
            .map_err(|_far| Error::Input(format!("time zone: {name:?} is further from UTC than any")))?;
        Ok(Self(TimeZone::fixed(offset)))
    }

    /// The moment of a civil time, in ms since 1970 UTC. A time that the clock skips counts as if it had not, and of one
    /// that the clock shows twice it is the first, unless `later`.
    pub(super) fn moment(&self, civil: DateTime, later: bool) -> Option<i64> {
        let ambiguous = self.0.to_ambiguous_timestamp(civil);
        let stamp = if later && ambiguous.is_ambiguous() { ambiguous.later() } else { ambiguous.compatible() };
        Some(stamp.ok()?.as_millisecond())
    }

    /// Whether the clock shows this time twice.
    pub(super) fn twice(&self, civil: DateTime) -> bool {
        matches!(self.0.to_ambiguous_timestamp(civil).offset(), jiff::tz::AmbiguousOffset::Fold { .. })
    }
}

/// Seconds of `+hh:mm`, `-hhmm` or `+hh`.
fn offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = match (rest.split_once(':'), rest.len()) {
        (Some((hours, minutes)), _) => (hours, minutes),
        (None, 4) if rest.is_ascii() => rest.split_at(2),
        (None, 1 | 2) => (rest, "0"),
        _ => return None,
    };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..24).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 3600 + minutes * 60))
}

/// A time as read: a civil one, or one with its own offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stamp {
    Civil(DateTime),
    Fixed(i64),
}

/// A time in one of the ways that loggers write it: `2019-04-17 14:03:00`, `2019-04-17T14:03:00-07:00`, `04/17/19 02:03:00 PM`,
/// `4/17/2019 14:03`, `17.04.2019 14:03:00`. With `day_first` 4/5/2019 is the fourth of May.
pub(super) fn parse(text: &str, day_first: bool) -> Option<Stamp> {
    let text = text.trim().trim_matches('"');
    let end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let (date, rest) = text.split_at(end);
    let date = calendar(date, day_first)?;
    let rest = rest.trim_start_matches(['T', 't', ' ']).trim_end();
    if rest.is_empty() {
        return Some(Stamp::Civil(date.at(0, 0, 0, 0)));
    }
    let clock_end = rest.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(rest.len());
    let (clock, tail) = rest.split_at(clock_end);
    let mut parts = clock.split(':');
    let (hour, minute) = (parts.next()?.parse::<i8>().ok()?, parts.next()?.parse::<i8>().ok()?);
    let seconds: f64 = parts.next().map_or(Some(0.0), |text| text.parse().ok())?;
    if parts.next().is_some() || !(0.0..60.0).contains(&seconds) {
        return None;
    }
    let tail = tail.trim();
    let upper = tail.to_ascii_uppercase();
    let (hour, zone) = match upper.as_str() {
        "AM" | "PM" if !(1..=12).contains(&hour) => return None,
        "AM" => (hour % 12, None),
        "PM" => (hour % 12 + 12, None),
        "" => (hour, None),
        _ => (hour, Some(Zone::parse(tail).ok()?)),
    };
    // The end of a day is the begin of the next one.
    let (date, hour) = if hour == 24 && minute == 0 { (date.tomorrow().ok()?, 0) } else { (date, hour) };
    let milliseconds = (seconds * 1000.0).round() as i32;
    let time = Time::new(hour, minute, (milliseconds / 1000).min(59) as i8, milliseconds % 1000 * 1_000_000).ok()?;
    let civil = DateTime::from_parts(date, time);
    Some(match zone {
        Some(zone) => Stamp::Fixed(zone.moment(civil, false)?),
        None => Stamp::Civil(civil),
    })
}

/// Whether dates of this text tell the day first: their first number is above 12.
pub(super) fn tells_day_first(text: &str) -> bool {
    let text = text.trim().trim_matches('"');
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    matches!(text[..end].parse::<u32>(), Ok(13..=31)) && text[end..].starts_with(['/', '.', '-'])
}

fn calendar(text: &str, day_first: bool) -> Option<Date> {
    let separator = text.chars().find(|c| !c.is_ascii_digit())?;
    if !matches!(separator, '-' | '/' | '.') {
        return None;
    }
    let mut parts = text.split(separator);
    let mut next = || -> Option<i16> { parts.next()?.parse().ok() };
    let (a, b, c) = (next()?, next()?, next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, month, day) = if a > 31 {
        (a, b, c)
    } else if day_first || separator == '.' {
        (c, b, a)
    } else {
        (c, a, b)
    };
    // Two digits: 69 and later are of the last century, as POSIX has it.
    let year = match year {
        0..=68 => year + 2000,
        69..=99 => year + 1900,
        _ => year,
    };
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// A moment in ms since 1970 as RFC 3339 in UTC, for example `2019-04-17T14:03:00Z`.
pub fn rfc3339(moment: i64) -> String {
    Timestamp::from_millisecond(moment).map_or_else(|_| moment.to_string(), |stamp| stamp.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str, day_first: bool) -> Option<String> {
        Some(match parse(text, day_first)? {
            Stamp::Civil(civil) => rfc3339(Zone::utc().moment(civil, false)?),
            Stamp::Fixed(moment) => rfc3339(moment),
        })
    }

    #[test]
    fn the_ways_of_loggers_are_understood() {
        let expected = Some("2019-04-17T14:03:00Z".to_owned());
        for text in [
            "2019-04-17 14:03:00",
            "2019-04-17T14:03:00",
            "2019-04-17T07:03:00-07:00",
            "2019-04-17T14:03:00.000Z",
            "04/17/19 02:03:00 PM",
            "4/17/2019 14:03",
            "17.04.2019 14:03:00",
            "2019/04/17 14:03",
            "\"2019-04-17 14:03:00\"",
        ] {
            assert_eq!(moment(text, false), expected, "{text}");
        }
        assert_eq!(moment("17/04/2019 14:03", true), expected);
        assert_eq!(moment("2019-04-17 24:00", false), Some("2019-04-18T00:00:00Z".to_owned()));
        assert_eq!(moment("12/31/19 12:00:00 AM", false), Some("2019-12-31T00:00:00Z".to_owned()));
        for text in ["", "x", "2019-13-01 00:00", "2019-04-17 25:00", "14:03", "04/17/19 13:00 PM", "2019-04", "5.1"] {
            assert_eq!(moment(text, false), None, "{text}");
        }
        assert!(
            tells_day_first("17/04/2019 14:03") && !tells_day_first("04/17/2019") && !tells_day_first("2019-04-17")
        );
    }

    #[test]
    fn zones_are_offsets_and_places() {
        let noon = DateTime::constant(2019, 7, 1, 12, 0, 0, 0);
        for (name, expected) in [
            ("UTC", "2019-07-01T12:00:00Z"),
            ("GMT-07:00", "2019-07-01T19:00:00Z"),
            ("+0100", "2019-07-01T11:00:00Z"),
            ("PDT", "2019-07-01T19:00:00Z"),
            ("America/Los_Angeles", "2019-07-01T19:00:00Z"),
        ] {
            assert_eq!(rfc3339(Zone::parse(name).unwrap().moment(noon, false).unwrap()), expected, "{name}");
        }
        for name in ["", "nowhere", "+25:00", "GMT+1:99"] {
            assert!(Zone::parse(name).is_err(), "{name:?}");
        }
        // On 3 November 2019 the clocks of the American west coast showed one to two o'clock twice.
        let zone = Zone::parse("America/Los_Angeles").unwrap();
        let night = DateTime::constant(2019, 11, 3, 1, 30, 0, 0);
        assert!(zone.twice(night) && !zone.twice(noon));
        assert_eq!(zone.moment(night, true).unwrap() - zone.moment(night, false).unwrap(), 3_600_000);
    }
}
