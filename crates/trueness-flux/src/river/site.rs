//! What a site is.

use crate::medium::Medium;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A river, its bed, its aquifer and the sensors in the bed. The default is a bed of sand and gravel at a dammed river.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Site {
    /// How long the record is, in days.
    pub days: f64,
    /// The time between two values, in seconds.
    pub step: f64,
    /// The day of the year on which the record begins, from 1.
    pub first_day: f64,
    /// The depth in m below the bed at which the groundwater's temperature rules.
    pub depth: f64,
    /// The bed.
    pub sediment: Sediment,
    /// The river's temperature.
    pub water: Water,
    /// The river's level.
    pub stage: Stage,
    /// The ground water.
    pub aquifer: Aquifer,
    /// The sensors and their errors.
    pub sensors: Sensors,
}

/// Saturated sediment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Sediment {
    /// Permeability in m².
    pub permeability: f64,
    /// Porosity, a share.
    pub porosity: f64,
    /// Thermal conductivity of sediment and water, in W/m/K.
    pub conductivity: f64,
    /// Density of the grains in kg/m³.
    pub grain_density: f64,
    /// Heat capacity of the grains in J/kg/K.
    pub grain_heat: f64,
    /// Thermal dispersivity in m.
    pub dispersivity: f64,
}

/// The river's temperature: a year, a day and weather.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Water {
    /// Mean of the year in °C.
    pub mean: f64,
    /// Half the difference between summer and winter, in K.
    pub seasonal: f64,
    /// The coldest day of the year.
    pub coldest_day: f64,
    /// Half the difference between afternoon and morning, in K.
    pub diurnal: f64,
    /// Standard deviation of the weather's share, in K.
    pub weather: f64,
    /// How long weather lasts, in days.
    pub weather_memory: f64,
}

/// The river's level: snow melt, a week, dams and what is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Stage {
    /// Rise of the freshet in m.
    pub freshet: f64,
    /// Its day of the year.
    pub freshet_day: f64,
    /// Its standard deviation in days.
    pub freshet_width: f64,
    /// Half the difference within a week, in m.
    pub weekly: f64,
    /// Half the difference within a day that dams make, in m.
    pub peaking: f64,
    /// The fastest change that dams make, in m/h.
    pub ramp: f64,
    /// Standard deviation of what is left, in m.
    pub noise: f64,
    /// How long that lasts, in h.
    pub noise_memory: f64,
}

/// The ground water below and beside the bed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Aquifer {
    /// How long its head takes to follow the river, in days.
    pub lag: f64,
    /// By how much its head lies above the river's mean, in m; the river gains where it does.
    pub above: f64,
    /// The length in m over which the difference of the heads is lost.
    pub path: f64,
    /// Its mean temperature in °C.
    pub temperature: f64,
    /// Half the difference of its temperature within a year, in K, a quarter of a year after the river's.
    pub seasonal: f64,
}

/// Sensors, and the standard deviations of their errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Sensors {
    /// The depths in m at which they are said to lie; 0 or less is the river itself.
    pub depths: Vec<f64>,
    /// Of each value, in K.
    pub noise: f64,
    /// Of each sensor for good, in K.
    pub bias: f64,
    /// Of each sensor's depth, in m.
    pub depth_error: f64,
    /// Of each clock at the begin, in s.
    pub clock: f64,
    /// Of each clock's drift, in s a day.
    pub drift: f64,
    /// The steps in which values are told, in K; 0 for none.
    pub resolution: f64,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            days: 14.0,
            step: 300.0,
            first_day: 105.0,
            depth: 1.2,
            sediment: Sediment::default(),
            water: Water::default(),
            stage: Stage::default(),
            aquifer: Aquifer::default(),
            sensors: Sensors::default(),
        }
    }
}

impl Default for Sediment {
    fn default() -> Self {
        Self {
            permeability: 1e-11,
            porosity: 0.3,
            conductivity: 1.5,
            grain_density: 2650.0,
            grain_heat: 900.0,
            dispersivity: 0.0,
        }
    }
}

impl Default for Water {
    fn default() -> Self {
        Self { mean: 11.5, seasonal: 9.5, coldest_day: 30.0, diurnal: 0.6, weather: 0.5, weather_memory: 4.0 }
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            freshet: 2.0,
            freshet_day: 160.0,
            freshet_width: 25.0,
            weekly: 0.15,
            peaking: 0.4,
            ramp: 0.3,
            noise: 0.03,
            noise_memory: 3.0,
        }
    }
}

