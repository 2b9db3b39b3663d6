//! From records whose flux is known to a model with calibrated intervals.

use super::model::{Model, Regressor, beside, whole};
use super::split::{Block, blocks};
use super::{
    Boosting, BoostingKnobs, Examples, Features, Forest, ForestKnobs, Learner, Network, NetworkKnobs, Ridge, Rows,
    Split, Table,
};
use crate::estimator::Calibration;
use crate::logger::Record;
use crate::river::Simulated;
use crate::{DAY, Error, Result};
use rayon::prelude::*;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use trueness_core::{Seed, Watch};

/// A record whose flux is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// What the sensors say.
    pub record: Record,
    /// Darcy flux in m/s at the record's times, positive downward; NaN where it is not known.
    pub flux: Vec<f64>,
}

impl From<Simulated> for Site {
    fn from(site: Simulated) -> Self {
        Self { record: site.record, flux: site.flux }
    }
}

/// A training.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// What learns.
    pub learner: Learner,
    /// What it sees.
    pub features: Features,
    /// How data are held out.
    pub split: Split,
    /// Settings of a forest.
    pub forest: ForestKnobs,
    /// Settings of boosting.
    pub boosting: BoostingKnobs,
    /// Settings of networks.
    pub network: NetworkKnobs,
    /// The most rows that trees learn from; every so many are taken.
    pub most_rows: usize,
}

impl Training {
    /// A training with the defaults.
    pub fn new(learner: Learner, split: Split) -> Self {
        Self {
            learner,
            features: Features::default(),
            split,
            forest: ForestKnobs::default(),
            boosting: BoostingKnobs::default(),
            network: NetworkKnobs::default(),
            most_rows: 30_000,
        }
    }
}

/// Rows of a site, with the base's flux as a column where there is a base.
struct Prepared {
    table: Table,
    /// Flux in m/d at the rows; with a base, what is left of it.
    target: Vec<f64>,
    /// What the base says.
    base: Vec<f64>,
}

fn prepare(site: &Site, features: &Features, base: Option<&Model>) -> Result<Prepared> {
    let mut table = features.of(&site.record)?;
    let mut target: Vec<f64> = table.places.iter().map(|&place| site.flux[place] * DAY).collect();
    let mut said = vec![0.0; table.len()];
    if let Some(base) = base {
        let series = base.infer(&site.record)?;
        said = table.places.iter().map(|&place| series.flux[place] * DAY).collect();
        table = beside(&table, &said);
        target.iter_mut().zip(&said).for_each(|(target, said)| *target -= said);
    }
    Ok(Prepared { table, target, base: said })
}

