//! Reads the options of `IRC`: all of stock 4.3's, and some of ours.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::{ChannelConfig, IrcConfig, Lookup, Tls};
use crate::config::fields::Fields;
use crate::config::raw::{Raw, RawValue};
use crate::config::values::non_empty;
use crate::flow::irc::authz::{self, Acl, Authz};
use crate::flow::irc::names::{wrong_channel, wrong_nick};
use crate::flow::irc::notify::{Events, wrong_event};

/// The usual ports, without and with TLS.
const PORT: i64 = 6667;
const TLS_PORT: i64 = 6697;
/// Lines at once and the pause between those that follow: what networks bear.
const BURST: usize = 5;
const INTERVAL: Duration = Duration::from_secs(2);

/// Reads the table of one bot, but for its `type` and `name`.
pub fn parse(fields: &mut Fields<'_>) -> Arc<IrcConfig> {
    let tls = tls(fields);
    let usual_port = if tls.is_some() { TLS_PORT } else { PORT };
    let port = fields.optional_checked("port", wrong_port).unwrap_or(usual_port);
    let password: Option<String> = fields.optional_checked("password", wrong_password);
    let sasl = fields.or_default("useSASL");
    if sasl && password.is_none() {
        fields.problem("useSASL needs a 'password'");
    }
    let channels = channels(fields);
    let pm_to_nicks: Vec<String> =
        fields.optional_checked("pm_to_nicks", all(wrong_nick)).unwrap_or_default();
    let burst = fields.optional_checked("floodBurst", wrong_burst).unwrap_or(BURST);
    Arc::new(IrcConfig {
        host: fields.required_checked("host", wrong_host),
        port: u16::try_from(port).unwrap_or_default(),
        tls,
        nick: fields.required_checked("nick", |nick: &String| wrong_nick(nick)),
        password,
        sasl,
        channels,
        pm_to_nicks,
        events: events(fields, "notify_events"),
        people_events: events(fields, "notify_people"),
        tags: fields.optional("tags"),
        authz: authz(fields),
        show_blame_list: fields.or("showBlameList", true),
        use_revisions: fields.or_default("useRevisions"),
        use_colours: fields.or("useColors", true),
        notice_on_channel: fields.or_default("noticeOnChannel"),
        lost_delay: fields.optional("lostDelay"),
        failed_delay: fields.optional("failedDelay"),
        burst: u32::try_from(burst).unwrap_or(u32::MAX),
        interval: fields.or("floodInterval", INTERVAL),
        lookup: lookup(fields),
    })
}

fn tls(fields: &mut Fields<'_>) -> Option<Tls> {
    // Stock's name and what it means today.
    let wanted = [fields.or_default::<bool>("useSSL"), fields.or_default("useTLS")].contains(&true);
    let ca_file: Option<String> = fields.optional_checked("caFile", non_empty);
    if ca_file.is_some() && !wanted {
        fields.problem("caFile is for TLS; add useTLS = true or remove it");
    }
    wanted.then(|| Tls { ca_file: ca_file.map(PathBuf::from) })
}

/// Strings, or tables with `channel` and `password`.
fn channels(fields: &mut Fields<'_>) -> Vec<ChannelConfig> {
    let Some(raw) = fields.take("channels") else {
        fields.problem("needs 'channels', a list such as [\"#project\"]; it may be empty");
        return Vec::new();
    };
    let items: &[Raw] = match &raw.value {
        RawValue::List(items) => items,
        _ => std::slice::from_ref(&raw),
    };
    let mut channels = Vec::new();
    for item in items {
        let channel = match item.as_text() {
            Some(name) => ChannelConfig { name: name.to_owned(), password: None },
            None => {
                let (path, problems) = fields.nested("channels");
                let mut table = Fields::of(item, path, problems);
                let name = table.required("channel");
                let password = table.optional_checked("password", wrong_key);
                table.finish();
                ChannelConfig { name, password }
            }
        };
        match wrong_channel(&channel.name) {
            Some(message) => fields.problem_at("channels", &item.place, message),
            None => channels.push(channel),
        }
    }
    channels
}

/// A list of names, or stock's old table from names to true or 1.
fn events(fields: &mut Fields<'_>, key: &'static str) -> Events {
    let Some(raw) = fields.take(key) else { return Events::default() };
    let mut events = Events::default();
    let names: Vec<(&str, &Raw)> = match &raw.value {
        RawValue::Null => Vec::new(),
        RawValue::Table(table) => {
            let on = |raw: &Raw| !matches!(raw.value, RawValue::Bool(false) | RawValue::Int(0));
            table.iter().filter(|(_, raw)| on(raw)).map(|(name, raw)| (&**name, raw)).collect()
        }
        RawValue::List(items) => {
            items.iter().map(|item| (item.as_text().unwrap_or_default(), item)).collect()
        }
        RawValue::Text(name) => vec![(name.as_str(), &raw)],
        _ => {
            fields.problem_at(key, &raw.place, "must be a list of events");
            Vec::new()
        }
    };
    for (name, raw) in names {
        match wrong_event(name) {
            Some(message) => fields.problem_at(key, &raw.place, message),
            None => events.add(name),
        }
    }
    events
}

