//! GET against what stock Buildbot answered for the same database.

use buildbot::status::web::backstage::SchedulerNote;
use serde_json::{Value, json};

use super::{Web, text, with_web};
use crate::db::expectations;

/// The keys that the recording has, of what we answered.
fn agrees(expected: &Value, actual: &Value, place: &str) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (key, value) in expected {
                let found = actual.get(key);
                let found = found.unwrap_or_else(|| panic!("{place}: no key '{key}'"));
                agrees(value, found, &format!("{place}.{key}"));
            }
        }
        // Stock gives tags in no particular order.
        (Value::Array(expected), Value::Array(actual)) if place.ends_with(".tags") => {
            let sorted = |tags: &[Value]| {
                let mut tags: Vec<String> = tags.iter().map(Value::to_string).collect();
                tags.sort();
                tags
            };
            assert_eq!(sorted(expected), sorted(actual), "{place}");
        }
        (Value::Array(expected), Value::Array(actual)) => {
            assert_eq!(expected.len(), actual.len(), "{place}: {expected:?} {actual:?}");
            for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                agrees(expected, actual, &format!("{place}[{index}]"));
            }
        }
        _ => assert_eq!(expected, actual, "{place}"),
    }
}

async fn collection_agrees(web: &Web, expected: &Value, path: &str, key: &str) {
    let actual = web.rows(path).await;
    let expected = expected.as_array().unwrap();
    assert_eq!(expected.len(), actual.len(), "{path}");
    for entity in expected {
        let same = |other: &&Value| other[key] == entity[key];
        let found = actual.iter().find(same).unwrap_or_else(|| panic!("{path} {}", entity[key]));
        agrees(entity, found, &format!("{path} {}", entity[key]));
    }
}

#[test]
fn collections_are_what_stock_answered() {
    with_web(|web| async move {
        let expected = expectations();
        for (noun, key) in [
            ("builders", "builderid"),
            ("buildrequests", "buildrequestid"),
            ("changes", "changeid"),
            ("schedulers", "schedulerid"),
            ("sourcestamps", "ssid"),
            ("workers", "workerid"),
        ] {
            collection_agrees(&web, &expected[noun], noun, key).await;
        }
        let mut buildsets = expected["buildsets"].clone();
        for buildset in buildsets.as_array_mut().unwrap() {
            let properties = buildset.as_object_mut().unwrap().remove("properties");
            if let Some(properties) = properties {
                let path = format!("buildsets/{}/properties", buildset["bsid"]);
                agrees(&properties, &web.rows(&path).await[0], &path);
            }
        }
        collection_agrees(&web, &buildsets, "buildsets", "bsid").await;
    });
}

#[test]
fn builds_with_steps_changes_and_properties_are_what_stock_answered() {
    with_web(|web| async move {
        let expected = expectations();
        let actual = web.rows("builds?property=*").await;
        for build in expected["builds"].as_array().unwrap() {
            let id = &build["buildid"];
            let mut build = build.clone();
            let map = build.as_object_mut().unwrap();
            if let Some(steps) = map.remove("steps") {
                agrees(&steps, &json!(web.rows(&format!("builds/{id}/steps")).await), "steps");
            }
            if let Some(changes) = map.remove("changes") {
                let path = format!("builds/{id}/changes");
                let mut ids: Vec<i64> = web
                    .rows(&path)
                    .await
                    .iter()
                    .map(|change| change["changeid"].as_i64().unwrap())
                    .collect();
                ids.sort_unstable();
                let mut wanted: Vec<i64> = serde_json::from_value(changes).unwrap();
                wanted.sort_unstable();
                assert_eq!(wanted, ids, "{path}");
            }
            let found = actual.iter().find(|other| other["buildid"] == *id);
            agrees(
                &build,
                found.unwrap_or_else(|| panic!("no build {id}")),
                &format!("build {id}"),
            );
        }
        assert_eq!(actual.len(), expected["builds"].as_array().unwrap().len());
        let triggered = web.rows("builds/25/triggered_builds?field=buildid").await;
        assert_eq!(json!(triggered), json!([{"buildid": 26}, {"buildid": 27}, {"buildid": 28}]));
    });
}

