//! The options of a `MailNotifier`; names and defaults are stock's.

use std::fmt;
use std::sync::OnceLock;

use indexmap::IndexMap;
use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, Tokio1Executor};

use super::super::Kind;
use super::super::formatters::Formatter;
use super::super::generators::registry::{self, Defaults};
use super::super::generators::{BuildStatus, Generator, WorkerMissing};
use super::super::lookup::{self, Lookup};
use crate::config::fields::Fields;
use crate::config::values::non_empty;
use crate::flow::interested::Interested;
use crate::flow::interpolate::Renderable;

/// A configured notifier.
pub struct MailNotifier {
    pub(super) from: Option<Mailbox>,
    pub(super) extra_recipients: Vec<Mailbox>,
    pub(super) send_to_interested_users: bool,
    pub(super) lookup: Lookup,
    pub(super) interested: Interested,
    /// A table of texts that may hold properties.
    pub(super) extra_headers: Option<IndexMap<String, Renderable>>,
    pub(super) dump_mails_to_log: bool,
    pub(super) server: Server,
    pub(super) generators: Vec<Box<dyn Generator>>,
    /// Made at the first mail: it reads the certificates of this system.
    pub(super) transport: OnceLock<AsyncSmtpTransport<Tokio1Executor>>,
}

/// Where mails are handed in.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub host: String,
    pub port: u16,
    pub security: Security,
    /// Name and password.
    pub login: Option<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    None,
    /// `useTls`: STARTTLS, or no mail.
    StartTls,
    /// `useSmtps`: TLS from the first byte.
    Smtps,
}

/// Without the password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({:?})", self.host, self.port, self.security)
    }
}

impl fmt::Debug for MailNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailNotifier").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Reads the options. Those of a `BuildStatusGenerator` may stand beside them: they make one.
pub fn parse(fields: &mut Fields<'_>) -> MailNotifier {
    let from = mailbox(fields, "fromaddr");
    let server = server(fields);
    let extra_recipients = mailboxes(fields, "extraRecipients");
    MailNotifier {
        from,
        extra_recipients,
        send_to_interested_users: fields.or("sendToInterestedUsers", true),
        lookup: lookup::parse(fields, "lookup"),
        interested: Interested::parse(fields, "interested"),
        extra_headers: headers(fields),
        dump_mails_to_log: fields.or_default("dumpMailsToLog"),
        server,
        generators: generators(fields),
        transport: OnceLock::new(),
    }
}

const DEFAULTS: Defaults = Defaults { build: html, worker: html_worker };

fn html() -> Formatter {
    Formatter::standard(Kind::Html)
}

fn html_worker() -> Formatter {
    Formatter::missing_worker(Kind::Html)
}

/// The keys of a generator that may stand in the notifier itself.
const OWN: [&str; 9] = [
    "mode",
    "tags",
    "builders",
    "schedulers",
    "branches",
    "subject",
    "add_logs",
    "add_patch",
    "message_formatter",
];

fn generators(fields: &mut Fields<'_>) -> Vec<Box<dyn Generator>> {
    if OWN.iter().any(|key| fields.has(key)) {
        if fields.has("generators") {
            fields.problem(
                "must have 'generators', or the keys of one generator beside its own, not both",
            );
        }
        let _ = fields.entries("generators");
        return vec![
            Box::new(BuildStatus::read(fields, html)),
            Box::new(WorkerMissing::standard(html_worker())),
        ];
    }
    let plain = Defaults {
        build: || Formatter::standard(Kind::Plain),
        worker: || Formatter::missing_worker(Kind::Plain),
    };
    registry::read(fields, plain, || {
        vec![
            Box::new(BuildStatus::standard((DEFAULTS.build)(), true)),
            Box::new(WorkerMissing::standard((DEFAULTS.worker)())),
        ]
    })
}

fn server(fields: &mut Fields<'_>) -> Server {
    let host = fields.optional_checked("relayhost", non_empty);
    let (tls, smtps) = (fields.or_default("useTls"), fields.or_default("useSmtps"));
    if tls && smtps {
        fields.problem("must have useTls (STARTTLS) or useSmtps, not both");
    }
    let security = match (tls, smtps) {
        (_, true) => Security::Smtps,
        (true, false) => Security::StartTls,
        (false, false) => Security::None,
    };
    let (user, password) =
        (fields.optional::<String>("smtpUser"), fields.optional::<String>("smtpPassword"));
    let in_range =
        |port: &i64| u16::try_from(*port).is_err().then(|| "must be a port: 1 to 65535".to_owned());
    let port = fields.optional_checked("smtpPort", in_range).unwrap_or(25);
    if user.is_some() != password.is_some() {
        fields.problem("needs both smtpUser and smtpPassword, or none of them");
    }
    Server {
        host: host.unwrap_or_else(|| "localhost".to_owned()),
        port: u16::try_from(port).unwrap_or(25),
        security,
        login: user.zip(password),
    }
}

