//! What learners see of a record.

use crate::estimator::bridged;
use crate::logger::Record;
use crate::medium::{Medium, WATER_HEAT};
use crate::signal::{LocalPolynomial, Side};
use crate::{DAY, Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Velocities beyond this many metres a day say that a gradient is near 0, not how large the flux is.
const FASTEST: f64 = 5.0;

/// The longest gap that is bridged, in s.
const BRIDGE: f64 = 3600.0;

/// How features are made. Each value below is one column, in K, m and days, at each of the lags:
///
/// - by layer between two neighbouring sensors: the gradient ΔT/Δz, the mean rate ∂T/∂t, and the rate by the gradient;
/// - by sensor between two others: the curvature by the gradient, times a sediment's usual diffusivity, and the flux that the
///   balance of heat gives there, (λ ∂²T/∂z² − ρc ∂T/∂t) / (ρ_w c_w ∂T/∂z), for a usual sediment.
///
/// What is divided by a gradient is cut off at ±5 m/d.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Features {
    /// The time between two rows, in s; that of the record where it is coarser.
    #[schemars(range(min = 1.0, max = 86_400.0))]
    pub step: f64,
    /// The length in s of the window that a polynomial of the second order smooths (Savitzky and Golay 1964); 0 for none.
    #[schemars(range(min = 0.0, max = 864_000.0))]
    pub smoothing: f64,
    /// Smooth with what was known at the time only.
    pub causal: bool,
    /// Times in s, relative to a row's own, at which the columns are seen.
    pub lags: Vec<f64>,
}

impl Default for Features {
    fn default() -> Self {
        Self { step: 900.0, smoothing: 14_400.0, causal: false, lags: vec![-1800.0, 0.0, 1800.0] }
    }
}

/// Features of a record at even times.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What the columns are.
    pub names: Vec<String>,
    /// Values row by row, NaN where sensors were missing.
    pub values: Vec<f64>,
    /// The rows' times, as places in the record.
    pub places: Vec<usize>,
}

impl Table {
    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.names.len()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// A row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns()..(i + 1) * self.columns()]
    }
}

impl Features {
    /// Whether the values make sense.
    ///
    /// # Errors
    /// [`Error::Input`] naming the first that does not.
    pub fn check(&self) -> Result<()> {
        if !(self.step > 0.0 && self.step <= DAY) {
            return Err(Error::Input(format!("step: expected seconds above 0, at most a day, got {}", self.step)));
        }
        if !(self.smoothing >= 0.0 && self.smoothing <= 10.0 * DAY) {
            return Err(Error::Input(format!("smoothing: expected 0 to 864,000 s, got {}", self.smoothing)));
        }
        let sane = |lag: &f64| lag.abs() <= 10.0 * DAY;
        if self.lags.is_empty() || self.lags.len() > 1000 || !self.lags.iter().all(sane) {
            return Err(Error::Input(format!(
                "lags: expected 1 to 1,000 times of at most ten days in s, got {:?}",
                self.lags
            )));
        }
        match self.causal && self.lags.iter().any(|lag| *lag > 0.0) {
            true => {
                Err(Error::Input("lags: expected none after a row's own time where smoothing is causal".to_owned()))
            }
            false => Ok(()),
        }
    }

    /// How far around its time a row sees, in s.
    pub fn reach(&self) -> f64 {
        let smoothing = if self.causal { self.smoothing } else { self.smoothing / 2.0 };
        smoothing + self.lags.iter().fold(0.0, |most, lag| f64::max(most, lag.abs()))
    }

    /// The columns of some depths, without lags.
    fn base(depths: &[f64]) -> Vec<String> {
        let centimetres = |depth: f64| format!("{:.1}", 100.0 * depth);
        let layers = depths.windows(2).map(|pair| format!("{}-{} cm", centimetres(pair[0]), centimetres(pair[1])));
        let inner =
            depths.iter().skip(1).take(depths.len().saturating_sub(2)).map(|d| format!("{} cm", centimetres(*d)));
        let layers = layers.flat_map(|at| ["gradient", "rate", "rate by gradient"].map(|what| format!("{what} {at}")));
        let inner = inner.flat_map(|at| ["curvature by gradient", "balance"].map(|what| format!("{what} {at}")));
        layers.chain(inner).collect()
    }

