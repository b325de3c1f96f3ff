//! A command of `buildbot user`: the arguments of `commandline`.

use crate::broker::{Args, type_error};
use crate::jelly::{Failure, Value};

const NAMES: [&str; 5] = ["op", "bb_username", "bb_password", "ids", "info"];

/// The key of a user's dictionary that says whom it is about.
const IDENTIFIER: &str = "identifier";

/// What is to happen to users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserOp {
    Add,
    Remove,
    Update,
    Get,
}

impl UserOp {
    pub const ALL: [UserOp; 4] = [UserOp::Add, UserOp::Remove, UserOp::Update, UserOp::Get];

    pub fn name(self) -> &'static str {
        match self {
            UserOp::Add => "add",
            UserOp::Remove => "remove",
            UserOp::Update => "update",
            UserOp::Get => "get",
        }
    }

    pub fn from_name(name: &str) -> Option<UserOp> {
        UserOp::ALL.into_iter().find(|op| op.name() == name)
    }
}

/// One command for the master.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCommand {
    pub op: UserOp,
    pub bb_username: Option<String>,
    /// Salted and hashed by the client; nobody else learns the password.
    pub bb_password: Option<String>,
    /// Whom to remove or to show. With any, `info` does not count.
    pub ids: Vec<String>,
    /// Whom to add or to change.
    pub info: Vec<UserInfo>,
}

/// Without the password, though it is a hash.
impl std::fmt::Debug for UserCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("UserCommand");
        debug.field("op", &self.op).field("ids", &self.ids).field("info", &self.info);
        debug.finish_non_exhaustive()
    }
}

/// What is said of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    pub identifier: String,
    /// Kind (`email`, or a version control system) and value, in the sender's order.
    pub attributes: Vec<(String, String)>,
}

impl UserCommand {
    /// Reads the arguments of `commandline`. A failure is what the client is to be answered.
    pub fn from_args(mut args: Args) -> Result<UserCommand, Failure> {
        let mut take = |place: usize| args.take(place, NAMES[place]).unwrap_or(Value::None);
        let op = take(0).text().as_deref().and_then(UserOp::from_name);
        let op = op.ok_or_else(|| wrong("'op' is one of add, remove, update and get"))?;
        let command = UserCommand {
            op,
            bb_username: text("bb_username", &take(1))?,
            bb_password: text("bb_password", &take(2))?,
            ids: texts(&take(3))?,
            info: infos(&take(4))?,
        };
        match command.ids.is_empty() && command.info.is_empty() {
            true => Err(wrong("needs 'ids' or 'info'")),
            false => Ok(command),
        }
    }

    /// The arguments as stock's client orders them.
    pub fn to_args(&self) -> Vec<Value> {
        let list =
            |items: Vec<Value>| if items.is_empty() { Value::None } else { Value::List(items) };
        vec![
            Value::from(self.op.name()),
            Value::from(self.bb_username.as_deref()),
            Value::from(self.bb_password.as_deref()),
            list(self.ids.iter().map(|id| Value::from(id.as_str())).collect()),
            list(self.info.iter().map(UserInfo::to_value).collect()),
        ]
    }
}

impl UserInfo {
    fn from_value(value: &Value) -> Result<UserInfo, Failure> {
        let malformed = || wrong("'info' is a list of dictionaries of texts");
        let pairs = value.pairs().ok_or_else(malformed)?;
        let pairs = pairs.iter().map(|(key, value)| Some((key.text()?, value.text()?)));
        let mut pairs: Vec<(String, String)> =
            pairs.collect::<Option<_>>().ok_or_else(malformed)?;
        let own = pairs.iter().position(|(key, _)| key == IDENTIFIER);
        let own = own.ok_or_else(|| wrong("every user of 'info' needs an 'identifier'"))?;
        let (_, identifier) = pairs.remove(own);
        Ok(UserInfo { identifier, attributes: pairs })
    }

    fn to_value(&self) -> Value {
        let identifier = [(Value::from(IDENTIFIER), Value::from(self.identifier.as_str()))];
        let attributes = self.attributes.iter();
        let attributes =
            attributes.map(|(key, value)| (Value::from(key.as_str()), Value::from(value.as_str())));
        Value::Dict(identifier.into_iter().chain(attributes).collect())
    }
}

fn wrong(what: &str) -> Failure {
    type_error(format!("CommandlineUserManagerPerspective.perspective_commandline() {what}"))
}

fn text(name: &str, value: &Value) -> Result<Option<String>, Failure> {
    if *value == Value::None {
        return Ok(None);
    }
    value.text().map(Some).ok_or_else(|| wrong(&format!("'{name}' is text")))
}

fn texts(value: &Value) -> Result<Vec<String>, Failure> {
    let malformed = || wrong("'ids' is a list of texts");
    match value {
        Value::None => Ok(Vec::new()),
        other => {
            let items = other.items().ok_or_else(malformed)?;
            items.iter().map(Value::text).collect::<Option<_>>().ok_or_else(malformed)
        }
    }
}

fn infos(value: &Value) -> Result<Vec<UserInfo>, Failure> {
    match value {
        Value::None => Ok(Vec::new()),
        other => {
            let items = other.items().ok_or_else(|| wrong("'info' is a list of dictionaries"))?;
            items.iter().map(UserInfo::from_value).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(identifier: &str, attributes: &[(&str, &str)]) -> UserInfo {
        let attributes = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        UserInfo { identifier: identifier.into(), attributes: attributes.collect() }
    }

    #[test]
    fn commands_are_read_as_they_are_written() {
        let command = UserCommand {
            op: UserOp::Update,
            bb_username: Some("joe".into()),
            bb_password: Some("5af3".into()),
            ids: vec![],
            info: vec![info("Joe", &[("svn", "joe"), ("email", "j@example.org")])],
        };
        let get = UserCommand {
            op: UserOp::Get,
            bb_username: None,
            bb_password: None,
            ids: vec!["a".into(), "b".into()],
            info: vec![],
        };
        for command in [command, get] {
            assert_eq!(UserCommand::from_args(Args::new(command.to_args())), Ok(command.clone()));
            assert!(!format!("{command:?}").contains("5af3"));
        }
    }

    #[test]
    fn what_is_no_command_is_refused() {
        let none = || Value::None;
        let dict = |pairs: Vec<(Value, Value)>| Value::List(vec![Value::Dict(pairs)]);
        for (args, why) in [
            (vec![], "'op' is one of"),
            (vec!["burn".into()], "'op' is one of"),
            (vec!["get".into()], "needs 'ids' or 'info'"),
            (vec!["get".into(), Value::Int(1)], "'bb_username' is text"),
            (vec!["get".into(), none(), none(), "a".into()], "'ids' is a list of texts"),
            (vec!["add".into(), none(), none(), none(), "a".into()], "'info' is a list"),
            (
                vec!["add".into(), none(), none(), none(), dict(vec![("git".into(), "x".into())])],
                "every user of 'info' needs an 'identifier'",
            ),
            (
                vec!["add".into(), none(), none(), none(), dict(vec![("git".into(), none())])],
                "'info' is a list of dictionaries of texts",
            ),
        ] {
            let failure = UserCommand::from_args(Args::new(args)).expect_err(why);
            assert!(failure.value.contains(why), "{}", failure.value);
        }
    }
}
