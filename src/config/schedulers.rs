//! `schedulers`: which changes are built, when and where.

use std::time::Duration;

use indexmap::IndexMap;

use super::checked::{BasicScheduler, CodebaseDefaults, SchedulerConfig, SchedulerKind};
use super::fields::Fields;
use super::force;
use super::problems::{Place, Problems};
use super::raw::{Raw, RawValue};
use super::values::{distinct, non_empty, properties};
use crate::flow::change_filter::{ChangeFilter, FileFilter};
use crate::model::Properties;

const KNOWN: [&str; 3] = ["SingleBranchScheduler", "AnyBranchScheduler", "ForceScheduler"];
const LATER: [&str; 7] = [
    "Dependent",
    "Periodic",
    "Nightly",
    "NightlyTriggerable",
    "Triggerable",
    "Try_Jobdir",
    "Try_Userpass",
];

/// Reads `schedulers`; `None` for one that could not be read.
pub fn parse(fields: &mut Fields<'_>) -> Vec<(String, Option<SchedulerConfig>)> {
    let entries = fields.entries("schedulers");
    let (_, problems) = fields.nested("schedulers");
    entries
        .into_iter()
        .map(|(path, raw)| {
            let scheduler = scheduler(&raw, &path, problems);
            (path, scheduler)
        })
        .collect()
}

fn scheduler(raw: &Raw, path: &str, problems: &mut Problems) -> Option<SchedulerConfig> {
    let mut fields = Fields::of(raw, path, problems);
    let class = fields.class(None, &KNOWN, &LATER)?;
    let scheduler = match class {
        "ForceScheduler" => force::scheduler(&mut fields),
        _ => basic(&mut fields, class == "AnyBranchScheduler"),
    };
    fields.finish();
    Some(scheduler)
}

/// `scheduler`, the property that names the scheduler itself.
pub fn own_property(properties: &mut Properties, name: &str) {
    properties.set("scheduler", name, "Scheduler");
}

fn basic(fields: &mut Fields<'_>, per_branch: bool) -> SchedulerConfig {
    let name: String = fields.required_checked("name", non_empty);
    let mut properties = properties(fields, "properties", "Scheduler");
    own_property(&mut properties, &name);
    let scheduler = SchedulerConfig {
        name,
        builder_names: distinct(fields.required("builderNames")),
        properties,
        reason: fields.optional("reason"),
        priority: fields.or_default("priority"),
        codebases: codebases(fields),
        kind: SchedulerKind::Basic(BasicScheduler {
            per_branch,
            change_filter: change_filter(fields, per_branch),
            tree_stable_timer: stable_timer(fields),
            file_is_important: file_filter(fields),
            only_important: fields.or_default("onlyImportant"),
        }),
    };
    fields.unsupported(&["createAbsoluteSourceStamps"]);
    scheduler
}

/// 0 is no timer, as in stock.
fn stable_timer(fields: &mut Fields<'_>) -> Option<Duration> {
    fields.optional("treeStableTimer").filter(|timer: &Duration| !timer.is_zero())
}

fn file_filter(fields: &mut Fields<'_>) -> FileFilter {
    match fields.take("fileIsImportant").filter(|raw| raw.value != RawValue::Null) {
        Some(raw) => {
            let (path, problems) = fields.nested("fileIsImportant");
            FileFilter::parse(&raw, &path, problems)
        }
        None => FileFilter::default(),
    }
}

/// `change_filter`, or the older keys: `branch` (`branches` for AnyBranchScheduler) and
/// `categories`.
fn change_filter(fields: &mut Fields<'_>, per_branch: bool) -> ChangeFilter {
    let filter = fields.take("change_filter").filter(|raw| raw.value != RawValue::Null);
    let branch_key = if per_branch { "branches" } else { "branch" };
    let branch = fields.take(branch_key);
    let categories = fields.take("categories").filter(|raw| raw.value != RawValue::Null);
    if let Some(filter) = filter {
        if branch.is_some() || categories.is_some() {
            let message = format!("'change_filter' excludes '{branch_key}' and 'categories'");
            fields.problem_at("change_filter", &filter.place, message);
        }
        let (path, problems) = fields.nested("change_filter");
        return ChangeFilter::parse(&filter, &path, problems);
    }
    if branch.is_none() && !per_branch {
        fields.problem("needs a 'change_filter', such as change_filter = { branch = \"main\" }");
        return ChangeFilter::default();
    }
    let place = fields.place().clone();
    match older_filter(branch, categories, place) {
        Some(filter) => {
            let path = fields.path().to_owned();
            let (_, problems) = fields.nested("change_filter");
            ChangeFilter::parse(&filter, &path, problems)
        }
        None => ChangeFilter::default(),
    }
}

/// The older keys as a table of the newer kind.
fn older_filter(branch: Option<Raw>, categories: Option<Raw>, place: Place) -> Option<Raw> {
    let table: IndexMap<String, Raw> = [("branch", branch), ("category", categories)]
        .into_iter()
        .filter_map(|(key, raw)| Some((key.to_owned(), raw?)))
        .collect();
    (!table.is_empty()).then_some(Raw { value: RawValue::Table(table), place })
}

/// A list of names, or a table of defaults per name; absent is the one codebase ``.
fn codebases(fields: &mut Fields<'_>) -> IndexMap<String, CodebaseDefaults> {
    let mut codebases = IndexMap::new();
    let Some(raw) = fields.take("codebases").filter(|raw| raw.value != RawValue::Null) else {
        codebases.insert(String::new(), CodebaseDefaults::default());
        return codebases;
    };
    let (path, problems) = fields.nested("codebases");
    match &raw.value {
        RawValue::List(names) => {
            for (index, name) in names.iter().enumerate() {
                match name.as_text() {
                    Some(name) => {
                        codebases.insert(name.to_owned(), CodebaseDefaults::default());
                    }
                    None => {
                        let message = format!("must be a string, not {}", name.kind());
                        problems.add(&name.place, format!("{path}[{index}]"), message);
                    }
                }
            }
        }
        RawValue::Table(table) => {
            for (name, raw) in table {
                let defaults = codebase_defaults(raw, format!("{path}.{name}"), problems);
                codebases.insert(name.clone(), defaults);
            }
        }
        _ => problems.add(&raw.place, &path, format!("must be a table, not {}", raw.kind())),
    }
    if matches!(&raw.value, RawValue::List(items) if items.is_empty())
        || matches!(&raw.value, RawValue::Table(table) if table.is_empty())
    {
        problems.add(&raw.place, &path, "must name at least one codebase");
    }
    codebases
}

fn codebase_defaults(raw: &Raw, path: String, problems: &mut Problems) -> CodebaseDefaults {
    let mut fields = Fields::of(raw, path, problems);
    let defaults = CodebaseDefaults {
        repository: fields.or_default("repository"),
        branch: fields.optional("branch"),
        revision: fields.optional("revision"),
        project: fields.or_default("project"),
    };
    fields.finish();
    defaults
}