    /// The features of a record.
    ///
    /// # Errors
    /// [`Error::Input`] for fewer than two sensors, a record shorter than the smoothing window, or settings without sense.
    pub fn of(&self, record: &Record) -> Result<Table> {
        self.check()?;
        let depths = &record.depths;
        if depths.len() < 2 {
            return Err(Error::Input(format!("learned estimators need at least 2 sensors, got {}", depths.len())));
        }
        let every = ((self.step / record.step).round() as usize).max(1);
        let [smooth, rates] = self.smoothed(record)?;
        let base = Self::base(depths);
        let width = base.len();
        let places: Vec<usize> = (every / 2..record.len()).step_by(every).collect();
        let lags: Vec<isize> = self.lags.iter().map(|lag| (lag / record.step).round() as isize).collect();
        let mut values = Vec::with_capacity(places.len() * width * lags.len());
        let (mut temperature, mut rate) = (vec![0.0; depths.len()], vec![0.0; depths.len()]);
        for &place in &places {
            for lag in &lags {
                let Some(at) = place.checked_add_signed(*lag).filter(|at| *at < record.len()) else {
                    values.extend(std::iter::repeat_n(f64::NAN, width));
                    continue;
                };
                for sensor in 0..depths.len() {
                    (temperature[sensor], rate[sensor]) = (smooth[sensor][at], rates[sensor][at] * DAY);
                }
                columns(depths, &temperature, &rate, &mut values);
            }
        }
        let lagged = |lag: &f64| match *lag == 0.0 {
            true => base.clone(),
            false => base.iter().map(|name| format!("{name}, {:+} min", lag / 60.0)).collect(),
        };
        Ok(Table { names: self.lags.iter().flat_map(lagged).collect(), values, places })
    }

    /// Smoothed temperatures and their rates in K/s, by sensor.
    fn smoothed(&self, record: &Record) -> Result<[Vec<Vec<f64>>; 2]> {
        let side = if self.causal { Side::Causal } else { Side::Centred };
        // An odd number of values, so that a window has a middle.
        let window = 2 * (self.smoothing / record.step / 2.0).round() as usize + 1;
        let bridge = (BRIDGE / record.step) as usize;
        let polynomial = LocalPolynomial::new(window.max(3), 2, side)?;
        let mut both = [Vec::new(), Vec::new()];
        for values in &record.values {
            let values = bridged(values, bridge);
            let smooth = if window < 3 { values.clone() } else { polynomial.smooth(&values)? };
            both[0].push(smooth);
            both[1].push(polynomial.slope(&values, record.step)?);
        }
        Ok(both)
    }
}

/// The columns of one time; rates are in K/d.
fn columns(depths: &[f64], temperature: &[f64], rate: &[f64], values: &mut Vec<f64>) {
    let usual = Medium { heat: 2.8e6, conductivity: 1.5, dispersivity: 0.0 };
    let diffusivity = usual.conductivity / WATER_HEAT * DAY;
    let velocity = |a: f64, gradient: f64| {
        let ratio = a / gradient;
        // No rate and no gradient say nothing.
        if a == 0.0 { 0.0 * gradient } else { ratio.clamp(-FASTEST, FASTEST) }
    };
    let gradient = |layer: usize| (temperature[layer + 1] - temperature[layer]) / (depths[layer + 1] - depths[layer]);
    for layer in 0..depths.len() - 1 {
        let (gradient, rate) = (gradient(layer), f64::midpoint(rate[layer], rate[layer + 1]));
        values.extend([gradient, rate, velocity(rate, gradient)]);
    }
    for sensor in 1..depths.len() - 1 {
        let (above, below) = (gradient(sensor - 1), gradient(sensor));
        let middle = f64::midpoint(above, below);
        let curvature = (below - above) / ((depths[sensor + 1] - depths[sensor - 1]) / 2.0);
        let conducted = diffusivity * curvature;
        let stored = usual.heat / WATER_HEAT * rate[sensor];
        values.extend([velocity(conducted, middle), velocity(conducted - stored, middle)]);
    }
}
