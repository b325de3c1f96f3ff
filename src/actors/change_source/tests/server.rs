//! A web server that answers what it was told, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Answers requests whose target begins with a path.
struct Answer {
    path: String,
    /// The whole answer; the last one stays.
    texts: VecDeque<String>,
}

#[derive(Default)]
struct Script {
    answers: Vec<Answer>,
    /// Request lines and headers.
    heard: Vec<String>,
}

/// The running server.
pub struct Server {
    pub url: String,
    script: Arc<Mutex<Script>>,
}

impl Server {
    pub async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script::default()));
        let shared = script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Server { url, script }
    }

    /// Answers `path` with JSON from now on.
    pub fn json(&self, path: &str, value: &Value) {
        self.answer(path, 200, "", &[&value.to_string()]);
    }

    /// Answers `path` with these bodies one after the other; the last one stays. The longest
    /// path that fits a request answers it.
    pub fn answer(&self, path: &str, status: u16, headers: &str, bodies: &[&str]) {
        let text = |body: &&str| {
            let length = body.len();
            format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\n{headers}\
                 Content-Length: {length}\r\n\r\n{body}"
            )
        };
        let answer = Answer { path: path.to_owned(), texts: bodies.iter().map(text).collect() };
        let mut script = self.script.lock().unwrap();
        script.answers.retain(|answer| answer.path != path);
        script.answers.push(answer);
        script.answers.sort_by_key(|answer| std::cmp::Reverse(answer.path.len()));
    }

    /// Everything that was asked, request lines with headers.
    pub fn heard(&self) -> Vec<String> {
        self.script.lock().unwrap().heard.clone()
    }
}

async fn serve(stream: TcpStream, script: Arc<Mutex<Script>>) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let text = {
        let mut script = script.lock().unwrap();
        script.heard.push(head);
        let answer = script.answers.iter_mut().find(|answer| target.starts_with(&answer.path));
        match answer {
            Some(answer) if answer.texts.len() > 1 => answer.texts.pop_front(),
            Some(answer) => answer.texts.front().cloned(),
            None => None,
        }
    };
    let missing = "HTTP/1.1 404 X\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    let _ = stream.write_all(text.as_deref().unwrap_or(missing).as_bytes()).await;
    let _ = stream.shutdown().await;
}
