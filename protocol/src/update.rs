//! What a worker reports while a command runs.

use rmpv::Value;

/// One report. Text consists of whole lines when it comes from a modern worker; older ones send
/// chunks, so a master assembles lines itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    Stdout(String),
    Stderr(String),
    /// The worker's own remarks: command line, directory, environment, how it ended.
    Header(String),
    /// Growth of a followed file.
    Log {
        name: String,
        text: String,
    },
    /// Exit status; -1 when a signal ended the program.
    Rc(i64),
    /// Seconds.
    Elapsed(f64),
    /// `timeout`, `timeout_without_output` or `max_lines_failure`.
    FailureReason(String),
    Files(Vec<String>),
    /// mode, ino, dev, nlink, uid, gid, size, atime, mtime, ctime.
    Stat([i64; 10]),
    /// A key this side does not know.
    Other(String, Value),
}

/// An update together with the arrival time of each of its lines.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedUpdate {
    pub update: Update,
    /// Unix seconds, one per line of a text update; empty for everything else. Stock workers
    /// sometimes send one less than there are lines.
    pub times: Vec<f64>,
}

impl From<Update> for TimedUpdate {
    /// An update without times.
    fn from(update: Update) -> TimedUpdate {
        TimedUpdate { update, times: Vec::new() }
    }
}
