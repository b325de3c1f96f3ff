//! Pushes: reports become requests to other servers.
//!
//! What is to be sent is put together and stored when the fact is known, without whatever logs in:
//! that stays in the configuration and is added when the message is sent. Messages about the same
//! thing go in one lane, so that a late "pending" never stands over a "success".

mod commit;
mod github;
mod gitlab;
mod http_status;
mod options;
mod server;
mod slack;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::formatters::Formatter;
use super::generators::registry::Defaults;
use super::generators::{BuildRequests, BuildStartEnd, Generator};
use super::{Failure, Kind, Report};
use crate::db::listing::BuildCase;
use crate::db::outbox::Message;

pub use github::{comment as parse_github_comment, status as parse_github_status};
pub use gitlab::parse as parse_gitlab;
pub use http_status::parse as parse_http;
pub use slack::parse as parse_slack;

/// The formatters of generators that name none, as in stock.
const PLAIN: Defaults = Defaults {
    build: || Formatter::standard(Kind::Plain),
    worker: || Formatter::missing_worker(Kind::Plain),
};

/// Those of a push of statuses that names none: requests, and builds that begin and end.
fn standard() -> Vec<Box<dyn Generator>> {
    let (started, done) =
        (Formatter::renderable("Build started."), Formatter::renderable("Build done."));
    vec![Box::new(BuildRequests::standard()), Box::new(BuildStartEnd::standard(started, done))]
}

/// The first report of each build: as in stock, what further generators say of it is not sent.
/// Reports about something else are kept.
fn first_of_each(mut reports: Vec<Report>) -> Vec<Report> {
    let mut seen = HashSet::new();
    let is_first =
        |report: &Report| report.builds.first().is_none_or(|build| seen.insert(request_of(build)));
    reports.retain(is_first);
    reports
}

/// The id of the build's request, which it has from its beginning.
fn request_of(build: &BuildCase) -> i64 {
    build.entity["buildrequest"]["buildrequestid"].as_i64().unwrap_or_default()
}

/// What is stored of a message.
fn stored<T: DeserializeOwned>(message: &Message) -> Result<T, Failure> {
    serde_json::from_value(message.body.clone())
        .map_err(|error| Failure::lasting(format!("the stored message is damaged: {error}")))
}
