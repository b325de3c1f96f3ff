//! Reads a list `locks` of a builder, a worker or a step.

use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::{Raw, RawValue};
use crate::model::{LockAccess, LockMode};

/// Reads the key `locks`. Whether the locks exist is checked when all sections are known.
pub fn read(fields: &mut Fields<'_>) -> Vec<LockAccess> {
    let raw = fields.take("locks");
    let (path, problems) = fields.nested("locks");
    entries(raw.as_ref(), &path, problems).into_iter().map(|(_, access)| access).collect()
}

/// The entries of a list `locks` at `path`, each with its own key path. An entry is the name of a
/// lock, which stands for one unit of it, or a table; one entry needs no brackets. Entries that
/// ask for nothing, with `count = 0`, are left out.
pub fn entries(
    raw: Option<&Raw>,
    path: &str,
    problems: &mut Problems,
) -> Vec<(String, LockAccess)> {
    let Some(raw) = raw else { return Vec::new() };
    let items: Vec<(String, &Raw)> = match &raw.value {
        RawValue::Null => Vec::new(),
        RawValue::List(items) => {
            items.iter().enumerate().map(|(i, item)| (format!("{path}[{i}]"), item)).collect()
        }
        _ => vec![(path.to_owned(), raw)],
    };
    let mut found: Vec<(String, LockAccess)> = Vec::new();
    for (path, item) in items {
        let Some(access) = entry(item, &path, problems) else { continue };
        if found.iter().any(|(_, other)| other.name == access.name) {
            let message = format!("the lock '{}' stands twice in this list", access.name);
            problems.add(&item.place, &path, message);
        }
        found.push((path, access));
    }
    found.retain(|(_, access)| access.mode != LockMode::Counting(0));
    found
}

fn entry(raw: &Raw, path: &str, problems: &mut Problems) -> Option<LockAccess> {
    match &raw.value {
        RawValue::Text(name) => {
            Some(LockAccess { name: name.clone(), mode: LockMode::Counting(1) })
        }
        RawValue::Table(_) => {
            let mut fields = Fields::of(raw, path, problems);
            let name: String = fields.required("name");
            let mode = mode(&mut fields);
            fields.finish();
            (!name.is_empty()).then_some(LockAccess { name, mode })
        }
        _ => {
            let message = format!("must be the name of a lock or a table, not {}", raw.kind());
            problems.add(&raw.place, path, message);
            None
        }
    }
}

fn mode(fields: &mut Fields<'_>) -> LockMode {
    let access = fields.optional_checked("access", |access: &String| {
        let known = ["counting", "exclusive"].contains(&access.as_str());
        (!known).then(|| format!("is '{access}' and must be 'counting' or 'exclusive'"))
    });
    let exclusive = access.as_deref() == Some("exclusive");
    let count = fields.optional_checked("count", |count: &usize| {
        (exclusive && *count != 1)
            .then(|| "an exclusive access takes the whole lock; leave 'count' out".to_owned())
    });
    if exclusive { LockMode::Exclusive } else { LockMode::Counting(count.unwrap_or(1)) }
}
