//! The connection to the master: found, kept, and found again.

mod backoff;
mod connect;
mod outbox;
mod pulse;
mod session;
mod writer;

pub use outbox::{AskError, Link, Lost};

use std::sync::Arc;

use crate::commands::environment::Environment;
use crate::config::Config;
use backoff::Backoff;
use session::{End, Session};

/// Why a worker ends by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("giving up after {retries} failed attempts to reach {master}; the last one: {cause}")]
    GaveUp { retries: u32, master: String, cause: String },
    #[error("a worker name must not contain a colon: {0}")]
    Name(String),
}

/// Works for the master until `shutdown` is ready or the master says so. Commands under way are
/// killed then. Fails only when `max_retries` is used up or the name is impossible.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let header = protocol::basic_auth::format(&config.name, &config.password)
        .map_err(|_| RunError::Name(config.name.clone()))?;
    let environment: Arc<Environment> = Arc::new(std::env::vars_os().collect());
    let mut backoff = Backoff::new(config.first_delay, config.max_delay);
    let mut shutdown = std::pin::pin!(shutdown);
    let master = format!("{}:{}", config.host, config.port);
    loop {
        let attempt = connect::connect(&config, &header);
        let connected = tokio::select! {
            () = &mut shutdown => return Ok(()),
            connected = attempt => connected,
        };
        let cause = match connected {
            Err(error) => error.to_string(),
            Ok(socket) => {
                tracing::info!("Connected to {master}");
                let session = Session::new(&config, Arc::clone(&environment));
                match session.run(socket, &mut shutdown).await {
                    End::Shutdown => return Ok(()),
                    End::Lost { cause, served } => {
                        if served {
                            backoff.reset();
                        }
                        cause
                    }
                }
            }
        };
        let failures = backoff.failures();
        if config.max_retries.is_some_and(|max| failures >= max) {
            return Err(RunError::GaveUp { retries: failures, master, cause });
        }
        let delay = backoff.next(fastrand::f64());
        tracing::warn!("{master}: {cause}; trying again in {:.1} s", delay.as_secs_f64());
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = tokio::time::sleep(delay) => {}
        }
    }
}
