//! Trigger: asks triggerable schedulers for builds, and waits for them if wanted.

mod options;
mod sources;
mod summary;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde_json::Value;

use super::render::{render, render_optional, render_texts, table};
use super::{ChildRequest, Outcome, Step, StepError, TriggerOrder, Triggers, Workbench};
use crate::flow::interpolate::{Renderable, is_true};
use crate::model::{BuildRequestId, Properties, Results};
pub(super) use options::TYPES;
use sources::Sources;

/// Who sets the properties of triggered builds, as in stock.
const SOURCE: &str = "Trigger";
/// Why the triggered builds of a stopped build are cancelled; stock's words.
const INTERRUPTED: &str = "parent build was interrupted";

#[derive(Debug)]
pub(super) struct Trigger {
    schedulers: Renderable,
    unimportant: Renderable,
    wait_for_finish: Renderable,
    sources: Sources,
    set_properties: Renderable,
    copy_properties: Vec<String>,
    parent_relationship: Renderable,
    /// The configuration words the line.
    worded: bool,
}

/// What one scheduler was asked for.
struct Triggered {
    important: bool,
    requests: Vec<BuildRequestId>,
}

#[async_trait(?Send)]
impl Step for Trigger {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let names = render_texts(bench, &self.schedulers)?;
        let wait = is_true(&render(bench, &self.wait_for_finish)?.value);
        let mut children = Vec::new();
        let triggered = self.trigger(bench, &names, wait, &mut children).await?;
        self.show(bench, &names, &children);
        if bench.interruption().borrow().is_some() {
            return stopped(bench, &triggered).await;
        }
        if !wait {
            return self.outcome(Results::Success, &names, &[]);
        }
        let requests: Vec<BuildRequestId> = ids(&triggered);
        let mut complete = 0;
        while complete < requests.len() {
            match bench.await_children(&requests, complete).await {
                Ok(Some(seen)) => children = seen,
                Ok(None) => return stopped(bench, &triggered).await,
                Err(error) => {
                    bench.cancel_children(&requests, INTERRUPTED).await?;
                    return Err(error);
                }
            }
            complete = children.iter().filter(|child| child.results.is_some()).count();
            self.show(bench, &names, &children);
        }
        link_builds(bench, &children);
        self.outcome(worst(&triggered, &children), &names, &children)
    }

    fn triggers(&self) -> Option<Triggers> {
        let names = self.schedulers.items();
        let wait = self.wait_for_finish.as_literal();
        Some(Triggers {
            schedulers: names.iter().filter_map(options::constant_text).collect(),
            waits: wait.is_none_or(is_true),
        })
    }
}

impl Trigger {
    /// Asks every scheduler, in order. Children that were asked for already are cancelled when one
    /// of them refuses and the step cannot go on.
    async fn trigger(
        &self,
        bench: &mut dyn Workbench,
        names: &[String],
        wait: bool,
        children: &mut Vec<ChildRequest>,
    ) -> Result<Vec<Triggered>, StepError> {
        let unimportant = render_texts(bench, &self.unimportant)?;
        let properties = self.properties(bench)?;
        let stamps = self.sources.of(bench)?;
        let relationship = render_optional(bench, Some(&self.parent_relationship))?;
        let mut triggered = Vec::new();
        for name in names {
            let order = TriggerOrder {
                scheduler: name.clone(),
                stamps: stamps.clone(),
                properties: properties.clone(),
                waited_for: wait,
                parent_relationship: relationship.clone(),
            };
            match bench.trigger(order).await {
                Ok(new) => {
                    for child in &new {
                        bench.add_url(&format!("{name} #{}", child.request), &child.url);
                    }
                    let requests = new.iter().map(|child| child.request).collect();
                    children.extend(new);
                    triggered.push(Triggered { important: !unimportant.contains(name), requests });
                }
                Err(error) => {
                    bench.cancel_children(&ids(&triggered), "another trigger failed").await?;
                    return Err(error);
                }
            }
        }
        Ok(triggered)
    }

    fn properties(&self, bench: &dyn Workbench) -> Result<Properties, StepError> {
        let mut properties = Properties::new();
        for (name, value) in table(render(bench, &self.set_properties)?.value, "set_properties")? {
            properties.set(&name, value, SOURCE);
        }
        for name in &self.copy_properties {
            let value = bench.properties().get(name).cloned().unwrap_or(Value::Null);
            properties.set(name, value, SOURCE);
        }
        Ok(properties)
    }

    fn show(&self, bench: &mut dyn Workbench, names: &[String], children: &[ChildRequest]) {
        if !self.worded {
            bench.set_summary(&summary::line(names, children));
        }
    }

    fn outcome(
        &self,
        results: Results,
        names: &[String],
        children: &[ChildRequest],
    ) -> Result<Outcome, StepError> {
        Ok(match self.worded {
            true => Outcome::plain(results),
            false => Outcome::new(results, summary::line(names, children)),
        })
    }
}

fn ids(triggered: &[Triggered]) -> Vec<BuildRequestId> {
    triggered.iter().flat_map(|one| one.requests.iter().copied()).collect()
}

/// Children do not outlive a parent that was stopped.
async fn stopped(bench: &mut dyn Workbench, triggered: &[Triggered]) -> Result<Outcome, StepError> {
    bench.cancel_children(&ids(triggered), INTERRUPTED).await?;
    Ok(Outcome::new(Results::Cancelled, "interrupted"))
}

/// The worst result of those that matter.
fn worst(triggered: &[Triggered], children: &[ChildRequest]) -> Results {
    let important: Vec<BuildRequestId> = triggered
        .iter()
        .filter(|one| one.important)
        .flat_map(|one| one.requests.iter().copied())
        .collect();
    children
        .iter()
        .filter(|child| important.contains(&child.request))
        .filter_map(|child| child.results)
        .fold(Results::Success, Results::worst)
}

/// `success: compile #12` with the address of the build.
fn link_builds(bench: &mut dyn Workbench, children: &[ChildRequest]) {
    for child in children {
        for build in &child.builds {
            let results = build.results.map_or("not finished", Results::name);
            let name = format!("{results}: {} #{}", child.builder, build.number);
            bench.add_url(&name, &build.url);
        }
    }
}
