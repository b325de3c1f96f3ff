//! The beginning of a build: properties, step 0, and a worker that answers.

use super::bench::{Bench, BenchParts};
use super::finish::Ending;
use super::run::Job;
use crate::db::{Conn, DbError, builds, buildsets, projects, properties, sourcestamps, steps};
use crate::events::Event;
use crate::flow::build_properties::{Origins, initial};
use crate::flow::retry::SILENT;
use crate::model::{
    Change, ProjectId, Properties, Property, Results, SourceStamp, Step, WorkerInfo,
};
use crate::steps::{BuilderFacts, WorkerFacts};

/// Stock's name of the step in which a build gets the locks of its builder.
pub(super) const LOCKS_STEP: &str = "locks_acquire";
/// How a build begins.
pub(super) enum Beginning {
    Bench(Box<Bench>),
    /// It ends at once.
    Ended(Ending),
}

/// What the tables know of a build's cause.
struct Cause {
    project: Option<(ProjectId, String)>,
    buildset: Properties,
    sources: Vec<SourceStamp>,
    changes: Vec<Change>,
}

/// Puts the workbench together and stores the build's first rows. As in stock, a build that
/// `do_build_if` does not want has its properties and no step.
pub(super) async fn begin(job: &Job) -> Result<Beginning, DbError> {
    let cause = read_cause(job).await?;
    let info = job.assignment.worker.info.clone().unwrap_or_default();
    let properties = first_properties(job, &cause, &info);
    if let Some(ending) = unwanted(job, &properties) {
        store_properties(job, &properties).await?;
        return Ok(Beginning::Ended(ending));
    }
    store_first_rows(job, &properties).await?;
    Ok(Beginning::Bench(Box::new(Bench::new(BenchParts {
        surroundings: job.surroundings.clone(),
        build: job.assignment.build.id,
        link: job.assignment.link.clone(),
        worker: worker_facts(&job.assignment.worker.name, &info),
        builder: BuilderFacts {
            name: job.config.name.clone(),
            workerbuilddir: job.config.workerbuilddir.clone(),
            env: job.config.env.clone(),
        },
        sources: cause.sources,
        changes: cause.changes,
        properties,
        interruption: job.brake.reason.subscribe(),
    }))))
}

/// How the build ends when `do_build_if` does not want it.
fn unwanted(job: &Job, properties: &Properties) -> Option<Ending> {
    let wanted = job.config.do_build_if.as_ref()?.eval(properties, None);
    match wanted {
        Ok(true) => None,
        Ok(false) => {
            Some(Ending { results: Results::Skipped, text: "build successful".to_owned() })
        }
        Err(error) => Some(Ending {
            results: Results::Exception,
            text: format!("exception do_build_if: {error}"),
        }),
    }
}

async fn store_properties(job: &Job, first: &Properties) -> Result<(), DbError> {
    let build = job.assignment.build.id;
    let rows = rows_of(first);
    let write = move |conn: &mut Conn| properties::set_build(conn, build, &rows);
    job.surroundings.db.write(write).await?;
    job.surroundings.announcer.announce(job.started());
    let names = first.iter().map(|(name, _)| name.to_owned()).collect();
    job.surroundings.announcer.announce(Event::PropertiesChanged { build, names });
    Ok(())
}

fn rows_of(properties: &Properties) -> Vec<(String, Property)> {
    properties.iter().map(|(name, property)| (name.to_owned(), property.clone())).collect()
}

async fn read_cause(job: &Job) -> Result<Cause, DbError> {
    let buildset = job.assignment.request.buildset;
    let builder = job.assignment.build.builder;
    job.surroundings
        .db
        .read(move |conn| {
            Ok(Cause {
                project: projects::of_builder(conn, builder)?,
                buildset: buildsets::properties(conn, buildset)?,
                sources: sourcestamps::for_buildset(conn, buildset)?,
                changes: buildsets::changes(conn, buildset)?,
            })
        })
        .await
}

