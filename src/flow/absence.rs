//! When a worker that stays away is missing, and when it has returned.
//!
//! Only time counts in which the master was there to be connected to: it is measured by the
//! master's *uptime*, the milliseconds of all its lives together. A worker that was connected when
//! a life of the master ended is missed from the next one's beginning; one that was away then goes
//! on being away.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::{Absence, Attendance, Timestamp};

/// A master that has just begun gives everybody so much time to connect, whatever their timeout.
pub const GRACE: Duration = Duration::from_secs(60);

/// The present life of a master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Its uptime when this life began. Absences of earlier lives have begun before.
    pub began: i64,
    /// Its uptime now.
    pub uptime: i64,
}

impl Life {
    /// The life after those that have lasted for `uptime` together.
    pub fn after(uptime: i64) -> Life {
        Life { began: uptime + 1, uptime: uptime + 1 }
    }

    fn age(self) -> i64 {
        self.uptime - self.began
    }
}

/// It is connected: any absence ends. The answer is also whether somebody was told of one.
pub fn connected(known: Attendance, now: Timestamp) -> (Attendance, bool) {
    let told = known.absence.is_some_and(|absence| absence.told);
    (Attendance { last_seen: Some(now), absence: None, ..known }, told)
}

/// Its connection has ended.
pub fn lost(known: Attendance, now: Timestamp, uptime: i64) -> Attendance {
    match known.absence {
        Some(_) => known,
        None => missed(Attendance { last_seen: Some(now), ..known }, now, uptime),
    }
}

/// A life of the master begins without it. `uptime` is that of all lives before, or the present
/// one for a worker that the configuration has just named.
pub fn missed(known: Attendance, now: Timestamp, uptime: i64) -> Attendance {
    let absence = known.absence.unwrap_or(Absence { since: now, uptime, told: false });
    let left_at = if known.absence.is_some() { known.left_at } else { known.last_seen };
    Attendance { left_at, absence: Some(absence), ..known }
}

/// People are told.
pub fn told(known: Attendance) -> Attendance {
    let absence = known.absence.map(|absence| Absence { told: true, ..absence });
    Attendance { absence, ..known }
}

/// Is it time to tell? A timeout of zero never does.
pub fn is_due(known: &Attendance, timeout: Duration, life: Life) -> bool {
    let Some(absence) = known.absence.filter(|absence| !absence.told) else { return false };
    let begun_here = absence.uptime >= life.began;
    !timeout.is_zero()
        && life.uptime - absence.uptime >= millis(timeout)
        && (begun_here || life.age() >= millis(GRACE))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A moment in the way of C's `ctime`, as stock's mails have it: `Thu Nov 27 16:44:14 2026`.
pub fn ctime(at: Timestamp, zone: TimeZone) -> String {
    jiff::Timestamp::from_second(at).map_or_else(
        |_| at.to_string(),
        |moment| moment.to_zoned(zone).strftime("%a %b %e %H:%M:%S %Y").to_string(),
    )
}

/// How long something takes, for people: `42 seconds`, `1 hour 5 minutes`, `3 days`.
pub fn how_long(seconds: i64) -> String {
    let count =
        |number: i64, unit: &str| format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
    let two = |big: i64, unit: &str, small: i64, part: &str| match small {
        0 => count(big, unit),
        small => format!("{} {}", count(big, unit), count(small, part)),
    };
    match seconds.max(0) {
        s @ 0..60 => count(s, "second"),
        s @ 60..3600 => count(s / 60, "minute"),
        s @ 3600..86_400 => two(s / 3600, "hour", s % 3600 / 60, "minute"),
        s => two(s / 86_400, "day", s % 86_400 / 3600, "hour"),
    }
}

#[cfg(test)]
mod tests;
