//! All sensors of a site on one clock.

use super::clean::{Finding, Kind, median, step_of};
use super::time::rfc3339;
use super::{Channel, Cleaning};
use crate::signal::harmonic;
use crate::{DAY, Error, Result};

/// The most values that a record holds.
const MAX_VALUES: i64 = 50_000_000;

/// Temperatures of a site, at even times and at growing depths.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The first time, in ms since 1970 UTC.
    pub start: i64,
    /// The time between two values, in s.
    pub step: f64,
    /// Depths below the bed in m, growing.
    pub depths: Vec<f64>,
    /// What the sensors are called, one a depth.
    pub names: Vec<String>,
    /// Temperatures in °C by depth and time, NaN where there is none.
    pub values: Vec<Vec<f64>>,
}

/// How channels are brought onto one clock.
#[derive(Clone, Debug, Default)]
pub struct Sampling {
    /// The time between two values in s; the longest of the files' own without it.
    pub step: Option<f64>,
    /// Depths in m, one a channel in the order of the files; what the heads say without them.
    pub depths: Vec<f64>,
    /// What each logger's clock is ahead, in s, one a channel or none.
    pub clock_offsets: Vec<f64>,
}

impl Record {
    /// How many times there are.
    pub fn len(&self) -> usize {
        self.values.first().map_or(0, Vec::len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The time of a value, in ms since 1970 UTC.
    pub fn moment(&self, i: usize) -> i64 {
        self.start + (i as f64 * self.step * 1000.0).round() as i64
    }

    /// The same record with some of its sensors only.
    #[must_use]
    pub fn with_sensors(&self, sensors: &[usize]) -> Self {
        Self {
            start: self.start,
            step: self.step,
            depths: sensors.iter().map(|&i| self.depths[i]).collect(),
            names: sensors.iter().map(|&i| self.names[i].clone()).collect(),
            values: sensors.iter().map(|&i| self.values[i].clone()).collect(),
        }
    }

    /// Cleans channels and brings them together: even times that all of them share, by the mean of what lies around each
    /// (finer sampling) or by distance between neighbours (coarser sampling), and gaps where nothing is near.
    ///
    /// # Errors
    /// [`Error::Input`] for no channels, for depths that are missing or stand twice, for records that do not overlap, and for
    /// units that are mixed.
    pub fn gather(
        mut channels: Vec<Channel>,
        sampling: &Sampling,
        cleaning: &Cleaning,
    ) -> Result<(Self, Vec<Finding>)> {
        if channels.is_empty() {
            return Err(Error::Input("expected at least one sensor".to_owned()));
        }
        let mut findings = Vec::new();
        depths(&mut channels, sampling, &mut findings)?;
        units(&channels)?;
        for channel in &mut channels {
            findings.extend(cleaning.clean(channel));
        }
        channels.retain(|channel| {
            let known = channel.values.iter().any(|value| value.is_finite());
            if !known {
                let subject = format!("{}, {}", channel.file, channel.name);
                findings.push(Finding::new(Kind::Gap, subject, "no value is left of it; the sensor is left out"));
            }
            known
        });
        if channels.is_empty() {
            return Err(Error::Input("no sensor has any value left that can be true".to_owned()));
        }
        channels.sort_by(|a, b| a.depth.unwrap_or(0.0).total_cmp(&b.depth.unwrap_or(0.0)));
        let own = channels.iter().filter_map(|channel| step_of(&channel.times)).max().unwrap_or(60_000);
        let step = sampling.step.map_or(own, |seconds| (seconds * 1000.0).round() as i64);
        if step < 1000 {
            return Err(Error::Input(format!("step: expected 1 s or more, got {} s", step as f64 / 1000.0)));
        }
        let first = channels.iter().filter_map(|channel| channel.times.first()).max().copied().unwrap_or(0);
        let last = channels.iter().filter_map(|channel| channel.times.last()).min().copied().unwrap_or(0);
        if last - first < 2 * step {
            return Err(Error::Input(format!(
                "the sensors have no time in common: the last begins at {} and the first ends at {}",
                rfc3339(first),
                rfc3339(last)
            )));
        }
        let n = (last - first) / step + 1;
        if n.saturating_mul(channels.len() as i64) > MAX_VALUES {
            return Err(Error::Input(format!(
                "expected at most {MAX_VALUES} values, got {n} times of {} sensors; give a longer --step",
                channels.len()
            )));
        }
        let record = Self {
            start: first,
            step: step as f64 / 1000.0,
            depths: channels.iter().map(|channel| channel.depth.unwrap_or(0.0)).collect(),
            names: channels.iter().map(|channel| channel.name.clone()).collect(),
            values: channels.iter().map(|channel| resample(channel, first, step, n as usize)).collect(),
        };
        record.plausible(&mut findings);
        Ok((record, findings))
    }

    /// Whether the day's wave gets smaller and later with depth, as it does in a bed.
    fn plausible(&self, findings: &mut Vec<Finding>) {
        let days = self.len() as f64 * self.step / DAY;
        if days < 2.0 {
            return;
        }
        let times: Vec<f64> = (0..self.len()).map(|i| i as f64 * self.step).collect();
        // What is left of the fit wanders over hours, so that a day counts as a few samples, not as all of its own.
        let independent = 4.0 * days;
        let wave: Vec<Option<(f64, f64, f64)>> = self
            .values
            .iter()
            .map(|values| {
                let found = harmonic(&times, values, DAY).ok()?;
                Some((found.amplitude, found.phase, found.residual * (2.0 / independent).sqrt()))
            })
            .collect();
        for i in 1..wave.len() {
            let (Some((above, phase_above, e)), Some((below, phase, f))) = (wave[i - 1], wave[i]) else { continue };
            let names = format!("{} and {}", self.names[i - 1], self.names[i]);
            let error = 3.0 * e.hypot(f);
            if below > above * 1.25 + error {
                let what = format!(
                    "the day's wave grows with depth, from {above:.3} °C at {:.3} m to {below:.3} °C at {:.3} m: columns or depths \
                     may be swapped",
                    self.depths[i - 1],
                    self.depths[i]
                );
                findings.push(Finding::new(Kind::Swapped, names, what));
                continue;
            }
            let lag = (phase - phase_above).rem_euclid(std::f64::consts::TAU);
            let lead = std::f64::consts::TAU - lag;
            let hours = lead / std::f64::consts::TAU * 24.0;
            // A quarter of a day ahead is three quarters late where sensors are far apart, so only short leads tell.
            if (0.5..4.0).contains(&hours) && below > 10.0 * f && below > 0.2 * above {
                let what = format!(
                    "the deeper sensor's day is {hours:.1} h ahead of the upper one's: a clock may be off, or columns swapped"
                );
                findings.push(Finding::new(Kind::Clock, names, what));
            }
        }
    }
}

fn depths(channels: &mut [Channel], sampling: &Sampling, findings: &mut Vec<Finding>) -> Result<()> {
    let name = |channel: &Channel| format!("{} ({})", channel.name, channel.file);
    if !sampling.depths.is_empty() {
        if sampling.depths.len() != channels.len() {
            let names: Vec<String> = channels.iter().map(name).collect();
            return Err(Error::Input(format!(
                "--depths: expected {} depths, one for each of {}, got {}",
                channels.len(),
                names.join(", "),
                sampling.depths.len()
            )));
        }
        for (channel, &depth) in channels.iter_mut().zip(&sampling.depths) {
            channel.depth = Some(depth);
        }
    }
    if !sampling.clock_offsets.is_empty() {
        if sampling.clock_offsets.len() != channels.len() {
            return Err(Error::Input(format!(
                "--clock-offsets: expected {}, one a sensor, got {}",
                channels.len(),
                sampling.clock_offsets.len()
            )));
        }
        for (channel, &offset) in channels.iter_mut().zip(&sampling.clock_offsets) {
            let shift = (offset * 1000.0).round() as i64;
            channel.times.iter_mut().for_each(|time| *time = time.saturating_sub(shift));
        }
    }
    for channel in channels.iter() {
        match channel.depth {
            None => {
                return Err(Error::Input(format!(
                    "{}: its depth is not in the head; give the depths of all sensors with --depths, in metres, for example \
                     --depths 0.05,0.15",
                    name(channel)
                )));
            }
            Some(depth) if !depth.is_finite() || depth.abs() > 100.0 => {
                return Err(Error::Input(format!("{}: expected a depth in metres, got {depth}", name(channel))));
            }
            Some(_) => {}
        }
    }
    let ordered = channels.windows(2).all(|pair| pair[0].depth < pair[1].depth);
    let mut sorted: Vec<&Channel> = channels.iter().collect();
    sorted.sort_by(|a, b| a.depth.unwrap_or(0.0).total_cmp(&b.depth.unwrap_or(0.0)));
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].depth == pair[1].depth) {
        return Err(Error::Input(format!(
            "{} and {} both lie at {} m; expected depths that differ",
            name(pair[0]),
            name(pair[1]),
            pair[0].depth.unwrap_or(0.0)
        )));
    }
    if !ordered {
        findings.push(Finding::new(
            Kind::Depth,
            "all sensors",
            "depths do not grow from column to column; sorted by depth",
        ));
    }
    Ok(())
}

