//! `ForceScheduler`: builds what a person asks for in a form.

use std::sync::Arc;

use super::order::ForceRequest;
use super::submit::to_builders;
use super::{Desk, Order, Refused, Scheduler, Submitted};
use crate::config::checked::{ForceScheduler, SchedulerOptions};
use crate::config::fields::Fields;
use crate::flow::force::read;
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
        let forced = read(desk.options, &self.form, &request.values, &request.owner)
            .map_err(Refused::Invalid)?;
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

/// The builders to ask: all of the scheduler, or those of them that were named.
fn chosen(own: &[String], named: &[String]) -> Result<Vec<String>, Refused> {
    if named.is_empty() {
        return Ok(own.to_vec());
    }
    let both: Vec<String> = own.iter().filter(|name| named.contains(name)).cloned().collect();
    if both.is_empty() { Err(Refused::NoBuilder(named.join(", "))) } else { Ok(both) }
}
