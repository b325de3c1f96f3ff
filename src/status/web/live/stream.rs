//! An event stream: a task writes, the connection reads, both end with the other.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{mpsc, watch};

/// Events that wait for a slow client; then the writer waits, and at last it lags.
const WAITING: usize = 64;

/// How often a silent stream says that it lives, so that dead clients are noticed.
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// The writing side.
pub struct Writer {
    out: mpsc::Sender<Bytes>,
    closing: watch::Receiver<bool>,
}

/// The client is gone or the server stops.
pub struct Gone;

impl Writer {
    /// Sends one event.
    pub async fn event(&mut self, name: &str, data: &str) -> Result<(), Gone> {
        let mut text = format!("event: {name}\n");
        for line in data.split('\n') {
            text.push_str("data: ");
            text.push_str(line);
            text.push('\n');
        }
        text.push('\n');
        self.send(text).await
    }

    /// Sends a comment, which clients ignore.
    pub async fn sign_of_life(&mut self) -> Result<(), Gone> {
        self.send(": \n\n".to_owned()).await
    }

    async fn send(&mut self, text: String) -> Result<(), Gone> {
        tokio::select! {
            sent = self.out.send(Bytes::from(text)) => sent.map_err(|_| Gone),
            () = closed(&mut self.closing) => Err(Gone),
        }
    }

    /// Resolves when the client is gone or the server stops.
    pub async fn gone(&mut self) {
        tokio::select! {
            () = self.out.closed() => {}
            () = closed(&mut self.closing) => {}
        }
    }
}

async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// The response whose body `write` produces.
pub fn respond<F, W>(closing: watch::Receiver<bool>, write: F) -> HttpResponse
where
    F: FnOnce(Writer) -> W,
    W: Future<Output = Result<(), Gone>> + 'static,
{
    let (out, inbox) = mpsc::channel(WAITING);
    let writing = write(Writer { out, closing });
    actix_web::rt::spawn(async move {
        // An end by `Gone` is the usual one.
        let _ = writing.await;
    });
    let body = stream::unfold(inbox, |mut inbox| async move {
        inbox.recv().await.map(|bytes| (Ok::<_, Infallible>(bytes), inbox))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Compression would hold events back.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body)
}
