//! The run folder: made, locked, resumed and finished.

use super::clear::clear;
use super::inputs::{self, InputFile};
use super::lock::{is_taken, take_lock};
use super::sink::{Folder, make_dir, read_json, whole_lines, write_json};
use super::write_atomically;
use crate::error::{Error, Result};
use crate::estimate::Measure;
use crate::report::{self, Report};
use crate::study::{Findings, Manifest};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// The version of the layout of `run.json` and `measures.json`.
pub const SCHEMA_VERSION: u32 = 1;

pub(super) const INFO: &str = "run.json";
pub(super) const STUDY: &str = "study.toml";
pub(super) const MEASURES: &str = "measures.json";
pub(super) const REPORT: &str = "report.json";

/// The program that makes a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// What tells two builds of one version apart.
    pub build: String,
}

/// The machine that a run is made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The operating system and the processor's architecture.
    pub platform: String,
    /// The processor's name, where it is known.
    pub processor: String,
    /// How many threads the machine runs at once.
    pub cores: usize,
    /// The instruction sets that the program found and that can change results.
    pub instruction_set: String,
}

/// What `run.json` holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The study.
    pub study: String,
    /// The preset it began from.
    pub preset: String,
    /// The command line.
    pub command: Vec<String>,
    /// The program.
    pub program: Program,
    /// The machine.
    pub machine: Machine,
    /// The numbers of the seeds.
    pub seeds: Vec<u64>,
    /// The files that it reads, as they were when it began.
    #[serde(default)]
    pub inputs: Vec<InputFile>,
    /// The BLAKE3 hash of `study.toml`, in hexadecimal digits.
    #[serde(default)]
    pub study_hash: String,
    /// How many threads.
    pub threads: usize,
    /// When it started, RFC 3339.
    pub started: String,
    /// When it ended.
    pub ended: Option<String>,
    /// Seconds of work, earlier tries included.
    pub seconds: f64,
    /// How often it was resumed.
    pub resumed: u32,
    /// `done`, `interrupted` or `failed: why`; `None` while it runs, or if it was killed.
    pub exit: Option<String>,
}

/// A run folder that this process holds the lock of.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    info: RunInfo,
    // The lock lasts as long as the file is open.
    _lock: fs::File,
}

#[derive(Serialize)]
struct MeasuresFile<'a> {
    schema_version: u32,
    measures: &'a [Measure],
    seeds: Vec<SeedMeasures<'a>>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct SeedMeasures<'a> {
    seed: u64,
    measures: &'a [Measure],
}

/// What a finished run measured.
#[derive(Clone, Debug, Deserialize)]
pub struct Measured {
    /// The measures aggregated over seeds.
    pub measures: Vec<Measure>,
    /// The warnings.
    pub warnings: Vec<String>,
}

impl RunFolder {
    /// Makes a run folder. `study` is the resolved study file; `info.inputs` are the files that the run
    /// reads. With `force`, an earlier run's folder is emptied first.
    ///
    /// # Errors
    /// [`Error::Input`] where the folder is not empty; with `force`, where it is not an earlier run's,
    /// holds something that no run makes, or holds an input file (nothing is removed then);
    /// [`Error::Io`] where it cannot be made or written.
    pub fn create(path: &Path, info: RunInfo, study: &str, force: bool) -> Result<Self> {
        if path.exists() && !path.is_dir() {
            return Err(Error::Input(format!("{} is a file; expected a folder that is new or empty", path.display())));
        }
        make_dir(path)?;
        if is_taken(path)? {
            if !path.join(INFO).is_file() {
                return Err(Error::Input(format!(
                    "{} is not empty and is no earlier run's folder; expected one that is new or empty",
                    path.display()
                )));
            }
            if !force {
                return Err(Error::Input(format!(
                    "{} holds a run already; resume it with --resume, replace it with --force, or name another folder",
                    path.display()
                )));
            }
        }
        let lock = take_lock(path)?;
        // Another process may have begun a run here before the lock was had; then `force` did not mean it.
        if is_taken(path)? {
            if !force {
                return Err(Error::Input(format!("{} has just been taken by another run", path.display())));
            }
            let earlier = read_info(path)?;
            inputs::lie_outside(path, &info.inputs)?;
            clear(path, &earlier)?;
        }
        write_atomically(&path.join(STUDY), study.as_bytes())?;
        let info = RunInfo { study_hash: hash(study), ..info };
        let folder = Self { path: path.to_owned(), info, _lock: lock };
        folder.write_info()?;
        Ok(folder)
    }

