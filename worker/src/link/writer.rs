//! The writing half of a connection.

use std::time::Duration;

use futures_util::SinkExt as _;
use futures_util::stream::SplitSink;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::connect::Socket;

/// How long one message may take to leave.
const SEND_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the last messages and the closing handshake may take.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends frames until nobody has any left; the text says why it ended.
pub(super) async fn write(
    mut sink: SplitSink<Socket, Frame>,
    mut messages: mpsc::Receiver<Vec<u8>>,
    mut pings: mpsc::Receiver<()>,
) -> String {
    loop {
        let frame = tokio::select! {
            message = messages.recv() => match message {
                Some(bytes) => Frame::Binary(bytes.into()),
                None => break,
            },
            Some(()) = pings.recv() => Frame::Ping(Vec::new().into()),
        };
        match timeout(SEND_TIMEOUT, sink.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return format!("connection lost: {error}"),
            Err(_) => return format!("the master took nothing for {} s", SEND_TIMEOUT.as_secs()),
        }
    }
    let _ = timeout(CLOSE_TIMEOUT, sink.close()).await;
    "closed".to_owned()
}
