//! The writing half of a connection.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::wire::{Packet, Writer};

/// How long one packet may take to leave.
const SEND_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the last packets and the closing handshake may take.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends packets until nobody has any left; the text says why it ended.
pub(super) async fn write(mut writer: Writer, mut packets: mpsc::Receiver<Packet>) -> String {
    while let Some(packet) = packets.recv().await {
        match timeout(SEND_TIMEOUT, writer.send(packet)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error,
            Err(_) => return format!("the master took nothing for {} s", SEND_TIMEOUT.as_secs()),
        }
    }
    let _ = timeout(CLOSE_TIMEOUT, writer.close()).await;
    "closed".to_owned()
}
