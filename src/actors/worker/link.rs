//! What the rest of the master holds of a connected worker.
//!
//! A [`WorkerLink`] outlives its connection: once that is gone every operation says so, and
//! [`WorkerLink::lost`] resolves. Nothing here waits for an actor; what is asked of the worker is
//! left in the connection's mailbox and the answer comes back on a channel of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use protocol::command::Command;
use protocol::info::WorkerInfo;
use protocol::order::{Order, Reply};
use protocol::report::Answer;
use protocol::update::Update;
use tokio::sync::{mpsc, oneshot, watch};

use super::connection::{Call, Connection, Cut, Interrupt, StartCommand, Tell};
use crate::actors::mail::Mailbox;
use crate::config::checked::WorkerProtocol;

/// How long a worker may take to answer, as stock's check of a worker before a build.
pub const ANSWER: Duration = Duration::from_secs(10);

/// Updates that wait for a command's reader; a further one holds up the socket.
const EVENTS: usize = 16;

/// Numbers the commands of this process, on all connections.
static NEXT_COMMAND: AtomicU64 = AtomicU64::new(1);

/// Why a worker could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("lost connection")]
    Lost,
    #[error("the worker did not answer within {} s", .0.as_secs())]
    Late(Duration),
    /// The worker's own words.
    #[error("the worker refused: {0}")]
    Refused(String),
}

/// Something that happened to a running command.
#[derive(Debug)]
pub enum CommandEvent {
    Update(Update),
    /// A part of a transfer; the worker waits for the answer.
    Transfer {
        part: TransferPart,
        answer: oneshot::Sender<Answer>,
    },
    /// The command is over; a text tells of a failure to run it, other than an exit status.
    Complete(Option<String>),
    /// The connection is gone and the command with it.
    Lost,
}

/// Parts of transfers are compared without the channels of their answers.
impl PartialEq for CommandEvent {
    fn eq(&self, other: &CommandEvent) -> bool {
        use CommandEvent::{Complete, Lost, Transfer, Update};
        match (self, other) {
            (Update(one), Update(other)) => one == other,
            (Transfer { part: one, .. }, Transfer { part: other, .. }) => one == other,
            (Complete(one), Complete(other)) => one == other,
            (Lost, Lost) => true,
            _ => false,
        }
    }
}

/// What a worker does with the other end of a transfer.
#[derive(Debug, Clone, PartialEq)]
pub enum TransferPart {
    Write(Vec<u8>),
    Read {
        length: u64,
    },
    /// Unix seconds: access, modification.
    Utime(f64, f64),
    Close,
}

/// One connection as its users see it, attached or not.
#[derive(Clone)]
pub(super) struct Wire {
    mailbox: Mailbox<Connection>,
    /// True when the connection runs, closed when it is gone.
    alive: watch::Receiver<bool>,
    /// The reader waits for somebody to take an update, so answers behind it wait as well.
    held_up: Arc<AtomicBool>,
    protocol: WorkerProtocol,
}

impl Wire {
    pub(super) fn new(
        mailbox: Mailbox<Connection>,
        alive: watch::Receiver<bool>,
        held_up: Arc<AtomicBool>,
        protocol: WorkerProtocol,
    ) -> Wire {
        Wire { mailbox, alive, held_up, protocol }
    }

    pub(super) fn protocol(&self) -> WorkerProtocol {
        self.protocol
    }

    pub(super) fn is_lost(&self) -> bool {
        self.alive.has_changed().is_err()
    }

    pub(super) async fn lost(&self) {
        let mut alive = self.alive.clone();
        while alive.changed().await.is_ok() {}
    }

    /// Resolves when the connection takes requests; at once when it is gone.
    pub(super) async fn running(&self) {
        let _ = self.alive.clone().wait_for(|alive| *alive).await;
    }

    /// Asks and waits. Time during which the master itself holds up the socket does not count.
    pub(super) async fn call(&self, order: Order, deadline: Duration) -> Result<Reply, LinkError> {
        let (asker, mut answer) = oneshot::channel();
        self.mailbox.post(Call { order, asker });
        loop {
            match tokio::time::timeout(deadline, &mut answer).await {
                Ok(Ok(result)) => return result.map_err(LinkError::Refused),
                Ok(Err(_)) => return Err(LinkError::Lost),
                Err(_) if self.held_up.load(Ordering::Relaxed) => {}
                Err(_) => return Err(LinkError::Late(deadline)),
            }
        }
    }

    pub(super) async fn print(&self, text: &str, deadline: Duration) -> Result<(), LinkError> {
        self.call(Order::Print { message: text.to_owned() }, deadline).await.map(drop)
    }

