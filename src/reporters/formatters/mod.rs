//! Formatters: how a report is worded.

mod context;
mod parse;
mod template;

use serde_json::{Map, Value, json};

pub use context::linked;
pub use parse::{message_formatter, returned_formatter, worker_formatter};
pub use template::{Language, Template};

use super::{Body, Kind, Site};
use crate::config::fields::FromRaw;
use crate::config::raw::{Raw, RawValue};
use crate::db::listing::{BuildCase, BuildsetCase, Details};
use crate::flow::interpolate::{self, RenderContext, Renderable};
use crate::flow::report::{Modes, one_line};
use crate::model::{Properties, SourceStamp};

/// A configured formatter.
#[derive(Debug, Clone, PartialEq)]
pub struct Formatter {
    shape: Shape,
    /// What it needs to know of a build.
    details: Details,
    /// `want_logs_content`: whose text is in the context, and attached to a mail.
    contents: LogChoice,
    /// `ctx`: more names for its templates.
    ctx: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    /// `MessageFormatter`, `MessageFormatterMissingWorker`
    Template { kind: Kind, body: Template, subject: Template },
    /// `MessageFormatterRenderable`
    Renderable { body: Renderable, subject: Option<Renderable> },
    /// `MessageFormatterEmpty`
    Empty,
    /// `MessageFormatterFunction`, by one of our rules in place of a callable
    Entity { whole: Whole, properties: bool },
}

/// What a `MessageFormatterFunction` answers as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// `context['build']`
    Build,
    /// `context`: of a build, or of a buildset with its builds.
    Context,
}

/// What a formatter answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Formatted {
    pub body: Option<Body>,
    pub subject: Option<String>,
}

impl Formatted {
    fn json(value: Value) -> Formatted {
        Formatted { body: Some(Body { kind: Kind::Json, value }), subject: None }
    }
}

/// Which logs: `true`, `false`, or names such as `stdio` and `compile.stdio`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogChoice {
    #[default]
    None,
    All,
    Named(Vec<String>),
}

impl LogChoice {
    pub fn is_none(&self) -> bool {
        *self == LogChoice::None
    }

    /// Is this log, of the step `step`, one of them?
    pub fn takes(&self, step: &str, log: &str) -> bool {
        match self {
            LogChoice::None => false,
            LogChoice::All => true,
            LogChoice::Named(names) => names.iter().any(|name| {
                name == log || name.split_once('.').is_some_and(|name| name == (step, log))
            }),
        }
    }
}

impl FromRaw for LogChoice {
    fn from_raw(raw: &Raw) -> Result<LogChoice, String> {
        match &raw.value {
            RawValue::Bool(true) => Ok(LogChoice::All),
            RawValue::Bool(false) => Ok(LogChoice::None),
            RawValue::List(_) => Vec::from_raw(raw).map(LogChoice::Named),
            _ => Err(format!("must be true, false or a list of names, not {}", raw.kind())),
        }
    }
}

impl Formatter {
    pub fn details(&self) -> Details {
        self.details
    }

    pub fn contents(&self) -> &LogChoice {
        &self.contents
    }

    /// What its bodies are.
    pub fn kind(&self) -> Kind {
        match &self.shape {
            Shape::Template { kind, .. } => *kind,
            Shape::Entity { .. } => Kind::Json,
            Shape::Renderable { .. } | Shape::Empty => Kind::Plain,
        }
    }

    /// Bodies of one formatter as one: texts below each other, values as a list.
    pub fn list(bodies: impl Iterator<Item = Body>) -> Option<Body> {
        let bodies: Vec<Body> = bodies.collect();
        let kind = bodies.first()?.kind;
        let texts: Vec<&str> = bodies.iter().filter_map(|body| body.value.as_str()).collect();
        if texts.len() == bodies.len() {
            let between = if kind == Kind::Html { "\n<hr>\n" } else { "\n\n" };
            let texts: Vec<&str> = texts.iter().map(|text| text.trim_end()).collect();
            return Some(Body::text(kind, texts.join(between)));
        }
        let values = bodies.into_iter().map(|body| body.value).collect();
        Some(Body { kind, value: Value::Array(values) })
    }

    /// Words for one build, alone or as part of its buildset.
    ///
    /// # Errors
    /// What a template asks for in vain, for people.
    pub fn build(
        &self,
        case: &BuildCase,
        modes: &Modes,
        is_buildset: bool,
        site: &Site,
    ) -> Result<Formatted, String> {
        match &self.shape {
            Shape::Renderable { body, subject } => rendered(case, body, subject.as_ref()),
            Shape::Entity { whole, properties } => {
                let build = plain_entity(case, modes, *properties, site);
                Ok(Formatted::json(match whole {
                    Whole::Build => build,
                    Whole::Context => json!({ "build": build }),
                }))
            }
            _ => self.fill(context::of_build(case, modes, is_buildset, site)),
        }
    }