#[test]
fn logs_slices_and_downloads_are_what_stock_answered() {
    with_web(|web| async move {
        for log in expectations()["logs"].as_array().unwrap() {
            let id = &log["logid"];
            let entity = web.rows(&format!("logs/{id}")).await.remove(0);
            for key in ["name", "slug", "stepid", "complete", "num_lines", "type"] {
                assert_eq!(entity[key], log[key], "log {id} {key}");
            }
            for slice in log["slices"].as_array().into_iter().flatten() {
                let path = format!("logs/{id}/contents?offset={}&limit={}", slice[0], slice[1]);
                let chunk = web.rows(&path).await.remove(0);
                assert_eq!(chunk["firstline"], slice[3], "{path}");
                let content = chunk["content"].as_str().unwrap();
                assert!(content.matches('\n').count() as i64 <= slice[1].as_i64().unwrap());
            }
            let whole = web.get(&format!("/api/v2/logs/{id}/contents")).send().await.unwrap();
            let (status, body) = text(whole).await;
            if log["content_sha256"].is_null() {
                assert_eq!(status, 404, "log {id}: {body}");
                continue;
            }
            let chunk: Value = serde_json::from_str(&body).unwrap();
            let content = chunk["logchunks"][0]["content"].as_str().unwrap();
            assert_eq!(json!(content.matches('\n').count()), log["content_lines"], "log {id}");
            let raw = web.get(&format!("/api/v2/logs/{id}/raw")).send().await.unwrap();
            let (_, raw) = text(raw).await;
            let head = if log["type"] == "s" { 3 } else { 0 };
            assert_eq!(raw.matches('\n').count(), content.matches('\n').count() + head, "log {id}");
        }
    });
}

#[test]
fn entities_have_exactly_stocks_keys() {
    let shapes = include_str!("../../data/rest/shapes.json");
    let shapes: serde_json::Map<String, Value> = serde_json::from_str(shapes).unwrap();
    with_web(|web| async move {
        crate::db::execute(&web.fixture.path(), RUNNING);
        for (pattern, shape) in shapes {
            let path = example(&pattern);
            let (status, body) = web.api(&path).await;
            if status == 404 && pattern.contains("forceschedulers/") {
                continue;
            }
            assert_eq!(status, 200, "{pattern} as {path}: {body}");
            let plural = shape["plural"].as_str().unwrap();
            let mut meta: Vec<&String> = body["meta"].as_object().unwrap().keys().collect();
            meta.sort();
            assert_eq!(json!(meta), shape["meta"], "{pattern}");
            let rows = body[plural].as_array().unwrap_or_else(|| panic!("{pattern}: {body}"));
            if let (Some(row), false) = (rows.first(), shape["keys"].is_null()) {
                let keys = row.as_object().unwrap().keys();
                // What only we have is called so.
                let mut keys: Vec<&String> = keys.filter(|key| !key.starts_with("rs_")).collect();
                keys.sort();
                assert_eq!(json!(keys), shape["keys"], "{pattern} as {path}");
            }
        }
    });
}

#[test]
fn running_schedulers_say_what_they_wait_for() {
    with_web(|web| async move {
        let name = web.rows("schedulers/1").await[0]["name"].as_str().unwrap().to_owned();
        *web.stage.schedulers.lock().unwrap() = vec![SchedulerNote {
            name,
            kind: "Nightly".into(),
            waiting_until: Some(1_795_330_000),
            pending_changes: 2,
            idle_because: None,
        }];
        for path in ["schedulers/1", "schedulers?schedulerid=1"] {
            let entity = &web.rows(path).await[0];
            assert_eq!(entity["kind"], "Nightly", "{path}");
            assert_eq!(entity["waiting_until"], 1_795_330_000, "{path}");
            assert_eq!(entity["pending_changes"], 2, "{path}");
            assert_eq!(entity["enabled"], true, "{path}");
        }
        let chosen = &web.rows("schedulers/1?field=schedulerid").await[0];
        assert_eq!(*chosen, json!({ "schedulerid": 1 }));
        let page = web.get("/schedulers").send().await.unwrap().text().await.unwrap();
        assert!(page.contains("Nightly"), "{page}");
    });
}

