//! What servers get of a build. The expected requests were recorded from stock 4.3 pushing the
//! same build; only addresses of pages differ.

use std::collections::BTreeSet;

use buildbot::actors::scheduler::ForceRequest;
use serde_json::{Value, json};

use super::{Server, TOKEN, build, keeps_its_secrets, messages, started, states};
use crate::world::{Place, run};

const PAGE: &str = "http://localhost:8010/builders/linux/builds/1";

fn service(class: &str, more: &str) -> String {
    format!("[[services]]\ntype = \"{class}\"\nname = \"push\"\n{more}\n")
}

#[test]
fn github_gets_the_states_of_a_commit_in_order() {
    run(async {
        let (place, mut server) = (Place::new(), Server::start().await);
        let more = format!("token = \"{TOKEN}\"\nbaseURL = \"{}/api/v3/\"", server.url);
        let (mut master, worker) =
            started(&place, &service("GitHubStatusPush", &more), "push").await;
        build(&mut master).await;
        let request = "http://localhost:8010/requests/1";
        for (state, text, page) in [
            ("pending", "Build pending.", request),
            ("pending", "Build started.", PAGE),
            ("success", "Build done.", PAGE),
        ] {
            let asked = server.next().await;
            assert_eq!(asked.line, "POST /api/v3/repos/octo/hello/statuses/abc123");
            assert_eq!(asked.header("authorization"), format!("token {TOKEN}"));
            assert_eq!(asked.header("content-type"), "application/json");
            assert_eq!(asked.header("user-agent"), "Buildbot");
            let expected = json!({ "state": state, "description": text, "target_url": page,
                                   "context": "buildbot/linux" });
            assert_eq!(asked.json(), expected);
        }
        messages(&master, "push", |lines| states(lines) == ["sent"; 3]).await;
        worker.stop().await;
        master.stop().await;
        assert_eq!(server.rest().len(), 0);
        keeps_its_secrets(&place);
    });
}

#[test]
fn a_cancelled_request_is_no_longer_pending_at_github() {
    run(async {
        let (place, mut server) = (Place::new(), Server::start().await);
        let more = format!("token = \"{TOKEN}\"\nbaseURL = \"{}\"", server.url);
        let (master, worker) = started(&place, &service("GitHubStatusPush", &more), "push").await;
        worker.stop().await;
        master.worker_is_offline("w1").await;
        let submitted = master.handles.control.force("force", ForceRequest::default()).await;
        let request = submitted.expect("a forced build").requests[0].1;
        assert_eq!(server.next().await.json()["state"], "pending");
        master.handles.control.cancel_request(request, "not wanted").await.expect("cancelled");
        let asked = server.next().await.json();
        assert_eq!(
            (&asked["state"], &asked["context"]),
            (&json!("error"), &json!("buildbot/linux"))
        );
        messages(&master, "push", |lines| states(lines) == ["sent"; 2]).await;
        master.stop().await;
    });
}

#[test]
fn a_pull_request_gets_a_comment() {
    run(async {
        let (place, mut server) = (Place::new(), Server::start().await);
        let more = format!("token = \"{TOKEN}\"\nbaseURL = \"{}\"", server.url);
        let (mut master, worker) =
            started(&place, &service("GitHubCommentPush", &more), "push").await;
        build(&mut master).await;
        let asked = server.next().await;
        assert_eq!(asked.line, "POST /repos/octo/hello/issues/12/comments");
        assert_eq!(asked.header("authorization"), format!("token {TOKEN}"));
        assert_eq!(asked.json(), json!({ "body": "Build done." }));
        messages(&master, "push", |lines| states(lines) == ["sent"]).await;
        worker.stop().await;
        master.stop().await;
        assert_eq!(server.rest().len(), 0);
    });
}

#[test]
fn gitlab_is_asked_for_the_project_and_gets_the_states() {
    run(async {
        let (place, mut server) = (Place::new(), Server::start().await);
        server.answer("GET /api/v4/projects/", "200 OK", "", r#"{"id": 77}"#);
        let more = format!("token = \"{TOKEN}\"\nbaseURL = \"{}\"", server.url);
        let (mut master, worker) =
            started(&place, &service("GitLabStatusPush", &more), "push").await;
        build(&mut master).await;
        let asked = server.next().await;
        assert_eq!(asked.line, "GET /api/v4/projects/octo%2Fhello");
        assert_eq!(asked.header("private-token"), TOKEN);
        for (state, text) in [
            ("pending", "Build pending."),
            ("running", "Build started."),
            ("success", "Build done."),
        ] {
            let asked = server.next().await;
            assert_eq!(asked.line, "POST /api/v4/projects/77/statuses/abc123");
            assert_eq!(asked.header("private-token"), TOKEN);
            let mut told = asked.json();
            let page = told.as_object_mut().unwrap().remove("target_url").unwrap();
            assert!(page == PAGE || state == "pending", "{page}");
            let expected = json!({ "state": state, "ref": "refs/pull/12/merge",
                                   "description": text, "name": "buildbot/linux" });
            assert_eq!(told, expected);
        }
        messages(&master, "push", |lines| states(lines) == ["sent"; 3]).await;
        worker.stop().await;
        master.stop().await;
        keeps_its_secrets(&place);
    });
}

/// Names of the keys of a table.
fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("a table").keys().map(String::as_str).collect()
}

