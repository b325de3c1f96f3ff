//! The classes of generators, and the reader of a reporter's `generators`.

use super::super::formatters::Formatter;
use super::{
    BuildRequests, BuildStartEnd, BuildStatus, Generator, WorkerMissing, buildset,
    buildset_combined,
};
use crate::config::fields::Fields;

const CLASSES: [&str; 6] = [
    "BuildStatusGenerator",
    "BuildStartEndStatusGenerator",
    "BuildRequestGenerator",
    "BuildSetStatusGenerator",
    "BuildSetCombinedStatusGenerator",
    "WorkerMissingGenerator",
];

/// The formatters that a reporter's generators have by default.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    pub build: fn() -> Formatter,
    pub worker: fn() -> Formatter,
}

/// Reads `generators`; those of `standard` when there are none written.
pub fn read(
    fields: &mut Fields<'_>,
    defaults: Defaults,
    standard: impl FnOnce() -> Vec<Box<dyn Generator>>,
) -> Vec<Box<dyn Generator>> {
    let entries = fields.entries("generators");
    if entries.is_empty() {
        return standard();
    }
    let (_, problems) = fields.nested("generators");
    let mut generators = Vec::new();
    for (path, raw) in entries {
        let mut fields = Fields::of(&raw, path, problems);
        if let Some(class) = fields.class(None, &CLASSES, &[]) {
            generators.push(generator(class, &mut fields, defaults));
            fields.finish();
        }
    }
    generators
}

fn generator(class: &str, fields: &mut Fields<'_>, defaults: Defaults) -> Box<dyn Generator> {
    match class {
        "BuildStartEndStatusGenerator" => Box::new(BuildStartEnd::read(fields)),
        "BuildRequestGenerator" => Box::new(BuildRequests::read(fields)),
        "BuildSetStatusGenerator" => Box::new(buildset::read(fields, defaults.build)),
        "BuildSetCombinedStatusGenerator" => buildset_combined::read(fields),
        "WorkerMissingGenerator" => Box::new(WorkerMissing::read(fields, defaults.worker)),
        _ => Box::new(BuildStatus::read(fields, defaults.build)),
    }
}
