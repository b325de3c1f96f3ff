//! Who gets a mail.

use lettre::Address;
use lettre::message::Mailbox;

use super::super::Office;
use super::letter::Letter;
use super::options::MailNotifier;
use crate::db::{Conn, DbError, blame};
use crate::flow::interested::{BuildFacts, Interested};
use crate::model::address::same;
use crate::model::{BuildId, Person};

/// The recipients of a mail.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Recipients {
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
}

impl Recipients {
    /// One address.
    pub fn only(address: &str) -> Recipients {
        Recipients { to: address.parse().into_iter().collect(), cc: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.to.is_empty() && self.cc.is_empty()
    }

    /// All addresses, each once.
    pub fn addresses(&self) -> Vec<Address> {
        let mut addresses: Vec<Address> = Vec::new();
        for mailbox in self.to.iter().chain(&self.cc) {
            if !addresses.contains(&mailbox.email) {
                addresses.push(mailbox.email.clone());
            }
        }
        addresses
    }
}

impl MailNotifier {
    /// People of the builds, found by the lookup, and the extra recipients: these are copied in
    /// when there is anybody else, as in stock.
    pub(super) async fn recipients(&self, letter: &Letter, office: &Office) -> Recipients {
        if letter.to_addresses {
            let to = letter.users.iter().filter_map(|user| user.parse().ok()).collect();
            return Recipients { to, cc: Vec::new() };
        }
        let mut to = Vec::new();
        if self.send_to_interested_users || letter.personal {
            let people = self.people(letter, office).await;
            let addresses = self.lookup.addresses(&people).await;
            to.extend(addresses.distinct().into_iter().filter_map(|(who, at)| mailbox(who, at)));
        }
        to.sort_by_key(Mailbox::to_string);
        if letter.personal {
            return Recipients { to, cc: Vec::new() };
        }
        let extra = self.extra_recipients.clone();
        if to.is_empty() {
            Recipients { to: extra, cc: Vec::new() }
        } else {
            Recipients { to, cc: extra }
        }
    }
}

impl MailNotifier {
    /// Those who answer for the builds, and those whom a rule names.
    async fn people(&self, letter: &Letter, office: &Office) -> Vec<Person> {
        let (told, interested) = (letter.clone(), self.interested.clone());
        let read = office.db.read(move |conn| people(conn, &told, &interested));
        read.await.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot read who is responsible for a build");
            letter.users.iter().map(Person::called).collect()
        })
    }
}

/// The address, with the name that the change has beside it.
fn mailbox(person: &Person, address: &str) -> Option<Mailbox> {
    let named = person.who.parse::<Mailbox>().ok();
    named.filter(|named| same(named.email.as_ref(), address)).or_else(|| address.parse().ok())
}

/// The people of the builds by what the tables say of them, and whoever else is named.
fn people(
    conn: &mut Conn,
    letter: &Letter,
    interested: &Interested,
) -> Result<Vec<Person>, DbError> {
    let ids: Vec<BuildId> = letter.builds.iter().map(|build| BuildId(build.id)).collect();
    let mut blamed = blame::of_builds(conn, &ids)?;
    let mut people: Vec<Person> = Vec::new();
    let mut names = letter.users.clone();
    for build in &letter.builds {
        let Some(blame) = blamed.remove(&BuildId(build.id)) else { continue };
        let facts = BuildFacts { builder: &build.builder, tags: &build.tags, files: &blame.files };
        names.extend(interested.users(facts));
        people.extend(blame.people);
    }
    names.sort();
    names.dedup();
    names.retain(|name| people.iter().all(|person| person.who != *name));
    people.extend(blame::find_people(conn, &names)?);
    people.sort_by(|one, other| one.who.cmp(&other.who));
    people.dedup_by(|one, other| one.who == other.who);
    Ok(people)
}
