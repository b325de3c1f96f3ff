//! HTTPStep and its kin against a server that says what it was told to say.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::model::Results;
use crate::steps::Outcome;
use crate::steps::fake::{FakeBench, parsed, plan};

/// Answers one connection after the other, and gives back what was asked.
async fn serve(answers: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let place = base.clone();
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked.push(request(&mut stream).await);
            stream.write_all(answer.replace("@BASE@", &place).as_bytes()).await.unwrap();
        }
        asked
    });
    (base, served)
}

/// Head and body of one request.
async fn request(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "{text}");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Runs a step; `@BASE@` in its options is the server's address.
async fn run(step: Value, answers: Vec<String>) -> (Outcome, String, FakeBench, Vec<String>) {
    let (base, served) = serve(answers).await;
    let mut step: Value = serde_json::from_str(&step.to_string().replace("@BASE@", &base)).unwrap();
    step["proxies"] = json!({});
    let mut bench = FakeBench::scripted([]);
    bench.properties.set("branch", "main", "t");
    bench.secrets.push(("pw".into(), "s&cret 1".into()));
    let (outcome, line) = bench.run(&plan(step)).await;
    let asked = served.await.unwrap();
    for (_, _, text) in &mut bench.logs {
        *text = text.replace(&base, "BASE");
    }
    (outcome, line, bench, asked)
}

#[tokio::test]
async fn requests_carry_what_they_are_told() {
    let post = json!({
        "type": "POST", "url": "@BASE@/hook/%(prop:branch)s?a=1",
        "params": {"z": "%(secret:pw)s", "b": [1, 2]},
        "data": {"text": "grüße & more", "pw": "%(secret:pw)s"},
        "headers": {"X-Token": "%(secret:pw)s", "X-Open": "yes"},
        "auth": ["me", "%(secret:pw)s"], "cookies": {"c": "1"},
        "hide_request_headers": ["X-Token"], "hide_response_headers": ["x-secret"],
    });
    let answered = answer("200 OK", "X-Secret: hush\r\nX-Other: 1\r\n", "fine s&cret 1\n");
    let (outcome, line, bench, asked) = run(post, vec![answered]).await;
    assert_eq!((outcome.results, line.as_str()), (Results::Success, "Status code: 200"));
    let asked = &asked[0];
    assert!(asked.starts_with("POST /hook/main?a=1&b=1&b=2&z=s%26cret+1 HTTP/1.1\r\n"), "{asked}");
    for part in [
        "x-token: s&cret 1\r\n",
        "cookie: c=1\r\n",
        "authorization: Basic bWU6cyZjcmV0IDE=\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        "\r\n\r\ntext=gr%C3%BC%C3%9Fe+%26+more&pw=s%26cret+1",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    let log = bench.log_text("log");
    for part in [
        "Performing POST request to BASE/hook/main?a=1\nParameters:\n\tb: 1\n\tb: 2\n\tz: <pw>\n",
        "Data:\n\ttext: grüße & more\n\tpw: <pw>\n",
        "\tx-token: <HIDDEN>\n",
        "\tx-open: yes\n",
        "\tauthorization: <HIDDEN>\n",
        "\tcookie: <HIDDEN>\n",
        "URL: BASE/hook/main?a=1&b=1&b=2&z=<pw>\nStatus: 200\n",
        "\tx-secret: <HIDDEN>\n",
        "\tx-other: 1\n",
        " ------ Content ------\nfine <pw>\n",
    ] {
        assert!(log.contains(part), "{part}\n{log}");
    }
    assert!(!log.contains("&cret") && !log.contains("%26cret"), "{log}");
    assert_eq!(bench.log_text("content"), "fine <pw>\n");
}

#[tokio::test]
async fn bodies_and_results() {
    let cases = [
        (json!({"type": "GET"}), "200 OK", "GET / HTTP", "\r\n\r\n", Results::Success),
        (
            json!({"type": "PUT", "json": {"a": ["%(prop:branch)s"]}}),
            "204 No Content",
            "PUT /",
            "{\"a\":[\"main\"]}",
            Results::Success,
        ),
        (
            json!({"type": "PUT", "data": "plain"}),
            "201 Created",
            "PUT /",
            "\r\n\r\nplain",
            Results::Success,
        ),
        (json!({"type": "DELETE"}), "404 Not Found", "DELETE /", "", Results::Failure),
        (json!({"type": "OPTIONS"}), "500 Oh", "OPTIONS /", "", Results::Failure),
        (json!({"type": "HTTPStep", "method": "POST"}), "200 OK", "POST /", "", Results::Success),
    ];
    for (mut step, status, begins, ends, results) in cases {
        step["url"] = json!("@BASE@/");
        let (outcome, line, _, asked) = run(step.clone(), vec![answer(status, "", "")]).await;
        assert_eq!(outcome.results, results, "{step}");
        assert!(line.starts_with(&format!("Status code: {}", &status[..3])), "{line}");
        assert!(asked[0].starts_with(begins) && asked[0].ends_with(ends), "{step}: {}", asked[0]);
    }
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n".to_owned();
    let (outcome, ..) = run(json!({"type": "HEAD", "url": "@BASE@/"}), vec![head]).await;
    assert_eq!(outcome.results, Results::Success);
}

#[tokio::test]
async fn redirections_are_followed_unless_they_must_not() {
    let post = |more: Value| {
        let mut step =
            json!({"type": "POST", "url": "@BASE@/a", "data": "x", "auth": ["me", "pw"]});
        for (key, value) in more.as_object().unwrap() {
            step[key] = value.clone();
        }
        step
    };
    let there = |status: &str| answer(status, "Location: @BASE@/b\r\n", "there");
    let fine = || answer("200 OK", "", "here");
    let (outcome, _, bench, asked) = run(post(json!({})), vec![there("302 Found"), fine()]).await;
    assert_eq!(outcome.results, Results::Success);
    assert!(asked[1].starts_with("GET /b ") && asked[1].ends_with("\r\n\r\n"), "{}", asked[1]);
    assert!(asked[1].contains("authorization: "), "the same host");
    let log = bench.log_text("log");
    assert!(log.contains("\nRedirected 1 times:\n\n") && log.contains(&"=".repeat(60)), "{log}");
    assert_eq!(bench.log_text("content"), "here");
    let (.., asked) = run(post(json!({})), vec![there("307 Again"), fine()]).await;
    assert!(asked[1].starts_with("POST /b ") && asked[1].ends_with("x"), "{}", asked[1]);
    let no = post(json!({"allow_redirects": false}));
    let (outcome, line, ..) = run(no, vec![there("302 Found")]).await;
    assert_eq!((outcome.results, line.as_str()), (Results::Success, "Status code: 302"));
    let (other, served) = serve(vec![fine()]).await;
    let away = answer("302 Found", &format!("Location: {other}/\r\n"), "");
    run(post(json!({})), vec![away]).await;
    assert!(!served.await.unwrap()[0].contains("authorization"), "not to another host");
    let evil = answer("302 Found", "Location: file:///etc/passwd\r\n", "");
    let (outcome, _, bench, _) = run(post(json!({})), vec![evil]).await;
    assert_eq!(outcome.results, Results::Failure);
    assert!(bench.log_text("log").contains("no address of the web"), "{:?}", bench.logs);
}

#[tokio::test]
async fn what_does_not_work_is_told() {
    let (outcome, line, bench, _) =
        run(json!({"type": "GET", "url": "@BASE@/"}), vec!["nonsense\r\n\r\n".into()]).await;
    assert_eq!((outcome.results, line.as_str()), (Results::Failure, "Requested (failure)"));
    assert!(bench.log_text("log").contains("The request failed: "), "{:?}", bench.logs);
    let mut bench = FakeBench::scripted([]);
    let nobody = json!({"type": "GET", "url": "http://127.0.0.1:1/", "proxies": {}});
    assert_eq!(bench.run(&plan(nobody)).await.0.results, Results::Failure);
    let (outcome, _, bench, _) = run(
        json!({"type": "GET", "url": "@BASE@/"}),
        vec![answer("200 OK", "", &"x".repeat(3 << 20))],
    )
    .await;
    assert_eq!(outcome.results, Results::Success);
    assert_eq!(bench.log_text("content").len(), 1 << 20);
    assert!(bench.log_text("log").contains("Only the first 1048576 bytes"));
}

#[tokio::test]
async fn a_request_can_be_stopped_and_does_not_wait_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let silent = json!({"type": "GET", "url": url, "proxies": {}, "timeout": 0.05});
    let mut bench = FakeBench::scripted([]);
    assert_eq!(bench.run(&plan(silent)).await.0.results, Results::Failure);
    assert!(bench.log_text("log").contains("no answer within 0.05 s"), "{:?}", bench.logs);
    let mut bench = FakeBench::scripted([]);
    bench.interrupt.send_replace(Some("enough".into()));
    let step = json!({"type": "GET", "url": url, "proxies": {}});
    assert_eq!(bench.run(&plan(step)).await.0.results, Results::Cancelled);
    assert_eq!(bench.log_text("interrupt"), "enough");
}

