//! Who submits what: first what changes lead to, then what steps trigger, then what depends on it.

use std::collections::VecDeque;

use super::build::{self, Cause};
use super::report::{BuildsetReport, ChangeReport, Report, SchedulerReport, StampReport};
use super::world::World;
use crate::config::checked::SchedulerConfig;
use crate::db::{Conn, DbError, buildrequests, buildsets};
use crate::model::{
    BuildRequest, Buildset, BuildsetId, Change, NewChange, Properties, Results, Timestamp,
};
use crate::schedulers::order::Trigger;
use crate::schedulers::triggerable::MAX_DEPTH;
use crate::schedulers::{Order, Submitted};
use crate::steps::TriggerOrder;

/// Buildsets that are played at most.
const MOST: usize = 200;

/// A buildset that is still to be played.
struct Coming {
    set: Submitted,
    scheduler: String,
    at: Timestamp,
    triggered_by: Option<String>,
    depends_on: Option<usize>,
    /// How many triggers led to it.
    depth: usize,
}

struct Course<'w, 'c> {
    world: &'w World<'c>,
    report: Report,
    coming: VecDeque<Coming>,
}

/// What the tables know of a buildset.
struct Rows {
    set: Buildset,
    properties: Properties,
    changes: Vec<Change>,
    requests: Vec<BuildRequest>,
}

/// Plays these changes and all that follows from them.
pub(super) async fn run(world: &World<'_>, changes: Vec<NewChange>) -> Result<Report, DbError> {
    world.enter().await?;
    let changes = world.add(changes).await?;
    let mut course = Course { world, report: Report::default(), coming: VecDeque::new() };
    let schedulers = &world.config.schedulers;
    course.report.changes = changes.iter().map(|change| heard(schedulers, change)).collect();
    for one in schedulers.iter().filter(|one| takes_any(one, &changes)) {
        course.wait_for(one).await?;
    }
    while let Some(coming) = course.coming.pop_front() {
        if course.report.buildsets.len() == MOST {
            course.report.notes.push(format!("there are more than {MOST} buildsets"));
            break;
        }
        course.play(coming).await?;
    }
    Ok(course.report)
}

fn heard(schedulers: &[SchedulerConfig], change: &Change) -> ChangeReport {
    let verdict = |one: &SchedulerConfig| {
        let verdict = one.verdict(change);
        SchedulerReport {
            scheduler: one.options.name.clone(),
            class: one.plan.class(),
            takes: verdict.as_ref().is_some_and(|verdict| verdict.takes),
            why: verdict.map_or("does not listen to changes".to_owned(), |verdict| verdict.why),
        }
    };
    ChangeReport {
        revision: change.revision.clone(),
        branch: change.branch.clone(),
        repository: change.repository.clone(),
        codebase: change.codebase.clone(),
        author: change.author.clone(),
        subject: change.comments.lines().next().unwrap_or_default().to_owned(),
        schedulers: schedulers.iter().map(verdict).collect(),
    }
}

fn takes_any(one: &SchedulerConfig, changes: &[Change]) -> bool {
    changes.iter().filter_map(|change| one.verdict(change)).any(|verdict| verdict.takes)
}

impl Course<'_, '_> {
    /// Moves the scheduler's time on, until no change waits with it.
    async fn wait_for(&mut self, one: &SchedulerConfig) -> Result<(), DbError> {
        let mut now = self.world.start;
        loop {
            let pass = self.world.pass(one, now).await?;
            self.comes(one, pass.submitted, now, None);
            match pass.due_at {
                _ if pass.more => {}
                Some(due) if due > now && pass.pending > 0 => now = due,
                _ => return Ok(()),
            }
        }
    }

    fn comes(
        &mut self,
        one: &SchedulerConfig,
        sets: Vec<Submitted>,
        at: Timestamp,
        depends_on: Option<usize>,
    ) {
        let scheduler = &one.options.name;
        self.coming.extend(sets.into_iter().map(|set| Coming {
            set,
            scheduler: scheduler.clone(),
            at,
            triggered_by: None,
            depends_on,
            depth: 0,
        }));
    }

