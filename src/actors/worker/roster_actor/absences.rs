//! Workers that stay away: after their `missing_timeout` people are told, once for each outage.
//!
//! What is known of an outage is in the database, and a fact is written by the transaction that
//! notes that it was told; so it does not matter when the master or this actor ends.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context};
use tokio::time::Instant;

use super::RosterActor;
use crate::db::facts::{self, FactKind};
use crate::db::{Conn, DbError, absences};
use crate::events::Event;
use crate::flow::absence::{self, Life};
use crate::model::{Attendance, MasterId, Timestamp, Worker, WorkerId, now};

/// How often it is noted how long the master has been running and who is here.
const NOTE: Duration = Duration::from_secs(60);

/// The present life of the master, and what is being looked at.
#[derive(Default)]
pub(super) struct Absences {
    clock: Option<Clock>,
    looking: bool,
    /// The master is going: whose connection ends now is not away.
    leaving: bool,
}

struct Clock {
    first: Life,
    begun: Instant,
    noted: Instant,
}

impl Absences {
    /// Begins a life after those that have lasted for `uptime`, unless one has begun.
    pub(super) fn begin(&mut self, uptime: i64) {
        let now = Instant::now();
        let clock = || Clock { first: Life::after(uptime), begun: now, noted: now };
        self.clock.get_or_insert_with(clock);
    }

    pub(super) fn leave(&mut self) {
        self.leaving = true;
    }

    /// `None` before the first configuration.
    pub(super) fn life(&self) -> Option<Life> {
        let clock = self.clock.as_ref()?;
        let age = i64::try_from(clock.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        Some(Life { uptime: clock.first.began.saturating_add(age), ..clock.first })
    }

    /// The uptime at which an absence begins now; `None` when that is none.
    pub(super) fn uptime_of_loss(&self) -> Option<i64> {
        self.life().filter(|_| !self.leaving).map(|life| life.uptime)
    }

    /// Is it time to note the uptime? Then it counts as noted.
    fn note(&mut self) -> bool {
        let due = self.clock.as_mut().filter(|clock| clock.noted.elapsed() >= NOTE);
        due.map(|clock| clock.noted = Instant::now()).is_some()
    }
}

impl RosterActor {
    /// Tells who became missing.
    pub(super) fn look_for_missing(&mut self, ctx: &mut Context<Self>) {
        let Some(life) = self.absences.life().filter(|_| !self.absences.looking) else { return };
        let limits = self.limits();
        let note = self.absences.note();
        if limits.is_empty() && !note {
            return;
        }
        self.absences.looking = true;
        let (db, master) = (self.setup.db.clone(), self.setup.master);
        let work = async move {
            let (wanted, limits) = (limits.clone(), limits);
            let due = db.read(move |conn| due(conn, master, &wanted, life)).await?;
            if due.is_empty() && !note {
                return Ok(Vec::new());
            }
            db.write(move |conn| tell(conn, master, &limits, life, now())).await
        };
        ctx.spawn(wrap_future::<_, Self>(work).map(|told: Result<_, DbError>, roster, _| {
            roster.absences.looking = false;
            match told {
                Ok(told) => roster.announce_missing(&told),
                Err(error) => tracing::error!(%error, "cannot see which workers are missing"),
            }
        }));
    }

    /// The workers that are not connected, and how long each may be away.
    fn limits(&self) -> HashMap<WorkerId, Duration> {
        let configured = self.wanted.config.workers.iter();
        let limits = configured.filter_map(|worker| {
            let entry = self.board.workers.get(&worker.name)?;
            let away = entry.link.is_none() && !worker.missing_timeout.is_zero();
            away.then_some((entry.id, worker.missing_timeout))
        });
        limits.collect()
    }

    fn announce_missing(&self, told: &[WorkerId]) {
        for worker in told.iter().copied() {
            let name = self.name_of(worker).unwrap_or_default();
            tracing::warn!(worker = name, "the worker is missing");
            self.setup.announcer.announce(Event::WorkerMissing { worker });
        }
    }
}

/// Those of whom people must be told now.
fn due(
    conn: &mut Conn,
    master: MasterId,
    limits: &HashMap<WorkerId, Duration>,
    life: Life,
) -> Result<Vec<Attendance>, DbError> {
    let known = absences::load(conn, master)?.into_values();
    let is_due = |known: &Attendance| {
        limits.get(&known.worker).is_some_and(|limit| absence::is_due(known, *limit, life))
    };
    let mut due: Vec<Attendance> = known.filter(is_due).collect();
    due.sort_by_key(|known| known.worker);
    Ok(due)
}

/// Writes the facts and that they were written; notes the uptime besides. Who has come back
/// meanwhile is not due any more.
fn tell(
    conn: &mut Conn,
    master: MasterId,
    limits: &HashMap<WorkerId, Duration>,
    life: Life,
    now: Timestamp,
) -> Result<Vec<WorkerId>, DbError> {
    let told: Vec<Attendance> =
        due(conn, master, limits, life)?.into_iter().map(absence::told).collect();
    let workers: Vec<WorkerId> = told.iter().map(|known| known.worker).collect();
    absences::save(conn, master, &told)?;
    facts::add(conn, workers.iter().copied().map(FactKind::WorkerMissing), now)?;
    absences::seen(conn, master, now)?;
    absences::set_uptime(conn, master, life.uptime)?;
    Ok(workers)
}

/// The configured workers are `stored`: misses those that are not `connected`, unless it does so
/// already, and forgets all others. Answers the uptime that was noted last.
pub(super) fn expect(
    conn: &mut Conn,
    master: MasterId,
    stored: &[&Worker],
    connected: &HashSet<String>,
    life: Option<Life>,
) -> Result<i64, DbError> {
    let noted = absences::uptime(conn, master)?;
    let uptime = life.map_or(noted, |life| life.uptime);
    let mut known = absences::load(conn, master)?;
    let mut missed = Vec::new();
    for worker in stored {
        let before = known.remove(&worker.id).unwrap_or(Attendance::unknown(worker.id));
        if before.absence.is_none() && !connected.contains(&worker.name) {
            missed.push(absence::missed(before, now(), uptime));
        }
    }
    let gone: Vec<WorkerId> = known.into_keys().collect();
    absences::forget(conn, master, &gone)?;
    absences::save(conn, master, &missed)?;
    Ok(noted)
}

/// A worker is here: its absence ends, and whoever knows of it is told.
pub(super) fn came(conn: &mut Conn, master: MasterId, worker: WorkerId) -> Result<(), DbError> {
    let known = absences::get(conn, master, worker)?;
    let (known, returned) = absence::connected(known, now());
    absences::save(conn, master, &[known])?;
    facts::add(conn, returned.then_some(FactKind::WorkerReturned(worker)), now())
}

/// A worker is lost: its absence begins.
pub(super) fn lost(
    conn: &mut Conn,
    master: MasterId,
    worker: WorkerId,
    uptime: i64,
) -> Result<(), DbError> {
    let known = absences::get(conn, master, worker)?;
    absences::save(conn, master, &[absence::lost(known, now(), uptime)])?;
    absences::set_uptime(conn, master, uptime)
}

/// The master goes; whoever was here, was here until now.
pub(super) fn leave(conn: &mut Conn, master: MasterId, life: Option<Life>) -> Result<(), DbError> {
    absences::seen(conn, master, now())?;
    life.map_or(Ok(()), |life| absences::set_uptime(conn, master, life.uptime))
}
