//! The backstage of a running master: its handles.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::backstage::{
    Backstage, BotNote, Connection, Explain, Following, Refusal, SchedulerNote, SourceNote,
    Submitted, Wish, WorkerOrder,
};
use super::site::{Master, Site};
use crate::actors::control::ControlError;
use crate::actors::handles::Handles;
use crate::actors::scheduler::{self, ForceRequest};
use crate::actors::tree::ChildStatus;
use crate::actors::worker::RosterError;
use crate::flow::locks::LockStatus;
use crate::model::{BuildId, BuildRequestId, LogId, ProblemId, SchedulerId, WorkerId, WorkerInfo};
use crate::status::irc::{IrcBots, IrcHandle};
use crate::status::problem::commands::{self, Order, Wrong};

/// The site of a running master and its chat bots.
pub fn site(handles: Handles, bots: IrcBots) -> Site {
    let master =
        Master { name: handles.master.name.clone(), started_at: handles.master.started_at };
    let (db, announcer) = (handles.db.clone(), handles.announcer.clone());
    let config = handles.config.clone();
    Site::new(db, announcer, config, Arc::new(Stage(handles, bots)), master)
}

struct Stage(Handles, IrcBots);

fn bot_note(bot: &IrcHandle) -> BotNote {
    let status = bot.status();
    BotNote {
        name: bot.name().to_owned(),
        nick: status.nick,
        network: status.network,
        connected_since: status.connected_since,
        trouble: status.trouble,
        next_try: status.next_try,
        channels: bot.channels(),
    }
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Refusal {
        match error {
            ControlError::NotFound(what) => Refusal::NotFound(what),
            ControlError::Invalid(fields) => Refusal::Invalid(fields),
            other => Refusal::Failed(other.to_string()),
        }
    }
}

impl From<RosterError> for Refusal {
    fn from(error: RosterError) -> Refusal {
        match error {
            RosterError::NotFound(worker) => {
                Refusal::NotFound(format!("configured worker {worker}"))
            }
            other => Refusal::Failed(other.to_string()),
        }
    }
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Refusal {
        match wrong {
            Wrong::Unknown(problem) => Refusal::NotFound(format!("problem {problem}")),
            Wrong::Hours => Refusal::Invalid([("hours".to_owned(), wrong.to_string())].into()),
            other => Refusal::Failed(other.to_string()),
        }
    }
}

impl From<scheduler::Submitted> for Submitted {
    fn from(submitted: scheduler::Submitted) -> Submitted {
        Submitted { buildset: submitted.buildset, requests: submitted.requests }
    }
}

#[async_trait]
impl Backstage for Stage {
    async fn force(&self, scheduler: &str, wish: Wish) -> Result<Submitted, Refusal> {
        let Wish { builders, values, owner } = wish;
        let request = ForceRequest { builders, values, owner, ..ForceRequest::default() };
        Ok(self.0.control.force(scheduler, request).await?.into())
    }

    async fn stop_build(&self, build: BuildId, reason: &str) -> Result<(), Refusal> {
        Ok(self.0.control.stop_build(build, reason).await?)
    }

    async fn rebuild(&self, build: BuildId, owner: &str) -> Result<Submitted, Refusal> {
        Ok(self.0.control.rebuild(build, owner).await?.into())
    }

    async fn cancel_request(&self, request: BuildRequestId, reason: &str) -> Result<(), Refusal> {
        Ok(self.0.control.cancel_request(request, reason).await?)
    }

    async fn set_priority(&self, request: BuildRequestId, priority: i64) -> Result<(), Refusal> {
        Ok(self.0.control.set_priority(request, priority).await?)
    }

    async fn enable_scheduler(&self, scheduler: SchedulerId, enabled: bool) -> Result<(), Refusal> {
        Ok(self.0.control.set_scheduler_enabled(scheduler, enabled).await?)
    }

    async fn tell_worker(
        &self,
        worker: WorkerId,
        order: WorkerOrder,
        reason: &str,
    ) -> Result<(), Refusal> {
        let roster = &self.0.roster;
        match order {
            WorkerOrder::Pause => roster.pause(worker, reason).await?,
            WorkerOrder::Unpause => {
                roster.unpause(worker).await?;
                // As in stock, this ends its rest after broken builds, too.
                self.0.distributor.wake(worker);
            }
            WorkerOrder::Stop => roster.stop_gracefully(worker).await?,
            WorkerOrder::Kill => roster.kill(worker).await?,
        }
        Ok(())
    }

    async fn problem(&self, problem: ProblemId, by: &str, order: Order) -> Result<(), Refusal> {
        let (db, announcer) = (&self.0.db, &self.0.announcer);
        commands::carry_out(db, announcer, problem, by, order).await?;
        Ok(())
    }

    async fn follow(&self, log: LogId) -> Option<Following> {
        let following = self.0.log_intake.follow(log).await?;
        Some(Following { buffered: following.buffered, lines: following.lines })
    }

    fn connections(&self) -> HashMap<WorkerId, Connection> {
        let board = self.0.roster.board();
        let connection = board.workers.values().map(|entry| {
            let link = entry.link.as_ref().filter(|link| !link.is_lost());
            let connection = Connection {
                connected: link.is_some(),
                peer: entry.peer.clone(),
                protocol: link.map(|link| link.protocol().key()),
                last_seen: entry.last_seen,
                rests_until: self.0.distributor.rests_until(entry.id),
                lacks: entry.info.as_ref().map(|info| info.lacks.clone()).unwrap_or_default(),
                facts: entry.info.as_deref().map(facts).unwrap_or_default(),
            };
            (entry.id, connection)
        });
        connection.collect()
    }

    fn explain(&self) -> Explain {
        let explainer = self.0.explainer();
        Explain::new(Arc::new(move |conn, requests| explainer.why(conn, requests)))
    }

    fn schedulers(&self) -> Vec<SchedulerNote> {
        let notes = self.0.schedulers.list().into_iter().map(|status| SchedulerNote {
            name: status.name,
            kind: status.kind.to_owned(),
            waiting_until: status.waiting_until,
            pending_changes: status.pending_changes,
            idle_because: status.idle_because,
        });
        notes.collect()
    }

    fn sources(&self) -> Vec<SourceNote> {
        let notes = self.0.sources.snapshot().into_iter().map(|status| SourceNote {
            name: status.name,
            kind: status.kind.to_owned(),
            told: !status.polls,
            last_poll: status.last_poll,
            last_error: status.last_error,
            next_poll: status.next_poll,
        });
        notes.collect()
    }

    fn locks(&self) -> Vec<LockStatus> {
        self.0.locks.snapshot()
    }

    fn tree(&self) -> Vec<ChildStatus> {
        self.0.tree.snapshot()
    }

    fn bots(&self) -> Vec<BotNote> {
        self.1.all().iter().map(bot_note).collect()
    }
}

/// What a worker told beyond its table's columns.
fn facts(info: &WorkerInfo) -> Vec<(&'static str, String)> {
    let os = info.others.get("os_pretty_name").and_then(serde_json::Value::as_str);
    let facts = [
        ("Operating system", os.map(str::to_owned)),
        ("System", Some(info.system.clone())),
        ("Processors", info.numcpus.map(|number| number.to_string())),
        ("Base directory", Some(info.basedir.clone())),
    ];
    facts.into_iter().filter_map(|(label, value)| Some((label, value?))).collect()
}