impl Training {
    /// Learns from sites, and calibrates on those that were held out. With a base, its flux is corrected by what the sites say: a
    /// network goes on from the base's weights, others learn what the base leaves over.
    ///
    /// The state of networks is kept below a folder, where one is given, so that an interrupted training goes on there.
    ///
    /// # Errors
    /// [`Error::Input`] for sites of other depths or lengths, too few rows, or a base of other features; where `watch` was stopped.
    pub fn run(
        &self,
        sites: &[Site],
        base: Option<&Arc<Model>>,
        folder: Option<&Path>,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Model> {
        let Some(first) = sites.first() else {
            return Err(Error::Input("expected at least one site to learn from".to_owned()));
        };
        for site in sites {
            if site.record.depths != first.record.depths || site.flux.len() != site.record.len() {
                return Err(Error::Input(format!(
                    "expected sites with sensors at {:?} m and a flux a time, got {:?} m, {} times and {} fluxes",
                    first.record.depths,
                    site.record.depths,
                    site.record.len(),
                    site.flux.len()
                )));
            }
        }
        let mut features = self.features.clone();
        if self.learner.sees_around() {
            features.lags = vec![0.0];
        }
        if let Some(base) = base {
            if base.depths != first.record.depths {
                return Err(Error::Input(format!(
                    "the model to begin with takes sensors at {:?} m, got {:?} m",
                    base.depths, first.record.depths
                )));
            }
            features = base.features.clone();
        }
        // A network goes on from the weights of a network; all others learn what is left over.
        let start = base.and_then(|base| match &base.regressor {
            Regressor::Network(network) if base.learner == self.learner => Some(network),
            _ => None,
        });
        let below = if start.is_some() { None } else { base };
        let prepared: Vec<Prepared> =
            sites.par_iter().map(|site| prepare(site, &features, below.map(AsRef::as_ref))).collect::<Result<_>>()?;
        let all = blocks(&prepared.iter().map(|site| site.table.len()).collect::<Vec<_>>());
        // What lies nearer to a held block than features see is in neither.
        let embargo = (2.0 * features.reach() / features.step).ceil() as usize;
        let held = self.split.held(all.len());
        let mut out: Vec<Out> = Vec::new();
        let mut last = None;
        for (fold, held) in held.iter().enumerate() {
            let examples = examples(&prepared, &all, held, embargo);
            let folder = folder.map(|folder| folder.join(format!("fold-{fold}")));
            let seed = seed.child("fold").nth(fold as u64);
            let regressor = self.fit(&examples, features.causal, start, folder.as_deref(), seed, watch)?;
            for &block in held {
                out.extend(judge(&regressor, &prepared, &all[block], block)?);
            }
            last = Some(regressor);
        }
        let (scale, calibration, efficiency) = self.calibrate(&out, seed, watch)?;
        let regressor = match (self.split, last) {
            (Split::Held(_), Some(regressor)) => regressor,
            _ => {
                let examples = examples(&prepared, &all, &[], 0);
                let folder = folder.map(|folder| folder.join("whole"));
                self.fit(&examples, features.causal, start, folder.as_deref(), seed.child("whole"), watch)?
            }
        };
        Ok(Model {
            learner: self.learner,
            features,
            depths: first.record.depths.clone(),
            base: below.cloned(),
            regressor,
            scale,
            calibration,
            efficiency,
        })
    }

    fn fit(
        &self,
        examples: &Examples,
        causal: bool,
        start: Option<&Network>,
        folder: Option<&Path>,
        seed: Seed,
        watch: Watch<'_>,
    ) -> Result<Regressor> {
        let rows = examples.rows();
        if rows < 50 {
            return Err(Error::Input(format!("expected at least 50 rows to learn from, got {rows}")));
        }
        watch.check()?;
        Ok(match self.learner {
            Learner::Ridge => Regressor::Ridge(Ridge::fit(&examples.flat())?),
            Learner::Forest => {
                Regressor::Forest(Forest::fit(&examples.flat().thinned(self.most_rows), &self.forest, seed, watch)?)
            }
            Learner::Boosting => Regressor::Boosting(Boosting::fit(
                &examples.flat().thinned(self.most_rows),
                &self.boosting,
                seed,
                watch,
            )?),
            Learner::Mlp | Learner::Cnn | Learner::Lstm => Regressor::Network(Network::fit(
                (self.learner, causal),
                examples,
                &self.network,
                start,
                folder,
                seed,
                watch,
            )?),
        })
    }

    /// The scale of errors, and how many of them make an interval.
    fn calibrate(&self, out: &[Out], seed: Seed, watch: Watch<'_>) -> Result<(Option<Boosting>, Calibration, f64)> {
        let mean = out.iter().map(|out| out.truth).sum::<f64>() / out.len().max(1) as f64;
        let left: f64 = out.iter().map(|out| (out.truth - out.estimate).powi(2)).sum();
        let efficiency = 1.0 - left / out.iter().map(|out| (out.truth - mean).powi(2)).sum::<f64>();
        if out.iter().all(|out| out.scale.is_some()) {
            let known = out.iter().filter_map(|out| Some([out.estimate, out.scale?, out.truth]));
            return Ok((None, Calibration::of(known)?, efficiency));
        }
        let spread = BoostingKnobs { trees: 60, depth: 3, learning_rate: 0.1, rows: 0.8, columns: 0.5 };
        let fit = |of: &dyn Fn(&Out) -> bool, seed: Seed| {
            let mut rows = Rows { columns: out.first().map_or(0, |out| out.row.len()), ..Rows::default() };
            // A thousandth of a metre a day is as good as exact.
            out.iter()
                .filter(|out| of(out))
                .for_each(|out| rows.push(&out.row, (out.truth - out.estimate).abs().max(1e-3).ln()));
            Boosting::fit(&rows.thinned(self.most_rows), &spread, seed, watch)
        };
        // Each half's scale comes from the other half, as that of new records does.
        let halves = [
            fit(&|out| out.block % 2 == 1, seed.child("scale").nth(0))?,
            fit(&|out| out.block % 2 == 0, seed.child("scale").nth(1))?,
        ];
        let mut known = Vec::with_capacity(out.len());
        for (half, scale) in halves.iter().enumerate() {
            let mine: Vec<&Out> = out.iter().filter(|out| out.block % 2 == half).collect();
            let Some(columns) = mine.first().map(|out| out.row.len()) else { continue };
            let x: Vec<f64> = mine.iter().flat_map(|out| out.row.iter().copied()).collect();
            let scales = scale.predict(&x, columns);
            known.extend(mine.iter().zip(scales).map(|(out, scale)| [out.estimate, scale.exp(), out.truth]));
        }
        let scale = fit(&|_| true, seed.child("scale").nth(2))?;
        Ok((Some(scale), Calibration::of(known.into_iter())?, efficiency))
    }
}

/// A row that was held out.
struct Out {
    block: usize,
    estimate: f64,
    truth: f64,
    scale: Option<f64>,
    row: Vec<f64>,
}

/// All rows whose truth is known, but for some blocks and what lies next to them.
fn examples(prepared: &[Prepared], all: &[Block], held: &[usize], embargo: usize) -> Examples {
    let columns = prepared.first().map_or(0, |site| site.table.columns());
    let mut examples = Examples { columns, stretches: Vec::new() };
    for (i, site) in prepared.iter().enumerate() {
        let out: Vec<&Range<usize>> =
            held.iter().map(|&block| &all[block]).filter(|block| block.site == i).map(|block| &block.rows).collect();
        let free = |row: usize| out.iter().all(|rows| row + embargo < rows.start || row >= rows.end + embargo);
        let use_of = |row: usize| site.target[row].is_finite() && free(row);
        for stretch in whole(&site.table, 0..site.table.len(), &use_of) {
            let mut rows = Rows { columns, ..Rows::default() };
            stretch.for_each(|row| rows.push(site.table.row(row), site.target[row]));
            examples.stretches.push(rows);
        }
    }
    examples
}

fn judge(regressor: &Regressor, prepared: &[Prepared], block: &Block, number: usize) -> Result<Vec<Out>> {
    let site = &prepared[block.site];
    let columns = site.table.columns();
    let mut out = Vec::new();
    for stretch in whole(&site.table, block.rows.clone(), &|row| site.target[row].is_finite()) {
        let x = &site.table.values[stretch.start * columns..stretch.end * columns];
        let (found, scale) = regressor.predict(x, columns)?;
        out.extend(stretch.enumerate().map(|(i, row)| Out {
            block: number,
            estimate: site.base[row] + found[i],
            truth: site.base[row] + site.target[row],
            scale: scale.as_ref().map(|scale| scale[i]),
            row: site.table.row(row).to_vec(),
        }));
    }
    Ok(out)
}
