//! Merging requests that a newer one makes superfluous (`collapseRequests`).

use std::collections::HashMap;

use super::scan::Scanner;
use crate::db::collapsing::{self, Cause};
use crate::db::{DbError, buildrequests};
use crate::events::Event;
use crate::flow::collapse::{PendingRequest, PendingSource, collapsed_by};
use crate::model::{BuildRequest, BuildRequestId, BuilderId, BuildsetId, Results, now};

impl Scanner {
    /// Merges compatible requests of builders that allow it; answers which ones are gone.
    pub(super) async fn collapse(
        &self,
        pending: &[BuildRequest],
    ) -> Result<Vec<BuildRequestId>, DbError> {
        let crowded = self.crowded(pending);
        if crowded.is_empty() {
            return Ok(Vec::new());
        }
        let master = self.surroundings.master;
        let gone = self
            .surroundings
            .db
            .write(move |conn| {
                let buildsets: Vec<BuildsetId> = crowded.iter().map(|r| r.buildset).collect();
                let gone = superfluous(&crowded, &collapsing::causes(conn, &buildsets)?);
                if !gone.is_empty() {
                    buildrequests::claim(conn, master, &gone, now())?;
                    buildrequests::complete(conn, &gone, Results::Skipped, now())?;
                }
                Ok(gone)
            })
            .await?;
        for request in pending.iter().filter(|request| gone.contains(&request.id)) {
            tracing::info!(request = %request.id, "collapsed into a newer request");
            self.surroundings.announcer.announce(Event::RequestCompleted {
                request: request.id,
                builder: request.builder,
                buildset: request.buildset,
                results: Results::Skipped,
            });
        }
        if !gone.is_empty() {
            self.surroundings.closer.poke();
        }
        Ok(gone)
    }

    /// Requests of those builders that have several and may collapse them.
    fn crowded(&self, pending: &[BuildRequest]) -> Vec<BuildRequest> {
        let builders = self.shared.builders();
        let default = self.surroundings.config.borrow().collapse_requests;
        let mut counts: HashMap<BuilderId, usize> = HashMap::new();
        for request in pending {
            *counts.entry(request.builder).or_default() += 1;
        }
        let collapses = |builder: &BuilderId| {
            builders
                .get(builder)
                .is_some_and(|handle| handle.config.collapse_requests.unwrap_or(default))
        };
        pending
            .iter()
            .filter(|request| counts[&request.builder] > 1 && collapses(&request.builder))
            .cloned()
            .collect()
    }
}

/// Every request that some newer one replaces.
fn superfluous(
    requests: &[BuildRequest],
    causes: &HashMap<BuildsetId, Cause>,
) -> Vec<BuildRequestId> {
    let candidates: Vec<PendingRequest> =
        requests.iter().map(|request| candidate(request, causes)).collect();
    let mut gone: Vec<BuildRequestId> =
        candidates.iter().flat_map(|newer| collapsed_by(newer, &candidates)).collect();
    gone.sort_unstable();
    gone.dedup();
    gone
}

fn candidate(request: &BuildRequest, causes: &HashMap<BuildsetId, Cause>) -> PendingRequest {
    let cause = causes.get(&request.buildset).cloned().unwrap_or_default();
    let sources = cause.sources.into_iter().map(|stamp| PendingSource {
        has_changes: cause.with_changes.contains(&stamp.id),
        has_patch: stamp.patch.is_some(),
        codebase: stamp.codebase,
        repository: stamp.repository,
        project: stamp.project,
        branch: stamp.branch,
        revision: stamp.revision,
    });
    PendingRequest {
        id: request.id,
        buildset: request.buildset,
        builder: request.builder,
        waited_for: request.waited_for,
        sources: sources.collect(),
        properties: cause.properties,
    }
}
