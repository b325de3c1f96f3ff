//! The course of a build: prepare, step after step, end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::bench::Bench;
use super::finish::{self, Ending};
use super::prepare::Beginning;
use super::{Assignment, Brake, prepare, step_locks};
use crate::actors::surroundings::Surroundings;
use crate::config::checked::BuilderConfig;
use crate::db::{DbError, properties, steps};
use crate::events::Event;
use crate::flow::build_state::{BuildState, StepNames};
use crate::flow::retry::SILENT;
use crate::model::{LogType, Property, Results, Step, WorkerId};
use crate::steps::{Outcome, StepError, StepPlan, Stream, Workbench};

/// Everything that makes one build.
pub(super) struct Job {
    pub config: Arc<BuilderConfig>,
    pub assignment: Assignment,
    pub surroundings: Surroundings,
    pub brake: Brake,
}

impl Job {
    pub fn started(&self) -> Event {
        let (build, builder, number, worker) = self.identity();
        Event::BuildStarted { build, builder, number, worker }
    }

    pub fn updated(&self) -> Event {
        let (build, builder, number, worker) = self.identity();
        Event::BuildUpdated { build, builder, number, worker }
    }

    fn identity(&self) -> (crate::model::BuildId, crate::model::BuilderId, i64, WorkerId) {
        let build = &self.assignment.build;
        (build.id, build.builder, build.number, build.worker.unwrap_or(WorkerId(0)))
    }

    fn stop_reason(&self) -> Option<String> {
        self.brake.reason.borrow().clone()
    }
}

/// Runs the build to its end; every outcome ends in stored rows.
pub(super) async fn build(job: Job) {
    let course = course(&job).await;
    job.assignment.release_locks();
    let ending = match course {
        Ok(ending) => ending,
        Err(error) => {
            let build = &job.assignment.build;
            tracing::error!(build = %build.id, %error, "a build failed in the master");
            return finish::broken(&job.surroundings, build, &error.to_string()).await;
        }
    };
    let build = &job.assignment.build;
    tracing::info!(
        builder = %job.config.name,
        number = build.number,
        results = %ending.results,
        "build finished"
    );
    if let Err(error) = finish::store(&job.surroundings, build, ending).await {
        tracing::error!(build = %build.id, %error, "cannot store the end of a build");
    }
}

async fn course(job: &Job) -> Result<Ending, DbError> {
    let mut bench = match prepare::begin(job).await? {
        Beginning::Bench(bench) => *bench,
        Beginning::Ended(ending) => return Ok(ending),
    };
    let answered = job.assignment.link.begin_build(&job.config.name).await.is_ok();
    prepare::end_preparation(job, answered).await?;
    if answered && !job.config.locks.is_empty() {
        prepare::add_locks_step(job).await?;
    }
    if !answered {
        let text = format!("retry worker {} {SILENT}", job.assignment.worker.name);
        return Ok(Ending { results: Results::Retry, text });
    }
    let mut state = BuildState::new();
    let mut names = StepNames::default();
    names.take("worker_preparation");
    let mut first = 1;
    if !job.config.locks.is_empty() {
        names.take(prepare::LOCKS_STEP);
        first += 1;
    }
    for (index, plan) in job.config.steps.iter().enumerate() {
        let plan = bench.rendered(plan);
        let name = names.take(&plan.name);
        notice_stop(job, &mut state);
        if !state.runs(plan.options.flags()) {
            continue;
        }
        let number = index as i64 + first;
        let outcome = step(job, &mut bench, &plan, number, name).await?;
        if bench.link.is_lost() && outcome.results == Results::Retry {
            state.worker_lost();
        }
        let text = plan.done_text(&outcome);
        let shown = plan.options.updates_build_summary(outcome.results).then_some(text.as_str());
        state.step_done(plan.options.flags(), counted(job, outcome.results), shown);
    }
    notice_stop(job, &mut state);
    Ok(Ending { results: state.results(), text: state.final_text() })
}

/// A step that the master's shutdown cut off does not cancel its build: the build is tried again.
fn counted(job: &Job, results: Results) -> Results {
    match results {
        Results::Cancelled if job.brake.retry.load(Ordering::Relaxed) => Results::Retry,
        other => other,
    }
}

/// Takes a stop into account, once: steps that always run are not stopped by what came before.
fn notice_stop(job: &Job, state: &mut BuildState) {
    let Some(reason) = job.stop_reason() else { return };
    if job.brake.retry.load(Ordering::Relaxed) {
        state.stop(&reason, Results::Retry);
        state.worker_lost();
    } else {
        state.stop(&reason, Results::Cancelled);
        job.brake.reason.send_replace(None);
    }
}

