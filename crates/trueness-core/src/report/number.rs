//! Numbers in words: how many digits a value and its interval deserve.

use crate::estimate::{Estimate, LEVEL};

/// The parts of an estimate as text.
pub(super) struct Parts {
    /// The value, or "–".
    pub(super) value: String,
    /// The interval in brackets, where there is one.
    pub(super) interval: Option<String>,
    /// The unit; empty for a pure number.
    pub(super) unit: String,
}

/// An estimate as text: the value, its interval in brackets and its unit, for example `0.21 [0.19, 0.23] m`.
///
/// The last digit shown is no coarser than a third of the interval's width, and at most six digits are
/// significant. A missing value is `–`. An interval whose level is not [`LEVEL`] says so. A value that ought to
/// have an interval and has none (one seed) shows `[–, –]`.
pub fn format_estimate(estimate: &Estimate) -> String {
    let parts = parts(estimate);
    let mut text = parts.value;
    if let Some(interval) = parts.interval {
        text = format!("{text} {interval}");
    }
    if !parts.unit.is_empty() {
        text = format!("{text} {}", parts.unit);
    }
    text
}

/// The value alone, with the digits that [`format_estimate`] gives it and without unit.
pub fn format_value(estimate: &Estimate) -> String {
    parts(estimate).value
}

/// The parts of an estimate as text.
pub(super) fn parts(estimate: &Estimate) -> Parts {
    let Some(value) = estimate.value.filter(|v| v.is_finite()) else {
        return Parts { value: "–".to_owned(), interval: None, unit: String::new() };
    };
    let (value, mut interval) = interval(value, estimate.low, estimate.high, estimate.level.is_some());
    if let (Some(text), Some(level)) = (&mut interval, estimate.level)
        && level.is_finite()
        && (level - LEVEL).abs() > 1e-9
    {
        text.push_str(&format!(" ({} %)", plain(level * 100.0)));
    }
    Parts { value, interval, unit: super::text::line(&estimate.unit) }
}

/// A value and its interval as text. `expected` says whether a value without an interval ought to have one.
pub(super) fn interval(value: f64, low: Option<f64>, high: Option<f64>, expected: bool) -> (String, Option<String>) {
    let (low, high) = (low.filter(|x| x.is_finite()), high.filter(|x| x.is_finite()));
    if low.is_none() && high.is_none() {
        return (plain(value), expected.then(|| "[–, –]".to_owned()));
    }
    let largest = [Some(value), low, high].into_iter().flatten().map(f64::abs).fold(0.0, f64::max);
    let width = high.unwrap_or(value) - low.unwrap_or(value);
    // Counts that agree, over seeds for example, are counts still.
    let agree = width == 0.0 && value == value.round();
    let decimals = if agree { 0 } else { decimals(width / 3.0, largest) };
    let show = |x: Option<f64>| x.map_or("–".to_owned(), |x| digits(x, decimals, largest));
    (show(Some(value)), Some(format!("[{}, {}]", show(low), show(high))))
}

