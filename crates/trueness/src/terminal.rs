//! Printing: results on standard output, everything else on standard error.

use std::io::{IsTerminal, Write};

/// Prints a result. A reader that has gone away (`| head`) is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Says something that is no result.
pub(crate) fn complain(text: &str) {
    // Where standard error cannot be written either, there is nobody left to tell.
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
}

/// How many columns standard output has; 100 where it is no terminal.
pub(crate) fn columns() -> usize {
    let (_, columns) = console::Term::stdout().size_checked().unwrap_or((0, 100));
    usize::from(columns).clamp(40, 160)
}

/// Whether to colour standard output: on a terminal, unless NO_COLOR says otherwise.
pub(crate) fn colour() -> bool {
    std::io::stdout().is_terminal() && colour_is_welcome()
}

/// Whether to colour standard error.
pub(crate) fn colour_of_complaints() -> bool {
    std::io::stderr().is_terminal() && colour_is_welcome()
}

fn colour_is_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
