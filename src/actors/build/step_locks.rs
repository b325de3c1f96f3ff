//! A step's own locks: waited for before it runs, by a build that can be stopped meanwhile.

use super::bench::{Bench, interrupted};
use super::run::{Job, exception, plain};
use crate::actors::locks::LockGuard;
use crate::db::{DbError, builds, steps};
use crate::events::Event;
use crate::flow::locks::Claimant;
use crate::model::{BuildId, LogType, Results, Step, StepId};
use crate::steps::{Outcome, StepError, StepPlan, Stream, Workbench};

/// How a wait ended without the locks.
enum Ended {
    /// Somebody stopped the build; carries the reason.
    Stopped(String),
    WorkerLost,
    /// Nobody would ever give them.
    Deadlock(String),
}

/// Waits for the locks of a step, which it holds as long as the guard lives. Otherwise the step
/// is over: CANCELLED when somebody stopped the build, RETRY when the worker is gone or the wait
/// would never end.
pub(super) async fn acquire(
    job: &Job,
    bench: &mut Bench,
    plan: &StepPlan,
    row: &Step,
) -> Result<Result<Option<LockGuard>, Outcome>, DbError> {
    if plan.options.locks.is_empty() {
        return Ok(Ok(None));
    }
    let clock = &job.surroundings.clock;
    let asked = clock.now();
    let worker = &job.assignment.worker.name;
    let locks = job.surroundings.locks.ask(who(job, row), &plan.options.locks, worker);
    let waits = !locks.is_granted();
    if waits {
        tell_build(job, row.build, "acquiring locks");
    }
    let ended = wait(job, bench, row, &locks).await;
    let granted = ended.is_none();
    if granted || waits {
        store(job, row, granted.then(|| plan.running_text()), clock.now() - asked).await?;
    }
    match ended {
        None => Ok(Ok(Some(locks))),
        Some(ended) => Ok(Err(outcome(bench, ended).await)),
    }
}

fn who(job: &Job, row: &Step) -> Claimant {
    let build = &job.assignment.build;
    Claimant {
        request: build.request,
        builder: build.builder,
        builder_name: job.config.name.clone(),
        build: Some((build.id, build.number)),
        step: Some(row.name.clone()),
    }
}

/// `None` when the locks are held.
async fn wait(job: &Job, bench: &Bench, row: &Step, locks: &LockGuard) -> Option<Ended> {
    let (id, build) = (row.id, row.build);
    let tell = |why: &str| tell_step(job, id, build, format!("waiting: {why}"));
    let mut interruption = bench.interruption.clone();
    tokio::select! {
        biased;
        reason = interrupted(&mut interruption) => Some(Ended::Stopped(reason)),
        () = bench.link.lost() => Some(Ended::WorkerLost),
        granted = locks.granted(tell) => {
            granted.err().map(|deadlock| Ended::Deadlock(deadlock.to_string()))
        }
    }
}

fn tell_step(job: &Job, step: StepId, build: BuildId, text: String) {
    let write = move |conn: &mut crate::db::Conn| steps::set_state_string(conn, step, &text);
    job.surroundings.store_step(step, build, write);
}

fn tell_build(job: &Job, build: BuildId, text: &'static str) {
    let written =
        job.surroundings.db.write(move |conn| builds::set_state_string(conn, build, text));
    let (announcer, updated) = (job.surroundings.announcer.clone(), job.updated());
    actix::spawn(async move {
        match written.await {
            Ok(()) => announcer.announce(updated),
            Err(error) => tracing::error!(%build, %error, "cannot store a build's state"),
        }
    });
}

/// The end of the wait, with the text of a step that runs now.
async fn store(job: &Job, row: &Step, running: Option<String>, waited: i64) -> Result<(), DbError> {
    let (id, build, now) = (row.id, row.build, job.surroundings.clock.now());
    job.surroundings
        .db
        .write(move |conn| {
            if let Some(text) = running {
                steps::set_locks_acquired(conn, id, now, &text)?;
            }
            builds::set_state_string(conn, build, "building")?;
            builds::add_locks_duration(conn, build, waited.max(0))
        })
        .await?;
    job.surroundings.announcer.announce(Event::StepUpdated { step: id, build });
    job.surroundings.announcer.announce(job.updated());
    Ok(())
}

async fn outcome(bench: &mut Bench, ended: Ended) -> Outcome {
    match ended {
        Ended::WorkerLost => plain(Results::Retry, String::new()),
        Ended::Stopped(reason) => {
            // Stock's name of the log.
            let log = "cancelled while waiting for locks";
            if let Err(error) = bench.log(log, LogType::Text, Stream::Stdout, &reason).await {
                tracing::error!(%error, "cannot log why a step was stopped");
            }
            plain(Results::Cancelled, String::new())
        }
        Ended::Deadlock(why) => {
            let told = exception(bench, &StepError::Failed(why)).await;
            plain(Results::Retry, told.summary)
        }
    }
}