    /// Takes up a run that was interrupted (or finished, which costs nothing). The program and the
    /// instruction sets must be those that began it, and its study file as it was. Nothing is written
    /// before [`RunFolder::carry_on`], so that a caller can refuse for reasons of its own.
    ///
    /// # Errors
    /// [`Error::Input`] where the folder is no run's, another process works on it, or something differs;
    /// the message names the difference.
    pub fn resume(path: &Path, program: &Program, machine: &Machine) -> Result<Self> {
        read_info(path)?;
        let lock = take_lock(path)?;
        // What another process wrote while it had the lock counts.
        let info = read_info(path)?;
        let refuse = |what: String| Error::Input(format!("{} {what}; start a new run", path.display()));
        if info.program != *program {
            return Err(refuse(format!(
                "was begun by version {} (build {}), and this is version {} (build {}): results could differ",
                info.program.version, info.program.build, program.version, program.build
            )));
        }
        let (was, is) = (&info.machine.instruction_set, &machine.instruction_set);
        if was != is {
            return Err(refuse(format!(
                "was begun with the instruction sets {was:?}, and this machine has {is:?}: results could differ"
            )));
        }
        let folder = Self { path: path.to_owned(), info, _lock: lock };
        let (was, is) = (&folder.info.study_hash, hash(&folder.study()?));
        if *was != is {
            return Err(refuse(format!(
                "holds a {STUDY} that was changed after the run began (its hash was {was:.16} and is {is:.16})"
            )));
        }
        Ok(folder)
    }

    /// Checks that the files which the run reads are those that it began with. A file that was moved
    /// is the same file.
    ///
    /// # Errors
    /// [`Error::Input`] that names the file and the difference.
    pub fn check_inputs(&self, now: &[PathBuf]) -> Result<()> {
        inputs::compare(&self.path, &self.info.inputs, now)
    }

    /// Records that a run which was taken up goes on.
    ///
    /// # Errors
    /// Where `run.json` cannot be written.
    pub fn carry_on(&mut self) -> Result<()> {
        self.info.resumed = self.info.resumed.saturating_add(1);
        self.info.exit = None;
        self.write_info()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `run.json` holds.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// The resolved study file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn study(&self) -> Result<String> {
        let path = self.path.join(STUDY);
        fs::read_to_string(&path).map_err(Error::io("read", &path))
    }

    /// The sink of this folder.
    pub fn sink(&self) -> Folder {
        Folder::new(&self.path)
    }

