//! Which topics a fact is told on, and which of them a client listens to.

use serde_json::Value;

use crate::events::Event;

/// A topic path; in a subscription `*` stands for any one part.
pub type Topic = Vec<String>;

/// What happened to which entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact {
    /// Plural of the entity.
    pub noun: &'static str,
    pub id: i64,
    /// `new`, `finished` …
    pub what: &'static str,
}

/// The entities an event is about.
pub fn facts(event: &Event) -> Vec<Fact> {
    let one = |noun, id, what| vec![Fact { noun, id, what }];
    match event {
        Event::ChangeAdded(change) => one("changes", change.id.0, "new"),
        Event::BuildsetSubmitted { buildset, requests, .. } => {
            let mut facts = one("buildsets", buildset.0, "new");
            facts.extend(requests.iter().map(|(_, request)| Fact {
                noun: "buildrequests",
                id: request.0,
                what: "new",
            }));
            facts
        }
        Event::BuildsetCompleted { buildset, .. } => one("buildsets", buildset.0, "complete"),
        Event::RequestClaimed { request, .. } => one("buildrequests", request.0, "claimed"),
        Event::RequestUnclaimed { request, .. } => one("buildrequests", request.0, "unclaimed"),
        Event::RequestCompleted { request, .. } => one("buildrequests", request.0, "complete"),
        Event::BuildStarted { build, .. } => one("builds", build.0, "new"),
        Event::BuildUpdated { build, .. } => one("builds", build.0, "update"),
        Event::BuildFinished { build, .. } => one("builds", build.0, "finished"),
        Event::PropertiesChanged { build, .. } => one("properties", build.0, "update"),
        Event::StepAdded { step, .. } => one("steps", step.0, "new"),
        Event::StepStarted { step, .. } => one("steps", step.0, "started"),
        Event::StepUpdated { step, .. } => one("steps", step.0, "updated"),
        Event::StepFinished { step, .. } => one("steps", step.0, "finished"),
        Event::TestSetAdded { set, .. } => one("test_result_sets", set.0, "new"),
        Event::TestSetCompleted { set, .. } => one("test_result_sets", set.0, "completed"),
        Event::LogAdded { log, .. } => one("logs", log.0, "new"),
        Event::LogAppended { log, .. } => one("logs", log.0, "append"),
        Event::LogFinished { log, .. } => one("logs", log.0, "finished"),
        Event::WorkerConnected { worker } => one("workers", worker.0, "connected"),
        Event::WorkerDisconnected { worker } => one("workers", worker.0, "disconnected"),
        Event::WorkerMissing { worker } => one("workers", worker.0, "missing"),
        Event::WorkerStateChanged { worker } => one("workers", worker.0, "state_updated"),
        Event::BuilderUpdated { builder } => one("builders", builder.0, "update"),
        Event::ProblemChanged { problem, .. } => one("rs_problems", problem.0, "updated"),
        Event::SchedulerUpdated { scheduler } => one("schedulers", scheduler.0, "updated"),
        _ => Vec::new(),
    }
}

/// Every topic of a fact about `entity`.
pub fn topics(fact: Fact, entity: &Value) -> Vec<Topic> {
    let Fact { noun, id, what } = fact;
    let at = |key: &str| match &entity[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Topic>();
    let id = id.to_string();
    if noun == "properties" {
        return vec![path(&["builds", &id, "properties", what])];
    }
    let mut topics = vec![path(&[noun, &id, what])];
    match noun {
        "buildrequests" => {
            let (builder, set) = (at("builderid"), at("buildsetid"));
            topics.push(path(&["builders", &builder, noun, &id, what]));
            topics.push(path(&["buildsets", &set, "builders", &builder, noun, &id, what]));
        }
        "builds" => {
            topics.push(path(&["builders", &at("builderid"), noun, &at("number"), what]));
            topics.push(path(&["workers", &at("workerid"), noun, &id, what]));
        }
        "steps" => topics.push(path(&["builds", &at("buildid"), noun, &id, what])),
        "logs" => topics.push(path(&["steps", &at("stepid"), noun, &at("slug"), what])),
        _ => {}
    }
    topics
}

/// Does a subscription cover a topic?
pub fn covers(wanted: &Topic, topic: &Topic) -> bool {
    wanted.len() == topic.len()
        && wanted.iter().zip(topic).all(|(wanted, part)| wanted == "*" || wanted == part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn topic(text: &str) -> Topic {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn a_build_is_told_three_times() {
        let fact = Fact { noun: "builds", id: 15, what: "finished" };
        let entity = json!({ "builderid": 2, "number": 7, "workerid": 3 });
        let told = topics(fact, &entity);
        let expected =
            ["builds/15/finished", "builders/2/builds/7/finished", "workers/3/builds/15/finished"];
        assert_eq!(told, expected.map(topic));
    }

    #[test]
    fn a_star_stands_for_one_part() {
        let table = [
            ("builds/*/*", "builds/1/new", true),
            ("builds/*", "builds/1/new", false),
            ("*/*/new", "changes/4/new", true),
            ("steps/*/new", "builds/1/new", false),
            ("builds/2/new", "builds/1/new", false),
        ];
        for (wanted, told, covered) in table {
            assert_eq!(covers(&topic(wanted), &topic(told)), covered, "{wanted} {told}");
        }
    }
}
