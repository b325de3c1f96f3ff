//! Chains of lookups: configured, answered, late and wrong.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::chain::{Chain, Link};
use super::*;
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::Raw;

fn read(lookup: Value) -> (Lookup, String) {
    let mut problems = Problems::new();
    let raw = Raw::from_json(json!({ "lookup": lookup }));
    let mut fields = Fields::of(&raw, "services[0]", &mut problems);
    let lookup = parse(&mut fields, "lookup");
    fields.finish();
    (lookup, problems.to_string())
}

fn user(who: &str, attributes: &[(&str, &str)]) -> Person {
    let attributes = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Person { uid: Some(1), identifier: Some("annab".into()), attributes, ..Person::called(who) }
}

#[tokio::test]
async fn people_are_found_as_configured() {
    let anna = || Person::called("Anna Berg <a@x.org>");
    let table = json!({ "anna": "a@y.org", "Anna Berg": "b@y.org", "annab": "c@y.org" });
    let table = json!({ "type": "Static", "addresses": table });
    let sh = |script: &str| json!({ "type": "Command", "command": ["sh", "-c", script, "sh"] });
    let why = |text: &str| format!("!{text}");
    for (lookup, person, expected) in [
        // Stock's domain.
        (json!("example.org"), Person::called("anna"), "anna@example.org".into()),
        (json!("example.org"), anna(), "a@x.org".into()),
        (json!("example.org"), Person::called("a@x.org"), "a@x.org".into()),
        (json!("example.org"), Person::called("'A' <a@x.org>@x.org"), "a@x.org".into()),
        (
            json!({ "type": "Domain", "domain": "example.org" }),
            Person::called("anna"),
            "anna@example.org".into(),
        ),
        (
            json!("example.org"),
            Person::called("Anna Berg"),
            why("Domain: \"Anna Berg@example.org\" is no mail address"),
        ),
        (
            json!("example.org"),
            Person::called("a\r\nBcc: b"),
            why(r#"Domain: "a\r\nBcc: b@example.org" is no mail address"#),
        ),
        // User objects, and the address in the name.
        (
            Value::Null,
            user("anna", &[("git", "A <g@x.org>"), ("email", "m@x.org")]),
            "m@x.org".into(),
        ),
        (Value::Null, user("anna", &[("hg", "A <h@x.org>"), ("svn", "anna")]), "h@x.org".into()),
        (Value::Null, user("anna", &[("svn", "s@x.org")]), "s@x.org".into()),
        (Value::Null, user("Anna <a@x.org>", &[]), "a@x.org".into()),
        (Value::Null, Person::called("anna"), why("unknown to UserObjects, InName")),
        (Value::Null, user("Anna <a@x.org>", &[("email", "m@x.org, all@x.org")]), "a@x.org".into()),
        (json!({ "type": "UserObjects" }), anna(), why("unknown to UserObjects")),
        (json!({ "type": "InName" }), anna(), "a@x.org".into()),
        // The table.
        (table.clone(), Person::called("anna"), "a@y.org".into()),
        (table.clone(), anna(), "b@y.org".into()),
        (table.clone(), user("somebody", &[]), "c@y.org".into()),
        (table.clone(), Person::called("bob"), why("unknown to Static")),
        // Chains.
        (json!([table, "example.org"]), Person::called("bob"), "bob@example.org".into()),
        (
            json!([{ "type": "InName" }, "example.org"]),
            Person::called("bob"),
            "bob@example.org".into(),
        ),
        // Commands.
        (sh("echo \"$1@x.org\"; echo more"), Person::called("bob"), "bob@x.org".into()),
        (sh("exit 1"), Person::called("bob"), why("unknown to Command")),
        (sh(":"), Person::called("bob"), why("unknown to Command")),
        (
            sh("echo oh >&2; printf 'n\to\n' >&2; exit 3"),
            Person::called("bob"),
            why("Command: 'sh' failed: n o"),
        ),
        (sh("kill -9 $$"), Person::called("bob"), why("Command: 'sh' failed: signal: 9 (SIGKILL)")),
        (
            sh("echo a@x.org"),
            Person::called("--help"),
            why("Command: this name would be read as an option and is not handed over"),
        ),
        (
            json!({ "type": "Command", "command": ["/no/such"] }),
            Person::called("bob"),
            why("Command: cannot run '/no/such': No such file or directory (os error 2)"),
        ),
        (
            json!([{ "type": "Command", "command": "false" }, { "type": "InName" }]),
            anna(),
            "a@x.org".into(),
        ),
    ] {
        let (read, problems) = read(lookup.clone());
        assert_eq!(problems, "", "{lookup}");
        let found = read.addresses(std::slice::from_ref(&person)).await;
        let answer = match (found.found.first(), found.missing.first()) {
            (Some((_, address)), None) => address.clone(),
            (None, Some(missing)) => why(&missing.why),
            both => panic!("{both:?}"),
        };
        assert_eq!(answer, expected, "{lookup} {person:?}");
    }
}

#[test]
fn mistakes_are_told() {
    let ldap = |more: Value| {
        let mut table = json!({ "type": "LDAP", "url": "ldap://h", "base": "dc=x" });
        let (table_map, more) = (table.as_object_mut().unwrap(), more.as_object().unwrap().clone());
        table_map.extend(more);
        table
    };
    for (lookup, expected) in [
        (json!("@example.org"), "services[0].lookup: '@example.org' is no domain"),
        (json!("localhost"), "is no domain"),
        (json!(7), "must be a domain, a table with 'type' or a list, not a number"),
        (json!([]), "is empty; leave it out"),
        (json!(["example.org", "a b"]), "services[0].lookup[1]: 'a b' is no domain"),
        (json!({ "type": "LDPA" }), "did you mean 'LDAP'?"),
        (json!({ "domain": "example.org" }), "needs a 'type'"),
        (json!({ "type": "Domain", "domain": "" }), "is no domain"),
        (json!({ "type": "InName", "timeout": 0 }), "timeout: must be more than 0 and at most 600"),
        (json!({ "type": "InName", "adress": 0 }), "unknown key 'adress'"),
        (json!({ "type": "Static" }), "needs a value for 'addresses'"),
        (json!({ "type": "Static", "addresses": { "a": "b" } }), "'b' is no mail address"),
        (json!({ "type": "Command", "command": [] }), "must be a list: a program and its"),
        (json!({ "type": "HTTP", "url": "ftp://x/%s" }), "must begin with http"),
        (json!({ "type": "HTTP", "url": "https://%s.x.org/" }), "must name a server"),
        (json!({ "type": "HTTP", "url": "https://x.org/" }), "must hold '%s'"),
        (
            json!({ "type": "HTTP", "url": "https://x/%s", "pointer": "m" }),
            "must be a JSON pointer",
        ),
        (json!({ "type": "HTTP", "url": "https://x/%s", "headers": { "a b": "" } }), "no name of"),
        (json!({ "type": "HTTP", "url": "https://x/%s", "auth": ["a"] }), "a user name and a"),
        (ldap(json!({ "url": "http://h" })), "must be the URL of a server"),
        (ldap(json!({ "url": "ldap:h" })), "must be the URL of a server"),
        (ldap(json!({ "filter": "uid=" })), "must hold '%s'"),
        (ldap(json!({ "filter": "(uid=%s" })), "'(uid=%s' is no LDAP filter"),
        (ldap(json!({ "bind_dn": "cn=x" })), "'bind_dn' and 'password' belong together"),
        (ldap(json!({ "url": "ldaps://h", "start_tls": true })), "ldaps:// is TLS already"),
        (json!({ "type": "LDAP", "url": "ldap://h" }), "needs a value for 'base'"),
    ] {
        let (_, problems) = read(lookup.clone());
        assert!(problems.contains(expected), "{lookup}: {problems}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    let ldap = json!({ "type": "LDAP", "url": "ldap://h", "base": "b", "bind_dn": "cn=x",
                       "password": "hunter2" });
    let http = json!({ "type": "HTTP", "url": "https://u:hunter2@h/%s?key=hunter2",
                       "headers": { "X-Key": "hunter2" }, "auth": ["me", "hunter2"] });
    let (lookup, problems) = read(json!([ldap, http]));
    assert_eq!(problems, "");
    assert!(!format!("{lookup:?}").contains("hunter2"), "{lookup:?}");
}

/// Answers those called like an address and never the others; counts.
#[derive(Debug, Default)]
struct Stubborn(Arc<AtomicUsize>);

#[async_trait]
impl EmailLookup for Stubborn {
    async fn address(&self, person: &Person) -> Result<Option<String>, LookupError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        if person.who.contains('@') { Ok(Some(person.who.clone())) } else { pending().await }
    }
}

