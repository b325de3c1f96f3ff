//! Mails about builds, taken by aiosmtpd.

mod builds;
mod faults;
mod smtp;
mod workers;

pub use workers::all_sent;
pub use smtp::{SmtpServer, Taken};

/// A notifier at this port with further keys, to be put behind a configuration.
pub fn notifier(port: u16, more: &str) -> String {
    format!(
        "[[services]]\ntype = \"MailNotifier\"\nname = \"mail\"\nfromaddr = \"bot@example.org\"\n\
         relayhost = \"127.0.0.1\"\nsmtpPort = {port}\n{more}\n"
    )
}
