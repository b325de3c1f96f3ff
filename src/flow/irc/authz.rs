//! Who may give which command: stock's table from commands to nicks, with services accounts and
//! users besides.

use std::collections::HashMap;

use super::names;
use crate::config::fields::Fields;
use crate::config::raw::{Raw, RawValue};

/// The rules by command in lower case; `""` is the default of harmless commands, `!` of dangerous
/// ones, `*` of both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authz(HashMap<String, Acl>);

/// Whom a rule lets pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acl {
    Everybody,
    Nobody,
    These(Vec<Who>),
}

/// One entry of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Whoever has the nick now; networks without services let anybody take it.
    Nick(String),
    /// `account:NAME`: logged in to the network's services.
    Account(String),
    /// `user:IDENTIFIER`: has proved to be this user.
    User(String),
}

/// Somebody who gives a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Speaker {
    pub nick: String,
    /// The services account, where the network tells it.
    pub account: Option<String>,
    /// Identifiers of the users that this person has proved to be.
    pub users: Vec<String>,
}

impl Authz {
    /// Sets the rule of one command; for stock's `allowForce` and `allowShutdown`.
    pub fn set(&mut self, command: &str, acl: Acl) {
        self.0.insert(command.to_lowercase(), acl);
    }

    /// May `speaker` give this command? The order is stock's: the command's own rule, then `*`,
    /// then `!` or `""`; without any, harmless commands are everybody's and dangerous ones
    /// nobody's.
    pub fn allows(&self, command: &str, dangerous: bool, speaker: &Speaker) -> bool {
        let default = if dangerous { "!" } else { "" };
        let rule = [command, "*", default].into_iter().find_map(|key| self.0.get(key));
        match rule {
            Some(acl) => acl.lets(speaker),
            None => !dangerous,
        }
    }

    /// Is the speaker named for this command? Then channel operators need not be asked.
    pub fn names(&self, command: &str, speaker: &Speaker) -> bool {
        matches!(self.0.get(command), Some(acl @ Acl::These(_)) if acl.lets(speaker))
    }

    /// Every identifier of a user in the rules.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        let entries = self.0.values().flat_map(|acl| match acl {
            Acl::These(whos) => whos.as_slice(),
            _ => &[],
        });
        entries.filter_map(|who| match who {
            Who::User(user) => Some(user.as_str()),
            _ => None,
        })
    }
}

impl Acl {
    fn lets(&self, speaker: &Speaker) -> bool {
        match self {
            Acl::Everybody => true,
            Acl::Nobody => false,
            Acl::These(whos) => whos.iter().any(|who| who.is(speaker)),
        }
    }
}

impl Who {
    fn is(&self, speaker: &Speaker) -> bool {
        match self {
            Who::Nick(nick) => names::same(nick, &speaker.nick),
            Who::Account(account) => {
                speaker.account.as_ref().is_some_and(|own| names::same(account, own))
            }
            Who::User(user) => speaker.users.contains(user),
        }
    }

    fn parse(text: &str) -> Result<Who, String> {
        let rest = |prefix: &str| text.strip_prefix(prefix).map(str::to_owned);
        match (rest("account:"), rest("user:")) {
            (Some(account), _) if !account.is_empty() => Ok(Who::Account(account)),
            (_, Some(user)) if !user.is_empty() => Ok(Who::User(user)),
            (None, None) if names::wrong_nick(text).is_none() => Ok(Who::Nick(text.to_owned())),
            _ => Err(format!("'{text}' is neither a nick nor account:NAME nor user:IDENTIFIER")),
        }
    }
}

