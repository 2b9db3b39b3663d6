//! Type-erased studies: what a toolkit hands to the command line.

use super::engine;
use super::knobs::{self, Knob};
use super::{Findings, Manifest, Study};
use crate::error::{Error, Result};
use crate::report::{Report, Verdict};
use crate::run::Sink;
use crate::watch::Watch;
use serde_json::Value;
use std::path::PathBuf;

/// The files that describe a study, compiled in.
#[derive(Clone, Copy, Debug)]
pub struct StudySource {
    /// The text of `study.toml`.
    pub manifest: &'static str,
    /// The text of `README.md`.
    pub readme: &'static str,
}

/// A study whose types are hidden.
pub struct StudyEntry {
    manifest: Manifest,
    source: StudySource,
    erased: Box<dyn Erased>,
}

impl std::fmt::Debug for StudyEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StudyEntry").field("study", &self.manifest.study).finish_non_exhaustive()
    }
}

trait Erased: Send + Sync {
    fn schema(&self) -> Value;
    fn defaults(&self) -> Result<Value>;
    fn knobs(&self) -> Result<Vec<Knob>>;
    fn check(&self, knobs: &Value, source: &str) -> Result<Value>;
    fn units(&self, knobs: &Value) -> Result<Vec<String>>;
    fn inputs(&self, knobs: &Value) -> Result<Vec<PathBuf>>;
    fn execute(
        &self,
        knobs: &Value,
        seeds: &[u64],
        threads: usize,
        sink: &dyn Sink,
        watch: Watch<'_>,
    ) -> Result<Findings>;
    fn report(&self, knobs: &Value, findings: &Findings, report: Report) -> Result<Report>;
}

impl<S: Study> Erased for S {
    fn schema(&self) -> Value {
        knobs::schema_of::<S::Knobs>()
    }

    fn defaults(&self) -> Result<Value> {
        knobs::to_value(&S::Knobs::default())
    }

    fn knobs(&self) -> Result<Vec<Knob>> {
        knobs::list::<S::Knobs>()
    }

    fn check(&self, value: &Value, source: &str) -> Result<Value> {
        let typed: S::Knobs = knobs::check(value, source)?;
        Study::check(self, &typed)?;
        knobs::to_value(&typed)
    }

    fn units(&self, value: &Value) -> Result<Vec<String>> {
        let typed: S::Knobs = knobs::check(value, "knobs")?;
        Ok(self.plan(&typed)?.iter().map(|unit| self.unit_name(unit)).collect())
    }

    fn inputs(&self, value: &Value) -> Result<Vec<PathBuf>> {
        Study::inputs(self, &knobs::check(value, "knobs")?)
    }

    fn execute(
        &self,
        value: &Value,
        seeds: &[u64],
        threads: usize,
        sink: &dyn Sink,
        watch: Watch<'_>,
    ) -> Result<Findings> {
        engine::execute(self, &knobs::check(value, "knobs")?, seeds, threads, sink, watch)
    }

    fn report(&self, value: &Value, findings: &Findings, report: Report) -> Result<Report> {
        Study::report(self, &knobs::check(value, "knobs")?, findings, report)
    }
}

impl StudyEntry {
    /// Hides the types of a study.
    ///
    /// # Errors
    /// Where the compiled-in study file does not parse, which a test of every toolkit rules out.
    pub fn new<S: Study>(study: S, source: StudySource) -> Result<Self> {
        let manifest = Manifest::parse(source.manifest, "that is compiled in")?;
        Ok(Self { manifest, source, erased: Box::new(study) })
    }

    /// `toolkit/name`.
    pub fn name(&self) -> &str {
        &self.manifest.study
    }