    /// Words for a buildset as a whole.
    ///
    /// # Errors
    /// As [`build`](Self::build); a renderable has no properties to render with.
    pub fn buildset(
        &self,
        case: &BuildsetCase,
        modes: &Modes,
        site: &Site,
    ) -> Result<Formatted, String> {
        match &self.shape {
            Shape::Renderable { .. } => {
                Err("a MessageFormatterRenderable cannot tell of a whole buildset".to_owned())
            }
            Shape::Entity { whole: Whole::Build, .. } => {
                Err("a buildset is no build; give the formatter function = \"context\"".to_owned())
            }
            Shape::Entity { properties, .. } => {
                let builds = case.builds.iter();
                let builds = builds.map(|build| plain_entity(build, modes, *properties, site));
                let builds: Vec<Value> = builds.collect();
                Ok(Formatted::json(json!({ "buildset": case.entity, "builds": builds })))
            }
            _ => self.fill(context::of_buildset(case, modes, site)),
        }
    }

    /// Words for a worker.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn worker(&self, worker: &Value, site: &Site) -> Result<Formatted, String> {
        self.fill(context::of_worker(worker, site))
    }

    fn fill(&self, mut context: Value) -> Result<Formatted, String> {
        let Shape::Template { kind, body, subject } = &self.shape else {
            return Ok(Formatted::default());
        };
        if let Value::Object(names) = &mut context {
            names.extend(self.ctx.clone());
        }
        let text = body.render(&context)?;
        let value = match kind {
            Kind::Json => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            Kind::Plain | Kind::Html => Value::String(text),
        };
        let subject = one_line(&subject.render(&context)?);
        Ok(Formatted { body: Some(Body { kind: *kind, value }), subject: Some(subject) })
    }
}

fn rendered(
    case: &BuildCase,
    body: &Renderable,
    subject: Option<&Renderable>,
) -> Result<Formatted, String> {
    let (properties, sources) = (properties_of(case), sources_of(case));
    let context = RenderContext {
        properties: &properties,
        sources: &sources,
        worker: &Properties::new(),
        // What is stored and sent to others holds no secrets.
        secret: &|_| None,
    };
    let text = |renderable: &Renderable| {
        renderable.render_text(&context).map_err(|error| error.to_string())
    };
    let subject = subject.map(text).transpose()?.map(|subject| one_line(&subject));
    let body = match body.render(&context).map_err(|error| error.to_string())? {
        Value::Null => None,
        value @ (Value::Object(_) | Value::Array(_) | Value::String(_)) => Some(value),
        value => Some(Value::String(interpolate::text(&value))),
    };
    Ok(Formatted { body: body.map(|value| Body { kind: Kind::Plain, value }), subject })
}

/// The build as stock hands it to a callable: the build before it only for modes that compare.
fn plain_entity(case: &BuildCase, modes: &Modes, properties: bool, site: &Site) -> Value {
    let mut build = linked(case, site);
    if let Some(build) = build.as_object_mut() {
        if !modes.compare() {
            build.shift_remove("prev_build");
        }
        if let Some(request) = build.get_mut("buildrequest").and_then(Value::as_object_mut) {
            // They are the buildset's and not told here.
            request.entry("properties").or_insert(Value::Null);
        }
        if !properties {
            build.shift_remove("properties");
        }
    }
    build
}

/// The build's properties, for interpolation.
pub fn properties_of(case: &BuildCase) -> Properties {
    let properties = case.entity["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, pair)| (name.as_str(), pair[0].clone(), pair[1].as_str().unwrap_or_default()))
        .collect()
}

/// The build's source stamps, for interpolation.
pub fn sources_of(case: &BuildCase) -> Vec<SourceStamp> {
    let stamps = case.entity["buildset"]["sourcestamps"].as_array().into_iter().flatten();
    stamps
        .map(|stamp| {
            let text = |key: &str| stamp[key].as_str().map(str::to_owned);
            SourceStamp {
                id: crate::model::SourceStampId(stamp["ssid"].as_i64().unwrap_or_default()),
                branch: text("branch"),
                revision: text("revision"),
                repository: text("repository").unwrap_or_default(),
                project: text("project").unwrap_or_default(),
                codebase: text("codebase").unwrap_or_default(),
                patch: None,
                created_at: stamp["created_at"].as_i64().unwrap_or_default(),
            }
        })
        .collect()
}
