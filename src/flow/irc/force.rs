//! `force build …`: the options, and what may stand in them.

use std::sync::LazyLock;

use regex::Regex;

/// A build that somebody wants by chat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForceOptions {
    pub builder: String,
    pub codebase: String,
    /// `None` is the default branch of the builder's source steps.
    pub branch: Option<String>,
    /// `None` is the newest.
    pub revision: Option<String>,
    pub project: String,
    pub reason: String,
    pub properties: Vec<(String, String)>,
}

/// Stock's rule for branches and revisions, and for names and values of properties.
static BRANCH: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\w.+/~-]*$").ok());
static REVISION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[ \w.\-/]*$").ok());
static PROPERTY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\w.\-/~:]*$").ok());

impl ForceOptions {
    /// Reads the words after `force build`: options first, then the builder and the reason.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub fn parse(words: &[String]) -> Result<ForceOptions, String> {
        let mut options = ForceOptions::default();
        let mut reason = None;
        let mut words = words.iter();
        let mut rest: Vec<&String> = Vec::new();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix("--") else {
                rest.push(word);
                rest.extend(words);
                break;
            };
            let (key, value) = match option.split_once('=') {
                Some((key, value)) => (key, value),
                None => (option, words.next().map(String::as_str).unwrap_or_default()),
            };
            match key {
                "builder" => value.clone_into(&mut options.builder),
                "codebase" => value.clone_into(&mut options.codebase),
                "branch" => options.branch = Some(checked("branch", value, &BRANCH)?),
                "revision" => options.revision = Some(checked("revision", value, &REVISION)?),
                "project" => value.clone_into(&mut options.project),
                "reason" => reason = Some(value.to_owned()),
                "props" | "properties" => options.properties.extend(properties(value)?),
                other => return Err(format!("there is no option '--{other}'")),
            }
        }
        options.name(rest, reason)?;
        Ok(options)
    }

    fn name(&mut self, rest: Vec<&String>, reason: Option<String>) -> Result<(), String> {
        let mut rest = rest.into_iter();
        if let Some(builder) = rest.next() {
            if !self.builder.is_empty() {
                return Err("the builder is given twice".to_owned());
            }
            self.builder.clone_from(builder);
        }
        let words: Vec<&str> = rest.map(String::as_str).collect();
        self.reason = match (reason, words.is_empty()) {
            (Some(_), false) => return Err("the reason is given twice".to_owned()),
            (Some(reason), true) => reason,
            (None, _) => words.join(" "),
        };
        match self.builder.is_empty() {
            true => Err("which builder?".to_owned()),
            false => Ok(()),
        }
    }
}

/// `a=1,b=2`.
fn properties(text: &str) -> Result<Vec<(String, String)>, String> {
    text.split(',')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("the property '{pair}' has no value; write NAME=VALUE"))?;
            let name = checked("name of a property", name, &PROPERTY)?;
            Ok((name, checked("value of a property", value, &PROPERTY)?))
        })
        .collect()
}

fn checked(what: &str, value: &str, rule: &Option<Regex>) -> Result<String, String> {
    match rule.as_ref().is_some_and(|rule| rule.is_match(value)) {
        true => Ok(value.to_owned()),
        false => Err(format!("'{value}' cannot be the {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::irc::request::words;

    fn parse(text: &str) -> Result<ForceOptions, String> {
        ForceOptions::parse(&words(text).unwrap())
    }

    #[test]
    fn options_are_read_as_by_stock() {
        assert_eq!(parse("runtests").unwrap().builder, "runtests");
        let full = parse(
            "--codebase=lib --branch=topic/x --revision abc --project=p --props=a=1,b=x:y \
             runtests because --it 'is late'",
        );
        let expected = ForceOptions {
            builder: "runtests".into(),
            codebase: "lib".into(),
            branch: Some("topic/x".into()),
            revision: Some("abc".into()),
            project: "p".into(),
            reason: "because --it is late".into(),
            properties: vec![("a".into(), "1".into()), ("b".into(), "x:y".into())],
        };
        assert_eq!(full.unwrap(), expected);
        assert_eq!(parse("--builder=b --reason='it is late'").unwrap().reason, "it is late");
    }

    #[test]
    fn mistakes_are_told() {
        let table = [
            ("", "which builder?"),
            ("--branch=a", "which builder?"),
            ("--builder=a b", "the builder is given twice"),
            ("--reason=a b c", "the reason is given twice"),
            ("--nonsense=1 b", "there is no option '--nonsense'"),
            ("--branch='a b' b", "'a b' cannot be the branch"),
            ("--branch='$(rm)' b", "'$(rm)' cannot be the branch"),
            ("--revision='a;b' b", "'a;b' cannot be the revision"),
            ("--props=a b", "the property 'a' has no value; write NAME=VALUE"),
            ("--props='a=b c' b", "'b c' cannot be the value of a property"),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
    }
}