    /// The compiled-in study file.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The study's README.
    pub fn readme(&self) -> &'static str {
        self.source.readme
    }

    /// The files that are compiled in.
    pub fn source(&self) -> StudySource {
        self.source
    }

    /// Whether it is a tool for a person's own data: it makes no claims and has one preset.
    pub fn is_tool(&self) -> bool {
        self.manifest.claims.is_empty() && self.manifest.presets.contains_key("default")
    }

    /// The knobs, for help and reference pages.
    ///
    /// # Errors
    /// Where the defaults cannot be written as JSON.
    pub fn knobs(&self) -> Result<Vec<Knob>> {
        self.erased.knobs()
    }

    /// The JSON schema of the knobs.
    pub fn schema(&self) -> Value {
        self.erased.schema()
    }

    /// Lays layers of settings over the defaults, in order, and checks the result. Each layer comes
    /// with the name that errors give it.
    ///
    /// # Errors
    /// [`Error::Input`] for unknown knobs, wrong types, values out of range.
    pub fn resolve(&self, layers: &[(&str, Value)]) -> Result<Value> {
        let mut value = self.erased.defaults()?;
        for (source, layer) in layers {
            knobs::merge(&mut value, layer, source)?;
        }
        let sources: Vec<&str> = layers.iter().map(|(source, _)| *source).collect();
        let source = if sources.is_empty() { "the defaults".to_owned() } else { sources.join(", ") };
        self.erased.check(&value, &source)
    }

    /// The names of the units that these knobs plan.
    ///
    /// # Errors
    /// [`Error::Input`] for knobs that make no plan.
    pub fn units(&self, knobs: &Value) -> Result<Vec<String>> {
        self.erased.units(knobs)
    }

    /// The files that a run with these knobs reads, in a fixed order.
    ///
    /// # Errors
    /// [`Error::Input`] for knobs that name no files.
    pub fn inputs(&self, knobs: &Value) -> Result<Vec<PathBuf>> {
        self.erased.inputs(knobs)
    }

    /// Runs the study, see [`engine::execute`].
    ///
    /// # Errors
    /// As there.
    pub fn execute(
        &self,
        knobs: &Value,
        seeds: &[u64],
        threads: usize,
        sink: &dyn Sink,
        watch: Watch<'_>,
    ) -> Result<Findings> {
        self.erased.execute(knobs, seeds, threads, sink, watch)
    }

    /// The verdicts of a manifest's claims, and the report: verdicts first, then the study's own
    /// blocks, then the warnings.
    ///
    /// # Errors
    /// Where the study cannot write its report.
    pub fn report(&self, manifest: &Manifest, knobs: &Value, findings: &Findings) -> Result<(Vec<Verdict>, Report)> {
        let verdicts = engine::judge(&manifest.claims, findings);
        let mut report = Report::new(self.manifest.title.clone());
        for verdict in &verdicts {
            report = report.verdict(verdict.clone());
        }
        for warning in &findings.warnings {
            report = report.warning(warning.clone());
        }
        Ok((verdicts, self.erased.report(knobs, findings, report)?))
    }

    /// The study file that reproduces a run: one preset with every knob, and the claims' text of
    /// `manifest_text` kept as it was.
    ///
    /// # Errors
    /// Where the knobs cannot be written as TOML.
    pub fn resolved_file(
        &self,
        preset: &str,
        seeds: usize,
        minutes: f64,
        knobs: &Value,
        manifest_text: &str,
    ) -> Result<String> {
        let fail =
            |error: &dyn std::fmt::Display| Error::Failed(format!("cannot write the resolved study file: {error}"));
        let mut document: toml::Table = toml::from_str(manifest_text).map_err(|error| fail(&error))?;
        let knobs = toml::Table::try_from(null_to_none(knobs)).map_err(|error| fail(&error))?;
        let mut content = toml::Table::new();
        content.insert("expected_minutes".to_owned(), minutes.into());
        content.insert("seeds".to_owned(), toml::Value::Integer(seeds as i64));
        content.insert("knobs".to_owned(), knobs.into());
        let presets: toml::Table = [(preset.to_owned(), toml::Value::from(content))].into_iter().collect();
        document.insert("preset".to_owned(), presets.into());
        toml::to_string_pretty(&document).map_err(|error| fail(&error))
    }
}

/// TOML has no null: a knob without a value is written by name, since its default may be another.
fn null_to_none(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(object.iter().map(|(k, v)| (k.clone(), null_to_none(v))).collect()),
        Value::Array(items) => Value::Array(items.iter().map(null_to_none).collect()),
        Value::Null => knobs::NONE.into(),
        other => other.clone(),
    }
}