/// `authz`, or stock's older switches `allowForce` and `allowShutdown`.
fn authz(fields: &mut Fields<'_>) -> Authz {
    let rules = authz::parse(fields);
    let mut found = rules.clone().unwrap_or_default();
    let old: [(&'static str, &[&str]); 2] =
        [("allowForce", &["force", "stop"]), ("allowShutdown", &["shutdown"])];
    for (key, commands) in old {
        let Some(allowed) = fields.optional::<bool>(key) else { continue };
        if rules.is_some() {
            fields.problem(format!("'{key}' says what 'authz' says; keep 'authz' only"));
        }
        let acl = if allowed { Acl::Everybody } else { Acl::Nobody };
        commands.iter().for_each(|command| found.set(command, acl.clone()));
    }
    found
}

fn lookup(fields: &mut Fields<'_>) -> Lookup {
    let wrong = |map: &IndexMap<String, String>| map.values().find_map(|nick| wrong_nick(nick));
    let nicks: IndexMap<String, String> =
        fields.optional_checked("lookup", wrong).unwrap_or_default();
    let nicks: HashMap<String, String> = nicks.into_iter().collect();
    Lookup { nicks, same_as_nick: fields.or_default("sameAsNick") }
}

fn all(wrong: fn(&str) -> Option<String>) -> impl FnOnce(&Vec<String>) -> Option<String> {
    move |names| names.iter().find_map(|name| wrong(name))
}

fn wrong_port(port: &i64) -> Option<String> {
    (!(1..=65_535).contains(port)).then(|| format!("must be 1 to 65535, and is {port}"))
}

fn wrong_burst(burst: &usize) -> Option<String> {
    (*burst == 0).then(|| "must be 1 or more".to_owned())
}

#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
fn wrong_host(host: &String) -> Option<String> {
    let bad = host.is_empty() || host.contains([' ', '/', '\r', '\n']);
    bad.then(|| "must be the name or the address of a server, such as irc.libera.chat".to_owned())
}

#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
fn wrong_password(password: &String) -> Option<String> {
    let bad = password.is_empty() || password.contains(['\r', '\n', '\0']);
    bad.then(|| "must not be empty and must not hold a line's end".to_owned())
}

#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
fn wrong_key(key: &String) -> Option<String> {
    let bad = key.is_empty() || key.contains([' ', ',', '\r', '\n', '\0']);
    bad.then(|| "must not be empty and must not hold a blank or a comma".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problems::Problems;
    use crate::flow::irc::authz::Speaker;
    use crate::model::Results::{Failure, Success};
    use serde_json::{Value, json};

    fn read(mut value: Value) -> Result<Arc<IrcConfig>, String> {
        let least = json!({"host": "irc.example.org", "nick": "bot", "channels": ["#a"]});
        for (key, default) in least.as_object().unwrap() {
            value.as_object_mut().unwrap().entry(key).or_insert(default.clone());
        }
        let mut problems = Problems::new();
        let raw = Raw::from_json(value);
        let mut fields = Fields::of(&raw, "reporters[0]", &mut problems);
        let config = parse(&mut fields);
        fields.finish();
        if problems.is_empty() { Ok(config) } else { Err(problems.to_string()) }
    }

    #[test]
    fn the_least_is_quiet() {
        let config = read(json!({})).unwrap();
        assert_eq!(
            (config.port, config.tls.is_none(), config.events.is_empty()),
            (6667, true, true)
        );
        assert!(config.people_events.is_empty());
        let anybody = Speaker { nick: "eve".to_owned(), ..Speaker::default() };
        assert!(config.authz.allows("hello", false, &anybody));
        assert!(!config.authz.allows("force", true, &anybody));
        assert_eq!(read(json!({"useSSL": true})).unwrap().port, 6697);
    }

    #[test]
    fn channels_are_strings_or_tables() {
        let channels = json!(["#a", {"channel": "#b", "password": "key"}]);
        let config = read(json!({ "channels": channels })).unwrap();
        assert_eq!(config.channels[1].password.as_deref(), Some("key"));
        assert_eq!(read(json!({"channels": "#x"})).unwrap().channels[0].name, "#x");
        assert_eq!(read(json!({"channels": []})).unwrap().channels.len(), 0);
    }

    #[test]
    fn events_are_a_list_or_an_old_table() {
        for events in [json!(["failure"]), json!("failure"), json!({"failure": 1, "success": 0})] {
            let events = read(json!({ "notify_events": events })).unwrap().events.clone();
            assert!(events.want_finished(Failure, None) && !events.want_finished(Success, None));
        }
    }

    #[test]
    fn old_switches_are_rules() {
        let config = read(json!({"allowForce": true})).unwrap();
        let anybody = Speaker { nick: "eve".to_owned(), ..Speaker::default() };
        assert!(config.authz.allows("stop", true, &anybody));
        assert!(!config.authz.allows("shutdown", true, &anybody));
    }

    #[test]
    fn mistakes_are_told() {
        let table = [
            (json!({"host": ""}), "host: must be the name"),
            (json!({"nick": "1a"}), "nick: '1a' is no nick"),
            (json!({"channels": ["a"]}), "channels: 'a' is no channel"),
            (json!({"channels": [{"name": "#a"}]}), "needs a value for 'channel'"),
            (json!({"port": 0}), "port: must be 1 to 65535"),
            (json!({"useSASL": true}), "useSASL needs a 'password'"),
            (json!({"notify_events": ["fail"]}), "there is no event 'fail'"),
            (json!({"notify_events": 3}), "must be a list of events"),
            (json!({"authz": {}, "allowForce": true}), "keep 'authz' only"),
            (json!({"caFile": "ca.pem"}), "caFile is for TLS"),
            (json!({"lookup": {"alice": "a b"}}), "'a b' is no nick"),
            (json!({"pm_to_nicks": ["#a"]}), "'#a' is no nick"),
            (json!({"password": "a\r\nQUIT"}), "line's end"),
            (json!({"nickk": "x"}), "unknown key 'nickk'; did you mean 'nick'?"),
        ];
        for (value, expected) in table {
            let error = read(value.clone()).expect_err(&value.to_string());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let channels = json!([{"channel": "#b", "password": "hunter2"}]);
        let config = read(json!({"password": "hunter2", "channels": channels})).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
