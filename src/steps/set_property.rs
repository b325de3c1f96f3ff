//! SetProperty and SetProperties: no command, only values.

use std::sync::Arc;

use async_trait::async_trait;

use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::render::{render, render_text, table};
use super::{Outcome, Step, StepError, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::Renderable;
use crate::model::Results;

/// `property` = `value`; the source is the step's name.
#[derive(Debug)]
struct SetProperty {
    property: Renderable,
    value: Renderable,
    source: String,
}

#[async_trait(?Send)]
impl Step for SetProperty {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let name = render_text(bench, &self.property)?;
        let value = render(bench, &self.value)?.value;
        bench.set_property(&name, value, &self.source);
        Ok(Outcome::plain(Results::Success))
    }
}

/// Every entry of `properties`.
#[derive(Debug)]
struct SetProperties {
    properties: Renderable,
    source: String,
}

#[async_trait(?Send)]
impl Step for SetProperties {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        for (name, value) in table(render(bench, &self.properties)?.value, "properties")? {
            bench.set_property(&name, value, &self.source);
        }
        Ok(Outcome::plain(Results::Success))
    }
}

pub(super) const TYPES: &[StepType] = &[
    StepType { class: "SetProperty", name: "SetProperty", defaults, parse: set_property },
    StepType {
        class: "SetProperties",
        name: "SetProperties",
        defaults: many_defaults,
        parse: set_properties,
    },
];

fn defaults() -> StepOptions {
    described("Setting", "Set")
}

fn many_defaults() -> StepOptions {
    described("Setting Properties..", "Properties Set")
}

fn described(running: &str, done: &str) -> StepOptions {
    StepOptions {
        description: Some(running.to_owned()),
        description_done: Some(done.to_owned()),
        ..StepOptions::default()
    }
}

fn set_property(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(SetProperty {
        property: fields.required("property"),
        value: fields.required("value"),
        source: draft.name.clone(),
    })
}

fn set_properties(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(SetProperties {
        properties: fields.required("properties"),
        source: draft.name.clone(),
    })
}
