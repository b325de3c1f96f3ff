//! POST: JSON-RPC and forms.

use serde_json::{Value, json};

use super::{Web, text, with_web};

async fn call(web: &Web, path: &str, body: &Value) -> (u16, Value) {
    let request = web.post(&format!("/api/v2/{path}")).header("content-type", "application/json");
    let (status, body) = text(request.body(body.to_string()).send().await.unwrap()).await;
    (status, serde_json::from_str(&body).unwrap())
}

fn rpc(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

#[test]
fn malformed_calls_get_stocks_errors() {
    with_web(|web| async move {
        let without = |key: &str| {
            let mut body = rpc("stop", json!({}));
            body.as_object_mut().unwrap().remove(key);
            body
        };
        let with = |key: &str, value: Value| {
            let mut body = rpc("stop", json!({}));
            body[key] = value;
            body
        };
        for (body, message) in [
            (json!([]), "JSONRPC batch requests are not supported"),
            (json!(3), "JSONRPC root object must be an object"),
            (without("jsonrpc"), "missing key 'jsonrpc'"),
            (without("method"), "missing key 'method'"),
            (without("id"), "missing key 'id'"),
            (without("params"), "missing key 'params'"),
            (with("id", json!(1.5)), "'id' must be a string, number, or null"),
            (with("params", json!([])), "'params' must be an object"),
            (with("jsonrpc", json!("1.0")), "only JSONRPC 2.0 is supported"),
        ] {
            let error = json!({ "code": -32600, "message": message });
            let answer = (400, json!({ "jsonrpc": "2.0", "error": error }));
            assert_eq!(call(&web, "builds/1", &body).await, answer);
        }
        let wrong = web.post("/api/v2/builds/1").header("content-type", "text/plain").body("{}");
        let (status, body) = text(wrong.send().await.unwrap()).await;
        assert!(status == 400 && body.contains("Invalid content-type (use application/json)"));
        let broken = web.post("/api/v2/builds/1").header("content-type", "application/json");
        let (status, body) = text(broken.body("{x").send().await.unwrap()).await;
        assert!(status == 400 && body.contains("-32700") && body.contains("JSON parse error: "));
        assert!(web.stage.notes().is_empty());
    });
}

#[test]
fn calls_reach_the_master() {
    with_web(|web| async move {
        let submitted = json!([17, { "3": 18 }]);
        let table = [
            (
                "forceschedulers/force",
                rpc("force", json!({"builderid": "2", "reason": "x"})),
                &submitted,
                r#"force ["b-tests"] {"reason":"x"} by anonymous"#,
            ),
            ("builds/1", rpc("STOP", json!({"reason": "enough"})), &Value::Null, "stop 1: enough"),
            (
                "builders/2/builds/1",
                rpc("rebuild", json!({})),
                &submitted,
                "rebuild 1 by anonymous",
            ),
            (
                "builders/b-tests/builds/1",
                rpc("stop", json!({})),
                &Value::Null,
                "stop 1: no reason",
            ),
            ("buildrequests/5", rpc("cancel", json!({})), &Value::Null, "cancel 5: no reason"),
            (
                "workers/local2",
                rpc("pause", json!({"reason": "r"})),
                &Value::Null,
                "worker 1 Pause: r",
            ),
            ("workers/1", rpc("kill", json!({})), &Value::Null, "worker 1 Kill: no reason"),
            (
                "schedulers/1",
                rpc("enable", json!({"enabled": false})),
                &Value::Null,
                "scheduler 1: false",
            ),
        ];
        for (path, body, result, note) in table {
            let answer = (200, json!({ "id": 7, "jsonrpc": "2.0", "result": result }));
            assert_eq!(call(&web, path, &body).await, answer, "{path}");
            assert_eq!(web.stage.notes(), [note], "{path}");
        }
    });
}

#[test]
fn refusals_have_their_codes() {
    with_web(|web| async move {
        let bad = rpc("force", json!({"reason": "bad"}));
        let (status, answer) = call(&web, "forceschedulers/force", &bad).await;
        let error = json!({"code": -32602, "message": {"reason": "reason: <bad>"}});
        assert_eq!((status, &answer["error"]), (400, &error));
        for (path, method, status, code, message) in [
            ("nopath", "stop", 404, -32600, "Invalid path: nopath"),
            ("builds/1", "frob", 501, -32601, "action: frob is not supported"),
            ("builds", "stop", 501, -32601, "action: stop is not supported"),
            ("workers/1", "frob", 501, -32601, "action: frob is not supported"),
            ("workers/99", "pause", 404, -32600, "there is no such worker"),
            ("forceschedulers/nope", "force", 404, -32600, "there is no force scheduler 'nope'"),
        ] {
            let (actual, answer) = call(&web, path, &rpc(method, json!({}))).await;
            let error = json!({ "code": code, "message": message });
            assert_eq!(
                (actual, &answer["error"], &answer["id"]),
                (status, &error, &json!(7)),
                "{path}"
            );
        }
        assert!(web.stage.notes().is_empty());
    });
}

#[test]
fn proxied_clients_and_foreign_sites_control_nothing() {
    with_web(|web| async move {
        let body = rpc("stop", json!({})).to_string();
        let post = |name: &'static str, value: &'static str| {
            let request = web.post("/api/v2/builds/1").header("content-type", "application/json");
            request.header(name, value).body(body.clone()).send()
        };
        for (name, value) in [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1")] {
            let (status, body) = text(post(name, value).await.unwrap()).await;
            assert!(status == 403 && body.contains("master's own machine"), "{status} {body}");
        }
        let (status, body) = text(post("origin", "http://evil.example").await.unwrap()).await;
        assert_eq!((status, body.as_str()), (400, r#"{"error":{"message":"invalid origin"}}"#));
        for (name, value) in [
            ("x-real-ip", "127.0.0.1"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
        ] {
            let form = web.post("/builds/1/stop").header(name, value).body("reason=x");
            assert_eq!(form.send().await.unwrap().status(), 403, "{name}: {value}");
        }
        assert!(web.stage.notes().is_empty());
    });
}

#[test]
fn forms_work_without_scripts() {
    with_web(|web| async move {
        for (path, body, place, note) in [
            ("/builds/1/stop", "reason=too+slow", "/builds/1", "stop 1: too slow"),
            ("/builds/1/rebuild", "", "/builders/3", "rebuild 1 by anonymous"),
            ("/requests/9/cancel", "", "/pending", "cancel 9: no reason"),
            ("/requests/9/priority", "priority=-4", "/requests/9", "priority 9: -4"),
            ("/workers/1/unpause", "", "/workers/1", "worker 1 Unpause: no reason"),
            ("/schedulers/1/disable", "", "/schedulers", "scheduler 1: false"),
        ] {
            let own = web.post(path).header("origin", web.base.clone()).body(body.to_owned());
            let response = own.send().await.unwrap();
            assert_eq!(response.status(), 303, "{path}: {}", response.text().await.unwrap());
            assert_eq!(response.headers()["location"], place);
            assert_eq!(web.stage.notes(), [note]);
        }
        let page = web.get("/schedulers/force/force").send().await.unwrap().text().await.unwrap();
        assert!(page.contains("name=\"reason\"") && page.contains("value=\"b-tests\""), "{page}");
        let bad = web.post("/schedulers/force/force").body("reason=bad&builderNames=b-tests");
        let (status, page) = text(bad.send().await.unwrap()).await;
        assert_eq!(status, 400);
        assert!(page.contains("reason: &lt;bad&gt;") && page.contains("aria-invalid"), "{page}");
        let good = web.post("/schedulers/force/force").body("reason=good&builderNames=b-tests");
        assert_eq!(good.send().await.unwrap().status(), 303);
        let note = web.stage.notes().remove(0);
        assert!(
            note.starts_with(r#"force ["b-tests"] {"#) && note.contains(r#""reason":"good""#),
            "{note}"
        );
    });
}

#[test]
fn a_request_gets_another_priority() {
    with_web(|web| async move {
        let call = |id: i64, params: serde_json::Value| {
            let body = serde_json::json!({
                "jsonrpc": "2.0", "id": 1, "method": "set_priority", "params": params,
            });
            web.post(&format!("/api/v2/buildrequests/{id}")).json(&body).send()
        };
        let done = call(9, serde_json::json!({ "priority": 7 })).await.unwrap();
        assert_eq!(done.status(), 200);
        assert_eq!(web.stage.notes(), ["priority 9: 7"]);
        let wrong = call(9, serde_json::json!({ "priority": "high" })).await.unwrap();
        assert_eq!(wrong.status(), 400);
        let missing = call(5_000, serde_json::json!({ "priority": 7 })).await.unwrap();
        assert_eq!(missing.status(), 404);
    });
}