#[tokio::test]
async fn certificates_are_verified_unless_they_need_not() {
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring;
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("ca.pem"), made.cert.pem()).unwrap();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(answer("200 OK", "", "safe").as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    let cases = [
        (json!(false), Results::Success),
        (json!("ca.pem"), Results::Success),
        (json!(true), Results::Failure),
    ];
    for (verify, results) in cases {
        let step = json!({"type": "GET", "url": url, "proxies": {}, "verify": verify});
        let mut bench = FakeBench::scripted([]);
        bench.basedir = place.path().to_owned();
        let (outcome, _) = bench.run(&plan(step)).await;
        assert_eq!(outcome.results, results, "{verify}: {:?}", bench.logs);
    }
}

#[test]
fn mistakes_are_told() {
    let cases = [
        (json!({"type": "GET"}), "needs a value for 'url'"),
        (json!({"type": "HTTPStep", "url": "x"}), "needs a value for 'method'"),
        (json!({"type": "HTTPStep", "url": "x", "method": "get"}), "must be one of POST, GET"),
        (json!({"type": "POST", "url": "x", "files": {}}), "is not offered"),
        (json!({"type": "GET", "url": "x", "timeout": 0}), "seconds above 0"),
        (json!({"type": "GET", "url": "x", "method": "GET"}), "unknown key 'method'"),
    ];
    for (step, expected) in cases {
        let problems = parsed(step.clone()).1;
        assert!(problems.contains(expected), "{step}: {problems}");
    }
}
