//! The master's side of one worker connection.
//! In:   what the roster and the builds ask of the worker; the worker's requests and answers.
//! Out:  command events to whoever started the command, answers to whoever asked.
//! Owns: the socket, the open requests, the running commands; nothing durable.
//! Dies: with the socket. Every waiter learns of it, the worker connects again by itself.
//!
//! The reader awaits each delivery before it takes the next frame, so slow storage becomes TCP
//! back-pressure; what the master asks goes out through the writer, whatever waits on the way in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message,
    ResponseFuture,
};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use protocol::msgpack::{self, Limits, MasterRequest, Received, WorkerRequest, unknown_command_id};
use rmpv::Value;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::link::CommandEvent;
use crate::actors::mail::Child;
use crate::receives;

pub(super) type Socket = WebSocketStream<TcpStream>;

/// The largest message a worker may send, in bytes. Stock workers send about 64 KiB.
pub(super) const MESSAGE_SIZE: usize = 16 << 20;

/// Frames on their way out. A worker that reads nothing while so many wait is cut off.
const OUTBOX: usize = 256;

/// How long the goodbye of an orderly stop may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// An answer to whoever asked.
type Reply = oneshot::Sender<Result<Value, String>>;

/// Asks the worker and passes the answer on.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Call {
    pub op: MasterRequest,
    pub reply: Reply,
}

