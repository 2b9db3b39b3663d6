//! The command line of Trueness. The one place that prints, reads the clock and owns threads.

mod arguments;
mod execute;
mod explain;
mod flux;
mod host;
mod progress;
mod runs;
mod schema;
mod terminal;
mod text;
mod toolkit;

use anyhow::Context;
use std::process::ExitCode;
use trueness_core::StudyEntry;

/// Keeps freed buffers: networks ask for the same large ones at every step, and a fresh one costs a fault for
/// every page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match arguments::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let level = if arguments.common.quiet { "error" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("TRUENESS_LOG").unwrap_or_else(|_| level.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    match dispatch(arguments) {
        Ok(code) => code,
        Err(error) => {
            terminal::complain(&format!("error: {}", terminal::chain(&error)));
            let core = error.chain().find_map(|cause| cause.downcast_ref::<trueness_core::Error>());
            ExitCode::from(core.map_or(1, trueness_core::Error::exit_code))
        }
    }
}

/// Every study and tool of every toolkit.
fn studies() -> anyhow::Result<Vec<StudyEntry>> {
    let mut studies = trueness_text::studies().context("the text toolkit's studies")?;
    studies.extend(trueness_flux::studies().context("the flux toolkit's studies")?);
    Ok(studies)
}

fn dispatch(arguments: arguments::Arguments) -> anyhow::Result<ExitCode> {
    use arguments::Command;
    let common = arguments.common;
    match arguments.command {
        Command::Run(run) => execute::run(&studies()?, &run, &common),
        Command::List => explain::list(&studies()?, &common),
        Command::Explain { name } => explain::explain(&studies()?, name.as_deref(), &common),
        Command::Report { run } => runs::report(&run, &common),
        Command::Compare { a, b } => runs::compare(&a, &b, &common),
        Command::Completions { shell } => {
            let mut command = arguments::command()?;
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "trueness", &mut script);
            terminal::print(&String::from_utf8_lossy(&script))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Verb { toolkit, verb, matches } => toolkit::run(&studies()?, &toolkit, &verb, &matches, &common),
    }
}
