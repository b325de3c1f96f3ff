//! The keys of an HTTPStep, and how they become a request.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use super::ask::{Ask, Body, Verify};
use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::flow::interpolate::{Renderable, UsedSecret, is_true, text};
use crate::steps::line::Line;
use crate::steps::registry::Draft;
use crate::steps::render::{render, table};
use crate::steps::{Step, StepError, Workbench};

/// How long an answer may take unless `timeout` says otherwise.
const TIMEOUT: Duration = Duration::from_secs(1200);

#[derive(Debug)]
pub struct HttpStep {
    method: Method,
    url: Renderable,
    /// Tables.
    params: Renderable,
    headers: Renderable,
    cookies: Renderable,
    proxies: Option<Renderable>,
    /// A text, or a table that is sent as a form.
    data: Renderable,
    json: Option<Renderable>,
    /// User and password.
    auth: Renderable,
    timeout: Duration,
    follows: bool,
    /// Yes, no, or a file with authorities.
    verify: Renderable,
    /// A file with certificate and key, or one for each.
    cert: Renderable,
    /// Names of headers, in lower case, whose values are not shown.
    pub hidden_request: Vec<String>,
    pub hidden_response: Vec<String>,
    pub line: Line,
}

/// Renders values and remembers the secrets in them.
struct Renderer<'b> {
    bench: &'b dyn Workbench,
    secrets: Vec<UsedSecret>,
}

impl Renderer<'_> {
    fn value(&mut self, value: &Renderable) -> Result<Value, StepError> {
        let rendered = render(self.bench, value)?;
        self.secrets.extend(rendered.secrets);
        Ok(rendered.value)
    }

    /// The entries of a table; one whose value is a list has an entry for each item, one without a
    /// value has none.
    fn pairs(&mut self, value: &Renderable, key: &str) -> Result<Vec<(String, String)>, StepError> {
        let mut pairs = Vec::new();
        for (name, value) in table(self.value(value)?, key)? {
            match value {
                Value::Null => {}
                Value::Array(items) => {
                    pairs.extend(items.iter().map(|item| (name.clone(), text(item))));
                }
                value => pairs.push((name, text(&value))),
            }
        }
        Ok(pairs)
    }

    fn texts(&mut self, value: &Renderable) -> Result<Vec<String>, StepError> {
        Ok(match self.value(value)? {
            Value::Null => Vec::new(),
            Value::Array(items) => items.iter().map(text).collect(),
            value => vec![text(&value)],
        })
    }
}

impl HttpStep {
    /// The request of this build.
    pub fn render(&self, bench: &dyn Workbench) -> Result<Ask, StepError> {
        let mut renderer = Renderer { bench, secrets: Vec::new() };
        let url = text(&renderer.value(&self.url)?);
        let mut params = renderer.pairs(&self.params, "params")?;
        params.sort();
        let body = match (renderer.value(&self.data)?, &self.json) {
            (Value::Object(table), _) if !table.is_empty() => {
                Body::Form(renderer.pairs(&self.data, "data")?)
            }
            (data, json) if !is_true(&data) => match json {
                Some(json) => Body::Json(renderer.value(json)?),
                None => Body::None,
            },
            (data, _) => Body::Text(text(&data)),
        };
        let auth = match renderer.texts(&self.auth)?.as_slice() {
            [] => None,
            [user, password] => Some((user.clone(), password.clone())),
            _ => {
                let message = "'auth' must render to a list of user and password";
                return Err(StepError::Failed(message.to_owned()));
            }
        };
        let verify = match renderer.value(&self.verify)? {
            Value::Null | Value::Bool(true) => Verify::System,
            Value::Bool(false) => Verify::Nothing,
            path => Verify::Authorities(bench.master_basedir().join(text(&path))),
        };
        let files = renderer.texts(&self.cert)?;
        let files: Vec<_> = files.iter().map(|file| bench.master_basedir().join(file)).collect();
        let certificate = files.first().map(|file| {
            let key = files.get(1).unwrap_or(file);
            (file.clone(), key.clone())
        });
        let proxies = match &self.proxies {
            Some(proxies) => Some(renderer.pairs(proxies, "proxies")?),
            None => None,
        };
        Ok(Ask {
            method: self.method.clone(),
            url,
            params,
            headers: renderer.pairs(&self.headers, "headers")?,
            cookies: renderer.pairs(&self.cookies, "cookies")?,
            body,
            auth,
            timeout: self.timeout,
            follows: self.follows,
            verify,
            certificate,
            proxies,
            secrets: renderer.secrets,
        })
    }
}

pub fn parse(fields: &mut Fields<'_>, draft: &mut Draft, method: Option<Method>) -> Arc<dyn Step> {
    let method = method.unwrap_or_else(|| {
        let known = ["POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS"];
        let name: String = fields.required_checked("method", |name: &String| {
            let wrong = !known.contains(&name.as_str());
            wrong.then(|| format!("must be one of {}", known.join(", ")))
        });
        Method::from_bytes(name.as_bytes()).unwrap_or_default()
    });
    for key in ["files", "hooks", "stream"] {
        fields.refuse(key, "is not offered; 'data' and 'json' are what a request can carry");
    }
    let mut lower = |key| {
        let names: Vec<String> = fields.or_default(key);
        names.iter().map(|name| name.to_lowercase()).collect()
    };
    let (hidden_request, hidden_response) =
        (lower("hide_request_headers"), lower("hide_response_headers"));
    let timeout = match fields.take("timeout") {
        None => TIMEOUT,
        Some(raw) => match raw.value {
            RawValue::Null => TIMEOUT,
            RawValue::Int(seconds) if seconds > 0 => Duration::from_secs(seconds as u64),
            RawValue::Float(seconds) if seconds > 0.0 && seconds < 1e9 => {
                Duration::from_secs_f64(seconds)
            }
            _ => {
                fields.problem_at("timeout", &raw.place, "must be a number of seconds above 0");
                TIMEOUT
            }
        },
    };
    let line = Line::of(draft);
    draft.options.description_done.get_or_insert_with(|| "Requested".to_owned());
    Arc::new(HttpStep {
        method,
        url: fields.required("url"),
        params: fields.or_default("params"),
        headers: fields.or_default("headers"),
        cookies: fields.or_default("cookies"),
        proxies: fields.optional("proxies"),
        data: fields.or_default("data"),
        json: fields.optional("json"),
        auth: fields.or_default("auth"),
        timeout,
        follows: fields.or("allow_redirects", true),
        verify: fields.or_default("verify"),
        cert: fields.or_default("cert"),
        hidden_request,
        hidden_response,
        line,
    })
}
