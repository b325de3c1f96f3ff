//! Buildbot's `Interpolate`: `%(prop:…)s`, `%(src:…)s`, `%(kw:…)s`, `%(worker:…)s`, `%(secret:…)s`.
//!
//! A string that holds one of these is a format string with Python's rules, so a plain percent
//! sign in it is written `%%`; every other string is literal. Besides strings three tables render
//! to a value, named as in Buildbot:
//!
//! - `{ type = "Interpolate", fmtstring = "…", kw = { … } }`
//! - `{ type = "Property", key = "…", default = …, defaultWhenFalse = true }` keeps the value's type
//! - `{ type = "Secret", name = "…" }`

mod pretty;
mod python;
mod template;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::model::{Properties, SourceStamp};

pub use pretty::pretty;
pub use python::{is_true, repr, text};

use template::Template;

/// A value that may hold substitutions anywhere in it; rendered when a build knows its properties.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Renderable {
    node: Node,
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

/// A secret that went into a rendered value.
#[derive(Clone, PartialEq, Eq)]
pub struct UsedSecret {
    pub name: String,
    pub value: String,
}

/// Without the value.
impl std::fmt::Debug for UsedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}>", self.name)
    }
}

/// A rendered value, with what must not be shown of it.
#[derive(Clone, PartialEq)]
pub struct Rendered {
    pub value: Value,
    pub secrets: Vec<UsedSecret>,
    /// Properties that were asked for without a default, and are not set.
    pub unset: Vec<String>,
}

/// A piece of a rendered text: written in the configuration, or substituted for something there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Empty when nothing was substituted.
    pub text: String,
    pub substituted: bool,
}

impl Span {
    fn configured(text: impl Into<String>) -> Span {
        Span { text: text.into(), substituted: false }
    }

    fn substituted(text: impl Into<String>) -> Span {
        Span { text: text.into(), substituted: true }
    }
}

/// The value only when no secret went into it.
impl std::fmt::Debug for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.secrets.as_slice() {
            [] => self.value.fmt(f),
            secrets => secrets.fmt(f),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Literal(Value),
    Text(Template),
    List(Vec<Node>),
    Table(Vec<(Node, Node)>),
    Property { key: Box<Node>, default: Box<Node>, default_when_false: bool },
    Secret(String),
}

impl Default for Node {
    fn default() -> Node {
        Node::Literal(Value::Null)
    }
}

/// The context and the secrets met so far.
struct Renderer<'a, 'c> {
    context: &'a RenderContext<'c>,
    secrets: Vec<UsedSecret>,
    unset: Vec<String>,
}

impl Renderable {
    /// Parses every string inside `value`.
    ///
    /// # Errors
    /// A malformed substitution; the message quotes it.
    pub fn parse(value: &Value) -> Result<Renderable, InterpolateError> {
        Ok(Renderable { node: Node::parse(value)? })
    }

    /// A value without substitutions, whatever its strings hold.
    pub fn literal(value: impl Into<Value>) -> Renderable {
        Renderable { node: Node::Literal(value.into()) }
    }

    /// The value, when there is nothing to substitute in it.
    pub fn as_literal(&self) -> Option<&Value> {
        match &self.node {
            Node::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The text, when it is one and the same for every build.
    pub fn literal_text(&self) -> Option<&str> {
        match &self.node {
            Node::Literal(value) => value.as_str(),
            _ => None,
        }
    }

    /// The parts of a list or the one value, so that each can be rendered apart.
    pub fn items(&self) -> Vec<Renderable> {
        let one = |node: &Node| Renderable { node: node.clone() };
        match &self.node {
            Node::List(nodes) => nodes.iter().map(one).collect(),
            Node::Literal(Value::Array(values)) => {
                values.iter().cloned().map(Renderable::literal).collect()
            }
            node => vec![one(node)],
        }
    }

    /// # Errors
    /// An unknown secret, or a conversion that the value does not allow.
    pub fn render(&self, context: &RenderContext<'_>) -> Result<Value, InterpolateError> {
        Ok(self.render_secret_aware(context)?.value)
    }

    /// Renders and tells which secrets were used, so that callers can keep them out of sight.
    ///
    /// # Errors
    /// As [`Renderable::render`].
    pub fn render_secret_aware(
        &self,
        context: &RenderContext<'_>,
    ) -> Result<Rendered, InterpolateError> {
        let mut renderer = Renderer { context, secrets: Vec::new(), unset: Vec::new() };
        let value = self.node.render(&mut renderer)?;
        Ok(Rendered { value, secrets: renderer.secrets, unset: renderer.unset })
    }

    /// Renders to text, and tells which parts of it the configuration vouches for.
    ///
    /// # Errors
    /// As [`Renderable::render`].
    pub fn render_spans(&self, context: &RenderContext<'_>) -> Result<Vec<Span>, InterpolateError> {
        let mut spans = Vec::new();
        let mut renderer = Renderer { context, secrets: Vec::new(), unset: Vec::new() };
        self.node.render_spans(&mut renderer, &mut spans)?;
        Ok(spans)
    }

    /// Renders to text: what Python's `str` makes of the value, and nothing for `None`.
    ///
    /// # Errors
    /// As [`Renderable::render`].
    pub fn render_text(&self, context: &RenderContext<'_>) -> Result<String, InterpolateError> {
        Ok(match self.render(context)? {
            Value::Null => String::new(),
            value => text(&value),
        })
    }
}

impl Rendered {
    /// The value as text, and the same with each secret replaced by `<name>`.
    pub fn texts(&self) -> (String, String) {
        let real = match &self.value {
            Value::Null => String::new(),
            value => text(value),
        };
        let shown = mask(&real, &self.secrets).into_owned();
        (real, shown)
    }
}

/// Replaces every secret in `text` by `<name>`. Empty secrets are left alone; of a secret with
/// several lines each line is replaced, because logs are kept line by line.
pub fn mask<'t>(text: &'t str, secrets: &[UsedSecret]) -> Cow<'t, str> {
    let mut parts: Vec<(&str, &str)> = Vec::new();
    for secret in secrets {
        let whole = secret.value.trim_end_matches(['\r', '\n']);
        let lines = whole.lines().filter(|line| line.len() > 3 || whole.lines().count() == 1);
        parts.extend(lines.chain([whole]).map(|part| (part, secret.name.as_str())));
    }
    // The longest first: a secret may hold another one.
    parts.sort_by_key(|(part, _)| std::cmp::Reverse(part.len()));
    let mut masked = Cow::Borrowed(text);
    for (part, name) in parts {
        if !part.is_empty() && masked.contains(part) {
            masked = Cow::Owned(masked.replace(part, &format!("<{name}>")));
        }
    }
    masked
}

