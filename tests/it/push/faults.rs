//! Servers that are away, busy or refuse: messages wait in order or fail where people see it, and
//! builds do not notice.

use buildbot::db::outbox::{self, Outcome};
use buildbot::model::now;

use super::{Server, TOKEN, build, keeps_its_secrets, listens, messages, started, states};
use crate::world::{Place, run};

fn github(server: &Server) -> String {
    format!(
        "[[services]]\ntype = \"GitHubStatusPush\"\nname = \"push\"\ntoken = \"{TOKEN}\"\n\
         baseURL = \"{}\"\n",
        server.url
    )
}

#[test]
fn a_pending_that_is_late_never_stands_over_a_success() {
    run(async {
        let (place, mut server) = (Place::new(), Server::start().await);
        server.answer("", "502 Bad Gateway", "", "<html>");
        let services = github(&server);
        let (mut master, worker) = started(&place, &services, "push").await;
        build(&mut master).await;
        let lines =
            messages(&master, "push", |lines| lines.len() == 3 && lines[0].error.is_some()).await;
        assert_eq!(states(&lines), ["queued"; 3]);
        assert_eq!(lines.iter().map(|line| line.attempts).collect::<Vec<_>>(), [1, 0, 0]);
        assert!(lines[0].due_at >= lines[0].created_at + 30, "{lines:?}");
        worker.stop().await;
        master.stop().await;
        assert_eq!(server.rest().len(), 1, "those behind it were not tried");

        // The pause ends while the master is down, and the server is well again.
        server.answer("", "201 Created", "", "{}");
        let setup = place.setup(&super::config(&services));
        let (id, again) = (lines[0].id, Outcome::Again { error: String::new(), due_at: now() });
        let close = setup.db.write(move |conn| outbox::close(conn, id, &again, now())).await;
        close.expect("a changed row");
        let master = place.start(setup).await;
        let mut told = Vec::new();
        for _ in 0..3 {
            told.push(server.next().await.json()["description"].clone());
        }
        assert_eq!(told, ["Build pending.", "Build started.", "Build done."]);
        messages(&master, "push", |lines| states(lines) == ["sent"; 3]).await;
        master.stop().await;
        assert_eq!(server.rest().len(), 0);
    });
}

#[test]
fn a_limit_is_obeyed_by_all_messages() {
    run(async {
        let (place, mut server) = (Place::new(), Server::start().await);
        server.answer("", "429 Too Many Requests", "Retry-After: 900\r\n", "slow down");
        let (mut master, worker) = started(&place, &github(&server), "push").await;
        build(&mut master).await;
        let lines =
            messages(&master, "push", |lines| lines.len() == 3 && lines[0].error.is_some()).await;
        assert!(lines[0].due_at >= lines[0].created_at + 900, "{lines:?}");
        assert!(lines[0].error.as_deref().unwrap().contains("429 Too Many Requests: slow down"));
        worker.stop().await;
        master.stop().await;
        assert_eq!(server.rest().len(), 1);
    });
}

#[test]
fn refusals_are_told_with_what_to_check() {
    run(async {
        let (place, mut server) = (Place::new(), Server::start().await);
        let body = format!(r#"{{"message": "Bad credentials {TOKEN}"}}"#);
        server.answer("", "401 Unauthorized", "", &body);
        let (mut master, worker) = started(&place, &github(&server), "push").await;
        build(&mut master).await;
        let lines = messages(&master, "push", |lines| states(lines) == ["failed"; 3]).await;
        let expected = format!(
            "POST {}/repos/octo/hello/statuses/abc123: the server answers 401 Unauthorized: \
             Bad credentials ***; check 'token': it is wrong or has expired",
            server.url
        );
        assert_eq!(lines[0].error.as_deref(), Some(expected.as_str()));
        worker.stop().await;
        master.stop().await;
        assert_eq!(server.rest().len(), 3, "each is tried once");
        keeps_its_secrets(&place);
    });
}

#[test]
fn malformed_answers_break_nothing() {
    run(async {
        let (place, mut server) = (Place::new(), Server::start().await);
        server.answer("GET", "200 OK", "", r#"{"id": "seventy-seven"}"#);
        let services = github(&server).replace("GitHubStatusPush", "GitLabStatusPush");
        let (mut master, worker) = started(&place, &services, "push").await;
        build(&mut master).await;
        let lines = messages(&master, "push", |lines| states(lines) == ["failed"; 3]).await;
        let error = lines[0].error.as_deref().unwrap();
        assert!(error.contains("no project is answered; check 'baseURL'"), "{error}");
        // Mended, the next build is told.
        server.answer("GET", "200 OK", "", r#"{"id": 77}"#);
        build(&mut master).await;
        let lines = messages(&master, "push", |lines| lines.len() == 6).await;
        messages(&master, "push", |lines| states(&lines[3..]) == ["sent"; 3]).await;
        assert_eq!(lines.len(), 6);
        worker.stop().await;
        master.stop().await;
        assert!(server.rest().len() >= 7);
    });
}

#[test]
fn a_server_that_is_away_delays_nobody_else() {
    run(async {
        let (place, mut server) = (Place::new(), Server::start().await);
        let away = "[[services]]\ntype = \"HttpStatusPush\"\nname = \"away\"\n\
                    serverUrl = \"http://127.0.0.1:1/hook\"\n";
        let services = format!("{away}{}", github(&server));
        let (mut master, worker) = started(&place, &services, "push").await;
        listens(&master, "away").await;
        build(&mut master).await;
        messages(&master, "push", |lines| states(lines) == ["sent"; 3]).await;
        let lines =
            messages(&master, "away", |lines| lines.len() == 2 && lines[0].error.is_some()).await;
        let error = lines[0].error.as_deref().unwrap();
        assert!(
            error.starts_with("POST http://127.0.0.1:1: ") && !error.contains("hook"),
            "{error}"
        );
        assert_eq!(states(&lines), ["queued"; 2]);
        worker.stop().await;
        master.stop().await;
        assert_eq!(server.rest().len(), 3);
    });
}
