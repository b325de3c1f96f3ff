//! Sockets as packets: what a session takes and gives, whatever lies below.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use futures_util::{Sink, SinkExt, StreamExt, sink};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;

/// TCP, TLS, or a pipe inside this process.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// The bytes of one peer.
pub(super) type Pipe = Box<dyn Io>;

/// What arrives, piece by piece; an empty piece is only a sign of life. Ends when the peer closes;
/// an error says why the connection broke.
pub(super) type Incoming = Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>;

/// Takes whole packets. Closing it says goodbye to the peer.
pub(super) type Outgoing = Pin<Box<dyn Sink<Vec<u8>, Error = String> + Send>>;

/// A peer that has logged in.
pub(super) struct Socket {
    pub incoming: Incoming,
    pub outgoing: Outgoing,
}

/// The least and the most bytes of a read. An idle connection holds the least.
const READ: (usize, usize) = (1 << 10, 128 << 10);

impl Socket {
    /// One binary frame is one packet.
    pub(super) fn web_socket(socket: WebSocketStream<Pipe>) -> Socket {
        let (sink, frames) = socket.split();
        let incoming = frames.scan((), |(), frame| std::future::ready(packet(frame)));
        let outgoing = sink
            .with(|packet| std::future::ready(Ok(Frame::binary(packet))))
            .sink_map_err(|error: tokio_tungstenite::tungstenite::Error| error.to_string());
        Socket { incoming: Box::pin(incoming), outgoing: Box::pin(outgoing) }
    }

    /// Packets follow one another.
    pub(super) fn raw(pipe: Pipe) -> Socket {
        let (reader, writer) = tokio::io::split(pipe);
        let incoming = stream::unfold((reader, READ.0), read);
        let outgoing = sink::unfold(writer, write).sink_map_err(|error| error.to_string());
        Socket { incoming: Box::pin(incoming), outgoing: Box::pin(outgoing) }
    }
}

/// `None` ends the stream.
fn packet(
    frame: Result<Frame, tokio_tungstenite::tungstenite::Error>,
) -> Option<Result<Bytes, String>> {
    match frame {
        Ok(Frame::Binary(bytes)) => Some(Ok(bytes)),
        Ok(Frame::Close(_)) => None,
        Ok(Frame::Text(_)) => Some(Err("it sent text instead of MessagePack".to_owned())),
        Ok(_) => Some(Ok(Bytes::new())),
        Err(error) => Some(Err(error.to_string())),
    }
}

/// Reads more at once while much arrives.
async fn read(
    (mut reader, size): (ReadHalf<Pipe>, usize),
) -> Option<(Result<Bytes, String>, (ReadHalf<Pipe>, usize))> {
    let mut buffer = BytesMut::with_capacity(size);
    match reader.read_buf(&mut buffer).await {
        Ok(0) => None,
        Ok(length) => {
            let next = if length == size { size * 4 } else { (length * 2).min(size) };
            Some((Ok(buffer.freeze()), (reader, next.clamp(READ.0, READ.1))))
        }
        Err(error) => Some((Err(error.to_string()), (reader, size))),
    }
}

async fn write(
    mut writer: WriteHalf<Pipe>,
    packet: Vec<u8>,
) -> Result<WriteHalf<Pipe>, std::io::Error> {
    writer.write_all(&packet).await?;
    writer.flush().await?;
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_raw_socket_passes_bytes_both_ways_and_ends() {
        let (near, far) = tokio::io::duplex(1 << 20);
        let mut socket = Socket::raw(Box::new(near));
        let (mut reader, mut writer) = tokio::io::split(far);
        socket.outgoing.send(b"hello".to_vec()).await.expect("sent");
        let mut heard = [0; 5];
        reader.read_exact(&mut heard).await.expect("heard");
        assert_eq!(&heard, b"hello");
        writer.write_all(&[7; 5000]).await.expect("sent");
        writer.shutdown().await.expect("closed");
        let (mut total, mut largest) = (0, 0);
        while let Some(piece) = socket.incoming.next().await {
            let piece = piece.expect("bytes");
            (total, largest) = (total + piece.len(), largest.max(piece.len()));
        }
        assert_eq!(total, 5000);
        assert!(largest > READ.0, "reads grow with what arrives");
    }
}
