//! A build request: one builder is asked to build one buildset.

use super::{BuildRequestId, BuilderId, BuildsetId, MasterId, Results, Timestamp};

/// A stored build request.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildRequest {
    pub id: BuildRequestId,
    pub buildset: BuildsetId,
    pub builder: BuilderId,
    /// Higher runs first.
    pub priority: i64,
    pub claim: Option<Claim>,
    pub complete: bool,
    /// `None` until complete; the column then holds -1.
    pub results: Option<Results>,
    pub submitted_at: Timestamp,
    pub complete_at: Option<Timestamp>,
    pub waited_for: bool,
}

/// Which master took a request, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub master: MasterId,
    pub claimed_at: Timestamp,
}
