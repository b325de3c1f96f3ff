//! Handing a mail to its server.

use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::options::{MailNotifier, Security, Server};
use super::recipients::Recipients;

/// The longest silence of a server.
const SILENCE: Duration = Duration::from_secs(60);
/// The longest time for a whole mail.
const WHOLE: Duration = Duration::from_secs(600);

/// Why a server did not take a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub text: String,
    /// It will say the same the next time.
    pub lasting: bool,
}

impl Refusal {
    fn passing(text: &str) -> Refusal {
        Refusal { text: text.to_owned(), lasting: false }
    }
}

impl MailNotifier {
    /// Sends the bytes.
    ///
    /// # Errors
    /// When the server did not take them. One that refuses some of several recipients takes the
    /// mail for none.
    pub(super) async fn send(&self, recipients: &Recipients, mail: &[u8]) -> Result<(), Refusal> {
        let from = self.from.as_ref().map(|from| from.email.clone());
        let envelope = Envelope::new(from, recipients.addresses())
            .map_err(|error| Refusal { text: error.to_string(), lasting: true })?;
        let transport = self.transport().await?;
        match tokio::time::timeout(WHOLE, transport.send_raw(&envelope, mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(refusal(&self.server, &error)),
            Err(_) => Err(Refusal::passing("the mail server took too long")),
        }
    }

    async fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, Refusal> {
        if let Some(transport) = self.transport.get() {
            return Ok(transport.clone());
        }
        let server = self.server.clone();
        // It reads certificates from files.
        let made = tokio::task::spawn_blocking(move || transport(&server)).await;
        let made = made.map_err(|error| Refusal::passing(&error.to_string()))?;
        let made = made.map_err(|error| Refusal::passing(&error.to_string()))?;
        Ok(self.transport.get_or_init(|| made).clone())
    }
}

fn transport(server: &Server) -> Result<AsyncSmtpTransport<Tokio1Executor>, Error> {
    let parameters = || TlsParameters::new(server.host.clone());
    let tls = match (server.security, &server.login) {
        (Security::Smtps, _) => Tls::Wrapper(parameters()?),
        (Security::StartTls, _) => Tls::Required(parameters()?),
        // As stock: a password goes through TLS where the server offers it.
        (Security::None, Some(_)) => Tls::Opportunistic(parameters()?),
        (Security::None, None) => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
        .port(server.port)
        .tls(tls)
        .timeout(Some(SILENCE));
    if let Some((user, password)) = &server.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
    }
    Ok(builder.build())
}

/// Codes that blame our login, which somebody can mend, and not the mail.
const LOGIN: [&str; 4] = ["530", "534", "535", "538"];

fn refusal(server: &Server, error: &Error) -> Refusal {
    let code = error.status().map(|code| code.to_string());
    let blames_login = code.as_deref().is_some_and(|code| LOGIN.contains(&code));
    Refusal {
        text: format!("{}:{}: {}", server.host, server.port, words(error)),
        lasting: error.is_permanent() && !blames_login,
    }
}

/// The error and its causes.
fn words(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
