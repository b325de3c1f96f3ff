//! `workers`: who may connect, and with which password.

use std::time::Duration;

use super::checked::WorkerConfig;
use super::fields::Fields;
use super::problems::Problems;
use super::raw::Raw;
use super::values::{is_identifier, non_empty, properties};

const LATER: [&str; 9] = [
    "DockerLatentWorker",
    "LibVirtWorker",
    "KubeLatentWorker",
    "EC2LatentWorker",
    "OpenStackLatentWorker",
    "UpcloudLatentWorker",
    "MarathonLatentWorker",
    "HyperLatentWorker",
    "DockerSwarmLatentWorker",
];

/// Longest name of a worker: the column's width.
const NAME_LENGTH: usize = 50;
/// Names that stock keeps for connections which are no workers.
const RESERVED: [&str; 3] = ["debug", "change", "status"];
/// Stock's `DEFAULT_MISSING_TIMEOUT`.
const MISSING_TIMEOUT: Duration = Duration::from_secs(3600);

/// Reads `workers`.
pub fn parse(fields: &mut Fields<'_>) -> Vec<(String, WorkerConfig)> {
    let entries = fields.entries("workers");
    let (_, problems) = fields.nested("workers");
    entries
        .into_iter()
        .map(|(path, raw)| {
            let worker = worker(&raw, &path, problems);
            (path, worker)
        })
        .collect()
}

fn worker(raw: &Raw, path: &str, problems: &mut Problems) -> WorkerConfig {
    let mut fields = Fields::of(raw, path, problems);
    let class = fields.class(Some("Worker"), &["Worker", "LocalWorker"], &LATER);
    let name: String = fields.required_checked("name", |name: &String| wrong_name(name));
    let local = (class == Some("LocalWorker")).then(|| fields.or("workdir", name.clone()).into());
    let password = match local {
        Some(_) => String::new(),
        None => fields.required_checked("password", non_empty),
    };
    let max_builds = fields.optional_checked("max_builds", |count: &usize| {
        (*count == 0).then(|| "must be at least 1; leave it out for no limit".to_owned())
    });
    let mut own = properties(&mut fields, "properties", "Worker");
    own.set("workername", name.as_str(), "Worker");
    let worker = WorkerConfig {
        name,
        password,
        local,
        max_builds,
        notify_on_missing: fields.or_default("notify_on_missing"),
        missing_timeout: fields.or("missing_timeout", MISSING_TIMEOUT),
        keepalive: fields.optional_checked("keepalive_interval", |interval: &Duration| {
            (*interval < Duration::from_secs(1)).then(|| "must be at least 1 second".to_owned())
        }),
        properties: own,
        default_properties: properties(&mut fields, "defaultProperties", "Worker"),
        locks: crate::flow::locks::read(&mut fields),
    };
    fields.unsupported(&["machine_name"]);
    fields.finish();
    worker
}

fn wrong_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("must not be empty".into());
    }
    if RESERVED.contains(&name) {
        return Some(format!("the worker name '{name}' is reserved; choose another"));
    }
    if !is_identifier(name) {
        return Some(format!(
            "the worker name '{name}' may hold letters, digits, '_' and '-' only and must not \
             begin with a digit"
        ));
    }
    let length = name.chars().count();
    (length > NAME_LENGTH).then(|| {
        format!("the worker name '{name}' has {length} characters; {NAME_LENGTH} are the limit")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, part) in [
            ("example-worker", None),
            ("_x1", None),
            ("wörker", None),
            ("1st", Some("begin with a digit")),
            ("a b", Some("letters, digits")),
            ("a.b", Some("letters, digits")),
            ("status", Some("reserved")),
            (&"x".repeat(50), None),
            (&"x".repeat(51), Some("51 characters")),
        ] {
            let message = wrong_name(name);
            assert_eq!(message.is_some(), part.is_some(), "{name}");
            assert!(message.unwrap_or_default().contains(part.unwrap_or_default()), "{name}");
        }
    }
}
