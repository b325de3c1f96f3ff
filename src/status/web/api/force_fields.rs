//! Force schedulers as entities, from the configuration.

use serde_json::Value;

use super::answer::select;
use super::{Answer, ApiError, Ask};
use crate::config::checked::{ForceScheduler, MasterConfig, SchedulerOptions};
use crate::db::Conn;
use crate::db::listing::{self, BuilderRow, Field, Kind, Scope};
use crate::flow::force::describe;

/// Fields of the entity `forcescheduler`.
pub const FIELDS: &[Field] = &[
    Field::identifier("name", "name"),
    Field::text("button_name", "button_name"),
    Field::text("label", "label"),
    Field::virtual_of(Kind::Texts, "builder_names"),
    Field::bool("enabled", "enabled"),
    Field::virtual_of(Kind::Object, "all_fields"),
];

pub fn all(_: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    Ok(ask.memory(entities(&ask.config).collect(), FIELDS))
}

pub fn one(_: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let name = ask.captures.text("schedulername").unwrap_or_default();
    let found = entities(&ask.config).find(|entity| entity["name"] == name);
    let found = found.ok_or_else(|| ask.not_found())?;
    Ok(Answer::One(select(found, &ask.query.fields)))
}

pub fn of_builder(conn: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let id = ask.captures.number("builderid").unwrap_or(-1);
    let builder = listing::one::<BuilderRow>(conn, &Scope::is("builders.id", id))?;
    let name = builder.ok_or_else(|| ask.not_found())?.name;
    let of_builder = entities(&ask.config).filter(|entity| {
        entity["builder_names"].as_array().is_some_and(|names| names.iter().any(|n| *n == *name))
    });
    Ok(ask.memory(of_builder.collect(), FIELDS))
}

/// The force schedulers of a configuration.
pub fn force_schedulers(
    config: &MasterConfig,
) -> impl Iterator<Item = (&SchedulerOptions, &ForceScheduler)> {
    config
        .schedulers
        .iter()
        .filter_map(|scheduler| Some((&scheduler.options, scheduler.plan.form()?)))
}

fn entities(config: &MasterConfig) -> impl Iterator<Item = Value> {
    force_schedulers(config).map(|(scheduler, force)| {
        describe(scheduler, force, &workers_of(config, &scheduler.builder_names), true)
    })
}

/// The workers of these builders.
pub fn workers_of(config: &MasterConfig, builders: &[String]) -> Vec<String> {
    let own = config.builders.iter().filter(|builder| builders.contains(&builder.name));
    own.flat_map(|builder| builder.workernames.clone()).collect()
}
