//! Buildbot's `Interpolate`: `%(prop:…)s`, `%(src:…)s`, `%(kw:…)s`, `%(worker:…)s`, `%(secret:…)s`.

use serde_json::Value;

use crate::model::{Properties, SourceStamp};

/// A value that may hold substitutions anywhere in it; rendered when a build knows its properties.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Renderable {
    source: Value,
}

/// What substitutions can refer to.
pub struct RenderContext<'a> {
    pub properties: &'a Properties,
    pub sources: &'a [SourceStamp],
    /// `%(worker:…)s`: the attributes a worker reported, and its configured properties.
    pub worker: &'a Properties,
    /// `%(secret:…)s`; `None` for an unknown name.
    pub secret: &'a dyn Fn(&str) -> Option<String>,
}

/// Why a value cannot be parsed or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InterpolateError(pub String);

impl Renderable {
    /// Parses every string inside `value`.
    pub fn parse(value: &Value) -> Result<Renderable, InterpolateError> {
        Ok(Renderable { source: value.clone() })
    }

    pub fn render(&self, _context: &RenderContext<'_>) -> Result<Value, InterpolateError> {
        Ok(self.source.clone())
    }
}
