//! A try job as `buildbot try --connect=pb` hands it over: the arguments of `try`.

use super::value::{from_common, to_common};
use crate::broker::{Args, type_error};
use crate::jelly::{Failure, Value};

/// The names of the arguments, in the order of Buildbot 0.8.3 and later.
const NAMES: [&str; 9] = [
    "branch",
    "revision",
    "patch",
    "repository",
    "project",
    "builderNames",
    "who",
    "comment",
    "properties",
];

/// What somebody wants to have built before it is committed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TryJob {
    pub branch: Option<String>,
    pub revision: Option<String>,
    pub patch: TryPatch,
    pub repository: String,
    pub project: String,
    /// `None` is every builder of the scheduler.
    pub builder_names: Option<Vec<String>>,
    pub who: String,
    pub comment: String,
    pub properties: Vec<(String, rmpv::Value)>,
}

/// The difference to the revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TryPatch {
    /// The N of `patch -pN`.
    pub level: i64,
    /// `None` when nothing differs.
    pub body: Option<Vec<u8>>,
    /// Where to patch, below the checkout.
    pub subdir: String,
}

impl TryJob {
    /// Reads the arguments of `try`, as clients of any age send them. A failure is what the client
    /// is to be answered.
    pub fn from_args(args: Args) -> Result<TryJob, Failure> {
        let mut args = named(args)?;
        let mut take = |name: &str| args.iter_mut().find(|(own, _)| own == name).map(value_of);
        let mut job = TryJob {
            patch: patch(take("patch").unwrap_or(Value::None))?,
            builder_names: names(take("builderNames").unwrap_or(Value::None))?,
            properties: properties(take("properties").unwrap_or(Value::None))?,
            ..TryJob::default()
        };
        let mut text = |name: &'static str| match take(name) {
            None => Ok(None),
            Some(value) => text(name, value),
        };
        job.branch = text("branch")?;
        job.revision = text("revision")?;
        job.repository = text("repository")?.unwrap_or_default();
        job.project = text("project")?.unwrap_or_default();
        job.who = text("who")?.unwrap_or_default();
        job.comment = text("comment")?.unwrap_or_default();
        Ok(job)
    }

    /// The arguments as stock's client orders them.
    pub fn to_args(&self) -> Vec<Value> {
        let body = self.patch.body.clone().map_or(Value::None, Value::Bytes);
        let mut patch = vec![Value::Int(self.patch.level), body];
        if !self.patch.subdir.is_empty() {
            patch.push(Value::from(self.patch.subdir.as_str()));
        }
        let names = |names: &Vec<String>| {
            Value::List(names.iter().map(|name| Value::from(name.as_str())).collect())
        };
        let properties = self.properties.iter();
        let properties = properties
            .map(|(name, value)| (Value::from(name.as_str()), from_common(value.clone())));
        vec![
            Value::from(self.branch.as_deref()),
            Value::from(self.revision.as_deref()),
            Value::Tuple(patch),
            Value::from(self.repository.as_str()),
            Value::from(self.project.as_str()),
            self.builder_names.as_ref().map_or(Value::None, names),
            Value::from(self.who.as_str()),
            Value::from(self.comment.as_str()),
            Value::Dict(properties.collect()),
        ]
    }
}

