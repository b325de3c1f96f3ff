//! What a build leaves behind, as named sections of lines in which host facts are covered.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use super::host::Cover;
use crate::compat::pairs::{Pairs, WorkerKind};

/// Sections by name: `build`, `properties`, `steps`, `step NAME`, `log STEP/NAME STREAM`,
/// `on the master`, `on the worker`.
pub type Sections = BTreeMap<String, Vec<String>>;

/// Waits for the build of this worker's builder and reads all of it.
pub async fn seen(pairs: &Pairs, worker: WorkerKind, cover: &Cover) -> Sections {
    let site = &pairs.site;
    let build = pairs.built(worker, 1).await;
    let id = &build["buildid"];
    let mut seen = BTreeMap::new();
    let outcome = format!("{} {}", build["results"], text(&build["state_string"]));
    let facts = vec![cover.text(&outcome)];
    seen.insert("build".to_owned(), facts);
    let properties = site.get(&format!("builds/{id}/properties")).await;
    let properties = properties["properties"][0].as_object().cloned().unwrap_or_default();
    let lines = properties.iter().map(|(name, value)| cover.text(&format!("{name}: {value}")));
    seen.insert("properties".to_owned(), sorted(lines.collect()));
    let steps = site.get(&format!("builds/{id}/steps?order=number")).await;
    let steps = steps["steps"].as_array().cloned().unwrap_or_default();
    let names = steps.iter().map(|step| cover.text(&text(&step["name"]))).collect();
    seen.insert("steps".to_owned(), names);
    for step in &steps {
        let name = cover.text(&text(&step["name"]));
        let outcome = format!("{} {}", step["results"], text(&step["state_string"]));
        let mut lines = vec![cover.text(&outcome)];
        lines.extend(step["urls"].as_array().into_iter().flatten().map(Value::to_string));
        let logs = site.get(&format!("steps/{}/logs", step["stepid"])).await;
        for log in logs["logs"].as_array().into_iter().flatten() {
            lines.push(format!("log {} {} {}", log["name"], log["slug"], log["type"]));
            let path = format!("logs/{}/contents?limit=1000000", log["logid"]);
            let content = site.get(&path).await["logchunks"][0]["content"].clone();
            for (stream, lines) in streams(&text(&content), &text(&log["type"])) {
                let section = format!("log {name}/{}{stream}", text(&log["name"]));
                let lines = lines.iter().map(|line| cover.text(line)).collect();
                seen.insert(section, lines);
            }
        }
        seen.insert(format!("step {name}"), lines);
    }
    let uploads = site.master_dir().join("up").join(worker.name());
    seen.insert("on the master".to_owned(), tree(&uploads, cover));
    let directory = pairs.worker_dir(worker).join("set");
    seen.insert("on the worker".to_owned(), tree(&directory, cover));
    seen
}

/// The lines of each stream; how streams are interleaved depends on who was quicker.
fn streams(content: &str, kind: &str) -> BTreeMap<String, Vec<String>> {
    let mut streams: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in content.split_terminator('\n') {
        let (stream, line) = match kind {
            "s" => line.split_at(line.chars().next().map_or(0, char::len_utf8)),
            _ => ("", line),
        };
        let stream = if stream.is_empty() { String::new() } else { format!(" {stream}") };
        streams.entry(stream).or_default().push(line.to_owned());
    }
    streams
}

/// Everything below a directory: kind, mode, contents; and the time of what is old.
fn tree(directory: &Path, cover: &Cover) -> Vec<String> {
    let mut lines = Vec::new();
    // A set of steps need not upload anything.
    let mut pending: Vec<_> =
        Some(directory.to_owned()).into_iter().filter(|d| d.exists()).collect();
    while let Some(path) = pending.pop() {
        let meta = std::fs::symlink_metadata(&path).expect("a file that was just listed");
        let name = path.strip_prefix(directory).expect("a path below").display().to_string();
        if meta.is_dir() {
            lines.push(format!("{name}/ {:o}", meta.mode() & 0o7777));
            // What git and the others keep there is their own affair.
            if ![".git", ".svn", ".hg"].iter().any(|own| name.ends_with(own)) {
                let entries = std::fs::read_dir(&path).expect("a directory");
                pending.extend(entries.map(|entry| entry.expect("an entry").path()));
            }
        } else if meta.is_symlink() {
            lines.push(format!(
                "{name} -> {}",
                std::fs::read_link(&path).expect("a link").display()
            ));
        } else {
            lines.push(format!("{name} {}", file(&path, &meta, cover)));
        }
    }
    sorted(lines)
}

fn file(path: &Path, meta: &Metadata, cover: &Cover) -> String {
    let bytes = std::fs::read(path).expect("a file");
    let content = cover.text(&String::from_utf8_lossy(&bytes));
    let content = match content.len() {
        0..1000 => format!("{content:?}"),
        length => format!("{length} bytes, sum {}", content.bytes().map(u64::from).sum::<u64>()),
    };
    let old =
        if meta.mtime() < 1_500_000_000 { format!(" of {}", meta.mtime()) } else { String::new() };
    format!("{:o}{old} {content}", meta.mode() & 0o7777)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
