//! One connection: answers the master's requests and runs its commands.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::SplitStream;
use protocol::command::Command;
use protocol::msgpack::{
    MasterRequest, Message, Received, STOCK_NEWLINE_RE, WorkerRequest, WorkerSettings, decode,
    encode,
};
use rmpv::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

use super::connect::Socket;
use super::outbox::Link;
use super::pulse::{Beat, Pulse};
use super::writer::{CLOSE_TIMEOUT, write};
use crate::commands::environment::Environment;
use crate::commands::{self, Stop, Surroundings};
use crate::config::Config;
use crate::info;

/// How long killed commands may take to end.
const KILL_TIMEOUT: Duration = Duration::from_secs(12);

/// How a connection ended.
pub(super) enum End {
    /// The worker is to end.
    Shutdown,
    /// `served`: the master had accepted the worker.
    Lost { cause: String, served: bool },
}

/// State of one connection.
pub(super) struct Session<'a> {
    config: &'a Config,
    surroundings: Surroundings,
    running: HashMap<String, mpsc::Sender<Stop>>,
    tasks: JoinSet<String>,
    served: bool,
}

/// What the connection does after a message.
enum Then {
    GoOn,
    Shutdown,
}

impl<'a> Session<'a> {
    pub(super) fn new(config: &'a Config, environment: Arc<Environment>) -> Session<'a> {
        let surroundings = Surroundings {
            basedir: config.basedir.to_string_lossy().into_owned(),
            environment,
            settings: WorkerSettings::default(),
        };
        Session {
            config,
            surroundings,
            running: HashMap::new(),
            tasks: JoinSet::new(),
            served: false,
        }
    }

    /// Serves until the connection ends; every command has ended when this returns.
    pub(super) async fn run(
        mut self,
        socket: Socket,
        shutdown: &mut (impl Future<Output = ()> + Unpin),
    ) -> End {
        let (sink, mut stream) = socket.split();
        let (outgoing, messages) = mpsc::channel(4);
        let (pings, ping_requests) = mpsc::channel(1);
        let mut writer = tokio::spawn(write(sink, messages, ping_requests));
        let link = Link::new(outgoing.clone());
        let served = self.serve(&mut stream, &link, &outgoing, &pings, &mut writer);
        let end = tokio::select! {
            () = shutdown => End::Shutdown,
            end = served => end,
        };
        link.close();
        self.kill_all().await;
        drop((outgoing, pings, link));
        let writer_ended = writer.is_finished();
        let farewell = async {
            let _ = (&mut writer).await;
        };
        if !writer_ended && timeout(CLOSE_TIMEOUT, farewell).await.is_err() {
            writer.abort();
        }
        end
    }

    async fn serve(
        &mut self,
        stream: &mut SplitStream<Socket>,
        link: &Link,
        outgoing: &mpsc::Sender<Vec<u8>>,
        pings: &mpsc::Sender<()>,
        writer: &mut tokio::task::JoinHandle<String>,
    ) -> End {
        let mut pulse = Pulse::new(self.config, Instant::now());
        loop {
            tokio::select! {
                frame = stream.next() => {
                    pulse.heard(Instant::now());
                    match self.frame(frame, link, outgoing).await {
                        Ok(Then::GoOn) => {}
                        Ok(Then::Shutdown) => return End::Shutdown,
                        Err(cause) => return self.lost(cause),
                    }
                }
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    if let Ok(command_id) = ended {
                        self.running.remove(&command_id);
                    }
                }
                () = pulse.due() => match pulse.beat(Instant::now()) {
                    Beat::Ping => { let _ = pings.try_send(()); }
                    Beat::Dead(silence) => {
                        return self.lost(format!("the master did not answer a ping for {} s", silence.as_secs()));
                    }
                },
                cause = &mut *writer => {
                    return self.lost(cause.unwrap_or_else(|error| error.to_string()));
                }
            }
        }
    }

    fn lost(&self, cause: String) -> End {
        End::Lost { cause, served: self.served }
    }

