//! The web server over HTTP: against recorded answers of stock Buildbot, and with a backstage that
//! only notes what it is told.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

mod controls;
mod live;
mod pages;
mod problems;
mod targets;
mod reads;
mod stage;

use std::sync::Arc;

use actix_web::dev::ServerHandle;
use buildbot::actors::announcer::Announcer;
use buildbot::config::checked::{Listen, MasterConfig};
use buildbot::status::web::server::{Door, serve};
use buildbot::status::web::site::{Master, Site};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

use crate::db::{Fixture, recorded};
use stage::NotingStage;

/// A web server over a recorded database of stock Buildbot.
struct Web {
    fixture: Fixture,
    base: String,
    client: Client,
    announcer: Announcer,
    stage: Arc<NotingStage>,
    handle: ServerHandle,
    site: Site,
}

const CONFIG: &str = r#"
title = "Vectors <&>"
titleURL = "https://example.org/"
buildbotURL = "http://ci.example:8010/"

[protocols]
msgpack_experimental_v7 = { port = 0 }

[www]
port = 0

[[workers]]
name = "local1"
password = "s3cret"

[[builders]]
name = "b-tests"
workernames = ["local1"]
[[builders.steps]]
type = "ShellCommand"
command = ["true"]

[[schedulers]]
type = "ForceScheduler"
name = "force"
builderNames = ["b-tests"]

[[schedulers]]
type = "SingleBranchScheduler"
name = "only-lib"
change_filter = {}
codebases = ["lib"]
builderNames = ["b-tests"]

[[schedulers]]
type = "ForceScheduler"
name = "everything"
builderNames = ["b-tests"]
reason = { type = "StringParameter", label = "Why <so>?", required = true }
codebases = [{ codebase = "lib", patch = {}, project = "p", repository = false }]
properties = [
    { type = "TextParameter", name = "text", default = "a\nb" },
    { type = "BooleanParameter", name = "on", default = true },
    { type = "ChoiceStringParameter", name = "one", choices = ["a", "b"], autopopulate = { a = { text = "<A>" } } },
    { type = "ChoiceStringParameter", name = "many", choices = ["x", "y"], multiple = true },
    { type = "ChoiceStringParameter", name = "free", choices = ["x"], strict = false },
    { type = "WorkerChoiceParameter" },
    { type = "InheritBuildParameter", name = "from" },
    { type = "FixedParameter", name = "fixed", default = "F" },
    { type = "FileParameter", name = "notes", maxsize = 100 },
    { type = "NestedParameter", name = "nest", label = "Nest", columns = 2, fields = [{ type = "IntParameter", name = "n" }] },
    { type = "AnyPropertyParameter", name = "any" },
    { type = "StringParameter", name = "secret", hide = true },
]
"#;

fn config(dir: &std::path::Path) -> MasterConfig {
    let file = dir.join("master.toml");
    std::fs::write(&file, CONFIG).unwrap();
    buildbot::config::load(&file, dir).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Runs a test against a server.
fn with_web<F: Future<Output = ()>>(test: impl FnOnce(Web) -> F) {
    crate::world::run(async {
        let web = Web::start();
        let (handle, site) = (web.handle.clone(), web.site.clone());
        test(web).await;
        site.feed.set_closing(true);
        handle.stop(false).await;
    });
}

impl Web {
    fn start() -> Web {
        let fixture = recorded("state-small");
        let (_, config) = tokio::sync::watch::channel(Arc::new(config(fixture.dir.path())));
        let (announcer, stage) = (Announcer::default(), Arc::new(NotingStage::default()));
        let master = Master { name: "host:/srv/master".into(), started_at: 1_795_330_000 };
        let site = Site::new(fixture.db.clone(), announcer.clone(), config, stage.clone(), master);
        let door = Door::bind(&Listen { interface: Some("127.0.0.1".into()), port: 0, tls: None })
            .unwrap();
        let server = serve(&door, site.clone()).unwrap();
        let handle = server.handle();
        actix::spawn(server);
        actix::spawn(site.feed.clone().run(site.clone()));
        let base = format!("http://{}", door.address());
        Web { fixture, base, client: client(), announcer, stage, handle, site }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base))
    }

    /// Status and JSON of a REST path below `/api/v2/`.
    async fn api(&self, path: &str) -> (u16, Value) {
        let response = self.get(&format!("/api/v2/{path}")).send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let json =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"));
        (status, json)
    }

    /// The rows of a REST collection or single.
    async fn rows(&self, path: &str) -> Vec<Value> {
        let (status, mut body) = self.api(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        let key = body.as_object().unwrap().keys().find(|key| *key != "meta").unwrap().clone();
        match body[&key].take() {
            Value::Array(rows) => rows,
            other => panic!("{path}: {other}"),
        }
    }
}

fn client() -> Client {
    let builder = crate::world::http().redirect(reqwest::redirect::Policy::none());
    builder.no_proxy().build().unwrap()
}

async fn text(response: Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}
