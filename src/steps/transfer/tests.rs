//! Transfers with real files: the fake worker is a directory beside the master's.

mod archives;
mod downloads;
mod uploads;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::model::Results;
use crate::steps::fake::{FakeBench, Worker, ended, parsed, plan};
use crate::steps::{Finished, StepError};

/// A master and a worker with a bench between them.
struct Farm {
    directory: TempDir,
    bench: FakeBench,
}

impl Farm {
    fn new() -> Farm {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("worker/build")).unwrap();
        fs::create_dir(directory.path().join("master")).unwrap();
        let mut bench = FakeBench::local(&directory.path().join("worker"));
        bench.basedir = directory.path().join("master");
        Farm { directory, bench }
    }

    /// A farm whose worker sends something of its own.
    fn with(worker: Worker) -> Farm {
        let mut farm = Farm::new();
        farm.bench.worker_side = worker;
        farm
    }

    fn master(&self, path: &str) -> PathBuf {
        self.directory.path().join("master").join(path)
    }

    fn worker(&self, path: &str) -> PathBuf {
        self.directory.path().join("worker/build").join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.master(path)).unwrap()
    }

    /// Results and line of one step.
    async fn run(&mut self, step: Value) -> (Results, String) {
        let (outcome, line) = self.bench.run(&plan(step)).await;
        (outcome.results, line)
    }

    /// The message of a step that ends as an exception.
    async fn fails(&mut self, step: Value) -> String {
        match plan(step.clone()).step.run(&mut self.bench).await {
            Err(StepError::Failed(message)) => message,
            other => panic!("{step}: {other:?}"),
        }
    }

    /// Every path of the master, for what must not be there.
    fn everything(&self) -> Vec<String> {
        let mut found = Vec::new();
        let root = self.master("");
        walk(&root, &root, &mut found);
        found.sort();
        found
    }
}

fn walk(root: &Path, directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
        if path.is_dir() && !path.is_symlink() {
            walk(root, &path, found);
        }
    }
}

fn write(path: PathBuf, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn mode_of(path: PathBuf) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn mistakes_in_the_configuration_are_told() {
    let cases = [
        (json!({"type": "FileUpload"}), "needs a value for 'workersrc'"),
        (json!({"type": "FileUpload", "slavesrc": "a"}), "did you mean 'workersrc'?"),
        (json!({"type": "DirectoryUpload", "slavesrc": "a"}), "did you mean 'workersrc'?"),
        (json!({"type": "MultipleFileUpload", "slavesrcs": []}), "did you mean 'workersrcs'?"),
        (json!({"type": "FileDownload", "slavedest": "a"}), "did you mean 'workerdest'?"),
        (json!({"type": "StringDownload", "slavedest": "a"}), "did you mean 'workerdest'?"),
        (json!({"type": "FileUpload", "blocksize": 655_361}), "must be at most 654336"),
        (json!({"type": "FileUpload", "blocksize": 0}), "blocksize: must be at least 1"),
        (json!({"type": "FileUpload", "maxsize": -1}), "must not be negative"),
        (json!({"type": "FileUpload", "mode": 755}), "such as 0o644, not 755"),
        (json!({"type": "FileDownload", "mode": "644"}), "such as 0o644, not a string"),
        (json!({"type": "DirectoryUpload", "compress": "xz"}), "must be \"gz\" or \"bz2\""),
        (json!({"type": "JSONStringDownload", "workerdest": "a"}), "needs a value for 'o'"),
    ];
    for (step, part) in cases {
        let (_, problems) = parsed(step.clone());
        assert!(problems.contains(part), "{step}: {problems}");
    }
}
