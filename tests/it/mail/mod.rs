//! Mails about builds, taken by aiosmtpd.

mod builds;
mod faults;
mod smtp;
mod workers;

pub use smtp::SmtpServer;
pub use workers::all_sent;

use buildbot::db::outbox;

use crate::world::{TestMaster, soon};

/// A notifier at this port with further keys, to be put behind a configuration.
pub fn notifier(port: u16, more: &str) -> String {
    format!(
        "[[services]]\ntype = \"MailNotifier\"\nname = \"mail\"\nfromaddr = \"bot@example.org\"\n\
         relayhost = \"127.0.0.1\"\nsmtpPort = {port}\n{more}\n"
    )
}

/// Waits for a line of the outbox that `holds`.
pub async fn line(
    master: &TestMaster,
    what: &str,
    holds: impl Fn(&outbox::Line) -> bool,
) -> outbox::Line {
    soon(what, async {
        loop {
            let lines = master.read(|conn| outbox::recent(conn, "mail", 10)).await;
            if let Some(line) = lines.into_iter().find(&holds) {
                return line;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await
}
