//! One pass of a change scheduler over the tables, in one transaction: what is new, what is due.

use std::collections::HashMap;

use serde_json::Value;

use crate::config::checked::{BasicScheduler, SchedulerConfig};
use crate::db::{Conn, DbError, builders, buildsets, changes, schedulers, state};
use crate::flow::sources::{is_known, sourcestamps};
use crate::flow::stable_timer::{ClassifiedChange, Decision, TimerKey, decide_all, seen_at};
use crate::model::{
    BuildRequestId, BuilderId, BuildsetId, Change, ChangeId, MasterId, NewBuildset, NewSourceStamp,
    SchedulerId, Timestamp,
};

/// The cursor's place in `object_state`, beside the scheduler's name.
const CLASS: &str = "rs_scheduler";
const CURSOR: &str = "last_change";

/// Changes looked at in one transaction.
const BATCH: i64 = 500;

/// Rules of one scheduler, made once from its configuration.
pub(super) struct Rules {
    pub name: String,
    pub settings: BasicScheduler,
    builder_names: Vec<String>,
    codebases: Vec<NewSourceStamp>,
    reason: String,
    properties: crate::model::Properties,
    priority: i64,
    master: MasterId,
}

/// What a pass did and what comes next.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Pass {
    pub submitted: Vec<Submitted>,
    /// There are more changes to look at.
    pub more: bool,
    /// When the next buildset is due.
    pub due_at: Option<Timestamp>,
    /// Changes that wait for it.
    pub pending: usize,
    pub idle_because: Option<String>,
}

/// A new buildset and its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    pub buildset: BuildsetId,
    pub requests: Vec<(BuilderId, BuildRequestId)>,
}

impl Rules {
    pub fn new(config: &SchedulerConfig, settings: &BasicScheduler, master: MasterId) -> Rules {
        let kind = kind(settings);
        let sentence = "The %(classname)s scheduler named '%(name)s' triggered this build";
        let reason = config.reason.as_deref().unwrap_or(sentence);
        let reason = reason.replace("%(classname)s", kind).replace("%(name)s", &config.name);
        let codebases = config.codebases.iter().map(|(codebase, default)| NewSourceStamp {
            branch: default.branch.clone(),
            revision: default.revision.clone(),
            repository: default.repository.clone(),
            project: default.project.clone(),
            codebase: codebase.clone(),
            patch: None,
        });
        let mut properties = config.properties.clone();
        properties.set("scheduler", config.name.as_str(), "Scheduler");
        Rules {
            name: config.name.clone(),
            settings: settings.clone(),
            builder_names: config.builder_names.clone(),
            codebases: codebases.collect(),
            reason,
            properties,
            priority: config.priority,
            master,
        }
    }

    /// Takes up where the last life ended; with `fresh`, at the newest change.
    ///
    /// Classified changes of an earlier configuration are forgotten when there is no timer now,
    /// as in stock.
    pub fn enter(&self, conn: &mut Conn, fresh: bool) -> Result<(), DbError> {
        let id = schedulers::find_or_create(conn, &self.name)?;
        if !schedulers::claim(conn, id, self.master)? {
            return Ok(());
        }
        let object = state::object(conn, &self.name, CLASS)?;
        if fresh || state::get(conn, object, CURSOR)?.is_none() {
            let newest = changes::max_id(conn)?.map_or(0, |id| id.0);
            state::set(conn, object, CURSOR, &Value::from(newest))?;
        }
        if self.settings.tree_stable_timer.is_none() {
            let stale: Vec<ChangeId> =
                schedulers::classified(conn, id)?.iter().map(|(change, _)| change.id).collect();
            schedulers::unclassify(conn, id, &stale)?;
        }
        Ok(())
    }

