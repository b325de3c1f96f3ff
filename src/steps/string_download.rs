//! StringDownload, JSONStringDownload and JSONPropertiesDownload: a text becomes a file on the worker.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::download::Target;
use super::python_json::dumps;
use super::registry::{Draft, StepType};
use super::render::{render, render_text};
use super::transfer::source::SentText;
use super::upload;
use super::{Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::Renderable;
use crate::model::{LogType, SourceStamp};

#[derive(Debug)]
struct StringDownload {
    content: Content,
    target: Target,
}

/// What the file holds.
#[derive(Debug)]
enum Content {
    Text(Renderable),
    Json(Renderable),
    /// The build's properties and source stamps.
    Build,
}

#[async_trait(?Send)]
impl Step for StringDownload {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        bench.log("stdio", LogType::Stdio, Stream::Stdout, "").await?;
        let text = match &self.content {
            Content::Text(text) => render_text(bench, text)?,
            Content::Json(value) => dumps(&render(bench, value)?.value),
            Content::Build => dumps(&build(bench)),
        };
        self.target.send(bench, &mut SentText::new(text)).await
    }
}

fn build(bench: &dyn Workbench) -> Value {
    let mut properties: Vec<_> = bench.properties().iter().collect();
    properties.sort_by_key(|(name, _)| *name);
    let properties: Map<String, Value> = properties
        .into_iter()
        .map(|(name, property)| (name.to_owned(), property.value.clone()))
        .collect();
    let stamps: Vec<Value> = bench.sources().iter().map(stamp).collect();
    json!({"properties": properties, "sourcestamps": stamps})
}

fn stamp(stamp: &SourceStamp) -> Value {
    let patch = stamp.patch.as_ref();
    json!({
        "branch": stamp.branch,
        "revision": stamp.revision,
        "repository": stamp.repository,
        "project": stamp.project,
        "codebase": stamp.codebase,
        "patch_level": patch.map(|patch| patch.level),
        "patch_body": patch.map(|patch| String::from_utf8_lossy(&patch.body)),
        "patch_subdir": patch.map(|patch| &patch.subdir),
        "patch_author": patch.map(|patch| &patch.author),
        "patch_comment": patch.map(|patch| &patch.comment),
    })
}

pub(super) const TYPES: &[StepType] = &[
    StepType {
        class: "StringDownload",
        name: "string_download",
        defaults: upload::defaults,
        parse: string,
    },
    StepType {
        class: "JSONStringDownload",
        name: "json_download",
        defaults: upload::defaults,
        parse: json_string,
    },
    StepType {
        class: "JSONPropertiesDownload",
        name: "json_properties_download",
        defaults: upload::defaults,
        parse: json_properties,
    },
];

fn string(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let target = Target::parse(fields, draft);
    Arc::new(StringDownload { content: Content::Text(fields.required("s")), target })
}

fn json_string(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let target = Target::parse(fields, draft);
    Arc::new(StringDownload { content: Content::Json(fields.required("o")), target })
}

fn json_properties(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(StringDownload { content: Content::Build, target: Target::parse(fields, draft) })
}
