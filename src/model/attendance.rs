//! When a master saw a worker, and since when it misses it.

use super::{Timestamp, WorkerId};

/// What a master remembers of one of its workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attendance {
    pub worker: WorkerId,
    /// When it was connected last; `None` when it never was.
    pub last_seen: Option<Timestamp>,
    /// When it had been seen before its newest absence, which may be over.
    pub left_at: Option<Timestamp>,
    /// Present while it is away.
    pub absence: Option<Absence>,
}

/// One outage, as far as the master has watched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    pub since: Timestamp,
    /// The milliseconds that the master had been running then, all its lives together. Nobody can
    /// miss a worker while the master is down, and a clock that is set does not matter.
    pub uptime: i64,
    /// People were told.
    pub told: bool,
}

impl Attendance {
    /// Of a worker that was never seen.
    pub fn unknown(worker: WorkerId) -> Attendance {
        Attendance { worker, last_seen: None, left_at: None, absence: None }
    }

    /// Since when people know that it is missing.
    pub fn missing_since(&self) -> Option<Timestamp> {
        let absence = self.absence.filter(|absence| absence.told)?;
        Some(self.left_at.unwrap_or(absence.since))
    }
}