/// Does it have every key that stock's has?
fn has(value: &Value, stocks: &str) {
    let missing: Vec<&str> = stocks.split(' ').filter(|key| !keys(value).contains(key)).collect();
    assert!(missing.is_empty(), "{missing:?} missing in {value}");
}

#[test]
fn a_web_server_gets_the_build_as_stock_tells_it() {
    run(async {
        let (place, mut server) = (Place::new(), Server::start().await);
        let more = format!(
            "serverUrl = \"{}/hook?a=b\"\nauth = [\"me\", \"{TOKEN}\"]\nheaders = {{ X-Y = \"z\" }}",
            server.url
        );
        let (mut master, worker) = started(&place, &service("HttpStatusPush", &more), "push").await;
        build(&mut master).await;
        for (complete, results) in [(false, Value::Null), (true, json!(0))] {
            let asked = server.next().await;
            assert_eq!(asked.line, "POST /hook?a=b");
            assert_eq!(asked.header("authorization"), "Basic bWU6czNjcjN0LXQwazNu");
            assert_eq!(asked.header("x-y"), "z");
            assert_eq!(asked.header("content-type"), "application/json");
            let told = asked.json();
            assert_eq!((&told["complete"], &told["results"]), (&json!(complete), &results));
            assert_eq!(told["complete_at"].is_i64(), complete);
            assert_eq!(told["url"], PAGE);
            let stocks = [
                "buildid number builderid buildrequestid workerid masterid started_at complete_at",
                "locks_duration_s complete state_string results properties buildrequest buildset",
                "parentbuild parentbuilder builder url",
            ];
            has(&told, &stocks.join(" "));
            assert!(!keys(&told).contains("prev_build"));
            let of_request = "buildrequestid buildsetid builderid priority claimed claimed_at \
                claimed_by_masterid complete results submitted_at complete_at waited_for properties";
            has(&told["buildrequest"], of_request);
            has(
                &told["buildset"],
                "bsid external_idstring reason submitted_at complete complete_at results \
                 parent_buildid parent_relationship rebuilt_buildid sourcestamps",
            );
            has(
                &told["buildset"]["sourcestamps"][0],
                "ssid branch revision project repository codebase created_at patch",
            );
            has(&told["builder"], "builderid name masterids description projectid tags");
            assert_eq!(told["properties"]["branch"], json!(["refs/pull/12/merge", "Build"]));
            assert_eq!(told["properties"]["workername"], json!(["w1", "Worker"]));
        }
        messages(&master, "push", |lines| states(lines) == ["sent"; 2]).await;
        worker.stop().await;
        master.stop().await;
        assert_eq!(server.rest().len(), 0);
        keeps_its_secrets(&place);
    });
}

#[test]
fn a_chat_is_told_how_a_build_ended() {
    run(async {
        let (place, mut server) = (Place::new(), Server::start().await);
        server.answer("POST", "200 OK", "", "ok");
        let more = format!("endpoint = \"{}/services/{TOKEN}\"\nchannel = \"#ci\"", server.url);
        let (mut master, worker) =
            started(&place, &service("SlackStatusPush", &more), "push").await;
        build(&mut master).await;
        let asked = server.next().await;
        assert_eq!(asked.line, format!("POST /services/{TOKEN}"));
        let told = asked.json();
        assert_eq!(told["channel"], "#ci");
        let attachment = &told["attachments"][0];
        assert_eq!(attachment["title"], "linux #1");
        assert_eq!(attachment["title_link"], PAGE);
        assert_eq!(attachment["text"], "Build succeeded!");
        messages(&master, "push", |lines| states(lines) == ["sent"]).await;
        worker.stop().await;
        master.stop().await;
        assert_eq!(server.rest().len(), 0);
        keeps_its_secrets(&place);
    });
}
