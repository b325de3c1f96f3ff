//! The way of a command's output to the master.
//!
//! A command puts items into an [`Output`]; a reporter task cuts text into lines, batches them and
//! sends them over the [`Link`]. Both queues are short and every update waits for a place in the
//! link's window, so a slow master slows the program down instead of filling memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::msgpack::{WorkerRequest, WorkerSettings};
use protocol::update::{TimedUpdate, Update};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::batch::Batch;
use super::text::{LineSplitter, Utf8Decoder};
use crate::link::Link;

/// Where text belongs. The order is that in which unfinished lines are ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    Header,
    Log(Arc<str>),
    Stderr,
    Stdout,
}

/// One thing a command reports.
#[derive(Debug)]
pub enum Item {
    Bytes(Stream, Vec<u8>),
    Value(Update),
    /// No more text will come: end unfinished lines.
    EndLines,
    /// Send what is there.
    Flush,
}

/// A command's end of the way. Items are put in without waiting; [`Output::drain`] waits.
#[derive(Debug)]
pub struct Output {
    backlog: VecDeque<Item>,
    reporter: mpsc::Sender<Item>,
}

impl Output {
    /// An output and the future that reports it; the future ends after the output is dropped and
    /// everything was sent.
    pub fn new(
        link: Link,
        command_id: String,
        settings: &WorkerSettings,
    ) -> (Output, impl Future<Output = ()> + use<>) {
        let (reporter, items) = mpsc::channel(4);
        let report = Reporter {
            link,
            command_id,
            batch: Batch::new(settings.buffer_size),
            delay: Duration::try_from_secs_f64(settings.buffer_timeout).unwrap_or(Duration::MAX),
            max_line_length: settings.max_line_length,
            streams: BTreeMap::new(),
        };
        (Output { backlog: VecDeque::new(), reporter }, report.run(items))
    }

    pub fn put(&mut self, item: Item) {
        self.backlog.push_back(item);
    }

    pub fn header(&mut self, text: impl Into<String>) {
        self.put(Item::Bytes(Stream::Header, text.into().into_bytes()));
    }

    pub fn value(&mut self, update: Update) {
        self.put(Item::Value(update));
    }

    /// Whether nothing waits: only then should a program be read.
    pub fn is_clear(&self) -> bool {
        self.backlog.is_empty()
    }

    /// Hands everything on. Can be cancelled without loss.
    pub async fn drain(&mut self) {
        while !self.backlog.is_empty() {
            let Ok(permit) = self.reporter.reserve().await else {
                self.backlog.clear();
                return;
            };
            if let Some(item) = self.backlog.pop_front() {
                permit.send(item);
            }
        }
    }
}

struct Reporter {
    link: Link,
    command_id: String,
    batch: Batch,
    delay: Duration,
    max_line_length: u64,
    streams: BTreeMap<Stream, (Utf8Decoder, LineSplitter)>,
}

impl Reporter {
    async fn run(mut self, mut items: mpsc::Receiver<Item>) {
        let mut flush_at = None;
        loop {
            let due = flush_at.unwrap_or_else(Instant::now);
            tokio::select! {
                item = items.recv() => match item {
                    Some(item) => self.take(item).await,
                    None => break,
                },
                () = sleep_until(due), if flush_at.is_some() => self.flush().await,
            }
            flush_at = match self.batch.is_empty() {
                true => None,
                false => flush_at.or_else(|| Instant::now().checked_add(self.delay)),
            };
        }
        self.end_lines().await;
        self.flush().await;
    }

    async fn take(&mut self, item: Item) {
        match item {
            Item::Bytes(stream, bytes) => self.text(stream, &bytes).await,
            Item::Value(update) => {
                let full = self.batch.add_value(update);
                self.send(full).await;
            }
            Item::EndLines => self.end_lines().await,
            Item::Flush => self.flush().await,
        }
    }

    async fn text(&mut self, stream: Stream, bytes: &[u8]) {
        let max = self.max_line_length;
        let (decoder, splitter) = self
            .streams
            .entry(stream.clone())
            .or_insert_with(|| (Utf8Decoder::default(), LineSplitter::new(max)));
        let text = decoder.feed(bytes);
        let mut full = Vec::new();
        let batch = &mut self.batch;
        splitter.feed(&text, now(), |line, time| full.extend(batch.add_line(&stream, line, time)));
        self.send_all(full).await;
    }

    async fn end_lines(&mut self) {
        for (stream, (mut decoder, mut splitter)) in std::mem::take(&mut self.streams) {
            let mut full = Vec::new();
            let batch = &mut self.batch;
            let mut add = |line: &str, time| full.extend(batch.add_line(&stream, line, time));
            splitter.feed(decoder.finish(), now(), &mut add);
            splitter.finish(now(), add);
            self.send_all(full).await;
        }
    }

    async fn send_all(&self, full: Vec<Vec<TimedUpdate>>) {
        for updates in full {
            self.send(Some(updates)).await;
        }
    }

    async fn flush(&mut self) {
        let updates = self.batch.take();
        self.send(Some(updates)).await;
    }

    /// After the connection is lost updates lead nowhere: they are dropped.
    async fn send(&self, updates: Option<Vec<TimedUpdate>>) {
        if let Some(updates) = updates.filter(|updates| !updates.is_empty()) {
            let command_id = self.command_id.clone();
            let _ = self.link.report(WorkerRequest::Update { command_id, updates }).await;
        }
    }
}

/// Unix seconds.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
