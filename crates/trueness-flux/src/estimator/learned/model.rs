//! A learner with its features and its intervals, to a file and back.

use super::{Boosting, Features, Forest, Learner, Network, Ridge, Shape, Table};
use crate::estimator::{Calibration, FluxSeries};
use crate::logger::Record;
use crate::{DAY, Error, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a model.
pub(crate) const MODEL: &str = "model.json.gz";
const WEIGHTS: &str = "weights.safetensors";
const FORMAT: &str = "trueness-flux-model-1";

/// The largest model that is read, unpacked, in bytes.
const LARGEST: u64 = 4 << 30;

/// By how much a sensor may lie elsewhere than the model's, in m.
const NEAR: f64 = 0.005;

/// A function from rows to flux in m/d.
#[derive(Debug)]
pub(super) enum Regressor {
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
    pub(super) fn predict(&self, x: &[f64], columns: usize) -> Result<(Vec<f64>, Option<Vec<f64>>)> {
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
    pub(super) learner: Learner,
    pub(super) features: Features,
    pub(super) depths: Vec<f64>,
    /// The model that this one corrects, where it was fine-tuned and is no network.
    pub(super) base: Option<Arc<Model>>,
    pub(super) regressor: Regressor,
    /// The logarithm of the mean absolute error, where the regressor does not tell it.
    pub(super) scale: Option<Boosting>,
    pub(super) calibration: Calibration,
    /// Nash and Sutcliffe's efficiency on what was held out.
    pub(super) efficiency: f64,
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

/// The stretches of a table's rows within a range that have all their columns.
pub(super) fn whole(table: &Table, range: Range<usize>, also: &dyn Fn(usize) -> bool) -> Vec<Range<usize>> {
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

/// A table with one column more.
pub(super) fn beside(table: &Table, column: &[f64]) -> Table {
    let values = (0..table.len()).flat_map(|i| table.row(i).iter().copied().chain([column[i]])).collect();
    let names = table.names.iter().cloned().chain(["flux before fine-tuning".to_owned()]).collect();
    Table { names, values, places: table.places.clone() }
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
