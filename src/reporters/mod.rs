//! Who is told what, and how: reporters with their generators and formatters, in Buildbot's terms.
//!
//! A *generator* looks at a fact, with everything the tables say about it, and answers a *report*
//! or nothing; its *formatter* makes the text. A *reporter* turns the reports into messages, which
//! are stored before anything is sent, and later delivers each of them. What is here does not know
//! when: the actors of `status/targets` carry it.

pub mod formatters;
pub mod generators;
pub mod hassler;
pub mod lookup;
pub mod mail;
pub mod irc;
pub mod push;
pub mod registry;
mod report;
mod site;
#[cfg(test)]
mod samples;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

pub use registry::ReporterConfig;
pub use report::{Body, Kind, Patch, Report, merged};
pub use site::Site;

use crate::db::Db;
use crate::db::outbox::{Message, NewMessage};
use crate::flow::interested::Interested;
use generators::Generator;

/// A configured reporter.
#[async_trait]
pub trait Reporter: Debug + Send + Sync {
    /// What it is told, and when.
    fn generators(&self) -> &[Box<dyn Generator>];

    /// The messages that tell these reports of one fact; none when there is nothing to send.
    ///
    /// # Errors
    /// Why no message can be made of them, for people; the reports are lost on the reporter then.
    fn compose(&self, reports: Vec<Report>, office: &Site) -> Result<Vec<NewMessage>, String>;

    /// Its rules of who wants to hear of a build besides those who answer for it.
    fn interested(&self) -> Option<&Interested> {
        None
    }

    /// Sends one message. Is called again after a [`Failure`] that may pass, and after a crash
    /// between the sending and the note of it.
    ///
    /// # Errors
    /// When it was not taken.
    async fn deliver(&self, message: &Message, office: &Office) -> Result<(), Failure>;
}

/// What a reporter may use while it delivers.
#[derive(Clone)]
pub struct Office {
    pub db: Db,
    pub site: Site,
}

/// Why a message was not delivered. No secrets: the text is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It may work later, not before `after` if the peer said so.
    Passing { error: String, after: Option<Duration> },
    /// It will never work.
    Lasting(String),
    /// It goes on as these messages instead, such as one for each recipient.
    Apart(Vec<NewMessage>),
}

impl Failure {
    pub fn passing(error: impl Into<String>) -> Failure {
        Failure::Passing { error: error.into(), after: None }
    }

    pub fn lasting(error: impl Into<String>) -> Failure {
        Failure::Lasting(error.into())
    }
}
