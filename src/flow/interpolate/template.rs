//! One format string, parsed: literal text and lookups with their alternatives.

use serde_json::{Map, Value};

use super::{InterpolateError, Node, Renderer, Span, is_true, repr, text};

const SELECTORS: [&str; 5] = ["prop", "src", "kw", "worker", "secret"];

/// A parsed format string.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Lookup { what: Selector, otherwise: Otherwise, format: Format },
}

#[derive(Debug, Clone, PartialEq)]
enum Selector {
    Property(String),
    Source {
        codebase: String,
        attribute: String,
    },
    Worker(String),
    Secret(String),
    /// Looked up when the string is parsed; `None` when there is no such keyword.
    Keyword(Option<Box<Node>>),
}

/// What stands after the name.
#[derive(Debug, Clone, PartialEq)]
enum Otherwise {
    /// `:-`: when there is no such key.
    Missing(Template),
    /// `:~`: when the value is false or missing.
    False(Template),
    /// `:+`: instead of a value that is there.
    Present(Template),
    /// `:?`: one of two; `:#?` decides by truth instead of presence.
    Choice { by_truth: bool, yes: Template, no: Template },
}

/// Conversion after the parenthesis.
#[derive(Debug, Clone, PartialEq)]
struct Format {
    left: bool,
    width: usize,
    repr: bool,
}

/// No padding is wider.
const WIDEST: usize = 4096;

/// Does `text` hold a substitution at all?
pub(super) fn has_substitution(text: &str) -> bool {
    text.match_indices("%(").any(|(at, _)| {
        let rest = &text[at + 2..];
        SELECTORS
            .iter()
            .any(|selector| rest.strip_prefix(selector).is_some_and(|rest| rest.starts_with(':')))
    })
}

fn error<T>(message: String) -> Result<T, InterpolateError> {
    Err(InterpolateError(message))
}

impl Template {
    pub(super) fn parse(
        format: &str,
        kw: &Map<String, Value>,
    ) -> Result<Template, InterpolateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            literal.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                literal.push('%');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('(') {
                let (key, after) = balanced(after, format)?;
                let (conversion, after) = Format::parse(after, key)?;
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::parse(key, conversion, kw)?);
                rest = after;
            } else {
                return error(format!(
                    "a '%' that begins no substitution must be written '%%' in '{format}'"
                ));
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Template(pieces))
    }

    pub(super) fn render(
        &self,
        renderer: &mut Renderer<'_, '_>,
    ) -> Result<String, InterpolateError> {
        let mut spans = Vec::new();
        self.render_spans(renderer, &mut spans)?;
        Ok(spans.into_iter().map(|span| span.text).collect())
    }

    /// Renders and keeps apart what stands in the configuration and what was substituted.
    pub(super) fn render_spans(
        &self,
        renderer: &mut Renderer<'_, '_>,
        out: &mut Vec<Span>,
    ) -> Result<(), InterpolateError> {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push(Span::configured(text)),
                Piece::Lookup { what, otherwise, format } => {
                    let found = what.find(renderer)?;
                    if let (Selector::Property(name), None) = (what, &found)
                        && otherwise.is_nothing()
                    {
                        renderer.unset.push(name.clone());
                    }
                    let chosen = otherwise.choose(found);
                    format.write(what, chosen, renderer, out)?;
                }
            }
        }
        Ok(())
    }
}

/// The text up to the parenthesis that closes, and what follows it.
fn balanced<'t>(text: &'t str, whole: &str) -> Result<(&'t str, &'t str), InterpolateError> {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok((&text[..at], &text[at + 1..]));
        }
    }
    error(format!("'%(' without its ')' in '{whole}'"))
}

fn identifier<'t>(name: &'t str, what: &str, whole: &str) -> Result<&'t str, InterpolateError> {
    if name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-')) {
        return Ok(name);
    }
    error(format!(
        "{what} '{name}' in '%({whole})s' may hold only letters, digits, '_', '.' and '-'"
    ))
}

