//! A small study with everything that a unit can use: two units that share a stage, logs, checkpoints.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use trueness_core::report::Report;
use trueness_core::run::{Machine, Program, RunFolder, RunInfo, Stage};
use trueness_core::{Error, Estimate, Findings, Result, Run, Study, StudyEntry, StudySource};

const MANIFEST: &str = r#"
study = "toy/sum"
title = "A sum"

[preset.smoke]
expected_minutes = 0.1
seeds = 3
knobs = { steps = 5 }

[[claim]]
id = "twice-is-more"
says = "Twice a positive number is more than the number."
where = "arithmetic"
greater = ["sum/twice", "sum/once"]
"#;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Knobs {
    /// Steps of the shared stage.
    pub(crate) steps: u64,
    /// A file that is read.
    pub(crate) file: String,
    /// Whether a measure is taken twice, which is a bug.
    pub(crate) repeat: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { steps: 3, file: String::new(), repeat: false }
    }
}

/// The study; it counts what it does, over all runs.
#[derive(Clone, Default)]
pub(crate) struct Toy {
    /// How often the stage's work began.
    pub(crate) begun: Arc<AtomicU64>,
    /// How often it ended.
    pub(crate) ended: Arc<AtomicU64>,
}

impl Toy {
    pub(crate) fn entry(&self) -> StudyEntry {
        StudyEntry::new(self.clone(), StudySource { manifest: MANIFEST, readme: "" }).unwrap()
    }

    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed))
    }

    /// The sum 1 + 2 + … + steps, with a checkpoint after every second step.
    fn sum(&self, steps: u64, stage: &mut Stage<'_>) -> Result<u64> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let (mut done, mut sum) = (0, 0);
        if let Some((step, dir)) = stage.resume()? {
            let text = std::fs::read_to_string(dir.join("sum")).map_err(Error::io("read", &dir))?;
            (done, sum) = (step, text.parse().unwrap());
        }
        while done < steps {
            stage.watch().step("sum", done, steps)?;
            done += 1;
            sum += done;
            stage.log("sum", done, sum as f64)?;
            if done.is_multiple_of(2) {
                stage.checkpoint(done, |dir| {
                    std::fs::write(dir.join("sum"), sum.to_string()).map_err(Error::io("write", dir))
                })?;
            }
        }
        std::fs::write(stage.dir().join("sum.txt"), sum.to_string()).map_err(Error::io("write", stage.dir()))?;
        self.ended.fetch_add(1, Ordering::Relaxed);
        Ok(sum)
    }
}

impl Study for Toy {
    type Knobs = Knobs;
    type Unit = String;

    fn inputs(&self, knobs: &Knobs) -> Result<Vec<PathBuf>> {
        Ok((!knobs.file.is_empty()).then(|| PathBuf::from(&knobs.file)).into_iter().collect())
    }

    fn plan(&self, _knobs: &Knobs) -> Result<Vec<String>> {
        Ok(vec!["once".to_owned(), "twice".to_owned()])
    }

    fn unit_name(&self, unit: &String) -> String {
        unit.clone()
    }

    fn run_unit(&self, knobs: &Knobs, unit: &String, run: &mut Run<'_>) -> Result<()> {
        let staged = run.stage("sum", &knobs.steps, |stage| self.sum(knobs.steps, stage))?;
        let file = std::fs::read_to_string(staged.dir.join("sum.txt")).map_err(Error::io("read", &staged.dir))?;
        assert_eq!(file, staged.value.to_string());
        let factor = if unit == "twice" { 2 } else { 1 };
        for i in 0..2 {
            run.log("part", i, (staged.value * i) as f64)?;
            run.watch().step(unit, i, 2)?;
        }
        let sum = run.logged("part")?.iter().filter_map(|line| line.value).sum::<f64>() * f64::from(factor);
        // Seeds have to differ, or there would be nothing to compare.
        let value = sum + run.seed_number() as f64 * f64::from(factor);
        for _ in 0..1 + usize::from(knobs.repeat) {
            run.measure("sum", unit, Estimate::exact(value, "a sum"), "toy");
        }
        Ok(())
    }

    fn report(&self, _knobs: &Knobs, findings: &Findings, report: Report) -> Result<Report> {
        let figure = trueness_core::report::Figure::forest(
            "sums",
            "Sums",
            "sum",
            findings.measures.iter().map(|m| (m.subject.clone(), m.estimate.clone())).collect::<Vec<_>>(),
        );
        Ok(report.lead("Sums.").heading("Sums").figure(figure))
    }
}

pub(crate) fn program() -> Program {
    Program { version: "1".to_owned(), build: "a".to_owned() }
}

pub(crate) fn machine(instruction_set: &str) -> Machine {
    Machine { instruction_set: instruction_set.to_owned(), ..Machine::default() }
}

/// A run's description with the files that it reads.
pub(crate) fn info(inputs: &[PathBuf]) -> RunInfo {
    RunInfo {
        program: program(),
        machine: machine("avx2"),
        seeds: vec![0, 1],
        inputs: trueness_core::run::InputFile::read_all(inputs).unwrap(),
        ..RunInfo::default()
    }
}

pub(crate) fn create(path: &Path, force: bool) -> Result<RunFolder> {
    RunFolder::create(path, info(&[]), MANIFEST, force)
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
