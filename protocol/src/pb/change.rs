//! A change as `buildbot sendchange` and commit hooks send it: the argument of `addChange`.

use super::value::{from_common, to_common};
use crate::broker::type_error;
use crate::jelly::{Failure, Value};

/// The years that Python's clock knows, 1 to 9999, in seconds since 1970.
const TIMES: std::ops::RangeInclusive<f64> = -62_135_596_800.0..=253_402_300_799.0;

/// One change. What a sender leaves out or sends empty has its default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// Old senders call it `who`.
    pub author: Option<String>,
    pub committer: Option<String>,
    pub comments: String,
    pub files: Vec<String>,
    pub branch: Option<String>,
    pub revision: Option<String>,
    pub category: Option<String>,
    pub codebase: Option<String>,
    pub repository: String,
    pub project: String,
    pub revlink: String,
    /// Seconds since 1970, in the years 1 to 9999. Old senders call it `when`.
    pub when_timestamp: Option<f64>,
    pub properties: Vec<(String, rmpv::Value)>,
    /// The version control system, such as `git`: the author is then noted as a user of it.
    pub src: Option<String>,
}

impl Change {
    /// Reads the argument of `addChange`. A failure is what the sender is to be answered.
    pub fn from_value(value: &Value) -> Result<Change, Failure> {
        let pairs = value.pairs().ok_or_else(|| type_error("a change is a dictionary"))?;
        let mut change = Change::default();
        // An old name is stronger than the new one, as with stock masters.
        let old = |key: &Value| key.is_text("who") || key.is_text("when");
        let new_names = pairs.iter().filter(|(key, _)| !old(key));
        for (key, value) in new_names.chain(pairs.iter().filter(|(key, _)| old(key))) {
            let key = key.text().ok_or_else(|| type_error("keywords must be strings"))?;
            change.set(&key, value)?;
        }
        Ok(change)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), Failure> {
        let text = || text(key, value);
        match key {
            "who" | "author" => self.author = text()?,
            "committer" => self.committer = text()?.filter(|text| !text.is_empty()),
            "comments" => self.comments = text()?.unwrap_or_default(),
            "files" => self.files = files(value)?,
            "branch" => self.branch = text()?,
            "revision" => self.revision = text()?,
            "category" => self.category = text()?,
            "codebase" => self.codebase = text()?,
            "repository" => self.repository = text()?.unwrap_or_default(),
            "project" => self.project = text()?.unwrap_or_default(),
            "revlink" => self.revlink = text()?.unwrap_or_default(),
            "when" | "when_timestamp" => self.when_timestamp = time(value)?,
            "properties" => self.properties = properties(value)?,
            "src" => self.src = text()?.filter(|text| !text.is_empty()),
            // Senders of another age.
            "links" | "isdir" => {}
            other => {
                let text =
                    format!("Change.addChange() got an unexpected keyword argument '{other}'");
                return Err(type_error(text));
            }
        }
        Ok(())
    }

    /// The argument of `addChange`, with the names and the order of stock senders.
    pub fn to_value(&self) -> Value {
        let files = self.files.iter().map(|file| Value::from(file.as_str())).collect();
        let properties = self.properties.iter();
        let properties = properties
            .map(|(name, value)| (Value::from(name.as_str()), from_common(value.clone())));
        let mut dict = vec![
            ("project", Value::from(self.project.as_str())),
            ("repository", Value::from(self.repository.as_str())),
            ("who", Value::from(self.author.as_deref())),
            ("files", Value::List(files)),
            ("comments", Value::from(self.comments.as_str())),
            ("branch", Value::from(self.branch.as_deref())),
            ("revision", Value::from(self.revision.as_deref())),
            ("category", Value::from(self.category.as_deref())),
            ("when", Value::from(self.when_timestamp)),
            ("properties", Value::Dict(properties.collect())),
            ("revlink", Value::from(self.revlink.as_str())),
            ("src", Value::from(self.src.as_deref())),
        ];
        if let Some(codebase) = &self.codebase {
            dict.push(("codebase", Value::from(codebase.as_str())));
        }
        if let Some(committer) = &self.committer {
            dict.push(("committer", Value::from(committer.as_str())));
        }
        Value::Dict(dict.into_iter().map(|(name, value)| (Value::from(name), value)).collect())
    }
}

/// Text, or a number, as revisions sometimes are.
fn text(key: &str, value: &Value) -> Result<Option<String>, Failure> {
    match value {
        Value::None | Value::Bool(false) => Ok(None),
        Value::Int(_) | Value::Big(_) => Ok(Some(value.display())),
        other => match other.text() {
            Some(text) => Ok(Some(text)),
            None => Err(type_error(format!("'{key}' of a change is text"))),
        },
    }
}