    async fn play(&mut self, coming: Coming) -> Result<(), DbError> {
        let rows = self.rows(coming.set.buildset).await?;
        let number = self.report.buildsets.len() + 1;
        let mut report = BuildsetReport {
            number,
            scheduler: coming.scheduler.clone(),
            reason: rows.set.reason.clone(),
            after_s: coming.at - self.world.start,
            triggered_by: coming.triggered_by.clone(),
            depends_on: coming.depends_on,
            sourcestamps: rows.set.sourcestamps.iter().map(stamp).collect(),
            builds: Vec::new(),
        };
        let mut triggers = Vec::new();
        for request in &rows.requests {
            let Some(builder) = self.world.builder(request.builder) else { continue };
            let cause = Cause {
                request: request.id,
                id: request.builder,
                priority: request.priority,
                buildset: &rows.properties,
                sources: &rows.set.sourcestamps,
                changes: &rows.changes,
            };
            let (build, asked) = build::play(self.world, builder, &cause).await;
            for (step, order) in asked {
                triggers.push((format!("{}, {step}", build.builder), order));
            }
            report.builds.push(build);
        }
        self.report.buildsets.push(report);
        for (asker, order) in triggers {
            self.trigger(asker, order, &coming).await?;
        }
        self.succeed(&coming, number).await
    }

    async fn rows(&self, id: BuildsetId) -> Result<Rows, DbError> {
        let read = move |conn: &mut Conn| {
            Ok(Rows {
                set: buildsets::get(conn, id)?,
                properties: buildsets::properties(conn, id)?,
                changes: buildsets::changes(conn, id)?,
                requests: buildrequests::of_buildset(conn, id)?,
            })
        };
        self.world.db.read(read).await
    }

    async fn trigger(
        &mut self,
        asker: String,
        order: TriggerOrder,
        coming: &Coming,
    ) -> Result<(), DbError> {
        let name = order.scheduler;
        let Some(one) = self.world.scheduler(&name) else {
            self.report.notes.push(format!("{asker}: there is no scheduler '{name}'"));
            return Ok(());
        };
        if coming.depth + 1 >= MAX_DEPTH {
            let note = format!("{asker}: the chain of triggers does not end; it is cut off here");
            self.report.notes.push(note);
            return Ok(());
        }
        let request = Trigger {
            stamps: order.stamps,
            properties: order.properties,
            waited_for: order.waited_for,
            parent_build: None,
            parent_relationship: order.parent_relationship,
        };
        match self.world.order(one, Order::Trigger(request), coming.at).await? {
            Ok(Some(set)) => self.coming.push_back(Coming {
                set,
                scheduler: name,
                at: coming.at,
                triggered_by: Some(asker),
                depends_on: None,
                depth: coming.depth + 1,
            }),
            Ok(None) => {
                let note = format!("{asker}: '{name}' keeps the order for its next time");
                self.report.notes.push(note);
            }
            Err(refused) => self.report.notes.push(format!("{asker}: {refused}")),
        }
        Ok(())
    }

    /// The buildset succeeds; whoever depends on its scheduler submits.
    async fn succeed(&mut self, coming: &Coming, number: usize) -> Result<(), DbError> {
        let (master, at) = (self.world.master, coming.at);
        let requests: Vec<_> = coming.set.requests.iter().map(|(_, id)| *id).collect();
        let complete = move |conn: &mut Conn| {
            buildrequests::claim(conn, master, &requests, at)?;
            buildrequests::complete(conn, &requests, Results::Success, at)?;
            buildsets::complete_finished(conn, at)
        };
        self.world.db.write(complete).await?;
        let name = coming.scheduler.as_str();
        let downstream = self.world.config.schedulers.iter();
        for one in downstream.filter(|one| one.plan.upstream() == Some(name)) {
            let pass = self.world.pass(one, at).await?;
            self.comes(one, pass.submitted, at, Some(number));
        }
        Ok(())
    }
}

fn stamp(stamp: &crate::model::SourceStamp) -> StampReport {
    StampReport {
        codebase: stamp.codebase.clone(),
        repository: stamp.repository.clone(),
        branch: stamp.branch.clone(),
        revision: stamp.revision.clone(),
    }
}
