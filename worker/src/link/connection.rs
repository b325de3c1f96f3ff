//! One connection: carries packets between socket and session, and does what the master orders.
//!
//! One loop owns everything and never waits for a single thing: what takes time (commands, looking at
//! the file system) runs in tasks of its own, so that a sign of life is answered at once, however busy
//! the worker is.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::FusedFuture;
use protocol::msgpack::WorkerSettings;
use protocol::order::{Order, Reply};
use protocol::report::{Report, WorkerRequest};
use protocol::session::{WorkerEvent, WorkerSession};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::leaving::Leaving;
use super::login::Login;
use super::outbox::{Link, Outgoing};
use super::pulse::{Beat, Pulse};
use super::running::{Over, Running};
use super::wire::{Packet, Reader, Writer};
use super::writer::{CLOSE_TIMEOUT, write};
use crate::commands::Surroundings;
use crate::commands::environment::Environment;
use crate::config::Config;

/// Packets that may wait for the socket before no more is taken from the master.
const MAX_PENDING: usize = 64;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The worker is to end.
    Shutdown,
    /// `served`: the master had accepted the worker.
    Lost { cause: String, served: bool },
}

/// State of one connection.
pub(super) struct Connection<'a> {
    pub(super) config: &'a Config,
    pub(super) surroundings: Surroundings,
    pub(super) link: Link,
    pub(super) running: Running,
    /// Answers to orders that take their time.
    pub(super) replies: JoinSet<(u64, Result<Reply, String>)>,
    /// The master has greeted this worker.
    pub(super) served: bool,
    pub(super) logged_in: bool,
    pub(super) session: Box<dyn WorkerSession>,
    pub(super) requests: mpsc::Receiver<Outgoing>,
    pending: VecDeque<Packet>,
    pub(super) leaving: Leaving,
}

/// What an order is answered with.
pub(super) enum Answered {
    Now(Result<Reply, String>),
    /// A task of [`Connection::replies`] will.
    Later,
}

