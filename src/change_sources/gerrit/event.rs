//! A Gerrit event becomes a change.

use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};

use crate::change_sources::payload::Wanted;
use crate::model::{NewChange, Properties};

/// How events become changes.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The source's class.
    pub class: &'static str,
    /// Without a slash at its end.
    pub git_base_url: String,
    /// Types of the events that are taken.
    pub handled: Vec<String>,
}

/// An event that has a type and a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub kind: String,
    /// `eventCreatedOn`: seconds since the epoch.
    pub at: i64,
    /// Gerrit gives events no numbers; two with the same content are the same.
    pub hash: String,
    body: Map<String, Value>,
}

impl Event {
    /// Reads one line; `None` when it is no event.
    pub fn parse(line: &[u8]) -> Option<Event> {
        let body: Value = serde_json::from_slice(line).ok()?;
        let kind = body["type"].as_str()?.to_owned();
        let at = &body["eventCreatedOn"];
        let at = at.as_i64().or_else(|| Some(at.as_f64()? as i64))?;
        let hash = Sha1::digest(sorted(&body).to_string().as_bytes());
        let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let Value::Object(body) = body else { return None };
        Some(Event { kind, at, hash, body })
    }

    /// Change and patch set numbers, of an event that has them.
    pub fn numbers(&self) -> Option<(i64, i64)> {
        let change = self.body.get("change").map(|change| number(&change["number"]));
        let patch_set = self.body.get("patchSet").map(|set| number(&set["number"]));
        change.flatten().zip(patch_set.flatten())
    }
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// The same with the keys of each table in order: the two ways to hear of an event may differ.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(table) => {
            let mut keys: Vec<&String> = table.keys().collect();
            keys.sort();
            keys.into_iter().map(|key| (key.clone(), sorted(&table[key]))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        plain => plain.clone(),
    }
}

impl Rules {
    /// Does this event become a change, whose files somebody may ask for?
    pub fn takes(&self, event: &Event) -> bool {
        self.change(event, Vec::new()).is_some()
    }

    /// The change that an event becomes, by stock's rules; `None` for one that is not handled.
    pub fn change(&self, event: &Event, files: Vec<String>) -> Option<NewChange> {
        if !self.handled.contains(&event.kind) {
            return None;
        }
        let files = if files.is_empty() { vec!["unknown".to_owned()] } else { files };
        match event.kind.as_str() {
            "ref-updated" => self.ref_updated(event, files),
            _ => self.of_patch_set(event, files),
        }
    }

    fn of_patch_set(&self, event: &Event, files: Vec<String>) -> Option<NewChange> {
        let (change, set) = (event.body.get("change")?, event.body.get("patchSet")?);
        // The events-log plugin writes `{"name": …}`.
        let project = change["project"].as_str().or_else(|| change["project"]["name"].as_str())?;
        let branch = match event.kind.as_str() {
            "patchset-created" | "comment-added" => set["ref"].as_str()?,
            _ => change["branch"].as_str()?,
        };
        Some(NewChange {
            author: person(&change["owner"], "unknown"),
            comments: text(&change["subject"]),
            revision: Some(set["revision"].as_str()?.to_owned()),
            revlink: text(&change["url"]),
            ..self.base(event, project, branch, files)
        })
    }

    fn ref_updated(&self, event: &Event, files: Vec<String>) -> Option<NewChange> {
        let update = event.body.get("refUpdate")?;
        let name = update["refName"].as_str()?;
        // The patch set's own event tells more, and may come later.
        let told_twice = name.starts_with("refs/changes/");
        if told_twice && self.handled.iter().any(|kind| kind == "patchset-created") {
            return None;
        }
        let branch = name.strip_prefix("refs/heads/").unwrap_or(name);
        let submitter = event.body.get("submitter");
        Some(NewChange {
            author: submitter.map_or("gerrit".to_owned(), |told| person(told, "gerrit")),
            comments: "Gerrit: commit(s) pushed.".to_owned(),
            revision: Some(update["newRev"].as_str()?.to_owned()),
            ..self.base(event, update["project"].as_str()?, branch, files)
        })
    }

    fn base(&self, event: &Event, project: &str, branch: &str, files: Vec<String>) -> NewChange {
        NewChange {
            files,
            branch: Some(branch.to_owned()),
            category: Some(event.kind.clone()),
            repository: format!("{}/{project}", self.git_base_url),
            project: project.to_owned(),
            properties: self.properties(event),
            ..NewChange::default()
        }
    }

