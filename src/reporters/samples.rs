//! Cases for tests.

use serde_json::json;

use super::Site;
use crate::db::listing::BuildCase;
use crate::model::Results;

pub fn site() -> Site {
    Site {
        title: "Pyflakes".to_owned(),
        title_url: "https://example.org/".to_owned(),
        url: "http://ci.example.org/".to_owned(),
    }
}

/// Build 7 of the builder `linux`, which failed after a success.
pub fn failed() -> BuildCase {
    let property = |value: &str| json!([value, "test"]);
    let log = json!({
        "logid": 31, "name": "stdio", "slug": "stdio", "num_lines": 2, "type": "s",
        "stepname": "make test",
    });
    BuildCase {
        entity: json!({
            "buildid": 12, "number": 7, "builderid": 2, "buildrequestid": 5, "results": 2,
            "complete": true, "started_at": 100, "complete_at": 160,
            "state_string": "failed 'make test' (failure)",
            "builder": { "builderid": 2, "name": "linux", "tags": ["fast", "c"] },
            "buildrequest": { "buildrequestid": 5, "buildsetid": 4 },
            "buildset": { "bsid": 4, "sourcestamps": [{
                "ssid": 1, "branch": "main", "revision": "abc123", "repository": "r",
                "project": "hello", "codebase": "", "created_at": 90, "patch": null,
            }]},
            "properties": {
                "workername": property("w1"), "branch": property("main"),
                "got_revision": property("abc123"), "scheduler": property("all"),
                "reason": property("because"),
            },
            "prev_build": { "results": 0 },
            "parentbuild": null, "parentbuilder": null,
            "steps": [
                { "number": 0, "name": "git", "results": 0, "logs": [] },
                { "number": 1, "name": "make test", "results": 2, "logs": [log] },
            ],
        }),
        results: Some(Results::Failure),
        previous: Some(Results::Success),
        trouble_since: Some(7),
        users: vec!["Ann <ann@example.org>".to_owned()],
    }
}

/// The same build while it runs.
pub fn started() -> BuildCase {
    let mut case = failed();
    case.results = None;
    for (key, value) in [("results", json!(null)), ("complete_at", json!(null))] {
        case.entity[key] = value;
    }
    case.entity["complete"] = json!(false);
    case
}

/// Its request: a build that has not begun.
pub fn requested() -> BuildCase {
    let mut case = started();
    for key in ["buildid", "number", "started_at", "steps", "prev_build"] {
        case.entity.as_object_mut().unwrap().shift_remove(key);
    }
    BuildCase { previous: None, trouble_since: None, users: Vec::new(), ..case }
}

/// Its request, which was cancelled.
pub fn cancelled() -> BuildCase {
    let mut case = requested();
    case.results = Some(Results::Cancelled);
    case.entity["complete"] = json!(true);
    case.entity["results"] = json!(6);
    case
}
