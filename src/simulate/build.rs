//! One build, step by step, as if every command succeeded.

use indexmap::IndexMap;
use serde_json::Value;

use super::bench::DryBench;
use super::report::{BuildReport, StepReport};
use super::world::World;
use crate::config::checked::BuilderConfig;
use crate::flow::build_properties::{Origins, initial};
use crate::flow::build_state::{BuildState, StepNames};
use crate::model::{
    Build, BuildId, BuildRequestId, BuilderId, Change, LockAccess, LockMode, Properties, Results,
    SourceStamp,
};
use crate::steps::{StepError, StepPlan, TriggerOrder};

/// What the build is made for.
pub(super) struct Cause<'a> {
    pub request: BuildRequestId,
    pub id: BuilderId,
    pub priority: i64,
    pub buildset: &'a Properties,
    pub sources: &'a [SourceStamp],
    pub changes: &'a [Change],
}

/// What a Trigger step asks for, and the step's name.
pub(super) type Asked = (String, TriggerOrder);

/// Plays a build of `builder`; answers it, and what it asks of schedulers.
pub(super) async fn play(
    world: &World<'_>,
    builder: &BuilderConfig,
    cause: &Cause<'_>,
) -> (BuildReport, Vec<Asked>) {
    let properties = first_properties(world, builder, cause);
    let mut report = BuildReport {
        builder: builder.name.clone(),
        priority: cause.priority,
        workers: builder.workernames.clone(),
        skipped: unwanted(builder, &properties),
        locks: names(&builder.locks),
        properties: table(&properties),
        steps: Vec::new(),
    };
    if report.skipped.is_some() {
        return (report, Vec::new());
    }
    let mut bench =
        DryBench::new(builder, properties, cause.sources, cause.changes, world.directory());
    let (mut state, mut names) = (BuildState::new(), StepNames::default());
    names.take("worker_preparation");
    let mut asked = Vec::new();
    for plan in builder.steps.iter() {
        let name = names.take(&plan.name);
        let (step, results) = step(&mut bench, plan, name, &state).await;
        if let Some(results) = results {
            state.step_done(plan.options.flags(), results, None);
        }
        asked.extend(bench.take_orders().into_iter().map(|order| (step.name.clone(), order)));
        report.steps.push(step);
    }
    (report, asked)
}

/// What `do_build_if` says against the build.
fn unwanted(builder: &BuilderConfig, properties: &Properties) -> Option<String> {
    match builder.do_build_if.as_ref()?.eval(properties, None) {
        Ok(true) => None,
        Ok(false) => Some("do_build_if does not hold".to_owned()),
        Err(error) => Some(format!("do_build_if: {error}")),
    }
}

async fn step(
    bench: &mut DryBench,
    plan: &StepPlan,
    name: String,
    state: &BuildState,
) -> (StepReport, Option<Results>) {
    let mut report = StepReport {
        name,
        class: plan.class,
        runs: false,
        why: None,
        locks: names(&plan.options.locks),
        acts: Vec::new(),
        sets: IndexMap::new(),
    };
    if !state.runs(plan.options.flags()) {
        report.why = Some("a step before it went wrong".to_owned());
        return (report, None);
    }
    match plan.options.do_step_if.holds(&bench.properties, None) {
        Ok(true) => {}
        Ok(false) => {
            report.why = Some("doStepIf does not hold".to_owned());
            return (report, Some(Results::Skipped));
        }
        Err(error) => {
            report.why = Some(format!("doStepIf: {error}"));
            return (report, Some(Results::Exception));
        }
    }
    report.runs = true;
    let results = match plan.step.in_master(bench) {
        Some(act) => act.map(|act| {
            bench.acts.push(format!("in the master: {act}"));
            Results::Success
        }),
        None => plan.step.run(bench).await.map(|outcome| outcome.results),
    };
    let results = results.unwrap_or_else(|error: StepError| {
        report.why = Some(error.to_string());
        Results::Exception
    });
    if report.why.is_none() && results != Results::Success {
        report.why = Some(format!("ends with {results} if its commands say nothing"));
    }
    (report.acts, report.sets) = bench.take_acts();
    // What ends so only because nothing was really done does not stop the simulated build.
    let counted = if results == Results::Failure { Results::Success } else { results };
    (report, Some(counted))
}

fn first_properties(world: &World<'_>, builder: &BuilderConfig, cause: &Cause<'_>) -> Properties {
    let worker = builder.workernames.first().map_or("", String::as_str);
    let configured = world.config.workers.iter().find(|one| one.name == worker);
    let none = Properties::new();
    initial(&Origins {
        global: &world.config.properties,
        changes: cause.changes,
        buildset: cause.buildset,
        builder_name: &builder.name,
        project: builder.project.as_deref().map(|name| (name, 1)),
        builder: &builder.properties,
        builder_defaults: &builder.default_properties,
        worker_name: worker,
        worker: configured.map_or(&none, |one| &one.properties),
        worker_defaults: configured.map_or(&none, |one| &one.default_properties),
        worker_basedir: "/worker",
        workerbuilddir: &builder.workerbuilddir,
        build: &row(world, cause),
        sources: cause.sources,
    })
}

/// The row that the build would have, the first of its builder.
fn row(world: &World<'_>, cause: &Cause<'_>) -> Build {
    Build {
        id: BuildId(1),
        number: 1,
        builder: cause.id,
        request: cause.request,
        worker: None,
        master: world.master,
        started_at: world.start,
        complete_at: None,
        locks_duration_s: 0,
        state_string: String::new(),
        results: None,
    }
}

/// `db`, `cpu (exclusive)`, `net (2)`
fn names(locks: &[LockAccess]) -> Vec<String> {
    let name = |access: &LockAccess| match access.mode {
        LockMode::Exclusive => format!("{} (exclusive)", access.name),
        LockMode::Counting(1) => access.name.to_string(),
        LockMode::Counting(count) => format!("{} ({count})", access.name),
    };
    locks.iter().map(name).collect()
}

fn table(properties: &Properties) -> IndexMap<String, Value> {
    properties.iter().map(|(name, property)| (name.to_owned(), property.value.clone())).collect()
}