/// What a running master has in the tables and a stopped one takes out.
const RUNNING: &str = "INSERT INTO builder_masters VALUES (1, 2, 1);
    INSERT INTO configured_workers VALUES (1, 1, 4);
    INSERT INTO connected_workers VALUES (1, 1, 4);
    INSERT INTO scheduler_masters VALUES (1, 1);
    INSERT INTO changesource_masters VALUES (1, 1);";

/// A path of the recorded database for a pattern.
fn example(pattern: &str) -> String {
    let part = |part: &str| match part.split_once(':') {
        None => part.to_owned(),
        Some(("", _)) => "2".to_owned(),
        Some(("n", "number" | "build_number" | "step_number")) => "1".to_owned(),
        Some(("n", "logid")) => "2".to_owned(),
        Some(("n", "builderid")) => "2".to_owned(),
        Some(("n", "workerid")) => "4".to_owned(),
        Some(("n", _)) => "1".to_owned(),
        Some((_, "workername" | "name")) => "local1".to_owned(),
        Some((_, "buildername")) => "b-tests".to_owned(),
        Some((_, "schedulername")) => "force".to_owned(),
        Some((_, "step_name")) => "worker_preparation".to_owned(),
        Some((_, _)) => "stdio".to_owned(),
    };
    let path: Vec<String> = pattern.split('/').map(part).collect();
    let path = path.join("/");
    // Only some steps have logs.
    match path.split_once("/logs") {
        Some((_, rest)) => format!("steps/6/logs{rest}"),
        None => path,
    }
}

#[test]
fn queries_filter_order_and_page() {
    with_web(|web| async move {
        let ids = |rows: Vec<Value>| -> Vec<i64> {
            rows.iter().map(|row| row["buildid"].as_i64().unwrap()).collect()
        };
        assert_eq!(ids(web.rows("builds?order=-buildid&limit=3").await), [53, 52, 51]);
        assert_eq!(ids(web.rows("builds?limit=2&offset=4").await), [5, 6]);
        assert_eq!(ids(web.rows("builds?buildid__contains=5&buildid__lt=16").await), [5, 15]);
        assert_eq!(ids(web.rows("builds?buildid=3&buildid=7").await), [3, 7]);
        let (_, body) = web.api("builds?limit=2&offset=4&field=buildid").await;
        let page = json!({"builds": [{"buildid": 5}, {"buildid": 6}], "meta": {"total": 53}});
        assert_eq!(body, page);
        assert_eq!(web.api("builds?limit=0").await.1, json!({"builds": [], "meta": {"total": 53}}));
        let results = |rows: Vec<Value>| rows.iter().all(|row| row["results"].as_i64() > Some(2));
        assert!(results(web.rows("builds?results__gt=2").await));
        assert!(web.rows("builds?complete=false").await.iter().all(|b| b["complete"] == false));
        let newest = web.rows("changes?limit=2&field=changeid").await;
        assert_eq!(json!(newest), json!([{"changeid": 9}, {"changeid": 8}]));
        let files = web.rows("changes?files__contains=f2").await;
        assert!(
            !files.is_empty()
                && files
                    .iter()
                    .all(|change| { change["files"].as_array().unwrap().contains(&json!("f2")) })
        );
        let one = web.rows("builds/1?property=scheduler").await.remove(0);
        assert_eq!(one["properties"], json!({"scheduler": ["per", "Scheduler"]}));
        assert_eq!(web.rows("builds/1").await[0]["properties"], json!({}));
        let request = web.rows("buildrequests/1").await.remove(0);
        assert_eq!(request["properties"], Value::Null);
        let steps = web.rows("builds/2/steps?order=-number&limit=1").await;
        assert!(steps[0]["number"].as_i64() > Some(0));
    });
}

