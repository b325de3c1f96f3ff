//! Reading a formatter's table, and the formatters that reporters have by themselves.

use serde_json::Value;

use super::super::Kind;
use super::template::{Language, Template};
use super::{Formatter, LogChoice, Shape, Whole};
use crate::config::fields::Fields;
use crate::config::raw::Raw;
use crate::db::listing::Details;
use crate::flow::interpolate::Renderable;

const BUILD_PLAIN: &str = include_str!("../../../templates/mail/build.plain.hbs");
const BUILD_HTML: &str = include_str!("../../../templates/mail/build.html.hbs");
const BUILD_SUBJECT: &str = include_str!("../../../templates/mail/build.subject.hbs");
const WORKER_PLAIN: &str = include_str!("../../../templates/mail/worker.plain.hbs");
const WORKER_HTML: &str = include_str!("../../../templates/mail/worker.html.hbs");
const WORKER_SUBJECT: &str = include_str!("../../../templates/mail/worker.subject.hbs");
const RETURNED_PLAIN: &str = include_str!("../../../templates/mail/returned.plain.hbs");
const RETURNED_HTML: &str = include_str!("../../../templates/mail/returned.html.hbs");
const RETURNED_SUBJECT: &str = include_str!("../../../templates/mail/returned.subject.hbs");

/// Formatters of builds.
const CLASSES: [&str; 4] = [
    "MessageFormatter",
    "MessageFormatterEmpty",
    "MessageFormatterRenderable",
    "MessageFormatterFunction",
];
/// Stock's formatters that call Python, and have no rule of ours instead.
const PYTHON: [&str; 1] = ["MessageFormatterFunctionRaw"];
/// Rules in place of a callable.
const FUNCTIONS: [(&str, Whole); 2] = [("build", Whole::Build), ("context", Whole::Context)];
const WORKER: &str = "MessageFormatterMissingWorker";

/// Everything, for templates that come with the program.
const ALL: Details = Details { steps: true, logs: true };

impl Formatter {
    /// `MessageFormatter(template_type=kind)`
    pub fn standard(kind: Kind) -> Formatter {
        let body = if kind == Kind::Html { BUILD_HTML } else { BUILD_PLAIN };
        Formatter::built_in(kind, body, BUILD_SUBJECT, ALL)
    }

    /// `MessageFormatterMissingWorker(template_type=kind)`
    pub fn missing_worker(kind: Kind) -> Formatter {
        let body = if kind == Kind::Html { WORKER_HTML } else { WORKER_PLAIN };
        Formatter::built_in(kind, body, WORKER_SUBJECT, Details::default())
    }

    /// As [`missing_worker`](Self::missing_worker), for one that is back.
    pub fn returned_worker(kind: Kind) -> Formatter {
        let (kind, body) = match kind {
            Kind::Html => (Kind::Html, RETURNED_HTML),
            Kind::Plain | Kind::Json => (Kind::Plain, RETURNED_PLAIN),
        };
        Formatter::built_in(kind, body, RETURNED_SUBJECT, Details::default())
    }

    /// `MessageFormatterRenderable(text)`
    ///
    /// A text that cannot be rendered stays as it is.
    pub fn renderable(text: &str) -> Formatter {
        let value = Value::String(text.to_owned());
        let body = Renderable::parse(&value).unwrap_or_else(|_| Renderable::literal(value));
        Formatter::plain(Shape::Renderable { body, subject: None })
    }

    /// `MessageFormatterEmpty()`
    pub fn empty() -> Formatter {
        Formatter::plain(Shape::Empty)
    }

    /// `MessageFormatterFunction(lambda context: context['build'], 'json')`
    pub fn build_as_json() -> Formatter {
        Formatter::plain(Shape::Entity { whole: Whole::Build, properties: true })
    }

    /// One of the program's own templates, in one line of plain text.
    pub fn line(body: &'static str) -> Formatter {
        Formatter::built_in(Kind::Plain, body, BUILD_SUBJECT, Details::default())
    }

    fn built_in(
        kind: Kind,
        body: &'static str,
        subject: &'static str,
        details: Details,
    ) -> Formatter {
        let body = Template::built_in(body, kind);
        let subject = Template::built_in(subject, Kind::Plain);
        Formatter { details, ..Formatter::plain(Shape::Template { kind, body, subject }) }
    }

    fn plain(shape: Shape) -> Formatter {
        Formatter {
            shape,
            details: Details::default(),
            contents: LogChoice::None,
            ctx: serde_json::Map::new(),
        }
    }
}

/// Reads the formatter of builds under `key`, or takes `default`.
pub fn message_formatter(
    fields: &mut Fields<'_>,
    key: &'static str,
    default: impl FnOnce() -> Formatter,
) -> Formatter {
    let Some(raw) = fields.take(key) else { return default() };
    let (path, problems) = fields.nested(key);
    let mut fields = Fields::of(&raw, path, problems);
    let class = fields.class(Some(CLASSES[0]), &CLASSES, &PYTHON);
    let formatter = match class {
        Some("MessageFormatterEmpty") => Formatter::plain(Shape::Empty),
        Some("MessageFormatterRenderable") => renderable(&mut fields),
        Some("MessageFormatterFunction") => function(&mut fields),
        Some(_) => templates(&mut fields, Formatter::standard),
        None => return default(),
    };
    fields.finish();
    formatter
}