    /// Asks without waiting for the answer.
    pub(super) fn tell(&self, order: Order) {
        self.mailbox.post(Tell(order));
    }

    /// Starts a command in the absolute directory `base`; `builder` is absent for what a master does
    /// while attaching.
    pub(super) fn start(
        &self,
        builder: Option<&str>,
        base: String,
        command: Command,
    ) -> Result<Running, LinkError> {
        if self.is_lost() {
            return Err(LinkError::Lost);
        }
        let command_id = NEXT_COMMAND.fetch_add(1, Ordering::Relaxed).to_string();
        let (events, inbox) = mpsc::channel(EVENTS);
        let builder = builder.map(str::to_owned);
        let order = Order::StartCommand {
            command_id: command_id.clone(),
            builder: builder.clone(),
            base,
            command,
        };
        self.mailbox.post(StartCommand { command_id: command_id.clone(), order, events });
        Ok(Running { mailbox: self.mailbox.clone(), command_id, builder, inbox, over: false })
    }
}

/// A worker that is connected and attached. Clones share the connection.
#[derive(Clone)]
pub struct WorkerLink {
    wire: Wire,
    info: Arc<WorkerInfo>,
}

impl WorkerLink {
    pub(super) fn new(wire: Wire, info: Arc<WorkerInfo>) -> WorkerLink {
        WorkerLink { wire, info }
    }

    /// Starts a command of `builder` in its directory `workerbuilddir` below the worker's base
    /// directory. A refusal by the worker arrives as [`CommandEvent::Complete`] with its text.
    ///
    /// # Errors
    /// [`LinkError::Lost`] when the connection is gone already.
    pub async fn start(
        &self,
        workerbuilddir: &str,
        builder: &str,
        command: Command,
    ) -> Result<Running, LinkError> {
        self.wire.start(Some(builder), self.info.path(workerbuilddir), command)
    }

    /// Checks that the worker answers, within [`ANSWER`], and tells it that a build of `builder`
    /// begins. One that fails is given up, as in stock: it has to connect again.
    pub async fn begin_build(&self, builder: &str) -> Result<(), LinkError> {
        let begun = self.try_begin(builder).await;
        if begun.is_err() {
            self.wire.mailbox.post(Cut("it was not ready for a build"));
        }
        begun
    }

    async fn try_begin(&self, builder: &str) -> Result<(), LinkError> {
        self.wire.print("ping", ANSWER).await?;
        match self.wire.protocol {
            WorkerProtocol::MessagePack => Ok(()),
            WorkerProtocol::PerspectiveBroker => {
                let order = Order::StartBuild { builder: builder.to_owned() };
                self.wire.call(order, ANSWER).await.map(drop)
            }
        }
    }

    /// Writes a line into the worker's log.
    pub fn print(&self, text: &str) {
        self.wire.tell(Order::Print { message: text.to_owned() });
    }

    /// Resolves when the connection is gone.
    pub async fn lost(&self) {
        self.wire.lost().await;
    }

    pub fn is_lost(&self) -> bool {
        self.wire.is_lost()
    }

    /// Asks the worker process to end, and returns when it has answered, is gone, or is late.
    pub async fn shutdown(&self) {
        if let Err(error) = self.wire.call(Order::Shutdown, ANSWER).await {
            tracing::debug!(%error, "shutting a worker down");
        }
    }

    /// What is spoken on the connection.
    pub fn protocol(&self) -> WorkerProtocol {
        self.wire.protocol()
    }

    /// What the worker told about itself when it attached.
    pub fn info(&self) -> &Arc<WorkerInfo> {
        &self.info
    }
}

/// A command that runs on a worker. Dropping it before its end interrupts the command.
pub struct Running {
    mailbox: Mailbox<Connection>,
    command_id: String,
    builder: Option<String>,
    inbox: mpsc::Receiver<CommandEvent>,
    over: bool,
}

impl Running {
    /// Waits for what happens next. Not calling this holds up the worker's connection, which is
    /// how slow storage slows a worker down. After the end it answers [`CommandEvent::Lost`].
    pub async fn next(&mut self) -> CommandEvent {
        let event = self.inbox.recv().await.unwrap_or(CommandEvent::Lost);
        self.over |= matches!(event, CommandEvent::Complete(_) | CommandEvent::Lost);
        event
    }

    /// Asks the worker to kill the command, whatever waits in the other direction. The command
    /// still ends through [`Running::next`]. Harmless when it is over.
    pub fn interrupt(&self, why: &str) {
        self.mailbox.post(Interrupt {
            command_id: self.command_id.clone(),
            builder: self.builder.clone(),
            why: why.to_owned(),
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.over {
            self.interrupt("nobody waits for this command any more");
        }
    }
}
