//! A log of a step.

use super::{LogId, StepId};

/// What a log holds, one letter in `logs.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogType {
    /// `s`: each line begins with `o` (stdout), `e` (stderr) or `h` (header).
    Stdio,
    /// `t`: plain text.
    Text,
    /// `h`: HTML.
    Html,
    /// `d`: the contents were deleted.
    Deleted,
}

impl LogType {
    pub fn letter(self) -> &'static str {
        match self {
            LogType::Stdio => "s",
            LogType::Text => "t",
            LogType::Html => "h",
            LogType::Deleted => "d",
        }
    }

    /// An unknown letter reads as text, so that the contents stay reachable.
    pub fn from_letter(letter: &str) -> LogType {
        match letter {
            "s" => LogType::Stdio,
            "h" => LogType::Html,
            "d" => LogType::Deleted,
            _ => LogType::Text,
        }
    }
}

/// A stored log, without its contents.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    pub id: LogId,
    pub name: String,
    /// Identifier made of the name, unique in the step.
    pub slug: String,
    pub step: StepId,
    pub complete: bool,
    pub num_lines: i64,
    pub log_type: LogType,
}

/// Consecutive whole lines of a log; `text` ends in LF unless it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLines {
    /// 0-based number of the first line.
    pub first_line: i64,
    /// How many lines `text` holds.
    pub count: i64,
    /// With the stream letters when the log is [`LogType::Stdio`].
    pub text: String,
}
