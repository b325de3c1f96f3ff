//! `HttpStatusPush`: reports go to a web server as they are.

use async_trait::async_trait;
use indexmap::IndexMap;
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::formatters::Formatter;
use super::super::generators::{BuildStatus, Generator, registry};
use super::super::{Failure, Kind, Office, Report, Reporter, Site};
use super::commit::{Phase, shortened};
use super::options::{server, wrong_address};
use super::server::{Content, Server};
use super::{PLAIN, first_of_each, request_of, stored};
use crate::config::fields::Fields;
use crate::config::values::login;
use crate::db::outbox::{Message, NewMessage};
use crate::http;
use crate::model::now;

/// A push to a server of one's own.
#[derive(Debug)]
pub struct HttpStatus {
    server: Server,
    generators: Vec<Box<dyn Generator>>,
}

/// Reads the options.
pub fn parse(fields: &mut Fields<'_>) -> HttpStatus {
    let url: String = fields.required_checked("serverUrl", wrong_address);
    let headers = fields.optional_checked("headers", |written: &IndexMap<String, String>| {
        http::headers(written).err()
    });
    let login = login(fields, "auth");
    // Stock's choice between two of its libraries.
    let _: Option<bool> = fields.optional("skip_encoding");
    let mut server = server(fields, &url);
    server.secrets.extend(login.iter().map(|(_, password)| password.clone()));
    if let Some(written) = headers {
        server.headers = http::headers(&written).unwrap_or_default();
        server.secrets.extend(written.into_values());
    }
    server.secrets.retain(|secret| !secret.is_empty());
    server.login = login;
    let generators = registry::read(fields, PLAIN, || {
        let builds = BuildStatus::standard(Formatter::build_as_json(), false);
        vec![Box::new(builds.with_new())]
    });
    HttpStatus { server, generators }
}

/// A report that waits.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Posting {
    /// A text of this media type; absent for JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    value: Value,
}

#[async_trait]
impl Reporter for HttpStatus {
    fn generators(&self) -> &[Box<dyn Generator>] {
        &self.generators
    }

    fn compose(&self, reports: Vec<Report>, _: &Site) -> Result<Vec<NewMessage>, String> {
        Ok(first_of_each(reports).into_iter().filter_map(message).collect())
    }

    async fn deliver(&self, message: &Message, _: &Office) -> Result<(), Failure> {
        let Posting { text, value } = stored(message)?;
        let content = match (text.as_deref(), value.as_str()) {
            (Some("html"), Some(text)) => Content::Text("text/html; charset=utf-8", text),
            (Some(_), Some(text)) => Content::Text("text/plain; charset=utf-8", text),
            _ => Content::Json(&value),
        };
        self.server.tell("", content, hint).await.map(drop)
    }
}

/// A report as it is; none when its formatter makes no body.
fn message(report: Report) -> Option<NewMessage> {
    let body = report.body.as_ref()?;
    let text = match (body.kind, &body.value) {
        (Kind::Plain | Kind::Html, Value::String(_)) => Some(body.kind.name().to_owned()),
        _ => None,
    };
    let posting = Posting { text, value: body.value.clone() };
    Some(NewMessage {
        about: about(&report),
        body: serde_json::to_value(posting).ok()?,
        lane: report.builds.first().map(|build| format!("request {}", request_of(build))),
        due_at: now(),
    })
}

/// What a report is about, in one line for people.
pub(super) fn about(report: &Report) -> String {
    let Some(build) = report.builds.first() else {
        let subject = report.subject.as_deref().or(report.worker.as_deref());
        return shortened(subject.unwrap_or("a buildset"), 100);
    };
    let builder = build.entity["builder"]["name"].as_str().unwrap_or("?");
    match (build.entity["number"].as_i64(), Phase::of(build)) {
        (None, Phase::Ended(results)) => format!("{builder}: request {}", results.name()),
        (None, _) => format!("{builder}: requested"),
        (Some(number), Phase::Ended(results)) => format!("{builder} #{number}: {}", results.name()),
        (Some(number), _) => format!("{builder} #{number}: started"),
    }
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "check 'auth' and 'headers'",
        _ => "check 'serverUrl' and what the server expects",
    }
}