/// `name@domain` or `Name <name@domain>`.
fn read_mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse::<Mailbox>().map_err(|error| format!("'{text}' is not a mail address: {error}"))
}

fn mailbox(fields: &mut Fields<'_>, key: &'static str) -> Option<Mailbox> {
    let text: String = fields.required_checked(key, |text: &String| read_mailbox(text).err());
    read_mailbox(&text).ok()
}

fn mailboxes(fields: &mut Fields<'_>, key: &'static str) -> Vec<Mailbox> {
    let texts: Vec<String> = fields.or_default(key);
    let mut mailboxes = Vec::new();
    for text in &texts {
        match read_mailbox(text) {
            Ok(mailbox) => mailboxes.push(mailbox),
            Err(message) => {
                let place = fields.place().clone();
                fields.problem_at(key, &place, message);
            }
        }
    }
    mailboxes
}

/// Headers that the notifier sets itself.
const OURS: [&str; 9] = [
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "references",
    "in-reply-to",
    "content-type",
];

fn headers(fields: &mut Fields<'_>) -> Option<IndexMap<String, Renderable>> {
    let wrong = |headers: &IndexMap<String, Renderable>| {
        headers.keys().find_map(|name| {
            let is_token = |byte: u8| byte.is_ascii_graphic() && byte != b':';
            if name.is_empty() || !name.bytes().all(is_token) {
                return Some(format!("'{name}' cannot be the name of a header"));
            }
            let ours = OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name));
            ours.then(|| format!("'{name}' is set by the notifier itself; remove it"))
        })
    };
    fields.optional_checked("extraHeaders", wrong)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::problems::Problems;
    use crate::config::raw::Raw;

    fn read(written: Value) -> (MailNotifier, String) {
        let raw = Raw::from_json(written);
        let mut problems = Problems::new();
        let mut fields = Fields::of(&raw, "m", &mut problems);
        let notifier = parse(&mut fields);
        fields.finish();
        (notifier, problems.to_string())
    }

    #[test]
    fn defaults_are_stocks() {
        let (notifier, problems) = read(json!({ "fromaddr": "buildbot@example.org" }));
        assert_eq!(problems, "");
        assert_eq!(format!("{:?}", notifier.server), "localhost:25 (None)");
        assert!(notifier.send_to_interested_users);
        assert_eq!(notifier.generators.len(), 2);
        let one = json!({ "fromaddr": "b@example.org", "extraRecipients": "a@example.org" });
        assert_eq!(read(one).0.extra_recipients.len(), 1, "one address is no list of letters");
    }

    #[test]
    fn mistakes_are_told() {
        let from = "buildbot@example.org";
        let table = [
            (json!({}), "needs a value for 'fromaddr'"),
            (json!({ "fromaddr": "nobody" }), "'nobody' is not a mail address"),
            (json!({ "fromaddr": from, "extraRecipients": ["x"] }), "'x' is not a mail address"),
            (json!({ "fromaddr": from, "useTls": true, "useSmtps": true }), "not both"),
            (json!({ "fromaddr": from, "smtpUser": "u" }), "both smtpUser and smtpPassword"),
            (json!({ "fromaddr": from, "smtpPort": 70000 }), "must be a port"),
            (
                json!({ "fromaddr": from, "extraHeaders": { "Subject": "x" } }),
                "set by the notifier",
            ),
            (json!({ "fromaddr": from, "extraHeaders": { "X: y\n": "x" } }), "name of a header"),
            (json!({ "fromaddr": from, "mode": "broken" }), "no mode 'broken'"),
            (json!({ "fromaddr": from, "mode": "all", "generators": [] }), "not both"),
            (
                json!({ "fromaddr": from, "generators": [{ "type": "BuildStatus" }] }),
                "BuildStatusGenerator",
            ),
        ];
        for (written, expected) in table {
            let (_, problems) = read(written.clone());
            assert!(problems.contains(expected), "{written}: {problems}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let (notifier, _) = read(json!({
            "fromaddr": "b@example.org", "smtpUser": "u", "smtpPassword": "hunter2",
        }));
        assert!(!format!("{notifier:?}").contains("hunter2"));
    }
}
