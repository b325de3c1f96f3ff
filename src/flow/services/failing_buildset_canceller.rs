//! `FailingBuildsetCanceller`: when a build fails, cancels the rest of its buildset.

use std::sync::Arc;

use super::{Fact, Service, ServicePlan, Wish, registry};
use crate::config::fields::Fields;
use crate::flow::old_builds::{FailingFilter, taken_along};

const REASON: &str = "Build has been cancelled because another build in the same buildset failed";

#[derive(Debug, Clone)]
struct Plan {
    filters: Vec<FailingFilter>,
}

pub(super) fn parse(fields: &mut Fields<'_>) -> Arc<dyn ServicePlan> {
    let filters = registry::filters(fields, |fields| FailingFilter {
        builders: fields.required("builders"),
        builders_to_cancel: fields.optional("builders_to_cancel"),
        filter: registry::source_filter(fields),
    });
    Arc::new(Plan { filters })
}

impl ServicePlan for Plan {
    fn begin(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }

    fn builders(&self) -> Vec<&str> {
        let named = self.filters.iter().flat_map(|filter| &filter.builders);
        let cancelled = self.filters.iter().flat_map(|f| f.builders_to_cancel.iter().flatten());
        named.chain(cancelled).map(String::as_str).collect()
    }
}

impl Service for Plan {
    fn hear(&mut self, fact: &Fact) -> Result<Vec<Wish>, String> {
        let Fact::Failed { request, siblings } = fact else { return Ok(Vec::new()) };
        let names = taken_along(&self.filters, &request.builder, &request.sources);
        let goes = |builder: &String| names.as_ref().is_none_or(|names| names.contains(builder));
        let cancel = |id| Wish::Cancel { request: id, reason: REASON.to_owned() };
        let gone = siblings.iter().filter(|(_, builder)| goes(builder)).map(|(id, _)| *id);
        Ok(gone.map(cancel).collect())
    }
}
