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

/// An error with its causes, each said once: some errors' own words hold their cause's.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.ends_with(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let cause = || std::io::Error::other("no such file");
        let io = trueness_core::Error::io("read", std::path::Path::new("a.txt"))(cause());
        assert_eq!(chain(&io.into()), "cannot read a.txt: no such file");
        assert_eq!(chain(&anyhow::Error::new(cause()).context("the manifest")), "the manifest: no such file");
    }
}
