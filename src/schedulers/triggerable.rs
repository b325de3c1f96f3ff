//! `Triggerable`: builds what a Trigger step asks for.

use std::sync::Arc;

use super::order::Trigger;
use super::submit::{own_properties, priority, reason, to_builders};
use super::{Desk, Order, Refused, Scheduler, Submitted};
use crate::config::checked::SchedulerOptions;
use crate::config::fields::Fields;
use crate::db::{DbError, buildsets, sourcestamps};
use crate::flow::sources::filled_up;
use crate::model::{NewBuildset, SourceStamp};

const CLASS: &str = "Triggerable";
const REASON: &str = "The Triggerable scheduler named '%(name)s' triggered this build";

#[derive(Debug)]
struct Triggerable;

/// A Triggerable has no keys of its own.
pub fn parse(_: &mut Fields<'_>, _: &mut SchedulerOptions) -> Arc<dyn Scheduler> {
    Arc::new(Triggerable)
}

impl Scheduler for Triggerable {
    fn class(&self) -> &'static str {
        CLASS
    }

    fn order(&self, desk: &mut Desk<'_>, order: Order) -> Result<Option<Submitted>, Refused> {
        match order {
            Order::Trigger(trigger) => {
                check_depth(desk, &trigger)?;
                let configured = reason(desk.options, CLASS, REASON);
                let reason = trigger.properties.get_str("reason").map(str::to_owned);
                Ok(Some(submit(desk, trigger, reason.unwrap_or(configured))?))
            }
            other => Err(other.not_for(desk.options)),
        }
    }

    fn is_triggerable(&self) -> bool {
        true
    }
}

/// Builds that may trigger each other in a row.
pub const MAX_DEPTH: usize = 50;

/// Refuses to go on with what looks like an endless ping-pong.
pub(super) fn check_depth(desk: &mut Desk<'_>, trigger: &Trigger) -> Result<(), Refused> {
    let Some(last) = trigger.parent_build else { return Ok(()) };
    let chain = buildsets::ancestors(desk.conn, last, MAX_DEPTH)?;
    match chain.last() {
        Some(first) if chain.len() >= MAX_DEPTH => {
            Err(Refused::TooDeep { length: chain.len(), first: *first, last })
        }
        _ => Ok(()),
    }
}

/// Submits what was asked for. Its properties go over the scheduler's own; its stamps are filled
/// up from the scheduler's codebases.
pub(super) fn submit(
    desk: &mut Desk<'_>,
    trigger: Trigger,
    reason: String,
) -> Result<Submitted, DbError> {
    let (new, sourcestamp_ids) = filled_up(trigger.stamps, &desk.options.default_stamps());
    let stored = sourcestamps::get_many(desk.conn, &sourcestamp_ids)?;
    let stored: Vec<SourceStamp> = stored.into_values().collect();
    let mut properties = own_properties(desk.options, &new, &stored, &trigger.properties);
    properties.extend(&trigger.properties);

    let set = NewBuildset {
        reason,
        sourcestamps: new,
        sourcestamp_ids,
        properties,
        priority: priority(desk.options, &[]),
        waited_for: trigger.waited_for,
        parent_build: trigger.parent_build,
        parent_relationship: trigger.parent_relationship,
        ..NewBuildset::default()
    };
    to_builders(desk, &desk.options.builder_names, set)
}