/// A number without an interval: an integer in full, anything else with four significant digits at most.
pub(super) fn plain(x: f64) -> String {
    if !x.is_finite() {
        return "–".to_owned();
    }
    if x == x.round() && x.abs() < 1e12 {
        return digits(x, 0, x.abs());
    }
    let text = digits(x, decimals(x.abs() * 1e-3, x.abs()), x.abs());
    match text.split_once('e') {
        None if text.contains('.') => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        Some((mantissa, exponent)) if mantissa.contains('.') => {
            format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// How many decimals make the last digit no coarser than `step`, with at most six significant digits in
/// `largest`. Negative decimals round to tens, hundreds and so on.
fn decimals(step: f64, largest: f64) -> i32 {
    if largest == 0.0 {
        return 0;
    }
    let most = 5 - exponent(largest);
    if step > 0.0 && step.is_finite() { (-exponent(step)).min(most) } else { most }
}

/// The power of ten at or below a positive number.
fn exponent(x: f64) -> i32 {
    x.max(f64::MIN_POSITIVE).log10().floor() as i32
}

/// A number with a fixed count of decimals. Where the largest of the numbers shown together is tiny or huge, all
/// of them are written as powers of ten.
pub(super) fn digits(x: f64, decimals: i32, largest: f64) -> String {
    let text = if x != 0.0 && !(1e-4..1e12).contains(&largest) {
        format!("{:.*e}", (decimals.saturating_add(exponent(x.abs()))).clamp(0, 15) as usize, x)
    } else if decimals >= 0 {
        grouped(&format!("{x:.*}", decimals.min(20) as usize))
    } else {
        let unit = 10f64.powi(-decimals);
        grouped(&format!("{:.0}", (x / unit).round() * unit))
    };
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        Some(rest) => format!("−{}", rest.replace("e-", "e−")),
        None => text.replace("e-", "e−"),
    }
}

/// Commas between groups of three digits, from four digits before the point.
fn grouped(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let whole = rest.split('.').next().unwrap_or(rest);
    if whole.len() < 4 {
        return text.to_owned();
    }
    let mut out = sign.to_owned();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out.push_str(&rest[whole.len()..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(value: f64, low: f64, high: f64) -> String {
        format_estimate(&Estimate::interval(value, low, high, 5, ""))
    }

    #[test]
    fn digits_follow_the_width_of_the_interval() {
        assert_eq!(shown(0.2134, 0.1912, 0.2345), "0.21 [0.19, 0.23]");
        assert_eq!(shown(0.2134, 0.2034, 0.2234), "0.213 [0.203, 0.223]");
        assert_eq!(shown(38.123, 35.2, 41.7), "38 [35, 42]");
        assert_eq!(shown(12_345.0, 11_020.0, 13_480.0), "12,300 [11,000, 13,500]");
        assert_eq!(shown(-0.13, -0.16, 0.0), "−0.13 [−0.16, 0.00]");
        assert_eq!(shown(2.13e-5, 1.91e-5, 2.34e-5), "2.1e−5 [1.9e−5, 2.3e−5]");
        assert_eq!(shown(0.5, 0.5, 0.5), "0.500000 [0.500000, 0.500000]");
        assert_eq!(shown(4.0, 4.0, 4.0), "4 [4, 4]");
    }

    #[test]
    fn exact_missing_and_lonely_values_are_told_apart() {
        assert_eq!(format_estimate(&Estimate::count(21_200)), "21,200");
        assert_eq!(format_estimate(&Estimate::exact(1.0 / 3.0, "").unit("m")), "0.3333 m");
        assert_eq!(format_estimate(&Estimate::exact(0.125, "")), "0.125");
        assert_eq!(format_estimate(&Estimate::missing("")), "–");
        assert_eq!(format_estimate(&Estimate::mean(&[0.25], "seeds")), "0.25 [–, –]");
        let at_95 = Estimate { level: Some(0.95), ..Estimate::interval(0.5, 0.4, 0.6, 9, "") };
        assert_eq!(format_estimate(&at_95), "0.50 [0.40, 0.60] (95 %)");
    }

    fn read(text: &str) -> f64 {
        text.replace('−', "-").replace(',', "").parse().unwrap()
    }

    proptest! {
        #[test]
        fn what_is_shown_lies_within_a_sixth_of_the_interval(value in -1e6..1e6f64, width in 1e-3..1e5f64) {
            let estimate = Estimate::interval(value, value - width / 2.0, value + width / 2.0, 5, "");
            let tolerance = (width / 6.0).max(value.abs() * 1e-5) * 1.0001;
            prop_assert!((read(&format_value(&estimate)) - value).abs() <= tolerance);
        }

        #[test]
        fn any_float_gives_a_short_text_without_nan(x in any::<f64>(), low in any::<f64>(), high in any::<f64>()) {
            let text = format_estimate(&Estimate::interval(x, low, high, 5, "")).to_lowercase();
            prop_assert!(!text.contains("nan") && !text.contains("inf") && text.len() < 80, "{}", text);
        }
    }
}
