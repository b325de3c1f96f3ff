//! What schedulers that go by the clock share: when they acted last, and what changed since.
//!
//! Their state is where stock keeps it, in the object of their class: `last_build` is when they
//! acted last or would have, `last_only_if_changed` the option when they built last.

use serde_json::Value;

use super::interest::Interest;
use super::submit::{for_changes, reason};
use super::{Desk, Pass, incoming, last_seen};
use crate::config::checked::SchedulerOptions;
use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::db::{DbError, schedulers, state};
use crate::flow::change_filter::ChangeFilter;
use crate::flow::timed::{Occasion, Turn, decide};
use crate::flow::verdict::Verdict;
use crate::model::{Change, Timestamp};

const LAST: &str = "last_build";
const WAS_ONLY_IF_CHANGED: &str = "last_only_if_changed";
/// When it began to wait for its very first time; ours, beside the cursor.
const SINCE: &str = "since";

/// The options of Periodic, Nightly and NightlyTriggerable.
#[derive(Debug, Clone)]
pub struct Timed {
    interest: Interest,
    /// `branch`; empty takes all.
    branch: ChangeFilter,
    only_if_changed: bool,
    absolute: bool,
}

impl Timed {
    /// Reads them.
    pub fn parse(fields: &mut Fields<'_>) -> Timed {
        let filter = match fields.take("change_filter").filter(|raw| raw.value != RawValue::Null) {
            Some(raw) => {
                let (path, problems) = fields.nested("change_filter");
                ChangeFilter::parse(&raw, &path, problems)
            }
            None => ChangeFilter::default(),
        };
        Timed {
            interest: Interest::parse(fields, filter),
            branch: branch(fields),
            only_if_changed: fields.or_default("onlyIfChanged"),
            absolute: fields.or_default("createAbsoluteSourceStamps"),
        }
    }

    /// Does it care about changes at all?
    pub fn listens(&self) -> bool {
        self.only_if_changed || self.absolute
    }

    /// See [`Scheduler::verdict`](super::Scheduler::verdict).
    pub fn verdict(&self, options: &SchedulerOptions, change: &Change) -> Option<Verdict> {
        if !self.only_if_changed {
            return None;
        }
        let mut verdict = self.interest.verdict(options, change);
        if let Some(why) = self.branch.why_not(change) {
            (verdict.takes, verdict.why) = (false, why);
        }
        Some(verdict)
    }

    /// Takes up where the last life ended. One that does not listen forgets what it has heard.
    pub fn enter(&self, desk: &mut Desk<'_>, class: &str, fresh: bool) -> Result<(), DbError> {
        incoming::enter(desk, fresh)?;
        if !self.listens() {
            schedulers::unclassify_all(desk.conn, desk.id)?;
        }
        self.wait_from_now(desk, class, false)
    }

    /// While it is switched off: what comes is not built, and the first time moves on.
    pub fn skip(&self, desk: &mut Desk<'_>, class: &str) -> Result<(), DbError> {
        incoming::skip(desk)?;
        self.wait_from_now(desk, class, true)
    }

    /// One that has never acted waits for the first time after now.
    fn wait_from_now(&self, desk: &mut Desk<'_>, class: &str, anew: bool) -> Result<(), DbError> {
        if last(desk, class)?.is_some() {
            return Ok(());
        }
        let object = desk.object(incoming::CLASS)?;
        if anew || state::get(desk.conn, object, SINCE)?.is_none() {
            state::set(desk.conn, object, SINCE, &Value::from(desk.now))?;
        }
        Ok(())
    }

    /// Takes note of new changes; true when there are more.
    pub fn listen(&self, desk: &mut Desk<'_>, class: &str) -> Result<bool, DbError> {
        if !self.listens() {
            return Ok(false);
        }
        let (new, more) = incoming::next(desk)?;
        let options = desk.options;
        let taken = new.iter().filter(|change| self.branch.matches(change));
        let taken: Vec<(&Change, bool)> = taken
            .filter_map(|change| Some((change, self.interest.importance(options, change)?)))
            .collect();
        for (change, important) in &taken {
            schedulers::classify(desk.conn, desk.id, change.id, *important)?;
        }
        if self.absolute {
            last_seen::record(desk, class, taken.into_iter().map(|(change, _)| change))?;
        }
        Ok(more)
    }

