//! A buildset: the requests made for one cause.

use super::{BuildId, BuilderId, BuildsetId, NewSourceStamp, Properties, Results, SourceStamp};
use super::{SourceStampId, Timestamp};

/// A buildset to be submitted: sources × builders.
#[derive(Debug, Clone, Default)]
pub struct NewBuildset {
    /// Why, for people: `The SingleBranchScheduler scheduler named 'all' triggered this build`.
    pub reason: String,
    /// Id of the outside world, such as a try job's; usually `None`.
    pub external_idstring: Option<String>,
    /// Stamps to find or create. Together with `sourcestamp_ids` there must be at least one.
    pub sourcestamps: Vec<NewSourceStamp>,
    /// Stamps that exist already, as a rebuild uses them.
    pub sourcestamp_ids: Vec<SourceStampId>,
    pub builders: Vec<BuilderId>,
    pub properties: Properties,
    /// Higher runs first.
    pub priority: i64,
    /// A Trigger step waits for the requests.
    pub waited_for: bool,
    pub parent_build: Option<BuildId>,
    pub parent_relationship: Option<String>,
    /// First build of a chain of rebuilds.
    pub rebuilt_build: Option<BuildId>,
}

/// A stored buildset.
#[derive(Debug, Clone)]
pub struct Buildset {
    pub id: BuildsetId,
    pub reason: String,
    pub external_idstring: Option<String>,
    pub submitted_at: Timestamp,
    pub complete: bool,
    pub complete_at: Option<Timestamp>,
    /// `None` until complete.
    pub results: Option<Results>,
    pub parent_build: Option<BuildId>,
    pub parent_relationship: Option<String>,
    pub rebuilt_build: Option<BuildId>,
    pub sourcestamps: Vec<SourceStamp>,
}
