//! The writer: many requests, one commit, and each on its own when it fails.

use std::sync::mpsc;

use buildbot::db::{DbError, masters, workers};

use super::{NOW, fresh, sql};

const NAMES: &str = "SELECT name AS text FROM workers ORDER BY name";

#[tokio::test]
async fn a_failing_request_undoes_only_itself() {
    let fixture = fresh();
    let db = &fixture.db;
    // The first request holds the writer until the others wait, so that they share a commit.
    let (go, wait) = mpsc::channel::<()>();
    let first = db.write(move |conn| {
        wait.recv().map_err(|_| DbError::Closed)?;
        workers::find_or_create(conn, "first")
    });
    let failing = db.write(|conn| {
        workers::find_or_create(conn, "failing")?;
        Err::<(), _>(DbError::NotFound)
    });
    let refused = db.write(|conn| {
        let master = masters::register(conn, "m", NOW)?;
        workers::find_or_create(conn, "refused")?;
        let absent = buildbot::model::WorkerId(999);
        workers::attached(conn, absent, master, &serde_json::json!({}))
    });
    let panicking = db.write(|conn| {
        workers::find_or_create(conn, "panicking")?;
        if true {
            panic!("on purpose");
        }
        Ok(())
    });
    let last = db.write(|conn| workers::find_or_create(conn, "last"));
    let release = async { go.send(()).unwrap() };
    let (first, failing, refused, panicking, last, ()) =
        tokio::join!(first, failing, refused, panicking, last, release);
    assert!(first.is_ok() && last.is_ok());
    assert!(matches!(failing, Err(DbError::NotFound)));
    assert!(matches!(panicking, Err(DbError::Panicked(text)) if text == "on purpose"));
    // The foreign key to the worker refused, in the database itself.
    assert!(matches!(refused, Err(DbError::Query(_))), "{refused:?}");
    assert_eq!(sql(&fixture.path(), NAMES), ["first", "last"]);
}

#[tokio::test]
async fn an_answer_means_committed() {
    let fixture = fresh();
    for name in ["a", "b", "c"] {
        fixture.db.write(move |conn| workers::find_or_create(conn, name)).await.unwrap();
        // Another connection sees it at once.
        assert_eq!(sql(&fixture.path(), NAMES).last().map(String::as_str), Some(name));
    }
}

#[tokio::test]
async fn nobody_is_answered_before_the_common_commit() {
    let fixture = fresh();
    let path = fixture.path();
    let (go, wait) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let (seen, look) = mpsc::channel();
    let blocker = fixture.db.write(move |_| {
        begun.send(()).map_err(|_| DbError::Closed)?;
        wait.recv().map_err(|_| DbError::Closed)
    });
    // The next two are queued while the writer is busy, and so share a commit.
    begins.recv().unwrap();
    let first = fixture.db.write(|conn| workers::find_or_create(conn, "early"));
    let second = fixture.db.write(move |_| {
        // Runs after `first` in the same transaction: the row must not be visible outside yet.
        seen.send(sql(&path, NAMES)).map_err(|_| DbError::Closed)
    });
    let release = async { go.send(()).unwrap() };
    let (blocker, first, second, ()) = tokio::join!(blocker, first, second, release);
    assert!(blocker.is_ok() && first.is_ok() && second.is_ok());
    assert_eq!(look.recv().unwrap(), Vec::<String>::new());
    assert_eq!(sql(&fixture.path(), NAMES), ["early"]);
}

#[tokio::test]
async fn the_writer_works_on_after_a_panic() {
    let fixture = fresh();
    for _ in 0..3 {
        let panicked =
            fixture.db.write(|_| -> Result<(), DbError> { std::panic::panic_any("again") }).await;
        assert!(matches!(panicked, Err(DbError::Panicked(_))));
    }
    fixture.db.write(|conn| workers::find_or_create(conn, "w")).await.unwrap();
    assert_eq!(sql(&fixture.path(), NAMES), ["w"]);
}