fn first_properties(job: &Job, cause: &Cause, info: &WorkerInfo) -> Properties {
    let worker = &job.assignment.worker;
    let config = job.surroundings.config.borrow().clone();
    initial(&Origins {
        global: &config.properties,
        changes: &cause.changes,
        buildset: &cause.buildset,
        builder_name: &job.config.name,
        project: cause.project.as_ref().map(|(id, name)| (name.as_str(), id.0)),
        builder: &job.config.properties,
        builder_defaults: &job.config.default_properties,
        worker_name: &worker.name,
        worker: &worker.properties,
        worker_defaults: &worker.default_properties,
        worker_basedir: &info.basedir,
        workerbuilddir: &job.config.workerbuilddir,
        build: &job.assignment.build,
        sources: &cause.sources,
    })
}

/// One transaction: state, properties, and stock's synthetic step 0.
async fn store_first_rows(job: &Job, first: &Properties) -> Result<(), DbError> {
    let build = job.assignment.build.id;
    let (rows, at) = (rows_of(first), job.surroundings.clock.now());
    let ready = format!("worker {} ready", job.assignment.worker.name);
    let step: Step = job
        .surroundings
        .db
        .write(move |conn| {
            builds::set_state_string(conn, build, "preparing worker")?;
            properties::set_build(conn, build, &rows)?;
            steps::add(conn, build, 0, "worker_preparation", Some(at), &ready)
        })
        .await?;
    let tell = |event| job.surroundings.announcer.announce(event);
    tell(job.started());
    let names = first.iter().map(|(name, _)| name.to_owned()).collect();
    tell(Event::PropertiesChanged { build, names });
    tell(Event::StepAdded { step: step.id, build });
    tell(Event::StepStarted { step: step.id, build });
    Ok(())
}

/// Closes step 0 after the worker answered a ping, or did not.
pub(super) async fn end_preparation(job: &Job, answered: bool) -> Result<(), DbError> {
    let build = job.assignment.build.id;
    let name = job.assignment.worker.name.clone();
    let (results, state) = if answered {
        (Results::Success, format!("worker {name} ready"))
    } else {
        (Results::Retry, format!("worker {name} {SILENT}"))
    };
    let now = job.surroundings.clock.now();
    let step = job
        .surroundings
        .db
        .write(move |conn| {
            let steps = steps::of_build(conn, build)?;
            let Some(step) = steps.first() else { return Err(DbError::NotFound) };
            steps::finish(conn, step.id, results, &state, false, now)?;
            if answered {
                builds::set_state_string(conn, build, "building")?;
            }
            Ok(step.id)
        })
        .await?;
    job.surroundings.announcer.announce(Event::StepFinished { step, build, results });
    job.surroundings.announcer.announce(job.updated());
    Ok(())
}

/// Stock's synthetic step 1 of a build with locks. It has waited for them in the queue, so the step
/// is over as soon as it begins.
pub(super) async fn add_locks_step(job: &Job) -> Result<(), DbError> {
    let (build, at) = (job.assignment.build.id, job.surroundings.clock.now());
    let step = job
        .surroundings
        .db
        .write(move |conn| {
            let state = "locks acquired";
            let step = steps::add(conn, build, 1, LOCKS_STEP, Some(at), state)?;
            steps::finish(conn, step.id, Results::Success, state, false, at)?;
            Ok(step.id)
        })
        .await?;
    let tell = |event| job.surroundings.announcer.announce(event);
    tell(Event::StepAdded { step, build });
    tell(Event::StepStarted { step, build });
    tell(Event::StepFinished { step, build, results: Results::Success });
    Ok(())
}

fn worker_facts(name: &str, info: &WorkerInfo) -> WorkerFacts {
    let texts = [
        ("admin", info.admin.as_deref()),
        ("host", info.host.as_deref()),
        ("access_uri", info.access_uri.as_deref()),
        ("version", Some(info.version.as_str())),
        ("system", Some(info.system.as_str())),
        ("basedir", Some(info.basedir.as_str())),
        ("name", Some(name)),
    ];
    let mut properties = Properties::new();
    for (key, text) in texts {
        if let Some(text) = text {
            properties.set(key, text.trim_end(), "Worker");
        }
    }
    for (key, value) in &info.others {
        properties.set(key, value.clone(), "Worker");
    }
    WorkerFacts {
        name: name.to_owned(),
        basedir: info.basedir.clone(),
        system: info.system.clone(),
        version: info.version.clone(),
        environ: info.environ.clone(),
        info: properties,
    }
}
