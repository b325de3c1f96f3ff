//! Problems on pages and over REST.

use buildbot::db::{problem_people, problems};
use buildbot::model::{BuildId, BuilderId, Person};
use serde_json::json;

use super::{Web, text, with_web};

/// The builder 2 broke; ann was told by IRC.
async fn trouble(web: &Web) {
    let write = web.fixture.db.write(|conn| {
        let id = problems::open(conn, BuilderId(2), 1, 2, BuildId(3), 1_795_330_000)?;
        let ann = Person::called("Ann <ann@example.org>");
        problem_people::add_people(conn, id, &[ann], "tell", Some(1_795_330_000))?;
        problem_people::told_by_irc(conn, 1, 1_795_330_000, Some(("chat", "<ann>", 0.25)))
    });
    write.await.unwrap();
}

#[test]
fn problems_are_shown_with_their_people() {
    with_web(|web| async move {
        let (_, page) = text(web.get("/problems").send().await.unwrap()).await;
        assert!(page.contains("No builder is in trouble."), "{page}");
        trouble(&web).await;
        for (path, says) in [
            ("/problems", "What was new when it broke"),
            ("/problems", "as &lt;ann&gt;, seen with 25 %"),
            ("/problems", "action=\"/problems/1/acknowledge\""),
            ("/problems/1", "action=\"/problems/1/silence\""),
            ("/problems/1", "Problem 1: b-tests"),
            ("/builders/2", "<a href=\"/problems/1\">problem 1</a>"),
        ] {
            let (status, page) = text(web.get(path).send().await.unwrap()).await;
            assert_eq!(status, 200, "{path}: {page}");
            assert!(page.contains(says), "{path} does not say {says}: {page}");
            assert!(!page.contains("<ann"), "{path}");
        }
        let (status, _) = text(web.get("/problems/9").send().await.unwrap()).await;
        assert_eq!(status, 404);
        let close = |conn: &mut buildbot::db::Conn| {
            problems::close(conn, buildbot::model::ProblemId(1), BuildId(4), 1_795_330_100)
        };
        web.fixture.db.write(close).await.unwrap();
        for path in ["/problems", "/problems/1"] {
            let (_, page) = text(web.get(path).send().await.unwrap()).await;
            assert!(page.contains("/builders/2/builds/") && !page.contains("<form"), "{page}");
        }
        let (_, page) = text(web.get("/builders/2").send().await.unwrap()).await;
        assert!(!page.contains("/problems/1"), "{page}");
    });
}

#[test]
fn problems_are_entities() {
    with_web(|web| async move {
        assert!(web.rows("rs_problems").await.is_empty());
        trouble(&web).await;
        for path in [
            "rs_problems",
            "rs_problems/1",
            "rs_problems?state=open",
            "builders/2/rs_problems",
            "builders/b-tests/rs_problems",
        ] {
            let rows = web.rows(path).await;
            assert_eq!(rows.len(), 1, "{path}");
            let row = &rows[0];
            assert_eq!(row["buildername"], "b-tests", "{path}");
            assert_eq!((&row["state"], &row["first_bad_buildid"]), (&json!("open"), &json!(2)));
            assert_eq!(row["people"][0]["who"], "Ann <ann@example.org>", "{path}");
            assert_eq!(row["people"][0]["irc_seen"], 0.25, "{path}");
        }
        assert!(web.rows("builders/1/rs_problems").await.is_empty());
        assert!(web.rows("rs_problems?state=closed").await.is_empty());
        assert_eq!(web.api("rs_problems/9").await.0, 404);
    });
}

#[test]
fn people_say_what_they_do_by_forms_and_by_rest() {
    with_web(|web| async move {
        for (order, body, note) in [
            ("acknowledge", "text=+looking+", "Acknowledge { text: \"looking\" }"),
            ("silence", "hours=3", "Silence { hours: 3 }"),
            ("silence", "", "Silence { hours: 24 }"),
        ] {
            let path = format!("/problems/1/{order}");
            let form = web.post(&path).header("content-type", "application/x-www-form-urlencoded");
            let answer = form.body(body).send().await.unwrap();
            assert_eq!(answer.status(), 303, "{order}");
            assert_eq!(answer.headers()["location"], "/problems/1");
            assert_eq!(web.stage.notes(), [format!("problem 1 by anonymous: {note}")]);
        }
        let strange = web.post("/problems/1/acknowledge").header("origin", "http://evil.example");
        assert_eq!(strange.send().await.unwrap().status(), 403);
        for (problem, method, params, status) in [
            (1, "acknowledge", json!({ "text": "on it" }), 200),
            (1, "silence", json!({ "hours": 2 }), 200),
            (1, "silence", json!({ "hours": "two" }), 400),
            (1, "forget", json!({}), 501),
            (9_999, "acknowledge", json!({}), 404),
        ] {
            let call = json!({ "jsonrpc": "2.0", "method": method, "id": 1, "params": params });
            let path = format!("/api/v2/rs_problems/{problem}");
            let answer = web.post(&path).json(&call).send().await.unwrap();
            assert_eq!(answer.status(), status, "{method} {params}");
        }
        let notes = web.stage.notes();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].contains("on it") && notes[1].contains("hours: 2"), "{notes:?}");
    });
}
