//! The run folder: made, locked, resumed and finished.

use super::sink::{Folder, make_dir, read_json, write_json};
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

const INFO: &str = "run.json";
const STUDY: &str = "study.toml";
const MEASURES: &str = "measures.json";
const LOCK: &str = ".lock";

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
    /// Makes a run folder. `study` is the resolved study file.
    ///
    /// # Errors
    /// [`Error::Input`] where the folder is not empty (with `force`: is not an earlier run's);
    /// [`Error::Io`] where it cannot be made or written.
    pub fn create(path: &Path, info: RunInfo, study: &str, force: bool) -> Result<Self> {
        if path.exists() && !path.is_dir() {
            return Err(Error::Input(format!("{} is a file; expected a folder that is new or empty", path.display())));
        }
        make_dir(path)?;
        let mut entries = fs::read_dir(path).map_err(Error::io("read", path))?;
        if entries.next().is_some() {
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
            let lock = take_lock(path)?;
            drop(lock);
            fs::remove_dir_all(path).map_err(Error::io("replace", path))?;
            make_dir(path)?;
        }
        let lock = take_lock(path)?;
        write_atomically(&path.join(STUDY), study.as_bytes())?;
        let folder = Self { path: path.to_owned(), info, _lock: lock };
        folder.write_info()?;
        Ok(folder)
    }

    /// Takes up a run that was interrupted (or finished, which costs nothing). The program must be
    /// the one that began it.
    ///
    /// # Errors
    /// [`Error::Input`] where the folder is no run's, another process works on it, or the program
    /// differs; the message names the difference.
    pub fn resume(path: &Path, program: &Program) -> Result<Self> {
        let mut info = read_info(path)?;
        let lock = take_lock(path)?;
        if info.program != *program {
            return Err(Error::Input(format!(
                "{} was begun by version {} (build {}), and this is version {} (build {}): results could differ; start a new run",
                path.display(),
                info.program.version,
                info.program.build,
                program.version,
                program.build
            )));
        }
        info.resumed += 1;
        info.exit = None;
        let folder = Self { path: path.to_owned(), info, _lock: lock };
        folder.write_info()?;
        Ok(folder)
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

    /// Ends the run without results: interrupted or failed. It can be resumed.
    ///
    /// # Errors
    /// Where `run.json` cannot be written.
    pub fn stop(mut self, exit: &str, now: String, seconds: f64) -> Result<()> {
        self.info.exit = Some(exit.to_owned());
        self.info.ended = Some(now);
        self.info.seconds += seconds;
        self.write_info()
    }

    /// Writes measures, report and figures, and ends the run.
    ///
    /// # Errors
    /// Where a file cannot be written; those already written stay.
    pub fn finish(mut self, findings: &Findings, report: &Report, now: String, seconds: f64) -> Result<()> {
        let seeds = findings.seeds.iter().map(|s| SeedMeasures { seed: s.seed, measures: &s.measures }).collect();
        let measures = MeasuresFile {
            schema_version: SCHEMA_VERSION,
            measures: &findings.measures,
            seeds,
            warnings: &findings.warnings,
        };
        write_json(&self.path.join(MEASURES), &measures)?;
        write_json(&self.path.join("report.json"), report)?;
        self.merge_logs()?;
        self.info.exit = Some("done".to_owned());
        self.info.ended = Some(now);
        self.info.seconds += seconds;
        write_report(&self.path, report)?;
        self.write_info()
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
                let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
                for line in text.lines() {
                    if let Ok(serde_json::Value::Object(mut object)) = serde_json::from_str(line) {
                        object.insert("scope".to_owned(), scope.clone().into());
                        merged.extend_from_slice(serde_json::Value::Object(object).to_string().as_bytes());
                        merged.push(b'\n');
                    }
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
    read_json(&path.join("report.json"))?.ok_or_else(|| unfinished(path, &info))
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

fn take_lock(path: &Path) -> Result<fs::File> {
    let lock_path = path.join(LOCK);
    let lock = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(Error::io("write", &lock_path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => {
            Err(Error::Input(format!("another process is working on {}; wait for it, or stop it", path.display())))
        }
        Err(fs::TryLockError::Error(error)) => Err(Error::io("lock", &lock_path)(error)),
    }
}
