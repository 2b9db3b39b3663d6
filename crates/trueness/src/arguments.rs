//! What the command line takes. Tools' own options come from their knobs' schemas.

use crate::schema;
use crate::terminal;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use trueness_core::SEED_LIMIT;

const AFTER: &str = "Examples:
  trueness run text/discrepancy                      re-measure a paper's claims, minutes on two cores
  trueness text compare real.txt mine.txt yours.txt  which text is closer to the real one, and by how much
  trueness flux infer rod.csv.gz                     how much water a river loses or gains, from temperatures
  trueness explain dd                                what a metric means

Exit codes: 0 done, 1 failed while running, 2 bad usage or input, 3 a claim failed under --strict, 130 interrupted.";

/// Trueness trains models where the truth is known, and measures how close they come.
#[derive(Debug, Parser)]
#[command(name = "trueness", version, after_help = AFTER, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

/// Options that several commands share. Each command offers those that act there, see [`offered`]; a toolkit's verb says which.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Running and printing")]
pub(crate) struct Common {
    /// The folder to write to, new or empty, instead of runs/STUDY/TIME
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Replace an earlier run's folder
    #[arg(long)]
    pub(crate) force: bool,
    /// The first seed [default: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..SEED_LIMIT))]
    pub(crate) seed: Option<u64>,
    /// Threads; all cores where nothing is said. Results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Print measures as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress and no summary
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Carry on an interrupted run
    #[arg(long, value_name = "RUN", conflicts_with_all = ["out", "force"])]
    pub(crate) resume: Option<PathBuf>,
    /// Settings of a published work, which other options change; a wrong name lists them
    #[arg(id = "settings", long = "preset", value_name = "PRESET", conflicts_with = "resume")]
    pub(crate) preset: Option<String>,
}

/// Names of shared options.
pub(crate) type Shared = &'static [&'static str];

/// The shared options of commands that make a run.
pub(crate) const OF_RUNS: Shared = &["out", "force", "seed", "threads", "json", "quiet", "resume"];

/// Those of commands that have settings of published works too.
pub(crate) const OF_PRESETS: Shared = &["out", "force", "seed", "threads", "json", "quiet", "resume", "settings"];

/// The shared options that act in a command that is no toolkit's.
fn offered(command: &str) -> Shared {
    match command {
        "run" => OF_RUNS,
        "report" => &["json", "quiet"],
        "list" | "explain" | "compare" => &["json"],
        _ => &[],
    }
}

/// A command with the shared options that act in it.
fn with_common(command: clap::Command, shared: Shared) -> clap::Command {
    let all = Common::augment_args(clap::Command::new("all"));
    let mine = all.get_arguments().filter(|arg| shared.contains(&arg.get_id().as_str())).cloned();
    command.args(mine.collect::<Vec<_>>())
}

impl Common {
    /// The shared options of a command's matches; those that it does not offer keep their defaults.
    fn of(matches: &ArgMatches) -> Self {
        fn value<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, id: &str) -> Option<T> {
            // Asking for an option that is not offered is an error, which means the same here.
            matches.try_get_one::<T>(id).ok().flatten().cloned()
        }
        Self {
            out: value(matches, "out"),
            force: value(matches, "force").unwrap_or(false),
            seed: value(matches, "seed"),
            threads: value(matches, "threads"),
            json: value(matches, "json").unwrap_or(false),
            quiet: value(matches, "quiet").unwrap_or(false),
            resume: value(matches, "resume"),
            preset: value(matches, "settings"),
        }
    }

    /// How many threads to use.
    pub(crate) fn threads(&self) -> usize {
        self.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }

    /// The first seed.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// `n` seeds from the first one on.
    ///
    /// # Errors
    /// Where one of them could not be written as a JSON number.
    pub(crate) fn seeds(&self, n: u64) -> Result<Vec<u64>, trueness_core::Error> {
        let first = self.seed();
        match first.checked_add(n).filter(|end| *end <= SEED_LIMIT) {
            Some(end) => Ok((first..end).collect()),
            None => Err(trueness_core::Error::Input(format!(
                "{n} seeds from {first} on reach {SEED_LIMIT}, the first number that is no seed; expected a smaller --seed"
            ))),
        }
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
        /// For example text/discrepancy, text compare, run, dd, bleu-4; nothing lists what there is
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
    Verb { toolkit: String, verb: String, matches: ArgMatches },
}

