//! Facts of the host, of the place and of the day, which may differ and are covered before
//! anything is compared. Nothing else is.

use regex::Regex;

use crate::compat::pairs::{Pairs, WorkerKind};

/// Replaces host facts in a text.
pub struct Cover {
    literal: Vec<(String, &'static str)>,
    patterns: Vec<(Regex, &'static str)>,
}

impl Cover {
    pub fn of(pairs: &Pairs, worker: WorkerKind, repository: &str) -> Cover {
        let path = |path: std::path::PathBuf| path.to_str().expect("a path in UTF-8").to_owned();
        let literal = vec![
            // The longest first.
            (repository.to_owned(), "REPOSITORY"),
            (path(pairs.worker_dir(worker)), "WORKERDIR"),
            (path(pairs.site.master_dir()), "MASTERDIR"),
            (path(pairs.site.dir().to_owned()), "SITE"),
            (worker.name().to_owned(), "NAME"),
        ];
        let patterns = [
            (r"elapsedTime=\d+\.\d{6}", "elapsedTime=N"),
            // Numbers follow the order in which builders were seen first.
            (r#"builderid(": |: \[)\d+"#, "builderid${1}N"),
            // Python's number of an object.
            (r"environment id \d+", "environment id N"),
        ];
        let compiled = |(pattern, name)| (Regex::new(pattern).expect("a pattern"), name);
        Cover { literal, patterns: patterns.into_iter().map(compiled).collect() }
    }

    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (from, to) in &self.literal {
            text = text.replace(from, to);
        }
        for (pattern, name) in &self.patterns {
            text = pattern.replace_all(&text, *name).into_owned();
        }
        text
    }
}
