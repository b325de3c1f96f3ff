//! The master's side of one worker connection, whatever it speaks.
//! In:   what the roster and the builds ask of the worker; the worker's reports and answers.
//! Out:  command events to whoever started the command, answers to whoever asked.
//! Owns: the socket, the session, the open orders, the running commands; nothing durable.
//! Dies: with the socket. Every waiter learns of it, the worker connects again by itself.
//!
//! The reader awaits each delivery before it takes the next piece, so slow storage becomes TCP
//! back-pressure; what the master asks goes out through the writer, whatever waits on the way in.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::fut::{LocalBoxActorFuture, wrap_future};
use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message,
    ResponseActFuture, ResponseFuture,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use protocol::order::{Order, Reply};
use protocol::report::{Answer, Report};
use protocol::session::{MasterEvent, MasterSession};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use super::delivery::{Delivery, deliver};
use super::link::CommandEvent;
use super::transport::{Incoming, Outgoing, Socket};
use crate::actors::mail::Child;
use crate::receives;

/// Packets on their way out. A worker that reads nothing while so many wait is cut off.
const OUTBOX: usize = 256;

/// How long the goodbye of an orderly stop may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A worker that has not answered an order for so long is of no use, even if it says other things.
const UNANSWERED: Duration = Duration::from_secs(300);

/// An answer to whoever asked.
type Asker = oneshot::Sender<Result<Reply, String>>;

/// Asks the worker and passes the answer on.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Call {
    pub order: Order,
    pub asker: Asker,
}

/// Asks the worker; nobody waits for the answer.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Tell(pub Order);

/// Starts a command, an [`Order::StartCommand`] of that id.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct StartCommand {
    pub command_id: String,
    pub order: Order,
    pub events: mpsc::Sender<CommandEvent>,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Interrupt {
    pub command_id: String,
    pub builder: Option<String>,
    pub why: String,
}

/// Gives the worker up: it is of no use though its connection stands.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Cut(pub &'static str);

/// What the worker sent, or `None`: go on with what is left of it. Answers, when that is delivered,
/// whether more is left; an error ends the connection.
#[derive(Message)]
#[rtype(result = "Result<bool, String>")]
struct Arrived(Option<Bytes>);

/// Who waits for an answer of the worker.
enum Waiter {
    Asker(Asker),
    /// A refused start ends the command.
    Start(String),
    Nobody,
}

/// What the roster hands to a connection at its start.
pub(super) struct Plug {
    pub worker: String,
    pub peer: String,
    pub socket: Socket,
    pub session: Box<dyn MasterSession>,
    pub keepalive: Duration,
    /// True from the start on, dropped with the connection.
    pub alive: watch::Sender<bool>,
    pub held_up: Arc<AtomicBool>,
    /// Told when the worker asks to be shut down gracefully.
    pub wants_to_leave: Box<dyn Fn() + Send>,
}

/// A connection has one life: another one, without a plug, ends at once.
pub(super) struct Connection {
    plug: Option<Plug>,
    live: Option<Live>,
}

/// The state of a connection while it lasts.
struct Live {
    worker: String,
    peer: String,
    session: Box<dyn MasterSession>,
    outbox: mpsc::Sender<Vec<u8>>,
    next_ticket: u64,
    waiters: HashMap<u64, (Waiter, Instant)>,
    commands: HashMap<String, mpsc::Sender<CommandEvent>>,
    heard: Instant,
    held_up: Arc<AtomicBool>,
    wants_to_leave: Box<dyn Fn() + Send>,
    _alive: watch::Sender<bool>,
}

impl Connection {
    pub(super) fn new(plug: Option<Plug>) -> Connection {
        Connection { plug, live: None }
    }

    /// Tells the worker an order; one that cannot be told is answered here.
    fn order(&mut self, order: Order, waiter: Waiter, ctx: &mut Context<Self>) {
        let Some(live) = &mut self.live else { return };
        let ticket = live.next_ticket;
        live.next_ticket += 1;
        match live.session.order(ticket, order) {
            Ok(packet) => {
                live.waiters.insert(ticket, (waiter, Instant::now()));
                self.send(packet, ctx);
            }
            Err(text) => match waiter {
                Waiter::Start(command_id) => self.refused(&command_id, text, ctx),
                Waiter::Asker(asker) => drop(asker.send(Err(text))),
                Waiter::Nobody => tracing::warn!(worker = %live.worker, "{text}"),
            },
        }
    }

