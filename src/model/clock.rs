//! Wall-clock time as the database keeps it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Whole seconds since 1970-01-01 UTC, the unit of every timestamp column.
pub type Timestamp = i64;

/// The current time. A clock before 1970 reads as 0.
pub fn now() -> Timestamp {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as Timestamp)
}
