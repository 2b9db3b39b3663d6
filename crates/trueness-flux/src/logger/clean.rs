//! What cannot be true in a sensor's record: found, named, and taken out.

use super::Channel;
use super::time::rfc3339;

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Times without a zone.
    Zone,
    /// Cells that are no numbers.
    Unread,
    /// A file that breaks off.
    Truncated,
    /// Times that go back.
    Order,
    /// Times that stand twice.
    Duplicate,
    /// A clock that jumps by an hour.
    Daylight,
    /// Temperatures that water in a river bed does not have.
    Range,
    /// One value for days.
    Stuck,
    /// Single values far from their neighbours.
    Spike,
    /// Time without values.
    Gap,
    /// A unit that does not fit the others.
    Unit,
    /// Sensors in another order than their depths.
    Swapped,
    /// A clock that is ahead or behind.
    Clock,
    /// A depth that was not given, or stands twice.
    Depth,
}

impl Kind {
    /// The word for it, as it stands in tables and flags.
    pub fn word(self) -> &'static str {
        match self {
            Self::Zone => "time zone",
            Self::Unread => "no number",
            Self::Truncated => "truncated",
            Self::Order => "order of times",
            Self::Duplicate => "duplicate times",
            Self::Daylight => "daylight saving",
            Self::Range => "out of range",
            Self::Stuck => "stuck",
            Self::Spike => "spike",
            Self::Gap => "gap",
            Self::Unit => "unit",
            Self::Swapped => "swapped",
            Self::Clock => "clock",
            Self::Depth => "depth",
        }
    }
}

/// Something that is wrong with a file or a sensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What kind of fault it is.
    pub kind: Kind,
    /// The file, or the file and the sensor.
    pub subject: String,
    /// What was found, where, and what was done.
    pub what: String,
    /// How many values it concerns; 0 where that makes no sense.
    pub values: u64,
}

impl Finding {
    pub(super) fn new(kind: Kind, subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self { kind, subject: subject.into(), what: what.into(), values: 0 }
    }

    pub(super) fn count(mut self, values: u64) -> Self {
        self.values = values;
        self
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.subject, self.kind.word(), self.what)
    }
}

/// Where faults begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cleaning {
    /// The lowest and the highest temperature in °C that is believed.
    pub range: [f64; 2],
    /// How long a sensor may tell one value, in s.
    pub stuck: f64,
    /// How far a value may lie from the median of itself and its six neighbours, in °C; it is a spike where it also lies
    /// further than six times their median deviation.
    pub spike: f64,
    /// How long a pause is no gap, in steps.
    pub pause: f64,
}

impl Default for Cleaning {
    fn default() -> Self {
        Self { range: [-2.0, 45.0], stuck: 86_400.0, spike: 1.0, pause: 1.5 }
    }
}

const HOUR: i64 = 3_600_000;

impl Cleaning {
    /// Puts times in order, takes out what cannot be true (it becomes NaN), and says what it did.
    pub fn clean(&self, channel: &mut Channel) -> Vec<Finding> {
        let subject = format!("{}, {}", channel.file, channel.name);
        let mut findings = Vec::new();
        order(channel, &subject, &mut findings);
        self.range(channel, &subject, &mut findings);
        self.spikes(channel, &subject, &mut findings);
        self.stuck(channel, &subject, &mut findings);
        self.gaps(channel, &subject, &mut findings);
        findings
    }

    fn range(&self, channel: &mut Channel, subject: &str, findings: &mut Vec<Finding>) {
        let [low, high] = self.range;
        let mut first = None;
        let mut values = 0;
        for (time, value) in channel.times.iter().zip(&mut channel.values) {
            if value.is_nan() || (low..=high).contains(value) {
                continue;
            }
            first.get_or_insert((*time, *value));
            *value = f64::NAN;
            values += 1;
        }
        if let Some((time, value)) = first {
            let what = format!(
                "{values} values outside {low} to {high} °C taken out, the first {value:.2} °C at {}",
                rfc3339(time)
            );
            findings.push(Finding::new(Kind::Range, subject, what).count(values));
        }
    }

    fn spikes(&self, channel: &mut Channel, subject: &str, findings: &mut Vec<Finding>) {
        const SIDE: usize = 3;
        let values = channel.values.clone();
        let mut first = None;
        let mut count = 0;
        let mut near = Vec::with_capacity(2 * SIDE + 1);
        for i in 0..values.len() {
            if values[i].is_nan() {
                continue;
            }
            near.clear();
            let window = i.saturating_sub(SIDE)..(i + SIDE + 1).min(values.len());
            near.extend(values[window].iter().copied().filter(|value| value.is_finite()));
            if near.len() < SIDE + 2 {
                continue;
            }
            let middle = median(&mut near);
            for value in &mut near {
                *value = (*value - middle).abs();
            }
            let spread = 1.4826 * median(&mut near);
            let off = (values[i] - middle).abs();
            if off > self.spike && off > 6.0 * spread {
                channel.values[i] = f64::NAN;
                first.get_or_insert((channel.times[i], values[i], middle));
                count += 1;
            }
        }
        if let Some((time, value, middle)) = first {
            let what = format!(
                "{count} single values far from their neighbours taken out, the first {value:.2} °C among {middle:.2} °C at {}",
                rfc3339(time)
            );
            findings.push(Finding::new(Kind::Spike, subject, what).count(count));
        }
    }

