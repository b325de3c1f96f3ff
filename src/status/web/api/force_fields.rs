//! Force schedulers as entities, from the configuration.

use std::collections::HashSet;

use serde_json::Value;

use super::answer::select;
use super::{Answer, ApiError, Ask};
use crate::config::checked::{ForceScheduler, MasterConfig, SchedulerOptions};
use crate::db::listing::{self, BuilderRow, Field, Kind, Scope};
use crate::db::{Conn, schedulers};
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

pub fn all(conn: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let off = switched_off(conn)?;
    Ok(ask.memory(entities(&ask.config, &off).collect(), FIELDS))
}

pub fn one(conn: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let name = ask.captures.text("schedulername").unwrap_or_default();
    let off = switched_off(conn)?;
    let found = entities(&ask.config, &off).find(|entity| entity["name"] == name);
    let found = found.ok_or_else(|| ask.not_found())?;
    Ok(Answer::One(select(found, &ask.query.fields)))
}

pub fn of_builder(conn: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let id = ask.captures.number("builderid").unwrap_or(-1);
    let builder = listing::one::<BuilderRow>(conn, &Scope::is("builders.id", id))?;
    let name = builder.ok_or_else(|| ask.not_found())?.name;
    let off = switched_off(conn)?;
    let of_builder = entities(&ask.config, &off).filter(|entity| {
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

fn entities<'a>(
    config: &'a MasterConfig,
    off: &'a HashSet<String>,
) -> impl Iterator<Item = Value> + use<'a> {
    force_schedulers(config).map(move |(scheduler, force)| {
        let workers = workers_of(config, &scheduler.builder_names);
        describe(scheduler, force, &workers, !off.contains(&scheduler.name))
    })
}

/// The schedulers that the operator has switched off.
fn switched_off(conn: &mut Conn) -> Result<HashSet<String>, ApiError> {
    let rows = schedulers::list(conn)?.into_iter();
    Ok(rows.filter(|row| !row.enabled).map(|row| row.name).collect())
}

/// The workers of these builders.
pub fn workers_of(config: &MasterConfig, builders: &[String]) -> Vec<String> {
    let own = config.builders.iter().filter(|builder| builders.contains(&builder.name));
    own.flat_map(|builder| builder.workernames.clone()).collect()
}
