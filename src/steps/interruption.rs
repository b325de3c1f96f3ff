//! Waiting for somebody to stop a step that is not waiting for its worker.

use tokio::sync::watch::Receiver;

/// Resolves with the reason when the step is stopped; never when nobody can stop it any more.
pub(super) async fn interrupted(interruption: &mut Receiver<Option<String>>) -> String {
    match interruption.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        Err(_) => std::future::pending().await,
    }
}
