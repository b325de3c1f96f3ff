//! A line between worker and master that can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards every connection to a port of this machine.
pub struct Proxy {
    pub port: u16,
    wire: Arc<Wire>,
    /// Ends with the proxy.
    accepting: tokio::task::JoinHandle<()>,
}

struct Wire {
    target: u16,
    /// Counts cuts; each ends the connections of its time.
    cuts: watch::Sender<u64>,
    /// Bytes from the worker until the line breaks by itself.
    left: AtomicU64,
    connections: AtomicU64,
}

impl Proxy {
    pub async fn to(target: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let wire = Arc::new(Wire {
            target,
            cuts: watch::Sender::new(0),
            left: AtomicU64::new(u64::MAX),
            connections: AtomicU64::new(0),
        });
        let own = wire.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((worker, _)) = listener.accept().await {
                own.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(own.clone().carry(worker));
            }
        });
        Proxy { port, wire, accepting }
    }

    /// Cuts all connections; later ones are good.
    pub fn cut(&self) {
        self.wire.cut();
    }

    /// Cuts once, when so many more bytes have come from the worker.
    pub fn cut_after(&self, bytes: u64) {
        self.wire.left.store(bytes, Ordering::Relaxed);
    }

    /// How often somebody has connected.
    pub fn connections(&self) -> u64 {
        self.wire.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Wire {
    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    async fn carry(self: Arc<Wire>, worker: TcpStream) {
        let mut cuts = self.cuts.subscribe();
        let Ok(master) = TcpStream::connect(("127.0.0.1", self.target)).await else { return };
        let (from_worker, to_worker) = worker.into_split();
        let (from_master, to_master) = master.into_split();
        tokio::select! {
            _ = cuts.changed() => {}
            () = pump(from_worker, to_master, Some(&self)) => {}
            () = pump(from_master, to_worker, None) => {}
        }
    }
}

/// Copies until one side ends; counts what comes from the worker.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: Option<&Wire>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if let Some(wire) = count {
            let before = wire.left.load(Ordering::Relaxed);
            if before != u64::MAX {
                let left = before.saturating_sub(length as u64);
                wire.left.store(left, Ordering::Relaxed);
                if left == 0 {
                    wire.left.store(u64::MAX, Ordering::Relaxed);
                    return wire.cut();
                }
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
