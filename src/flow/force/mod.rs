//! Force forms: from the values a person sent to a checked buildset, and the form's description.

mod describe;
mod inherit;
#[cfg(test)]
mod tests;
mod value;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::config::checked::{
    FieldKind, ForceField, ForceScheduler, Nested, NestedRole, SchedulerOptions,
};
use crate::flow::validation::Validation;
use crate::model::{NewPatch, NewSourceStamp, Properties};
pub use describe::{Offers, describe, worker_choices};
pub use inherit::{BuildName, Inherited, asked_builds};
use value::{text, value_of};

/// Source of every property that a form sets.
pub const SOURCE: &str = "Force Build Form";

/// Whose name is asked for in the form: nobody logged in.
const ANONYMOUS: &str = "anonymous";

/// Refused values: `fullName` of the field -> why.
pub type Refusals = IndexMap<String, String>;

/// A form that passed.
#[derive(Debug, Clone, PartialEq)]
pub struct Forced {
    /// The buildset's reason.
    pub reason: String,
    pub priority: i64,
    /// Of the form, `reason` and `owner` included; the scheduler's own are not among them.
    pub properties: Properties,
    /// One per codebase. An empty branch or revision is empty text, as stock stores it.
    pub stamps: Vec<NewSourceStamp>,
}

/// What somebody sent, and what it is judged by.
pub struct Sent<'a> {
    /// By `fullName`. Each value is a scalar or a list; unknown names are ignored.
    pub values: &'a Map<String, Value>,
    /// Who is logged in: empty or `anonymous` asks the form's `username`.
    pub owner: &'a str,
    /// The builds that [`asked_builds`] names.
    pub inherited: &'a Inherited,
    pub validation: &'a Validation,
}

/// Checks the values of a form.
///
/// # Errors
/// Every refused field with its reason, in the order of the form.
pub fn read(
    scheduler: &SchedulerOptions,
    form: &ForceScheduler,
    sent: &Sent<'_>,
) -> Result<Forced, Refusals> {
    let mut reader = Reader { scheduler, sent, refusals: Refusals::new(), stamps: Vec::new() };
    let reason = reader.value(&form.reason).unwrap_or_default();
    let owner = match sent.owner {
        "" | ANONYMOUS => reader.value(&form.username).unwrap_or_default(),
        known => known.into(),
    };
    let priority = reader.value(&form.priority).unwrap_or_default();
    let mut set = Map::new();
    for field in &form.fields {
        reader.read(field, &mut set);
    }
    if !reader.refusals.is_empty() {
        return Err(reader.refusals);
    }
    let said = form.reason_string.replace("%(owner)s", &text(&owner));
    let said = said.replace("%(reason)s", &text(&reason));
    let mut properties = Properties::new();
    for (name, value) in set {
        properties.set(&name, value, SOURCE);
    }
    properties.set("reason", reason, SOURCE);
    properties.set("owner", owner, SOURCE);
    let mut stamps = reader.stamps;
    if stamps.is_empty() {
        stamps.push(stamp("", Map::new()));
    }
    Ok(Forced { reason: said, priority: priority.as_i64().unwrap_or(0), properties, stamps })
}

/// Goes through a form.
struct Reader<'a> {
    scheduler: &'a SchedulerOptions,
    sent: &'a Sent<'a>,
    refusals: Refusals,
    stamps: Vec<NewSourceStamp>,
}

impl Reader<'_> {
    /// Reads a field, with those in it, into the values of its group.
    fn read(&mut self, field: &ForceField, into: &mut Map<String, Value>) {
        match &field.kind {
            FieldKind::Nested(nested) => self.nested(field, nested, into),
            FieldKind::Inherit { builders } => {
                let own =
                    if builders.is_empty() { &self.scheduler.builder_names } else { builders };
                let sent = self.sent.values.get(&field.full_name);
                match inherit::take_over(field, sent, own, self.sent.inherited) {
                    Ok(properties) => into.extend(properties),
                    Err(why) => self.refuse(field, why),
                }
            }
            FieldKind::Worker { any } => {
                // Without a preference there is no property.
                let preferred = |worker: &Value| worker != any.as_str() && worker != "";
                if let Some(worker) = self.value(field).filter(preferred) {
                    into.insert(field.name.clone(), worker);
                }
            }
            _ => {
                if let Some(value) = self.value(field) {
                    into.insert(field.name.clone(), value);
                }
            }
        }
    }

    fn nested(&mut self, field: &ForceField, nested: &Nested, into: &mut Map<String, Value>) {
        let mut inner = Map::new();
        for field in &nested.fields {
            self.read(field, &mut inner);
        }
        match &nested.role {
            NestedRole::Group if field.name.is_empty() => into.extend(inner),
            NestedRole::Group => drop(into.insert(field.name.clone(), Value::Object(inner))),
            NestedRole::Codebase(codebase) => self.stamps.push(stamp(codebase, inner)),
            NestedRole::AnyProperty => match any_property(&inner, self.sent.validation) {
                Ok(property) => into.extend(property),
                Err(why) => self.refuse(field, why),
            },
        }
    }

    /// The value of a field that is no group; `None` when it is refused.
    fn value(&mut self, field: &ForceField) -> Option<Value> {
        match value_of(field, self.sent.values.get(&field.full_name)) {
            Ok(value) => Some(value),
            Err(why) => {
                self.refuse(field, why);
                None
            }
        }
    }

    fn refuse(&mut self, field: &ForceField, why: String) {
        self.refusals.insert(field.full_name.clone(), why);
    }
}

/// The source stamp that a codebase's fields describe.
fn stamp(codebase: &str, fields: Map<String, Value>) -> NewSourceStamp {
    let part = |name: &str| fields.get(name).map(text).unwrap_or_default();
    NewSourceStamp {
        branch: Some(part("branch")),
        revision: Some(part("revision")),
        repository: part("repository"),
        project: part("project"),
        codebase: codebase.to_owned(),
        patch: fields.get("patch").and_then(patch),
    }
}

/// Without a file there is no patch.
fn patch(fields: &Value) -> Option<NewPatch> {
    let part = |name: &str| fields.get(name).map(text).unwrap_or_default();
    let body = part("body");
    (!body.is_empty()).then(|| NewPatch {
        level: fields.get("level").and_then(Value::as_i64).unwrap_or(1),
        body: body.into_bytes(),
        author: part("author"),
        comment: part("comment"),
        subdir: part("subdir"),
    })
}

/// The property that an `AnyPropertyParameter` names, if it does.
fn any_property(
    fields: &Map<String, Value>,
    validation: &Validation,
) -> Result<Option<(String, Value)>, String> {
    let part = |name: &str| fields.get(name).map(text).unwrap_or_default();
    let (name, value) = (part("name"), part("value"));
    if name.is_empty() {
        return Ok(None);
    }
    match validation.property_name.matches(&name) && validation.property_value.matches(&value) {
        true => Ok(Some((name, value.into()))),
        false => Err(format!("bad property name='{name}', value='{value}'")),
    }
}
