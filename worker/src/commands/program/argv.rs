//! A command line in its three forms: executed, shown, and as Python would print it.

use protocol::command::{Arg, CommandLine};

use crate::commands::python::{bytes_list_repr, bytes_repr, shell_quote};

/// What to execute.
pub(super) fn executed(command: &CommandLine) -> Vec<&str> {
    match command {
        CommandLine::Text(text) => vec!["/bin/sh", "-c", text],
        CommandLine::Args(args) => args
            .iter()
            .map(|arg| match arg {
                Arg::Plain(text) => text.as_str(),
                Arg::Obfuscated { real, .. } => real.as_str(),
            })
            .collect(),
    }
}

/// For the first header line.
pub(super) fn shown(command: &CommandLine) -> String {
    match command {
        CommandLine::Text(text) => text.clone(),
        CommandLine::Args(args) => shell_quote(&visible(args)),
    }
}

/// For the `argv:` line and for timeouts.
pub(super) fn repr(command: &CommandLine) -> String {
    match command {
        CommandLine::Text(text) => bytes_repr(text),
        CommandLine::Args(args) => bytes_list_repr(&visible(args)),
    }
}

/// Secrets replaced.
fn visible(args: &[Arg]) -> Vec<&str> {
    args.iter()
        .map(|arg| match arg {
            Arg::Plain(text) => text.as_str(),
            Arg::Obfuscated { shown, .. } => shown.as_str(),
        })
        .collect()
}
