//! The connection to an IRC server: TCP, TLS with our one provider, lines in and out. What they
//! mean is decided elsewhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use irc_proto::Message;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{IrcConfig, Tls};
use crate::flow::irc::flood::Bucket;

/// The longest time to connect, TLS included, and for one write.
const CONNECT: Duration = Duration::from_secs(30);
const WRITE: Duration = Duration::from_secs(30);
/// The longest line that is read, tags included; longer ones are skipped.
const LINE: usize = 16 * 1024;
/// Lines that wait for their turn: those that are limited, those that are not.
const QUEUE: usize = 512;
const URGENT: usize = 64;
/// How long somebody waits for a place in the queue, and for the line's turn.
const PLACE: Duration = Duration::from_secs(30);
const TURN: Duration = Duration::from_secs(1200);

/// Why there is no connection, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot reach {host}:{port}: {reason}")]
    Unreachable { host: String, port: u16, reason: String },
    #[error(
        "the certificate of {host} is refused: {reason}; is 'host' the name in it, and does \
         'caFile' name the authority that signed it?"
    )]
    Certificate { host: String, reason: String },
    #[error("no TLS with {host}:{port}: {reason}; is this a port for TLS?")]
    Tls { host: String, port: u16, reason: String },
    #[error("the certificates to trust in '{file}': {reason}")]
    Trust { file: PathBuf, reason: String },
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open connection: what it says, and how to say something.
pub struct Connection {
    pub lines: Reader,
    pub outbox: Outbox,
    pub writer: Writer,
}

/// Opens a connection.
///
/// # Errors
/// When the server cannot be reached, or its certificate is not to be trusted.
pub async fn connect(config: &IrcConfig) -> Result<Connection, ConnectError> {
    let open = async {
        let stream = tcp(config).await?;
        match &config.tls {
            Some(tls) => secure(config, tls, stream).await,
            None => Ok(Box::new(stream) as Box<dyn Stream>),
        }
    };
    let late = || unreachable(config, format!("no answer within {} s", CONNECT.as_secs()));
    let stream = tokio::time::timeout(CONNECT, open).await.map_err(|_| late())??;
    let (read, write) = tokio::io::split(stream);
    let (urgent, urgent_lines) = mpsc::channel(URGENT);
    let (queue, queued) = mpsc::channel(QUEUE);
    Ok(Connection {
        lines: Reader { inner: BufReader::new(Box::new(read)) },
        outbox: Outbox { urgent, queue },
        writer: Writer {
            inner: Box::new(write),
            urgent: urgent_lines,
            queued,
            bucket: Bucket::new(config.burst, config.interval),
        },
    })
}

async fn tcp(config: &IrcConfig) -> Result<TcpStream, ConnectError> {
    let stream = TcpStream::connect((config.host.as_str(), config.port)).await;
    let stream = stream.map_err(|error| unreachable(config, error.to_string()))?;
    // Lines are small and people wait for them.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn secure(
    config: &IrcConfig,
    tls: &Tls,
    stream: TcpStream,
) -> Result<Box<dyn Stream>, ConnectError> {
    let (host, port) = (config.host.clone(), config.port);
    let failed = |reason: String| ConnectError::Tls { host: host.clone(), port, reason };
    let file = tls.ca_file.clone();
    let roots = tokio::task::spawn_blocking(move || roots(file.as_deref())).await;
    let roots = roots.map_err(|error| failed(error.to_string()))??;
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.clone()).map_err(|error| failed(error.to_string()))?;
    let secured = TlsConnector::from(Arc::new(client)).connect(name, stream).await;
    let stream = secured.map_err(|error| match error.to_string() {
        reason if reason.contains("certificate") => {
            ConnectError::Certificate { host: host.clone(), reason }
        }
        reason => failed(reason),
    })?;
    Ok(Box::new(stream))
}

/// Whom to trust: the system's authorities and those of the file.
fn roots(file: Option<&Path>) -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = file {
        let failed = |reason: String| ConnectError::Trust { file: file.to_owned(), reason };
        let found: Vec<_> = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect)
            .map_err(|error| failed(error.to_string()))?;
        let (added, _) = roots.add_parsable_certificates(found);
        if added == 0 {
            return Err(failed("the file holds no certificate (PEM)".to_owned()));
        }
    }
    Ok(roots)
}

fn unreachable(config: &IrcConfig, reason: String) -> ConnectError {
    ConnectError::Unreachable { host: config.host.clone(), port: config.port, reason }
}

/// The lines of the server.
pub struct Reader {
    inner: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
}

