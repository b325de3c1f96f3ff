//! SetPropertiesFromEnv: variables of the worker's environment become properties.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::render::render_texts;
use super::{Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::{Renderable, repr};
use crate::model::{LogType, Results};

#[derive(Debug)]
struct SetPropertiesFromEnv {
    variables: Renderable,
    source: String,
}

#[async_trait(?Send)]
impl Step for SetPropertiesFromEnv {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        // Names on Windows have no case; its workers tell them in capitals.
        let capitals = bench.worker().system == "nt";
        let mut lines = Vec::new();
        for name in render_texts(bench, &self.variables)? {
            let key = if capitals { name.to_uppercase() } else { name.clone() };
            let found = bench.worker().environ.get(&key).filter(|value| !value.is_empty());
            let Some(value) = found.cloned().map(Value::from) else { continue };
            lines.push(format!("{name} = {}", repr(&value)));
            bench.set_property(&name, value, &self.source);
        }
        bench.log("properties", LogType::Text, Stream::Stdout, &lines.join("\n")).await?;
        Ok(Outcome::plain(Results::Success))
    }
}

pub(super) const TYPES: &[StepType] =
    &[StepType { class: "SetPropertiesFromEnv", name: "SetPropertiesFromEnv", defaults, parse }];

fn defaults() -> StepOptions {
    StepOptions {
        description: Some("Setting".to_owned()),
        description_done: Some("Set".to_owned()),
        ..StepOptions::default()
    }
}

fn parse(fields: &mut Fields<'_>, _draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(SetPropertiesFromEnv {
        variables: fields.required("variables"),
        source: fields.or("source", "WorkerEnvironment".to_owned()),
    })
}