/// All arguments by name. Clients before 0.8.0 know neither repository nor project, those before
/// 0.8.3 neither `who` nor `comment`: their lists of builders and their properties stand earlier.
fn named(args: Args) -> Result<Vec<(String, Value)>, Failure> {
    let Args { mut positional, named } = args;
    let is_list = |value: Option<&Value>| matches!(value, Some(Value::List(_) | Value::Tuple(_)));
    let is_dict = |value: Option<&Value>| matches!(value, Some(Value::Dict(_)));
    if is_list(positional.get(3)) {
        positional.splice(3..3, [Value::None, Value::None]);
    }
    if is_dict(positional.get(6)) {
        positional.splice(6..6, [Value::None, Value::None]);
    }
    if positional.len() > NAMES.len() {
        let count = positional.len();
        return Err(wrong(format!(
            "takes at most {} arguments but {count} were given",
            NAMES.len()
        )));
    }
    let mut all: Vec<(String, Value)> =
        NAMES.iter().map(|name| (*name).to_owned()).zip(positional).collect();
    for (name, value) in named {
        if !NAMES.contains(&name.as_str()) {
            return Err(wrong(format!("got an unexpected keyword argument '{name}'")));
        }
        if all.iter().any(|(own, _)| *own == name) {
            return Err(wrong(format!("got multiple values for argument '{name}'")));
        }
        all.push((name, value));
    }
    match NAMES[..3].iter().find(|name| !all.iter().any(|(own, _)| own == *name)) {
        Some(missing) => Err(wrong(format!("missing a required argument: '{missing}'"))),
        None => Ok(all),
    }
}

fn wrong(what: String) -> Failure {
    type_error(format!("Try_Userpass_Perspective.perspective_try() {what}"))
}

fn value_of(named: &mut (String, Value)) -> Value {
    std::mem::replace(&mut named.1, Value::None)
}

/// Text, or a number, as revisions sometimes are; empty text is as good as none.
fn text(name: &str, value: Value) -> Result<Option<String>, Failure> {
    let text = match value {
        Value::None | Value::Bool(false) => None,
        Value::Int(_) | Value::Big(_) => Some(value.display()),
        other => Some(other.into_text().ok_or_else(|| wrong(format!("'{name}' is text")))?),
    };
    Ok(text.filter(|text| !text.is_empty()))
}

fn patch(value: Value) -> Result<TryPatch, Failure> {
    let malformed = || wrong("'patch' is a pair of the level and the difference".to_owned());
    if value == Value::None {
        return Ok(TryPatch::default());
    }
    let mut items = value.into_items().ok_or_else(malformed)?.into_iter();
    let (Some(level), Some(body)) = (items.next(), items.next()) else { return Err(malformed()) };
    let level = level.int().filter(|level| *level >= 0).ok_or_else(malformed)?;
    let body = match body {
        Value::None => None,
        other => Some(other.into_bytes().ok_or_else(malformed)?),
    };
    let subdir = items.next().map_or(Ok(None), |subdir| text("patch", subdir))?;
    let body = body.filter(|body| !body.is_empty());
    Ok(TryPatch { level, body, subdir: subdir.unwrap_or_default() })
}

/// An empty list is every builder as well.
fn names(value: Value) -> Result<Option<Vec<String>>, Failure> {
    let malformed = || wrong("'builderNames' is a list of names".to_owned());
    if !value.truthy() {
        return Ok(None);
    }
    let items = value.into_items().ok_or_else(malformed)?;
    let names: Option<Vec<String>> = items.into_iter().map(Value::into_text).collect();
    names.ok_or_else(malformed).map(Some)
}

