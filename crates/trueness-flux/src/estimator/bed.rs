//! What is known of a bed, and the bed that fits a record best.

use super::Kalman;
use crate::logger::Record;
use crate::medium::Medium;
use crate::{DAY, Result};
use serde::{Deserialize, Serialize};
use trueness_core::Watch;

/// What is known of the bed and of its water beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bed {
    /// The sediment.
    pub medium: Medium,
    /// Standard deviation of the flux over time, in m/s.
    pub flux_sd: f64,
    /// How long the flux remembers, in s.
    pub memory: f64,
    /// Standard deviation of a sensor's error, in K.
    pub noise: f64,
    /// Relative standard deviation of the heat capacity: flux is known no better than that.
    pub heat_error: f64,
}

impl Default for Bed {
    /// Sand of a porosity of .3, a flux of half a metre a day that changes over half a day, sensors good to .05 K.
    fn default() -> Self {
        Self {
            medium: Medium { heat: 2.9e6, conductivity: 1.5, dispersivity: 0.0 },
            flux_sd: 0.5 / DAY,
            memory: 43_200.0,
            noise: 0.05,
            heat_error: 0.05,
        }
    }
}

impl Bed {
    /// This bed fitted to two days of a record on coarse cells: as good as one has to be where many sites are inferred.
    ///
    /// # Errors
    /// As [`Kalman::tune`].
    pub fn fitted(&self, record: &Record, watch: Watch<'_>) -> Result<Self> {
        let coarse = Kalman { cell: 0.04, ..Kalman::default() };
        Ok(coarse.tune(record, self, 2.0, watch)?.bed)
    }
}

/// A bed that was fitted to a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuned {
    /// The bed.
    pub bed: Bed,
    /// The logarithm of the likelihood of the record, per value.
    pub likelihood: f64,
}

impl Kalman {
    /// Fits conductivity, noise, and the flux's spread and memory to a record by maximum likelihood: coordinate by coordinate,
    /// in steps that get smaller. At most the first `days` are used.
    ///
    /// # Errors
    /// As [`Kalman::smooth`], or where `watch` was stopped.
    pub fn tune(&self, record: &Record, start: &Bed, days: f64, watch: Watch<'_>) -> Result<Tuned> {
        let n = ((days * DAY / record.step) as usize).clamp(2, record.len());
        let part =
            Record { values: record.values.iter().map(|values| values[..n].to_vec()).collect(), ..record.clone() };
        let limits = [(0.3, 5.0), (1e-3, 1.0), (0.01 / DAY, 5.0 / DAY), (1800.0, 10.0 * DAY)];
        let read = |bed: &Bed| [bed.medium.conductivity, bed.noise, bed.flux_sd, bed.memory];
        let make = |at: [f64; 4]| Bed {
            medium: Medium { conductivity: at[0], ..start.medium },
            noise: at[1],
            flux_sd: at[2],
            memory: at[3],
            ..*start
        };
        let mut at = read(start);
        let mut best = self.likelihood(&part, start)?;
        let mut factors = [1.3f64, 1.6, 1.6, 2.0];
        const ROUNDS: u64 = 6;
        for round in 0..ROUNDS {
            watch.step("fit of the bed", round, ROUNDS)?;
            let mut moved = false;
            for i in 0..at.len() {
                for factor in [factors[i], 1.0 / factors[i]] {
                    loop {
                        let mut other = at;
                        other[i] = (at[i] * factor).clamp(limits[i].0, limits[i].1);
                        if other == at {
                            break;
                        }
                        let found = self.likelihood(&part, &make(other))?;
                        if found <= best {
                            break;
                        }
                        (best, at, moved) = (found, other, true);
                    }
                }
            }
            if !moved || round % 2 == 1 {
                factors.iter_mut().for_each(|factor| *factor = factor.sqrt());
            }
        }
        Ok(Tuned { bed: make(at), likelihood: best })
    }
}
