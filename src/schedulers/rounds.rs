//! What all schedulers have in common around their verbs: one master runs each, and the operator
//! can switch it off.

use super::{Desk, Order, Pass, Refused, Submitted};
use crate::config::checked::SchedulerConfig;
use crate::db::{Conn, DbError, schedulers};
use crate::model::{MasterId, Timestamp};

/// Begins a life of the scheduler; see [`Scheduler::enter`](super::Scheduler::enter). False while
/// another master runs it.
///
/// # Errors
/// When the database refuses.
pub fn enter(
    conn: &mut Conn,
    config: &SchedulerConfig,
    master: MasterId,
    fresh: bool,
    now: Timestamp,
) -> Result<bool, DbError> {
    let id = schedulers::find_or_create(conn, &config.options.name)?;
    if !schedulers::claim(conn, id, master)? {
        return Ok(false);
    }
    config.plan.enter(&mut Desk { conn, options: &config.options, id, now }, fresh)?;
    Ok(true)
}

/// One look at the tables.
///
/// # Errors
/// When the database refuses.
pub fn pass(
    conn: &mut Conn,
    config: &SchedulerConfig,
    master: MasterId,
    now: Timestamp,
) -> Result<Pass, DbError> {
    let idle = |why: &str| Pass { idle_because: Some(why.to_owned()), ..Pass::default() };
    let id = schedulers::find_or_create(conn, &config.options.name)?;
    if !schedulers::claim(conn, id, master)? {
        return Ok(idle("another master runs this scheduler"));
    }
    let enabled = schedulers::is_enabled(conn, id)?;
    let mut desk = Desk { conn, options: &config.options, id, now };
    if !enabled {
        config.plan.skip(&mut desk)?;
        return Ok(idle("switched off"));
    }
    config.plan.pass(&mut desk)
}

/// Somebody's order. The outer error undoes the transaction.
///
/// # Errors
/// When the database refuses.
pub fn order(
    conn: &mut Conn,
    config: &SchedulerConfig,
    order: Order,
    now: Timestamp,
) -> Result<Result<Option<Submitted>, Refused>, DbError> {
    let id = schedulers::find_or_create(conn, &config.options.name)?;
    let mut desk = Desk { conn, options: &config.options, id, now };
    match config.plan.order(&mut desk, order) {
        Err(Refused::Db(error)) => Err(error),
        other => Ok(other),
    }
}
