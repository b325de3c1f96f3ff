//! `ForceScheduler`: builds what a person asks for in a form.

use std::sync::Arc;

use super::order::ForceRequest;
use super::submit::to_builders;
use super::{Desk, Order, Refused, Scheduler, Submitted};
use crate::config::checked::{ForceScheduler, SchedulerOptions};
use crate::config::fields::Fields;
use crate::db::{Conn, DbError, builders, builds, properties};
use crate::flow::force::{BuildName, Inherited, Sent, asked_builds, read};
use crate::model::NewBuildset;

#[derive(Debug)]
struct Force {
    form: ForceScheduler,
}

/// Reads the own keys of a ForceScheduler.
pub fn parse(fields: &mut Fields<'_>, options: &mut SchedulerOptions) -> Arc<dyn Scheduler> {
    Arc::new(Force { form: crate::config::force::parse(fields, options) })
}

impl Scheduler for Force {
    fn class(&self) -> &'static str {
        "ForceScheduler"
    }

    fn order(&self, desk: &mut Desk<'_>, order: Order) -> Result<Option<Submitted>, Refused> {
        match order {
            Order::Force(request) => self.force(desk, &request).map(Some),
            other => Err(other.not_for(desk.options)),
        }
    }

    fn form(&self) -> Option<&ForceScheduler> {
        Some(&self.form)
    }
}

impl Force {
    fn force(&self, desk: &mut Desk<'_>, request: &ForceRequest) -> Result<Submitted, Refused> {
        let builders = chosen(&desk.options.builder_names, &request.builders)?;
        let inherited = look_up(desk.conn, asked_builds(&self.form, &request.values))?;
        let sent = Sent {
            values: &request.values,
            owner: &request.owner,
            inherited: &inherited,
            validation: &request.validation,
        };
        let forced = read(desk.options, &self.form, &sent).map_err(Refused::Invalid)?;
        let mut properties = forced.properties;
        properties.extend(&desk.options.properties);
        let set = NewBuildset {
            reason: forced.reason,
            sourcestamps: forced.stamps,
            properties,
            priority: forced.priority,
            ..NewBuildset::default()
        };
        Ok(to_builders(desk, &builders, set)?)
    }
}

/// The builds that values are inherited from, as far as they exist.
fn look_up(conn: &mut Conn, asked: Vec<BuildName>) -> Result<Inherited, DbError> {
    let mut found = Inherited::new();
    for name in asked {
        let build = builders::by_name(conn, &name.builder)
            .and_then(|builder| builds::by_number(conn, builder.id, name.number));
        match build {
            Ok(build) => drop(found.insert(name, properties::of_build(conn, build.id)?)),
            Err(DbError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The builders to ask: all of the scheduler, or those of them that were named.
fn chosen(own: &[String], named: &[String]) -> Result<Vec<String>, Refused> {
    if named.is_empty() {
        return Ok(own.to_vec());
    }
    let both: Vec<String> = own.iter().filter(|name| named.contains(name)).cloned().collect();
    if both.is_empty() { Err(Refused::NoBuilder(named.join(", "))) } else { Ok(both) }
}
