//! What each channel, and each person in private, is told: set by the configuration, changed by
//! commands, kept between starts.

use std::collections::{BTreeSet, HashSet};

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::flow::irc::names::fold;
use crate::flow::irc::notify::{Events, wrong_event};
use crate::model::{BuildId, BuildRequestId};
use crate::reporters::irc::IrcConfig;

/// Rooms, and hidden builders of a room, that commands can make.
const ROOMS: usize = 500;
const HIDDEN: usize = 500;
/// Builds and requests that one room waits for.
const WATCHED: usize = 100;

/// All rooms by folded name.
#[derive(Debug, Default)]
pub struct Rooms {
    rooms: IndexMap<String, Room>,
    /// What the configuration says, for rooms that it names.
    configured: Events,
}

/// A channel, or a person in private.
#[derive(Debug, Clone, Default)]
pub struct Room {
    /// As it was first written.
    pub name: String,
    pub events: Events,
    pub muted: bool,
    /// Builders that are not announced here.
    pub hidden: BTreeSet<String>,
    /// Builds whose end is told here whatever the events; only in memory, as in stock.
    pub watched: HashSet<BuildId>,
    /// Requests that somebody made here; who it was is told when their builds end.
    pub forced: IndexMap<BuildRequestId, String>,
}

impl Rooms {
    /// The rooms that the configuration names.
    pub fn configured(config: &IrcConfig) -> Rooms {
        let mut rooms = Rooms { configured: config.events.clone(), ..Rooms::default() };
        let channels = config.channels.iter().map(|channel| &channel.name);
        for name in channels.chain(&config.pm_to_nicks) {
            if let Some(room) = rooms.enter(name) {
                room.events = config.events.clone();
            }
        }
        rooms
    }

    pub fn get(&self, name: &str) -> Option<&Room> {
        self.rooms.get(&fold(name))
    }

    /// The room, made when it is new; `None` when there are too many.
    pub fn enter(&mut self, name: &str) -> Option<&mut Room> {
        if self.rooms.len() >= ROOMS && !self.rooms.contains_key(&fold(name)) {
            return None;
        }
        let room = self.rooms.entry(fold(name)).or_default();
        if room.name.is_empty() {
            name.clone_into(&mut room.name);
        }
        Some(room)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Room> {
        self.rooms.values()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Room> {
        self.rooms.values_mut()
    }

    /// What to keep: ours, with what the configuration said then, and stock's list of names with
    /// their events.
    pub fn to_json(&self) -> (Value, Value) {
        let names = |events: &Events| events.names().map(str::to_owned).collect::<Vec<_>>();
        let kept = self.iter().map(|room| {
            json!({
                "name": room.name, "events": names(&room.events), "hidden": room.hidden,
                "configured": names(&self.configured), "muted": room.muted,
            })
        });
        let ours = Value::Array(kept.collect());
        let loud = self.iter().filter(|room| !room.events.is_empty());
        let stock = loud.map(|room| json!([room.name, names(&room.events)])).collect();
        (ours, Value::Array(stock))
    }

    /// Takes what was kept. Where the configuration has changed since, it counts, and not what
    /// commands had made of the old one.
    pub fn restore(&mut self, ours: Option<&Value>, stock: Option<&Value>) {
        let Some(kept) = ours.and_then(Value::as_array) else { return self.restore_stock(stock) };
        let configured = self.configured.clone();
        for entry in kept {
            let name = entry["name"].as_str().unwrap_or_default();
            let Some(room) = self.enter(name).filter(|_| !name.is_empty()) else { continue };
            if events_of(&entry["configured"]) == configured {
                room.events = events_of(&entry["events"]);
            }
            room.muted = entry["muted"].as_bool().unwrap_or_default();
            let hidden = entry["hidden"].as_array().into_iter().flatten();
            room.hidden = hidden.filter_map(Value::as_str).map(str::to_owned).collect();
        }
    }

    /// Stock adds what it kept to what is configured.
    fn restore_stock(&mut self, stock: Option<&Value>) {
        for entry in stock.and_then(Value::as_array).into_iter().flatten() {
            let Some(room) = entry[0].as_str().and_then(|name| self.enter(name)) else { continue };
            events_of(&entry[1]).names().for_each(|event| room.events.add(event));
        }
    }
}

impl Room {
    /// Tell here when the build ends. False when too much is watched already.
    pub fn watch(&mut self, build: BuildId) -> bool {
        let room = self.watched.len() < WATCHED;
        room && {
            self.watched.insert(build);
            true
        }
    }

    /// `nick` made these requests here.
    pub fn forced_by(&mut self, nick: &str, requests: impl IntoIterator<Item = BuildRequestId>) {
        self.forced.extend(requests.into_iter().map(|request| (request, nick.to_owned())));
        let surplus = self.forced.len().saturating_sub(WATCHED);
        self.forced.drain(..surplus);
    }

    /// Announce the builder here no more. False when too many are hidden.
    pub fn hide(&mut self, builder: &str) -> bool {
        let room = self.hidden.len() < HIDDEN;
        room && {
            self.hidden.insert(builder.to_owned());
            true
        }
    }
}

fn events_of(value: &Value) -> Events {
    let names = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    Events::of(names.filter(|name| wrong_event(name).is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(events: &[&str]) -> Rooms {
        let configured = Events::of(events.iter().copied());
        let mut rooms = Rooms { configured: configured.clone(), ..Rooms::default() };
        rooms.enter("#A").unwrap().events = configured;
        rooms
    }

    fn events(rooms: &Rooms) -> Vec<String> {
        rooms.get("#a").unwrap().events.names().map(str::to_owned).collect()
    }

    #[test]
    fn what_commands_set_is_kept() {
        let mut before = rooms(&["failure"]);
        let room = before.enter("#a").unwrap();
        room.events.clear();
        room.hide("nightly");
        room.muted = true;
        let (ours, stock) = before.to_json();
        assert_eq!(stock, json!([]));
        let mut after = rooms(&["failure"]);
        after.restore(Some(&ours), Some(&stock));
        let room = after.get("#a").unwrap();
        assert!(room.events.is_empty() && room.muted && room.hidden.contains("nightly"));
        let mut changed = rooms(&["failure", "success"]);
        changed.restore(Some(&ours), Some(&stock));
        assert_eq!(events(&changed), ["failure", "success"]);
    }

    #[test]
    fn what_a_stock_master_kept_is_added() {
        let mut after = rooms(&["failure"]);
        after.restore(None, Some(&json!([["#a", ["success", "nonsense"]], ["bob", ["worker"]]])));
        assert_eq!(events(&after), ["failure", "success"]);
        assert!(after.get("bob").unwrap().events.has("worker"));
        let (_, stock) = after.to_json();
        assert_eq!(stock, json!([["#A", ["failure", "success"]], ["bob", ["worker"]]]));
    }

    #[test]
    fn junk_in_the_database_is_ignored() {
        for junk in [json!(null), json!(5), json!([1, {}, {"name": "#a", "events": 3}])] {
            let mut after = rooms(&["failure"]);
            after.restore(Some(&junk), Some(&junk));
            assert_eq!(events(&after), ["failure"], "{junk}");
        }
    }
}
