//! The actor behind [`LogIntake`](super::LogIntake): see that file for its head card.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseActFuture,
};
use tokio::sync::oneshot;

use super::open_log::OpenLog;
use super::queue::Queue;
use super::store::{Job, LogStore, What};
use super::{Following, LogError};
use crate::actors::announcer::Announcer;
use crate::actors::mail::Child;
use crate::config::checked::LogSettings;
use crate::db::DbError;
use crate::events::Event;
use crate::model::{Log, LogId, LogLines};
use crate::receives;
use crate::steps::Stream;

/// How often quiet logs are looked at.
const TICK: Duration = Duration::from_millis(500);

/// Before a refused batch is tried again, log by log.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Configure(pub LogSettings);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Open(pub Log);

#[derive(Message)]
#[rtype(result = "Result<(), LogError>")]
pub(super) struct Append {
    pub log: LogId,
    pub stream: Stream,
    pub text: Arc<str>,
}

#[derive(Message)]
#[rtype(result = "Result<i64, LogError>")]
pub(super) struct Finish(pub LogId);

#[derive(Message)]
#[rtype(result = "Option<Following>")]
pub(super) struct Follow(pub LogId);

pub(super) struct LogIntakeActor {
    store: Arc<dyn LogStore>,
    announcer: Announcer,
    settings: LogSettings,
    logs: HashMap<LogId, OpenLog>,
    queue: Queue,
    /// A batch is on its way.
    storing: bool,
    /// Present when the actor is to end once everything is stored.
    stopping: bool,
}

/// What became of the jobs of one log in a batch.
type Outcome = (LogId, Result<(), DbError>);

impl LogIntakeActor {
    pub(super) fn new(
        store: Arc<dyn LogStore>,
        announcer: Announcer,
        settings: LogSettings,
    ) -> LogIntakeActor {
        LogIntakeActor {
            store,
            announcer,
            settings,
            logs: HashMap::new(),
            queue: Queue::default(),
            storing: false,
            stopping: false,
        }
    }

    fn open(&mut self, log: &Log) {
        let settings = &self.settings;
        self.logs.entry(log.id).or_insert_with(|| OpenLog::new(log, settings));
    }

