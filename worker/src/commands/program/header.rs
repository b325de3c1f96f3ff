//! The header that opens the log of every program. Log parsers know its form.

use std::fmt::Write as _;

use protocol::command::Shell;

use super::argv;
use crate::commands::environment::Environment;
use crate::commands::python::{logfiles_repr, number};

/// Command, directory, limits, log files, argument list, environment, terminal.
pub(super) fn opening(shell: &Shell, environment: &Environment, pty: bool) -> String {
    let mut text = String::new();
    if shell.use_pty && !pty {
        text.push_str("WARNING: disabling usePTY for this command");
    }
    let _ = writeln!(text, "{}", argv::shown(&shell.command));
    let _ = write!(text, " in dir {}", shell.workdir);
    for (name, limit) in [("timeout", shell.limits.timeout), ("maxTime", shell.limits.max_time)] {
        if let Some(limit) = limit {
            let unit = if limit == 1.0 { "sec" } else { "secs" };
            let _ = write!(text, " ({name} {} {unit})", number(limit));
        }
    }
    let _ = writeln!(text, "\n watching logfiles {}", logfiles_repr(&shell.logfiles));
    let _ = writeln!(text, " argv: {}", argv::repr(&shell.command));
    if shell.limits.log_environ {
        text.push_str(" environment:\n");
        for (name, value) in environment {
            let _ = writeln!(text, "  {}={}", name.to_string_lossy(), value.to_string_lossy());
        }
    }
    if let Some(stdin) = shell.initial_stdin.as_deref().filter(|stdin| !stdin.is_empty()) {
        let _ = writeln!(text, " writing {} bytes to stdin", stdin.len());
    }
    let _ = writeln!(text, " using PTY: {}", if pty { "True" } else { "False" });
    text
}

/// Why the worker kills a program by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Excess {
    /// Seconds without output.
    Silence(f64),
    /// Seconds in total.
    Time(f64),
    Lines {
        seen: u64,
        allowed: u64,
    },
}

impl Excess {
    /// The value of `failure_reason`.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Excess::Silence(_) => "timeout_without_output",
            Excess::Time(_) => "timeout",
            Excess::Lines { .. } => "max_lines_failure",
        }
    }

    /// The header that announces the kill.
    pub(super) fn header(self, shell: &Shell) -> String {
        let what = match self {
            Excess::Silence(limit) => {
                format!("timed out: {} seconds without output", number(limit))
            }
            Excess::Time(limit) => format!("timed out: {} seconds elapsed", number(limit)),
            Excess::Lines { seen, allowed } => {
                format!("exceeds max lines: {seen}/{allowed} written/allowed")
            }
        };
        let command = argv::repr(&shell.command);
        format!("\ncommand {what} running {command}, attempting to kill\n")
    }
}

/// The header that announces an interruption.
pub(super) const INTERRUPTED: &str = "\ncommand interrupted, attempting to kill\n";
