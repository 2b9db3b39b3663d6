//! A learner with its features and its intervals, from the data to a file and back.

use super::split::{Block, blocks};
use super::{
    Boosting, BoostingKnobs, Examples, Features, Forest, ForestKnobs, Learner, Network, NetworkKnobs, Ridge, Rows,
    Shape, Split, Table,
};
use crate::estimator::{Calibration, FluxSeries};
use crate::logger::Record;
use crate::river::Simulated;
use crate::{DAY, Error, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trueness_core::{Seed, Watch};

/// The files of a model.
pub(crate) const MODEL: &str = "model.json.gz";
const WEIGHTS: &str = "weights.safetensors";
const FORMAT: &str = "trueness-flux-model-1";

/// The largest model that is read, unpacked, in bytes.
const LARGEST: u64 = 4 << 30;

/// By how much a sensor may lie elsewhere than the model's, in m.
const NEAR: f64 = 0.005;

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

/// A function from rows to flux in m/d.
#[derive(Debug)]
enum Regressor {
    Ridge(Ridge),
    Forest(Forest),
    Boosting(Boosting),
    Network(Network),
}

/// A regressor as it stands in a file.
#[derive(Serialize, Deserialize)]
enum Kept<R, F, B, S> {
    Ridge(R),
    Forest(F),
    Boosting(B),
    Network(S),
}

impl Regressor {
    /// Flux at the rows of a stretch, and its mean absolute error where it is told.
    fn predict(&self, x: &[f64], columns: usize) -> Result<(Vec<f64>, Option<Vec<f64>>)> {
        Ok(match self {
            Self::Ridge(ridge) => (x.chunks_exact(columns).map(|row| ridge.predict(row)).collect(), None),
            Self::Forest(forest) => (forest.predict(x, columns)?, None),
            Self::Boosting(boosting) => (boosting.predict(x, columns), None),
            Self::Network(network) => {
                let (median, spread) = network.predict(x)?;
                (median, Some(spread))
            }
        })
    }
}

/// A trained estimator of flux with intervals of 90 %.
#[derive(Debug)]
pub struct Model {
    learner: Learner,
    features: Features,
    depths: Vec<f64>,
    /// The model that this one corrects, where it was fine-tuned and is no network.
    base: Option<Arc<Model>>,
    regressor: Regressor,
    /// The logarithm of the mean absolute error, where the regressor does not tell it.
    scale: Option<Boosting>,
    calibration: Calibration,
    /// Nash and Sutcliffe's efficiency on what was held out.
    efficiency: f64,
}

/// What a model is, without its learned parts.
#[derive(Serialize, Deserialize)]
struct Header<R, F, B, S> {
    format: String,
    learner: Learner,
    features: Features,
    depths: Vec<f64>,
    base: bool,
    regressor: Kept<R, F, B, S>,
    scale: Option<B>,
    calibration: Calibration,
    efficiency: f64,
}

/// Rows of a site, with the base's flux as a column where there is a base.
struct Prepared {
    table: Table,
    /// Flux in m/d at the rows; with a base, what is left of it.
    target: Vec<f64>,
    /// What the base says.
    base: Vec<f64>,
}

/// The stretches of a table's rows within a range that have all their columns.
fn whole(table: &Table, range: Range<usize>, also: &dyn Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for i in range {
        if table.row(i).iter().all(|value| value.is_finite()) && also(i) {
            match stretches.last_mut() {
                Some(last) if last.end == i => last.end = i + 1,
                _ => stretches.push(i..i + 1),
            }
        }
    }
    stretches
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

/// A table with one column more.
fn beside(table: &Table, column: &[f64]) -> Table {
    let values = (0..table.len()).flat_map(|i| table.row(i).iter().copied().chain([column[i]])).collect();
    let names = table.names.iter().cloned().chain(["flux before fine-tuning".to_owned()]).collect();
    Table { names, values, places: table.places.clone() }
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

impl Model {
    /// What learned.
    pub fn learner(&self) -> Learner {
        self.learner
    }

    /// What it sees.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The depths in m of the sensors that it takes.
    pub fn depths(&self) -> &[f64] {
        &self.depths
    }

    /// Nash and Sutcliffe's efficiency on what was held out in training.
    pub fn efficiency(&self) -> f64 {
        self.efficiency
    }

    /// How its intervals were calibrated.
    pub fn calibration(&self) -> Calibration {
        self.calibration
    }

    /// Flux of a record with intervals; NaN within reach of gaps.
    ///
    /// # Errors
    /// [`Error::Input`] for sensors elsewhere than those that were learned from, or a record shorter than features see.
    pub fn infer(&self, record: &Record) -> Result<FluxSeries> {
        let as_learned = self.depths.len() == record.depths.len()
            && self.depths.iter().zip(&record.depths).all(|(a, b)| (a - b).abs() <= NEAR);
        if !as_learned {
            return Err(Error::Input(format!(
                "the model takes sensors at {:?} m, got {:?} m; train one for these depths",
                self.depths, record.depths
            )));
        }
        let mut table = self.features.of(record)?;
        let mut said = vec![0.0; table.len()];
        if let Some(base) = &self.base {
            let series = base.infer(record)?;
            said = table.places.iter().map(|&place| series.flux[place] * DAY).collect();
            table = beside(&table, &said);
        }
        let columns = table.columns();
        let gaps = || vec![f64::NAN; record.len()];
        let mut series = FluxSeries { flux: gaps(), low: gaps(), high: gaps(), mean: None };
        for stretch in whole(&table, 0..table.len(), &|_| true) {
            let x = &table.values[stretch.start * columns..stretch.end * columns];
            let (found, scales) = self.regressor.predict(x, columns)?;
            let scales = match (scales, &self.scale) {
                (Some(scales), _) => scales,
                (None, Some(scale)) => scale.predict(x, columns).into_iter().map(f64::exp).collect(),
                (None, None) => return Err(Error::Input("the model does not tell its errors".to_owned())),
            };
            let values: Vec<[f64; 3]> = stretch
                .clone()
                .zip(found.iter().zip(&scales))
                .map(|(row, (found, scale))| {
                    let estimate = said[row] + found;
                    let (low, high) = self.calibration.interval(estimate, *scale);
                    [estimate, low, high]
                })
                .collect();
            fill(&mut series, &table.places[stretch], &values);
        }
        Ok(series)
    }

    /// Writes the model into a folder.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error: std::io::Error| Error::from(trueness_core::Error::io("write", &path)(error))
        };
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        let regressor = match &self.regressor {
            Regressor::Ridge(ridge) => Kept::Ridge(ridge),
            Regressor::Forest(forest) => Kept::Forest(forest),
            Regressor::Boosting(boosting) => Kept::Boosting(boosting),
            Regressor::Network(network) => Kept::Network(network.shape()),
        };
        let header = Header {
            format: FORMAT.to_owned(),
            learner: self.learner,
            features: self.features.clone(),
            depths: self.depths.clone(),
            base: self.base.is_some(),
            regressor,
            scale: self.scale.as_ref(),
            calibration: self.calibration,
            efficiency: self.efficiency,
        };
        if let Regressor::Network(network) = &self.regressor {
            network.save(&folder.join(WEIGHTS))?;
        }
        if let Some(base) = &self.base {
            base.save(&folder.join("base"))?;
        }
        // The header comes last, so that a folder with one is whole.
        let path = folder.join(MODEL);
        let json =
            serde_json::to_vec(&header).map_err(|error| Error::Input(format!("cannot write the model: {error}")))?;
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&json).map_err(io(&path))?;
        let packed = packed.finish().map_err(io(&path))?;
        Ok(trueness_core::write_atomically(&path, &packed)?)
    }

    /// The files of a model's folder, in a fixed order.
    pub fn files(folder: &Path) -> Vec<PathBuf> {
        let mut folder = folder.to_owned();
        let mut files = Vec::new();
        while folder.join(MODEL).is_file() {
            files.extend([MODEL, WEIGHTS].map(|name| folder.join(name)).into_iter().filter(|file| file.is_file()));
            folder.push("base");
        }
        files
    }

    /// Reads a model from a folder.
    ///
    /// # Errors
    /// Where a file cannot be read, or holds no model.
    pub fn load(folder: &Path) -> Result<Self> {
        Self::load_deep(folder, 0)
    }

    fn load_deep(folder: &Path, depth: usize) -> Result<Self> {
        let path = folder.join(MODEL);
        let wrong = |what: String| Error::file(&path, None, format!("expected a model of trueness flux train: {what}"));
        let file = std::fs::File::open(&path).map_err(trueness_core::Error::io("read", &path))?;
        let mut json = Vec::new();
        GzDecoder::new(file).take(LARGEST).read_to_end(&mut json).map_err(|error| wrong(error.to_string()))?;
        let header: Header<Ridge, Forest, Boosting, Shape> =
            serde_json::from_slice(&json).map_err(|error| wrong(error.to_string()))?;
        if header.format != FORMAT {
            return Err(wrong(format!("its format is {}, and {FORMAT} is known", header.format)));
        }
        if depth > 8 {
            return Err(wrong("it corrects a model that corrects a model, and so on".to_owned()));
        }
        let regressor = match header.regressor {
            Kept::Ridge(ridge) => Regressor::Ridge(ridge),
            Kept::Forest(forest) => Regressor::Forest(forest),
            Kept::Boosting(boosting) => Regressor::Boosting(boosting),
            Kept::Network(shape) => Regressor::Network(Network::load(shape, &folder.join(WEIGHTS))?),
        };
        let base = match header.base {
            true => Some(Arc::new(Self::load_deep(&folder.join("base"), depth + 1)?)),
            false => None,
        };
        header.features.check()?;
        Ok(Self {
            learner: header.learner,
            features: header.features,
            depths: header.depths,
            base,
            regressor,
            scale: header.scale,
            calibration: header.calibration,
            efficiency: header.efficiency,
        })
    }
}

/// Puts values at some places of a record, and lines between them; the outermost values reach half a step further.
fn fill(series: &mut FluxSeries, places: &[usize], values: &[[f64; 3]]) {
    let (Some(&first), Some(&last)) = (places.first(), places.last()) else { return };
    let n = series.flux.len();
    let half = places.get(1).map_or(0, |next| (next - first) / 2);
    let mut next = 0;
    for at in first.saturating_sub(half)..(last + half + 1).min(n) {
        while next < places.len() && places[next] < at {
            next += 1;
        }
        let (a, b) = (next.saturating_sub(1), next.min(places.len() - 1));
        let share = match places[b] > places[a] && at > places[a] {
            true => ((at - places[a]) as f64 / (places[b] - places[a]) as f64).min(1.0),
            false => 0.0,
        };
        let value = |part: usize| (values[a][part] + share * (values[b][part] - values[a][part])) / DAY;
        (series.flux[at], series.low[at], series.high[at]) = (value(0), value(1), value(2));
    }
}
