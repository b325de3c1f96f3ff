//! LogRenderable: writes a rendered value into a log.

use std::sync::Arc;

use async_trait::async_trait;

use super::plan::StepOptions;
use super::registry::{Draft, StepType};
use super::render::render;
use super::shell::described;
use super::{Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::{Renderable, mask, pretty};
use crate::model::{LogType, Results};

#[derive(Debug)]
struct LogRenderable {
    content: Renderable,
}

#[async_trait(?Send)]
impl Step for LogRenderable {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let content = render(bench, &self.content)?;
        let text = pretty(&content.value);
        let shown = mask(&text, &content.secrets);
        bench.log("Output", LogType::Text, Stream::Stdout, &shown).await?;
        Ok(Outcome::plain(Results::Success))
    }
}

pub(super) const TYPES: &[StepType] =
    &[StepType { class: "LogRenderable", name: "LogRenderable", defaults, parse }];

fn defaults() -> StepOptions {
    described(false, "Logging", "Logged")
}

fn parse(fields: &mut Fields<'_>, _draft: &mut Draft) -> Arc<dyn Step> {
    Arc::new(LogRenderable { content: fields.required("content") })
}
