//! `set_worker_settings`: how a worker cuts and batches output.

use super::fields::{get, key, number, seconds, text};
use rmpv::Value;

/// What stock masters send as `newline_re`: Python regular expression source. Each match counts as a
/// line end: CRLF, a lone CR, three cursor movements of terminals, runs of backspaces.
pub const STOCK_NEWLINE_RE: &str = r"(\r\n|\r(?=.)|\033\[u|\033\[[0-9]+;[0-9]+[Hf]|\033\[2J|\x08+)";

/// Output buffering of a worker. Settings affect commands started later.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerSettings {
    /// Characters collected before an update is sent.
    pub buffer_size: u64,
    /// Seconds before a smaller update is sent.
    pub buffer_timeout: f64,
    /// Python regular expression source, see [`STOCK_NEWLINE_RE`].
    pub newline_re: String,
    /// Characters; longer lines are split.
    pub max_line_length: u64,
}

impl Default for WorkerSettings {
    /// The values of a stock 4.3 master.
    fn default() -> WorkerSettings {
        WorkerSettings {
            buffer_size: 65536,
            buffer_timeout: 5.0,
            newline_re: STOCK_NEWLINE_RE.to_owned(),
            max_line_length: 4096,
        }
    }
}

impl WorkerSettings {
    pub(super) fn to_value(&self) -> Value {
        Value::Map(vec![
            (key("newline_re"), Value::from(self.newline_re.as_str())),
            (key("max_line_length"), Value::from(self.max_line_length)),
            (key("buffer_timeout"), seconds(self.buffer_timeout)),
            (key("buffer_size"), Value::from(self.buffer_size)),
        ])
    }

    pub(super) fn from_value(args: &Value) -> Result<WorkerSettings, String> {
        let count = |name| get(args, name).and_then(number).filter(|n| *n >= 0.0);
        let read = || {
            Some(WorkerSettings {
                buffer_size: count("buffer_size")? as u64,
                buffer_timeout: count("buffer_timeout")?,
                newline_re: get(args, "newline_re").and_then(text)?,
                max_line_length: count("max_line_length")? as u64,
            })
        };
        read().ok_or_else(|| "'message did not contain obligatory settings for worker'".to_owned())
    }
}
