//! `SingleBranchScheduler` and `AnyBranchScheduler`: builds changes, at once or when the tree has
//! been quiet for a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::interest::Interest;
use super::submit::{for_changes, reason};
use super::{Desk, Pass, Scheduler, incoming, last_seen};
use crate::config::checked::SchedulerOptions;
use crate::config::fields::Fields;
use crate::config::problems::Place;
use crate::config::raw::{Raw, RawValue};
use crate::db::{DbError, schedulers};
use crate::events::Event;
use crate::flow::change_filter::ChangeFilter;
use crate::flow::stable_timer::{ClassifiedChange, Decision, TimerKey, decide_all, seen_at};
use crate::flow::verdict::Verdict;
use crate::model::{Change, ChangeId};

const REASON: &str = "The %(classname)s scheduler named '%(name)s' triggered this build";

#[derive(Debug, Clone)]
struct Basic {
    /// `AnyBranchScheduler`: one timer per branch.
    per_branch: bool,
    interest: Interest,
    /// Quiet time before a buildset; `None` submits each change at once.
    tree_stable_timer: Option<Duration>,
    /// `createAbsoluteSourceStamps`, of SingleBranchScheduler only.
    absolute: bool,
}

/// Reads the own keys of a SingleBranchScheduler.
pub fn single_branch(fields: &mut Fields<'_>, _: &mut SchedulerOptions) -> Arc<dyn Scheduler> {
    parse(fields, false)
}

/// Reads the own keys of an AnyBranchScheduler.
pub fn any_branch(fields: &mut Fields<'_>, _: &mut SchedulerOptions) -> Arc<dyn Scheduler> {
    parse(fields, true)
}

fn parse(fields: &mut Fields<'_>, per_branch: bool) -> Arc<dyn Scheduler> {
    let filter = change_filter(fields, per_branch);
    let basic = Basic {
        per_branch,
        interest: Interest::parse(fields, filter),
        // 0 is no timer, as in stock.
        tree_stable_timer: fields
            .optional("treeStableTimer")
            .filter(|timer: &Duration| !timer.is_zero()),
        absolute: !per_branch && fields.or_default("createAbsoluteSourceStamps"),
    };
    Arc::new(basic)
}

/// `change_filter`, or the older keys: `branch` (`branches` for AnyBranchScheduler) and
/// `categories`.
fn change_filter(fields: &mut Fields<'_>, per_branch: bool) -> ChangeFilter {
    let filter = fields.take("change_filter").filter(|raw| raw.value != RawValue::Null);
    let branch_key = if per_branch { "branches" } else { "branch" };
    let branch = fields.take(branch_key);
    let categories = fields.take("categories").filter(|raw| raw.value != RawValue::Null);
    if let Some(filter) = filter {
        if branch.is_some() || categories.is_some() {
            let message = format!("'change_filter' excludes '{branch_key}' and 'categories'");
            fields.problem_at("change_filter", &filter.place, message);
        }
        let (path, problems) = fields.nested("change_filter");
        return ChangeFilter::parse(&filter, &path, problems);
    }
    if branch.is_none() && !per_branch {
        fields.problem("needs a 'change_filter', such as change_filter = { branch = \"main\" }");
        return ChangeFilter::default();
    }
    let place = fields.place().clone();
    match older_filter(branch, categories, place) {
        Some(filter) => {
            let path = fields.path().to_owned();
            let (_, problems) = fields.nested("change_filter");
            ChangeFilter::parse(&filter, &path, problems)
        }
        None => ChangeFilter::default(),
    }
}

/// The older keys as a table of the newer kind.
fn older_filter(branch: Option<Raw>, categories: Option<Raw>, place: Place) -> Option<Raw> {
    let table: IndexMap<String, Raw> = [("branch", branch), ("category", categories)]
        .into_iter()
        .filter_map(|(key, raw)| Some((key.to_owned(), raw?)))
        .collect();
    (!table.is_empty()).then_some(Raw { value: RawValue::Table(table), place })
}

