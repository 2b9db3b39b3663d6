//! Sites drawn at random.

use super::{Driving, Simulated, Site, simulate};
use crate::{DAY, Error, Result};
use rand::RngExt;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trueness_core::{Rng, Seed};

/// By how much the column reaches below the lowest sensor at least, in m.
const BELOW: f64 = 0.5;

/// How often a site is drawn anew until its flux is within range.
const TRIES: u64 = 10_000;

/// Where sites are drawn from: what is not named here is that of a pattern. Each pair is a lowest and a highest value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Sites {
    /// What all sites share: length, step, depths, the sensors' errors.
    pub pattern: Site,
    /// Permeability in m², by its logarithm.
    pub permeability: [f64; 2],
    /// Porosity.
    pub porosity: [f64; 2],
    /// Thermal conductivity in W/m/K.
    pub conductivity: [f64; 2],
    /// Thermal dispersivity in m.
    pub dispersivity: [f64; 2],
    /// The day of the year on which records begin.
    pub first_day: [f64; 2],
    /// Half the day's difference of the river's temperature in K.
    pub diurnal: [f64; 2],
    /// The weather's share in K.
    pub weather: [f64; 2],
    /// Half the difference within a day that dams make, in m.
    pub peaking: [f64; 2],
    /// Half the difference within a week, in m.
    pub weekly: [f64; 2],
    /// Standard deviation of the stage's noise, in m.
    pub stage_noise: [f64; 2],
    /// By how much the groundwater's head lies above the river's mean, in m.
    pub above: [f64; 2],
    /// How long the ground water takes to follow, in days, by its logarithm.
    pub lag: [f64; 2],
    /// The length over which the heads' difference is lost, in m, by its logarithm.
    pub path: [f64; 2],
    /// The groundwater's temperature in °C.
    pub groundwater: [f64; 2],
    /// The root mean square of the flux in m/d: sites outside are drawn anew.
    pub flux: [f64; 2],
}

impl Default for Sites {
    fn default() -> Self {
        Self {
            pattern: Site::default(),
            permeability: [1e-13, 1e-9],
            porosity: [0.2, 0.45],
            conductivity: [0.9, 2.2],
            dispersivity: [0.0, 0.01],
            first_day: [1.0, 365.0],
            diurnal: [0.2, 1.5],
            weather: [0.2, 1.0],
            peaking: [0.0, 1.0],
            weekly: [0.0, 0.3],
            stage_noise: [0.0, 0.05],
            above: [-0.5, 0.5],
            lag: [0.2, 10.0],
            path: [0.3, 10.0],
            groundwater: [8.0, 17.0],
            flux: [0.05, 1.5],
        }
    }
}

/// Sites with what they do, and the seeds of their sensors' errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The sites and what drives them.
    pub sites: Vec<(Site, Driving)>,
    /// A seed a site.
    pub errors: Vec<Seed>,
}

impl Drawn {
    /// What their sensors say.
    ///
    /// # Errors
    /// As [`simulate`].
    pub fn simulate(&self) -> Result<Vec<Simulated>> {
        simulate(&self.sites, &self.errors)
    }
}

impl Sites {
    /// The same sites with sensors at other depths in m; where these lie deep, so does the end of the column, since the groundwater's
    /// temperature rules well below the lowest sensor only.
    #[must_use]
    pub fn with_sensors(mut self, depths: &[f64]) -> Self {
        let deepest = depths.iter().copied().fold(0.0, f64::max);
        self.pattern.depth = self.pattern.depth.max(deepest + BELOW);
        depths.clone_into(&mut self.pattern.sensors.depths);
        self
    }

    /// Draws `n` sites, as [`Sites::draw`] does from the children of a seed, each with the seed of its sensors' errors.
    ///
    /// # Errors
    /// As [`Sites::draw`].
    pub fn draw_all(&self, n: usize, seed: Seed) -> Result<Drawn> {
        let sites = (0..n as u64).into_par_iter().map(|i| self.draw(seed.nth(i))).collect::<Result<_>>()?;
        Ok(Drawn { sites, errors: (0..n as u64).map(|i| seed.child("errors").nth(i)).collect() })
    }

    /// Draws `n` sites and simulates them.
    ///
    /// # Errors
    /// As [`Sites::draw`] and [`simulate`].
    pub fn simulate(&self, n: usize, seed: Seed) -> Result<Vec<Simulated>> {
        self.draw_all(n, seed)?.simulate()
    }

    /// Draws a site whose flux is within range, and what it does.
    ///
    /// # Errors
    /// [`Error::Input`] for a range that is empty, a value out of its own range, or where no site has such a flux.
    pub fn draw(&self, seed: Seed) -> Result<(Site, Driving)> {
        for t in 0..TRIES {
            let seed = seed.child("site").nth(t);
            let site = self.one(&mut seed.child("values").rng())?;
            let driving = Driving::draw(&site, seed.child("driving"))?;
            let after = &driving.flux[driving.before..];
            let square = after.iter().map(|q| q * q).sum::<f64>() / after.len() as f64;
            let flux = square.sqrt() * DAY;
            if flux >= self.flux[0] && flux <= self.flux[1] {
                return Ok((site, driving));
            }
        }
        Err(Error::Input(format!(
            "flux: expected sites with a flux of {} to {} m/d, got none of {TRIES} drawn; widen permeability, path or above",
            self.flux[0], self.flux[1]
        )))
    }

    fn one(&self, rng: &mut Rng) -> Result<Site> {
        let mut within = |name: &str, [low, high]: [f64; 2]| -> Result<f64> {
            match low.is_finite() && high.is_finite() && low <= high {
                true => Ok(low + (high - low) * rng.random::<f64>()),
                false => {
                    Err(Error::Input(format!("{name}: expected a lowest and a highest value, got {low} and {high}")))
                }
            }
        };
        let mut site = self.pattern.clone();
        let logs = |name: &str, range: [f64; 2]| match range[0] > 0.0 {
            true => Ok(range.map(f64::ln)),
            false => Err(Error::Input(format!("{name}: expected values above 0, got {}", range[0]))),
        };
        site.sediment.permeability = within("permeability", logs("permeability", self.permeability)?)?.exp();
        site.sediment.porosity = within("porosity", self.porosity)?;
        site.sediment.conductivity = within("conductivity", self.conductivity)?;
        site.sediment.dispersivity = within("dispersivity", self.dispersivity)?;
        site.first_day = within("first-day", self.first_day)?;
        site.water.diurnal = within("diurnal", self.diurnal)?;
        site.water.weather = within("weather", self.weather)?;
        site.stage.peaking = within("peaking", self.peaking)?;
        site.stage.weekly = within("weekly", self.weekly)?;
        site.stage.noise = within("stage-noise", self.stage_noise)?;
        site.aquifer.above = within("above", self.above)?;
        site.aquifer.lag = within("lag", logs("lag", self.lag)?)?.exp();
        site.aquifer.path = within("path", logs("path", self.path)?)?.exp();
        site.aquifer.temperature = within("groundwater", self.groundwater)?;
        Ok(site)
    }
}
