//! Payloads of pushes, and what follows their answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::registry::{self, Plan};
use super::super::{Body, Failure, Kind, Office, Report, Reporter, samples};
use super::first_of_each;
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::Raw;
use crate::db::Db;
use crate::db::listing::BuildCase;
use crate::db::outbox::{Message, NewMessage};

const SHA: &str = "90123456789abcdef";

fn read(class: &str, written: Value) -> (Arc<dyn Reporter>, String) {
    let raw = Raw::from_json(written);
    let mut problems = Problems::new();
    let class = registry::find(class).unwrap();
    let config = registry::parse(class, &raw, Fields::of(&raw, "s", &mut problems));
    let Plan::Messages(reporter) = config.plan else { panic!("it sends no messages") };
    (reporter, problems.to_string())
}

fn reporter(class: &str, written: Value) -> Arc<dyn Reporter> {
    let (reporter, problems) = read(class, written);
    assert_eq!(problems, "");
    reporter
}

/// The build's source stamp becomes one of a forge.
fn at(repository: &str, project: &str, mut case: BuildCase) -> BuildCase {
    let stamp = &mut case.entity["buildset"]["sourcestamps"][0];
    stamp["repository"] = json!(repository);
    stamp["project"] = json!(project);
    stamp["revision"] = json!(SHA);
    case.entity["properties"]["buildername"] = json!(["linux", "Builder"]);
    case
}

fn report(case: BuildCase, text: Option<&str>) -> Report {
    Report {
        body: text.map(|text| Body::text(Kind::Plain, text.to_owned())),
        results: case.results,
        builds: vec![Arc::new(case)],
        ..Report::default()
    }
}

fn composed(reporter: &dyn Reporter, report: Report) -> Vec<NewMessage> {
    reporter.compose(vec![report], &samples::site()).unwrap()
}

const GIT: &str = "https://github.com/octo/hello.git";

#[test]
fn statuses_of_github_are_stocks() {
    let github = reporter("GitHubStatusPush", json!({ "token": "t" }));
    let url = "http://ci.example.org/builders/linux/builds/7";
    let table = [
        (samples::requested(), "pending", "http://ci.example.org/requests/5"),
        (samples::cancelled(), "error", "http://ci.example.org/requests/5"),
        (samples::started(), "pending", url),
        (samples::failed(), "failure", url),
    ];
    for (case, state, url) in table {
        let [message] = &composed(&*github, report(at(GIT, "", case), Some("Words.")))[..] else {
            panic!("one message")
        };
        let json = json!({ "state": state, "target_url": url, "description": "Words.",
                           "context": "buildbot/linux" });
        let path = format!("/repos/octo/hello/statuses/{SHA}");
        assert_eq!(message.body, json!({ "path": path, "json": json }));
        // One lane, whatever the state.
        assert_eq!(message.lane, Some(format!("octo/hello {SHA} buildbot/linux")));
        assert_eq!(message.about, format!("{state}: buildbot/linux at octo/hello 9012345678"));
    }
}

#[test]
fn what_github_cannot_know_is_not_told() {
    let github = reporter("GitHubStatusPush", json!({ "token": "t" }));
    let mut without = at(GIT, "", samples::failed());
    without.entity["buildset"]["sourcestamps"][0]["revision"] = Value::Null;
    let mut none = samples::failed();
    none.entity["buildset"]["sourcestamps"] = json!([]);
    let worker = Report { worker: Some("w".to_owned()), ..Report::default() };
    let elsewhere = at("/srv/git/x", "hello", samples::failed());
    for report in [report(without, None), report(none, None), report(elsewhere, None), worker] {
        assert_eq!(composed(&*github, report), []);
    }
}

#[test]
fn contexts_are_rendered_and_long_texts_shortened() {
    let written = json!({ "token": "t", "context": "ci/%(prop:workername)s %(src::branch)s" });
    let github = reporter("GitHubStatusPush", written);
    let long = "ä".repeat(200);
    let told = report(at("", "o/../r x", samples::failed()), Some(&long));
    assert_eq!(composed(&*github, told), [], "no owner and repository");
    let told = report(at("", "o/r x?y", samples::failed()), Some(&long));
    let message = composed(&*github, told).remove(0);
    assert_eq!(message.body["json"]["context"], "ci/w1 main");
    let description = message.body["json"]["description"].as_str().unwrap();
    assert_eq!((description.chars().count(), description.ends_with("ä…")), (140, true));
    assert_eq!(message.body["path"], format!("/repos/o/r%20x%3Fy/statuses/{SHA}"));
}

