//! Estimates: the only numbers that a report may show.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The level of every interval unless a caller says otherwise.
pub const LEVEL: f64 = 0.9;

/// A value with its interval and the way it was obtained.
///
/// A missing value is `None`, never NaN: the constructors turn what is not finite into `None`. An
/// exact value (a count, a closed form) has no interval and no level; a random one whose interval is not
/// known has a level and no interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The value, or `None` where there is none.
    pub value: Option<f64>,
    /// The lower end of the interval.
    pub low: Option<f64>,
    /// The upper end of the interval.
    pub high: Option<f64>,
    /// The level of the interval, in (0, 1); `None` for an exact value.
    pub level: Option<f64>,
    /// How many observations stand behind it (sentences, seeds, …).
    pub n: u64,
    /// The unit; empty for a pure number.
    pub unit: String,
    /// How the value and its interval were obtained, in a few words.
    pub method: String,
}

fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

impl Estimate {
    /// A value that is known without error, such as a count or a closed form.
    pub fn exact(value: f64, method: impl Into<String>) -> Self {
        Self {
            value: finite(value),
            low: None,
            high: None,
            level: None,
            n: 1,
            unit: String::new(),
            method: method.into(),
        }
    }

    /// A count of things.
    pub fn count(count: u64) -> Self {
        Self { n: count, ..Self::exact(count as f64, "count") }
    }

    /// A value that could not be had, and why.
    pub fn missing(why: impl Into<String>) -> Self {
        Self { n: 0, ..Self::exact(f64::NAN, why) }
    }

    /// A value with an interval at [`LEVEL`].
    pub fn interval(value: f64, low: f64, high: f64, n: u64, method: impl Into<String>) -> Self {
        Self { low: finite(low), high: finite(high), level: Some(LEVEL), n, ..Self::exact(value, method) }
    }

    /// A value with a normal interval from its standard error.
    pub fn normal(value: f64, standard_error: f64, n: u64, method: impl Into<String>) -> Self {
        let half = normal_quantile(LEVEL) * standard_error;
        Self::interval(value, value - half, value + half, n, method)
    }

    /// A random value whose error is not known, such as a statistic of one seed: it has a level and no
    /// interval, so that nobody takes it for exact.
    pub fn uncertain(value: f64, n: u64, method: impl Into<String>) -> Self {
        Self { level: Some(LEVEL), n, ..Self::exact(value, method) }
    }

    /// The mean of a few values (seeds, folds) with Student's interval. One value gets no interval.
    pub fn mean(values: &[f64], method: impl Into<String>) -> Self {
        let n = values.len();
        if n == 0 {
            return Self::missing("no values");
        }
        let (mean, sd) = mean_sd(values);
        if n == 1 {
            return Self::uncertain(mean, 1, method);
        }
        let half = student_quantile(LEVEL, (n - 1) as f64) * sd / (n as f64).sqrt();
        Self::interval(mean, mean - half, mean + half, n as u64, method)
    }

    /// A proportion with Wilson's score interval, which stays inside [0, 1] and never has width 0.
    pub fn proportion(successes: u64, n: u64, method: impl Into<String>) -> Self {
        if n == 0 {
            return Self::missing("no observations");
        }
        let p = successes as f64 / n as f64;
        let (low, high) = wilson(p, n as f64, LEVEL);
        Self::interval(p, low, high, n, method)
    }

    /// The same estimate in a unit.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// The same estimate with another count of observations.
    pub fn n(mut self, n: u64) -> Self {
        self.n = n;
        self
    }

    /// The estimate of `f(x)` for a monotone `f`: value and both ends mapped, the ends put in order.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        let (a, b) = (self.low.map(&f), self.high.map(&f));
        let (low, high) = match (a, b) {
            (Some(a), Some(b)) if a > b => (Some(b), Some(a)),
            other => other,
        };
        Self {
            value: self.value.map(&f).and_then(finite),
            low: low.and_then(finite),
            high: high.and_then(finite),
            ..self.clone()
        }
    }

    /// Whether the interval holds `x`; an exact value holds itself alone.
    pub fn covers(&self, x: f64) -> bool {
        match (self.low, self.high) {
            (Some(low), Some(high)) => low <= x && x <= high,
            _ => self.value == Some(x),
        }
    }

    /// The standard error that the interval stands for, as of a normal one: 0 for an exact value, `None`
    /// for a missing value and for a random one whose interval is not known. It is that of the longer half:
    /// an interval that was cut off at the end of a range is shorter on that side, as if it knew more.
    pub fn standard_error(&self) -> Option<f64> {
        let value = self.value?;
        match (self.low, self.high, self.level) {
            (Some(low), Some(high), Some(level)) => {
                Some((value - low).abs().max((high - value).abs()) / normal_quantile(level))
            }
            (_, _, None) => Some(0.0),
            _ => None,
        }
    }

    /// Whether there is a value, known without error.
    pub fn is_exact(&self) -> bool {
        self.value.is_some() && self.level.is_none()
    }

    /// Whether there is an interval (an exact value has none and needs none).
    pub fn has_interval(&self) -> bool {
        self.low.is_some() && self.high.is_some()
    }
}