    /// Runs `work` with the log open; one that is not known is looked up in the table.
    fn with_log<T: 'static>(
        &mut self,
        log: LogId,
        work: impl FnOnce(
            &mut LogIntakeActor,
            &mut Context<Self>,
        ) -> ResponseActFuture<Self, Result<T, LogError>>
        + 'static,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Result<T, LogError>> {
        if let Some(open) = self.logs.get(&log) {
            return match open.finished {
                true => Box::pin(actix::fut::ready(Err(LogError::Finished))),
                false => work(self, ctx),
            };
        }
        let store = self.store.clone();
        let load = wrap_future::<_, Self>(async move { store.load(log).await });
        Box::pin(load.then(move |loaded, intake, ctx| match loaded {
            Ok(row) if row.complete => Box::pin(actix::fut::ready(Err(LogError::Finished))),
            Ok(row) => {
                intake.open(&row);
                work(intake, ctx)
            }
            Err(error) => Box::pin(actix::fut::ready(Err(error.into()))),
        }))
    }

    fn append(
        &mut self,
        append: Append,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Result<(), LogError>> {
        let Append { log, stream, text } = append;
        let Some(open) = self.logs.get_mut(&log) else {
            return Box::pin(actix::fut::ready(Err(LogError::Finished)));
        };
        let failure = open.take_failure();
        let chunks = open.append(stream, &text);
        drop(text);
        self.enqueue(log, chunks, ctx);
        let room = self.queue.room();
        Box::pin(wrap_future(async move {
            room.await;
            failure.map_or(Ok(()), |failure| Err(LogError::NotStored(failure)))
        }))
    }

    fn finish(
        &mut self,
        log: LogId,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, Result<i64, LogError>> {
        let Some(open) = self.logs.get_mut(&log) else {
            return Box::pin(actix::fut::ready(Err(LogError::Finished)));
        };
        let chunks = open.finish();
        let (reply, answer) = oneshot::channel();
        open.finishing = Some(reply);
        let num_lines = open.num_lines();
        self.enqueue(log, chunks, ctx);
        self.queue.push(Job { log, what: What::Finish(num_lines) });
        self.store_next(ctx);
        // The reply is dropped only together with the intake, whose asker then learns that it is
        // down.
        Box::pin(wrap_future(async move { answer.await.unwrap_or(Err(LogError::Finished)) }))
    }

    fn enqueue(&mut self, log: LogId, chunks: Vec<Arc<LogLines>>, ctx: &mut Context<Self>) {
        for chunk in chunks {
            self.queue.push(Job { log, what: What::Final(chunk) });
        }
        self.store_next(ctx);
    }

    /// Sends the next batch to the store, one at a time.
    fn store_next(&mut self, ctx: &mut Context<Self>) {
        if self.storing {
            return;
        }
        let batch = Arc::new(self.queue.next_batch());
        if batch.is_empty() {
            if self.stopping {
                ctx.stop();
            }
            return;
        }
        self.storing = true;
        let (store, compression) = (self.store.clone(), self.settings.compression.clone());
        let work = store_batch(store, batch.clone(), compression);
        ctx.spawn(wrap_future::<_, Self>(work).map(move |outcomes, intake, ctx| {
            intake.storing = false;
            intake.queue.done(&batch);
            for (log, outcome) in outcomes {
                intake.settle(log, &batch, outcome, ctx);
            }
            intake.store_next(ctx);
        }));
    }

    /// The jobs of one log are stored or lost.
    fn settle(
        &mut self,
        log: LogId,
        batch: &[Job],
        outcome: Result<(), DbError>,
        ctx: &mut Context<Self>,
    ) {
        let mine: Vec<&Job> = batch.iter().filter(|job| job.log == log).collect();
        match outcome {
            Ok(()) => self.settle_stored(log, &mine),
            Err(error) => {
                tracing::error!(%log, %error, "output could not be stored");
                self.settle_lost(log, &mine, &error.to_string(), ctx);
            }
        }
        self.announce(log);
    }

    fn settle_stored(&mut self, log: LogId, jobs: &[&Job]) {
        for job in jobs {
            let Some(open) = self.logs.get_mut(&log) else { return };
            match &job.what {
                What::Final(chunk) => open.stored(chunk),
                What::Partial(_) => open.stored_partial(),
                What::Finish(num_lines) => self.ended(log, *num_lines),
            }
        }
    }

    /// All of a log is durable.
    fn ended(&mut self, log: LogId, num_lines: i64) {
        let Some(mut open) = self.logs.remove(&log) else { return };
        let (step, slug) = (open.step, open.slug.clone());
        self.announcer.announce(Event::LogFinished { log, step, slug, num_lines });
        let failure = open.take_failure();
        reply(&mut open, failure.map_or(Ok(num_lines), |text| Err(LogError::NotStored(text))));
    }

    fn settle_lost(&mut self, log: LogId, jobs: &[&Job], error: &str, ctx: &mut Context<Self>) {
        let Some(open) = self.logs.get_mut(&log) else { return };
        let chunks: Vec<&Arc<LogLines>> = jobs.iter().filter_map(|job| job.what.chunk()).collect();
        let ends = jobs.iter().any(|job| matches!(job.what, What::Finish(_)));
        if chunks.is_empty() {
            open.failed(error);
            open.unsaved();
            if ends {
                reply(open, Err(LogError::NotStored(error.to_owned())));
                self.logs.remove(&log);
            }
            return;
        }
        let notes = open.lost(&chunks, error);
        // Whatever waits behind the lost lines gets their numbers.
        let waiting = open.unstored().len() - notes.len();
        let (chunks, num_lines) = (open.unstored()[..waiting].to_vec(), open.num_lines());
        self.queue.renumber(log, &chunks, num_lines);
        self.enqueue(log, notes, ctx);
        if ends {
            // Without its last lines the log can still end.
            self.queue.push(Job { log, what: What::Finish(num_lines) });
        }
    }

    /// Tells of new lines, not too often.
    fn announce(&mut self, log: LogId) {
        let Some(open) = self.logs.get_mut(&log) else { return };
        if open.announce_now() {
            let (step, slug, num_lines) = (open.step, open.slug.clone(), open.num_lines());
            self.announcer.announce(Event::LogAppended { log, step, slug, num_lines });
        }
    }

    /// Saves what quiet logs hold, and tells what was not told yet.
    fn tick(&mut self, ctx: &mut Context<Self>) {
        for (log, open) in &mut self.logs {
            if self.queue.has_partial(*log) {
                continue;
            }
            if let Some(lines) = open.partial() {
                self.queue.push(Job { log: *log, what: What::Partial(lines) });
            }
        }
        let ids: Vec<LogId> = self.logs.keys().copied().collect();
        ids.into_iter().for_each(|log| self.announce(log));
        self.store_next(ctx);
    }
}

/// The asker may have given up.
fn reply(open: &mut OpenLog, answer: Result<i64, LogError>) {
    if let Some(asker) = open.finishing.take() {
        let _ = asker.send(answer);
    }
}

/// Stores a batch in one transaction; when that is refused, once more log by log, so that one log
/// that is gone does not take the others with it.
async fn store_batch(
    store: Arc<dyn LogStore>,
    batch: Arc<Vec<Job>>,
    compression: String,
) -> Vec<Outcome> {
    let mut logs: Vec<LogId> = batch.iter().map(|job| job.log).collect();
    logs.sort();
    logs.dedup();
    let Err(error) = store.store(batch.clone(), compression.clone()).await else {
        return logs.into_iter().map(|log| (log, Ok(()))).collect();
    };
    tracing::warn!(%error, "the database refused output; trying once more");
    tokio::time::sleep(RETRY_AFTER).await;
    let mut outcomes = Vec::new();
    for log in logs {
        let jobs: Vec<Job> = batch.iter().filter(|job| job.log == log).cloned().collect();
        outcomes.push((log, store.store(Arc::new(jobs), compression.clone()).await));
    }
    outcomes
}

impl Actor for LogIntakeActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(TICK, |intake, ctx| intake.tick(ctx));
    }
}