#[test]
fn comments_go_to_the_pull_request_that_was_built() {
    let github = reporter("GitHubCommentPush", json!({ "token": "t" }));
    let table = [
        (json!({ "branch": ["refs/pull/12/merge", "t"] }), Some("Done"), Some("12")),
        (json!({ "branch": ["refs/pull/13/head", "t"] }), Some("Done"), Some("13")),
        (json!({ "branch": ["x", "t"], "github.number": [14, "t"] }), Some("Done"), Some("14")),
        (json!({ "branch": ["main", "t"] }), Some("Done"), None),
        (json!({ "branch": [null, "t"] }), Some("Done"), None),
        (json!({ "branch": ["refs/pull/12/merge", "t"] }), None, None),
    ];
    for (properties, text, expected) in table {
        let mut case = at(GIT, "", samples::failed());
        case.entity["properties"] = properties.clone();
        let messages = composed(&*github, report(case, text));
        let paths: Vec<_> = messages.iter().map(|m| m.body["path"].as_str().unwrap()).collect();
        let path = expected.map(|number| format!("/repos/octo/hello/issues/{number}/comments"));
        assert_eq!(paths, path.iter().map(String::as_str).collect::<Vec<_>>(), "{properties}");
        assert!(messages.iter().all(|m| m.body["json"] == json!({ "body": "Done" })));
    }
}

#[test]
fn statuses_of_gitlab_are_stocks() {
    let gitlab = reporter("GitLabStatusPush", json!({ "token": "t" }));
    let table = [
        (samples::requested(), "pending"),
        (samples::cancelled(), "canceled"),
        (samples::started(), "running"),
        (samples::failed(), "failed"),
    ];
    for (case, state) in table {
        let case = at("git@gitlab.com:group/sub/hello.git", "", case);
        let message = composed(&*gitlab, report(case.clone(), Some("Words."))).remove(0);
        assert_eq!(message.body["project"], json!({ "path": "group/sub/hello" }));
        assert_eq!(message.body["sha"], SHA);
        let told = &message.body["json"];
        assert_eq!((&told["state"], &told["ref"]), (&json!(state), &json!("main")));
        assert_eq!(
            (&told["name"], &told["description"]),
            (&json!("buildbot/linux"), &json!("Words."))
        );
        // A merge request from a fork tells its own project and branch.
        let mut forked = case;
        forked.entity["properties"]["source_project_id"] = json!([42, "Change"]);
        forked.entity["properties"]["source_branch"] = json!(["topic", "Change"]);
        let message = composed(&*gitlab, report(forked, None)).remove(0);
        assert_eq!(message.body["project"], json!({ "id": "42" }));
        assert_eq!(message.body["json"]["ref"], "topic");
        assert_eq!(message.body["json"].get("description"), None);
    }
}

#[test]
fn reports_go_to_a_web_server_as_they_are() {
    let push = reporter("HttpStatusPush", json!({ "serverUrl": "http://h/x" }));
    let of = |kind, value| Report {
        body: Some(Body { kind, value }),
        ..report(samples::failed(), None)
    };
    let table = [
        (of(Kind::Json, json!({ "a": 1 })), json!({ "value": { "a": 1 } })),
        (of(Kind::Json, json!("a")), json!({ "value": "a" })),
        (of(Kind::Plain, json!("a")), json!({ "text": "plain", "value": "a" })),
        (of(Kind::Html, json!("<p>")), json!({ "text": "html", "value": "<p>" })),
        (of(Kind::Plain, json!(["a"])), json!({ "value": ["a"] })),
    ];
    for (report, expected) in table {
        let message = composed(&*push, report).remove(0);
        assert_eq!(message.body, expected);
        assert_eq!(
            (message.about.as_str(), message.lane.as_deref()),
            ("linux #7: failure", Some("request 5"))
        );
    }
    assert_eq!(composed(&*push, report(samples::failed(), None)), []);
}

