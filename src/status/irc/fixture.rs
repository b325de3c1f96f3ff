//! A bot without a network and without a master, for the tests of its commands: what it says is
//! collected, what it does is noted, its tables are real.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::bots::{IrcBots, Mailer};
use super::commands::Request;
use super::deeds::Deeds;
use super::shared::Bot;
use crate::actors::announcer::Announcer;
use crate::actors::scheduler::Submitted;
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::Raw;
use crate::db::builders::BuilderSetup;
use crate::db::builds::NewBuild;
use crate::db::{Conn, Db, DbError, builders, builds, buildsets, changes, masters, users, workers};
use crate::model::{
    BuildId, BuildRequestId, BuildsetId, MasterId, NewBuildset, NewChange, NewSourceStamp, Results,
    WorkerId, now,
};
use crate::reporters::irc::client::Outbox;
use crate::reporters::irc::{IrcConfig, parse};

/// Ends what was said so far.
const MARK: &str = "MARK";

/// A configuration of `bot` on `#a`, with these options besides.
pub fn config(options: Value) -> Arc<IrcConfig> {
    let mut all = json!({
        "host": "irc.example.org", "nick": "bot", "channels": ["#a"], "useColors": false,
    });
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let (raw, mut problems) = (Raw::from_json(all), Problems::new());
    let mut fields = Fields::of(&raw, "reporters[0]", &mut problems);
    let config = parse(&mut fields);
    fields.finish();
    assert!(problems.is_empty(), "{problems}");
    config
}

/// A bot on `testnet`; of the builders `runtests` (tag `fast`, worker `w1`) and `docs` (worker
/// `w2`) the first has a worker.
pub struct Stage {
    pub bot: Arc<Bot>,
    pub db: Db,
    doings: Arc<Doings>,
    lines: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
    master: MasterId,
    _dir: TempDir,
}

impl Stage {
    pub async fn new() -> Stage {
        Stage::with(config(json!({}))).await
    }

