//! When a scheduler acts that goes by the clock, and whether there is anything to build then.

use crate::model::Timestamp;

/// So much later than planned is still on time.
const ON_TIME_S: i64 = 60;

/// What a timed scheduler does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Act, and remember this as the time of it.
    Act(Timestamp),
    /// Look again at this time.
    Wait(Timestamp),
    /// No time will ever come.
    Never,
}

/// Decides from `due`, the first time of its calendar since it acted. `next_after` is the calendar.
///
/// However many times were missed, it acts once for them, as in stock, and counts from now.
pub fn decide(
    due: Option<Timestamp>,
    now: Timestamp,
    next_after: impl Fn(Timestamp) -> Option<Timestamp>,
) -> Turn {
    let Some(due) = due else { return Turn::Never };
    if due > now {
        return Turn::Wait(due);
    }
    let on_time = now - due <= ON_TIME_S && next_after(due).is_none_or(|next| next > now);
    Turn::Act(if on_time { due } else { now })
}

/// What decides whether a scheduler that acts builds anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Occasion {
    /// `onlyIfChanged`
    pub only_if_changed: bool,
    /// `onlyIfChanged` when it built last; true when that is not known.
    pub was_only_if_changed: bool,
    /// It has never acted before.
    pub first: bool,
    /// An important change waits.
    pub important: bool,
    /// `force_at_…` names this minute.
    pub forced: bool,
}

impl Occasion {
    /// Build? Without `onlyIfChanged` always; with it when something important has changed, the
    /// first time, when it was set since the last build, and when forced.
    pub fn builds(self) -> bool {
        !self.only_if_changed
            || !self.was_only_if_changed
            || self.first
            || self.important
            || self.forced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_times_are_made_up_for_once() {
        let hourly = |after: Timestamp| Some((after.div_euclid(3600) + 1) * 3600);
        for (due, now, expected) in [
            (3600, 10, Turn::Wait(3600)),
            (3600, 3600, Turn::Act(3600)),
            (3600, 3630, Turn::Act(3600)),
            (3600, 3700, Turn::Act(3700)),
            (3600, 36_010, Turn::Act(36_010)),
        ] {
            assert_eq!(decide(Some(due), now, hourly), expected, "{due} {now}");
        }
        let often = |after: Timestamp| Some(after + 10);
        assert_eq!(decide(Some(10), 35, often), Turn::Act(35));
        assert_eq!(decide(Some(10), 15, often), Turn::Act(10));
        assert_eq!(decide(None, 10, hourly), Turn::Never);
    }

    #[test]
    fn what_is_built() {
        let quiet =
            Occasion { only_if_changed: true, was_only_if_changed: true, ..Occasion::default() };
        for (occasion, expected) in [
            (quiet, false),
            (Occasion { important: true, ..quiet }, true),
            (Occasion { first: true, ..quiet }, true),
            (Occasion { forced: true, ..quiet }, true),
            (Occasion { was_only_if_changed: false, ..quiet }, true),
            (Occasion { only_if_changed: false, ..quiet }, true),
        ] {
            assert_eq!(occasion.builds(), expected, "{occasion:?}");
        }
    }
}
