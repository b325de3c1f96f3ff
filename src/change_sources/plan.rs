//! A configured change source: which class, when it looks, and what it marks its changes with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Source;
use crate::config::fields::Fields;
use crate::flow::category::Category;
use crate::model::NewChange;

/// A change source that looks by itself.
#[derive(Clone)]
pub struct SourcePlan {
    pub name: String,
    /// The class name: `GitPoller`, `SVNPoller` …
    pub class: &'static str,
    /// Under which name of an object, beside the class, it remembers; usually its own.
    pub memory: String,
    pub rhythm: Rhythm,
    pub category: Category,
    pub source: Arc<dyn Source>,
    /// The source's table as written.
    pub written: Value,
}

/// Without what was written, which may hold passwords.
impl fmt::Debug for SourcePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourcePlan")
            .field("class", &self.class)
            .field("rhythm", &self.rhythm)
            .finish_non_exhaustive()
    }
}

/// Two sources are the same when they were written the same.
impl PartialEq for SourcePlan {
    fn eq(&self, other: &SourcePlan) -> bool {
        self.written == other.written
    }
}

impl SourcePlan {
    /// Gives a change the category that the configuration says.
    pub fn mark(&self, change: &mut NewChange) {
        self.category.apply(change);
    }
}

/// When a source looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rhythm {
    /// Again and again, with pauses.
    Polls(PollTimes),
    /// It stays connected, and connects again when it has to.
    Always,
}

/// The options all pollers share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollTimes {
    /// Zero polls only when asked to.
    pub interval: Duration,
    pub at_launch: bool,
    pub random_delay_min: Duration,
    pub random_delay_max: Duration,
}

impl PollTimes {
    /// What stock's pollers have by default: every ten minutes.
    pub const STOCK: PollTimes = PollTimes {
        interval: Duration::from_secs(600),
        at_launch: false,
        random_delay_min: Duration::ZERO,
        random_delay_max: Duration::ZERO,
    };

    /// Reads the options, by stock's rules; `self` are the defaults.
    pub(super) fn read(self, fields: &mut Fields<'_>) -> PollTimes {
        let times = PollTimes {
            interval: fields.or("pollInterval", self.interval),
            at_launch: fields.or("pollAtLaunch", self.at_launch),
            random_delay_min: fields.or("pollRandomDelayMin", self.random_delay_min),
            random_delay_max: fields.or("pollRandomDelayMax", self.random_delay_max),
        };
        if times.random_delay_min > times.random_delay_max {
            fields.problem("'pollRandomDelayMin' must not be longer than 'pollRandomDelayMax'");
        }
        if !times.random_delay_max.is_zero() && times.random_delay_max >= times.interval {
            fields.problem("'pollRandomDelayMax' must be shorter than 'pollInterval'");
        }
        if times.interval.is_zero() && !times.at_launch {
            fields.problem("'pollInterval' 0 never polls, except with pollAtLaunch = true");
        }
        times
    }
}
