//! Sites through the column, and through the eyes of their sensors.

use super::{Driving, Site};
use crate::column::{Columns, Drive, Edge, Grid};
use crate::logger::Record;
use crate::{DAY, Error, Result};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use trueness_core::{Rng, Seed};

/// How high cells are at most, in m.
const CELL: f64 = 0.01;

/// How many columns are stepped together: as many as keep instructions full and the cache free.
const TOGETHER: usize = 16;

/// A site's record and what was there.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// What the sensors say, at the depths and times that they are thought to be.
    pub record: Record,
    /// Darcy flux in m/s at the record's times, positive downward.
    pub flux: Vec<f64>,
    /// The sensors' true depths in m.
    pub depths: Vec<f64>,
    /// The true temperatures at those depths, by sensor and time, in °C.
    pub temperatures: Vec<Vec<f64>>,
    /// The river's and the groundwater's temperature in °C, the river's level and the groundwater's head in m, at the record's times.
    pub driving: Driving,
}

/// Simulates sites of one step, length and depth, each with the seed of its sensors' errors.
///
/// # Errors
/// [`Error::Input`] for a site out of range, or sites that differ in step, length or depth.
pub fn simulate(sites: &[(Site, Driving)], seeds: &[Seed]) -> Result<Vec<Simulated>> {
    if sites.len() != seeds.len() {
        return Err(Error::Input(format!("expected a seed a site, got {} for {}", seeds.len(), sites.len())));
    }
    let Some((first, _)) = sites.first() else { return Ok(Vec::new()) };
    for (site, driving) in sites {
        site.check()?;
        if (site.step, site.times(), site.depth) != (first.step, first.times(), first.depth) {
            return Err(Error::Input("expected sites of one step, length and depth".to_owned()));
        }
        if driving.flux.len() != driving.before + site.times() {
            return Err(Error::Input(format!(
                "expected {} driving values, got {}",
                driving.before + site.times(),
                driving.flux.len()
            )));
        }
    }
    let pieces: Vec<Vec<Simulated>> = sites
        .par_chunks(TOGETHER)
        .zip(seeds.par_chunks(TOGETHER))
        .map(|(sites, seeds)| together(sites, seeds))
        .collect::<Result<_>>()?;
    Ok(pieces.into_iter().flatten().collect())
}

fn together(sites: &[(Site, Driving)], seeds: &[Seed]) -> Result<Vec<Simulated>> {
    let (pattern, first) = &sites[0];
    let media = sites.iter().map(|(site, _)| site.medium()).collect::<Result<Vec<_>>>()?;
    let grid = Grid::uniform(pattern.depth, (pattern.depth / CELL).ceil() as usize)?;
    let start = |depth: f64, i: usize| {
        let driving = &sites[i].1;
        let share = depth / pattern.depth;
        driving.river[0] * (1.0 - share) + driving.groundwater[0] * share
    };
    let mut columns = Columns::new(grid, sites.len(), [Edge::Temperature; 2], |_, i| media[i], start)?;
    let mut errors: Vec<Rng> = seeds.iter().map(|seed| seed.child("depths").rng()).collect();
    let depths: Vec<Vec<f64>> = sites
        .iter()
        .zip(&mut errors)
        .map(|((site, _), rng)| {
            let place = |depth: &f64| {
                let error: f64 = StandardNormal.sample(rng);
                // A sensor that is thought to be in the bed is not below the ground water's depth.
                (depth + site.sensors.depth_error * error).min(site.depth)
            };
            site.sensors.depths.iter().map(place).collect()
        })
        .collect();
    let n = first.flux.len();
    let mut seen: Vec<Vec<Vec<f64>>> = depths.iter().map(|own| vec![Vec::with_capacity(n); own.len()]).collect();
    let at =
        |of: fn(&Driving) -> &Vec<f64>, i: usize| sites.iter().map(|(_, driving)| of(driving)[i]).collect::<Vec<_>>();
    let (mut top, mut bottom, mut flux) = (at(|d| &d.river, 0), at(|d| &d.groundwater, 0), at(|d| &d.flux, 0));
    for i in 0..n {
        if i > 0 {
            let (next_top, next_bottom, next_flux) =
                (at(|d| &d.river, i), at(|d| &d.groundwater, i), at(|d| &d.flux, i));
            let mean: Vec<f64> = flux.iter().zip(&next_flux).map(|(a, b)| f64::midpoint(*a, *b)).collect();
            columns
                .step(pattern.step, Drive { flux: &mean, top: [&top, &next_top], bottom: [&bottom, &next_bottom] })?;
            (top, bottom, flux) = (next_top, next_bottom, next_flux);
        }
        for (site, own) in depths.iter().enumerate() {
            for (sensor, &depth) in own.iter().enumerate() {
                seen[site][sensor].push(columns.between_edges(site, depth, top[site], bottom[site]));
            }
        }
    }
    Ok(sites
        .iter()
        .zip(seeds)
        .zip(depths.into_iter().zip(seen))
        .map(|(((site, driving), seed), (depths, seen))| told(site, driving, *seed, depths, &seen))
        .collect())
}

/// What sensors make of the temperatures around them.
fn told(site: &Site, driving: &Driving, seed: Seed, depths: Vec<f64>, seen: &[Vec<f64>]) -> Simulated {
    let sensors = &site.sensors;
    let before = driving.before;
    let mut rng = seed.child("values").rng();
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let values = seen
        .iter()
        .map(|true_values| {
            let (bias, ahead, drift) =
                (sensors.bias * normal(), sensors.clock * normal(), sensors.drift * normal() / DAY);
            (0..site.times())
                .map(|i| {
                    let shift = ahead + drift * i as f64 * site.step;
                    // The value that is told for a time was read at another.
                    let place =
                        (before as f64 + i as f64 - shift / site.step).clamp(0.0, true_values.len() as f64 - 1.0);
                    let (low, share) = (place.floor() as usize, place.fract());
                    let high = (low + 1).min(true_values.len() - 1);
                    let read = true_values[low] + share * (true_values[high] - true_values[low]);
                    let value = read + bias + sensors.noise * normal();
                    match sensors.resolution > 0.0 {
                        true => (value / sensors.resolution).round() * sensors.resolution,
                        false => value,
                    }
                })
                .collect()
        })
        .collect();
    let after = |series: &Vec<f64>| series[before..].to_vec();
    let record = Record {
        start: 0,
        step: site.step,
        depths: sensors.depths.clone(),
        names: sensors.depths.iter().map(|depth| format!("{:.1}cm", 100.0 * depth)).collect(),
        values,
    };
    Simulated {
        record,
        flux: after(&driving.flux),
        depths,
        temperatures: seen.iter().map(after).collect(),
        driving: Driving {
            before: 0,
            flux: after(&driving.flux),
            river: after(&driving.river),
            groundwater: after(&driving.groundwater),
            stage: after(&driving.stage),
            head: after(&driving.head),
        },
    }
}
