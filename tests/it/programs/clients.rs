//! Clients of Perspective Broker at a running master: what they are told, whatever they say.

use protocol::jelly::Value;

use super::{Site, buildbot};
use crate::world::Client;

const CONFIG: &str = r#"
buildbotURL = "http://localhost:WWW/"
[www]
port = "tcp:WWW:interface=127.0.0.1"
[[workers]]
type = "LocalWorker"
name = "w1"
[[change_source]]
type = "PBChangeSource"
name = "hooks"
user = "hook"
passwd = "hush"
prefix = "trunk/"
port = "tcp:PORT:interface=127.0.0.1"
[[schedulers]]
type = "AnyBranchScheduler"
name = "commits"
treeStableTimer = 3600
builderNames = ["b"]
[[builders]]
name = "b"
workernames = ["w1"]
steps = [{ type = "ShellCommand", command = "true" }]
"#;

#[tokio::test]
async fn a_client_is_told_what_was_wrong_and_may_go_on() {
    let mut site = Site::new("");
    site.configure(CONFIG);
    site.start_master().await;
    assert!(Client::log_in(site.port, "hook", "wrong").await.is_none());
    let mut client = Client::log_in(site.port, "hook", "hush").await.expect("a login");
    let bogus = Value::Dict(vec![("bogus".into(), Value::Int(1))]);
    let cases = [
        (
            "addChange",
            vec![bogus],
            "builtins.TypeError: Change.addChange() got an unexpected keyword argument 'bogus'",
        ),
        (
            "addChange",
            vec![],
            "builtins.TypeError: ChangePerspective.perspective_addChange() takes 2 positional \
             arguments but 1 were given",
        ),
        (
            "nosuch",
            vec![],
            "builtins.AttributeError: 'ChangePerspective' object has no attribute \
             'perspective_nosuch'",
        ),
    ];
    for (method, args, expected) in cases {
        let failure = client.call(method, args).await.expect_err(expected);
        assert_eq!(failure.summary(), expected);
    }
    let files = ["trunk/a.c", "branches/b.c"].map(Value::from).to_vec();
    let good = [("who", "me".into()), ("files", Value::List(files))];
    assert_eq!(client.send_change(&good).await, Ok(Value::None));
    let changes = site.get("changes").await;
    assert_eq!(changes["changes"].as_array().map(Vec::len), Some(1), "{changes}");
    assert_eq!(changes["changes"][0]["files"], serde_json::json!(["a.c"]));
    let sources = site.get("changesources").await;
    assert_eq!(sources["changesources"][0]["name"], "hooks", "{sources}");
    assert!(sources["changesources"][0]["master"]["masterid"].is_number(), "{sources}");
}

#[tokio::test]
async fn a_reconfiguration_counts_at_the_next_login() {
    let mut site = Site::new("");
    site.configure(CONFIG);
    site.start_master().await;
    let mut old = Client::log_in(site.port, "hook", "hush").await.expect("a login");
    site.configure(&CONFIG.replace("hush", "other"));
    let done = buildbot(&["reconfig", "master"], site.dir());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(Client::log_in(site.port, "hook", "hush").await.is_none());
    let mut new = Client::log_in(site.port, "hook", "other").await.expect("a login");
    assert_eq!(new.send_change(&[]).await, Ok(Value::None));
    let failure = old.send_change(&[]).await.expect_err("its source is gone");
    assert!(failure.value.contains("is not running"), "{}", failure.value);
}