#[test]
fn errors_are_stocks() {
    with_web(|web| async move {
        for (path, status, error) in [
            ("builds?limit=abc", 400, "invalid limit"),
            ("builds?foo=2", 400, "unrecognized query parameter 'foo'"),
            ("builds/1?buildid=1", 400, "this is not a collection"),
            (
                "workers?connected_to__contains=1",
                400,
                "invalid filter value for connected_to__contains",
            ),
            ("nopath", 404, "Invalid path: nopath"),
            ("builds/", 404, "Invalid path: builds/"),
            ("builds/2/steps/skipped%20step", 404, "Invalid path: builds/2/steps/skipped step"),
        ] {
            assert_eq!(web.api(path).await, (status, json!({"error": error})), "{path}");
        }
        for path in [
            "builds/9999",
            "builders/nope",
            "builders/1/builds/9999/steps",
            "logs/9999/raw",
            "logs/9999/contents",
            "workers/99",
            "changes/99",
            "builders/999/forceschedulers",
        ] {
            assert_eq!(web.api(path).await.0, 404, "{path}");
        }
        for path in [
            "builds/9999/steps",
            "builders/nope/builds",
            "builders/999/builds",
            "masters/9/builders",
            "buildrequests/9999/builds",
            "builds/9999/property_list",
        ] {
            assert_eq!(web.rows(path).await, [] as [Value; 0], "{path}");
        }
        assert_eq!(web.rows("builds/9999/properties").await, [json!({})]);
    });
}