impl Piece {
    fn parse(
        key: &str,
        format: Format,
        kw: &Map<String, Value>,
    ) -> Result<Piece, InterpolateError> {
        let Some((selector, argument)) = key.split_once(':') else {
            return error(format!(
                "'%({key})s' needs a selector: one of {}, as in '%(prop:{key})s'",
                SELECTORS.join(", ")
            ));
        };
        let (name, tail) = match argument.split_once(':') {
            Some((name, tail)) => (name, Some(tail)),
            None => (argument, None),
        };
        let (what, tail) = match selector {
            "prop" => (Selector::Property(identifier(name, "property", key)?.to_owned()), tail),
            "kw" => {
                let node =
                    kw.get(identifier(name, "keyword", key)?).map(Node::parse).transpose()?;
                (Selector::Keyword(node.map(Box::new)), tail)
            }
            "worker" => (Selector::Worker(name.to_owned()), tail),
            "secret" => (Selector::Secret(name.to_owned()), tail),
            "src" => {
                let Some(tail) = tail else {
                    return error(format!(
                        "'%({key})s' needs codebase and attribute, as in '%(src::branch)s'"
                    ));
                };
                let (attribute, tail) = match tail.split_once(':') {
                    Some((attribute, tail)) => (attribute, Some(tail)),
                    None => (tail, None),
                };
                let codebase = identifier(name, "codebase", key)?.to_owned();
                let attribute = identifier(attribute, "attribute", key)?.to_owned();
                (Selector::Source { codebase, attribute }, tail)
            }
            other => {
                return error(format!(
                    "unknown selector '{other}' in '%({key})s'; there are {}",
                    SELECTORS.join(", ")
                ));
            }
        };
        Ok(Piece::Lookup {
            what,
            otherwise: Otherwise::parse(tail.unwrap_or("-"), key, kw)?,
            format,
        })
    }
}

impl Otherwise {
    /// Nothing was said about a value that is not there.
    fn is_nothing(&self) -> bool {
        matches!(self, Otherwise::Missing(default) if default.0.is_empty())
    }

    fn parse(
        tail: &str,
        key: &str,
        kw: &Map<String, Value>,
    ) -> Result<Otherwise, InterpolateError> {
        if let Some(tail) = tail.strip_prefix('-') {
            Ok(Otherwise::Missing(Template::parse(tail, kw)?))
        } else if let Some(tail) = tail.strip_prefix('~') {
            Ok(Otherwise::False(Template::parse(tail, kw)?))
        } else if let Some(tail) = tail.strip_prefix('+') {
            Ok(Otherwise::Present(Template::parse(tail, kw)?))
        } else if let Some(tail) = tail.strip_prefix('?') {
            Otherwise::choice(tail, false, key, kw)
        } else if let Some(tail) = tail.strip_prefix("#?") {
            Otherwise::choice(tail, true, key, kw)
        } else {
            error(format!(
                "after the name in '%({key})s' must come ':-', ':~', ':+', ':?' or ':#?'"
            ))
        }
    }

    fn choice(
        tail: &str,
        by_truth: bool,
        key: &str,
        kw: &Map<String, Value>,
    ) -> Result<Otherwise, InterpolateError> {
        let parts = tail
            .chars()
            .next()
            .filter(|delimiter| *delimiter != '(')
            .and_then(|delimiter| split_outside(&tail[delimiter.len_utf8()..], delimiter));
        let Some((yes, no)) = parts else {
            return error(format!(
                "'%({key})s' needs two alternatives with a delimiter of your choice, as in ':?|yes|no'"
            ));
        };
        let (yes, no) = (Template::parse(yes, kw)?, Template::parse(no, kw)?);
        Ok(Otherwise::Choice { by_truth, yes, no })
    }

    fn choose(&self, value: Option<Value>) -> Chosen<'_> {
        Chosen::Template(match (self, value) {
            (Otherwise::Missing(_), Some(value)) => return Chosen::Value(value),
            (Otherwise::Missing(default), None) => default,
            (Otherwise::False(_), Some(value)) if is_true(&value) => return Chosen::Value(value),
            (Otherwise::False(default), _) => default,
            (Otherwise::Present(instead), Some(_)) => instead,
            (Otherwise::Present(_), None) => return Chosen::Value(Value::Null),
            (Otherwise::Choice { by_truth, yes, .. }, Some(value))
                if !by_truth || is_true(&value) =>
            {
                yes
            }
            (Otherwise::Choice { no, .. }, _) => no,
        })
    }
}

