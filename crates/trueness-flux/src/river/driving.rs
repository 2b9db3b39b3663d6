//! What a site does over time.

use super::Site;
use crate::medium::hydraulic_conductivity;
use crate::{DAY, Result};
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::TAU;
use trueness_core::{Rng, Seed};

/// How long a column runs before the record begins, in s: what was there before is forgotten to a depth of about a metre.
pub(super) const WARM_UP: f64 = 15.0 * DAY;

/// Series that drive a column, one value a time, from [`Driving::before`] times ahead of the record.
#[derive(Clone, Debug, PartialEq)]
pub struct Driving {
    /// How many times lie before the record.
    pub before: usize,
    /// Darcy flux in m/s, positive downward.
    pub flux: Vec<f64>,
    /// The river's temperature in °C.
    pub river: Vec<f64>,
    /// The groundwater's temperature in °C.
    pub groundwater: Vec<f64>,
    /// The river's level in m.
    pub stage: Vec<f64>,
    /// The groundwater's head in m.
    pub head: Vec<f64>,
}

/// A stationary process that forgets exponentially (Ornstein–Uhlenbeck), of variance 1.
struct Wander {
    keep: f64,
    value: f64,
}

impl Wander {
    fn new(step: f64, memory: f64, rng: &mut Rng) -> Self {
        Self { keep: (-step / memory).exp(), value: StandardNormal.sample(rng) }
    }

    fn next(&mut self, rng: &mut Rng) -> f64 {
        let now = self.value;
        let fresh: f64 = StandardNormal.sample(rng);
        self.value = self.keep * now + (1.0 - self.keep * self.keep).sqrt() * fresh;
        now
    }
}

impl Driving {
    /// Draws what a site does. Flux is q = K·(stage − head)/path, with K of the water's temperature, the mean of river and ground.
    ///
    /// # Errors
    /// As [`Site::check`].
    pub fn draw(site: &Site, seed: Seed) -> Result<Self> {
        site.check()?;
        let (water, level, aquifer) = (&site.water, &site.stage, &site.aquifer);
        let mut rng = seed.rng();
        let before = (WARM_UP / site.step).ceil() as usize;
        let n = before + site.times();
        let hours = |h: f64| h * 3600.0;
        let mut weather = Wander::new(site.step, water.weather_memory * DAY, &mut rng);
        let mut sun = Wander::new(site.step, 1.5 * DAY, &mut rng);
        let mut demand = Wander::new(site.step, 1.5 * DAY, &mut rng);
        let mut rest = Wander::new(site.step, hours(level.noise_memory), &mut rng);
        let mut driving = Self {
            before,
            flux: Vec::with_capacity(n),
            river: Vec::with_capacity(n),
            groundwater: Vec::with_capacity(n),
            stage: Vec::with_capacity(n),
            head: Vec::with_capacity(n),
        };
        let most = level.ramp * site.step / hours(1.0);
        let follow = 1.0 - (-site.step / (aquifer.lag * DAY)).exp();
        let (mut dams, mut slow) = (None::<f64>, None::<f64>);
        for i in 0..n {
            let day = site.first_day + (i as f64 - before as f64) * site.step / DAY;
            let year = |coldest: f64| -(TAU * (day - coldest) / 365.25).cos();
            // The river is warmest at four in the afternoon.
            let afternoon = (TAU * (day - 16.0 / 24.0)).cos();
            let river = water.mean
                + water.seasonal * year(water.coldest_day)
                + water.diurnal * (1.0 + 0.3 * sun.next(&mut rng)) * afternoon
                + water.weather * weather.next(&mut rng);
            // Liquid water is not colder than this.
            let river = river.max(0.0);
            let ground = aquifer.temperature + aquifer.seasonal * year(water.coldest_day + 91.0);
            let peaks = 0.7 * (TAU * (day - 18.0 / 24.0)).cos() + 0.3 * (2.0 * TAU * (day - 8.0 / 24.0)).cos();
            let wanted = level.peaking * (1.0 + 0.4 * demand.next(&mut rng)) * peaks;
            let last = dams.unwrap_or(wanted);
            let now = last + (wanted - last).clamp(-most, most);
            dams = Some(now);
            let melt = (day - level.freshet_day) / level.freshet_width;
            let stage = level.freshet * (-0.5 * melt * melt).exp()
                + level.weekly * (TAU * day / 7.0).cos()
                + now
                + level.noise * rest.next(&mut rng);
            let before = slow.unwrap_or(stage);
            let lagged = before + follow * (stage - before);
            slow = Some(lagged);
            let head = lagged + aquifer.above;
            let conductivity =
                hydraulic_conductivity(site.sediment.permeability, f64::midpoint(river, ground).clamp(0.0, 40.0));
            driving.flux.push(conductivity * (stage - head) / aquifer.path);
            driving.river.push(river);
            driving.groundwater.push(ground);
            driving.stage.push(stage);
            driving.head.push(head);
        }
        Ok(driving)
    }
}
