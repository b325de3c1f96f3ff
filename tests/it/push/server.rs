//! A web server that answers what it was told, and gives back what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::world::soon;

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `POST /path`
    pub line: String,
    /// By their names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Asked {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// The running server.
pub struct Server {
    pub url: String,
    asked: mpsc::UnboundedReceiver<Asked>,
    answers: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    /// Says "created" to everything until told otherwise.
    pub async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, asked) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(Vec::new()));
        let shared = answers.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, tell.clone(), shared.clone()));
            }
        });
        let server = Server { url, asked, answers };
        server.answer("", "201 Created", "", "{}");
        server
    }

    /// Answers requests whose line begins so from now on; what was said last counts.
    pub fn answer(&self, line: &str, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        self.answers.lock().unwrap().push((line.to_owned(), text));
    }

    /// The next request.
    pub async fn next(&mut self) -> Asked {
        soon("a request", self.asked.recv()).await.expect("the server runs")
    }

    /// What was asked and not looked at.
    pub fn rest(&mut self) -> Vec<Asked> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }
}

async fn serve(
    stream: TcpStream,
    tell: mpsc::UnboundedSender<Asked>,
    answers: Arc<Mutex<Vec<(String, String)>>>,
) {
    let mut stream = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let line = head[0].trim_end_matches(" HTTP/1.1").to_owned();
    let headers: HashMap<String, String> = head[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let body = String::from_utf8(body).unwrap();
    let answer = {
        let answers = answers.lock().unwrap();
        let said = answers.iter().rev().find(|(start, _)| line.starts_with(start.as_str()));
        said.map(|(_, text)| text.clone()).unwrap_or_default()
    };
    let _ = tell.send(Asked { line, headers, body });
    let _ = stream.write_all(answer.as_bytes()).await;
}