/// What a lookup comes to: the value itself, or one of the texts beside it.
enum Chosen<'t> {
    Value(Value),
    Template(&'t Template),
}

/// Splits at the first `delimiter` that stands outside all parentheses.
fn split_outside(text: &str, delimiter: char) -> Option<(&str, &str)> {
    let mut depth = 0i32;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
        if depth == 0 && c == delimiter {
            return Some((&text[..at], &text[at + c.len_utf8()..]));
        }
    }
    None
}

impl Selector {
    /// The value behind the name; `None` when there is no such key.
    fn find(&self, renderer: &mut Renderer<'_, '_>) -> Result<Option<Value>, InterpolateError> {
        Ok(match self {
            Selector::Property(name) => renderer.context.properties.get(name).cloned(),
            Selector::Worker(name) => renderer.context.worker.get(name).cloned(),
            Selector::Secret(name) => Some(Value::String(renderer.secret(name)?)),
            Selector::Keyword(None) => None,
            Selector::Keyword(Some(node)) => Some(node.render(renderer)?),
            Selector::Source { codebase, attribute } => {
                let stamp = renderer.context.sources.iter().find(|s| s.codebase == *codebase);
                stamp.and_then(|stamp| {
                    let optional =
                        |value: &Option<String>| value.clone().map_or(Value::Null, Value::from);
                    match attribute.as_str() {
                        "branch" => Some(optional(&stamp.branch)),
                        "revision" => Some(optional(&stamp.revision)),
                        "repository" => Some(stamp.repository.clone().into()),
                        "project" => Some(stamp.project.clone().into()),
                        "codebase" => Some(stamp.codebase.clone().into()),
                        _ => None,
                    }
                })
            }
        })
    }
}

impl Format {
    /// Only text conversions: a number is refused by stock too.
    fn parse<'t>(text: &'t str, key: &str) -> Result<(Format, &'t str), InterpolateError> {
        let (left, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (width, rest) = rest.split_at(digits);
        let conversion = rest.chars().next().filter(|c| matches!(c, 's' | 'r'));
        let (Some(conversion), Ok(width)) = (conversion, format!("0{width}").parse()) else {
            return error(format!("'%({key})' must be followed by a conversion, usually 's'"));
        };
        Ok((Format { left, width, repr: conversion == 'r' }, &rest[1..]))
    }

    fn write(
        &self,
        what: &Selector,
        chosen: Chosen<'_>,
        renderer: &mut Renderer<'_, '_>,
        out: &mut Vec<Span>,
    ) -> Result<(), InterpolateError> {
        let before = out.len();
        match (chosen, what) {
            (Chosen::Value(_), Selector::Keyword(Some(node))) if self.is_plain() => {
                node.render_spans(renderer, out)?;
            }
            (Chosen::Template(template), _) if self.is_plain() => {
                template.render_spans(renderer, out)?;
            }
            (Chosen::Value(value), _) => out.push(Span::substituted(self.shown(&value))),
            (Chosen::Template(template), _) => {
                let text = Value::String(template.render(renderer)?);
                out.push(Span::substituted(self.shown(&text)));
            }
        }
        // Even nothing leaves its mark: what stands around it may come to mean something else.
        if out[before..].iter().all(|span| span.text.is_empty()) {
            out.push(Span::substituted(String::new()));
        }
        Ok(())
    }

    /// Is it `s` alone?
    fn is_plain(&self) -> bool {
        self.width == 0 && !self.repr
    }

    fn shown(&self, value: &Value) -> String {
        let shown = match value {
            value if self.repr => repr(value),
            Value::Null => String::new(),
            value => text(value),
        };
        let missing = self.width.min(WIDEST).saturating_sub(shown.chars().count());
        let pad = " ".repeat(missing);
        if self.left { shown + &pad } else { pad + &shown }
    }
}
