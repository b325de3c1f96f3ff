//! Rendering a step's options at its bench.

use serde_json::Value;

use super::{StepError, Workbench};
use crate::flow::interpolate::{InterpolateError, RenderContext, Renderable, Rendered, Span, text};

/// Renders `value` with what the bench knows.
pub(super) fn render(
    bench: &dyn Workbench,
    value: &Renderable,
) -> Result<Rendered, InterpolateError> {
    let rendered = in_context(bench, |context| value.render_secret_aware(context))?;
    bench.note_unset(&rendered.unset);
    Ok(rendered)
}

/// Renders to text whose parts tell where they come from.
pub(super) fn render_spans(
    bench: &dyn Workbench,
    value: &Renderable,
) -> Result<Vec<Span>, InterpolateError> {
    in_context(bench, |context| value.render_spans(context))
}

fn in_context<T>(bench: &dyn Workbench, render: impl FnOnce(&RenderContext<'_>) -> T) -> T {
    let secret = |name: &str| bench.secret(name);
    render(&RenderContext {
        properties: bench.properties(),
        sources: bench.sources(),
        worker: &bench.worker().info,
        secret: &secret,
    })
}

/// Renders to text; `None` becomes empty.
pub(super) fn render_text(
    bench: &dyn Workbench,
    value: &Renderable,
) -> Result<String, InterpolateError> {
    Ok(render(bench, value)?.texts().0)
}

/// Renders to texts: those of a list, or the one value; none for `None`.
pub(super) fn render_texts(
    bench: &dyn Workbench,
    value: &Renderable,
) -> Result<Vec<String>, InterpolateError> {
    Ok(match render(bench, value)?.value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(text).collect(),
        value => vec![text(&value)],
    })
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
