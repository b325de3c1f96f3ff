//! Announces: reads the stream of facts from the bot's place in it, and tells each room, and the
//! people concerned, what they want to hear. The place moves on when the lines are on their way,
//! so that nothing is told twice, and what happened while the bot was away is not lost.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::handle::IrcHandle;
use super::rooms::Room;
use super::shared::Bot;
use crate::actors::announcer::Listener;
use crate::db::facts::{self, Fact, FactKind};
use crate::db::listing::{BuildCase, Details, build_case, worker_cases};
use crate::db::{Conn, DbError};
use crate::events::Event;
use crate::flow::irc::notify::Events;
use crate::flow::irc::{names, wording};
use crate::model::{BuildId, BuildRequestId, Results, Timestamp, WorkerId, now};
use crate::reporters::irc::client::Gone;

/// Facts read at once.
const BATCH: i64 = 100;
/// Facts older than this are told in one line, in seconds.
const OLD_S: i64 = 600;
/// A look at the stream that nobody asked for.
const TICK: Duration = Duration::from_secs(60);
/// How long the bot waits to be let into its channels before it begins to tell.
const SETTLE: Duration = Duration::from_secs(20);
const SETTLE_LOOK: Duration = Duration::from_millis(50);
/// The pause after a failure of the database.
const REST: Duration = Duration::from_secs(10);
/// Authors named with a bad build.
const AUTHORS: usize = 5;