#[test]
fn chats_get_an_attachment_or_a_line() {
    let rich = json!({ "endpoint": "https://h/x", "channel": "#ci", "username": "bot" });
    let plain = json!({ "endpoint": "https://h/x", "attachments": false });
    let mut case = samples::failed();
    case.entity["buildset"]["sourcestamps"][0]["branch"] = json!("<!channel>");
    let url = "http://ci.example.org/builders/linux/builds/7";
    let told = || report(case.clone(), Some("a < b & c"));
    let rich = composed(&*reporter("SlackStatusPush", rich), told()).remove(0);
    let field = |title: &str, value: &str| json!({ "title": title, "value": value, "short": true });
    let fields = [
        field("Branch", "&lt;!channel&gt;"),
        field("Revision", "abc123"),
        field("Changes by", "Ann &lt;ann@example.org&gt;"),
    ];
    assert_eq!(
        rich.body,
        json!({ "channel": "#ci", "username": "bot", "attachments": [{
            "fallback": "linux #7: a &lt; b &amp; c", "color": "#d00000", "title": "linux #7",
            "title_link": url, "text": "a &lt; b &amp; c", "fields": fields,
        }]})
    );
    let plain = composed(&*reporter("MattermostStatusPush", plain), told()).remove(0);
    assert_eq!(plain.body, json!({ "text": format!("linux #7: a &lt; b &amp; c <{url}>") }));
}

#[test]
fn only_the_first_report_of_a_build_is_told() {
    let one = report(samples::failed(), Some("one"));
    let two = report(samples::failed(), Some("two"));
    let mut other = samples::failed();
    other.entity["buildrequest"]["buildrequestid"] = json!(6);
    let other = report(other, Some("other"));
    let kept = first_of_each(vec![one.clone(), two, other.clone(), Report::default()]);
    assert_eq!(kept, [one, other, Report::default()]);
}

#[test]
fn defaults_are_stocks_and_mistakes_are_told() {
    let with = |class: &str, written: Value| (class.to_owned(), written);
    let table = [
        (with("GitHubStatusPush", json!({ "token": "t" })), 2, ""),
        (with("GitHubCommentPush", json!({ "token": "t" })), 1, ""),
        (with("GitLabStatusPush", json!({ "token": "t" })), 2, ""),
        (with("HttpStatusPush", json!({ "serverUrl": "https://h" })), 1, ""),
        (with("SlackStatusPush", json!({ "endpoint": "https://h" })), 1, ""),
        (with("GitHubStatusPush", json!({})), 2, "needs a value for 'token'"),
        (with("GitHubStatusPush", json!({ "token": "a b" })), 2, "is no token"),
        (
            with("GitLabStatusPush", json!({ "token": "t", "baseURL": "h" })),
            2,
            "must be an address",
        ),
        (
            with("GitLabStatusPush", json!({ "token": "t", "verify": 1 })),
            2,
            "must be true, false or",
        ),
        (with("HttpStatusPush", json!({ "serverUrl": "ftp://h" })), 1, "must be an address"),
        (
            with("HttpStatusPush", json!({ "serverUrl": "http://h", "auth": ["u"] })),
            1,
            "must be a user name and a password",
        ),
        (
            with("HttpStatusPush", json!({ "serverUrl": "http://h", "headers": { "a b": "c" } })),
            1,
            "'a b' is no name of a header",
        ),
        (
            with("HttpStatusPush", json!({ "serverUrl": "http://h", "cert": ["a"] })),
            1,
            "must be the path of a file, or those of",
        ),
        (with("SlackStatusPush", json!({})), 1, "needs a value for 'endpoint'"),
    ];
    for ((class, written), generators, expected) in table {
        let (reporter, problems) = read(&class, written.clone());
        assert_eq!(reporter.generators().len(), generators, "{class}");
        assert_eq!(problems.is_empty(), expected.is_empty(), "{written}: {problems}");
        assert!(problems.contains(expected), "{written}: {problems}");
    }
}