    /// Adds a line to `log.txt`.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn log(&self, line: &str) -> Result<()> {
        use std::io::Write;
        let path = self.path.join("log.txt");
        let mut file =
            fs::OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io("open", &path))?;
        writeln!(file, "{line}").map_err(Error::io("write", &path))
    }

    /// Ends the run without results: interrupted or failed. It can be resumed. `seconds` is the time
    /// since it was begun or taken up.
    ///
    /// # Errors
    /// Where `run.json` cannot be written.
    pub fn stop(&mut self, exit: &str, now: String, seconds: f64) -> Result<()> {
        self.info.exit = Some(exit.to_owned());
        self.info.ended = Some(now);
        self.info.seconds += seconds;
        self.write_info()
    }

    /// Writes measures, report and figures, and ends the run.
    ///
    /// # Errors
    /// Where a file cannot be written; those already written stay.
    pub fn finish(&mut self, findings: &Findings, report: &Report, now: String, seconds: f64) -> Result<()> {
        let seeds = findings.seeds.iter().map(|s| SeedMeasures { seed: s.seed, measures: &s.measures }).collect();
        let measures = MeasuresFile {
            schema_version: SCHEMA_VERSION,
            measures: &findings.measures,
            seeds,
            warnings: &findings.warnings,
        };
        write_json(&self.path.join(MEASURES), &measures)?;
        write_json(&self.path.join(REPORT), report)?;
        self.merge_logs()?;
        write_report(&self.path, report)?;
        // A run counts as done when everything else is written.
        let seconds = self.info.seconds + seconds;
        let done = RunInfo { exit: Some("done".to_owned()), ended: Some(now), seconds, ..self.info.clone() };
        write_json(&self.path.join(INFO), &done)?;
        self.info = done;
        Ok(())
    }

    /// `seed-<n>/metrics.jsonl`: the logs of all units and stages of a seed in one file, in a fixed
    /// order, each line with its scope.
    fn merge_logs(&self) -> Result<()> {
        for seed in &self.info.seeds {
            let dir = self.path.join(format!("seed-{seed}"));
            let logs = dir.join("logs");
            if !logs.is_dir() {
                continue;
            }
            let mut files = Vec::new();
            for entry in fs::read_dir(&logs).map_err(Error::io("read", &logs))? {
                files.push(entry.map_err(Error::io("read", &logs))?.path());
            }
            files.sort();
            let mut merged = Vec::new();
            for path in files {
                let scope = path.file_stem().unwrap_or_default().to_string_lossy().replace('~', "/");
                let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
                for mut object in whole_lines::<serde_json::Map<String, serde_json::Value>>(&bytes) {
                    object.insert("scope".to_owned(), scope.clone().into());
                    merged.extend_from_slice(serde_json::Value::Object(object).to_string().as_bytes());
                    merged.push(b'\n');
                }
            }
            write_atomically(&dir.join("metrics.jsonl"), &merged)?;
        }
        Ok(())
    }

    fn write_info(&self) -> Result<()> {
        write_json(&self.path.join(INFO), &self.info)
    }
}

/// Writes `report.html`, `report.md` and every file that the latter links to into a folder.
///
/// # Errors
/// Where a file cannot be written.
pub fn write_report(dir: &Path, report: &Report) -> Result<()> {
    for (name, content) in report::files(report) {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            make_dir(parent)?;
        }
        write_atomically(&path, &content)?;
    }
    write_atomically(&dir.join("report.md"), report::markdown(report).as_bytes())?;
    write_atomically(&dir.join("report.html"), report::html(report).as_bytes())
}

/// Reads `run.json` of a run folder.
///
/// # Errors
/// [`Error::Input`] where the folder is no run's.
pub fn read_info(path: &Path) -> Result<RunInfo> {
    read_json(&path.join(INFO))?
        .ok_or_else(|| Error::Input(format!("{} is no run folder: expected a {INFO} in it", path.display())))
}

/// Reads the report of a finished run.
///
/// # Errors
/// [`Error::Input`] where the run is not finished.
pub fn read_report(path: &Path) -> Result<Report> {
    let info = read_info(path)?;
    read_json(&path.join(REPORT))?.ok_or_else(|| unfinished(path, &info))
}

/// Reads the measures of a finished run.
///
/// # Errors
/// [`Error::Input`] where the run is not finished.
pub fn read_measures(path: &Path) -> Result<Measured> {
    let info = read_info(path)?;
    read_json(&path.join(MEASURES))?.ok_or_else(|| unfinished(path, &info))
}

/// Reads the resolved study file of a run.
///
/// # Errors
/// Where it is not there or is no study file.
pub fn read_study(path: &Path) -> Result<Manifest> {
    let file = path.join(STUDY);
    let text = fs::read_to_string(&file).map_err(Error::io("read", &file))?;
    Manifest::parse(&text, &file.display().to_string())
}

fn unfinished(path: &Path, info: &RunInfo) -> Error {
    let state = info.exit.as_deref().unwrap_or("still running, or killed");
    Error::Input(format!("{} is not finished ({state}); carry it on with --resume {0}", path.display(), state = state))
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}
