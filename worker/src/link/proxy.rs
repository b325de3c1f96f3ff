//! HTTP proxies: `CONNECT host:port`, and what they answer.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::failure::ConnectError;
use super::wire::AnyStream;

/// Bytes of an answer's head; proxies send a few hundred.
const MAX_HEAD: usize = 16 * 1024;

/// Asks the proxy at the other end of `stream` for a connection; what follows on the stream is the
/// master's.
pub(super) async fn tunnel(mut stream: AnyStream, master: &str) -> Result<AnyStream, ConnectError> {
    let request = format!("CONNECT {master} HTTP/1.1\r\nHost: {master}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(ConnectError::Io)?;
    stream.flush().await.map_err(ConnectError::Io)?;
    let head = head(&mut stream).await?;
    match status(&head) {
        Some(200) => Ok(stream),
        Some(status) => Err(ConnectError::ProxyAnswer(reason(status))),
        None => Err(ConnectError::ProxyAnswer("its answer is not HTTP".to_owned())),
    }
}

/// Byte by byte: what follows the head belongs to the master.
async fn head(stream: &mut AnyStream) -> Result<Vec<u8>, ConnectError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(ConnectError::ProxyAnswer("its answer has no end".to_owned()));
        }
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(ConnectError::ProxyAnswer("it closed the connection".to_owned()));
            }
            Err(error) => return Err(ConnectError::Io(error)),
        }
    }
    Ok(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/"))?;
    words.next()?.parse().ok()
}

fn reason(status: u16) -> String {
    let why = match status {
        401 | 407 => "it wants a login, which this worker does not have",
        403 | 405 => "it does not allow connections to that host and port",
        400 | 404 | 501 => "it makes no tunnels; is it an HTTP proxy?",
        502 | 503 => "it cannot reach the master",
        504 => "the master did not answer it in time",
        _ => return format!("HTTP status {status}"),
    };
    format!("{why} (HTTP status {status})")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(answer: &[u8]) -> Result<(), String> {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        theirs.write_all(answer).await.expect("room");
        drop(theirs.shutdown().await);
        let tunnel = tunnel(Box::new(ours), "h:1").await;
        tunnel.map(|_| ()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_a_proxy_may_answer() {
        assert_eq!(
            answered(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n").await,
            Ok(())
        );
        for (answer, why) in [
            (b"HTTP/1.1 407 No\r\n\r\n".as_slice(), "wants a login"),
            (b"HTTP/1.0 403 Forbidden\r\n\r\n", "does not allow"),
            (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "cannot reach the master (HTTP status 502)"),
            (b"HTTP/1.1 299 Odd\r\n\r\n", "HTTP status 299"),
            (b"SSH-2.0\r\n\r\n", "is not HTTP"),
            (b"HTTP/1.1 200", "closed the connection"),
            (&[b'x'; MAX_HEAD + 1], "has no end"),
        ] {
            let error = answered(answer).await.expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }

    #[tokio::test]
    async fn what_follows_the_answer_is_the_masters() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        theirs.write_all(b"HTTP/1.1 200 OK\r\n\r\n\x02\x80").await.expect("room");
        let mut stream = tunnel(Box::new(ours), "[::1]:9989").await.expect("a tunnel");
        assert_eq!(stream.read_u8().await.expect("a byte"), 2);
        let mut request = [0; 31];
        theirs.read_exact(&mut request).await.expect("a request");
        assert!(request.starts_with(b"CONNECT [::1]:9989 HTTP/1.1\r\n"));
    }
}
