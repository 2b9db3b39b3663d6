//! From values to places along an axis, and the ticks of an axis.

use super::{Axis, Scale};
use crate::report::number;

/// Values are cut to this size, so that no sum or difference of two overflows.
const LARGEST: f64 = 1e300;
/// The least positive value on a logarithmic axis.
const SMALLEST: f64 = 1e-300;

/// The map from values to places in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ruler {
    low: f64,
    high: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Ruler {
    /// A ruler that shows all values (those that its scale can show), with a little space around them, from the
    /// place `from` to the place `to`. `zero` asks that 0 be shown.
    pub(super) fn new(axis: &Axis, values: impl Iterator<Item = f64>, zero: bool, from: f64, to: f64) -> Self {
        let log = axis.scale == Scale::Log;
        let (mut low, mut high) = values
            .filter_map(|v| scaled(v, log))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if zero && !log {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        let span = high - low;
        let (at_zero, below_zero) = (low == 0.0, high == 0.0);
        if span <= 1e-9 * low.abs().max(high.abs()) || span < 1e-280 {
            let around = if log { 0.5 } else { low.abs().max(high.abs()).max(1e-270) * 0.1 };
            (low, high) = (low - around, high + around);
        } else {
            // Bars stand on the axis itself; anything else gets air on both sides.
            low -= if zero && at_zero { 0.0 } else { 0.05 * span };
            high += if zero && below_zero { 0.0 } else { 0.05 * span };
        }
        if let Some((a, b)) = axis.range
            && let (Some(a), Some(b)) = (scaled(a, log), scaled(b, log))
            && a < b
            && b - a > 1e-9 * a.abs().max(b.abs())
            && b - a > 1e-280
        {
            (low, high) = (a, b);
        }
        Self { low, high, log, from, to }
    }

    /// The place of a value, or `None` if the scale cannot show it. It may lie beyond the ends.
    pub(super) fn at(&self, value: f64) -> Option<f64> {
        // What lies far beyond the ends would only make long numbers; it is cut off anyway.
        let t = ((scaled(value, self.log)? - self.low) / (self.high - self.low)).clamp(-20.0, 20.0);
        Some(self.from + t * (self.to - self.from))
    }

    /// The value at a place.
    pub(super) fn value(&self, place: f64) -> f64 {
        let value = self.low + (place - self.from) / (self.to - self.from) * (self.high - self.low);
        if self.log { 10f64.powf(value) } else { value }
    }

    /// Whether a place lies between the ends.
    pub(super) fn shows(&self, place: f64) -> bool {
        place >= self.from.min(self.to) - 0.01 && place <= self.from.max(self.to) + 0.01
    }

    /// The place where bars stand: at 0, or at the end of the axis nearest to it.
    pub(super) fn base(&self) -> f64 {
        if self.log {
            return self.from;
        }
        let t = ((0.0 - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.from + t * (self.to - self.from)
    }

    /// About `count` ticks: places and labels.
    pub(super) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let values = if self.log { self.log_ticks(count) } else { self.linear_ticks(self.low, self.high, count) };
        values
            .into_iter()
            .filter_map(|(value, label)| self.at(value).map(|place| (place, label)))
            .filter(|(place, _)| self.shows(*place))
            .collect()
    }

    fn linear_ticks(&self, low: f64, high: f64, count: usize) -> Vec<(f64, String)> {
        let raw = (high - low) / count.max(1) as f64;
        let magnitude = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * magnitude).into_iter().find(|s| *s >= raw * 0.999);
        let Some(step) = step.filter(|s| s.is_normal()) else { return Vec::new() };
        let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
        if !(last - first).is_finite() || last - first > 100.0 {
            return Vec::new();
        }
        let largest = low.abs().max(high.abs());
        let decimals = -((step * 1.001).log10().floor() as i32);
        (0..=(last - first) as usize)
            .map(|i| (first + i as f64) * step)
            .map(|v| (v, number::digits(v, decimals, largest)))
            .collect()
    }

    fn log_ticks(&self, count: usize) -> Vec<(f64, String)> {
        let (first, last) = (self.low.floor() as i32, self.high.ceil() as i32);
        let per_decade: &[f64] = match self.high - self.low {
            span if span <= 1.0 => &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
            span if span <= 2.0 && count > 4 => &[1.0, 2.0, 5.0],
            span if span <= 3.0 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let every = ((last - first) as usize / count.max(1)).max(1);
        let ticks: Vec<(f64, String)> = (first..=last)
            .step_by(every)
            .flat_map(|e| per_decade.iter().map(move |m| (m * 10f64.powi(e), power_label(*m, e))))
            .filter(|(v, _)| v.log10() >= self.low - 1e-9 && v.log10() <= self.high + 1e-9)
            .collect();
        if ticks.len() >= 2 {
            return ticks;
        }
        // Within a narrow span the places of round numbers do as well as powers.
        self.linear_ticks(10f64.powf(self.low), 10f64.powf(self.high), count)
    }
}

/// A value as its axis sees it, or `None` if it cannot be shown.
fn scaled(value: f64, log: bool) -> Option<f64> {
    match (value.is_finite(), log) {
        (false, _) => None,
        (true, false) => Some(value.clamp(-LARGEST, LARGEST)),
        (true, true) => (value > 0.0).then(|| value.clamp(SMALLEST, LARGEST).log10()),
    }
}

/// A power of ten times a small factor: in full between .001 and 100,000, beyond as 10ⁿ.
fn power_label(factor: f64, exponent: i32) -> String {
    if (-3..=5).contains(&exponent) {
        return number::plain(factor * 10f64.powi(exponent));
    }
    let raised: String = exponent
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            digit => char::from_u32(0x2070 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit),
        })
        .collect();
    if factor == 1.0 { format!("10{raised}") } else { format!("{}·10{raised}", number::plain(factor)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(axis: &Axis, values: &[f64], count: usize) -> Vec<String> {
        Ruler::new(axis, values.iter().copied(), false, 0.0, 100.0)
            .ticks(count)
            .into_iter()
            .map(|(_, label)| label)
            .collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(&Axis::new(""), &[0.0, 1.0], 6), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Axis::new(""), &[-120.0, 90.0], 5), ["−100", "−50", "0", "50", "100"]);
        assert_eq!(labels(&Axis::new("").log(), &[1.0, 1e4], 6), ["1", "10", "100", "1,000", "10,000"]);
        assert_eq!(power_label(1.0, -7), "10⁻⁷");
    }

    #[test]
    fn places_are_linear_or_logarithmic() {
        let linear = Ruler::new(&Axis::new("").range(0.0, 10.0), [0.0, 10.0].into_iter(), false, 0.0, 100.0);
        assert_eq!(linear.at(2.5), Some(25.0));
        assert_eq!(linear.at(f64::NAN), None);
        let log = Ruler::new(&Axis::new("").log().range(1.0, 100.0), [1.0].into_iter(), false, 0.0, 100.0);
        assert!((log.at(10.0).unwrap() - 50.0).abs() < 1e-9);
        assert_eq!(log.at(0.0), None);
    }

    proptest! {
        #[test]
        fn any_values_give_finite_places_and_few_ticks(
            values in proptest::collection::vec(any::<f64>(), 0..5),
            log in any::<bool>(),
            zero in any::<bool>(),
        ) {
            let axis = if log { Axis::new("").log() } else { Axis::new("") };
            let ruler = Ruler::new(&axis, values.iter().copied(), zero, 0.0, 100.0);
            for v in values {
                prop_assert!(ruler.at(v).is_none_or(f64::is_finite));
            }
            let ticks = ruler.ticks(5);
            prop_assert!(ticks.len() <= 40, "{:?}", ticks);
            prop_assert!(ticks.iter().all(|(p, l)| p.is_finite() && !l.contains("NaN") && !l.contains("inf")));
        }
    }
}