impl Node {
    fn parse(value: &Value) -> Result<Node, InterpolateError> {
        match value {
            Value::String(text) if template::has_substitution(text) => {
                Ok(Node::Text(Template::parse(text, &Map::new())?))
            }
            Value::Array(items) => {
                let nodes: Vec<Node> = items.iter().map(Node::parse).collect::<Result<_, _>>()?;
                Ok(if nodes.iter().all(Node::is_literal) {
                    Node::Literal(value.clone())
                } else {
                    Node::List(nodes)
                })
            }
            Value::Object(table) => Node::parse_table(value, table),
            _ => Ok(Node::Literal(value.clone())),
        }
    }

    fn parse_table(value: &Value, table: &Map<String, Value>) -> Result<Node, InterpolateError> {
        match (table.get("type").and_then(Value::as_str), table) {
            (Some("Interpolate"), table) if table.contains_key("fmtstring") => {
                let Some(format) = table["fmtstring"].as_str() else {
                    return Err(InterpolateError("'fmtstring' must be a string".into()));
                };
                let none = Map::new();
                let kw = table.get("kw").and_then(Value::as_object).unwrap_or(&none);
                return Ok(Node::Text(Template::parse(format, kw)?));
            }
            (Some("Property"), table) if table.contains_key("key") => {
                return Ok(Node::Property {
                    key: Box::new(Node::parse(&table["key"])?),
                    default: Box::new(Node::parse(table.get("default").unwrap_or(&Value::Null))?),
                    default_when_false: table.get("defaultWhenFalse").is_none_or(is_true),
                });
            }
            (Some("Secret"), table) if table.contains_key("name") => {
                return Ok(Node::Secret(text(&table["name"])));
            }
            _ => {}
        }
        let mut nodes = Vec::with_capacity(table.len());
        for (key, value) in table {
            nodes.push((Node::parse(&Value::String(key.clone()))?, Node::parse(value)?));
        }
        let literal = nodes.iter().all(|(key, value)| key.is_literal() && value.is_literal());
        Ok(if literal { Node::Literal(value.clone()) } else { Node::Table(nodes) })
    }

    fn is_literal(&self) -> bool {
        matches!(self, Node::Literal(_))
    }

    /// The node as text, in parts.
    fn render_spans(
        &self,
        renderer: &mut Renderer<'_, '_>,
        out: &mut Vec<Span>,
    ) -> Result<(), InterpolateError> {
        match self {
            Node::Text(template) => return template.render_spans(renderer, out),
            Node::Literal(Value::Null) => {}
            Node::Literal(value) => out.push(Span::configured(text(value))),
            Node::Property { default, .. } => match self.property(renderer)? {
                Some(Value::Null) => out.push(Span::substituted("")),
                Some(value) => out.push(Span::substituted(text(&value))),
                None => return default.render_spans(renderer, out),
            },
            Node::List(_) | Node::Table(_) | Node::Secret(_) => {
                out.push(Span::substituted(text(&self.render(renderer)?)));
            }
        }
        Ok(())
    }

    /// The value of a property node; `None` asks for its default.
    fn property(&self, renderer: &mut Renderer<'_, '_>) -> Result<Option<Value>, InterpolateError> {
        let Node::Property { key, default_when_false, .. } = self else { return Ok(None) };
        let key = text(&key.render(renderer)?);
        let value = renderer.context.properties.get(&key);
        Ok(value.filter(|value| !*default_when_false || is_true(value)).cloned())
    }

    fn render(&self, renderer: &mut Renderer<'_, '_>) -> Result<Value, InterpolateError> {
        match self {
            Node::Literal(value) => Ok(value.clone()),
            Node::Text(template) => Ok(Value::String(template.render(renderer)?)),
            Node::List(nodes) => {
                let items = nodes.iter().map(|node| node.render(renderer));
                Ok(Value::Array(items.collect::<Result<_, _>>()?))
            }
            Node::Table(nodes) => {
                let mut table = Map::with_capacity(nodes.len());
                for (key, value) in nodes {
                    table.insert(text(&key.render(renderer)?), value.render(renderer)?);
                }
                Ok(Value::Object(table))
            }
            Node::Property { default, .. } => match self.property(renderer)? {
                Some(value) => Ok(value),
                None => default.render(renderer),
            },
            Node::Secret(name) => Ok(Value::String(renderer.secret(name)?)),
        }
    }
}

impl Renderer<'_, '_> {
    fn secret(&mut self, name: &str) -> Result<String, InterpolateError> {
        let Some(value) = (self.context.secret)(name) else {
            return Err(InterpolateError(format!("secret '{name}' is not known to any provider")));
        };
        let used = UsedSecret { name: name.to_owned(), value: value.clone() };
        if !self.secrets.contains(&used) {
            self.secrets.push(used);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests;
