//! `SlackStatusPush`, `MattermostStatusPush`: messages to an incoming webhook of Slack, Mattermost,
//! or a chat that understands the same.

use async_trait::async_trait;
use reqwest::StatusCode;
use serde_json::{Map, Value, json};

use super::super::formatters::{Formatter, linked};
use super::super::generators::{BuildStatus, Generator, registry};
use super::super::{Failure, Office, Report, Reporter, Site};
use super::commit::{Phase, short, shortened, text};
use super::http_status::about;
use super::options::{server, wrong_address};
use super::server::{Content, Server};
use super::{PLAIN, first_of_each, request_of, stored};
use crate::config::fields::Fields;
use crate::config::values::non_empty;
use crate::db::listing::BuildCase;
use crate::db::outbox::{Message, NewMessage};
use crate::model::{Results, now};

/// What a chat shows of a text without folding it, in characters.
const LONGEST: usize = 3000;

/// A push to a chat.
#[derive(Debug)]
pub struct Slack {
    /// Who knows its address may write: the whole of it is a secret.
    server: Server,
    /// `channel`, `username`, `icon_emoji`: how the message appears, when the webhook allows it.
    looks: Map<String, Value>,
    /// With a coloured bar and fields, or as plain text.
    attachments: bool,
    verbose: bool,
    generators: Vec<Box<dyn Generator>>,
}

/// Reads the options.
pub fn parse(fields: &mut Fields<'_>) -> Slack {
    let endpoint: String = fields.required_checked("endpoint", wrong_address);
    let mut looks = Map::new();
    for key in ["channel", "username", "icon_emoji"] {
        if let Some(value) = fields.optional_checked(key, non_empty) {
            looks.insert(key.to_owned(), Value::String(value));
        }
    }
    let mut server = server(fields, &endpoint);
    server.secrets.extend(Some(endpoint).filter(|endpoint| !endpoint.is_empty()));
    Slack {
        server,
        looks,
        attachments: fields.or("attachments", true),
        verbose: fields.or_default("verbose"),
        generators: registry::read(fields, PLAIN, || {
            vec![Box::new(BuildStatus::standard(Formatter::line("{{summary}}"), false))]
        }),
    }
}

#[async_trait]
impl Reporter for Slack {
    fn generators(&self) -> &[Box<dyn Generator>] {
        &self.generators
    }

    fn compose(&self, reports: Vec<Report>, site: &Site) -> Result<Vec<NewMessage>, String> {
        let message = |report: Report| {
            let lane = report.builds.first().map(|build| format!("request {}", request_of(build)));
            let body = Value::Object(self.payload(&report, site)?);
            Some(NewMessage { about: about(&report), body, lane, due_at: now() })
        };
        Ok(first_of_each(reports).into_iter().filter_map(message).collect())
    }

    async fn deliver(&self, message: &Message, _: &Office) -> Result<(), Failure> {
        let payload: Value = stored(message)?;
        self.server.tell("", Content::Json(&payload), hint).await?;
        if self.verbose {
            tracing::info!("the chat was told: {}", message.about);
        }
        Ok(())
    }
}

impl Slack {
    /// What the webhook gets; none when the report has no body.
    fn payload(&self, report: &Report, site: &Site) -> Option<Map<String, Value>> {
        let body = shortened(&report.body.as_ref()?.to_text(), LONGEST);
        let mut payload = self.looks.clone();
        let Some(build) = report.builds.first() else {
            let subject = report.subject.as_deref().unwrap_or_default();
            let text = format!("{subject}\n{body}");
            payload.insert("text".to_owned(), json!(escaped(text.trim())));
            return Some(payload);
        };
        let (title, url) = (title(build), linked(build, site)["url"].clone());
        let line = format!("{}: {}", escaped(&title), escaped(&body));
        if self.attachments {
            let attachment = json!({
                "fallback": line,
                "color": color(Phase::of(build)),
                "title": escaped(&title),
                "title_link": url,
                "text": escaped(&body),
                "fields": fields_of(build),
            });
            payload.insert("attachments".to_owned(), json!([attachment]));
        } else {
            let url = url.as_str().unwrap_or_default();
            payload.insert("text".to_owned(), json!(format!("{line} <{url}>")));
        }
        Some(payload)
    }
}

fn title(build: &BuildCase) -> String {
    let name = build.entity["builder"]["name"].as_str().unwrap_or_default();
    match build.entity["number"].as_i64() {
        Some(number) => format!("{name} #{number}"),
        None => name.to_owned(),
    }
}

/// What was built, and whose work it is.
fn fields_of(build: &BuildCase) -> Vec<Value> {
    let mut fields = Vec::new();
    let mut add = |title: &str, value: &str| {
        fields.push(json!({ "title": escaped(title), "value": escaped(value), "short": true }));
    };
    let stamps = build.entity["buildset"]["sourcestamps"].as_array().into_iter().flatten();
    for stamp in stamps {
        let of = text(stamp, "codebase").map(|name| format!(" of {name}")).unwrap_or_default();
        if let Some(branch) = text(stamp, "branch") {
            add(&format!("Branch{of}"), branch);
        }
        if let Some(revision) = text(stamp, "revision") {
            add(&format!("Revision{of}"), &short(revision));
        }
    }
    if !build.users.is_empty() {
        add("Changes by", &shortened(&build.users.join(", "), 200));
    }
    fields
}

fn color(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting | Phase::Running => "#f0e040",
        Phase::Ended(Results::Success) => "#36a64f",
        Phase::Ended(Results::Warnings) => "#f08000",
        Phase::Ended(Results::Failure) => "#d00000",
        Phase::Ended(Results::Exception) => "#c000c0",
        Phase::Ended(Results::Skipped | Results::Retry | Results::Cancelled) => "#40a0f0",
    }
}

/// The three signs that mean something to the chat; so nobody can be called by a branch's name.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "check 'channel' and 'username'",
        _ => "check 'endpoint': the webhook may have been removed",
    }
}
