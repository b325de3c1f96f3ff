//! Gerrit's sources against a scripted server and a program in place of ssh.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::server::Server;
use super::world::{World, next_change, plan, status};
use crate::change_sources::SourcePlan;
use crate::model::now;

const NAME: &str = "GerritChangeSource:me@review:29418";

fn event(at: i64, number: i64) -> String {
    json!({
        "type": "patchset-created", "eventCreatedOn": at,
        "change": {
            "branch": "main", "project": "pr", "number": number, "url": "http://g",
            "subject": format!("change {number}"), "owner": { "name": "Ann" },
        },
        "patchSet": {
            "revision": format!("{number}"), "number": 1, "ref": format!("refs/changes/{number}/1"),
        },
    })
    .to_string()
}

async fn subjects(world: &World) -> Vec<String> {
    world.changes().await.into_iter().map(|change| change.comments).collect()
}

#[actix::test]
async fn the_event_log_is_read_from_where_it_was_left() {
    let (world, server) = (World::new(), Server::start().await);
    let config = plan(
        "GerritEventLogPoller",
        json!({ "baseURL": format!("{}/a/", server.url), "gitBaseURL": "ssh://g" }),
        json!({ "get_files": true, "auth": ["me", "pw"] }),
    );
    let log = "/a/plugins/events-log/events/";
    let nonsense = format!("{}\nnonsense\n\n{}\n", event(20, 2), event(10, 1));
    server.answer(log, 200, "", &[&nonsense]);
    server.answer("/a/changes/", 200, "", &[")]}'\n{\"/COMMIT_MSG\": {}, \"a.c\": {}}"]);
    assert_eq!(world.look(&config).await.unwrap().changes, 0, "older than the look back");

    let at = now() - 1000;
    let text = format!("{}\nnonsense\n\n{}\n", event(at + 20, 2), event(at + 10, 1));
    server.answer(log, 200, "", &[&text]);
    assert_eq!(world.look(&config).await.unwrap().changes, 2);
    assert_eq!(subjects(&world).await, ["change 1", "change 2"]);
    assert_eq!(world.changes().await[0].files, ["/COMMIT_MSG", "a.c"]);
    // The last second is told again, with one more event in it.
    let text = format!("{}\n{}\n", event(at + 20, 2), event(at + 20, 3));
    server.answer(log, 200, "", &[&text]);
    assert_eq!(world.look(&config).await.unwrap().changes, 1);
    let heard = server.heard();
    let last = heard.last().unwrap();
    assert!(last.to_lowercase().contains("authorization: basic bwu6chc="), "{last}");
    assert!(heard.iter().any(|head| head.starts_with("GET /a/plugins/events-log/events/?t1=20")));
    assert_eq!(world.look(&config).await.unwrap().changes, 0);
}

/// A program in place of ssh that says what stands in the file `events`, and then follows it.
fn source(world: &World, script: &str, more: Value) -> SourcePlan {
    let ssh = world.path("ssh");
    std::fs::write(&ssh, format!("#!/bin/sh\ncd '{}'\n{script}\n", world.dir.path().display()))
        .unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let base = json!({
        "gerritserver": "review", "username": "me", "sshbin": ssh.to_str().unwrap(),
        "identity_file": "key",
    });
    plan("GerritChangeSource", base, more)
}

#[actix::test]
async fn the_stream_is_heard_and_connected_again() {
    let world = World::new();
    // The first connection ends after one event, the next one stays.
    let script = format!(
        "echo \"$@\" >> calls\nif [ -e once ]; then echo '{}'; exec sleep 600; fi\n\
         touch once; echo '{}'; echo 'not an event'; echo gone >&2; exit 1",
        event(20, 2),
        event(10, 1)
    );
    let config = source(&world, &script, json!({ "ssh_server_alive_count_max": false }));
    let mut listener = world.announcer.listen();
    let sources = world.start(&config).await;
    next_change(&mut listener).await;
    let lost = status(&sources, |status| status.last_error.is_some()).await;
    let told = lost.last_error.unwrap();
    assert!(told.contains("was lost: gone"), "{told}");
    next_change(&mut listener).await;
    status(&sources, |status| status.last_error.is_none()).await;
    assert_eq!(subjects(&world).await, ["change 1", "change 2"]);
    let calls = std::fs::read_to_string(world.path("calls")).unwrap();
    let expected = "-o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 me@review -p \
                    29418 -i key gerrit stream-events";
    assert_eq!(calls.lines().collect::<Vec<_>>(), [expected, expected]);
    let state = world.state(NAME, "GerritChangeSource", "last_event_ts").await;
    assert!(state.as_i64().is_some());
    sources.stop(&world.supervisor, NAME).await;
}

#[actix::test]
async fn what_was_missed_is_caught_up_with_and_nothing_told_twice() {
    let (world, server) = (World::new(), Server::start().await);
    let at = now() + 10;
    let log = "/a/plugins/events-log/events/";
    server.answer(log, 200, "", &[&format!("{}\n{}\n", event(at, 1), event(at + 1, 2))]);
    // The stream tells the second event as well, and a third one.
    let script =
        format!("echo '{}'; echo '{}'; exec sleep 600", event(at + 1, 2), event(at + 2, 3));
    let config = source(
        &world,
        &script,
        json!({
            "http_url": server.url, "http_auth": ["me", "pw"], "http_poll_interval": 0.2,
        }),
    );
    let mut listener = world.announcer.listen();
    let sources = world.start(&config).await;
    for _ in 0..3 {
        next_change(&mut listener).await;
    }
    assert_eq!(subjects(&world).await, ["change 1", "change 2", "change 3"]);

    // The stream falls silent while something happens: it is opened again.
    let later = format!("{}\n{}\n", event(at + 2, 3), event(at + 5, 4));
    server.answer(log, 200, "", &[&later]);
    next_change(&mut listener).await;
    assert_eq!(subjects(&world).await.last().map(String::as_str), Some("change 4"));
    sources.stop(&world.supervisor, NAME).await;
}

#[actix::test]
async fn an_ssh_that_is_missing_is_told() {
    let world = World::new();
    let config = source(&world, "", json!({ "sshbin": "/no/such/ssh" }));
    let told = world.look(&config).await.unwrap_err().to_string();
    assert!(told.contains("install it or set 'sshbin'"), "{told}");
}

#[actix::test]
async fn files_are_asked_over_ssh() {
    let world = World::new();
    let answer =
        json!({ "patchSets": [{ "number": 1, "files": [{ "file": "a.c" }, { "file": "b.c" }] }] });
    let script = format!(
        "case \"$*\" in *query*) echo '{answer}' ;; *) echo '{}'; exec sleep 600 ;; esac",
        event(10, 1)
    );
    let config = source(&world, &script, json!({ "get_files": true }));
    let mut listener = world.announcer.listen();
    let sources = world.start(&config).await;
    next_change(&mut listener).await;
    assert_eq!(world.changes().await[0].files, ["a.c", "b.c"]);
    sources.stop(&world.supervisor, NAME).await;
}