impl Reader {
    /// The next message; what is no message is skipped. `None` at the end of the connection.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> io::Result<Option<Message>> {
        while let Some(line) = self.line().await? {
            if let Ok(message) = line.parse() {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let (mut line, mut long) = (Vec::new(), false);
        loop {
            let read = self.inner.fill_buf().await?;
            if read.is_empty() {
                return Ok(None);
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = &read[..end.unwrap_or(read.len())];
            long |= line.len() + part.len() > LINE;
            if !long {
                line.extend_from_slice(part);
            }
            let used = end.map_or(read.len(), |end| end + 1);
            self.inner.consume(used);
            if end.is_some() {
                let whole = if long { String::new() } else { decoded(&line) };
                return Ok(Some(whole));
            }
        }
    }
}

/// UTF-8, or what old clients write.
fn decoded(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok(text) => text.to_owned(),
        Err(_) => line.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// The connection is gone, or so slow that the line was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bot is not connected")]
pub struct Gone;

/// Says something on one connection. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    urgent: mpsc::Sender<String>,
    queue: mpsc::Sender<Queued>,
}

struct Queued {
    line: String,
    written: Option<oneshot::Sender<()>>,
}

impl Outbox {
    /// An outbox whose lines somebody else takes; for tests.
    pub fn to(lines: mpsc::UnboundedSender<String>) -> Outbox {
        let (urgent, mut first) = mpsc::channel::<String>(URGENT);
        let (queue, mut second) = mpsc::channel::<Queued>(QUEUE);
        tokio::spawn(async move {
            loop {
                let line = tokio::select! {
                    biased;
                    Some(line) = first.recv() => line,
                    Some(queued) = second.recv() => {
                        queued.written.map(|written| written.send(()));
                        queued.line
                    }
                    else => return,
                };
                let _ = lines.send(line);
            }
        });
        Outbox { urgent, queue }
    }

    /// Says it before everything else and without a limit: what the protocol itself needs.
    pub fn urgent(&self, line: impl Into<String>) {
        let _ = self.urgent.try_send(line.into());
    }

    /// Puts the line into the queue.
    ///
    /// # Errors
    /// When the connection is gone, or there was no place for half a minute.
    pub async fn say(&self, line: String) -> Result<(), Gone> {
        let queued = Queued { line, written: None };
        self.queue.send_timeout(queued, PLACE).await.map_err(|_| Gone)
    }

    /// Says the line and waits until it is on its way.
    ///
    /// # Errors
    /// When the connection is gone before that.
    pub async fn deliver(&self, line: String) -> Result<(), Gone> {
        let (written, done) = oneshot::channel();
        let queued = Queued { line, written: Some(written) };
        self.queue.send_timeout(queued, PLACE).await.map_err(|_| Gone)?;
        tokio::time::timeout(TURN, done).await.map_err(|_| Gone)?.map_err(|_| Gone)
    }
}

/// Writes what the outbox takes, as fast as the limit allows.
pub struct Writer {
    inner: Box<dyn AsyncWrite + Send + Unpin>,
    urgent: mpsc::Receiver<String>,
    queued: mpsc::Receiver<Queued>,
    bucket: Bucket,
}

impl Writer {
    /// Runs until the connection breaks.
    pub async fn run(mut self) -> io::Error {
        loop {
            if let Err(error) = self.next().await {
                return error;
            }
        }
    }

    async fn next(&mut self) -> io::Result<()> {
        let pause = self.bucket.wait(Instant::now());
        let (urgent, queued) = (&mut self.urgent, &mut self.queued);
        let turn = async {
            tokio::time::sleep(pause).await;
            queued.recv().await
        };
        tokio::select! {
            biased;
            Some(line) = urgent.recv() => self.write(&line).await,
            Some(Queued { line, written }) = turn => {
                self.bucket.take(Instant::now());
                self.write(&line).await?;
                // Whoever waited may have given up.
                written.map(|written| written.send(()));
                Ok(())
            }
            else => Err(io::Error::other("nobody has anything to say any more")),
        }
    }

    async fn write(&mut self, line: &str) -> io::Result<()> {
        // Whatever a line is made of, it stays one line.
        let mut bytes: Vec<u8> =
            line.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect();
        bytes.extend_from_slice(b"\r\n");
        let write = async {
            self.inner.write_all(&bytes).await?;
            self.inner.flush().await
        };
        tokio::time::timeout(WRITE, write).await.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the server takes nothing any more"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &'static [u8]) -> Reader {
        Reader { inner: BufReader::new(Box::new(bytes)) }
    }

    #[tokio::test]
    async fn lines_are_read_whatever_they_hold() {
        let mut lines = reader(b"PING :a\r\n\r\n:x PRIVMSG #a :\xe4\nPING :b\r\nPING :half");
        let mut heard = Vec::new();
        while let Some(message) = lines.next().await.unwrap() {
            heard.push(message.to_string().trim_end().to_owned());
        }
        assert_eq!(heard, ["PING a", ":x PRIVMSG #a ä", "PING b"]);
    }

    #[tokio::test]
    async fn an_endless_line_is_skipped() {
        let mut bytes = vec![b'x'; 10 * LINE];
        bytes.extend_from_slice(b"\nPING :a\n");
        let mut lines = reader(bytes.leak());
        assert_eq!(lines.next().await.unwrap().unwrap().to_string().trim_end(), "PING a");
    }
}
