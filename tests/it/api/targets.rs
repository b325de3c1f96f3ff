//! `/targets` with messages that wait, were sent, and have failed.

use buildbot::db::outbox::{self, NewMessage, Outcome};
use serde_json::json;

use super::{text, with_web};

#[test]
fn messages_are_shown_and_tried_again() {
    with_web(|web| async move {
        let write = web.fixture.db.write(|conn| {
            let message = |about: &str| NewMessage {
                about: about.to_owned(),
                body: json!({}),
                lane: None,
                due_at: 100,
            };
            let three = [message("one <b>"), message("two"), message("three")];
            outbox::queue(conn, "mail", &three, 100)?;
            outbox::close(conn, 1, &Outcome::Sent, 101)?;
            outbox::close(conn, 2, &Outcome::Failed("no such <mailbox>".to_owned()), 102)
        });
        write.await.unwrap();
        let (status, page) = text(web.get("/targets").send().await.unwrap()).await;
        assert_eq!(status, 200, "{page}");
        for says in [
            "(no longer configured)",
            "1 waiting",
            "1 failed",
            "one &lt;b&gt;",
            "no such &lt;mailbox&gt;",
        ] {
            assert!(page.contains(says), "{says}: {page}");
        }
        assert_eq!(page.matches("/again\"").count(), 2, "what was sent is not sent again: {page}");

        let again = web.post("/targets/messages/2/again").send().await.unwrap();
        assert!(again.status().is_redirection() || again.status().is_success(), "{again:?}");
        let due = |conn: &mut buildbot::db::Conn| outbox::due(conn, "mail", 1 << 40, 10);
        let due = web.fixture.db.read(due).await.unwrap();
        let mut names: Vec<&str> = due.iter().map(|message| message.about.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["three", "two"]);
        let sent = web.post("/targets/messages/1/again").send().await.unwrap();
        assert_eq!(sent.status(), 404);
    });
}
