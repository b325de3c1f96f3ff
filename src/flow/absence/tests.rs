//! Tables, and random histories of a worker and its master.

use proptest::prelude::*;

use super::*;
use crate::model::WorkerId;

const MINUTE: i64 = 60_000;
const HOUR: Duration = Duration::from_secs(3600);

fn away(uptime: i64, told: bool) -> Attendance {
    let absence = Some(Absence { since: 5, uptime, told });
    Attendance { absence, ..Attendance::unknown(WorkerId(1)) }
}

#[test]
fn a_worker_is_missing_after_its_timeout_and_told_once() {
    let life = |began: i64, uptime: i64| Life { began, uptime };
    let minute = Duration::from_secs(60);
    let second = Duration::from_secs(1);
    let cases = [
        ("too early", away(100, false), HOUR, life(1, 100 + 59 * MINUTE), false),
        ("in time", away(100, false), HOUR, life(1, 100 + 60 * MINUTE), true),
        ("told", away(100, true), HOUR, life(1, 900 * MINUTE), false),
        ("never", away(100, false), Duration::ZERO, life(1, 900 * MINUTE), false),
        ("lost in this life", away(100, false), second, life(100, 1100), true),
        ("a fresh master waits", away(99, false), second, life(100, 100 + MINUTE - 1), false),
        ("and tells then", away(99, false), second, life(100, 100 + MINUTE), true),
        ("away before: counts on", away(0, false), HOUR, life(59 * MINUTE, 60 * MINUTE), true),
        ("connected before: all anew", away(99, false), HOUR, life(100, 59 * MINUTE), false),
        ("present", Attendance::unknown(WorkerId(1)), minute, life(1, 900 * MINUTE), false),
    ];
    for (what, known, timeout, life, expected) in cases {
        assert_eq!(is_due(&known, timeout, life), expected, "{what}");
    }
}

#[test]
fn an_absence_remembers_when_it_was_seen_before() {
    let (here, returned) = connected(Attendance::unknown(WorkerId(1)), 100);
    assert!(!returned);
    let gone = lost(here, 150, 7);
    assert_eq!((gone.last_seen, gone.left_at), (Some(150), Some(150)));
    assert_eq!(lost(gone, 170, 9), gone, "twice is once");
    assert_eq!(missed(gone, 170, 9), gone, "the next life goes on with it");
    assert_eq!(gone.missing_since(), None, "nobody knows yet");
    assert_eq!(told(gone).missing_since(), Some(150));
    let (back, returned) = connected(told(gone), 200);
    assert!(returned);
    assert_eq!((back.left_at, back.absence), (Some(150), None));
    let never = told(missed(Attendance::unknown(WorkerId(1)), 300, 9));
    assert_eq!((never.left_at, never.missing_since()), (None, Some(300)));
}

#[test]
fn times_are_for_people() {
    assert_eq!(ctime(0, TimeZone::UTC), "Thu Jan  1 00:00:00 1970");
    for (seconds, text) in [
        (-4, "0 seconds"),
        (1, "1 second"),
        (3599, "59 minutes"),
        (3900, "1 hour 5 minutes"),
        (7200, "2 hours"),
        (90_000, "1 day 1 hour"),
    ] {
        assert_eq!(how_long(seconds), text);
    }
}

/// What may happen to a worker and its master.
#[derive(Debug, Clone)]
enum Turn {
    Connect,
    Lose,
    /// Milliseconds pass; the master looks.
    Pass(i64),
    /// The master ends, and begins again.
    Restart,
    /// The clock is set, seconds.
    Clock(i64),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        2 => Just(Turn::Connect),
        2 => Just(Turn::Lose),
        4 => (0..90 * MINUTE).prop_map(Turn::Pass),
        2 => (0..2 * MINUTE).prop_map(Turn::Pass),
        1 => Just(Turn::Restart),
        1 => (-100_000i64..100_000).prop_map(Turn::Clock),
    ]
}

/// A master as it should be: what is told, by outage.
struct World {
    known: Attendance,
    life: Life,
    clock: Timestamp,
    connected: bool,
    /// Uptime of the present outage, by a count of its own.
    missed: i64,
    missing: u32,
    returned: u32,
}

impl World {
    fn begin() -> World {
        let life = Life::after(0);
        let clock = 1_000_000;
        let known = missed(Attendance::unknown(WorkerId(1)), clock, 0);
        World { known, life, clock, connected: false, missed: 0, missing: 0, returned: 0 }
    }

    fn turn(&mut self, turn: &Turn) -> Result<(), TestCaseError> {
        match turn {
            Turn::Connect if !self.connected => self.connect()?,
            Turn::Lose if self.connected => {
                self.known = lost(self.known, self.clock, self.life.uptime);
                self.connected = false;
            }
            Turn::Connect | Turn::Lose => {}
            Turn::Pass(time) => self.pass(*time)?,
            Turn::Restart => {
                self.life = Life::after(self.life.uptime);
                self.connected = false;
                self.known = missed(self.known, self.clock, self.life.began - 1);
            }
            Turn::Clock(by) => self.clock += by,
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<(), TestCaseError> {
        let (known, returned) = connected(self.known, self.clock);
        self.known = known;
        self.connected = true;
        prop_assert_eq!(u32::from(returned), self.missing, "told once of each told outage");
        self.returned += u32::from(returned);
        (self.missed, self.missing) = (0, 0);
        Ok(())
    }

    fn pass(&mut self, time: i64) -> Result<(), TestCaseError> {
        self.life.uptime += time;
        self.clock += time / 1000;
        self.missed += if self.connected { 0 } else { time };
        if is_due(&self.known, HOUR, self.life) {
            prop_assert!(!self.connected, "nobody misses a worker that is there");
            // A restart is a millisecond.
            prop_assert!(self.missed + 100 >= 60 * MINUTE, "after {} ms", self.missed);
            self.known = told(self.known);
            self.missing += 1;
        }
        prop_assert!(self.missing <= 1, "one fact for each outage");
        let over = self.missed >= 60 * MINUTE && self.life.age() >= MINUTE;
        prop_assert!(self.missing == 1 || !over || self.connected, "a long outage is told");
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_outage_is_told_once_and_its_end_once(turns in proptest::collection::vec(turn(), 0..60)) {
        let mut world = World::begin();
        for turn in &turns {
            world.turn(turn)?;
        }
    }
}