fn files(value: &Value) -> Result<Vec<String>, Failure> {
    if !value.truthy() {
        return Ok(Vec::new());
    }
    let files = value.items().ok_or_else(|| type_error("'files' of a change is a list"))?;
    let files: Option<Vec<String>> = files.iter().map(Value::text).collect();
    files.ok_or_else(|| type_error("'files' of a change is a list of texts"))
}

fn time(value: &Value) -> Result<Option<f64>, Failure> {
    match (value, value.number()) {
        (Value::None, _) => Ok(None),
        (_, Some(seconds)) if TIMES.contains(&seconds) => Ok(Some(seconds)),
        _ => Err(type_error("'when' of a change is a number of seconds since 1970")),
    }
}

fn properties(value: &Value) -> Result<Vec<(String, rmpv::Value)>, Failure> {
    if *value == Value::None {
        return Ok(Vec::new());
    }
    let wrong = || type_error("'properties' of a change is a dictionary with texts for keys");
    let pairs = value.pairs().ok_or_else(wrong)?.iter();
    let named = pairs.map(|(name, value)| Some((name.text()?, to_common(value.clone()))));
    named.collect::<Option<_>>().ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(bytes: &[u8]) -> Value {
        Value::Bytes(bytes.to_vec())
    }

    fn dict(pairs: &[(&str, Value)]) -> Value {
        Value::Dict(pairs.iter().map(|(key, value)| ((*key).into(), value.clone())).collect())
    }

    fn read(dictionary: &Value) -> Change {
        Change::from_value(dictionary).unwrap_or_else(|failure| panic!("{}", failure.summary()))
    }

    #[test]
    fn nothing_is_needed() {
        assert_eq!(read(&dict(&[])), Change::default());
        for nothing in [Value::None, "".into(), Value::Bool(false)] {
            for key in ["project", "repository", "revlink", "committer", "files", "src"] {
                assert_eq!(read(&dict(&[(key, nothing.clone())])), Change::default(), "{key}");
            }
        }
        for key in ["who", "comments", "branch", "revision", "category", "when", "properties"] {
            assert_eq!(read(&dict(&[(key, Value::None)])), Change::default(), "{key}");
        }
    }

    #[test]
    fn other_spellings() {
        let some = |text: &str| Some(text.to_owned());
        let files = Value::Tuple(vec![bytes(b"\xff"), "b".into()]);
        for (key, value, expected) in [
            ("author", "Joe".into(), Change { author: some("Joe"), ..Change::default() }),
            (
                "who",
                bytes(b"J\xffrgen"),
                Change { author: some("J\u{fffd}rgen"), ..Change::default() },
            ),
            ("revision", Value::Int(12), Change { revision: some("12"), ..Change::default() }),
            (
                "when_timestamp",
                Value::Int(7),
                Change { when_timestamp: Some(7.0), ..Change::default() },
            ),
            (
                "files",
                files,
                Change { files: vec!["\u{fffd}".into(), "b".into()], ..Change::default() },
            ),
        ] {
            assert_eq!(read(&dict(&[(key, value.clone())])), expected, "{key}");
            let from_python2 = Value::Dict(vec![(bytes(key.as_bytes()), value)]);
            assert_eq!(read(&from_python2), expected, "{key} as bytes");
        }
        for [first, second] in [["who", "author"], ["author", "who"]] {
            let change = read(&dict(&[(first, first.into()), (second, second.into())]));
            assert_eq!(change.author, some("who"));
        }
    }

    #[test]
    fn what_is_no_change() {
        let when = "'when' of a change is a number of seconds since 1970";
        let properties = "'properties' of a change is a dictionary with texts for keys";
        for (dictionary, expected) in [
            (
                dict(&[("author", "a".into()), ("bogus", Value::Int(1))]),
                "Change.addChange() got an unexpected keyword argument 'bogus'",
            ),
            (Value::List(vec![]), "a change is a dictionary"),
            (Value::Dict(vec![(Value::Int(1), Value::None)]), "keywords must be strings"),
            (dict(&[("comments", Value::List(vec![]))]), "'comments' of a change is text"),
            (dict(&[("files", "a.c".into())]), "'files' of a change is a list"),
            (
                dict(&[("files", Value::List(vec![Value::None]))]),
                "'files' of a change is a list of texts",
            ),
            (dict(&[("when", "now".into())]), when),
            (dict(&[("when", Value::Float(f64::NAN))]), when),
            (dict(&[("when", Value::Float(1e300))]), when),
            (dict(&[("properties", Value::List(vec![]))]), properties),
            (dict(&[("properties", Value::Dict(vec![(Value::Int(1), Value::None)]))]), properties),
        ] {
            let failure = Change::from_value(&dictionary).expect_err(expected);
            assert_eq!(failure.kind, "builtins.TypeError");
            assert_eq!(failure.value, expected);
        }
    }
}
