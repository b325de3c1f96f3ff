//! A step of a build.

use serde::{Deserialize, Serialize};

use super::{BuildId, Results, StepId, Timestamp};

/// A stored step. Step 0 is stock's synthetic `worker_preparation`.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub id: StepId,
    /// 0-based position in the build.
    pub number: i64,
    /// Unique in the build, at most 50 characters.
    pub name: String,
    pub build: BuildId,
    pub started_at: Option<Timestamp>,
    pub locks_acquired_at: Option<Timestamp>,
    pub complete_at: Option<Timestamp>,
    pub state_string: String,
    pub results: Option<Results>,
    pub urls: Vec<StepUrl>,
    pub hidden: bool,
}

/// A link that a step shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUrl {
    pub name: String,
    pub url: String,
}
