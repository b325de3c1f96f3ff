//! `schedulers`: which changes are built, when and where. What each class reads is in
//! `schedulers/`.

use super::checked::SchedulerConfig;
use super::fields::Fields;
use crate::schedulers::registry;

/// Reads `schedulers`; `None` for one that could not be read.
pub fn parse(fields: &mut Fields<'_>) -> Vec<(String, Option<SchedulerConfig>)> {
    let entries = fields.entries("schedulers");
    let (_, problems) = fields.nested("schedulers");
    entries
        .into_iter()
        .map(|(path, raw)| {
            let scheduler = registry::parse(&raw, &path, problems);
            (path, scheduler)
        })
        .collect()
}