/// Announces until nothing can be said any more, or the session ends.
pub async fn run(bot: Arc<Bot>) {
    let mut wakes = bot.announcer.listen();
    settle(&bot).await;
    loop {
        let mut herald = match Herald::begin(bot.clone()).await {
            Ok(herald) => herald,
            Err(error) => {
                tracing::error!(bot = %bot.name, %error, "cannot find the place in the stream");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        match herald.announce(&mut wakes).await {
            Trouble::Gone => return,
            Trouble::Db(error) => {
                tracing::error!(bot = %bot.name, %error, "cannot announce; trying again");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Waits until the channels are joined, or refused, or it took too long.
async fn settle(bot: &Bot) {
    let waiting = async {
        let open = || {
            bot.with(|state| {
                state.channels.iter().any(|channel| !channel.joined && channel.trouble.is_none())
            })
        };
        while open() {
            tokio::time::sleep(SETTLE_LOOK).await;
        }
    };
    let _ = tokio::time::timeout(SETTLE, waiting).await;
}

/// The bot's place in the stream. A new bot begins with what happens next, also while it is yet to
/// connect.
pub async fn find_place(bot: &Bot) -> Result<i64, DbError> {
    let kept = bot.deeds.recall(&bot.own_key("place")).await?;
    if let Some(place) = kept.as_ref().and_then(Value::as_i64) {
        return Ok(place);
    }
    let place = bot.db.read(facts::newest).await?;
    bot.deeds.remember(&bot.own_key("place"), json!(place)).await?;
    Ok(place)
}

/// Why announcing stopped.
enum Trouble {
    Gone,
    Db(DbError),
}

impl From<Gone> for Trouble {
    fn from(_: Gone) -> Trouble {
        Trouble::Gone
    }
}

impl From<DbError> for Trouble {
    fn from(error: DbError) -> Trouble {
        Trouble::Db(error)
    }
}

struct Herald {
    bot: Arc<Bot>,
    /// Behind the last fact that was told.
    place: i64,
    /// What is told in one line: builds by room, and when the first of them ended.
    missed: IndexMap<String, Vec<(String, Option<Results>)>>,
    missed_since: Option<Timestamp>,
}

impl Herald {
    /// At the bot's place in the stream.
    async fn begin(bot: Arc<Bot>) -> Result<Herald, DbError> {
        let place = find_place(&bot).await?;
        Ok(Herald { bot, place, missed: IndexMap::new(), missed_since: None })
    }

    /// Tells what happens, until it cannot.
    async fn announce(&mut self, wakes: &mut Listener) -> Trouble {
        loop {
            loop {
                match self.batch().await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(trouble) => return trouble,
                }
            }
            let woken = async {
                loop {
                    match wakes.recv().await {
                        Ok(event) if concerns(&event) => return,
                        Ok(_) => {}
                        Err(RecvError::Lagged(_)) => return,
                        // Nothing happens any more; the look by the clock remains.
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            let _ = tokio::time::timeout(TICK, woken).await;
        }
    }

    /// Tells the next facts; false when there are none.
    async fn batch(&mut self) -> Result<bool, Trouble> {
        let place = self.place;
        let read = move |conn: &mut Conn| facts::after(conn, place, BATCH);
        let (found, behind) = self.bot.db.read(read).await?;
        for fact in &found {
            let told = match now() - fact.at > OLD_S {
                true => self.miss(fact).await?,
                false => self.tell_missed().await? | self.tell(fact).await?,
            };
            self.place = fact.id;
            if told {
                self.keep_place().await?;
            }
        }
        let more = behind != place;
        self.place = behind;
        if !more {
            self.tell_missed().await?;
        }
        if more && self.missed.is_empty() {
            self.keep_place().await?;
        }
        Ok(more)
    }

    async fn keep_place(&self) -> Result<(), DbError> {
        self.bot.deeds.remember(&self.bot.own_key("place"), json!(self.place)).await
    }

    /// Notes an old fact for the one line about all of them. Nothing is told yet, so that the place
    /// is not kept before it is.
    async fn miss(&mut self, fact: &Fact) -> Result<bool, Trouble> {
        let FactKind::BuildFinished(id) = fact.kind else { return Ok(false) };
        let Some(case) = self.case(id).await? else { return Ok(false) };
        let build = Build::of(&case);
        for room in self.rooms(|room| wants_finished(&self.bot, room, &build)) {
            self.missed_since.get_or_insert(fact.at);
            self.missed.entry(room).or_default().push((build.builder.clone(), build.results));
        }
        Ok(false)
    }

    /// Tells the one line; true when there was something to tell.
    async fn tell_missed(&mut self) -> Result<bool, Trouble> {
        let since = self.missed_since.take().unwrap_or_else(now);
        let missed = std::mem::take(&mut self.missed);
        let any = !missed.is_empty();
        for (room, builds) in missed {
            if let Some(line) = wording::missed(&builds, now() - since) {
                self.bot.deliver(&room, &line).await?;
            }
        }
        if any {
            self.keep_place().await?;
        }
        Ok(any)
    }

    /// Tells one fact to all who want to hear it; true when somebody was told.
    async fn tell(&mut self, fact: &Fact) -> Result<bool, Trouble> {
        match fact.kind {
            FactKind::BuildStarted(id) => self.started(id).await,
            FactKind::BuildFinished(id) => self.finished(id).await,
            FactKind::WorkerMissing(id) => self.worker(id, "is missing").await,
            FactKind::WorkerReturned(id) => self.worker(id, "is back").await,
            FactKind::BuildsetSubmitted(_)
            | FactKind::BuildsetCompleted(_)
            | FactKind::RequestCancelled(_) => Ok(false),
        }
    }

    async fn started(&self, id: BuildId) -> Result<bool, Trouble> {
        let wanted = self.rooms(|room| room.events.has("started"));
        if wanted.is_empty() {
            return Ok(false);
        }
        let Some(case) = self.case(id).await? else { return Ok(false) };
        let build = Build::of(&case);
        let rooms =
            self.rooms(|room| room.events.has("started") && announced(&self.bot, room, &build));
        self.deliver(
            &rooms,
            &format!("{} started: {}", build.name(&self.bot), build.url(&self.bot)),
        )
        .await
    }

    async fn finished(&self, id: BuildId) -> Result<bool, Trouble> {
        let Some(case) = self.case(id).await? else { return Ok(false) };
        let build = Build::of(&case);
        let mut rooms = self.rooms(|room| wants_finished(&self.bot, room, &build));
        rooms.extend(self.watchers(id));
        rooms.dedup();
        let line = build.line(&self.bot);
        let mut told = self.deliver(&rooms, &line).await?;
        for (room, nick) in self.forcers(build.request) {
            let line =
                if names::is_channel(&room) { format!("{nick}: {line}") } else { line.clone() };
            if !rooms.iter().any(|told| names::same(told, &room)) {
                told |= self.deliver(&[room], &line).await?;
            }
        }
        if wants(&self.bot.config.people_events, &build) && tagged(&self.bot, &build) {
            told |= self.tell_people(&build, &line);
        }
        Ok(told)
    }

    /// Tells those whose changes were built. That takes questions to the network, and is done
    /// beside the announcements.
    fn tell_people(&self, build: &Build, line: &str) -> bool {
        let (handle, line) = (IrcHandle::new(self.bot.clone()), line.to_owned());
        let users = build.users.clone();
        let any = !users.is_empty();
        tokio::task::spawn_local(async move {
            for user in users {
                handle.tell(&user, &line).await;
            }
        });
        any
    }

    async fn worker(&self, id: WorkerId, what: &str) -> Result<bool, Trouble> {
        let rooms = self.rooms(|room| room.events.has("worker"));
        if rooms.is_empty() {
            return Ok(false);
        }
        let workers = self.bot.db.read(move |conn| worker_cases(conn, &[id])).await?;
        let name = workers.get(&id).and_then(|worker| worker["name"].as_str()).unwrap_or_default();
        self.deliver(&rooms, &format!("worker {name} {what}")).await
    }

    async fn case(&self, id: BuildId) -> Result<Option<BuildCase>, DbError> {
        let details = Details::default();
        self.bot.db.read(move |conn| build_case(conn, id, details)).await
    }

    /// Names of the rooms that may be spoken in and that `wants` takes.
    fn rooms(&self, wants: impl Fn(&Room) -> bool) -> Vec<String> {
        self.bot.with(|state| {
            let speaking = state.rooms.iter().filter(|room| !room.muted && wants(room));
            speaking.map(|room| room.name.clone()).collect()
        })
    }

    /// The rooms that watch this build, which they do no longer.
    fn watchers(&self, id: BuildId) -> Vec<String> {
        self.bot.with(|state| {
            let watching = state.rooms.iter_mut().filter_map(|room| {
                (room.watched.remove(&id) && !room.muted).then(|| room.name.clone())
            });
            watching.collect()
        })
    }

    /// Where somebody made this request, and who.
    fn forcers(&self, request: BuildRequestId) -> Vec<(String, String)> {
        self.bot.with(|state| {
            let forced = state.rooms.iter_mut().filter_map(|room| {
                let nick = room.forced.shift_remove(&request)?;
                (!room.muted).then(|| (room.name.clone(), nick))
            });
            forced.collect()
        })
    }

    async fn deliver(&self, rooms: &[String], line: &str) -> Result<bool, Trouble> {
        for room in rooms {
            self.bot.deliver(room, line).await?;
        }
        Ok(!rooms.is_empty())
    }
}

/// Does the event mean that there is a fact to tell?
fn concerns(event: &Event) -> bool {
    matches!(
        event,
        Event::BuildStarted { .. }
            | Event::BuildFinished { .. }
            | Event::WorkerMissing { .. }
            | Event::WorkerConnected { .. }
    )
}

/// A build as it is announced.
struct Build {
    builder: String,
    builder_id: i64,
    number: i64,
    tags: Vec<String>,
    revisions: Vec<String>,
    state: String,
    request: BuildRequestId,
    results: Option<Results>,
    previous: Option<Results>,
    users: Vec<String>,
}

impl Build {
    fn of(case: &BuildCase) -> Build {
        let entity = &case.entity;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let number = |value: &Value| value.as_i64().unwrap_or_default();
        let list = |value: &Value, key: &str| -> Vec<String> {
            let items = value.as_array().into_iter().flatten();
            let texts =
                items.filter_map(|item| if key.is_empty() { item } else { &item[key] }.as_str());
            texts.map(str::to_owned).collect()
        };
        Build {
            builder: text(&entity["builder"]["name"]),
            builder_id: number(&entity["builderid"]),
            number: number(&entity["number"]),
            tags: list(&entity["builder"]["tags"], ""),
            revisions: list(&entity["buildset"]["sourcestamps"], "revision"),
            state: text(&entity["state_string"]),
            request: BuildRequestId(number(&entity["buildrequestid"])),
            results: case.results,
            previous: case.previous,
            users: case.users.clone(),
        }
    }

    fn url(&self, bot: &Bot) -> String {
        bot.build_url(self.builder_id, self.number)
    }

    /// `build #3 of runtests`, or by its revisions.
    fn name(&self, bot: &Bot) -> String {
        match bot.config.use_revisions && !self.revisions.is_empty() {
            true => format!("build of {} with {}", self.builder, wording::some(&self.revisions, 5)),
            false => format!("build #{} of {}", self.number, self.builder),
        }
    }

    fn line(&self, bot: &Bot) -> String {
        let config = &bot.config;
        let outcome = wording::outcome(self.results);
        let outcome = wording::coloured(outcome, self.results, config.use_colours);
        let mut line = format!("{} {outcome}", self.name(bot));
        if self.results != Some(Results::Success) {
            line += &format!(" ({})", self.state);
            if config.show_blame_list && !self.users.is_empty() {
                line += &format!(" with changes by {}", wording::some(&self.users, AUTHORS));
            }
        }
        format!("{line}: {}", self.url(bot))
    }
}

fn wants_finished(bot: &Bot, room: &Room, build: &Build) -> bool {
    wants(&room.events, build) && announced(bot, room, build)
}

fn wants(events: &Events, build: &Build) -> bool {
    let results = build.results.unwrap_or(Results::Exception);
    !events.is_empty() && events.want_finished(results, build.previous)
}

fn announced(bot: &Bot, room: &Room, build: &Build) -> bool {
    !room.hidden.contains(&build.builder) && tagged(bot, build)
}

/// Does the builder have one of the configured tags, or is none configured?
fn tagged(bot: &Bot, build: &Build) -> bool {
    let tags = bot.config.tags.as_ref();
    tags.is_none_or(|tags| build.tags.iter().any(|tag| tags.contains(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::irc::fixture::{Stage, config};
    use Results::{Failure, Success};

    const URL: &str = "http://localhost:8010/builders/1/builds";

    async fn herald(stage: &Stage) -> Herald {
        Herald::begin(stage.bot.clone()).await.unwrap()
    }

    /// Tells everything that is there to be told.
    async fn all(herald: &mut Herald) {
        loop {
            match herald.batch().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(Trouble::Gone) => panic!("not connected"),
                Err(Trouble::Db(error)) => panic!("{error}"),
            }
        }
    }

    fn events(names: &[&str]) -> Value {
        json!({ "notify_events": names })
    }

    #[tokio::test]
    async fn a_channel_hears_what_it_wants() {
        let stage = Stage::with(config(events(&["started", "problem"]))).await;
        let mut herald = herald(&stage).await;
        stage.built("runtests", Success).await;
        let bad = stage.building_for("runtests", &["alice", "bob"]).await;
        stage.finish(bad, Failure).await;
        all(&mut herald).await;
        let expected = [
            format!("build #1 of runtests started: {URL}/1"),
            format!("build #2 of runtests started: {URL}/2"),
            format!("build #2 of runtests failed (state) with changes by alice, bob: {URL}/2"),
        ];
        assert_eq!(stage.said().await, expected);
        all(&mut herald).await;
        assert!(stage.said().await.is_empty());
    }

    #[tokio::test]
    async fn a_new_life_goes_on_where_the_last_one_was() {
        let stage = Stage::with(config(events(&["finished"]))).await;
        stage.built("runtests", Success).await;
        let mut first = herald(&stage).await;
        all(&mut first).await;
        assert!(stage.said().await.is_empty(), "a new bot tells no history");
        stage.built("runtests", Success).await;
        all(&mut first).await;
        assert_eq!(stage.said().await, [format!("build #2 of runtests succeeded: {URL}/2")]);
        stage.built("runtests", Success).await;
        let mut second = herald(&stage).await;
        all(&mut second).await;
        assert_eq!(stage.said().await, [format!("build #3 of runtests succeeded: {URL}/3")]);
    }

    #[tokio::test]
    async fn what_is_old_is_one_line() {
        let stage = Stage::with(config(events(&["finished"]))).await;
        let mut herald = herald(&stage).await;
        let ids = [stage.built("runtests", Success).await, stage.built("docs", Failure).await];
        let age = move |conn: &mut Conn| {
            let facts = ids.map(FactKind::BuildFinished);
            facts::forget(conn, now() + 1)?;
            facts::add(conn, facts, now() - 3600)
        };
        stage.db.write(age).await.unwrap();
        herald.place = stage.db.read(facts::newest).await.unwrap() - 2;
        all(&mut herald).await;
        let line = "while I could not tell, up to 60 minutes ago: runtests: 1 good, docs: 1 bad";
        assert_eq!(stage.said().await, [line]);
        all(&mut herald).await;
        assert!(stage.said().await.is_empty());
    }

    #[tokio::test]
    async fn tags_hiding_and_muting_keep_quiet() {
        let mut options = events(&["finished"]);
        options["tags"] = json!(["fast"]);
        let stage = Stage::with(config(options)).await;
        let mut herald = herald(&stage).await;
        stage.built("docs", Failure).await;
        all(&mut herald).await;
        assert!(stage.said().await.is_empty());
        let set = |hidden: bool, muted: bool| {
            stage.bot.with(|state| {
                let room = state.rooms.enter("#a").unwrap();
                room.muted = muted;
                room.hidden.clear();
                if hidden {
                    room.hide("runtests");
                }
            });
        };
        for (hidden, muted, lines) in [(true, false, 0), (false, true, 0), (false, false, 1)] {
            set(hidden, muted);
            stage.built("runtests", Failure).await;
            all(&mut herald).await;
            assert_eq!(stage.said().await.len(), lines, "{hidden} {muted}");
        }
    }

    #[tokio::test]
    async fn watchers_and_forcers_are_told_once() {
        let stage = Stage::new().await;
        let mut herald = herald(&stage).await;
        let watched = stage.building("runtests").await;
        let forced = stage.building("runtests").await;
        let id = stage.db.read(move |conn| crate::db::builds::get(conn, forced)).await.unwrap();
        stage.bot.with(|state| {
            state.rooms.enter("alice").unwrap().watch(watched);
            state.rooms.enter("#a").unwrap().forced_by("bob", [id.request]);
        });
        stage.finish(watched, Success).await;
        stage.finish(forced, Success).await;
        all(&mut herald).await;
        let expected = [
            format!("build #1 of runtests succeeded: {URL}/1"),
            format!("bob: build #2 of runtests succeeded: {URL}/2"),
        ];
        assert_eq!(stage.said().await, expected);
    }

    #[tokio::test]
    async fn revisions_replace_numbers_when_wanted() {
        let mut options = events(&["failure"]);
        options["useRevisions"] = json!(true);
        options["showBlameList"] = json!(false);
        let stage = Stage::with(config(options)).await;
        let mut herald = herald(&stage).await;
        let build = stage.building_for("runtests", &["alice"]).await;
        stage.finish(build, Failure).await;
        all(&mut herald).await;
        let expected = format!("build of runtests with 5-rev failed (state): {URL}/1");
        assert_eq!(stage.said().await, [expected]);
    }
}
