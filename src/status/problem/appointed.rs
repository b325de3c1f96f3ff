//! Who follows the problems of a builder up, as the configuration says.

use crate::config::checked::MasterConfig;
use crate::reporters::ReporterConfig;
use crate::reporters::hassler::HasslerConfig;
use crate::reporters::registry::Plan;

/// The hassler of a builder.
#[derive(Clone, Copy)]
pub(super) struct Appointed<'c> {
    pub hassler: &'c HasslerConfig,
    pub notifier: &'c ReporterConfig,
    pub tags: &'c [String],
}

/// The first hassler that takes the builder; none for one that is not configured any more.
pub(super) fn appointed<'c>(config: &'c MasterConfig, builder: &str) -> Option<Appointed<'c>> {
    let tags = &config.builders.iter().find(|known| known.name == builder)?.tags;
    config.reporters.iter().find_map(|reporter| {
        let Plan::Hassler(hassler) = &reporter.plan else { return None };
        let notifier = hassler.notifier(config.reporters.iter()).ok()?;
        hassler.takes(builder, tags).then_some(Appointed { hassler, notifier, tags })
    })
}