impl Default for Aquifer {
    fn default() -> Self {
        Self { lag: 2.0, above: 0.0, path: 3.0, temperature: 15.0, seasonal: 1.0 }
    }
}

impl Default for Sensors {
    fn default() -> Self {
        Self {
            depths: vec![0.01, 0.05, 0.15, 0.25, 0.65],
            noise: 0.05,
            bias: 0.0,
            depth_error: 0.0,
            clock: 0.0,
            drift: 0.0,
            resolution: 0.0,
        }
    }
}

impl Site {
    /// Sediment as the column takes it.
    ///
    /// # Errors
    /// [`Error::Input`] for a value outside its range.
    pub fn medium(&self) -> Result<Medium> {
        let Sediment { porosity, grain_density, grain_heat, conductivity, dispersivity, .. } = self.sediment;
        let medium = Medium::saturated(porosity, grain_density, grain_heat, conductivity)?;
        Medium { dispersivity, ..medium }.checked()
    }

    /// Whether the values make sense.
    ///
    /// # Errors
    /// [`Error::Input`] naming the first value that does not.
    pub fn check(&self) -> Result<()> {
        self.medium()?;
        let Self { sediment, water, stage, aquifer, sensors, .. } = self;
        let positive = [
            ("days", self.days, 3660.0),
            ("step", self.step, 86_400.0),
            ("depth", self.depth, 20.0),
            ("sediment.permeability", sediment.permeability, 1e-6),
            ("water.weather-memory", water.weather_memory, 1e3),
            ("stage.freshet-width", stage.freshet_width, 366.0),
            ("stage.ramp", stage.ramp, 1e3),
            ("stage.noise-memory", stage.noise_memory, 1e4),
            ("aquifer.lag", aquifer.lag, 1e4),
            ("aquifer.path", aquifer.path, 1e4),
        ];
        for (name, value, most) in positive {
            if !(value > 0.0 && value <= most) {
                return Err(Error::Input(format!("{name}: expected a value above 0, at most {most}, got {value}")));
            }
        }
        let spreads = [
            ("water.weather", water.weather),
            ("stage.noise", stage.noise),
            ("sensors.noise", sensors.noise),
            ("sensors.bias", sensors.bias),
            ("sensors.depth-error", sensors.depth_error),
            ("sensors.clock", sensors.clock),
            ("sensors.drift", sensors.drift),
            ("sensors.resolution", sensors.resolution),
        ];
        for (name, value) in spreads {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::Input(format!("{name}: expected 0 or more, got {value}")));
            }
        }
        let finite = [
            ("first-day", self.first_day),
            ("water.mean", water.mean),
            ("water.seasonal", water.seasonal),
            ("water.coldest-day", water.coldest_day),
            ("water.diurnal", water.diurnal),
            ("stage.freshet", stage.freshet),
            ("stage.freshet-day", stage.freshet_day),
            ("stage.weekly", stage.weekly),
            ("stage.peaking", stage.peaking),
            ("aquifer.above", aquifer.above),
            ("aquifer.temperature", aquifer.temperature),
            ("aquifer.seasonal", aquifer.seasonal),
        ];
        for (name, value) in finite {
            if !(value.is_finite() && value.abs() <= 1e4) {
                return Err(Error::Input(format!("{name}: expected a value of at most 10,000, got {value}")));
            }
        }
        if self.times() < 2 || self.times() > 5_000_000 {
            return Err(Error::Input(format!(
                "days and step: expected 2 to 5,000,000 times, got {} ({} days of steps of {} s)",
                self.times(),
                self.days,
                self.step
            )));
        }
        let depths = &sensors.depths;
        if depths.is_empty() || depths.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(Error::Input(format!("sensors.depths: expected depths in m that grow, got {depths:?}")));
        }
        match depths.iter().find(|depth| !(depth.is_finite() && **depth < self.depth)) {
            Some(depth) => Err(Error::Input(format!(
                "sensors.depths: expected depths above that of the ground water, {} m, got {depth} m",
                self.depth
            ))),
            None => Ok(()),
        }
    }

    /// How many times the record has.
    pub fn times(&self) -> usize {
        (self.days * crate::DAY / self.step).round() as usize
    }
}
