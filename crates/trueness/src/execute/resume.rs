//! `--resume`: a run is taken up only as what it was begun as.

use super::{Layer, Task, carry_out, default_preset, find, preset_layer, set_layers};
use crate::arguments::{Common, RunArguments};
use crate::host::{self, SystemClock};
use anyhow::{Context, bail};
use serde_json::Value;
use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;
use trueness_core::run::RunFolder;
use trueness_core::study::claim::Claim;
use trueness_core::study::{Manifest, knobs};
use trueness_core::{Error, StudyEntry};

/// What is asked for beside the run's folder: everything that is given has to be the run's own.
#[derive(Default)]
pub(crate) struct Asked {
    study: Option<String>,
    preset: Option<String>,
    seeds: Option<u64>,
    claims: Option<Vec<Claim>>,
    /// Settings, laid over those of the run.
    layers: Vec<Layer>,
    strict: bool,
}

impl Asked {
    /// What a tool's own options ask for.
    pub(crate) fn tool(study: &str, name: &str, given: Value) -> Self {
        Self { study: Some(study.to_owned()), layers: vec![(name.to_owned(), given)], ..Self::default() }
    }

    /// What the options of `trueness run` ask for. A person's own study file is taken at its word: its
    /// preset, its number of seeds, every knob and claim.
    ///
    /// # Errors
    /// Where the study file cannot be read, or a setting cannot be parsed.
    pub(crate) fn run(studies: &[StudyEntry], arguments: &RunArguments) -> anyhow::Result<Self> {
        let mut asked = Self {
            study: arguments.study.clone(),
            preset: arguments.preset.clone(),
            seeds: arguments.seeds,
            strict: arguments.strict,
            ..Self::default()
        };
        if let Some(name) = arguments.study.as_deref() {
            let (entry, text) = find(studies, name)?;
            asked.study = Some(entry.name().to_owned());
            if name != entry.name() {
                let manifest = Manifest::parse(&text, name)?;
                let preset = arguments.preset.clone().unwrap_or_else(|| default_preset(&manifest));
                asked.seeds = arguments.seeds.or(Some(manifest.preset(&preset)?.seeds));
                let own = entry.resolve(&[(name, preset_layer(&manifest, &preset, name)?.1)])?;
                asked.layers.push((name.to_owned(), own));
                asked.claims = Some(manifest.claims);
                asked.preset = Some(preset);
            }
        }
        asked.layers.extend(set_layers(arguments)?);
        Ok(asked)
    }
}

/// Takes up a run. Everything is checked before anything is written.
///
/// # Errors
/// Where something differs from what the run was begun with; the message names it.
pub(crate) fn resume(studies: &[StudyEntry], path: &Path, asked: &Asked, common: &Common) -> anyhow::Result<ExitCode> {
    let clock = SystemClock::start();
    let mut folder = RunFolder::resume(path, &host::program(), &host::machine())?;
    let info = folder.info().clone();
    let text = folder.study()?;
    let manifest = Manifest::parse(&text, &path.join("study.toml").display().to_string())?;
    let Some(entry) = studies.iter().find(|entry| entry.name() == info.study) else {
        bail!(Error::Input(format!(
            "{} is a run of {:?}, which this program does not know",
            path.display(),
            info.study
        )))
    };
    let refuse = |what: &str, was: &dyn Display, is: &dyn Display| {
        Error::Input(format!("{} was begun with {what} {was}, and {is} is asked for: start a new run", path.display()))
    };
    if let Some(study) = asked.study.as_ref().filter(|study| **study != info.study) {
        bail!(refuse("the study", &info.study, study));
    }
    if let Some(preset) = asked.preset.as_ref().filter(|preset| **preset != info.preset) {
        bail!(refuse("the preset", &info.preset, preset));
    }
    if let Some(seeds) = asked.seeds.filter(|n| *n != info.seeds.len() as u64) {
        bail!(refuse("this many seeds:", &info.seeds.len(), &seeds));
    }
    let first = info.seeds.first().copied().unwrap_or_default();
    if let Some(seed) = common.seed.filter(|seed| *seed != first) {
        bail!(refuse("the first seed", &first, &seed));
    }
    if asked.claims.as_ref().is_some_and(|claims| *claims != manifest.claims) {
        bail!(Error::Input(format!("{} was begun with other claims: start a new run", path.display())));
    }
    let saved = serde_json::to_value(&manifest.preset(&info.preset)?.knobs).context("the run's knobs")?;
    let mut wanted = saved.clone();
    for (name, layer) in &asked.layers {
        knobs::merge(&mut wanted, layer, name)?;
    }
    if let Some(difference) = knobs::difference(&saved, &wanted) {
        let names: Vec<&str> = asked.layers.iter().map(|(name, _)| name.as_str()).collect();
        bail!(Error::Input(format!(
            "{} was begun with other knobs than {} says: {difference} now; start a new run",
            path.display(),
            names.join(", ")
        )));
    }
    // Before the knobs are checked, which reads the files too: what changed is then said by name.
    let unchecked = entry.inputs(&saved)?;
    folder.check_inputs(&unchecked)?;
    let knobs = entry.resolve(&[("the run's study.toml", saved)])?;
    folder.carry_on()?;
    let task = Task {
        entry,
        manifest,
        manifest_text: text,
        preset: info.preset,
        knobs,
        seeds: info.seeds,
        strict: asked.strict,
    };
    carry_out(task, folder, &clock, common)
}
