//! Addresses from a web server that says what it was told to say.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::answer;

/// Answers one request; gives back what was asked.
async fn serve(said: String) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        let mut buffer = [0; 4096];
        while !asked.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the whole head");
            asked.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(said.as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap()
    });
    (base, served)
}

fn with_body(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn option(base: &str, more: &Value) -> Value {
    let mut option = json!({ "type": "HTTP", "url": format!("{base}/people/%s?full=%(name)s") });
    for (key, value) in more.as_object().unwrap() {
        option[key] = value.clone();
    }
    option
}

#[tokio::test]
async fn people_are_asked_for_by_http() {
    let found = with_body("200 OK", r#"{"person": {"mails": ["a@x.org", "b@x.org"]}}"#);
    let (base, served) = serve(found).await;
    let options = json!({ "pointer": "/person/mails/0", "headers": { "X-Key": "k1" },
                          "auth": ["me", "hunter2"] });
    let found = answer(&option(&base, &options), "Änne Berg/../<a@x.org>").await;
    assert_eq!(found, "a@x.org");
    let asked = served.await.unwrap().to_lowercase();
    let path = "/people/%c3%84nne%20berg%2f..%2f%3ca%40x.org%3e?full=%c3%84nne%20berg%2f..%2f";
    assert!(asked.starts_with(&format!("get {path} http/1.1\r\n")), "{asked}");
    assert!(asked.contains("\r\nx-key: k1\r\n"), "{asked}");
    assert!(asked.contains("\r\nauthorization: basic bwu6ahvudgvymg==\r\n"), "{asked}");
}

#[tokio::test]
async fn every_answer_of_a_web_server_is_understood_or_told() {
    let json = json!({ "pointer": "/mail" });
    let text = json!({});
    for (said, options, expected) in [
        (with_body("200 OK", "a@x.org\n"), &text, "a@x.org"),
        (with_body("200 OK", r#"{"mail": "a@x.org"}"#), &json, "a@x.org"),
        (with_body("200 OK", ""), &text, "!unknown to HTTP"),
        (with_body("200 OK", "{}"), &json, "!unknown to HTTP"),
        (with_body("404 Not Found", "nobody"), &text, "!unknown to HTTP"),
        (with_body("200 OK", "<html>"), &text, "!HTTP: \"<html>\" is no mail address"),
        (with_body("200 OK", "<html>"), &json, "!HTTP: no JSON is answered: "),
        (
            with_body("200 OK", r#"{"mail": "a@x.org\r\nBcc: all@x.org"}"#),
            &json,
            r#"!HTTP: "a@x.org\r\nBcc: all@x.org" is no mail address"#,
        ),
        (
            with_body("500 Internal Server Error", ""),
            &text,
            "!HTTP: the server answers 500 Internal Server Error",
        ),
        (with_body("403 Forbidden", ""), &text, "!HTTP: the server answers 403 Forbidden"),
        (with_body("200 OK", &"x".repeat(2 << 20)), &text, "!HTTP: the answer has more than 1 MiB"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na@x".to_owned(), &text, "!HTTP: "),
        ("nonsense\r\n\r\n".to_owned(), &text, "!HTTP: "),
        (String::new(), &text, "!HTTP: "),
    ] {
        let (base, served) = serve(said.clone()).await;
        let told = answer(&option(&base, options), "anna").await;
        assert!(told.starts_with(expected), "{said:.100}: {told}");
        assert!(!told.contains(&base), "the URL is nobody's business: {told}");
        // Ours hangs up in the middle of an answer that is too long.
        let _ = served.await;
    }
}

#[tokio::test]
async fn a_silent_web_server_is_left_after_the_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", silent.local_addr().unwrap());
    let slow = option(&base, &json!({ "timeout": 0.3 }));
    assert_eq!(answer(&slow, "anna").await, "!HTTP: no answer within 0.3 s");
}
