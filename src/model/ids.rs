//! One newtype per table key, so that a build id can never be passed for a builder id.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// `masters.id`
    MasterId,
    /// `builders.id`
    BuilderId,
    /// `workers.id`
    WorkerId,
    /// `projects.id`
    ProjectId,
    /// `schedulers.id`
    SchedulerId,
    /// `changesources.id`
    ChangeSourceId,
    /// `changes.changeid`
    ChangeId,
    /// `sourcestamps.id`
    SourceStampId,
    /// `patches.id`
    PatchId,
    /// `buildsets.id`
    BuildsetId,
    /// `buildrequests.id`
    BuildRequestId,
    /// `builds.id`; the number people see is [`Build::number`](super::Build)
    BuildId,
    /// `steps.id`
    StepId,
    /// `logs.id`
    LogId,
    /// `test_result_sets.id`
    TestResultSetId,
    /// `rs_problems.id`
    ProblemId,
    /// `objects.id`: the owner of rows in `object_state`
    ObjectId,
}
