//! `Nightly`: builds at the times of a calendar, in the local time of the master.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::timed::{Acting, Timed, turn};
use super::{Desk, Pass, Scheduler};
use crate::config::checked::SchedulerOptions;
use crate::config::fields::Fields;
use crate::config::raw::RawValue;
use crate::db::DbError;
use crate::events::Event;
use crate::flow::calendar::{Calendar, Field, Part};
use crate::flow::verdict::Verdict;
use crate::model::Change;

const CLASS: &str = "Nightly";

#[derive(Debug)]
struct Nightly {
    timed: Timed,
    when: Calendar,
    /// `force_at_…`: builds then even if nothing has changed.
    force_at: Option<Calendar>,
}

/// Reads the own keys of a Nightly.
pub fn parse(fields: &mut Fields<'_>, _: &mut SchedulerOptions) -> Arc<dyn Scheduler> {
    let timed = Timed::parse(fields);
    let (when, force_at) = calendars(fields);
    Arc::new(Nightly { timed, when, force_at })
}

/// The keys of both calendars, in the order of a cron line.
type Keys = [&'static str; 5];
const WHEN: Keys = ["minute", "hour", "dayOfMonth", "month", "dayOfWeek"];
const FORCE_AT: Keys = [
    "force_at_minute",
    "force_at_hour",
    "force_at_day_of_month",
    "force_at_month",
    "force_at_day_of_week",
];
const PARTS: [Part; 5] = [Part::Minute, Part::Hour, Part::DayOfMonth, Part::Month, Part::DayOfWeek];

/// When to build, and when even if nothing has changed: `None` when none of its keys is given.
pub(super) fn calendars(fields: &mut Fields<'_>) -> (Calendar, Option<Calendar>) {
    let (when, _) = calendar(fields, WHEN);
    let (force_at, given) = calendar(fields, FORCE_AT);
    (when, given.then_some(force_at))
}

/// Reads a calendar: every hour at minute 0 where nothing else is said. True when something is.
fn calendar(fields: &mut Fields<'_>, keys: Keys) -> (Calendar, bool) {
    let default = |part| match part {
        Part::Minute => Field::only(part, 0),
        other => Field::all(other),
    };
    let mut given = false;
    let mut read = [const { None }; 5];
    for ((key, part), field) in keys.into_iter().zip(PARTS).zip(&mut read) {
        let raw = fields.take(key).filter(|raw| raw.value != RawValue::Null);
        given |= raw.is_some();
        *field = raw.and_then(|raw| match Field::parse(part, &raw) {
            Ok(field) => Some(field),
            Err(message) => {
                fields.problem_at(key, &raw.place, message);
                None
            }
        });
    }
    let [minute, hour, day, month, weekday] = read;
    let or = |field: Option<Field>, part| field.unwrap_or_else(|| default(part));
    let made = Calendar::new(
        or(minute, Part::Minute),
        or(hour, Part::Hour),
        or(day, Part::DayOfMonth),
        or(month, Part::Month),
        or(weekday, Part::DayOfWeek),
    );
    let calendar = made.unwrap_or_else(|message| {
        let of = keys[2..].join("', '");
        fields.problem(format!("'{of}': {message}"));
        Calendar::hourly()
    });
    (calendar, given)
}

impl Scheduler for Nightly {
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
        let zone = TimeZone::system();
        let next = |after| self.when.next_after(after, &zone);
        let forced = |at| self.force_at.as_ref().is_some_and(|of| of.matches(at, &zone));
        turn(desk, CLASS, next, next, |desk, acting, pass| {
            let acting = Acting { forced: forced(acting.at), ..acting };
            self.timed.build(desk, CLASS, &acting, pass)
        })
    }
}
