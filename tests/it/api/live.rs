//! Event streams.

use std::sync::Arc;

use buildbot::events::Event;
use buildbot::model::{BuildId, BuilderId, LogLines, WorkerId};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::broadcast;

use super::{text, with_web};
use crate::world::soon;

/// Reads events of a stream one by one.
struct Reader {
    body: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>>>>,
    text: String,
}

impl Reader {
    fn new(response: reqwest::Response) -> Reader {
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Reader { body: Box::pin(response.bytes_stream()), text: String::new() }
    }

    /// Name and data of the next event; `None` at the end.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    let lines: Vec<&str> =
                        event.lines().filter_map(|l| l.strip_prefix(name)).collect();
                    lines.join("\n")
                };
                return Some((field("event: "), field("data: ")));
            }
            let bytes = soon("an event", self.body.next()).await?.unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

fn finished() -> Event {
    Event::BuildUpdated { build: BuildId(1), builder: BuilderId(2), number: 1, worker: WorkerId(2) }
}

#[test]
fn subscriptions_deliver_whole_entities() {
    with_web(|web| async move {
        let mut stream = Reader::new(web.get("/sse/listen/builds/*/*").send().await.unwrap());
        let (name, key) = stream.next().await.unwrap();
        assert_eq!((name.as_str(), key.len()), ("handshake", 36));
        web.announcer.announce(finished());
        let (name, data) = stream.next().await.unwrap();
        assert_eq!(name, "event");
        let data: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(data["key"], serde_json::json!(["builds", "1", "update"]));
        assert_eq!(data["message"], web.rows("builds/1").await[0]);

        let change = async |path: String| text(web.get(&path).send().await.unwrap()).await;
        assert_eq!(
            change(format!("/sse/add/{key}/builders/2/builds/*/*")).await,
            (200, "ok".into())
        );
        assert_eq!(change(format!("/sse/remove/{key}/builds/*/*")).await, (200, "ok".into()));
        web.announcer.announce(finished());
        let (_, data) = stream.next().await.unwrap();
        assert!(data.starts_with(r#"{"key": ["builders","2","builds","1","update"]"#), "{data}");
        let unknown = change(format!("/sse/remove/{key}/nope/*")).await;
        assert_eq!(unknown, (404, "consumer is not listening to this event".into()));
        assert_eq!(change("/sse/add".into()).await, (400, "need uuid".into()));
        assert_eq!(change("/sse/add/x/y".into()).await, (400, "unknown uuid".into()));
    });
}

#[test]
fn pages_hear_what_concerns_them() {
    with_web(|web| async move {
        let mut stream = Reader::new(web.get("/events?build=1").send().await.unwrap());
        assert_eq!(stream.next().await.unwrap().0, "hello");
        web.announcer.announce(Event::BuilderUpdated { builder: BuilderId(1) });
        web.announcer.announce(finished());
        assert_eq!(stream.next().await.unwrap().0, "changed");
        web.site.feed.set_closing(true);
        assert_eq!(stream.next().await, None, "a stopping server ends its streams");
    });
}

#[test]
fn a_live_log_is_followed_from_table_memory_and_wire() {
    with_web(|web| async move {
        let log = web.rows("logs/14").await.remove(0);
        let stored = log["num_lines"].as_i64().unwrap();
        let (lines, _) = broadcast::channel(16);
        let buffered = LogLines { first_line: stored, count: 1, text: "obuffered <b>\n".into() };
        *web.stage.live.lock().unwrap() = Some((buffered, lines.clone()));
        let from = stored - 1;
        let response = web.get(&format!("/logs/14/follow?from={from}")).send().await.unwrap();
        let mut stream = Reader::new(response);
        let (name, html) = stream.next().await.unwrap();
        assert!(name == "lines" && html.starts_with(&format!("<li id=L{stored}")), "{html}");
        let (_, html) = stream.next().await.unwrap();
        assert!(html.contains("buffered &lt;b&gt;"), "{html}");
        // The first line is known already; only the second one is new.
        let text = "obuffered <b>\no\u{1b}[31mlive\n".to_owned();
        let _ = lines.send(Arc::new(LogLines { first_line: stored, count: 2, text }));
        let (_, html) = stream.next().await.unwrap();
        assert!(
            html.contains("<span class=\"f1\">live</span>") && html.matches("<li").count() == 1,
            "{html}"
        );
        *web.stage.live.lock().unwrap() = None;
        drop(lines);
        assert_eq!(stream.next().await.unwrap().0, "end");
    });
}