    /// Builds what has changed, or everything as it is, unless nothing is to be built.
    pub fn build(
        &self,
        desk: &mut Desk<'_>,
        class: &'static str,
        acts: &Acting,
        pass: &mut Pass,
    ) -> Result<(), DbError> {
        let waiting = schedulers::classified(desk.conn, desk.id)?;
        let object = desk.object(class)?;
        let was = state::get(desk.conn, object, WAS_ONLY_IF_CHANGED)?;
        let occasion = Occasion {
            only_if_changed: self.only_if_changed,
            was_only_if_changed: was.and_then(|was| was.as_bool()).unwrap_or(true),
            first: acts.first,
            important: waiting.iter().any(|(_, important)| *important),
            forced: acts.forced,
        };
        if !occasion.builds() {
            tracing::info!(scheduler = %desk.options.name, "nothing important has changed: no build");
            return Ok(());
        }
        state::set(desk.conn, object, WAS_ONLY_IF_CHANGED, &Value::Bool(self.only_if_changed))?;
        let changes: Vec<&Change> = waiting.iter().map(|(change, _)| change).collect();
        let defaults = if self.absolute {
            last_seen::stamps(desk, class)?
        } else {
            desk.options.default_stamps()
        };
        let reason = reason(desk.options, class, REASON);
        pass.submitted.push(for_changes(desk, &reason, &changes, &defaults)?);
        schedulers::unclassify_all(desk.conn, desk.id)?;
        if !self.listens() {
            incoming::skip(desk)?;
        }
        Ok(())
    }
}

const REASON: &str = "The %(classname)s scheduler named '%(name)s' triggered this build";

/// The sentence of timed schedulers.
pub fn sentence(desk: &Desk<'_>, class: &str) -> String {
    reason(desk.options, class, REASON)
}

/// The moment in which a scheduler acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acting {
    /// When it was due, or now when that was missed.
    pub at: Timestamp,
    /// For the very first time.
    pub first: bool,
    /// Build whether or not something has changed.
    pub forced: bool,
}

/// One pass of the clock: tells `act` when the time has come, and when the next one comes.
/// `first` is the very first time, counted from when the scheduler began to wait.
pub fn turn(
    desk: &mut Desk<'_>,
    class: &str,
    first: impl Fn(Timestamp) -> Option<Timestamp>,
    next_after: impl Fn(Timestamp) -> Option<Timestamp>,
    act: impl FnOnce(&mut Desk<'_>, Acting, &mut Pass) -> Result<(), DbError>,
) -> Result<Pass, DbError> {
    let mut pass = Pass::default();
    let last = last(desk, class)?;
    let due = match last {
        // One in the future, as after the clock was set back, counts as now.
        Some(last) => next_after(last.min(desk.now)),
        None => first(since(desk)?),
    };
    match decide(due, desk.now, &next_after) {
        Turn::Wait(due) => pass.due_at = Some(due),
        Turn::Never => pass.idle_because = Some("no time of its calendar will come".to_owned()),
        Turn::Act(at) => {
            let object = desk.object(class)?;
            state::set(desk.conn, object, LAST, &Value::from(at))?;
            act(desk, Acting { at, first: last.is_none(), forced: false }, &mut pass)?;
            pass.due_at = next_after(at);
        }
    }
    pass.pending = schedulers::count_classified(desk.conn, desk.id)?;
    Ok(pass)
}

/// When it acted last; stock writes fractions of seconds.
fn last(desk: &mut Desk<'_>, class: &str) -> Result<Option<Timestamp>, DbError> {
    let object = desk.object(class)?;
    let last = state::get(desk.conn, object, LAST)?;
    Ok(last.and_then(|last| last.as_f64()).map(|last| last as Timestamp))
}

/// Since when it waits for its very first time.
fn since(desk: &mut Desk<'_>) -> Result<Timestamp, DbError> {
    let object = desk.object(incoming::CLASS)?;
    let since = state::get(desk.conn, object, SINCE)?.and_then(|since| since.as_i64());
    Ok(since.unwrap_or(desk.now))
}

/// `branch`; `false` stands for Python's `None`, the default branch.
fn branch(fields: &mut Fields<'_>) -> ChangeFilter {
    let Some(raw) = fields.take("branch").filter(|raw| raw.value != RawValue::Null) else {
        return ChangeFilter::default();
    };
    match &raw.value {
        RawValue::Text(branch) => ChangeFilter::branches(vec![Some(branch.clone())]),
        RawValue::Bool(false) => ChangeFilter::branches(vec![None]),
        _ => {
            let message = format!("must be a string, or false for no branch, not {}", raw.kind());
            fields.problem_at("branch", &raw.place, message);
            ChangeFilter::default()
        }
    }
}
