//! Force schedulers as entities, from the configuration.

use std::collections::HashSet;

use serde_json::Value;

use super::answer::select;
use super::{Answer, ApiError, Ask};
use crate::config::checked::{
    FieldKind, ForceField, ForceScheduler, MasterConfig, SchedulerOptions,
};
use crate::db::listing::{self, BuildLine, BuilderRow, Field, Kind, Scope, in_list, newest};
use crate::db::{Conn, DbError, builders, schedulers};
use crate::flow::force::{Offers, describe};

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
    Ok(ask.memory(entities(conn, &ask.config, |_| true)?, FIELDS))
}

pub fn one(conn: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let name = ask.captures.text("schedulername").unwrap_or_default();
    let found = entities(conn, &ask.config, |scheduler| scheduler.name == name)?.pop();
    let found = found.ok_or_else(|| ask.not_found())?;
    Ok(Answer::One(select(found, &ask.query.fields)))
}

pub fn of_builder(conn: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let id = ask.captures.number("builderid").unwrap_or(-1);
    let builder = listing::one::<BuilderRow>(conn, &Scope::is("builders.id", id))?;
    let name = builder.ok_or_else(|| ask.not_found())?.name;
    let builds = |scheduler: &SchedulerOptions| scheduler.builder_names.contains(&name);
    Ok(ask.memory(entities(conn, &ask.config, builds)?, FIELDS))
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

fn entities(
    conn: &mut Conn,
    config: &MasterConfig,
    wanted: impl Fn(&SchedulerOptions) -> bool,
) -> Result<Vec<Value>, ApiError> {
    let off = switched_off(conn)?;
    let wanted = force_schedulers(config).filter(|(scheduler, _)| wanted(scheduler));
    let mut told = Vec::new();
    for (scheduler, force) in wanted {
        let offers = offers(conn, config, scheduler, force)?;
        told.push(describe(scheduler, force, &offers, !off.contains(&scheduler.name)));
    }
    Ok(told)
}

/// Builds that a field offers at most.
const BUILDS: i64 = 50;

/// What the form of a scheduler lets choose from.
///
/// # Errors
/// When the database refuses.
pub fn offers(
    conn: &mut Conn,
    config: &MasterConfig,
    scheduler: &SchedulerOptions,
    form: &ForceScheduler,
) -> Result<Offers, DbError> {
    let workers = workers_of(config, &scheduler.builder_names);
    let mut names: Vec<String> = Vec::new();
    inherited_from(&form.fields, &scheduler.builder_names, &mut names);
    if names.is_empty() {
        return Ok(Offers { workers, ..Offers::default() });
    }
    let ids = builders::ids_named(conn, &names)?;
    let scope = Scope::condition(in_list("builds.builderid", ids.into_iter().map(|id| id.0)));
    let builds = newest::<BuildLine>(conn, &scope, "buildid", BUILDS)?;
    let name = |build: BuildLine| format!("{}/{}", build.builder, build.number);
    Ok(Offers { workers, builds: builds.into_iter().map(name).collect() })
}

/// The builders of which these fields take over builds.
fn inherited_from(fields: &[ForceField], all: &[String], names: &mut Vec<String>) {
    for field in fields {
        match &field.kind {
            FieldKind::Nested(nested) => inherited_from(&nested.fields, all, names),
            FieldKind::Inherit { builders } if builders.is_empty() => names.extend_from_slice(all),
            FieldKind::Inherit { builders } => names.extend_from_slice(builders),
            _ => {}
        }
    }
}

/// The schedulers that the operator has switched off.
fn switched_off(conn: &mut Conn) -> Result<HashSet<String>, ApiError> {
    let rows = schedulers::list(conn)?.into_iter();
    Ok(rows.filter(|row| !row.enabled).map(|row| row.name).collect())
}

/// The workers of these builders.
fn workers_of(config: &MasterConfig, builders: &[String]) -> Vec<String> {
    let own = config.builders.iter().filter(|builder| builders.contains(&builder.name));
    own.flat_map(|builder| builder.workernames.clone()).collect()
}
