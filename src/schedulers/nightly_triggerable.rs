//! `NightlyTriggerable`: remembers what a Trigger step asked for last, and builds that at the next
//! time of its calendar.
//!
//! The memory is stock's, `lastTrigger`: the source stamps, the properties, the parent build and
//! its relationship.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::nightly::calendars;
use super::order::Trigger;
use super::timed::{Timed, sentence, turn};
use super::triggerable::{check_depth, submit};
use super::{Desk, Order, Pass, Refused, Scheduler, Submitted};
use crate::config::checked::SchedulerOptions;
use crate::config::fields::Fields;
use crate::db::{DbError, sourcestamps, state};
use crate::flow::calendar::Calendar;
use crate::flow::sources::PartialStamp;
use crate::model::{BuildId, Properties};

const CLASS: &str = "NightlyTriggerable";
const LAST_TRIGGER: &str = "lastTrigger";

#[derive(Debug)]
struct NightlyTriggerable {
    timed: Timed,
    when: Calendar,
}

/// Reads the own keys of a NightlyTriggerable. Those about changes and `force_at_…` mean nothing to
/// it, in stock neither.
pub fn parse(fields: &mut Fields<'_>, _: &mut SchedulerOptions) -> Arc<dyn Scheduler> {
    let timed = Timed::parse(fields);
    let (when, _) = calendars(fields);
    Arc::new(NightlyTriggerable { timed, when })
}

impl Scheduler for NightlyTriggerable {
    fn class(&self) -> &'static str {
        CLASS
    }

    fn enter(&self, desk: &mut Desk<'_>, fresh: bool) -> Result<(), DbError> {
        self.timed.enter(desk, CLASS, fresh)
    }

    fn skip(&self, desk: &mut Desk<'_>) -> Result<(), DbError> {
        self.timed.skip(desk, CLASS)
    }

    fn pass(&self, desk: &mut Desk<'_>) -> Result<Pass, DbError> {
        let zone = TimeZone::system();
        let next = |after| self.when.next_after(after, &zone);
        let mut pass = turn(desk, CLASS, next, next, |desk, _, pass| {
            let Some(trigger) = take(desk)? else { return Ok(()) };
            let reason = sentence(desk, CLASS);
            pass.submitted.push(submit(desk, trigger, reason)?);
            Ok(())
        })?;
        if pass.submitted.is_empty() && remembered(desk)?.is_none() {
            pass.idle_because.get_or_insert_with(|| "nothing was triggered".to_owned());
        }
        Ok(pass)
    }

    fn order(&self, desk: &mut Desk<'_>, order: Order) -> Result<Option<Submitted>, Refused> {
        match order {
            Order::Trigger(trigger) => {
                check_depth(desk, &trigger)?;
                remember(desk, &trigger)?;
                Ok(None)
            }
            other => Err(other.not_for(desk.options)),
        }
    }

    fn is_triggerable(&self) -> bool {
        true
    }
}

fn remember(desk: &mut Desk<'_>, trigger: &Trigger) -> Result<(), DbError> {
    let mut stamps = Vec::new();
    for stamp in &trigger.stamps {
        let stored = stamp.id.map(|id| sourcestamps::get(desk.conn, id)).transpose()?;
        stamps.push(
            stored.map_or_else(|| stamp.clone(), |stored| PartialStamp::of(&stored)).to_json(),
        );
    }
    let properties: Map<String, Value> = trigger
        .properties
        .iter()
        .map(|(name, property)| (name.to_owned(), json!([property.value, property.source])))
        .collect();
    let parent = trigger.parent_build.map(|id| id.0);
    let memory = json!([stamps, properties, parent, trigger.parent_relationship]);
    let object = desk.object(CLASS)?;
    state::set(desk.conn, object, LAST_TRIGGER, &memory)
}

fn remembered(desk: &mut Desk<'_>) -> Result<Option<Trigger>, DbError> {
    let object = desk.object(CLASS)?;
    Ok(state::get(desk.conn, object, LAST_TRIGGER)?.and_then(|memory| read(&memory)))
}

/// What was asked for last; it is asked for once.
fn take(desk: &mut Desk<'_>) -> Result<Option<Trigger>, DbError> {
    let trigger = remembered(desk)?;
    let object = desk.object(CLASS)?;
    state::set(desk.conn, object, LAST_TRIGGER, &Value::Null)?;
    Ok(trigger)
}

/// `None` for what cannot be read, which is ignored as in stock.
fn read(memory: &Value) -> Option<Trigger> {
    let [stamps, properties, parent, relationship] = memory.as_array()?.as_slice() else {
        return None;
    };
    let mut of = Properties::new();
    for (name, pair) in properties.as_object()? {
        if let [value, Value::String(source)] = pair.as_array()?.as_slice() {
            of.set(name, value.clone(), source);
        }
    }
    Some(Trigger {
        stamps: stamps.as_array()?.iter().map(PartialStamp::from_json).collect(),
        properties: of,
        waited_for: false,
        parent_build: parent.as_i64().map(BuildId),
        parent_relationship: relationship.as_str().map(str::to_owned),
    })
}
