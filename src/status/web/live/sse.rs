//! `/sse`: event streams with subscriptions that can be changed while they are open.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::broadcast::error::RecvError;

use super::Feed;
use super::stream::{Gone, SIGN_OF_LIFE, Writer, respond};
use super::topics::{Topic, covers};
use crate::status::web::site::Site;

/// Open streams at most; further ones are refused.
const STREAMS: usize = 1000;

/// `/sse/listen[/topic]`, `/sse/add/KEY/topic`, `/sse/remove/KEY/topic`
pub async fn sse(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let path = request.uri().path().trim_start_matches("/sse").trim_matches('/');
    let decoded = path.split('/').filter(|part| !part.is_empty());
    let mut parts: Topic =
        decoded.map(|part| crate::status::web::api::decode(part, false)).collect();
    match parts.first().map(String::as_str) {
        Some("add" | "remove") => change(&site.feed, &parts),
        Some("listen") => {
            parts.remove(0);
            open(&site.feed, parts)
        }
        _ => open(&site.feed, parts),
    }
}

fn text(status: StatusCode, text: &'static str) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(text)
}

fn change(feed: &Feed, parts: &[String]) -> HttpResponse {
    let Some(key) = parts.get(1) else { return text(StatusCode::BAD_REQUEST, "need uuid") };
    let topic = parts[2..].to_vec();
    let mut consumers = feed.consumers();
    let Some(topics) = consumers.get_mut(key) else {
        return text(StatusCode::BAD_REQUEST, "unknown uuid");
    };
    if parts[0] == "add" {
        topics.push(topic);
    } else {
        let Some(at) = topics.iter().position(|other| *other == topic) else {
            return text(StatusCode::NOT_FOUND, "consumer is not listening to this event");
        };
        topics.remove(at);
    }
    text(StatusCode::OK, "ok")
}

fn open(feed: &Feed, topic: Topic) -> HttpResponse {
    let key = new_key();
    let mut consumers = feed.consumers();
    if consumers.len() >= STREAMS {
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many open event streams");
    }
    consumers.insert(key.clone(), if topic.is_empty() { vec![] } else { vec![topic] });
    drop(consumers);
    let feed = feed.clone();
    respond(feed.closing(), move |writer| serve(feed, key, writer))
}

async fn serve(feed: Feed, key: String, mut writer: Writer) -> Result<(), Gone> {
    let _entry = Entry { feed: feed.clone(), key: key.clone() };
    let mut messages = feed.listen();
    writer.event("handshake", &key).await?;
    loop {
        let message = tokio::select! {
            message = messages.recv() => message,
            () = tokio::time::sleep(SIGN_OF_LIFE) => {
                writer.sign_of_life().await?;
                continue;
            }
            () = writer.gone() => return Err(Gone),
        };
        let message = match message {
            Ok(message) => message,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return Ok(()),
        };
        let wanted = feed.consumers().get(&key).cloned().unwrap_or_default();
        for topic in &message.topics {
            if wanted.iter().any(|wanted| covers(wanted, topic)) {
                let key = serde_json::to_string(topic).unwrap_or_default();
                let data = format!("{{\"key\": {key}, \"message\": {}}}", message.json);
                writer.event("event", &data).await?;
            }
        }
    }
}

/// Takes the stream's subscriptions away when it ends.
struct Entry {
    feed: Feed,
    key: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.feed.consumers().remove(&self.key);
    }
}

/// A random key in the form of a version 4 UUID.
fn new_key() -> String {
    let number = (fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
