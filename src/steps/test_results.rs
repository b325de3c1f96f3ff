//! JUnitResults and TAPResults: reads reports of test programs from the worker into the tables of
//! test results. Stock has no such steps.

use std::io::BufReader;
use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::{Block, Command};
use tokio::sync::mpsc;

use super::line::Line;
use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::render::render_texts;
use super::transfer::glob::matches;
use super::transfer::options::BlockOptions;
use super::transfer::run::{cancelled, transfer};
use super::transfer::scratch::Scratch;
use super::upload::BLOCK;
use super::{Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::Renderable;
use crate::flow::test_reports::{Sink, TestCase, TestOutcome, junit, tap};
use crate::model::{LogType, Results, TestResult, TestResultSetId, TestSet};

/// Bytes of one report unless `maxsize` says otherwise.
const LARGEST: u64 = 64 << 20;
/// Reports of one step.
const MOST_FILES: usize = 1000;
/// Tests of one step that are stored; the others are only counted.
const MOST_TESTS: usize = 100_000;
/// Tests on their way to the database at once.
const BATCH: usize = 500;

/// Reads one form of report.
type Reader = fn(BufReader<std::fs::File>, &mut Sink<'_>) -> Result<(), String>;

struct TestResults {
    /// Shell patterns, relative to `workdir`.
    files: Renderable,
    block: BlockOptions,
    reader: Reader,
    /// No tests at all are a failure.
    failure_on_no_tests: bool,
    line: Line,
    name: String,
}

impl std::fmt::Debug for TestResults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestResults").field("files", &self.files).finish_non_exhaustive()
    }
}

/// The tests that were read so far.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// All tests, failures with their messages, and what was skipped with its reasons.
    sets: [Option<TestResultSetId>; 3],
    /// Reports that could not be read.
    broken: usize,
}

#[async_trait(?Send)]
impl Step for TestResults {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        bench.log("stdio", LogType::Stdio, Stream::Stdout, "").await?;
        let block = Block { max_size: Some(LARGEST), ..self.block.render(bench)? };
        let block = Block { max_size: self.block.max_size.or(block.max_size), ..block };
        let patterns = render_texts(bench, &self.files)?;
        let Some(files) = matches(bench, &block.workdir, &patterns).await? else {
            return Ok(Outcome::plain(Results::Cancelled));
        };
        let mut tally = Tally::default();
        if files.is_empty() {
            let text = format!("no file matches {}\n", patterns.join(", "));
            bench.log("stdio", LogType::Stdio, Stream::Stderr, &text).await?;
        }
        for file in files.iter().take(MOST_FILES) {
            if let Some(reason) = bench.interruption().borrow().clone() {
                let results = cancelled(bench, &reason).await?;
                return self.line.outcome(bench, results, &tally.text());
            }
            match self.report(bench, file, &block, &mut tally).await? {
                Results::Cancelled => return Ok(Outcome::plain(Results::Cancelled)),
                Results::Success => {}
                _ => tally.broken += 1,
            }
        }
        if files.len() > MOST_FILES {
            let text = format!("only the first {MOST_FILES} of {} files were read\n", files.len());
            bench.log("stdio", LogType::Stdio, Stream::Stderr, &text).await?;
            tally.broken += files.len() - MOST_FILES;
        }
        if tally.total() > MOST_TESTS {
            let text = format!("only the first {MOST_TESTS} tests are stored\n");
            bench.log("stdio", LogType::Stdio, Stream::Stderr, &text).await?;
        }
        let bad = tally.failed + tally.broken > 0;
        let results = match tally.total() {
            _ if bad => Results::Failure,
            0 if self.failure_on_no_tests => Results::Failure,
            _ => Results::Success,
        };
        self.line.outcome(bench, results, &tally.text())
    }
}

impl TestResults {
    /// Fetches one report and reads it. A report that is none is a FAILURE, which the log explains.
    async fn report(
        &self,
        bench: &mut dyn Workbench,
        file: &str,
        block: &Block,
        tally: &mut Tally,
    ) -> Result<Results, StepError> {
        let mut scratch = Scratch::create(block.max_size).await.map_err(StepError::Failed)?;
        let (source, block) = (file.to_owned(), block.clone());
        let command = Command::UploadFile { source, block, keep_stamp: false };
        let fetched = transfer(bench, command, &mut scratch).await?;
        if fetched != Results::Success {
            return Ok(fetched);
        }
        let input = scratch.into_file().await.map_err(StepError::Failed)?;
        let before = tally.total();
        let outcome = self.read(bench, input, tally).await?;
        let count = tally.total() - before;
        let (stream, text, results) = match outcome {
            Ok(()) => (Stream::Stdout, format!("{file}: {count} tests\n"), Results::Success),
            Err(error) => (Stream::Stderr, format!("{file} {error}\n"), Results::Failure),
        };
        bench.log("stdio", LogType::Stdio, stream, &text).await?;
        Ok(results)
    }