fn properties(value: Value) -> Result<Vec<(String, rmpv::Value)>, Failure> {
    let malformed = || wrong("'properties' is a dictionary with texts for keys".to_owned());
    if value == Value::None {
        return Ok(Vec::new());
    }
    let pairs = value.pairs().ok_or_else(malformed)?.iter();
    let named = pairs.map(|(name, value)| Some((name.text()?, to_common(value.clone()))));
    named.collect::<Option<_>>().ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Value {
        Value::List(names.iter().map(|name| Value::from(*name)).collect())
    }

    fn bytes(bytes: &[u8]) -> Value {
        Value::Bytes(bytes.to_vec())
    }

    /// Branch, revision, patch.
    fn head() -> Vec<Value> {
        vec!["main".into(), bytes(b"abc"), Value::Tuple(vec![Value::Int(1), bytes(b"+x\n")])]
    }

    fn expected() -> TryJob {
        TryJob {
            branch: Some("main".into()),
            revision: Some("abc".into()),
            patch: TryPatch { level: 1, body: Some(b"+x\n".to_vec()), subdir: String::new() },
            builder_names: Some(vec!["b".into()]),
            ..TryJob::default()
        }
    }

    fn read(positional: Vec<Value>) -> TryJob {
        TryJob::from_args(Args::new(positional)).unwrap_or_else(|failure| panic!("{failure:?}"))
    }

    #[test]
    fn clients_of_every_age_are_understood() {
        let dict = Value::Dict(vec![("p".into(), "v".into())]);
        let properties = vec![("p".to_owned(), rmpv::Value::from("v"))];
        let about = |repository: &str, who: &str, comment: &str| TryJob {
            repository: repository.into(),
            who: who.into(),
            comment: comment.into(),
            ..expected()
        };
        for (age, tail, job) in [
            ("0.7", vec![list(&["b"])], expected()),
            (
                "0.7 with properties",
                vec![list(&["b"]), dict.clone()],
                TryJob { properties: properties.clone(), ..expected() },
            ),
            ("0.8.0", vec!["r".into(), "".into(), list(&["b"])], about("r", "", "")),
            (
                "0.8.2",
                vec!["r".into(), "".into(), list(&["b"]), dict.clone()],
                TryJob { properties: properties.clone(), ..about("r", "", "") },
            ),
            ("0.8.3", vec!["r".into(), "".into(), list(&["b"]), "w".into()], about("r", "w", "")),
            (
                "4.3",
                vec!["r".into(), "".into(), list(&["b"]), "w".into(), "c".into(), dict],
                TryJob { properties, ..about("r", "w", "c") },
            ),
            (
                "4.3 without anything",
                vec![Value::None, "".into(), Value::None, Value::None, Value::None, Value::None],
                TryJob { builder_names: None, ..expected() },
            ),
        ] {
            let read = read(head().into_iter().chain(tail).collect());
            assert_eq!(read, job, "{age}");
            assert_eq!(self::read(read.to_args()), job, "{age}");
        }
    }

    #[test]
    fn arguments_may_have_names() {
        let named = ["branch", "revision", "patch"].iter().map(|name| (*name).to_owned());
        let mut args = Args { positional: vec![], named: named.zip(head()).collect() };
        args.named.push(("builderNames".into(), list(&["b"])));
        assert_eq!(TryJob::from_args(args), Ok(expected()));
    }

    #[test]
    fn patches_may_be_empty_or_elsewhere() {
        let patch = |items| read(vec![Value::None, Value::Int(7), Value::List(items)]);
        let job = patch(vec![Value::Int(0), Value::None]);
        assert_eq!((job.patch, job.revision.as_deref()), (TryPatch::default(), Some("7")));
        let job = patch(vec![Value::Int(0), "é".into(), "sub".into()]);
        assert_eq!(job.patch.body.as_deref(), Some("é".as_bytes()));
        assert_eq!(job.patch.subdir, "sub");
    }

    #[test]
    fn what_is_no_job_is_refused() {
        let with = |tail: Vec<Value>| Args::new(head().into_iter().chain(tail).collect());
        let named = |name: &str| Args { named: vec![(name.into(), Value::None)], ..with(vec![]) };
        let none = || Value::None;
        for (args, why) in [
            (Args::default(), "missing a required argument: 'branch'"),
            (named("bogus"), "got an unexpected keyword argument 'bogus'"),
            (named("branch"), "got multiple values for argument 'branch'"),
            (with((0..7).map(|_| none()).collect()), "takes at most 9 arguments but 10 were given"),
            (Args::new(vec![none(), none(), "x".into()]), "'patch' is a pair"),
            (Args::new(vec![none(), none(), list(&["a", "b"])]), "'patch' is a pair"),
            (Args::new(vec![list(&[]), none(), none()]), "'branch' is text"),
            (with(vec![none(), none(), "b".into()]), "'builderNames' is a list of names"),
            (
                with(vec![none(), none(), none(), none(), none(), list(&["p"])]),
                "'properties' is a dictionary",
            ),
        ] {
            let failure = TryJob::from_args(args).expect_err(why);
            assert_eq!(failure.kind, "builtins.TypeError");
            assert!(failure.value.contains(why), "{}", failure.value);
        }
    }
}