    async fn frame(
        &mut self,
        frame: Option<Result<Frame, Error>>,
        link: &Link,
        outgoing: &mpsc::Sender<Vec<u8>>,
    ) -> Result<Then, String> {
        let closed = || "the master closed the connection".to_owned();
        let bytes = match frame {
            None | Some(Ok(Frame::Close(_))) => return Err(closed()),
            Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => return Err(closed()),
            Some(Err(error)) => return Err(format!("connection lost: {error}")),
            Some(Ok(Frame::Binary(bytes))) => bytes,
            Some(Ok(Frame::Text(_))) => {
                tracing::warn!("a text frame of the master is ignored");
                return Ok(Then::GoOn);
            }
            Some(Ok(_)) => return Ok(Then::GoOn),
        };
        match decode::<MasterRequest>(&bytes) {
            Err(error) if error.is_fatal() => Err(format!("the master sent nonsense: {error}")),
            Err(error) => {
                tracing::warn!("a message of the master is ignored: {error}");
                Ok(Then::GoOn)
            }
            Ok(Received::Response { seq, result }) => match link.answered(seq, &result) {
                true => Ok(Then::GoOn),
                false => Err(format!("the master answered request {seq}, which was never sent")),
            },
            Ok(Received::Request { seq, op }) => self.request(seq, op, link, outgoing).await,
        }
    }

    async fn request(
        &mut self,
        seq: u64,
        op: Result<MasterRequest, String>,
        link: &Link,
        outgoing: &mpsc::Sender<Vec<u8>>,
    ) -> Result<Then, String> {
        let shutdown = matches!(op, Ok(MasterRequest::Shutdown));
        let result = match op {
            Ok(op) => self.answer(op, link).await,
            Err(text) => Err(text),
        };
        if let Err(text) = &result {
            tracing::warn!("a request of the master failed: {text}");
        }
        let message = Message::<WorkerRequest>::Response { seq, result };
        outgoing.send(encode(&message)).await.map_err(|_| "the connection is broken".to_owned())?;
        Ok(if shutdown { Then::Shutdown } else { Then::GoOn })
    }

    async fn answer(&mut self, op: MasterRequest, link: &Link) -> Result<Value, String> {
        match op {
            MasterRequest::Print { message } => {
                tracing::info!("message from master: {message}");
                if message == "attached" && !self.served {
                    tracing::info!("Connected to buildmaster; worker is ready");
                }
                self.served = true;
            }
            MasterRequest::Keepalive => {}
            MasterRequest::Shutdown => tracing::info!("the master asked this worker to shut down"),
            MasterRequest::GetWorkerInfo => return self.info().await,
            MasterRequest::SetWorkerSettings(settings) => self.set(settings),
            MasterRequest::StartCommand { command_id, command_name, args, .. } => {
                self.start(command_id, &command_name, &args, link)?;
            }
            MasterRequest::InterruptCommand { command_id, why, .. } => {
                tracing::info!("asked to interrupt command {command_id}: {why}");
                if let Some(stop) = self.running.get(&command_id) {
                    let _ = stop.try_send(Stop::Interrupt);
                }
            }
        }
        Ok(Value::Nil)
    }

    async fn info(&self) -> Result<Value, String> {
        let config = self.config.clone();
        let environment = Arc::clone(&self.surroundings.environment);
        let collected = tokio::task::spawn_blocking(move || info::collect(&config, &environment));
        collected.await.map(|info| info.to_value()).map_err(|error| error.to_string())
    }

    fn set(&mut self, settings: WorkerSettings) {
        if settings.newline_re != STOCK_NEWLINE_RE {
            tracing::warn!(
                "the master's newline_re is not the stock one; the stock rules stay in use"
            );
        }
        self.surroundings.settings = settings;
    }

    fn start(
        &mut self,
        command_id: String,
        name: &str,
        args: &Value,
        link: &Link,
    ) -> Result<(), String> {
        let command = Command::from_msgpack(name, args).map_err(|text| match &*text {
            text if text.starts_with("unrecognized") => format!("(command {command_id}): {text}"),
            text => text.to_owned(),
        })?;
        if self.running.contains_key(&command_id) {
            return Err(format!("command_id '{command_id}' is already in use"));
        }
        tracing::info!("command {command_id}: {name}");
        let (stop, stops) = mpsc::channel(2);
        self.running.insert(command_id.clone(), stop);
        let surroundings = self.surroundings.clone();
        let link = link.clone();
        self.tasks.spawn(async move {
            commands::run(command, command_id.clone(), surroundings, link, stops).await;
            command_id
        });
        Ok(())
    }

    async fn kill_all(&mut self) {
        for stop in self.running.values() {
            let _ = stop.try_send(Stop::Lost);
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(KILL_TIMEOUT, all).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}
