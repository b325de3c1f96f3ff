//! A mail as it is stored, and as it is sent.

use std::time::{Duration, SystemTime};

use indexmap::IndexMap;
use lettre::Message as Email;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Attachment, MultiPart, SinglePart};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{Failure, Kind, Report, Site};
use super::attachments::Attached;
use super::options::MailNotifier;
use super::recipients::Recipients;
use super::text_of;
use crate::db::listing::BuildCase;
use crate::db::outbox::{Message, NewMessage};
use crate::flow::interpolate::{RenderContext, Renderable};
use crate::flow::report::one_line;
use crate::model::{Properties, Timestamp};
use crate::reporters::formatters::{properties_of, sources_of};

/// What is stored of a mail: everything but addresses that are still to be found and the contents
/// of logs and patches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    pub subject: String,
    pub html: bool,
    pub text: String,
    /// Who is responsible, as written in changes; addresses when `to_addresses`.
    pub users: Vec<String>,
    /// `users` are addresses, and nobody else gets the mail: it is about a worker.
    pub to_addresses: bool,
    /// The builds it is about, for the rules of who is interested.
    pub builds: Vec<Told>,
    pub headers: IndexMap<String, String>,
    /// `logid`, and the name of the attachment.
    pub logs: Vec<(i64, String)>,
    /// The ids of patches.
    pub patches: Vec<i64>,
    /// What it has in common with other mails about the same trouble.
    pub thread: Option<String>,
    /// It is for `users` and nobody else: extra recipients get no copy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
    /// Set on the parts of a mail that the server did not take for all its recipients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The `Message-ID`, when it is not the message's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A build that a mail is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub id: i64,
    pub builder: String,
    pub tags: Vec<String>,
}

impl Told {
    fn of(build: &BuildCase) -> Told {
        let builder = &build.entity["builder"];
        let tags = builder["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Told {
            id: build.entity["buildid"].as_i64().unwrap_or_default(),
            builder: builder["name"].as_str().unwrap_or_default().to_owned(),
            tags: tags.map(str::to_owned).collect(),
        }
    }
}

impl Letter {
    /// The mail that tells this report.
    ///
    /// # Errors
    /// When the report is nothing that a mail can carry, or a header cannot be rendered.
    pub fn of(
        report: Report,
        headers: Option<&IndexMap<String, Renderable>>,
        site: &Site,
    ) -> Result<Letter, String> {
        let (kind, mut text) = text_of(&report)?;
        // Stock's mails end so.
        while !text.ends_with("\n\n") {
            text.push('\n');
        }
        let several = report.builds.len() > 1;
        let log = |log: &Value| {
            let name = |key: &str| log[key].as_str().unwrap_or_default();
            let short = format!("{}.{}", name("stepname"), name("name"));
            let name = if several { format!("{}.{short}", name("buildername")) } else { short };
            Some((log["logid"].as_i64()?, name))
        };
        Ok(Letter {
            subject: one_line(
                &report.subject.clone().unwrap_or_else(|| format!("Buildbot {}", site.title)),
            ),
            html: kind == Kind::Html,
            text,
            users: report.users.clone(),
            to_addresses: report.worker.is_some(),
            builds: report.builds.iter().map(|build| Told::of(build)).collect(),
            headers: rendered(headers, &report)?,
            logs: report.logs.iter().filter_map(log).collect(),
            patches: report.patches.iter().map(|patch| patch.id).collect(),
            thread: thread_of(&report),
            ..Letter::default()
        })
    }

    /// A plain mail to these people, whose addresses the notifier's lookup finds.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn personal(
        subject: &str,
        text: String,
        users: Vec<String>,
        thread: String,
        now: Timestamp,
    ) -> Result<NewMessage, String> {
        let subject = one_line(subject);
        let letter = Letter {
            subject: subject.clone(),
            text,
            users,
            thread: Some(thread),
            personal: true,
            ..Letter::default()
        };
        let body = serde_json::to_value(&letter).map_err(|error| error.to_string())?;
        Ok(NewMessage { about: subject, body, lane: None, due_at: now })
    }

    /// Its `Message-ID`, the same at every attempt.
    fn message_id(&self, message: &Message, site: &Site) -> String {
        let own = || format!("<{}.{}.buildbot@{}>", message.created_at, message.id, site.host());
        self.id.clone().unwrap_or_else(own)
    }

    /// The same mail for one of its recipients.
    pub(super) fn part(&self, address: &str, message: &Message, site: &Site) -> Letter {
        let id = Some(self.message_id(message, site));
        Letter { only: Some(address.to_owned()), id, ..self.clone() }
    }
}

