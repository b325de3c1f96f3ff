//! `services`: those that only decide, and those that tell people (stock's reporters).

use super::fields::{Fields, closest};
use super::raw::Raw;
use crate::flow::services::registry::{self as deciding, ServiceConfig};
use crate::reporters::registry::{self as telling, ReporterConfig};

/// What stands in `services`, each with its key path.
#[derive(Default)]
pub struct Services {
    pub services: Vec<(String, ServiceConfig)>,
    pub reporters: Vec<(String, ReporterConfig)>,
}

/// Reads the list; an entry of an unknown class is a problem and left out.
pub fn parse(fields: &mut Fields<'_>) -> Services {
    let entries = fields.entries("services");
    let (_, problems) = fields.nested("services");
    let mut services = Services::default();
    for (path, raw) in entries {
        let mut fields = Fields::of(&raw, path.clone(), problems);
        let Some(class) = class(&mut fields) else { continue };
        match class {
            Class::Deciding(class) => {
                services.services.push((path, deciding::parse(class, &raw, fields)));
            }
            Class::Telling(class) => {
                services.reporters.push((path, telling::parse(class, &raw, fields)));
            }
        }
    }
    services
}

enum Class {
    Deciding(&'static deciding::ServiceClass),
    Telling(&'static telling::ReporterClass),
}

fn class(fields: &mut Fields<'_>) -> Option<Class> {
    let known: Vec<&str> = deciding::REGISTRY
        .iter()
        .map(|class| class.class)
        .chain(telling::REGISTRY.iter().map(|class| class.class))
        .collect();
    let Some(raw) = fields.take("type") else {
        fields.problem(format!("needs a 'type': {}", known.join(", ")));
        return None;
    };
    let name = raw.as_text().unwrap_or_default();
    let class = deciding::find(name)
        .map(Class::Deciding)
        .or_else(|| telling::find(name).map(Class::Telling));
    if class.is_none() {
        let message = unknown(&raw, name, &known);
        fields.problem_at("type", &raw.place, message);
    }
    class
}

fn unknown(raw: &Raw, name: &str, known: &[&str]) -> String {
    if raw.as_text().is_none() {
        return format!("must be the name of a class, not {}", raw.kind());
    }
    match closest(name, known) {
        Some(near) => format!("unknown type '{name}'; did you mean '{near}'?"),
        None => {
            format!("the service '{name}' is not supported yet; known are: {}", known.join(", "))
        }
    }
}
