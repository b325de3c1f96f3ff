//! Wall-clock time as the database keeps it, and where it comes from.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whole seconds since 1970-01-01 UTC, the unit of every timestamp column.
pub type Timestamp = i64;

/// The current time. A clock before 1970 reads as 0.
pub fn now() -> Timestamp {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as Timestamp)
}

/// Where a master gets the time from: the system, or whoever plays a whole day in a few seconds.
/// Clones tell the same time.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<dyn Fn() -> Timestamp + Send + Sync>>);

impl Clock {
    /// A clock that is set by somebody else. `tell` is asked on any thread.
    pub fn new(tell: impl Fn() -> Timestamp + Send + Sync + 'static) -> Clock {
        Clock(Some(Arc::new(tell)))
    }

    /// The time by this clock.
    pub fn now(&self) -> Timestamp {
        self.0.as_ref().map_or_else(now, |tell| tell())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Clock(set by hand)" } else { "Clock(the system's)" })
    }
}