/// A named estimate of a subject: what `--json` prints and `measures.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measure {
    /// The name, the same in every tool and study, for example `bleu-4`.
    pub name: String,
    /// The file, model or method measured.
    pub subject: String,
    /// The value and its interval.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Everything that the value depends on: data, sizes, settings, version.
    pub signature: String,
}

impl Measure {
    /// A measure with an empty subject and signature.
    pub fn new(name: impl Into<String>, estimate: Estimate) -> Self {
        Self { name: name.into(), subject: String::new(), estimate, signature: String::new() }
    }

    /// The same measure of a subject.
    pub fn of(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// The same measure with a signature.
    pub fn signed(mut self, signature: impl Into<String>) -> Self {
        self.signature = signature.into();
        self
    }
}

/// The mean and the sample standard deviation (n − 1); the latter is 0 for fewer than two values.
pub fn mean_sd(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    if values.is_empty() {
        return (f64::NAN, f64::NAN);
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
    (mean, if values.len() < 2 { 0.0 } else { (squares / (n - 1.0)).sqrt() })
}

/// z such that a standard normal lies in [−z, z] with probability `level`.
pub fn normal_quantile(level: f64) -> f64 {
    Normal::standard().inverse_cdf(0.5 + level / 2.0)
}

/// t such that Student's variable with `freedom` degrees lies in [−t, t] with probability `level`.
pub fn student_quantile(level: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |t| t.inverse_cdf(0.5 + level / 2.0))
}

/// Wilson's score interval of a proportion `p` of `n` observations (`n` may be an effective number).
pub fn wilson(p: f64, n: f64, level: f64) -> (f64, f64) {
    let z2 = normal_quantile(level).powi(2);
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = (z2 / n * (p * (1.0 - p) + z2 / (4.0 * n))).sqrt() / (1.0 + z2 / n);
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_match_the_tables() {
        assert!((normal_quantile(0.9) - 1.644_853_627).abs() < 1e-6);
        assert!((student_quantile(0.9, 2.0) - 2.919_985_580).abs() < 1e-6);
    }

    #[test]
    fn wilson_matches_a_published_value() {
        // Newcombe (1998), table I: 81 of 263 at 95 % is .2553 to .3662.
        let (low, high) = wilson(81.0 / 263.0, 263.0, 0.95);
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5);
    }

    #[test]
    fn what_is_not_finite_is_missing() {
        assert_eq!(Estimate::exact(f64::NAN, "").value, None);
        assert_eq!(Estimate::interval(1.0, f64::NEG_INFINITY, 2.0, 3, "").low, None);
        assert!(Estimate::mean(&[], "").value.is_none());
    }

    #[test]
    fn one_value_has_no_interval() {
        let one = Estimate::mean(&[3.0], "seeds");
        assert_eq!((one.value, one.low, one.level), (Some(3.0), None, Some(LEVEL)));
    }

    #[test]
    fn only_an_exact_value_has_no_error() {
        assert_eq!(Estimate::exact(3.0, "").standard_error(), Some(0.0));
        let normal = Estimate::normal(1.0, 0.25, 9, "");
        assert!((normal.standard_error().unwrap() - 0.25).abs() < 1e-12);
        let clipped = Estimate { low: Some(0.99), ..normal };
        assert!((clipped.standard_error().unwrap() - 0.25).abs() < 1e-12);
        let uncertain = Estimate::uncertain(0.5, 6, "one seed");
        assert_eq!((uncertain.standard_error(), uncertain.is_exact()), (None, false));
        assert_eq!(Estimate::missing("").standard_error(), None);
    }

    #[test]
    fn a_decreasing_map_keeps_the_ends_in_order() {
        let mapped = Estimate::interval(2.0, 1.0, 4.0, 9, "").map(|x| 1.0 / x);
        assert_eq!((mapped.low, mapped.value, mapped.high), (Some(0.25), Some(0.5), Some(1.0)));
    }
}