    fn send(&mut self, packet: Vec<u8>, ctx: &mut Context<Self>) {
        let Some(live) = self.live.as_ref().filter(|_| !packet.is_empty()) else { return };
        // A closed outbox means that the connection is ending already.
        if let Err(mpsc::error::TrySendError::Full(_)) = live.outbox.try_send(packet) {
            self.ended("it does not read what it is asked", ctx);
        }
    }

    fn ended(&mut self, why: &str, ctx: &mut Context<Self>) {
        if let Some(Live { worker, peer, .. }) = &self.live {
            tracing::info!(worker, peer, "worker connection ended: {why}");
        }
        ctx.stop();
    }

    /// A command that the worker did not begin.
    fn refused(&mut self, command_id: &str, text: String, ctx: &mut Context<Self>) {
        let command = self.live.as_mut().and_then(|live| live.commands.remove(command_id));
        let Some(events) = command else { return };
        ctx.spawn(wrap_future(async move {
            let _ = events.send(CommandEvent::Complete(Some(text))).await;
        }));
    }

    /// Passes on an answer of the worker.
    fn answered(&mut self, ticket: u64, result: Result<Reply, String>, ctx: &mut Context<Self>) {
        let waiter = self.live.as_mut().and_then(|live| live.waiters.remove(&ticket));
        match (waiter, result) {
            // The asker may have given up.
            (Some((Waiter::Asker(asker), _)), result) => drop(asker.send(result)),
            (Some((Waiter::Start(command_id), _)), Err(text)) => {
                self.refused(&command_id, text, ctx);
            }
            _ => {}
        }
    }

    /// What is to be done before a report can be answered.
    fn reported(&mut self, report: Report) -> Delivery {
        let Some(live) = &mut self.live else { return Delivery::Answer(Ok(Answer::Done)) };
        match report {
            Report::Keepalive => Delivery::Answer(Ok(Answer::Done)),
            Report::Shutdown => {
                (live.wants_to_leave)();
                Delivery::Answer(Ok(Answer::Done))
            }
            Report::Command(request) => Delivery::of(request, &mut live.commands),
        }
    }

    /// Goes through what has arrived up to the next report, which it delivers and answers.
    fn advance(
        &mut self,
        ctx: &mut Context<Self>,
    ) -> LocalBoxActorFuture<Self, Result<bool, String>> {
        let (id, report) = loop {
            let Some(live) = &mut self.live else { return ready(Ok(false)) };
            match live.session.next() {
                Err(violation) => return ready(Err(violation.to_string())),
                Ok(None) => return ready(Ok(false)),
                Ok(Some(MasterEvent::Send(packet))) => self.send(packet, ctx),
                Ok(Some(MasterEvent::Answered { ticket, result })) => {
                    self.answered(ticket, result, ctx);
                }
                Ok(Some(MasterEvent::Reported { id, report })) => break (id, report),
            }
        };
        let delivered = wrap_future::<_, Self>(deliver(self.reported(report)));
        Box::pin(delivered.then(move |result, connection, _| {
            let answer = connection
                .live
                .as_mut()
                .map(|live| (live.session.answer(id, result), live.outbox.clone()));
            wrap_future(async move {
                if let Some((packet, outbox)) = answer.filter(|(packet, _)| !packet.is_empty()) {
                    let _ = outbox.send(packet).await;
                }
                Ok(true)
            })
        }))
    }

    /// Asks a silent worker whether it lives, and gives up one that does not answer.
    fn check(&mut self, keepalive: Duration, ctx: &mut Context<Self>) {
        let Some(live) = &self.live else { return };
        if live.held_up.load(Ordering::Relaxed) {
            return; // its answers wait for ourselves
        }
        if live.waiters.values().any(|(_, since)| since.elapsed() > UNANSWERED) {
            return self.ended("it leaves a question unanswered", ctx);
        }
        if live.heard.elapsed() >= keepalive {
            self.order(Order::Keepalive, Waiter::Nobody, ctx);
        }
    }
}

