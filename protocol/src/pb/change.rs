//! A change as `buildbot sendchange` and commit hooks send it: the argument of `addChange`.

use super::value::{from_common, to_common};
use crate::broker::type_error;
use crate::jelly::{Failure, Value};

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
    /// Unix seconds. Old senders call it `when`.
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
        for (key, value) in pairs {
            let key = key.text().ok_or_else(|| type_error("keywords must be strings"))?;
            change.set(&key, value)?;
        }
        Ok(change)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), Failure> {
        let text = || Some(value).filter(|value| **value != Value::None).map(Value::display);
        match key {
            "who" | "author" => self.author = text(),
            "committer" => self.committer = text().filter(|text| !text.is_empty()),
            "comments" => self.comments = text().unwrap_or_default(),
            "files" => self.files = files(value)?,
            "branch" => self.branch = text(),
            "revision" => self.revision = text(),
            "category" => self.category = text(),
            "codebase" => self.codebase = text(),
            "repository" => self.repository = text().unwrap_or_default(),
            "project" => self.project = text().unwrap_or_default(),
            "revlink" => self.revlink = text().unwrap_or_default(),
            "when" | "when_timestamp" => self.when_timestamp = value.number(),
            "properties" => self.properties = properties(value),
            "src" => self.src = text().filter(|text| !text.is_empty()),
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

fn files(value: &Value) -> Result<Vec<String>, Failure> {
    match value {
        falsy if !falsy.truthy() => Ok(Vec::new()),
        value => match value.items() {
            Some(files) => Ok(files.iter().map(Value::display).collect()),
            None => Err(type_error("the files of a change are a list")),
        },
    }
}

fn properties(value: &Value) -> Vec<(String, rmpv::Value)> {
    let pairs = value.pairs().unwrap_or_default();
    pairs.iter().map(|(name, value)| (name.display(), to_common(value.clone()))).collect()
}
