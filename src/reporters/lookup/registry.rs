//! The kinds of lookup, and the reader of the option `lookup`.
//!
//! A new kind is one file and one line in [`REGISTRY`].

use std::time::Duration;

use super::chain::{Chain, Link};
use super::command::Command;
use super::domain::{Domain, wrong_domain};
use super::http::Http;
use super::in_name::InName;
use super::ldap::Ldap;
use super::table::Table;
use super::user_objects::UserObjects;
use super::{EmailLookup, Lookup};
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::{Raw, RawValue};

/// How long one lookup may take, unless `timeout` says otherwise.
const DEADLINE: Duration = Duration::from_secs(20);
/// What `timeout` may say at most.
const LONGEST: Duration = Duration::from_secs(600);

/// A kind of lookup.
struct Kind {
    /// What stands in `type`.
    class: &'static str,
    /// Reads the kind's own keys.
    parse: fn(&mut Fields<'_>) -> Box<dyn EmailLookup>,
}

const REGISTRY: &[Kind] = &[
    Kind { class: "Domain", parse: Domain::parse },
    Kind { class: "UserObjects", parse: UserObjects::parse },
    Kind { class: "InName", parse: InName::parse },
    Kind { class: "Static", parse: Table::parse },
    Kind { class: "LDAP", parse: Ldap::parse },
    Kind { class: "Command", parse: Command::parse },
    Kind { class: "HTTP", parse: Http::parse },
];

/// Reads the option `key`: a domain, a table with `type`, or a list of both, of which the first
/// answer wins. Absent, user objects are asked, and then an address in the name counts. Mistakes
/// are reported.
pub fn parse(fields: &mut Fields<'_>, key: &'static str) -> Lookup {
    let raw = fields.take(key).filter(|raw| raw.value != RawValue::Null);
    let Some(raw) = raw else { return Lookup::new(Chain::new(default_chain())) };
    let (path, problems) = fields.nested(key);
    let links = match &raw.value {
        RawValue::List(items) if items.is_empty() => {
            problems.add(&raw.place, path, "is empty; leave it out for the user objects");
            Vec::new()
        }
        RawValue::List(items) => items
            .iter()
            .enumerate()
            .filter_map(|(index, raw)| link(raw, format!("{path}[{index}]"), problems))
            .collect(),
        _ => link(&raw, path, problems).into_iter().collect(),
    };
    Lookup::new(Chain::new(links))
}

fn default_chain() -> Vec<Link> {
    vec![
        Link::new("UserObjects", DEADLINE, Box::new(UserObjects)),
        Link::new("InName", DEADLINE, Box::new(InName)),
    ]
}

fn link(raw: &Raw, path: String, problems: &mut Problems) -> Option<Link> {
    match &raw.value {
        RawValue::Text(domain) => {
            if let Some(wrong) = wrong_domain(domain) {
                problems.add(&raw.place, path, wrong);
                return None;
            }
            Some(Link::new("Domain", DEADLINE, Box::new(Domain::new(domain.clone()))))
        }
        RawValue::Table(_) => {
            let mut fields = Fields::of(raw, path, problems);
            let known: Vec<&'static str> = REGISTRY.iter().map(|kind| kind.class).collect();
            let class = fields.class(None, &known, &[])?;
            let kind = REGISTRY.iter().find(|kind| kind.class == class)?;
            let deadline = fields.optional_checked("timeout", wrong_deadline);
            let lookup = (kind.parse)(&mut fields);
            fields.finish();
            Some(Link::new(kind.class, deadline.unwrap_or(DEADLINE), lookup))
        }
        _ => {
            let message =
                format!("must be a domain, a table with 'type' or a list, not {}", raw.kind());
            problems.add(&raw.place, path, message);
            None
        }
    }
}

fn wrong_deadline(deadline: &Duration) -> Option<String> {
    let wrong = deadline.is_zero() || *deadline > LONGEST;
    wrong.then(|| format!("must be more than 0 and at most {} seconds", LONGEST.as_secs()))
}