impl Scheduler for Basic {
    fn class(&self) -> &'static str {
        if self.per_branch { "AnyBranchScheduler" } else { "SingleBranchScheduler" }
    }

    fn wakes(&self, event: &Event) -> bool {
        matches!(event, Event::ChangeAdded(_))
    }

    /// Classified changes of an earlier configuration are forgotten when there is no timer now,
    /// as in stock.
    fn enter(&self, desk: &mut Desk<'_>, fresh: bool) -> Result<(), DbError> {
        incoming::enter(desk, fresh)?;
        if self.tree_stable_timer.is_none() {
            schedulers::unclassify_all(desk.conn, desk.id)?;
        }
        Ok(())
    }

    fn skip(&self, desk: &mut Desk<'_>) -> Result<(), DbError> {
        incoming::skip(desk)
    }

    fn verdict(&self, options: &SchedulerOptions, change: &Change) -> Option<Verdict> {
        Some(self.interest.verdict(options, change))
    }

    /// Looks at new changes and submits what is due.
    fn pass(&self, desk: &mut Desk<'_>) -> Result<Pass, DbError> {
        let (new, more) = incoming::next(desk)?;
        let mut pass = Pass { more, ..Pass::default() };
        let options = desk.options;
        let wanted: Vec<(&Change, bool)> = new
            .iter()
            .filter_map(|change| Some((change, self.interest.importance(options, change)?)))
            .collect();
        if self.absolute {
            let seen = wanted.iter().map(|(change, _)| *change);
            last_seen::record(desk, self.class(), seen)?;
        }
        let wanted = wanted.into_iter();
        match self.tree_stable_timer {
            None => {
                for (change, _) in wanted.filter(|(_, important)| *important) {
                    self.submit(desk, &[change], &mut pass)?;
                }
            }
            Some(timer) => {
                for (change, important) in wanted {
                    schedulers::classify(desk.conn, desk.id, change.id, important)?;
                }
                // While more is to come the tree is not quiet.
                if !pass.more {
                    let quiet_s = timer.as_secs_f64().ceil() as i64;
                    self.submit_quiet(desk, quiet_s, &mut pass)?;
                }
            }
        }
        Ok(pass)
    }
}

impl Basic {
    /// Submits what every timer that has run out waited for.
    fn submit_quiet(
        &self,
        desk: &mut Desk<'_>,
        quiet_s: i64,
        pass: &mut Pass,
    ) -> Result<(), DbError> {
        let waiting = schedulers::classified(desk.conn, desk.id)?;
        let classified: Vec<ClassifiedChange> = waiting
            .iter()
            .map(|(change, important)| ClassifiedChange {
                change: change.id,
                important: *important,
                seen_at: seen_at(change),
                timer: TimerKey::of(change, self.per_branch),
            })
            .collect();
        let by_id: HashMap<ChangeId, &Change> =
            waiting.iter().map(|(change, _)| (change.id, change)).collect();
        pass.pending = waiting.len();
        for (_, decision) in decide_all(&classified, quiet_s, desk.now) {
            match decision {
                Decision::Submit(ids) => {
                    let changes: Vec<&Change> =
                        ids.iter().filter_map(|id| by_id.get(id).copied()).collect();
                    self.submit(desk, &changes, pass)?;
                    schedulers::unclassify(desk.conn, desk.id, &ids)?;
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
        desk: &mut Desk<'_>,
        changes: &[&Change],
        pass: &mut Pass,
    ) -> Result<(), DbError> {
        let reason = reason(desk.options, self.class(), REASON);
        let defaults = if self.absolute {
            last_seen::stamps(desk, self.class())?
        } else {
            desk.options.default_stamps()
        };
        pass.submitted.push(for_changes(desk, &reason, changes, &defaults)?);
        Ok(())
    }
}
