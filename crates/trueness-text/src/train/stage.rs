//! A generator in a stage of a run: trained there once, and read again.

use crate::error::Result;
use crate::generator::{Card, Generator};
use serde::Serialize;
use std::path::Path;
use trueness_core::{Run, Seed, Watch};
use trueness_nn::Checkpoints;
use trueness_nn::burn::tensor::Device;

/// The folder of a stage that holds the model.
const MODEL: &str = "model";

/// The folder of a stage that holds what it takes to resume the training.
pub(crate) const FIT: &str = "fit";

/// Puts a trained generator into the folder of its stage, and takes away what it took to resume.
pub(crate) fn keep(generator: &Generator, card: &Card, folder: &Path) -> Result<()> {
    let staging = trueness_core::run::Staging::new(&folder.join(MODEL))?;
    generator.save(staging.path(), card)?;
    staging.commit()?;
    let fit = folder.join(FIT);
    Ok(std::fs::remove_dir_all(&fit).map_err(trueness_core::Error::io("remove", &fit))?)
}

/// A generator that a stage of a run trains, or reads where that was done before. What `train` saves to the
/// checkpoints lets an interrupted run go on within the training.
///
/// # Errors
/// Those of `train`, and if the stage's folder cannot be written or read.
pub(crate) fn in_stage(
    run: &mut Run<'_>,
    name: &str,
    inputs: &impl Serialize,
    device: &Device,
    train: impl FnOnce(&Checkpoints, Seed, Watch<'_>) -> Result<Generator>,
) -> Result<Generator> {
    let staged = run.stage(name, inputs, |stage| -> Result<()> {
        let checkpoints = Checkpoints::new(stage.dir().join(FIT), 1)?;
        let generator = train(&checkpoints, stage.seed(), stage.watch())?;
        keep(&generator, &Card::default(), stage.dir())
    })?;
    crate::generator::load(&staged.dir.join(MODEL), device)
}
