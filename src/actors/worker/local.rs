//! A worker inside the master's process: the code of `buildbot-worker` over a pipe in memory.
//! In:   nothing.      Out: itself as a worker that has logged in, to the roster.
//! Owns: its directory below the master's `workers`; its running commands.
//! Dies: its commands are killed; supervision starts it again, and it attaches as any other worker.

use std::path::{Path, PathBuf};
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{Actor, ActorContext, ActorFutureExt, ArbiterHandle, AsyncContext, Context};
use buildbot_worker::{Config, StreamEnd, serve_stream};
use protocol::msgpack::{Limits, MsgpackMaster};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::roster::{Arrived, RosterActor};
use super::transport::{Pipe, Socket};
use crate::actors::mail::{Child, Mailbox};
use crate::config::checked::WorkerProtocol;
use crate::receives;

/// Bytes under way in each direction.
const PIPE: usize = 256 << 10;

/// What a local worker is started with.
#[derive(Clone)]
pub(super) struct LocalSetup {
    pub name: String,
    pub dir: PathBuf,
    pub roster: Mailbox<RosterActor>,
    /// The thread it lives on.
    pub home: ArbiterHandle,
}

pub(super) struct LocalWorker {
    setup: LocalSetup,
    /// Dropped to end the worker.
    shutdown: Option<oneshot::Sender<()>>,
}

impl LocalWorker {
    pub(super) fn new(setup: LocalSetup) -> LocalWorker {
        LocalWorker { setup, shutdown: None }
    }
}

impl Actor for LocalWorker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let (shutdown, ending) = oneshot::channel();
        self.shutdown = Some(shutdown);
        let working = work(self.setup.clone(), ending);
        ctx.spawn(wrap_future::<_, Self>(working).map(|end, worker, ctx| {
            let name = &worker.setup.name;
            match end {
                // As a worker elsewhere, it stays away until somebody starts it again.
                Ok(StreamEnd::Shutdown) => tracing::info!(worker = name, "shut down"),
                Ok(StreamEnd::Lost(cause)) => {
                    tracing::warn!(worker = name, "the local worker ended: {cause}");
                    ctx.stop();
                }
                Err(error) => {
                    tracing::error!(worker = name, "the local worker cannot start: {error}");
                    ctx.stop();
                }
            }
        }));
    }
}

receives!(LocalWorker:);

impl Child for LocalWorker {
    fn stop(&mut self, ctx: &mut Context<Self>) {
        self.shutdown = None;
        // Killed commands need a moment to end.
        ctx.run_later(Duration::from_millis(100), |_, ctx| ctx.stop());
    }
}

async fn work(setup: LocalSetup, ending: oneshot::Receiver<()>) -> std::io::Result<StreamEnd> {
    tokio::fs::create_dir_all(setup.dir.join("info")).await?;
    let (near, far) = tokio::io::duplex(PIPE);
    let near = WebSocketStream::from_raw_socket(Box::new(near) as Pipe, Role::Server, None).await;
    setup.roster.post(Arrived {
        worker: setup.name.clone(),
        peer: "inside the master".to_owned(),
        protocol: WorkerProtocol::MessagePack,
        session: Box::new(MsgpackMaster::new(Limits::default())),
        socket: Socket::web_socket(near),
        home: setup.home.clone(),
    });
    let shutdown = async move {
        let _ = ending.await;
    };
    Ok(serve_stream(config(&setup.name, &setup.dir), far, shutdown).await)
}

fn config(name: &str, dir: &Path) -> Config {
    // A pipe neither breaks silently nor needs a password.
    Config { keepalive: Duration::ZERO, ..Config::new(dir.to_owned(), "localhost", 0, name, "") }
}
