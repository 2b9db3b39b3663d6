//! The amplitude and phase of a period in a record.

use crate::{Error, Result};
use faer::Mat;
use faer::linalg::solvers::SolveLstsq;
use std::f64::consts::TAU;

/// T(t) = mean + trend·(t − middle) + amplitude·sin(2πt/P − phase), as it fits a record best.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Harmonic {
    /// The mean in the middle of the record, in °C.
    pub mean: f64,
    /// The linear trend, in K/s.
    pub trend: f64,
    /// The amplitude, in K.
    pub amplitude: f64,
    /// The phase, in radians from −π to π: the later, the larger.
    pub phase: f64,
    /// Standard deviation of what is left, in K.
    pub residual: f64,
    /// How many samples were there.
    pub n: usize,
}

/// Fits a period in s to the samples of a record in °C, taken at times in s; NaNs are left out.
///
/// # Errors
/// [`Error::Input`] for records that do not fit each other, a period of 0 or less, or samples that span less than a period or
/// are fewer than 8.
pub fn harmonic(times: &[f64], values: &[f64], period: f64) -> Result<Harmonic> {
    crate::analytic::positive("period", "seconds", period)?;
    if times.len() != values.len() {
        return Err(Error::Input(format!("record: expected {} values, one a time, got {}", times.len(), values.len())));
    }
    let present: Vec<usize> = (0..values.len()).filter(|&i| values[i].is_finite()).collect();
    let n = present.len();
    let span = match (present.first(), present.last()) {
        (Some(&first), Some(&last)) => times[last] - times[first],
        _ => 0.0,
    };
    // A record of a whole period ends a sample before the next one begins.
    if n < 8 || span * n as f64 / (n as f64 - 1.0) < period * (1.0 - 1e-9) {
        return Err(Error::Input(format!(
            "record: expected at least 8 samples over at least one period of {period} s, got {n} over {span} s"
        )));
    }
    let middle = times[present[0]] + span / 2.0;
    let row = |i: usize| {
        let t = times[present[i]];
        let (sine, cosine) = (TAU * t / period).sin_cos();
        [1.0, (t - middle) / span, sine, cosine]
    };
    let design = Mat::from_fn(n, 4, |i, j| row(i)[j]);
    let right = Mat::from_fn(n, 1, |i, _| values[present[i]]);
    let solved = design.qr().solve_lstsq(&right);
    let x: [f64; 4] = std::array::from_fn(|j| solved[(j, 0)]);
    let left = |i: usize| values[present[i]] - row(i).iter().zip(&x).map(|(a, b)| a * b).sum::<f64>();
    let squares: f64 = (0..n).map(|i| left(i).powi(2)).sum();
    Ok(Harmonic {
        mean: x[0],
        trend: x[1] / span,
        amplitude: x[2].hypot(x[3]),
        // A·sin(ωt − φ) = A·cos φ·sin ωt − A·sin φ·cos ωt.
        phase: (-x[3]).atan2(x[2]),
        residual: (squares / (n - 4) as f64).sqrt(),
        n,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wave_on_a_trend_comes_back_with_gaps(
            amplitude in 0.01f64..5.0, phase in -3.1f64..3.1, trend in -1e-5f64..1e-5, missing in 0usize..60,
        ) {
            let times: Vec<f64> = (0..200).map(|i| 1e6 + 900.0 * f64::from(i)).collect();
            let wave = |t: f64| 9.0 + trend * (t - 1e6) + amplitude * (TAU * t / 86_400.0 - phase).sin();
            let mut values: Vec<f64> = times.iter().map(|&t| wave(t)).collect();
            values[40..40 + missing].fill(f64::NAN);
            let found = harmonic(&times, &values, 86_400.0).unwrap();
            prop_assert!((found.amplitude - amplitude).abs() < 1e-9);
            prop_assert!((found.phase - phase).abs() < 1e-6);
            prop_assert!((found.trend - trend).abs() < 1e-12);
            prop_assert!(found.residual < 1e-9);
            prop_assert_eq!(found.n, 200 - missing);
        }
    }

    #[test]
    fn less_than_a_period_is_refused() {
        let times: Vec<f64> = (0..90).map(|i| 900.0 * f64::from(i)).collect();
        let message = harmonic(&times, &[1.0; 90], 86_400.0).unwrap_err().to_string();
        assert!(message.contains("at least one period of 86400 s, got 90"), "{message}");
        assert!(harmonic(&times, &[1.0; 3], 86_400.0).is_err());
        assert!(harmonic(&times, &[f64::NAN; 90], 86_400.0).is_err());
    }
}
