//! The classes of reporters. A new one is a file beside this and a line here.

use std::fmt;
use std::sync::Arc;

use super::hassler::{self, HasslerConfig};
use super::irc::{self, IrcConfig};
use super::{Reporter, mail, push};
use crate::config::fields::Fields;
use crate::config::raw::Raw;

/// One class: its name, and how its own keys are read.
pub struct ReporterClass {
    pub class: &'static str,
    pub parse: fn(&mut Fields<'_>) -> Plan,
}

/// What a reporter does.
#[derive(Debug, Clone)]
pub enum Plan {
    /// It sends messages of its own.
    Messages(Arc<dyn Reporter>),
    /// It talks, and is talked to.
    Irc(Arc<IrcConfig>),
    /// It follows problems up, in words of others.
    Hassler(Arc<HasslerConfig>),
}

pub const REGISTRY: &[ReporterClass] = &[
    ReporterClass { class: mail::CLASS, parse: |fields| messages(mail::parse(fields)) },
    ReporterClass { class: "IRC", parse: |fields| Plan::Irc(irc::parse(fields)) },
    ReporterClass {
        class: "ProblemHassler",
        parse: |fields| Plan::Hassler(Arc::new(hassler::parse(fields))),
    },
    ReporterClass { class: "HttpStatusPush", parse: |fields| messages(push::parse_http(fields)) },
    ReporterClass {
        class: "GitHubStatusPush",
        parse: |fields| messages(push::parse_github_status(fields)),
    },
    ReporterClass {
        class: "GitHubCommentPush",
        parse: |fields| messages(push::parse_github_comment(fields)),
    },
    ReporterClass {
        class: "GitLabStatusPush",
        parse: |fields| messages(push::parse_gitlab(fields)),
    },
    ReporterClass { class: "SlackStatusPush", parse: |fields| messages(push::parse_slack(fields)) },
    ReporterClass {
        class: "MattermostStatusPush",
        parse: |fields| messages(push::parse_slack(fields)),
    },
];

fn messages(reporter: impl Reporter + 'static) -> Plan {
    Plan::Messages(Arc::new(reporter))
}

/// A reporter as configured.
#[derive(Clone)]
pub struct ReporterConfig {
    /// Under which it remembers what it has told; its class unless configured.
    pub name: String,
    pub class: &'static str,
    pub plan: Plan,
    /// Its table as written.
    pub written: serde_json::Value,
}

/// Without what was written, which may hold passwords.
impl fmt::Debug for ReporterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReporterConfig")
            .field("name", &self.name)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

/// Two reporters are the same when they were written the same.
impl PartialEq for ReporterConfig {
    fn eq(&self, other: &ReporterConfig) -> bool {
        self.written == other.written
    }
}

impl ReporterConfig {
    /// The builders that its generators name.
    pub fn builders(&self) -> Vec<&str> {
        match &self.plan {
            Plan::Messages(reporter) => {
                let generators = reporter.generators().iter();
                generators.flat_map(|generator| generator.builders()).map(String::as_str).collect()
            }
            Plan::Irc(_) => Vec::new(),
            Plan::Hassler(hassler) => hassler.builders().iter().map(String::as_str).collect(),
        }
    }
}

/// The class of this name.
pub fn find(class: &str) -> Option<&'static ReporterClass> {
    REGISTRY.iter().find(|known| known.class == class)
}

/// Reads what follows the `type` of the table `raw`.
pub fn parse(class: &ReporterClass, raw: &Raw, mut fields: Fields<'_>) -> ReporterConfig {
    let name = fields.optional_checked("name", crate::config::values::non_empty);
    let plan = (class.parse)(&mut fields);
    fields.finish();
    ReporterConfig {
        name: name.unwrap_or_else(|| class.class.to_owned()),
        class: class.class,
        plan,
        written: raw.to_json(),
    }
}
