//! A pipe whose answer can be held back: the WebSocket library answers a login by itself.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::actors::worker::transport::Pipe;

/// Passes everything on, but what is written waits for the [`Brake`].
pub(super) struct Hesitant {
    pipe: Pipe,
    brake: Brake,
}

/// Holds back what is written next. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Brake(Arc<Mutex<Option<Pin<Box<Sleep>>>>>);

impl Brake {
    pub(super) fn hold(&self, pause: Duration) {
        let sleep = (!pause.is_zero()).then(|| Box::pin(sleep(pause)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = sleep;
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sleep) = held.as_mut() {
            ready!(sleep.as_mut().poll(cx));
            *held = None;
        }
        Poll::Ready(())
    }
}

impl Hesitant {
    pub(super) fn new(pipe: Pipe) -> (Hesitant, Brake) {
        let brake = Brake::default();
        (Hesitant { pipe, brake: brake.clone() }, brake)
    }
}

impl AsyncRead for Hesitant {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Hesitant {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.brake.poll(cx));
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_is_held_back_comes_late_and_whole() {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut pipe, brake) = Hesitant::new(Box::new(near));
        let begun = tokio::time::Instant::now();
        let mut heard = [0; 4];
        pipe.write_all(b"soon").await.expect("written");
        far.read_exact(&mut heard).await.expect("read");
        brake.hold(Duration::from_millis(80));
        pipe.write_all(b"late").await.expect("written");
        far.read_exact(&mut heard).await.expect("read");
        assert_eq!(&heard, b"late");
        assert!(begun.elapsed() >= Duration::from_millis(80));
    }
}
