//! The classes of services. A new one is a file beside this and a line here.

use std::sync::Arc;

use super::ServicePlan;
use super::{failing_buildset_canceller, old_build_canceller};
use crate::config::fields::Fields;
use crate::config::raw::Raw;

/// One class: its name, and how its own keys are read.
pub struct ServiceClass {
    pub class: &'static str,
    pub parse: fn(&mut Fields<'_>) -> Arc<dyn ServicePlan>,
}

pub const REGISTRY: &[ServiceClass] = &[
    ServiceClass { class: "OldBuildCanceller", parse: old_build_canceller::parse },
    ServiceClass { class: "FailingBuildsetCanceller", parse: failing_buildset_canceller::parse },
];

/// A service as configured.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    pub name: String,
    pub class: &'static str,
    pub plan: Arc<dyn ServicePlan>,
    /// Its table as written.
    pub written: serde_json::Value,
}

/// Two services are the same when they were written the same.
impl PartialEq for ServiceConfig {
    fn eq(&self, other: &ServiceConfig) -> bool {
        self.written == other.written
    }
}

/// The class of this name.
pub fn find(class: &str) -> Option<&'static ServiceClass> {
    REGISTRY.iter().find(|known| known.class == class)
}

/// Reads what follows the `type` of the table `raw`.
pub fn parse(class: &ServiceClass, raw: &Raw, mut fields: Fields<'_>) -> ServiceConfig {
    let name: String = fields.required("name");
    let plan = (class.parse)(&mut fields);
    fields.finish();
    ServiceConfig { name, class: class.class, plan, written: raw.to_json() }
}

/// The entries of `filters`, each read by `read`.
pub fn filters<T>(fields: &mut Fields<'_>, mut read: impl FnMut(&mut Fields<'_>) -> T) -> Vec<T> {
    let entries = fields.entries("filters");
    if entries.is_empty() {
        fields.problem("needs 'filters', a list of tables with 'builders' and 'filter'");
    }
    let (_, problems) = fields.nested("filters");
    entries
        .iter()
        .map(|(path, raw)| {
            let mut fields = Fields::of(raw, path, problems);
            let item = read(&mut fields);
            fields.finish();
            item
        })
        .collect()
}

/// The table `filter` of one of the `filters`.
pub fn source_filter(fields: &mut Fields<'_>) -> crate::flow::source_filter::SourceFilter {
    let Some(raw) = fields.take("filter") else { return Default::default() };
    let (path, problems) = fields.nested("filter");
    crate::flow::source_filter::SourceFilter::parse(&raw, &path, problems)
}