    fn stuck(&self, channel: &mut Channel, subject: &str, findings: &mut Vec<Finding>) {
        let mut begin = 0;
        while begin < channel.values.len() {
            let value = channel.values[begin];
            let same = |other: &f64| *other == value || other.is_nan();
            let end = begin + channel.values[begin..].iter().take_while(|other| same(other)).count();
            let end = end.max(begin + 1);
            let seconds = (channel.times[end - 1] - channel.times[begin]) as f64 / 1000.0;
            if !value.is_nan() && seconds >= self.stuck {
                let what = format!(
                    "{value:.3} °C and nothing else for {:.1} h from {}; taken out (--stuck says how long is too long)",
                    seconds / 3600.0,
                    rfc3339(channel.times[begin])
                );
                findings.push(Finding::new(Kind::Stuck, subject, what).count((end - begin) as u64));
                channel.values[begin..end].fill(f64::NAN);
            }
            begin = end;
        }
    }

    fn gaps(&self, channel: &Channel, subject: &str, findings: &mut Vec<Finding>) {
        let Some(step) = step_of(&channel.times) else { return };
        let known: Vec<i64> = channel
            .times
            .iter()
            .zip(&channel.values)
            .filter(|(_, value)| value.is_finite())
            .map(|(time, _)| *time)
            .collect();
        let long: Vec<(i64, i64)> = known
            .windows(2)
            .map(|pair| (pair[0], pair[1]))
            .filter(|(from, to)| (to - from) as f64 > self.pause.max(1.0) * step as f64 + 1.0)
            .collect();
        if let Some(&(from, to)) = long.iter().max_by_key(|(from, to)| to - from) {
            let hours: f64 = long.iter().map(|(from, to)| (to - from - step) as f64 / HOUR as f64).sum();
            let what = format!(
                "{} gaps, {hours:.1} h in all; the longest, {:.1} h, after {}",
                long.len(),
                (to - from) as f64 / HOUR as f64,
                rfc3339(from)
            );
            findings.push(Finding::new(Kind::Gap, subject, what).count(long.len() as u64));
        }
    }
}

/// The middle of some values, which are reordered.
pub(super) fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// The usual time between two values, in ms: the median; `None` for fewer than two.
pub(super) fn step_of(times: &[i64]) -> Option<i64> {
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0).collect();
    if steps.is_empty() {
        return None;
    }
    let middle = steps.len() / 2;
    Some(*steps.select_nth_unstable(middle).1)
}

/// Sorts by time, and leaves one value a time.
fn order(channel: &mut Channel, subject: &str, findings: &mut Vec<Finding>) {
    let step = step_of(&channel.times).unwrap_or(HOUR);
    let back: Vec<usize> = (1..channel.times.len()).filter(|&i| channel.times[i] < channel.times[i - 1]).collect();
    // A clock that is set back or forward by one hour, give or take a step.
    let hour = |jump: i64| step < HOUR && (jump - HOUR).abs() <= step;
    if let Some(&i) = back.iter().find(|&&i| hour(channel.times[i - 1] - channel.times[i] + step)) {
        let what = format!(
            "the clock goes back an hour after {}, as at the end of daylight saving; the hour that stands twice keeps its first \
             values (give --time-zone, such as America/Los_Angeles, to read it right)",
            rfc3339(channel.times[i - 1])
        );
        findings.push(Finding::new(Kind::Daylight, subject, what));
    }
    let forward: Vec<usize> =
        (1..channel.times.len()).filter(|&i| hour(channel.times[i] - channel.times[i - 1] - step)).collect();
    if let [i] = forward[..] {
        let what = format!(
            "one hour is missing after {}, as at the begin of daylight saving; times after it may be an hour late (give \
             --time-zone to read them right)",
            rfc3339(channel.times[i - 1])
        );
        findings.push(Finding::new(Kind::Daylight, subject, what));
    }
    if let Some(&i) = back.first() {
        let what = format!(
            "times go back in {} places, first from {} to {}; sorted",
            back.len(),
            rfc3339(channel.times[i - 1]),
            rfc3339(channel.times[i])
        );
        findings.push(Finding::new(Kind::Order, subject, what).count(back.len() as u64));
    }
    let mut rows: Vec<usize> = (0..channel.times.len()).collect();
    rows.sort_by_key(|&i| channel.times[i]);
    let before = rows.len();
    let mut differ = 0;
    rows.dedup_by(|next, kept| {
        let same = channel.times[*next] == channel.times[*kept];
        let (a, b) = (channel.values[*kept], channel.values[*next]);
        differ += u64::from(same && a != b && !(a.is_nan() && b.is_nan()));
        same
    });
    let copies = (before - rows.len()) as u64;
    if copies > 0 {
        let what =
            format!("{copies} times stand more than once, {differ} of them with other values; the first is kept");
        findings.push(Finding::new(Kind::Duplicate, subject, what).count(copies));
    }
    channel.times = rows.iter().map(|&i| channel.times[i]).collect();
    channel.values = rows.iter().map(|&i| channel.values[i]).collect();
}
