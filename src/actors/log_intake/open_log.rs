//! One log that is being written: from text of any shape to chunks and live lines.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;

use super::buffer::Buffer;
use super::limit::{Limit, note};
use super::{Following, LogError};
use crate::config::checked::LogSettings;
use crate::flow::loglines::LineAssembler;
use crate::model::{Log, LogId, LogLines, LogType, StepId};
use crate::steps::Stream;

/// Pieces of live lines, each at most a chunk, that a slow viewer may be behind.
const VIEWER_BACKLOG: usize = 32;

/// How long a quiet log's lines wait for their partial chunk.
const PARTIAL_AFTER: Duration = Duration::from_millis(900);

/// Between two announcements of one log.
const ANNOUNCE_EVERY: Duration = Duration::from_millis(500);

pub(super) struct OpenLog {
    pub step: StepId,
    pub slug: String,
    log: LogId,
    letters: bool,
    assembler: LineAssembler,
    limit: Limit,
    buffer: Buffer,
    /// Chunks that wait for the database, oldest first.
    unstored: Vec<Arc<LogLines>>,
    viewers: Option<broadcast::Sender<Arc<LogLines>>>,
    /// Since when there are lines that neither a final nor a partial chunk holds.
    unsaved_since: Option<Instant>,
    announced: Option<Instant>,
    /// Lines were stored since the last announcement.
    to_announce: bool,
    /// Told to the next caller, once.
    failure: Option<String>,
    /// Present when the log is ending: who wants to know.
    pub finishing: Option<oneshot::Sender<Result<i64, LogError>>>,
    pub finished: bool,
}

impl OpenLog {
    pub(super) fn new(log: &Log, settings: &LogSettings) -> OpenLog {
        OpenLog {
            step: log.step,
            slug: log.slug.clone(),
            log: log.id,
            letters: log.log_type == LogType::Stdio,
            assembler: LineAssembler::new(log.log_type),
            limit: Limit::new(settings, 0),
            buffer: Buffer::new(log.num_lines),
            unstored: Vec::new(),
            viewers: None,
            unsaved_since: None,
            announced: None,
            to_announce: false,
            failure: None,
            finishing: None,
            finished: false,
        }
    }

    /// Takes text; answers the chunks that became full.
    pub(super) fn append(&mut self, stream: Stream, text: &str) -> Vec<Arc<LogLines>> {
        let mut lines = String::new();
        self.assembler.push(stream.letter(), text, &mut lines);
        let lines = self.limit.admit(lines, self.letters);
        self.add(&lines)
    }

    /// Ends the log's text; answers the last chunks.
    pub(super) fn finish(&mut self) -> Vec<Arc<LogLines>> {
        let mut lines = String::new();
        self.assembler.flush(&mut lines);
        let mut lines = self.limit.admit(lines, self.letters);
        lines.push_str(&self.limit.finish(self.letters));
        let mut full = self.add(&lines);
        self.finished = true;
        self.unsaved_since = None;
        full.extend(self.buffer.take().map(|last| self.keep(last)));
        full
    }

    /// The open lines as a last chunk, for an intake that ends while the log goes on.
    pub(super) fn rest(&mut self) -> Option<Arc<LogLines>> {
        self.unsaved_since = None;
        self.buffer.take().map(|last| self.keep(last))
    }

    pub(super) fn num_lines(&self) -> i64 {
        self.buffer.num_lines()
    }

    /// The raw chunk of a quiet log, when it is time.
    pub(super) fn partial(&mut self) -> Option<Arc<LogLines>> {
        self.unsaved_since.filter(|since| since.elapsed() >= PARTIAL_AFTER)?;
        self.unsaved_since = None;
        Some(Arc::new(self.buffer.open().clone()))
    }

    /// A final chunk is durable.
    pub(super) fn stored(&mut self, chunk: &Arc<LogLines>) {
        self.unstored.retain(|other| !Arc::ptr_eq(other, chunk));
        self.to_announce = true;
    }

    /// A partial chunk is durable.
    pub(super) fn stored_partial(&mut self) {
        self.to_announce = true;
    }

    /// Final chunks are lost; the lines behind them take their numbers. Answers the chunks that
    /// a note about it has filled.
    pub(super) fn lost(&mut self, chunks: &[&Arc<LogLines>], error: &str) -> Vec<Arc<LogLines>> {
        chunks.iter().for_each(|chunk| self.stored(chunk));
        let count: i64 = chunks.iter().map(|chunk| chunk.count).sum();
        let moved = |lines: &Arc<LogLines>| {
            Arc::new(LogLines { first_line: lines.first_line - count, ..(**lines).clone() })
        };
        self.unstored = self.unstored.iter().map(moved).collect();
        self.buffer.move_down(count);
        self.failed(error);
        if self.finished {
            return Vec::new();
        }
        let text = format!("{count} lines of output could not be stored: {error}");
        self.add(&note(self.letters, &text))
    }

    /// The next caller learns of it.
    pub(super) fn failed(&mut self, error: &str) {
        self.failure.get_or_insert_with(|| error.to_owned());
    }

    /// A partial chunk could not be stored: its lines are still here.
    pub(super) fn unsaved(&mut self) {
        self.unsaved_since.get_or_insert_with(Instant::now);
    }

    pub(super) fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// The chunks that wait for the database.
    pub(super) fn unstored(&self) -> &[Arc<LogLines>] {
        &self.unstored
    }

    /// Whether to tell now that there are more lines; at most every [`ANNOUNCE_EVERY`].
    pub(super) fn announce_now(&mut self) -> bool {
        let due = self.announced.is_none_or(|last| last.elapsed() >= ANNOUNCE_EVERY);
        let now = self.to_announce && due && !self.finished;
        if now {
            self.to_announce = false;
            self.announced = Some(Instant::now());
        }
        now
    }

    /// What is not in the database yet, and everything that comes.
    pub(super) fn follow(&mut self) -> Following {
        let parts = self.unstored.iter().map(|chunk| chunk.as_ref()).chain([self.buffer.open()]);
        let mut buffered =
            LogLines { first_line: self.buffer.num_lines(), count: 0, text: String::new() };
        for part in parts.filter(|part| part.count > 0) {
            buffered.first_line = buffered.first_line.min(part.first_line);
            buffered.count += part.count;
            buffered.text.push_str(&part.text);
        }
        let viewers = self.viewers.get_or_insert_with(|| broadcast::channel(VIEWER_BACKLOG).0);
        Following { log: self.log, buffered, lines: viewers.subscribe() }
    }

    fn add(&mut self, lines: &str) -> Vec<Arc<LogLines>> {
        if lines.is_empty() {
            return Vec::new();
        }
        self.show(lines);
        let full = self.buffer.push(lines, self.letters);
        if self.buffer.open().count > 0 {
            self.unsaved_since.get_or_insert_with(Instant::now);
        }
        full.into_iter().map(|chunk| self.keep(chunk)).collect()
    }

    fn keep(&mut self, chunk: LogLines) -> Arc<LogLines> {
        let chunk = Arc::new(chunk);
        self.unstored.push(chunk.clone());
        chunk
    }

    /// Sends lines to the viewers in pieces.
    fn show(&mut self, lines: &str) {
        let Some(viewers) = self.viewers.take_if(|viewers| viewers.receiver_count() > 0) else {
            self.viewers = None;
            return;
        };
        let mut pieces = Buffer::new(self.buffer.num_lines());
        let mut shown = pieces.push(lines, self.letters);
        shown.extend(pieces.take());
        for piece in shown {
            let _ = viewers.send(Arc::new(piece));
        }
        self.viewers = Some(viewers);
    }
}
