//! A byte stream as packets: one WebSocket message each for MessagePack, any piece of the stream for
//! Perspective Broker.

use bytes::{Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::io::{ReadHalf, WriteHalf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

/// How much of a stream is read at once.
const PIECE: usize = 64 * 1024;

/// Whatever carries bytes both ways: TCP, TLS, memory.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream of a kind that nobody needs to know any more.
pub(super) type AnyStream = Box<dyn Stream>;

/// The receiving half.
pub(super) enum Reader {
    Frames(SplitStream<WebSocketStream<AnyStream>>),
    Bytes(ReadHalf<AnyStream>, BytesMut),
}

/// The sending half.
pub(super) enum Writer {
    Frames(SplitSink<WebSocketStream<AnyStream>, Frame>),
    Bytes(WriteHalf<AnyStream>),
}

/// What is to be sent.
#[derive(Debug)]
pub(super) enum Packet {
    Bytes(Vec<u8>),
    /// Asks the peer for a sign of life. Only frames have it.
    Ping,
}

/// Packets are WebSocket messages.
pub(super) fn frames(socket: WebSocketStream<AnyStream>) -> (Reader, Writer) {
    let (sink, stream) = socket.split();
    (Reader::Frames(stream), Writer::Frames(sink))
}

/// Packets are pieces of the stream.
pub(super) fn bytes(stream: AnyStream) -> (Reader, Writer) {
    let (read, write) = tokio::io::split(stream);
    (Reader::Bytes(read, BytesMut::with_capacity(PIECE)), Writer::Bytes(write))
}

impl Reader {
    /// What arrives next; `None` is a sign of life without content. Can be cancelled without loss.
    /// The error says in plain words how the connection ended.
    pub(super) async fn read(&mut self) -> Result<Option<Bytes>, String> {
        match self {
            Reader::Frames(stream) => frame(stream.next().await),
            Reader::Bytes(read, buffer) => {
                buffer.reserve(PIECE);
                match read.read_buf(buffer).await {
                    Ok(0) => Err(closed()),
                    Ok(_) => Ok(Some(buffer.split().freeze())),
                    Err(error) => Err(format!("connection lost: {error}")),
                }
            }
        }
    }

    /// Whether [`Packet::Ping`] can be sent the other way.
    pub(super) fn has_pings(&self) -> bool {
        matches!(self, Reader::Frames(_))
    }
}

fn closed() -> String {
    "the master closed the connection".to_owned()
}

fn frame(frame: Option<Result<Frame, Error>>) -> Result<Option<Bytes>, String> {
    match frame {
        None | Some(Ok(Frame::Close(_))) => Err(closed()),
        Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => Err(closed()),
        Some(Err(error)) => Err(format!("connection lost: {error}")),
        Some(Ok(Frame::Binary(bytes))) => Ok(Some(bytes)),
        Some(Ok(Frame::Text(_))) => {
            tracing::warn!("a text frame of the master is ignored");
            Ok(None)
        }
        Some(Ok(_)) => Ok(None),
    }
}

impl Writer {
    /// Sends one packet. Must not be cancelled if the connection is to go on.
    pub(super) async fn send(&mut self, packet: Packet) -> Result<(), String> {
        let lost = |error: &dyn std::fmt::Display| format!("connection lost: {error}");
        match self {
            Writer::Frames(sink) => {
                let frame = match packet {
                    Packet::Bytes(bytes) => Frame::Binary(bytes.into()),
                    Packet::Ping => Frame::Ping(Bytes::new()),
                };
                sink.send(frame).await.map_err(|error| lost(&error))
            }
            Writer::Bytes(write) => {
                let Packet::Bytes(bytes) = packet else { return Ok(()) };
                let sent = async {
                    write.write_all(&bytes).await?;
                    write.flush().await
                };
                sent.await.map_err(|error| lost(&error))
            }
        }
    }

    /// Says goodbye in the way of the transport.
    pub(super) async fn close(&mut self) {
        let _ = match self {
            Writer::Frames(sink) => sink.close().await.map_err(|_| ()),
            Writer::Bytes(write) => write.shutdown().await.map_err(|_| ()),
        };
    }
}
