//! Mail addresses from other servers: a real directory, and web servers that misbehave.

mod ldap;
mod slapd;
mod web;

use buildbot::config::fields::Fields;
use buildbot::config::problems::Problems;
use buildbot::config::raw::Raw;
use buildbot::reporters::lookup::{self, Lookup, Person};
use serde_json::{Value, json};

/// The lookup that this option configures.
fn configured(option: &Value) -> Lookup {
    let raw = Raw::from_json(json!({ "lookup": option }));
    let mut problems = Problems::new();
    let mut fields = Fields::of(&raw, "", &mut problems);
    let lookup = lookup::parse(&mut fields, "lookup");
    fields.finish();
    assert!(problems.is_empty(), "{option}: {problems}");
    lookup
}

/// The person's address, or why there is none behind an exclamation mark.
async fn answer(option: &Value, who: &str) -> String {
    let addresses = configured(option).addresses(&[Person::called(who)]).await;
    match (addresses.found.as_slice(), addresses.missing.as_slice()) {
        ([(_, address)], []) => address.clone(),
        ([], [missing]) => format!("!{}", missing.why),
        _ => panic!("{addresses:?}"),
    }
}
