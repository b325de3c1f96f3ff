//! `OldBuildCanceller`: cancels requests, and stops builds, that a newer commit of the same branch
//! has made pointless.

use std::sync::Arc;

use super::{Fact, Service, ServicePlan, Wish, registry};
use crate::config::fields::Fields;
use crate::flow::old_builds::{BranchKey, OldBuildFilter, OldBuilds};

const REASON: &str = "Build request has been obsoleted by a newer commit";

#[derive(Debug)]
struct Plan {
    filters: Vec<OldBuildFilter>,
    branch_key: BranchKey,
}

pub(super) fn parse(fields: &mut Fields<'_>) -> Arc<dyn ServicePlan> {
    let filters = registry::filters(fields, |fields| OldBuildFilter {
        builders: fields.required("builders"),
        filter: registry::source_filter(fields),
    });
    let branch_key = fields.optional("branch_key").map_or(BranchKey::Branch, BranchKey::Expression);
    Arc::new(Plan { filters, branch_key })
}

impl ServicePlan for Plan {
    fn begin(&self) -> Box<dyn Service> {
        Box::new(Canceller(OldBuilds::new(self.filters.clone(), self.branch_key.clone())))
    }

    fn builders(&self) -> Vec<&str> {
        self.filters.iter().flat_map(|filter| &filter.builders).map(String::as_str).collect()
    }
}

struct Canceller(OldBuilds);

impl Service for Canceller {
    fn hear(&mut self, fact: &Fact) -> Result<Vec<Wish>, String> {
        let pointless = match fact {
            Fact::Changed(stamp) => {
                self.0.change(stamp)?;
                Vec::new()
            }
            Fact::Requested(request) => {
                self.0.request(request.id, &request.builder, &request.sources)?
            }
            Fact::RequestCompleted(request) => {
                self.0.done(*request);
                Vec::new()
            }
            Fact::Failed { .. } => Vec::new(),
        };
        let cancel = |request| Wish::Cancel { request, reason: REASON.to_owned() };
        Ok(pointless.into_iter().map(cancel).collect())
    }
}