    pub async fn with(config: Arc<IrcConfig>) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path().join("state.sqlite").to_str().unwrap()).unwrap();
        let master = db.write(furnish).await.unwrap();
        let doings = Arc::new(Doings::default());
        let bots = IrcBots::default();
        bots.set_mailer(doings.clone());
        let announcer = Announcer::default();
        let bot = Bot::new("chat", config, db.clone(), announcer, doings.clone(), bots);
        let bot = Arc::new(bot);
        let lines = serve(&bot);
        Stage { bot, db, doings, lines: tokio::sync::Mutex::new(lines), master, _dir: dir }
    }

    /// What the bot answers to `nick`, who says `text` in `room`.
    pub async fn ask(&self, nick: &str, room: &str, text: &str) -> Vec<String> {
        Request::new(&self.bot, nick, room, text).obey().await;
        self.said().await
    }

    /// The bot answers exactly this.
    pub async fn says(&self, nick: &str, room: &str, text: &str, expected: &[&str]) {
        assert_eq!(self.ask(nick, room, text).await, expected, "{text}");
    }

    /// What the bot has said since the last look: texts, `* ` before actions.
    pub async fn said(&self) -> Vec<String> {
        let outbox = self.bot.with(|state| state.outbox.clone()).unwrap();
        outbox.deliver(MARK.to_owned()).await.unwrap();
        let mut said = Vec::new();
        let mut lines = self.lines.lock().await;
        while let Some(line) = lines.recv().await.filter(|line| line != MARK) {
            said.push(spoken(&line));
        }
        said
    }

    pub fn operators(&self, channel: &str, nicks: &[&str]) {
        let names: Vec<String> = nicks.iter().map(|nick| format!("@{nick}")).collect();
        self.bot.with(|state| state.presence.listed(channel, &names.join(" ")));
    }

    pub async fn user(&self, identifier: &str, attributes: &[(&str, &str)]) {
        let identifier = identifier.to_owned();
        let own = |(kind, value): &(&str, &str)| ((*kind).to_owned(), (*value).to_owned());
        let attributes: Vec<(String, String)> = attributes.iter().map(own).collect();
        let write = self.db.write(move |conn| {
            let (kind, value) = &attributes[0];
            let uid = users::find_or_create(conn, &identifier, kind, value)?;
            attributes
                .iter()
                .try_for_each(|(kind, value)| users::set_attribute(conn, uid, kind, value))
        });
        write.await.unwrap();
    }

    pub async fn change(&self, comments: &str, author: &str) {
        let (comments, author) = (comments.to_owned(), author.to_owned());
        let change = NewChange { comments, author, ..NewChange::default() };
        self.db.write(move |conn| changes::add(conn, &change, now())).await.unwrap();
    }

    /// A build that runs.
    pub async fn building(&self, builder: &str) -> BuildId {
        self.building_for(builder, &[]).await
    }

    /// A build that runs, for changes of these authors.
    pub async fn building_for(&self, builder: &str, authors: &[&str]) -> BuildId {
        let (builder, master) = (builder.to_owned(), self.master);
        let authors: Vec<String> = authors.iter().map(|author| (*author).to_owned()).collect();
        let write = self.db.write(move |conn| {
            let builder = builders::by_name(conn, &builder)?.id;
            let mut stamps = vec![];
            for author in &authors {
                let revision = Some(format!("{}-rev", author.len()));
                let new = NewChange { author: author.clone(), revision, ..NewChange::default() };
                stamps.push(changes::add(conn, &new, now())?.sourcestamp.id);
            }
            let set = NewBuildset {
                builders: vec![builder],
                sourcestamp_ids: stamps,
                sourcestamps: vec![NewSourceStamp::default()],
                ..NewBuildset::default()
            };
            let (_, requests) = buildsets::submit(conn, &set, now())?;
            let new = NewBuild {
                builder,
                request: requests[0].1,
                worker: Some(WorkerId(1)),
                master,
                state: "created".to_owned(),
            };
            Ok(builds::start(conn, new, now())?.id)
        });
        write.await.unwrap()
    }

    pub async fn finish(&self, build: BuildId, results: Results) {
        let write = self.db.write(move |conn| builds::finish(conn, build, results, "state", now()));
        write.await.unwrap();
    }

    /// A build that has ended.
    pub async fn built(&self, builder: &str, results: Results) -> BuildId {
        let build = self.building(builder).await;
        self.finish(build, results).await;
        build
    }

    pub fn submitted(&self) -> Vec<NewBuildset> {
        self.doings.with(|notes| notes.submitted.clone())
    }

    pub fn stopped(&self) -> Vec<(BuildId, String)> {
        self.doings.with(|notes| notes.stopped.clone())
    }

    pub fn owned(&self) -> Vec<(i64, String)> {
        self.doings.with(|notes| notes.owned.clone())
    }

    /// Addresses and codes.
    pub fn mailed(&self) -> Vec<(String, String)> {
        self.doings.with(|notes| notes.mailed.clone())
    }

    pub fn is_shut_down(&self) -> bool {
        self.doings.with(|notes| notes.shut_down)
    }

    pub async fn kept(&self, key: &str) -> Value {
        self.doings.recall(key).await.unwrap().unwrap_or_default()
    }
}

fn furnish(conn: &mut Conn) -> Result<MasterId, DbError> {
    let master = masters::register(conn, "here", now())?;
    masters::set_active(conn, master, true, now())?;
    // In this order, for their numbers.
    for builder in ["runtests", "docs"] {
        builders::find_or_create(conn, builder)?;
    }
    let workers_of = ["w1", "w2"].map(|name| workers::find_or_create(conn, name));
    let setup = |name: &str, worker: &str, tags: &[&str]| BuilderSetup {
        name: name.to_owned(),
        workernames: vec![worker.to_owned()],
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..BuilderSetup::default()
    };
    let setups = [setup("runtests", "w1", &["fast"]), setup("docs", "w2", &[])];
    builders::configure(conn, master, &setups, now())?;
    let [first, _] = workers_of;
    workers::attached(conn, first?, master, &json!({}))?;
    Ok(master)
}