    /// Looks at new changes and submits what is due.
    pub fn pass(&self, conn: &mut Conn, now: Timestamp) -> Result<Pass, DbError> {
        let id = schedulers::find_or_create(conn, &self.name)?;
        if !schedulers::claim(conn, id, self.master)? {
            let why = "another master runs this scheduler".to_owned();
            return Ok(Pass { idle_because: Some(why), ..Pass::default() });
        }
        let object = state::object(conn, &self.name, CLASS)?;
        let cursor = state::get(conn, object, CURSOR)?.and_then(|value| value.as_i64());
        let cursor = ChangeId(cursor.unwrap_or(0));
        if !schedulers::is_enabled(conn, id)? {
            // As in stock: what comes while it is switched off is not built later.
            if let Some(newest) = changes::max_id(conn)?.filter(|newest| *newest > cursor) {
                state::set(conn, object, CURSOR, &Value::from(newest.0))?;
            }
            let why = "switched off".to_owned();
            return Ok(Pass { idle_because: Some(why), ..Pass::default() });
        }
        let new = changes::after(conn, cursor, BATCH)?;
        let mut pass = Pass { more: new.len() as i64 == BATCH, ..Pass::default() };
        if let Some(last) = new.last() {
            state::set(conn, object, CURSOR, &Value::from(last.id.0))?;
        }
        let wanted = new.iter().filter_map(|change| Some((change, self.importance(change)?)));
        match self.settings.tree_stable_timer {
            None => {
                for (change, _) in wanted.filter(|(_, important)| *important) {
                    pass.submitted.push(self.submit(conn, &[change], now)?);
                }
            }
            Some(timer) => {
                for (change, important) in wanted {
                    schedulers::classify(conn, id, change.id, important)?;
                }
                // While more is to come the tree is not quiet.
                if !pass.more {
                    let quiet_s = timer.as_secs_f64().ceil() as i64;
                    self.submit_quiet(conn, id, quiet_s, now, &mut pass)?;
                }
            }
        }
        Ok(pass)
    }

    /// Is the change important? `None` when the scheduler does not take it at all.
    fn importance(&self, change: &Change) -> Option<bool> {
        if !self.settings.change_filter.matches(change) {
            return None;
        }
        if !is_known(&change.codebase, &self.codebases) {
            tracing::info!(
                scheduler = %self.name, change = %change.id,
                "the change belongs to codebase '{}', which is not among the scheduler's codebases",
                change.codebase
            );
            return None;
        }
        let important = self.settings.file_is_important.is_important(change);
        (important || !self.settings.only_important).then_some(important)
    }

    /// Submits what every timer that has run out waited for.
    fn submit_quiet(
        &self,
        conn: &mut Conn,
        id: SchedulerId,
        quiet_s: i64,
        now: Timestamp,
        pass: &mut Pass,
    ) -> Result<(), DbError> {
        let waiting = schedulers::classified(conn, id)?;
        let classified: Vec<ClassifiedChange> = waiting
            .iter()
            .map(|(change, important)| ClassifiedChange {
                change: change.id,
                important: *important,
                seen_at: seen_at(change),
                timer: TimerKey::of(change, self.settings.per_branch),
            })
            .collect();
        let by_id: HashMap<ChangeId, &Change> =
            waiting.iter().map(|(change, _)| (change.id, change)).collect();
        pass.pending = waiting.len();
        for (_, decision) in decide_all(&classified, quiet_s, now) {
            match decision {
                Decision::Submit(ids) => {
                    let changes: Vec<&Change> =
                        ids.iter().filter_map(|id| by_id.get(id).copied()).collect();
                    pass.submitted.push(self.submit(conn, &changes, now)?);
                    schedulers::unclassify(conn, id, &ids)?;
                    pass.pending -= ids.len();
                }
                Decision::WaitUntil(at) => {
                    pass.due_at = Some(pass.due_at.map_or(at, |due| due.min(at)));
                }
                Decision::Idle => {}
            }
        }
        Ok(())
    }

    /// One buildset for these changes.
    fn submit(
        &self,
        conn: &mut Conn,
        changes: &[&Change],
        now: Timestamp,
    ) -> Result<Submitted, DbError> {
        let stamps = sourcestamps(changes, &self.codebases);
        let mut properties = self.properties.clone();
        for change in changes.iter().filter(|change| is_last(change, changes)) {
            properties.extend(&change.properties);
        }
        let set = NewBuildset {
            reason: self.reason.clone(),
            sourcestamps: stamps,
            builders: builder_ids(conn, &self.builder_names)?,
            properties,
            priority: self.priority,
            ..NewBuildset::default()
        };
        let (buildset, requests) = buildsets::submit(conn, &set, now)?;
        Ok(Submitted { buildset, requests })
    }
}

/// Does the source stamp of its codebase come from this change?
fn is_last(change: &Change, changes: &[&Change]) -> bool {
    !changes.iter().any(|other| other.codebase == change.codebase && other.id > change.id)
}

/// Buildbot's class name.
pub(super) fn kind(settings: &BasicScheduler) -> &'static str {
    if settings.per_branch { "AnyBranchScheduler" } else { "SingleBranchScheduler" }
}

/// Ids of the builders with these names; a name that was never configured is left out, as in stock.
pub(super) fn builder_ids(conn: &mut Conn, names: &[String]) -> Result<Vec<BuilderId>, DbError> {
    let known = builders::list(conn)?;
    Ok(known.into_iter().filter(|row| names.contains(&row.name)).map(|row| row.id).collect())
}