/// Mails about builds that fail in a row, and about the first good one after them, belong together.
fn thread_of(report: &Report) -> Option<String> {
    let [build] = report.builds.as_slice() else { return None };
    let first = build.trouble_since?;
    Some(thread(build.entity["builderid"].as_i64()?, first))
}

/// What mails about the trouble of a builder since its build `first_bad` have in common.
pub fn thread(builder: i64, first_bad: i64) -> String {
    format!("problem.{builder}.{first_bad}")
}

/// The extra headers, rendered when the mail is about one build, as in stock.
fn rendered(
    headers: Option<&IndexMap<String, Renderable>>,
    report: &Report,
) -> Result<IndexMap<String, String>, String> {
    let Some(headers) = headers else { return Ok(IndexMap::new()) };
    let build = match report.builds.as_slice() {
        [build] => Some(build.as_ref()),
        _ => None,
    };
    headers.iter().map(|(name, value)| Ok((name.clone(), one_line(&text(value, build)?)))).collect()
}

fn text(value: &Renderable, build: Option<&BuildCase>) -> Result<String, String> {
    let (properties, sources) =
        build.map(|build| (properties_of(build), sources_of(build))).unwrap_or_default();
    let context = RenderContext {
        properties: &properties,
        sources: &sources,
        worker: &Properties::new(),
        // What is stored and sent to others holds no secrets.
        secret: &|_| None,
    };
    value.render_text(&context).map_err(|error| error.to_string())
}

impl MailNotifier {
    /// The bytes that are handed to the server.
    pub(super) fn mail(
        &self,
        message: &Message,
        letter: &Letter,
        recipients: &Recipients,
        attachments: Vec<Attached>,
        site: &Site,
    ) -> Result<Vec<u8>, Failure> {
        let wrong = |what: &str| Failure::lasting(format!("the mail cannot be written: {what}"));
        let from = self.from.clone().ok_or_else(|| wrong("there is no fromaddr"))?;
        let created = u64::try_from(message.created_at).unwrap_or_default();
        let mut email = Email::builder()
            .from(from)
            .subject(letter.subject.clone())
            .date(SystemTime::UNIX_EPOCH + Duration::from_secs(created))
            .message_id(Some(letter.message_id(message, site)));
        for mailbox in &recipients.to {
            email = email.to(mailbox.clone());
        }
        for mailbox in &recipients.cc {
            email = email.cc(mailbox.clone());
        }
        if let Some(thread) = &letter.thread {
            let root = format!("<{thread}.buildbot@{}>", site.host());
            email = email.in_reply_to(root.clone()).references(root);
        }
        for (name, value) in &letter.headers {
            let name = HeaderName::new_from_ascii(name.clone())
                .map_err(|_| wrong("an extra header has no proper name"))?;
            email = email.raw_header(HeaderValue::new(name, value.clone()));
        }
        // So that nobody's holiday notice comes back.
        let auto = HeaderName::new_from_ascii_str("Auto-Submitted");
        email = email.raw_header(HeaderValue::new(auto, "auto-generated".to_owned()));
        let body = match letter.html {
            true => SinglePart::html(letter.text.clone()),
            false => SinglePart::plain(letter.text.clone()),
        };
        let email = if attachments.is_empty() {
            email.singlepart(body)
        } else {
            let parts = attachments.into_iter().fold(MultiPart::mixed().singlepart(body), part);
            email.multipart(parts)
        };
        email.map(|email| email.formatted()).map_err(|error| wrong(&error.to_string()))
    }
}

fn part(parts: MultiPart, attached: Attached) -> MultiPart {
    parts.singlepart(Attachment::new(attached.name).body(attached.bytes, attached.kind))
}
