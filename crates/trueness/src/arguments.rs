//! What the command line takes. Tools' own options come from their knobs' schemas.

use crate::schema;
use crate::terminal;
use anyhow::Context;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use trueness_core::SEED_LIMIT;

const AFTER: &str = "Examples:
  trueness run text/discrepancy                      re-measure a paper's claims, minutes on two cores
  trueness text compare real.txt mine.txt yours.txt  which text is closer to the real one, and by how much
  trueness explain dd                                what a metric means

Exit codes: 0 done, 1 failed while running, 2 bad usage or input, 3 a claim failed under --strict, 130 interrupted.";

/// Trueness trains models where the truth is known, and measures how close they come.
#[derive(Debug, Parser)]
#[command(name = "trueness", version, after_help = AFTER, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Cmd,
}

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The run's folder, new or empty, instead of runs/STUDY/TIME
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) out: Option<PathBuf>,
    /// Replace an earlier run's folder
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) force: bool,
    /// The first seed
    #[arg(long, global = true, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..SEED_LIMIT), help_heading = "Everywhere")]
    pub(crate) seed: u64,
    /// Threads; all cores where nothing is said. Results do not depend on it
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Everywhere")]
    pub(crate) threads: Option<u16>,
    /// Print measures as JSON on standard output
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// No progress and no summary
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    pub(crate) quiet: bool,
    /// Carry on an interrupted run
    #[arg(long, global = true, value_name = "RUN", conflicts_with = "out", help_heading = "Everywhere")]
    pub(crate) resume: Option<PathBuf>,
}

impl Common {
    /// How many threads to use.
    pub(crate) fn threads(&self) -> usize {
        self.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }
}

#[derive(Debug, Subcommand)]
enum Cmd {
    /// Run a study: a paper's claims, re-measured
    Run(RunArguments),
    /// List the studies and tools
    List,
    /// Explain a study, a command or a metric
    Explain {
        /// For example text/discrepancy, text compare, dd, bleu-4; nothing lists what there is
        #[arg(num_args = 0..)]
        name: Vec<String>,
    },
    /// Show the report of a run again
    Report {
        /// The run's folder
        run: PathBuf,
    },
    /// Compare two runs measure by measure
    Compare {
        /// The first run's folder
        a: PathBuf,
        /// The second run's folder
        b: PathBuf,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The options of `trueness run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// A study's name, or the path of a study file of your own
    #[arg(required_unless_present = "resume")]
    pub(crate) study: Option<String>,
    /// smoke, laptop or paper; or a preset of your own file
    #[arg(long)]
    pub(crate) preset: Option<String>,
    /// Set a knob, for example --set n=1000; may be given several times
    #[arg(long, value_name = "KNOB=VALUE")]
    pub(crate) set: Vec<String>,
    /// How many seeds, instead of the preset's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) seeds: Option<u64>,
    /// Exit with 3 where a claim fails
    #[arg(long)]
    pub(crate) strict: bool,
}

/// A command, its arguments parsed.
pub(crate) enum Command {
    Run(RunArguments),
    List,
    Explain { name: Option<String> },
    Report { run: PathBuf },
    Compare { a: PathBuf, b: PathBuf },
    Completions { shell: clap_complete::Shell },
    Text { verb: String, matches: ArgMatches },
}

/// The whole command line.
pub(crate) struct Arguments {
    pub(crate) common: Common,
    pub(crate) command: Command,
}

/// The clap command with the toolkits' verbs added.
pub(crate) fn command() -> anyhow::Result<clap::Command> {
    let mut text = clap::Command::new("text")
        .about("Tools for texts of your own")
        .subcommand_required(true)
        .arg_required_else_help(true);
    for tool in crate::text::tools().context("the text toolkit's tools")? {
        text = text.subcommand(schema::command(tool.verb, tool.about, &tool.knobs).after_help(tool.after));
    }
    Ok(Cli::command().subcommand(text))
}

/// Parses the process's arguments. Usage errors are printed, with exit code 2; help with 0.
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    let command = command().map_err(|error| {
        terminal::complain(&format!("error: {error:#}"));
        ExitCode::from(1)
    })?;
    let matches = command.try_get_matches().map_err(|error| {
        let code = u8::try_from(error.exit_code()).unwrap_or(2);
        if error.use_stderr() {
            terminal::complain(&error.render().ansi().to_string())
        } else {
            let _ = terminal::print(&error.to_string());
        }
        ExitCode::from(code)
    })?;
    let usage = |error: clap::Error| {
        terminal::complain(&error.to_string());
        ExitCode::from(2)
    };
    if let Some(("text", text)) = matches.subcommand()
        && let Some((verb, verb_matches)) = text.subcommand()
    {
        // Global options stand in the innermost matches.
        let common = Common::from_arg_matches(verb_matches).map_err(usage)?;
        let command = Command::Text { verb: verb.to_owned(), matches: verb_matches.clone() };
        return Ok(Arguments { common, command });
    }
    let cli = Cli::from_arg_matches(&matches).map_err(usage)?;
    let command = match cli.command {
        Cmd::Run(run) => Command::Run(run),
        Cmd::List => Command::List,
        Cmd::Explain { name } => Command::Explain { name: (!name.is_empty()).then(|| name.join(" ")) },
        Cmd::Report { run } => Command::Report { run },
        Cmd::Compare { a, b } => Command::Compare { a, b },
        Cmd::Completions { shell } => Command::Completions { shell },
    };
    Ok(Arguments { common: cli.common, command })
}
