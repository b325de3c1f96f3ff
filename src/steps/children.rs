//! Builds that a build has asked for: its children.

use crate::flow::sources::PartialStamp;
use crate::model::{BuildRequestId, Properties, Results};

/// What the configuration can know of a Trigger step without a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triggers {
    /// The schedulers, as far as their names are known.
    pub schedulers: Vec<String>,
    /// It may wait for the builds.
    pub waits: bool,
}

/// What a triggerable scheduler is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerOrder {
    /// The scheduler's name.
    pub scheduler: String,
    /// At most one per codebase; the scheduler's defaults fill up the rest.
    pub stamps: Vec<PartialStamp>,
    /// Over the scheduler's own; `reason` becomes the buildset's.
    pub properties: Properties,
    /// The build waits for its children, so nobody may merge their requests with others.
    pub waited_for: bool,
    /// What the parent is to them: `Triggered from`.
    pub parent_relationship: Option<String>,
}

/// A request that was made for a build.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildRequest {
    pub request: BuildRequestId,
    pub builder: String,
    /// Its page.
    pub url: String,
    /// `None` until it is complete.
    pub results: Option<Results>,
    /// One, or more after retries.
    pub builds: Vec<ChildBuild>,
}

/// A build of such a request.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildBuild {
    pub number: i64,
    /// Its page.
    pub url: String,
    /// `None` until it has ended.
    pub results: Option<Results>,
}