impl<'a> Connection<'a> {
    pub(super) fn new(
        config: &'a Config,
        environment: Arc<Environment>,
        session: Box<dyn WorkerSession>,
    ) -> Connection<'a> {
        let surroundings = Surroundings {
            basedir: config.basedir.to_string_lossy().into_owned(),
            environment,
            settings: WorkerSettings::default(),
        };
        let (outgoing, requests) = mpsc::channel(1);
        Connection {
            config,
            surroundings,
            link: Link::new(outgoing),
            running: Running::default(),
            replies: JoinSet::new(),
            served: false,
            logged_in: false,
            session,
            requests,
            pending: VecDeque::new(),
            leaving: Leaving::No,
        }
    }

    /// Serves until the connection ends; every command has ended when this returns. `shutdown` ends it
    /// at once, `leave` when the builds under way are over. Both may be asked again after they were
    /// ready.
    pub(super) async fn run(
        mut self,
        (mut reader, writer): (Reader, Writer),
        shutdown: &mut (impl FusedFuture<Output = ()> + Unpin),
        leave: &mut (impl FusedFuture<Output = ()> + Unpin),
    ) -> End {
        let (packets, to_write) = mpsc::channel(1);
        let mut writer = tokio::spawn(write(writer, to_write));
        let end = tokio::select! {
            () = shutdown => End::Shutdown,
            end = self.serve(&mut reader, &packets, &mut writer, leave) => end,
        };
        self.link.close();
        self.running.kill_all().await;
        if writer.is_finished() {
            return end;
        }
        let farewell = async {
            for packet in self.pending.drain(..) {
                let _ = packets.send(packet).await;
            }
            drop(packets);
            let _ = (&mut writer).await;
        };
        if timeout(CLOSE_TIMEOUT, farewell).await.is_err() {
            writer.abort();
        }
        end
    }

    async fn serve(
        &mut self,
        reader: &mut Reader,
        packets: &mpsc::Sender<Packet>,
        writer: &mut tokio::task::JoinHandle<String>,
        leave: &mut (impl FusedFuture<Output = ()> + Unpin),
    ) -> End {
        let mut pulse = Pulse::new(self.config, Instant::now());
        let mut login = Login::new(reader.has_pings());
        loop {
            if let Err(cause) = self.take_events() {
                return self.lost(cause);
            }
            if self.is_over() {
                return End::Shutdown;
            }
            tokio::select! {
                () = &mut *leave, if !leave.is_terminated() => self.leave(),
                heard = reader.read(), if self.pending.len() < MAX_PENDING => {
                    pulse.heard(Instant::now());
                    login.greeted = true;
                    match heard {
                        Ok(Some(bytes)) => self.session.receive(&bytes),
                        Ok(None) => {}
                        Err(cause) => return self.lost(cause),
                    }
                }
                place = packets.reserve(), if !self.pending.is_empty() => {
                    if let (Ok(place), Some(packet)) = (place, self.pending.pop_front()) {
                        place.send(packet);
                    }
                }
                Some(request) = self.requests.recv(), if self.pending.is_empty() => {
                    self.report(request.ticket, Report::Command(request.request));
                }
                over = self.running.next_over() => self.over(over),
                Some(Ok((id, reply))) = self.replies.join_next() => self.answer(id, reply),
                () = sleep_until(login.deadline()), if !self.logged_in => {
                    return self.lost(login.complaint());
                }
                () = pulse.due(), if self.logged_in => match pulse.beat(Instant::now()) {
                    Beat::Ask => self.sign_of_life(reader.has_pings()),
                    Beat::Dead(silence) => {
                        return self.lost(format!("the master gave no sign of life for {} s when asked", silence.as_secs()));
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

    /// Everything that what arrived so far holds, as long as its answers find room.
    fn take_events(&mut self) -> Result<(), String> {
        while self.pending.len() < MAX_PENDING && !matches!(self.leaving, Leaving::Now) {
            match self.session.next().map_err(|violation| violation.to_string())? {
                Some(event) => self.event(event)?,
                None => break,
            }
        }
        Ok(())
    }

    fn event(&mut self, event: WorkerEvent) -> Result<(), String> {
        match event {
            WorkerEvent::Send(bytes) => self.send(bytes),
            WorkerEvent::LoggedIn => {
                self.logged_in = true;
                self.greet();
            }
            WorkerEvent::Rejected { why } => return Err(why.to_string()),
            WorkerEvent::Answered { ticket, result } => {
                if let (Leaving::Asked(asked), Err(why)) = (&self.leaving, &result)
                    && *asked == ticket
                {
                    self.leave_when_idle(&why.clone());
                }
                if !self.link.answered(ticket, result) {
                    tracing::warn!("an answer of the master to nothing that was asked is ignored");
                }
            }
            WorkerEvent::Ordered { id, order } => {
                if matches!(order, Order::Shutdown) {
                    self.leaving = Leaving::Now;
                }
                if let Answered::Now(reply) = self.order(id, order) {
                    self.answer(id, reply);
                }
            }
        }
        Ok(())
    }

    /// Once, when both sides have said yes.
    pub(super) fn greet(&self) {
        if self.logged_in && self.served {
            tracing::info!("Connected to buildmaster; worker is ready");
        }
    }

    fn answer(&mut self, id: u64, reply: Result<Reply, String>) {
        if let Err(text) = &reply {
            tracing::warn!("an order of the master failed: {text}");
        }
        let packet = self.session.answer(id, reply);
        self.send(packet);
    }

    fn report(&mut self, ticket: u64, report: Report) {
        match self.session.report(ticket, report) {
            Ok(packet) => self.send(packet),
            Err(text) => drop(self.link.answered(ticket, Err(text))),
        }
    }

    pub(super) fn send(&mut self, packet: Vec<u8>) {
        if !packet.is_empty() {
            self.pending.push_back(Packet::Bytes(packet));
        }
    }

    fn sign_of_life(&mut self, has_pings: bool) {
        match has_pings {
            true => self.pending.push_back(Packet::Ping),
            false => {
                let ticket = self.link.ticket("keepalive");
                self.report(ticket, Report::Keepalive);
            }
        }
    }

    /// A command that did not report its end itself is reported as failed.
    fn over(&mut self, Over { command_id, well }: Over) {
        if !well {
            let failure =
                Some("the worker failed while it ran this command; see its log".to_owned());
            let ticket = self.link.ticket("complete");
            self.report(ticket, Report::Command(WorkerRequest::Complete { command_id, failure }));
        }
    }
}
