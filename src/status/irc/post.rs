//! Mails codes to people through the first notifier of the configuration.
//!
//! A code is no message of the outbox: nothing secret is stored. When the server is away, whoever
//! wanted the code hears so and asks again.

use async_trait::async_trait;

use super::bots::Mailer;
use crate::actors::handles::Handles;
use crate::reporters::registry::Plan;
use crate::reporters::{Failure, Office, Site};

/// Sends at once, through the notifier that is configured at that moment.
pub(super) struct Post(pub Handles);

#[async_trait]
impl Mailer for Post {
    async fn send_code(&self, user: &str, address: &str, code: &str) -> Result<(), String> {
        let config = self.0.config.borrow().clone();
        let mut plans = config.reporters.iter().map(|reporter| &reporter.plan);
        let notifier = plans.find_map(|plan| match plan {
            Plan::Messages(reporter) if reporter.interested().is_some() => Some(reporter.clone()),
            _ => None,
        });
        let notifier = notifier.ok_or("no MailNotifier is configured")?;
        let site = Site::of(&config);
        let subject = format!("Your code for {}", site.title);
        let text = format!(
            "Somebody on IRC, probably you, says to be the user {user} of {}.\n\n\
             To prove it, tell the bot in private:\n\n    i have code {code}\n\n\
             If it was not you, there is nothing to do.\n",
            site.title
        );
        let office = Office { db: self.0.db.clone(), site };
        let sent = notifier.confide(address, &subject, &text, &office).await;
        sent.map_err(|failure| match failure {
            Failure::Passing { error, .. } | Failure::Lasting(error) => error,
            Failure::Apart(_) => "the server refuses it".to_owned(),
        })
    }
}
