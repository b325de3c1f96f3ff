//! Rendering a step's options at its bench.

use serde_json::Value;

use super::{StepError, Workbench};
use crate::flow::interpolate::{InterpolateError, RenderContext, Renderable, Rendered};

/// Renders `value` with what the bench knows.
pub(super) fn render(
    bench: &dyn Workbench,
    value: &Renderable,
) -> Result<Rendered, InterpolateError> {
    let secret = |name: &str| bench.secret(name);
    let context = RenderContext {
        properties: bench.properties(),
        sources: bench.sources(),
        worker: &bench.worker().info,
        secret: &secret,
    };
    value.render_secret_aware(&context)
}

/// Renders to text; `None` becomes empty.
pub(super) fn render_text(
    bench: &dyn Workbench,
    value: &Renderable,
) -> Result<String, InterpolateError> {
    Ok(render(bench, value)?.texts().0)
}

/// Renders an option that may be absent; `None` and empty text count as absent.
pub(super) fn render_optional(
    bench: &dyn Workbench,
    value: Option<&Renderable>,
) -> Result<Option<String>, InterpolateError> {
    let Some(value) = value else { return Ok(None) };
    Ok(Some(render_text(bench, value)?).filter(|text| !text.is_empty()))
}

/// The entries of a rendered table.
pub(super) fn table(value: Value, what: &str) -> Result<serde_json::Map<String, Value>, StepError> {
    match value {
        Value::Object(table) => Ok(table),
        Value::Null => Ok(serde_json::Map::new()),
        _ => Err(StepError::Failed(format!("'{what}' must render to a table"))),
    }
}