    fn properties(&self, event: &Event) -> Properties {
        let mut body = event.body.clone();
        body.shift_remove("eventCreatedOn");
        let mut properties = Wanted::all().properties("event", &body);
        properties.set("event.source", json!(self.class), "Change");
        if ["patchset-created", "comment-added"].contains(&event.kind.as_str())
            && let Some(branch) = event.body.get("change").and_then(|c| c["branch"].as_str())
        {
            properties.set("target_branch", branch, "Change");
        }
        properties
    }
}

/// `Name <mail>`, of what Gerrit tells.
fn person(told: &Value, otherwise: &str) -> String {
    let name = told["name"].as_str().or_else(|| told["username"].as_str()).unwrap_or(otherwise);
    match told["email"].as_str() {
        Some(email) => format!("{name} <{email}>"),
        None => name.to_owned(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(handled: &[&str]) -> Rules {
        let handled = handled.iter().map(|kind| (*kind).to_owned()).collect();
        Rules { class: "GerritChangeSource", git_base_url: "ssh://g".into(), handled }
    }

    fn event(value: Value) -> Event {
        Event::parse(value.to_string().as_bytes()).unwrap()
    }

    fn patch_set(kind: &str, project: Value) -> Event {
        event(json!({
            "type": kind, "eventCreatedOn": 5,
            "change": {
                "branch": "main", "project": project, "number": 4321, "subject": "Subject",
                "url": "http://g/4321", "owner": { "name": "Dustin", "email": "d@h" },
            },
            "patchSet": { "revision": "abc", "number": "12", "ref": "refs/changes/21/4321/12" },
        }))
    }

    #[test]
    fn patch_sets_become_changes_whichever_way_they_are_told() {
        let rules = rules(&["patchset-created", "change-merged"]);
        for project in [json!("pr"), json!({ "name": "pr" })] {
            let event = patch_set("patchset-created", project);
            let change = rules.change(&event, vec!["a".into()]).unwrap();
            assert_eq!(change.branch.as_deref(), Some("refs/changes/21/4321/12"));
            assert_eq!(
                (change.author.as_str(), change.comments.as_str()),
                ("Dustin <d@h>", "Subject")
            );
            assert_eq!((change.project.as_str(), change.repository.as_str()), ("pr", "ssh://g/pr"));
            assert_eq!(change.category.as_deref(), Some("patchset-created"));
            assert_eq!(change.properties.get_str("target_branch"), Some("main"));
            assert_eq!(change.properties.get_str("event.change.subject"), Some("Subject"));
            assert_eq!(change.properties.get_str("event.source"), Some("GerritChangeSource"));
            assert!(!change.properties.contains("event.eventCreatedOn"));
            assert_eq!(event.numbers(), Some((4321, 12)));
        }
        let merged = rules.change(&patch_set("change-merged", json!("pr")), Vec::new()).unwrap();
        assert_eq!(
            (merged.branch.as_deref(), merged.files.as_slice()),
            (Some("main"), &["unknown".into()][..])
        );
        assert_eq!(rules.change(&patch_set("comment-added", json!("pr")), Vec::new()), None);
    }

    #[test]
    fn pushes_become_changes_unless_a_patch_set_tells_of_them() {
        let pushed = |name: &str| {
            event(json!({
                "type": "ref-updated", "eventCreatedOn": 5, "submitter": { "username": "joe" },
                "refUpdate": { "project": "pr", "refName": name, "newRev": "f00" },
            }))
        };
        let both = rules(&["patchset-created", "ref-updated"]);
        let change = both.change(&pushed("refs/heads/main"), Vec::new()).unwrap();
        assert_eq!((change.branch.as_deref(), change.author.as_str()), (Some("main"), "joe"));
        assert!(both.change(&pushed("refs/changes/1/1/1"), Vec::new()).is_none());
        assert!(
            rules(&["ref-updated"]).change(&pushed("refs/changes/1/1/1"), Vec::new()).is_some()
        );
    }

    #[test]
    fn what_is_no_event_is_passed_over() {
        for line in ["", "nonsense", "[]", "{\"type\":\"x\"}", "{\"eventCreatedOn\":1}"] {
            assert_eq!(Event::parse(line.as_bytes()), None, "{line}");
        }
        let odd = event(json!({ "type": "patchset-created", "eventCreatedOn": 1, "change": {} }));
        assert_eq!(rules(&["patchset-created"]).change(&odd, Vec::new()), None);
        let one =
            Event::parse(b"{\"type\":\"x\",\"eventCreatedOn\":1,\"a\":{\"b\":1,\"c\":2}}").unwrap();
        let other =
            Event::parse(b"{\"a\":{\"c\":2,\"b\":1},\"eventCreatedOn\":1,\"type\":\"x\"}").unwrap();
        assert_eq!(one.hash, other.hash);
    }
}