/// The whole command line.
pub(crate) struct Arguments {
    pub(crate) common: Common,
    pub(crate) command: Command,
}

/// The verbs of a toolkit, those of two words below their first.
fn verbs(toolkit: crate::toolkit::Toolkit) -> clap::Command {
    let group = |name: &'static str, about: &'static str| {
        clap::Command::new(name).about(about).subcommand_required(true).arg_required_else_help(true)
    };
    let mut command = group(toolkit.name, toolkit.about);
    let mut filter = group("filter", "Keep those generated sentences that could be real");
    for tool in toolkit.tools {
        let resumable = tool.shared.contains(&"resume");
        let (group, verb) = tool.verb.split_once(' ').unwrap_or(("", tool.verb));
        let verb = schema::command(verb, tool.about, &tool.knobs, resumable).after_help(tool.after);
        match group {
            "" => command = command.subcommand(with_common(verb, tool.shared)),
            _ => filter = filter.subcommand(with_common(verb, tool.shared)),
        }
    }
    if filter.has_subcommands() { command.subcommand(filter) } else { command }
}

/// The clap command with the toolkits' verbs added.
pub(crate) fn command() -> anyhow::Result<clap::Command> {
    let mut command = Cli::command();
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in &names {
        command = command.mut_subcommand(name, |command| with_common(command, offered(name)));
    }
    for toolkit in crate::toolkit::toolkits()? {
        command = command.subcommand(verbs(toolkit));
    }
    Ok(command)
}

/// Parses the process's arguments. Usage errors are printed, with exit code 2; help with 0.
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    let command = command().map_err(|error| {
        terminal::complain(&format!("error: {}", terminal::chain(&error)));
        ExitCode::from(1)
    })?;
    let matches = command.try_get_matches().map_err(|error| {
        let code = u8::try_from(error.exit_code()).unwrap_or(2);
        let text = error.render();
        if error.use_stderr() {
            let shown = if terminal::colour_of_complaints() { text.ansi().to_string() } else { text.to_string() };
            terminal::complain(&shown);
        } else {
            let _ = terminal::print(&text.to_string());
        }
        ExitCode::from(code)
    })?;
    let usage = |error: clap::Error| {
        terminal::complain(&error.render().to_string());
        ExitCode::from(2)
    };
    if let Some((toolkit, below)) = matches.subcommand()
        && let Some((verb, verb_matches)) = below.subcommand()
    {
        let (verb, verb_matches) = match verb_matches.subcommand() {
            Some((second, matches)) => (format!("{verb} {second}"), matches),
            None => (verb.to_owned(), verb_matches),
        };
        let command = Command::Verb { toolkit: toolkit.to_owned(), verb, matches: verb_matches.clone() };
        return Ok(Arguments { common: Common::of(verb_matches), command });
    }
    let common = matches.subcommand().map(|(_, matches)| Common::of(matches)).unwrap_or_default();
    let cli = Cli::from_arg_matches(&matches).map_err(usage)?;
    let command = match cli.command {
        Cmd::Run(run) => Command::Run(run),
        Cmd::List => Command::List,
        Cmd::Explain { name } => Command::Explain { name: (!name.is_empty()).then(|| name.join(" ")) },
        Cmd::Report { run } => Command::Report { run },
        Cmd::Compare { a, b } => Command::Compare { a, b },
        Cmd::Completions { shell } => Command::Completions { shell },
    };
    Ok(Arguments { common, command })
}