/// Asks the worker; nobody waits for the answer.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Tell {
    pub op: MasterRequest,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct StartCommand {
    pub command_id: String,
    pub builder: Option<String>,
    pub name: String,
    pub args: Value,
    pub events: mpsc::Sender<CommandEvent>,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Interrupt {
    pub command_id: String,
    pub builder: Option<String>,
    pub why: String,
}

/// One message of the worker; the answer comes when it is delivered, an error ends the connection.
#[derive(Message)]
#[rtype(result = "Result<(), String>")]
struct Incoming(Received<WorkerRequest>);

/// Who waits for an answer of the worker.
enum Waiter {
    Caller(Reply),
    /// A refused start ends the command.
    Start(String),
    Nobody,
}

/// What the roster hands to a connection at its start.
pub(super) struct Plug {
    pub worker: String,
    pub peer: String,
    pub socket: Socket,
    pub keepalive: Duration,
    /// True from the start on, dropped with the connection.
    pub alive: watch::Sender<bool>,
    pub held_up: Arc<AtomicBool>,
}

pub(super) struct Connection {
    worker: String,
    peer: String,
    keepalive: Duration,
    held_up: Arc<AtomicBool>,
    /// `None` when the socket is in use, or there never was one.
    socket: Option<Socket>,
    outbox: Option<mpsc::Sender<Frame>>,
    next_seq: u64,
    waiters: HashMap<u64, Waiter>,
    commands: HashMap<String, mpsc::Sender<CommandEvent>>,
    alive: Option<watch::Sender<bool>>,
}

impl Connection {
    /// `None` makes an actor that ends at once: a connection has one life.
    pub(super) fn new(plug: Option<Plug>) -> Connection {
        let (worker, peer, keepalive, held_up, socket, alive) = match plug {
            Some(Plug { worker, peer, keepalive, held_up, socket, alive }) => {
                (worker, peer, keepalive, held_up, Some(socket), Some(alive))
            }
            None => Default::default(),
        };
        Connection {
            worker,
            peer,
            keepalive,
            held_up,
            socket,
            outbox: None,
            next_seq: 0,
            waiters: HashMap::new(),
            commands: HashMap::new(),
            alive,
        }
    }

    /// Numbers a request and puts it into the outbox.
    fn request(&mut self, op: MasterRequest, waiter: Waiter, ctx: &mut Context<Self>) {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.waiters.insert(seq, waiter);
        let frame = msgpack::encode(&msgpack::Message::Request { seq, op });
        let sent = self.outbox.as_ref().map(|outbox| outbox.try_send(Frame::binary(frame)));
        if let Some(Err(mpsc::error::TrySendError::Full(_))) = sent {
            self.ended("it does not read what it is asked", ctx);
        }
    }

    fn ended(&mut self, why: &str, ctx: &mut Context<Self>) {
        tracing::info!(worker = %self.worker, peer = %self.peer, "worker connection ended: {why}");
        ctx.stop();
    }

    /// Finds the receiver of an answer and passes it on.
    fn answered(
        &mut self,
        seq: u64,
        result: Result<Value, String>,
    ) -> ResponseFuture<Result<(), String>> {
        let command_id = match self.waiters.remove(&seq) {
            Some(Waiter::Nobody) => return ready(Ok(())),
            Some(Waiter::Caller(reply)) => {
                // The caller may have given up.
                let _ = reply.send(result);
                return ready(Ok(()));
            }
            Some(Waiter::Start(command_id)) => command_id,
            None => return ready(Err(format!("it answered request {seq}, which was never made"))),
        };
        let Err(text) = result else { return ready(Ok(())) };
        let Some(events) = self.commands.remove(&command_id) else { return ready(Ok(())) };
        Box::pin(async move {
            let _ = events.send(CommandEvent::Complete(Some(text))).await;
            Ok(())
        })
    }

    /// Delivers a request of the worker and answers it.
    fn requested(&mut self, seq: u64, op: WorkerRequest) -> ResponseFuture<Result<(), String>> {
        let (command, events) = match op {
            WorkerRequest::Update { command_id, updates } => {
                let updates = updates.into_iter().map(|timed| CommandEvent::Update(timed.update));
                (self.commands.get(&command_id).cloned(), updates.collect())
            }
            WorkerRequest::Complete { command_id, failure } => {
                (self.commands.remove(&command_id), vec![CommandEvent::Complete(failure)])
            }
            // Transfers: none is ever started, so their ids are unknown.
            _ => return self.answer(seq, Err(unknown_command_id())),
        };
        let answer = self.answer(seq, Ok(Value::Nil));
        Box::pin(async move {
            if let Some(command) = command {
                deliver(&command, events).await;
            }
            answer.await
        })
    }

    fn answer(
        &self,
        seq: u64,
        result: Result<Value, String>,
    ) -> ResponseFuture<Result<(), String>> {
        let message = msgpack::Message::<MasterRequest>::Response { seq, result };
        let outbox = self.outbox.clone();
        Box::pin(async move {
            if let Some(outbox) = outbox {
                // A closed outbox means that the connection is ending already.
                let _ = outbox.send(Frame::binary(msgpack::encode(&message))).await;
            }
            Ok(())
        })
    }
}

fn ready(result: Result<(), String>) -> ResponseFuture<Result<(), String>> {
    Box::pin(std::future::ready(result))
}

/// Nobody reads the events of a command that was given up: they are dropped.
async fn deliver(command: &mpsc::Sender<CommandEvent>, events: Vec<CommandEvent>) {
    for event in events {
        if command.send(event).await.is_err() {
            return;
        }
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(socket) = self.socket.take() else { return ctx.stop() };
        let (sink, frames) = socket.split();
        let (outbox, queue) = mpsc::channel(OUTBOX);
        self.outbox = Some(outbox);
        let silence = self.keepalive * 2;
        let reading = read(frames, ctx.address(), self.held_up.clone(), silence);
        let writing = write(sink, queue, self.keepalive);
        for side in [Box::pin(reading) as ResponseFuture<String>, Box::pin(writing)] {
            let side = actix::fut::wrap_future::<_, Self>(side);
            ctx.spawn(side.map(|why, connection, ctx| connection.ended(&why, ctx)));
        }
        if let Some(alive) = &self.alive {
            alive.send_replace(true);
        }
    }
}

receives!(Connection: Call, Tell, StartCommand, Interrupt);

impl Child for Connection {
    /// Sends what is queued and a close frame; the writer's end ends the actor.
    fn stop(&mut self, ctx: &mut Context<Self>) {
        self.outbox = None;
        ctx.run_later(GOODBYE, |_, ctx| ctx.stop());
    }
}

impl Handler<Call> for Connection {
    type Result = ();

    fn handle(&mut self, Call { op, reply }: Call, ctx: &mut Context<Self>) {
        self.request(op, Waiter::Caller(reply), ctx);
    }
}

impl Handler<Tell> for Connection {
    type Result = ();

    fn handle(&mut self, Tell { op }: Tell, ctx: &mut Context<Self>) {
        self.request(op, Waiter::Nobody, ctx);
    }
}

impl Handler<StartCommand> for Connection {
    type Result = ();

    fn handle(&mut self, start: StartCommand, ctx: &mut Context<Self>) {
        let StartCommand { command_id, builder, name, args, events } = start;
        self.commands.insert(command_id.clone(), events);
        let op = MasterRequest::StartCommand {
            command_id: command_id.clone(),
            builder_name: builder,
            command_name: name,
            args,
        };
        self.request(op, Waiter::Start(command_id), ctx);
    }
}

impl Handler<Interrupt> for Connection {
    type Result = ();

    fn handle(&mut self, interrupt: Interrupt, ctx: &mut Context<Self>) {
        let Interrupt { command_id, builder, why } = interrupt;
        if !self.commands.contains_key(&command_id) {
            return;
        }
        let op = MasterRequest::InterruptCommand { command_id, builder_name: builder, why };
        self.request(op, Waiter::Nobody, ctx);
    }
}

impl Handler<Incoming> for Connection {
    type Result = ResponseFuture<Result<(), String>>;

    fn handle(&mut self, Incoming(message): Incoming, _: &mut Context<Self>) -> Self::Result {
        match message {
            Received::Response { seq, result } => self.answered(seq, result),
            Received::Request { seq, op: Ok(op) } => self.requested(seq, op),
            Received::Request { seq, op: Err(text) } => self.answer(seq, Err(text)),
        }
    }
}

/// Takes frames one by one until the connection ends; answers why.
async fn read(
    mut frames: SplitStream<Socket>,
    connection: Addr<Connection>,
    held_up: Arc<AtomicBool>,
    silence: Duration,
) -> String {
    let limits = Limits { size: MESSAGE_SIZE, ..Limits::default() };
    loop {
        let bytes = match timeout(silence, frames.next()).await {
            Err(_) => return format!("nothing heard for {silence:?}"),
            Ok(None | Some(Ok(Frame::Close(_)))) => return "closed by the worker".to_owned(),
            Ok(Some(Err(error))) => return error.to_string(),
            Ok(Some(Ok(Frame::Binary(bytes)))) => bytes,
            Ok(Some(Ok(Frame::Text(_)))) => {
                return "it sent text instead of MessagePack".to_owned();
            }
            Ok(Some(Ok(_))) => continue,
        };
        let message = match msgpack::decode_with(&bytes, &limits) {
            Ok(message) => message,
            Err(error) => return error.to_string(),
        };
        drop(bytes);
        held_up.store(true, Ordering::Relaxed);
        let delivered = connection.send(Incoming(message)).await;
        held_up.store(false, Ordering::Relaxed);
        if let Ok(Err(violation)) = delivered {
            return violation;
        }
    }
}

/// Sends what is queued, and a ping when it is time; answers why it ended.
async fn write(
    mut sink: SplitSink<Socket, Frame>,
    mut queue: mpsc::Receiver<Frame>,
    keepalive: Duration,
) -> String {
    let mut pings = interval_at(Instant::now() + keepalive, keepalive);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let frame = tokio::select! {
            frame = queue.recv() => frame,
            _ = pings.tick() => Some(Frame::Ping(Default::default())),
        };
        let Some(frame) = frame else {
            let _ = timeout(GOODBYE, sink.close()).await;
            return "closed by the master".to_owned();
        };
        match timeout(keepalive * 2, sink.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "it does not read what it is sent".to_owned(),
        }
    }
}