/// Reads the table `authz`. A key names one command or several, separated by commas or blanks.
pub fn parse(fields: &mut Fields<'_>) -> Option<Authz> {
    let raw = fields.take("authz").filter(|raw| raw.value != RawValue::Null)?;
    let RawValue::Table(table) = &raw.value else {
        let message = format!("must be a table from commands to nicks, not {}", raw.kind());
        fields.problem_at("authz", &raw.place, message);
        return None;
    };
    let mut authz = Authz::default();
    for (key, value) in table {
        match acl(value) {
            Ok(acl) if key.trim().is_empty() => authz.set("", acl),
            Ok(acl) => {
                let commands = key.split([',', ' ']).filter(|command| !command.is_empty());
                commands.for_each(|command| authz.set(command, acl.clone()));
            }
            Err(message) => fields.problem_at(&format!("authz.{key}"), &value.place, message),
        }
    }
    Some(authz)
}

fn acl(raw: &Raw) -> Result<Acl, String> {
    let text = |raw: &Raw| match raw.as_text() {
        Some(text) => Who::parse(text),
        None => Err(format!("must be a nick, account:NAME or user:IDENTIFIER, not {}", raw.kind())),
    };
    match &raw.value {
        RawValue::Bool(true) => Ok(Acl::Everybody),
        RawValue::Bool(false) => Ok(Acl::Nobody),
        RawValue::Text(_) => Ok(Acl::These(vec![text(raw)?])),
        RawValue::List(items) => Ok(Acl::These(items.iter().map(text).collect::<Result<_, _>>()?)),
        _ => Err(format!("must be true, false or a list of nicks, not {}", raw.kind())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problems::Problems;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<Authz, String> {
        let (raw, mut problems) = (Raw::from_json(json!({ "authz": value })), Problems::new());
        let mut fields = Fields::of(&raw, "r", &mut problems);
        let authz = parse(&mut fields);
        fields.finish();
        if problems.is_empty() { Ok(authz.unwrap_or_default()) } else { Err(problems.to_string()) }
    }

    fn nick(nick: &str) -> Speaker {
        Speaker { nick: nick.to_owned(), ..Speaker::default() }
    }

    #[test]
    fn rules_are_looked_up_as_in_stock() {
        let table = [
            (json!({}), "hello", false, true),
            (json!({}), "force", true, false),
            (json!({"force": true}), "force", true, true),
            (json!({"force": ["eve"]}), "force", true, false),
            (json!({"Force, stop": ["Alice"]}), "stop", true, true),
            (json!({"force": "alice"}), "force", true, true),
            (json!({"!": ["alice"]}), "shutdown", true, true),
            (json!({"!": ["alice"]}), "hello", false, true),
            (json!({"": false}), "hello", false, false),
            (json!({"": false}), "force", true, false),
            (json!({"*": ["alice"], "!": false}), "force", true, true),
            (json!({"*": false, "hello": true}), "hello", false, true),
        ];
        for (rules, command, dangerous, allowed) in table {
            let authz = read(rules.clone()).unwrap();
            assert_eq!(authz.allows(command, dangerous, &nick("alice")), allowed, "{rules}");
        }
    }

    #[test]
    fn accounts_and_users_need_more_than_a_nick() {
        let authz = read(json!({"!": ["account:alice", "user:bob@example.org"]})).unwrap();
        let with = |account: Option<&str>, users: &[&str]| Speaker {
            nick: "alice".to_owned(),
            account: account.map(str::to_owned),
            users: users.iter().map(|user| (*user).to_owned()).collect(),
        };
        assert!(!authz.allows("force", true, &with(None, &[])));
        assert!(authz.allows("force", true, &with(Some("Alice"), &[])));
        assert!(authz.allows("force", true, &with(None, &["bob@example.org"])));
        assert_eq!(authz.users().collect::<Vec<_>>(), ["bob@example.org"]);
    }

    #[test]
    fn wrong_rules_are_told() {
        assert!(read(json!([])).unwrap_err().contains("a table from commands"));
        assert!(read(json!({"force": 1})).unwrap_err().contains("r.authz.force: must be true"));
        assert!(read(json!({"force": ["a b"]})).unwrap_err().contains("neither a nick"));
        assert!(read(json!({"force": ["user:"]})).unwrap_err().contains("neither a nick"));
    }
}