/// A server that answers every question at once, with nothing.
fn serve(bot: &Arc<Bot>) -> mpsc::UnboundedReceiver<String> {
    let (sent, mut lines) = mpsc::unbounded_channel::<String>();
    let (heard, said) = mpsc::unbounded_channel();
    bot.with(|state| {
        state.outbox = Some(Outbox::to(sent));
        state.status.network = "testnet".to_owned();
        state.channels.joined("#a", now());
    });
    let bot = bot.clone();
    tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            let words: Vec<&str> = line.split([' ', ':']).filter(|word| !word.is_empty()).collect();
            bot.with(|state| match words.as_slice() {
                ["NAMES", channel] => state.queries.names_end(channel),
                ["WHOIS", nick, _] => state.queries.whois_end(nick),
                ["PING", token] => state.queries.pong(token),
                _ => drop(heard.send(line.clone())),
            });
        }
    });
    said
}

fn spoken(line: &str) -> String {
    let text = ["PRIVMSG ", "NOTICE "].iter().find_map(|verb| line.strip_prefix(verb));
    let Some((_, text)) = text.and_then(|rest| rest.split_once(" :")) else {
        return line.to_owned();
    };
    match text.strip_prefix("\u{1}ACTION ") {
        Some(action) => format!("* {}", action.trim_end_matches('\u{1}')),
        None => text.to_owned(),
    }
}

/// Notes what the bot does.
#[derive(Default)]
struct Doings(Mutex<Notes>);

#[derive(Default)]
struct Notes {
    submitted: Vec<NewBuildset>,
    stopped: Vec<(BuildId, String)>,
    owned: Vec<(i64, String)>,
    mailed: Vec<(String, String)>,
    kept: HashMap<String, Value>,
    stopping: bool,
    shut_down: bool,
}

impl Doings {
    fn with<T>(&self, work: impl FnOnce(&mut Notes) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl Deeds for Doings {
    fn buildbot_url(&self) -> String {
        "http://localhost:8010/".to_owned()
    }

    async fn submit(&self, set: NewBuildset) -> Result<Submitted, String> {
        let requests = set.builders.iter().map(|builder| (*builder, BuildRequestId(1))).collect();
        self.with(|notes| notes.submitted.push(set));
        Ok(Submitted { buildset: BuildsetId(1), requests })
    }

    async fn stop_build(&self, build: BuildId, reason: &str) -> Result<(), String> {
        self.with(|notes| notes.stopped.push((build, reason.to_owned())));
        Ok(())
    }

    fn is_shutting_down(&self) -> bool {
        self.with(|notes| notes.stopping)
    }

    fn shut_down_when_idle(&self) -> bool {
        self.with(|notes| !std::mem::replace(&mut notes.stopping, true))
    }

    fn cancel_shutdown(&self) -> bool {
        self.with(|notes| std::mem::take(&mut notes.stopping))
    }

    async fn shut_down(&self) {
        self.with(|notes| notes.shut_down = true);
    }

    async fn recall(&self, key: &str) -> Result<Option<Value>, DbError> {
        Ok(self.with(|notes| notes.kept.get(key).cloned()))
    }

    async fn remember(&self, key: &str, value: Value) -> Result<(), DbError> {
        self.with(|notes| notes.kept.insert(key.to_owned(), value));
        Ok(())
    }

    async fn own_nick(&self, uid: i64, address: String) -> Result<(), DbError> {
        self.with(|notes| notes.owned.push((uid, address)));
        Ok(())
    }
}

#[async_trait]
impl Mailer for Doings {
    async fn send_code(&self, _: &str, address: &str, code: &str) -> Result<(), String> {
        self.with(|notes| notes.mailed.push((address.to_owned(), code.to_owned())));
        Ok(())
    }
}
