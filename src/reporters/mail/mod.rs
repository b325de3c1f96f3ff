//! `MailNotifier`: reports become mails.
//!
//! A mail is put together when the fact is known, and stored; the addresses of people are looked
//! up and logs are attached when it is sent, so that a lookup that hangs keeps nobody waiting and
//! the outbox stays small.

mod attachments;
mod letter;
mod options;
mod recipients;
mod transport;

use async_trait::async_trait;
use lettre::Address;
use serde_json::Value;

pub use letter::{Letter, thread};
pub use options::parse;

use super::generators::Generator;
use super::{Failure, Kind, Office, Report, Reporter, Site, merged};
use crate::db::outbox::{Message, NewMessage};
use crate::flow::interested::Interested;
use crate::model::now;
use options::MailNotifier;

/// Its name in the configuration.
pub const CLASS: &str = "MailNotifier";

#[async_trait]
impl Reporter for MailNotifier {
    fn generators(&self) -> &[Box<dyn Generator>] {
        &self.generators
    }

    fn compose(&self, reports: Vec<Report>, site: &Site) -> Result<Vec<NewMessage>, String> {
        // Workers are told of to others than builds are.
        let (workers, builds): (Vec<Report>, Vec<Report>) =
            reports.into_iter().partition(|report| report.worker.is_some());
        let mails = merged(builds).into_iter().chain(workers);
        let letters = mails.map(|report| self.letter(report, site));
        Ok(letters.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    fn interested(&self) -> Option<&Interested> {
        Some(&self.interested)
    }

    async fn confide(
        &self,
        address: &str,
        subject: &str,
        text: &str,
        office: &Office,
    ) -> Result<(), Failure> {
        let recipients = recipients::Recipients::only(address);
        let letter =
            Letter { subject: subject.to_owned(), text: text.to_owned(), ..Letter::default() };
        let message = Message {
            id: fastrand::i64(1..),
            about: String::new(),
            body: Value::Null,
            created_at: now(),
            attempts: 0,
        };
        let mail = self.mail(&message, &letter, &recipients, Vec::new(), &office.site)?;
        let sent = self.send(&recipients, &mail).await;
        sent.map_err(|refusal| Failure::passing(refusal.text))
    }

    async fn deliver(&self, message: &Message, office: &Office) -> Result<(), Failure> {
        let letter: Letter = serde_json::from_value(message.body.clone())
            .map_err(|error| Failure::lasting(format!("the stored mail is damaged: {error}")))?;
        let recipients = match &letter.only {
            Some(address) => recipients::Recipients::only(address),
            None => self.recipients(&letter, office).await,
        };
        if recipients.is_empty() {
            // The lookups have said why.
            return Ok(());
        }
        let attachments = attachments::load(&letter, &office.db).await?;
        let mail = self.mail(message, &letter, &recipients, attachments, &office.site)?;
        if self.dump_mails_to_log {
            tracing::info!("mail data:\n{}", String::from_utf8_lossy(&mail));
        }
        let Err(refusal) = self.send(&recipients, &mail).await else { return Ok(()) };
        let addresses = recipients.addresses();
        if !refusal.lasting {
            return Err(Failure::passing(refusal.text));
        }
        if addresses.len() < 2 {
            return Err(Failure::lasting(refusal.text));
        }
        // One address that is refused must not keep the mail from the others.
        let part = |address: &Address| {
            let letter = letter.part(address.as_ref(), message, &office.site);
            let body = serde_json::to_value(letter).unwrap_or_default();
            let about = format!("{} (to {address})", message.about);
            NewMessage { about, body, lane: None, due_at: now() }
        };
        Err(Failure::Apart(addresses.iter().map(part).collect()))
    }
}

impl MailNotifier {
    /// The mail of a report; none when nobody could get it.
    fn letter(&self, report: Report, site: &Site) -> Result<Option<NewMessage>, String> {
        let to_people = self.send_to_interested_users || report.worker.is_some();
        if self.extra_recipients.is_empty() && (!to_people || report.users.is_empty()) {
            let nobody_cares = !to_people || self.interested.is_empty();
            if nobody_cares || report.builds.is_empty() {
                return Ok(None);
            }
        }
        let letter = Letter::of(report, self.extra_headers.as_ref(), site)?;
        let about = letter.subject.clone();
        let body = serde_json::to_value(&letter).map_err(|error| error.to_string())?;
        Ok(Some(NewMessage { about, body, lane: None, due_at: now() }))
    }
}

/// The text of a body that mail can carry.
fn text_of(report: &Report) -> Result<(Kind, String), String> {
    let Some(body) = &report.body else { return Ok((Kind::Plain, String::new())) };
    match (body.kind, &body.value) {
        (Kind::Json, _) => {
            Err("a mail is plain or html; give the formatter another template_type".to_owned())
        }
        (kind, Value::String(text)) => Ok((kind, text.clone())),
        (kind, _) => Ok((kind, body.to_text())),
    }
}