fn ready<T: 'static>(value: T) -> LocalBoxActorFuture<Connection, T> {
    Box::pin(actix::fut::ready(value))
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let Some(plug) = self.plug.take() else { return ctx.stop() };
        let (outbox, queue) = mpsc::channel(OUTBOX);
        let keepalive = plug.keepalive;
        let reading =
            read(plug.socket.incoming, ctx.address(), plug.held_up.clone(), keepalive * 2);
        let writing = write(plug.socket.outgoing, queue, keepalive * 2);
        for side in [Box::pin(reading) as ResponseFuture<String>, Box::pin(writing)] {
            let side = wrap_future::<_, Self>(side);
            ctx.spawn(side.map(|why, connection, ctx| connection.ended(&why, ctx)));
        }
        ctx.run_interval(keepalive / 2, move |connection, ctx| connection.check(keepalive, ctx));
        plug.alive.send_replace(true);
        let mut live = Live {
            worker: plug.worker,
            peer: plug.peer,
            session: plug.session,
            outbox,
            next_ticket: 0,
            waiters: HashMap::new(),
            commands: HashMap::new(),
            heard: Instant::now(),
            held_up: plug.held_up,
            wants_to_leave: plug.wants_to_leave,
            _alive: plug.alive,
        };
        let welcome = live.session.admit();
        self.live = Some(live);
        self.send(welcome, ctx);
    }
}

receives!(Connection: Call, Tell, StartCommand, Interrupt, Cut);

impl Child for Connection {
    /// Sends what is queued and says goodbye; the writer's end ends the actor.
    fn stop(&mut self, ctx: &mut Context<Self>) {
        if let Some(live) = &mut self.live {
            live.outbox = mpsc::channel(1).0;
        }
        ctx.run_later(GOODBYE, |_, ctx| ctx.stop());
    }
}

impl Handler<Call> for Connection {
    type Result = ();

    fn handle(&mut self, Call { order, asker }: Call, ctx: &mut Context<Self>) {
        self.order(order, Waiter::Asker(asker), ctx);
    }
}

impl Handler<Tell> for Connection {
    type Result = ();

    fn handle(&mut self, Tell(order): Tell, ctx: &mut Context<Self>) {
        self.order(order, Waiter::Nobody, ctx);
    }
}

impl Handler<StartCommand> for Connection {
    type Result = ();

    fn handle(&mut self, start: StartCommand, ctx: &mut Context<Self>) {
        let StartCommand { command_id, order, events } = start;
        if let Some(live) = &mut self.live {
            live.commands.insert(command_id.clone(), events);
        }
        self.order(order, Waiter::Start(command_id), ctx);
    }
}

impl Handler<Interrupt> for Connection {
    type Result = ();

    fn handle(&mut self, interrupt: Interrupt, ctx: &mut Context<Self>) {
        let Interrupt { command_id, builder, why } = interrupt;
        let runs = |live: &Live| live.commands.contains_key(&command_id);
        if self.live.as_ref().is_some_and(runs) {
            let order = Order::InterruptCommand { command_id, builder, why };
            self.order(order, Waiter::Nobody, ctx);
        }
    }
}

impl Handler<Cut> for Connection {
    type Result = ();

    fn handle(&mut self, Cut(why): Cut, ctx: &mut Context<Self>) {
        self.ended(why, ctx);
    }
}

impl Handler<Arrived> for Connection {
    type Result = ResponseActFuture<Self, Result<bool, String>>;

    fn handle(&mut self, Arrived(bytes): Arrived, ctx: &mut Context<Self>) -> Self::Result {
        if let (Some(live), Some(bytes)) = (&mut self.live, bytes) {
            live.heard = Instant::now();
            live.session.receive(&bytes);
        }
        self.advance(ctx)
    }
}

/// Takes pieces one by one until the connection ends; answers why.
async fn read(
    mut incoming: Incoming,
    connection: Addr<Connection>,
    held_up: Arc<AtomicBool>,
    silence: Duration,
) -> String {
    loop {
        let mut piece = match timeout(silence, incoming.next()).await {
            Err(_) => return format!("nothing heard for {silence:?}"),
            Ok(None) => return "closed by the worker".to_owned(),
            Ok(Some(Err(error))) => return error,
            Ok(Some(Ok(bytes))) if bytes.is_empty() => continue,
            Ok(Some(Ok(bytes))) => Some(bytes),
        };
        held_up.store(true, Ordering::Relaxed);
        loop {
            match connection.send(Arrived(piece.take())).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => break,
                Ok(Err(violation)) => return violation,
                Err(_) => return "the master ended it".to_owned(),
            }
        }
        held_up.store(false, Ordering::Relaxed);
    }
}

/// Sends what is queued; answers why it ended.
async fn write(
    mut outgoing: Outgoing,
    mut queue: mpsc::Receiver<Vec<u8>>,
    patience: Duration,
) -> String {
    while let Some(packet) = queue.recv().await {
        match timeout(patience, outgoing.send(packet)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error,
            Err(_) => return "it does not read what it is sent".to_owned(),
        }
    }
    let _ = timeout(GOODBYE, outgoing.close()).await;
    "closed by the master".to_owned()
}