fn stubborn(deadline: Duration) -> (Lookup, Arc<AtomicUsize>) {
    let asked = Arc::default();
    let link = Link::new("Stubborn", deadline, Box::new(Stubborn(Arc::clone(&asked))));
    (Lookup::new(Chain::new(vec![link])), asked)
}

fn people(names: &[&str]) -> Vec<Person> {
    names.iter().map(|name| Person::called(*name)).collect()
}

#[tokio::test]
async fn who_hangs_delays_the_others_until_the_deadline_only() {
    let deadline = Duration::from_millis(300);
    let (lookup, asked) = stubborn(deadline);
    let begun = std::time::Instant::now();
    let all = people(&["hangs", "a@x.org", "hangs too", "b@x.org", "and I"]);
    let addresses = lookup.addresses(&all).await;
    assert!(begun.elapsed() < 3 * deadline, "one after the other");
    let distinct: Vec<&str> =
        addresses.distinct().into_iter().map(|(_, address)| address).collect();
    assert_eq!(distinct, ["a@x.org", "b@x.org"]);
    let missing: Vec<&str> = addresses.missing.iter().map(|missing| missing.who.as_str()).collect();
    assert_eq!(missing, ["hangs", "hangs too", "and I"]);
    assert_eq!(addresses.missing[0].why, "Stubborn: no answer within 0.3 s");

    // While the answers are kept, nobody is asked again.
    assert_eq!(lookup.addresses(&all).await, addresses);
    assert_eq!(asked.load(Ordering::Relaxed), all.len());
}

#[tokio::test]
async fn a_lookup_that_is_away_costs_one_deadline_for_everybody() {
    let deadline = Duration::from_millis(200);
    let (lookup, asked) = stubborn(deadline);
    let names: Vec<String> = (0..200).map(|n| format!("p{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let begun = std::time::Instant::now();
    let addresses = lookup.addresses(&people(&names)).await;
    assert!(begun.elapsed() < 4 * deadline, "{:?}", begun.elapsed());
    assert_eq!(addresses.missing.len(), 200);
    assert!(asked.load(Ordering::Relaxed) <= 32);
    assert!(addresses.missing[199].why.ends_with("is not asked for now"));
}

#[tokio::test]
async fn a_late_command_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", pid.display());
    let (lookup, _) = read(json!({ "type": "Command", "command": ["sh", "-c", script, "sh"],
                                   "timeout": 0.5 }));
    let addresses = lookup.addresses(&people(&["anna"])).await;
    assert_eq!(addresses.missing[0].why, "Command: no answer within 0.5 s");
    let pid = std::fs::read_to_string(&pid).expect("the command ran");
    let gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    let wait = async {
        while !gone() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("its helper lives on");
}