    /// Reads on a thread that may block, and stores what comes, batch by batch.
    async fn read(
        &self,
        bench: &mut dyn Workbench,
        input: std::fs::File,
        tally: &mut Tally,
    ) -> Result<Result<(), String>, StepError> {
        let (sender, mut receiver) = mpsc::channel::<Vec<TestCase>>(2);
        let reader = self.reader;
        let reading = tokio::task::spawn_blocking(move || {
            let mut batch = Vec::new();
            let outcome = reader(BufReader::new(input), &mut |case| {
                batch.push(case);
                batch.len() < BATCH || sender.blocking_send(std::mem::take(&mut batch)).is_ok()
            });
            if !batch.is_empty() {
                // Nobody wants them when nobody listens.
                let _ = sender.blocking_send(batch);
            }
            outcome
        });
        while let Some(batch) = receiver.recv().await {
            tally.store(bench, &self.name, batch).await?;
        }
        let outcome = reading.await;
        outcome.map_err(|error| StepError::Failed(format!("the reading failed: {error}")))
    }
}

/// The sets in the order of [`Tally::sets`]: category and unit of their values.
const SETS: [(&str, &str); 3] =
    [("pass_fail", "boolean"), ("fail_only", "message"), ("skip_only", "message")];

impl Tally {
    fn total(&self) -> usize {
        self.passed + self.failed + self.skipped
    }

    async fn store(
        &mut self,
        bench: &mut dyn Workbench,
        name: &str,
        batch: Vec<TestCase>,
    ) -> Result<(), StepError> {
        let mut rows: [Vec<TestResult>; 3] = Default::default();
        for case in batch {
            let kept = self.total() < MOST_TESTS;
            let result = |value: &str| TestResult {
                name: Some(case.name.clone()),
                path: case.file.clone(),
                line: case.line,
                duration_ns: case.duration_ns,
                value: value.to_owned(),
            };
            let values = match &case.outcome {
                TestOutcome::Passed => [Some("1"), None, None],
                TestOutcome::Failed(message) => [Some("0"), Some(message.as_str()), None],
                TestOutcome::Skipped(reason) => [None, None, Some(reason.as_str())],
            };
            for (rows, value) in rows.iter_mut().zip(values).filter(|_| kept) {
                rows.extend(value.map(result));
            }
            match case.outcome {
                TestOutcome::Passed => self.passed += 1,
                TestOutcome::Failed(_) => self.failed += 1,
                TestOutcome::Skipped(_) => self.skipped += 1,
            }
        }
        for ((set, rows), (category, unit)) in self.sets.iter_mut().zip(rows).zip(SETS) {
            if rows.is_empty() {
                continue;
            }
            let id = match set {
                Some(id) => *id,
                None => {
                    let about = TestSet {
                        description: Some(name.to_owned()),
                        category: category.to_owned(),
                        value_unit: unit.to_owned(),
                    };
                    *set.insert(bench.open_test_set(about).await?)
                }
            };
            bench.add_test_results(id, rows).await?;
        }
        Ok(())
    }

    /// Worded as stock's Test step does it.
    fn text(&self) -> String {
        let mut text = match self.total() {
            0 => "no tests".to_owned(),
            total => format!("{total} tests"),
        };
        let parts = [(self.passed, "passed"), (self.failed, "failed"), (self.skipped, "skipped")];
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!(" {count} {what}"));
        }
        if self.broken > 0 {
            text.push_str(&format!(" {} unreadable", self.broken));
        }
        text
    }
}

pub(super) const TYPES: &[StepType] = &[
    StepType {
        class: "JUnitResults",
        name: "junit",
        defaults,
        parse: |fields, draft| build(fields, draft, |input, sink| junit::read(input, sink)),
    },
    StepType {
        class: "TAPResults",
        name: "tap",
        defaults,
        parse: |fields, draft| build(fields, draft, |input, sink| tap::read(input, sink)),
    },
];

fn defaults() -> StepOptions {
    StepOptions { description: Some("reading test results".to_owned()), ..StepOptions::default() }
}

fn build(fields: &mut Fields<'_>, draft: &mut Draft, reader: Reader) -> Arc<dyn Step> {
    Arc::new(TestResults {
        files: fields.required("files"),
        block: BlockOptions::parse(fields, BLOCK),
        reader,
        failure_on_no_tests: fields.or("failureOnNoTests", true),
        line: Line::of(draft),
        name: draft.name.clone(),
    })
}