/// Reads the formatter of missing workers under `key`, or takes `default`.
pub fn worker_formatter(
    fields: &mut Fields<'_>,
    key: &'static str,
    default: impl FnOnce() -> Formatter,
) -> Formatter {
    of_workers(fields, key, Formatter::missing_worker, default)
}

/// Reads the formatter of workers that are back under `key`, or takes `default`.
pub fn returned_formatter(
    fields: &mut Fields<'_>,
    key: &'static str,
    default: impl FnOnce() -> Formatter,
) -> Formatter {
    of_workers(fields, key, Formatter::returned_worker, default)
}

fn of_workers(
    fields: &mut Fields<'_>,
    key: &'static str,
    standard: fn(Kind) -> Formatter,
    default: impl FnOnce() -> Formatter,
) -> Formatter {
    let Some(raw) = fields.take(key) else { return default() };
    let (path, problems) = fields.nested(key);
    let mut fields = Fields::of(&raw, path, problems);
    if fields.class(Some(WORKER), &[WORKER], &PYTHON).is_none() {
        return default();
    }
    let formatter = templates(&mut fields, standard);
    fields.finish();
    formatter
}

fn renderable(fields: &mut Fields<'_>) -> Formatter {
    let body = fields.required::<Renderable>("template");
    let subject = fields.optional("subject");
    Formatter::plain(Shape::Renderable { body, subject })
}

fn function(fields: &mut Fields<'_>) -> Formatter {
    let find = |name: &str| FUNCTIONS.iter().find(|(known, _)| *known == name);
    let name: String = fields.required_checked("function", |name: &String| {
        find(name).is_none().then(|| "must be \"build\" or \"context\"".to_owned())
    });
    let _: Option<String> = fields.optional_checked("template_type", |kind: &String| {
        (kind != Kind::Json.name()).then(|| "must be \"json\", which is what it makes".to_owned())
    });
    let properties = fields.or("want_properties", true);
    let wanted =
        Details { steps: fields.or_default("want_steps"), logs: fields.or_default("want_logs") };
    let contents: LogChoice = fields.or_default("want_logs_content");
    let whole = find(&name).map_or(Whole::Build, |(_, whole)| *whole);
    Formatter {
        details: Details { steps: wanted.steps, logs: wanted.logs || !contents.is_none() },
        contents,
        ..Formatter::plain(Shape::Entity { whole, properties })
    }
}

/// `template`, `subject` and what goes with them; what is missing is as in `standard`.
fn templates(fields: &mut Fields<'_>, standard: fn(Kind) -> Formatter) -> Formatter {
    let kind = kind(fields);
    let language = fields.or("template_language", Language::Jinja);
    let body = template(fields, "template", language, kind);
    let subject = template(fields, "subject", language, Kind::Plain);
    let _: Option<bool> = fields.optional("want_properties"); // they are always there
    let wanted =
        Details { steps: fields.or_default("want_steps"), logs: fields.or_default("want_logs") };
    let contents: LogChoice = fields.or_default("want_logs_content");
    let ctx = fields.take("ctx").map(|raw| (raw.to_json(), raw));
    let standard = standard(if kind == Kind::Json { Kind::Plain } else { kind });
    let Shape::Template { body: own_body, subject: own_subject, .. } = standard.shape else {
        return Formatter::plain(Shape::Empty);
    };
    if body.is_none() && kind == Kind::Json {
        fields.problem("needs a 'template' when template_type is \"json\"");
    }
    let details = if body.is_none() { standard.details } else { wanted };
    let logs = details.logs || !contents.is_none();
    let ctx = match ctx {
        Some((Value::Object(ctx), _)) => ctx,
        Some((_, raw)) => {
            fields.problem_at("ctx", &raw.place, "must be a table");
            serde_json::Map::new()
        }
        None => serde_json::Map::new(),
    };
    Formatter {
        shape: Shape::Template {
            kind,
            body: body.unwrap_or(own_body),
            subject: subject.unwrap_or(own_subject),
        },
        details: Details { steps: details.steps, logs },
        contents,
        ctx,
    }
}

fn kind(fields: &mut Fields<'_>) -> Kind {
    let find = |name: &str| {
        [Kind::Plain, Kind::Html, Kind::Json].into_iter().find(|kind| kind.name() == name)
    };
    let chosen = fields.optional_checked("template_type", |name: &String| {
        find(name).is_none().then(|| "must be \"plain\", \"html\" or \"json\"".to_owned())
    });
    chosen.and_then(|name| find(&name)).unwrap_or(Kind::Plain)
}

fn template(
    fields: &mut Fields<'_>,
    key: &'static str,
    language: Language,
    kind: Kind,
) -> Option<Template> {
    let raw: Raw = fields.take(key)?;
    let Some(text) = raw.as_text() else {
        fields.problem_at(key, &raw.place, format!("must be a template, not {}", raw.kind()));
        return None;
    };
    match Template::parse(text, language, kind) {
        Ok(template) => Some(template),
        Err(message) => {
            fields.problem_at(key, &raw.place, message);
            None
        }
    }
}
