//! Filters as folders: `filter.json`, the words, and the weights of each stage.

use super::scorer::Shape;
use super::{Filter, Rule, Scorer, Stage};
use crate::corpus::Vocabulary;
use crate::discriminator::Platt;
use crate::error::{Error, Result};
use crate::generator::{read_json, read_word_codec, write_codec, write_json};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trueness_nn::burn::tensor::Device;

const ABOUT: &str = "filter.json";

#[derive(Debug, Serialize, Deserialize)]
struct About {
    schema_version: u32,
    tokenizer: String,
    signature: String,
    stages: Vec<AboutStage>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AboutStage {
    shape: Shape,
    platt: Platt,
    rule: Rule,
    acceptance: f64,
}

impl Filter {
    /// Writes the filter into an existing folder.
    ///
    /// # Errors
    /// If a file cannot be written; the message names it.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let mut stages = Vec::new();
        for (i, stage) in self.stages.iter().enumerate() {
            let (shape, platt) = stage.scorer.save(&weights(folder, i))?;
            stages.push(AboutStage { shape, platt, rule: stage.rule, acceptance: stage.acceptance });
        }
        write_codec(&self.codec, folder)?;
        let (tokenizer, signature) = (self.codec.name(), self.signature.clone());
        // Last, so that a folder with this file is whole.
        write_json(&folder.join(ABOUT), &About { schema_version: 1, tokenizer, signature, stages })
    }

    /// Reads a filter from its folder, or from the folder of the run that trained it.
    ///
    /// # Errors
    /// If a file is missing, damaged or does not fit the others; the message names it.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let folder = trueness_core::find_folder(path, &[ABOUT], "filter")?;
        let about: About = read_json(&folder.join(ABOUT))?;
        let wrong = |what: String| Error::parse(&folder.join(ABOUT), what);
        if about.schema_version != 1 {
            return Err(wrong(format!("it has format {}, and this program reads 1", about.schema_version)));
        }
        let codec = read_word_codec(&folder, &about.tokenizer, &folder.join(ABOUT))?;
        let size = codec.vocabulary().map_or(0, Vocabulary::len);
        let mut stages = Vec::new();
        for (i, stage) in about.stages.into_iter().enumerate() {
            let numbers = [stage.platt.slope, stage.platt.shift, stage.rule.factor, stage.acceptance];
            if numbers.iter().any(|x| !x.is_finite()) || stage.rule.factor < 0.0 {
                return Err(wrong(format!("stage {} has numbers that make no sense: {numbers:?}", i + 1)));
            }
            let scorer = Scorer::load(&stage.shape, stage.platt, size, device, &weights(&folder, i))?;
            stages.push(Stage { scorer, rule: stage.rule, acceptance: stage.acceptance });
        }
        if stages.is_empty() {
            return Err(wrong("expected at least one stage".to_owned()));
        }
        Ok(Self { codec, stages, signature: about.signature })
    }
}

fn weights(folder: &Path, stage: usize) -> PathBuf {
    folder.join(format!("stage-{}.weights", stage + 1))
}
