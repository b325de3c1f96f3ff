//! `Periodic`: builds every so many seconds, the first time at once.

use std::sync::Arc;
use std::time::Duration;

use super::timed::{Timed, turn};
use super::{Desk, Pass, Scheduler};
use crate::config::checked::SchedulerOptions;
use crate::config::fields::Fields;
use crate::db::DbError;
use crate::events::Event;
use crate::flow::verdict::Verdict;
use crate::model::Change;

const CLASS: &str = "Periodic";

#[derive(Debug)]
struct Periodic {
    timed: Timed,
    /// Whole seconds, at least 1.
    period_s: i64,
}

/// Reads the own keys of a Periodic.
pub fn parse(fields: &mut Fields<'_>, _: &mut SchedulerOptions) -> Arc<dyn Scheduler> {
    let period: Duration = fields.required_checked("periodicBuildTimer", |period: &Duration| {
        period.is_zero().then(|| "must be more than 0 seconds".to_owned())
    });
    Arc::new(Periodic {
        timed: Timed::parse(fields),
        period_s: (period.as_secs_f64().ceil() as i64).max(1),
    })
}

impl Scheduler for Periodic {
    fn class(&self) -> &'static str {
        CLASS
    }

    fn wakes(&self, event: &Event) -> bool {
        self.timed.listens() && matches!(event, Event::ChangeAdded(_))
    }

    fn enter(&self, desk: &mut Desk<'_>, fresh: bool) -> Result<(), DbError> {
        self.timed.enter(desk, CLASS, fresh)
    }

    fn skip(&self, desk: &mut Desk<'_>) -> Result<(), DbError> {
        self.timed.skip(desk, CLASS)
    }

    fn verdict(&self, options: &SchedulerOptions, change: &Change) -> Option<Verdict> {
        self.timed.verdict(options, change)
    }

    fn pass(&self, desk: &mut Desk<'_>) -> Result<Pass, DbError> {
        if self.timed.listen(desk, CLASS)? {
            return Ok(Pass { more: true, ..Pass::default() });
        }
        let next = |after| Some(after + self.period_s);
        turn(desk, CLASS, Some, next, |desk, acting, pass| {
            self.timed.build(desk, CLASS, &acting, pass)
        })
    }
}
