//! `InheritBuildParameter`: takes over what another build was forced with.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::SOURCE;
use super::value::text;
use crate::config::checked::{FieldKind, ForceField, ForceScheduler};
use crate::model::Properties;

/// A build as people name it: `builder/number`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BuildName {
    pub builder: String,
    pub number: i64,
}

/// The builds that were found, with their properties.
pub type Inherited = HashMap<BuildName, Properties>;

impl BuildName {
    /// Reads `builder/number`; what follows behind a blank is for people.
    fn parse(text: &str) -> Option<BuildName> {
        let (builder, number) = text.split(' ').next()?.split_once('/')?;
        let number = number.parse().ok().filter(|_| !builder.is_empty())?;
        Some(BuildName { builder: builder.to_owned(), number })
    }
}

/// The builds whose properties [`read`](super::read) needs for these values.
pub fn asked_builds(form: &ForceScheduler, values: &Map<String, Value>) -> Vec<BuildName> {
    let (mut todo, mut found): (Vec<&ForceField>, Vec<_>) = (form.fields.iter().collect(), vec![]);
    while let Some(field) = todo.pop() {
        match &field.kind {
            FieldKind::Nested(nested) => todo.extend(&nested.fields),
            FieldKind::Inherit { .. } => {
                found.extend(BuildName::parse(&sent(values.get(&field.full_name))));
            }
            _ => {}
        }
    }
    found
}

/// The properties of the chosen build, and its name. Builds of other builders than `builders` do
/// not count.
pub(super) fn take_over(
    field: &ForceField,
    value: Option<&Value>,
    builders: &[String],
    inherited: &Inherited,
) -> Result<Map<String, Value>, String> {
    let asked = sent(value);
    if asked.trim().is_empty() {
        return match field.required {
            true => Err(format!("'{}' needs to be specified", field.label)),
            false => Ok(Map::new()),
        };
    }
    let name = BuildName::parse(&asked).ok_or_else(|| format!("bad build: {asked}"))?;
    if !builders.contains(&name.builder) {
        return Err(format!("unknown builder: {} in {asked}", name.builder));
    }
    let unknown = || format!("unknown build: {} in {asked}", name.builder);
    let properties = inherited.get(&name).ok_or_else(unknown)?;
    let mut taken = Map::new();
    taken.insert(field.name.clone(), format!("{}/{}", name.builder, name.number).into());
    for (name, property) in properties.iter().filter(|(_, property)| property.source == SOURCE) {
        let name = if name == "owner" { "orig_owner" } else { name };
        taken.insert(name.to_owned(), property.value.clone());
    }
    Ok(taken)
}

/// The first value, if several were sent.
fn sent(value: Option<&Value>) -> String {
    match value {
        Some(Value::Array(items)) => items.first().map(text).unwrap_or_default(),
        Some(one) => text(one),
        None => String::new(),
    }
}
