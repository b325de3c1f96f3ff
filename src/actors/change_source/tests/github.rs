//! `GitHubPullrequestPoller` against a scripted server.

use std::time::Duration;

use serde_json::{Value, json};

use super::server::Server;
use super::world::{World, pairs, plan, status};
use crate::change_sources::{SourcePlan, Trouble};

fn poller(server: &Server, more: Value) -> SourcePlan {
    let base = json!({ "owner": "o", "repo": "r", "baseURL": server.url, "pollInterval": 3600 });
    plan("GitHubPullrequestPoller", base, more)
}

fn pull(number: i64, sha: &str) -> Value {
    json!({
        "number": number, "title": format!("pull {number}"), "body": "words", "commits": 1,
        "html_url": format!("https://h/pull/{number}"), "draft": number == 3,
        "updated_at": "2023-11-14T22:13:20Z",
        "head": {
            "ref": format!("topic{number}"), "sha": sha,
            "repo": { "clone_url": "https://h/fork.git" },
        },
        "base": {
            "ref": if number == 2 { "stable" } else { "main" },
            "repo": { "clone_url": "https://h/r.git", "full_name": "o/r" },
        },
    })
}

/// A server with these pull requests.
fn serve(server: &Server, pulls: &[Value]) {
    server.json("/repos/o/r/pulls?", &json!(pulls));
    for pull in pulls {
        let path = format!("/repos/o/r/pulls/{}", pull["number"]);
        server.json(&path, pull);
        let joe = json!({ "name": "Joe", "email": "joe@h" });
        let commit = json!([{ "commit": { "author": joe, "committer": joe } }]);
        server.json(&format!("{path}/commits"), &commit);
        server.json(&format!("{path}/files"), &json!([{ "filename": "a.c" }]));
    }
}

#[actix::test]
async fn each_new_head_of_a_pull_request_is_a_change() {
    let (world, server) = (World::new(), Server::start().await);
    serve(&server, &[pull(1, "aaaaaaaaaaaa1"), pull(2, "bbbb")]);
    let config = poller(
        &server,
        json!({
            "branches": ["main"], "token": "sesame", "category": "pull",
            "github_property_whitelist": ["github.head.*"],
        }),
    );
    // As in stock even the first poll reports what is open.
    assert_eq!(world.look(&config).await.unwrap().changes, 1);
    let change = &world.changes().await[0];
    assert_eq!(change.branch.as_deref(), Some("topic1"));
    assert_eq!(
        (change.author.as_str(), change.files.as_slice()),
        ("Joe <joe@h>", &["a.c".into()][..])
    );
    assert_eq!((change.category.as_deref(), change.project.as_str()), (Some("pull"), "o/r"));
    assert_eq!(change.properties.get_str("github.head.ref"), Some("topic1"));
    assert_eq!(world.look(&config).await.unwrap().changes, 0);
    let state = world.state("o/r", "GitHubPullrequestPoller", "pull_request1").await;
    assert_eq!(state, json!("aaaaaaaaaaaa1"));
    serve(&server, &[pull(1, "cccc")]);
    assert_eq!(world.look(&config).await.unwrap().changes, 1);
    let heard = server.heard();
    assert!(heard[0].to_lowercase().contains("authorization: token sesame"), "{heard:?}");
    assert!(!format!("{config:?}{:?}", config.source).contains("sesame"));
}

#[actix::test]
async fn an_expression_chooses() {
    let (world, server) = (World::new(), Server::start().await);
    serve(&server, &[pull(3, "a"), pull(2, "b"), pull(1, "c")]);
    let config = poller(
        &server,
        json!({
            "pullrequest_filter": "not draft and base.ref != 'stable'", "magic_link": true,
        }),
    );
    assert_eq!(
        world.reported(&config).await,
        pairs(&[("refs/pull/1/merge", "GitHub Pull Request #1 (1 commits)\npull 1\nwords")])
    );
}

#[actix::test]
async fn one_odd_pull_request_does_not_stop_the_others() {
    let (world, server) = (World::new(), Server::start().await);
    let mut gone = pull(1, "a");
    gone["head"]["repo"] = Value::Null;
    serve(&server, &[gone, pull(2, "b"), json!({ "title": "nothing" })]);
    let found = world.look(&poller(&server, json!({}))).await.unwrap();
    assert_eq!((found.changes, found.notes.len()), (1, 2), "{found:?}");
    assert!(found.notes[0].contains("head repository is gone"), "{found:?}");
}

#[actix::test]
async fn servers_in_trouble_are_told_and_left_alone_as_they_wish() {
    let (world, server) = (World::new(), Server::start().await);
    let config = poller(&server, json!({ "pollAtLaunch": true, "pollInterval": 60 }));
    let pulls = "/repos/o/r/pulls?";
    server.answer(pulls, 500, "", &["oops"]);
    let Err(Trouble::Remote(told)) = world.look(&config).await else { panic!("500 is fine") };
    assert!(told.contains("answers 500"), "{told}");
    server.answer(pulls, 200, "", &["[{\"number\": 1,"]);
    let Err(Trouble::Remote(told)) = world.look(&config).await else { panic!("half is fine") };
    assert!(told.contains("no JSON"), "{told}");
    let message = "{\"message\": \"slow down\"}";
    server.answer(pulls, 429, "Retry-After: 1000\r\n", &[message]);
    let Err(Trouble::Busy { pause, message }) = world.look(&config).await else { panic!("429") };
    assert_eq!(pause, Duration::from_secs(1000));
    assert!(message.contains("slow down"), "{message}");

    // The poller waits, and is well again.
    let sources = world.start(&config).await;
    let failed = status(&sources, |status| status.last_error.is_some()).await;
    let pause = failed.next_poll.unwrap_or_default() - failed.last_poll.unwrap_or_default();
    assert!(pause >= 999, "{pause}");
    serve(&server, &[pull(1, "a")]);
    sources.poll_now("GitHubPullrequestPoller:o/r");
    status(&sources, |status| status.last_poll.is_some() && status.last_error.is_none()).await;
    assert_eq!(world.changes().await.len(), 1);
    sources.stop(&world.supervisor, "GitHubPullrequestPoller:o/r").await;
}