receives!(LogIntakeActor: Configure, Open, Append, Finish, Follow);

impl Child for LogIntakeActor {
    /// Stores what there is before it ends. Logs that are open stay incomplete.
    fn stop(&mut self, ctx: &mut Context<Self>) {
        self.stopping = true;
        for (log, open) in &mut self.logs {
            if let Some(lines) = open.rest() {
                self.queue.push(Job { log: *log, what: What::Final(lines) });
            }
        }
        self.store_next(ctx);
    }
}

impl Handler<Configure> for LogIntakeActor {
    type Result = ();

    fn handle(&mut self, Configure(settings): Configure, _: &mut Context<Self>) {
        self.settings = settings;
    }
}

impl Handler<Open> for LogIntakeActor {
    type Result = ();

    fn handle(&mut self, Open(log): Open, _: &mut Context<Self>) {
        self.open(&log);
    }
}

impl Handler<Append> for LogIntakeActor {
    type Result = ResponseActFuture<Self, Result<(), LogError>>;

    fn handle(&mut self, append: Append, ctx: &mut Context<Self>) -> Self::Result {
        self.with_log(append.log, move |intake, ctx| intake.append(append, ctx), ctx)
    }
}

impl Handler<Finish> for LogIntakeActor {
    type Result = ResponseActFuture<Self, Result<i64, LogError>>;

    fn handle(&mut self, Finish(log): Finish, ctx: &mut Context<Self>) -> Self::Result {
        self.with_log(log, move |intake, ctx| intake.finish(log, ctx), ctx)
    }
}

impl Handler<Follow> for LogIntakeActor {
    type Result = Option<Following>;

    fn handle(&mut self, Follow(log): Follow, _: &mut Context<Self>) -> Option<Following> {
        self.logs.get_mut(&log).filter(|open| !open.finished).map(OpenLog::follow)
    }
}