/// Runs one step, or skips it, and stores it.
async fn step(
    job: &Job,
    bench: &mut Bench,
    plan: &StepPlan,
    number: i64,
    name: String,
) -> Result<Outcome, DbError> {
    let build = job.assignment.build.id;
    let wanted = plan.options.do_step_if.holds(&bench.properties, None);
    let runs = matches!(wanted, Ok(true));
    let begins = runs && plan.options.locks.is_empty();
    let row = insert(job, number, name, plan.running_text(), begins).await?;
    bench.begin(row.clone());
    let outcome = match wanted {
        Ok(true) => match step_locks::acquire(job, bench, plan, &row).await? {
            // Held until the step is over.
            Ok(_locks) => run_step(bench, plan).await,
            Err(outcome) => outcome,
        },
        Ok(false) => plain(Results::Skipped, String::new()),
        Err(error) => {
            let error = StepError::Failed(format!("doStepIf: {error}"));
            exception(bench, &error).await
        }
    };
    tell_unset(bench, outcome.results).await;
    bench.end().await;
    let hidden =
        plan.options.hide_step_if.holds(&bench.properties, Some(outcome.results)).unwrap_or(false);
    store_end(job, bench, &row, (outcome.results, plan.done_text(&outcome), hidden)).await?;
    job.surroundings.announcer.announce(Event::StepFinished {
        step: row.id,
        build,
        results: outcome.results,
    });
    Ok(outcome)
}

async fn insert(
    job: &Job,
    number: i64,
    name: String,
    text: String,
    begins: bool,
) -> Result<Step, DbError> {
    let (build, at) = (job.assignment.build.id, job.surroundings.clock.now());
    let row = job
        .surroundings
        .db
        .write(move |conn| {
            if begins {
                return steps::add(conn, build, number, &name, Some(at), &text);
            }
            // One that waits for locks, or is skipped, has a start but no locks, as in stock.
            let row = steps::add(conn, build, number, &name, None, &text)?;
            steps::set_started(conn, row.id, at, None)?;
            Ok(row)
        })
        .await?;
    job.surroundings.announcer.announce(Event::StepAdded { step: row.id, build });
    job.surroundings.announcer.announce(Event::StepStarted { step: row.id, build });
    Ok(row)
}

async fn run_step(bench: &mut Bench, plan: &StepPlan) -> Outcome {
    match plan.step.run(bench).await {
        Ok(outcome) => outcome,
        Err(StepError::WorkerLost) => plain(Results::Retry, String::new()),
        Err(error) => exception(bench, &error).await,
    }
}

/// A step that could not do its work says why in a log of its own.
pub(super) async fn exception(bench: &mut Bench, error: &StepError) -> Outcome {
    let text = format!("{error}\n");
    if let Err(failed) = bench.log("err.text", LogType::Text, Stream::Stdout, &text).await {
        tracing::error!(%error, %failed, "cannot log why a step failed");
    }
    plain(Results::Exception, first_line(&text))
}

/// A step that failed says which of the properties it asked for are not set, and were empty
/// therefore.
async fn tell_unset(bench: &mut Bench, results: Results) {
    let names = std::mem::take(&mut *bench.unset.borrow_mut());
    if names.is_empty() || !matches!(results, Results::Failure | Results::Exception) {
        return;
    }
    let names: Vec<String> = names.into_iter().map(|name| format!("%(prop:{name})s")).collect();
    let text = format!("not set, and empty therefore: {}\n", names.join(", "));
    if let Err(error) = bench.log("unset properties", LogType::Text, Stream::Stdout, &text).await {
        tracing::error!(%error, "cannot log which properties a step lacked");
    }
}

pub(super) fn plain(results: Results, summary: String) -> Outcome {
    Outcome { results, summary, limit: None }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

/// One transaction: the step's end and the properties it set.
async fn store_end(
    job: &Job,
    bench: &mut Bench,
    row: &Step,
    (results, text, hidden): (Results, String, bool),
) -> Result<(), DbError> {
    let (build, id, now) = (row.build, row.id, job.surroundings.clock.now());
    let names = std::mem::take(&mut bench.changed);
    let changed: Vec<(String, Property)> = names
        .iter()
        .filter_map(|name| Some((name.clone(), bench.properties.property(name)?.clone())))
        .collect();
    job.surroundings
        .db
        .write(move |conn| {
            steps::finish(conn, id, results, &text, hidden, now)?;
            properties::set_build(conn, build, &changed)
        })
        .await?;
    if !names.is_empty() {
        job.surroundings.announcer.announce(Event::PropertiesChanged { build, names });
    }
    job.surroundings.announcer.announce(job.updated());
    Ok(())
}