#[test]
fn the_envelope_follows_accept_and_methods_their_rules() {
    with_web(|web| async move {
        let path = "/api/v2/masters/1?field=masterid";
        let json = web.get(path).header("accept", "text/html, application/json;q=0.1").send();
        let json = json.await.unwrap();
        assert_eq!(json.headers()["content-type"], "application/json; charset=utf-8");
        assert_eq!(json.text().await.unwrap(), r#"{"masters":[{"masterid":1}],"meta":{}}"#);
        let plain = web.get(path).send().await.unwrap();
        assert_eq!(plain.headers()["content-type"], "text/plain; charset=utf-8");
        let indented =
            "{\n  \"masters\": [\n    {\n      \"masterid\": 1\n    }\n  ], \n  \"meta\": {}\n}";
        assert_eq!(plain.text().await.unwrap(), indented);

        let head = web.client.head(format!("{}{path}", web.base)).send().await.unwrap();
        assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
        let put = web.client.put(format!("{}{path}", web.base)).send().await.unwrap();
        assert_eq!(text(put).await, (400, r#"{"error":"invalid HTTP method"}"#.into()));

        let foreign = web.get(path).header("origin", "http://evil.example").send().await.unwrap();
        assert_eq!(text(foreign).await, (400, r#"{"error":"invalid origin"}"#.into()));
        let own = web.get(path).header("origin", "http://CI.example:8010").send().await.unwrap();
        assert_eq!(own.headers()["access-control-allow-origin"], "http://ci.example:8010");
        let preflight = |method: &'static str| {
            let url = format!("{}{path}", web.base);
            let request = web.client.request(reqwest::Method::OPTIONS, url);
            let request = request.header("origin", "http://ci.example:8010");
            request.header("access-control-request-method", method).send()
        };
        assert_eq!(preflight("POST").await.unwrap().status(), 200);
        assert_eq!(text(preflight("PUT").await.unwrap()).await.1, r#"{"error":"invalid method"}"#);
    });
}

#[test]
fn locks_are_a_resource_of_our_own() {
    with_web(|web| async move {
        let lock = web.rows("rs_locks").await.remove(0);
        assert_eq!((&lock["name"], &lock["type"]), (&json!("<db>"), &json!("WorkerLock")));
        assert_eq!((&lock["worker"], &lock["max_count"]), (&json!("local1"), &json!(2)));
        assert_eq!(lock["holders"][0]["buildid"], 7);
        assert_eq!(
            (&lock["waiters"][0]["step"], &lock["waiters"][0]["access"]),
            (&json!("<load>"), &json!("exclusive"))
        );
        assert!(web.rows("rs_locks?max_count__gt=2").await.is_empty());
    });
}

#[test]
fn pending_requests_say_why() {
    with_web(|web| async move {
        let waiting = web.rows("buildrequests?claimed=false&complete=false").await;
        assert!(!waiting.is_empty());
        for row in waiting {
            let expected = format!("because of <{}>", row["buildrequestid"]);
            assert_eq!(row["rs_pending_reason"], json!(expected));
        }
        let done = web.rows("buildrequests?complete=true").await;
        assert!(done.iter().all(|row| row["rs_pending_reason"].is_null()));
        let path = "buildrequests?claimed=false&field=claimed&field=rs_pending_reason";
        assert_eq!(web.rows(path).await[0].as_object().unwrap().len(), 2);
    });
}

#[test]
fn projects_and_their_builders() {
    with_web(|web| async move {
        let projects = web.rows("projects").await;
        assert!(!projects.is_empty());
        for project in &projects {
            assert!(project["active"].is_null(), "{project}");
            let name = project["name"].as_str().unwrap();
            let by_name = web.rows(&format!("projects/{name}")).await;
            assert_eq!(&by_name[0], project);
            let id = project["projectid"].as_i64().unwrap();
            let builders = web.rows(&format!("projects/{id}/builders")).await;
            assert!(builders.iter().all(|builder| builder["projectid"] == id));
            assert_eq!(builders, web.rows(&format!("projects/{name}/builders")).await);
        }
        let active = web.rows("projects?active=true").await.len();
        let idle = web.rows("projects?active=false").await;
        assert_eq!(active + idle.len(), projects.len());
        assert!(idle.iter().all(|project| project["active"] == false));
    });
}

#[test]
fn build_data_is_listed_and_its_bytes_come_out() {
    with_web(|web| async move {
        crate::db::execute(
            &web.fixture.path(),
            "INSERT INTO build_data (buildid, name, value, length, source) \
             VALUES (1, 'ours', x'00ff41', 3, 'Step');",
        );
        let all = web.rows("builds/1/data").await;
        let mine = all.iter().find(|row| row["name"] == "ours").unwrap();
        let expected = json!({"buildid": 1, "name": "ours", "length": 3, "source": "Step",
            "value": null});
        assert_eq!(*mine, expected);
        assert_eq!(web.rows("builds/1/data/ours").await, [expected]);
        let value = web.get("/api/v2/builds/1/data/ours/value").send().await.unwrap();
        assert_eq!(value.headers()["content-type"], "application/octet-stream");
        assert_eq!(value.bytes().await.unwrap().as_ref(), [0, 255, 65]);
        let missing = web.get("/api/v2/builds/1/data/none/value").send().await.unwrap();
        assert_eq!(missing.status(), 404);
    });
}

#[test]
fn running_builds_tell_when_they_may_end() {
    with_web(|web| async move {
        crate::db::execute(
            &web.fixture.path(),
            "INSERT INTO builds (id, number, builderid, buildrequestid, masterid, started_at, \
             complete_at, locks_duration_s, state_string, results) VALUES \
             (901, 901, 9, 1, 1, 100, 110, 0, '', 0), (902, 902, 9, 1, 1, 200, 230, 0, '', 0), \
             (903, 903, 9, 1, 1, 300, 900, 0, '', 2), (904, 904, 9, 1, 1, 1000, NULL, 0, '', NULL);",
        );
        let of = |build: &Value| {
            (build["rs_expected_s"].clone(), build["rs_expected_complete_at"].clone())
        };
        let running = web.rows("builds/904").await.remove(0);
        assert_eq!(of(&running), (json!(20), json!(1020)));
        let ended = web.rows("builds/903").await.remove(0);
        assert_eq!(of(&ended), (Value::Null, Value::Null));
    });
}

#[test]
fn test_results_have_the_shape_that_stock_gives_them() {
    with_web(|web| async move {
        let place = web.rows("builds/2/steps?field=stepid&field=buildid").await[0].clone();
        let step = buildbot::model::StepId(place["stepid"].as_i64().unwrap());
        let set = web
            .fixture
            .db
            .write(move |conn| {
                use buildbot::db::test_results;
                use buildbot::model::{BuildId, TestResult, TestSet};
                let about = |category: &str, unit: &str| TestSet {
                    description: Some("unit tests".into()),
                    category: category.into(),
                    value_unit: unit.into(),
                };
                let boolean = about("pass_fail", "boolean");
                let set = test_results::add_set(conn, BuildId(2), step, &boolean)?;
                let named = |name: &str, value: &str| TestResult {
                    name: Some(name.into()),
                    value: value.into(),
                    ..TestResult::default()
                };
                let first = TestResult { duration_ns: Some(1000), ..named("t.a", "1") };
                let second = TestResult {
                    path: Some("src/x.c".into()),
                    line: Some(12),
                    ..named("<t.b>", "0")
                };
                test_results::add(conn, set, &[first, second])?;
                test_results::complete(conn, set, Some((1, 1)))?;
                Ok(set)
            })
            .await
            .unwrap();
        let builder = web.rows("builds/2").await[0]["builderid"].clone();
        let expected = json!({
            "builderid": builder, "buildid": 2, "category": "pass_fail", "complete": true,
            "description": "unit tests", "stepid": step, "test_result_setid": set,
            "tests_failed": 1, "tests_passed": 1, "value_unit": "boolean",
        });
        for path in [
            "test_result_sets".to_owned(),
            format!("test_result_sets/{set}"),
            format!("builders/{builder}/test_result_sets"),
            "builds/2/test_result_sets?complete=true".to_owned(),
            format!("steps/{step}/test_result_sets?category=pass_fail"),
        ] {
            let rows = web.rows(&path).await;
            assert_eq!(rows.last(), Some(&expected), "{path}");
        }
        let results = web.rows(&format!("test_result_sets/{set}/results")).await;
        let expected = json!([
            {
                "builderid": builder, "duration_ns": 1000, "line": null, "test_code_path": null,
                "test_name": "t.a", "test_result_setid": set,
                "test_resultid": results[0]["test_resultid"], "value": "1",
            },
            {
                "builderid": builder, "duration_ns": null, "line": 12,
                "test_code_path": "src/x.c", "test_name": "<t.b>", "test_result_setid": set,
                "test_resultid": results[1]["test_resultid"], "value": "0",
            },
        ]);
        assert_eq!(json!(results), expected);
        let path = format!("test_result_sets/{set}/results?value=0&field=test_name&field=value");
        let expected = json!([{"test_name": "<t.b>", "value": "0"}]);
        assert_eq!(json!(web.rows(&path).await), expected);
        assert_eq!(web.rows("test_result_sets/999/results").await.len(), 0);
        assert_eq!(web.api("test_result_sets/999").await.0, 404);
        let number = &web.rows("builds/2").await[0]["number"];
        let page = web.get(&format!("/builders/{builder}/builds/{number}"));
        let page = page.send().await.unwrap().text().await.unwrap();
        let row =
            "<td class=\"wide\">&lt;t.b&gt;</td><td class=\"wide\"><code>src/x.c:12</code></td>";
        assert!(page.contains(row) && page.contains("unit tests"), "{page}");
    });
}
