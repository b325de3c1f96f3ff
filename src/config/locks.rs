//! `locks`: what only so many builds or steps may use at once.

use indexmap::IndexMap;

use super::checked::LockConfig;
use super::fields::Fields;
use super::problems::Problems;
use super::raw::Raw;
use super::values::non_empty;
use crate::model::LockKind;

/// Reads `locks`.
pub fn parse(fields: &mut Fields<'_>) -> Vec<(String, LockConfig)> {
    let entries = fields.entries("locks");
    let (_, problems) = fields.nested("locks");
    entries
        .into_iter()
        .filter_map(|(path, raw)| {
            let lock = lock(&raw, &path, problems)?;
            Some((path, lock))
        })
        .collect()
}

fn lock(raw: &Raw, path: &str, problems: &mut Problems) -> Option<LockConfig> {
    let mut fields = Fields::of(raw, path, problems);
    let class = fields.class(None, &["MasterLock", "WorkerLock"], &[]);
    let name = fields.required_checked("name", non_empty);
    let max_count = fields.optional_checked("maxCount", |count: &usize| too_small(*count));
    let of_workers = fields
        .optional_checked("maxCountForWorker", |counts: &IndexMap<String, usize>| {
            let (worker, message) =
                counts.iter().find_map(|(worker, count)| Some((worker, too_small(*count)?)))?;
            Some(format!("'{worker}' {message}"))
        })
        .unwrap_or_default();
    if class == Some("MasterLock") && !of_workers.is_empty() {
        fields.problem("'maxCountForWorker' belongs to a WorkerLock; a MasterLock has no workers");
    }
    fields.finish();
    let kind = match class? {
        "WorkerLock" => LockKind::Worker,
        _ => LockKind::Master,
    };
    let max_count = max_count.unwrap_or(1);
    Some(LockConfig { name, kind, max_count, max_count_for_worker: of_workers })
}

fn too_small(count: usize) -> Option<String> {
    (count == 0).then(|| "must be at least 1: with 0 nobody would ever get the lock".to_owned())
}