/// Refuses channels of which some look like °F.
fn units(channels: &[Channel]) -> Result<()> {
    let middle = |channel: &Channel| {
        let mut known: Vec<f64> = channel.values.iter().copied().filter(|value| value.is_finite()).collect();
        median(&mut known)
    };
    let middles: Vec<f64> = channels.iter().map(middle).collect();
    for (channel, &value) in channels.iter().zip(&middles) {
        let as_celsius = (value - 32.0) / 1.8;
        let lowest = middles.iter().copied().filter(|value| value.is_finite()).fold(f64::INFINITY, f64::min);
        let warm = value > 40.0 && !channel.unit_known;
        let apart = value - lowest > 15.0 && (as_celsius - lowest).abs() < 8.0;
        if warm || apart {
            return Err(Error::Input(format!(
                "{}, {}: its median is {value:.1} where {lowest:.1} °C is the lowest of the others, as if it were in °F; give --unit \
                 celsius or --unit fahrenheit, or mend the head's unit",
                channel.file, channel.name
            )));
        }
    }
    Ok(())
}

/// Values at even times.
fn resample(channel: &Channel, first: i64, step: i64, n: usize) -> Vec<f64> {
    let known: Vec<(i64, f64)> = channel
        .times
        .iter()
        .copied()
        .zip(channel.values.iter().copied())
        .filter(|(_, value)| value.is_finite())
        .collect();
    let own = step_of(&channel.times).unwrap_or(step);
    let reach = own.max(step) * 3 / 2;
    let mut from = 0;
    (0..n as i64)
        .map(|i| {
            let time = first + i * step;
            while from < known.len() && known[from].0 <= time - step / 2 - step % 2 {
                from += 1;
            }
            // Finer than asked for: the mean of what lies within half a step.
            if own * 2 <= step {
                let near: Vec<f64> = known[from..]
                    .iter()
                    .take_while(|(at, _)| *at <= time + step / 2)
                    .map(|(_, value)| *value)
                    .collect();
                return match near.is_empty() {
                    true => f64::NAN,
                    false => near.iter().sum::<f64>() / near.len() as f64,
                };
            }
            let after = from + known[from..].iter().take_while(|(at, _)| *at < time).count();
            match (after.checked_sub(1).and_then(|i| known.get(i)), known.get(after)) {
                (_, Some(&(at, value))) if at == time => value,
                (Some(&(a, x)), Some(&(b, y))) if b - a <= reach => x + (y - x) * (time - a) as f64 / (b - a) as f64,
                _ => f64::NAN,
            }
        })
        .collect()
}