/// Delivers one message to a server that answers `said`.
async fn deliver(class: &str, mut written: Value, key: &str, said: &str) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    written[key] = json!(format!("http://{}/secret", listener.local_addr().unwrap()));
    let reporter = reporter(class, written);
    let case = at(GIT, "", samples::failed());
    let message = composed(&*reporter, report(case, Some("x"))).remove(0);
    let said = said.to_owned();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // The bodies are small: head and body come at once, or the rest does not matter.
        let mut buffer = [0; 8192];
        assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
        stream.write_all(said.as_bytes()).await.unwrap();
        let _ = stream.shutdown().await;
        while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    });
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path().join("state.sqlite").to_str().unwrap()).unwrap();
    let office = Office { db, site: samples::site() };
    let NewMessage { about, body, .. } = message;
    let message = Message { id: 1, about, body, created_at: 0, attempts: 0 };
    let result = reporter.deliver(&message, &office).await;
    served.await.unwrap();
    result
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn answers_decide_what_becomes_of_a_message() {
    let github = || ("GitHubStatusPush", json!({ "token": "hunter2" }), "baseURL");
    let slack = || ("SlackStatusPush", json!({}), "endpoint");
    let echo = r#"{"message": "what is hunter2?"}"#;
    let limit = r#"{"message": "API rate limit exceeded"}"#;
    // `ok`, `passing` with its pause, or `lasting`; and what the words hold.
    let table = [
        (github(), answer("201 Created", "", "{}"), "ok", ""),
        (github(), answer("201 Created", "", "<not JSON"), "ok", ""),
        (
            github(),
            answer("401 Unauthorized", "", echo),
            "lasting",
            "401 Unauthorized: what is ***?; check 'token'",
        ),
        (
            github(),
            answer("404 Not Found", "", "{}"),
            "lasting",
            "/secret/repos/octo/hello/statuses/",
        ),
        (
            github(),
            answer("422 Unprocessable Entity", "", "[]"),
            "lasting",
            "that the commit is on GitHub",
        ),
        (github(), answer("403 Forbidden", "", "{}"), "lasting", "may write commit statuses"),
        (github(), answer("403 Forbidden", "", limit), "passing 60", "rate limit"),
        (
            github(),
            answer("403 Forbidden", "Retry-After: 77\r\n", limit),
            "passing 77",
            "rate limit",
        ),
        (github(), answer("429 Too Many Requests", "Retry-After: 5\r\n", ""), "passing 5", "429"),
        (github(), answer("429 Too Many Requests", "", ""), "passing", "429"),
        (github(), answer("502 Bad Gateway", "", "<html>"), "passing", "502 Bad Gateway"),
        (github(), answer("501 Not Implemented", "", ""), "lasting", "check 'baseURL'"),
        (
            github(),
            answer("302 Found", "Location: http://127.0.0.1:1/\r\n", ""),
            "lasting",
            "elsewhere",
        ),
        (github(), "no HTTP".to_owned(), "passing", "POST http://127.0.0.1"),
        (github(), String::new(), "passing", "POST http://127.0.0.1"),
        (slack(), answer("200 OK", "", "ok"), "ok", ""),
        (
            slack(),
            answer("404 Not Found", "", "no_service"),
            "lasting",
            "no_service; check 'endpoint'",
        ),
    ];
    for ((class, written, key), said, expected, words) in table {
        let told = match deliver(class, written, key, &said).await {
            Ok(()) => ("ok".to_owned(), String::new()),
            Err(Failure::Passing { error, after: None }) => ("passing".to_owned(), error),
            Err(Failure::Passing { error, after: Some(after) }) => {
                (format!("passing {}", after.as_secs()), error)
            }
            Err(Failure::Lasting(error)) => ("lasting".to_owned(), error),
            Err(Failure::Apart(_)) => ("apart".to_owned(), String::new()),
        };
        assert_eq!(told.0, expected, "{said}: {}", told.1);
        assert!(told.1.contains(words) && !told.1.contains("hunter2"), "{said}: {}", told.1);
        assert!(class != "SlackStatusPush" || !told.1.contains("secret"), "{}", told.1);
    }
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_is_not_asked() {
    let raw = Raw::from_json(json!({}));
    let mut problems = Problems::new();
    // Nobody listens there; an attempt would say so.
    let server =
        super::options::server(&mut Fields::of(&raw, "s", &mut problems), "http://127.0.0.1:1/x");
    let (now, seconds) = (Instant::now(), Duration::from_secs);
    server.keep_silence(seconds(9000), now);
    for (later, left) in [(0, Some(9000)), (8999, Some(1)), (9000, None), (9001, None)] {
        assert_eq!(server.silence(now + seconds(later)), left.map(seconds));
    }
    let asked = server.ask(reqwest::Method::POST, "", super::server::Content::Nothing).await;
    let Err(Failure::Passing { error, after: Some(after) }) = asked else { panic!("it is busy") };
    assert_eq!(error, "POST http://127.0.0.1:1: the server wants to be left alone");
    assert!(after <= seconds(9000) && after > seconds(8000), "{after:?}");
}

#[test]
fn debug_output_holds_no_secrets() {
    let table = [
        ("GitHubStatusPush", json!({ "token": "hunter2" })),
        ("GitHubCommentPush", json!({ "token": "hunter2" })),
        ("GitLabStatusPush", json!({ "token": "hunter2" })),
        (
            "HttpStatusPush",
            json!({ "serverUrl": "https://u:hunter2@h/hunter2?hunter2", "auth": ["u", "hunter2"],
                    "headers": { "X-Key": "hunter2" } }),
        ),
        ("SlackStatusPush", json!({ "endpoint": "https://h/services/hunter2" })),
    ];
    for (class, written) in table {
        let shown = format!("{:?}", reporter(class, written));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
