//! Readers and checks that several sections share.

use globset::Glob;
use indexmap::IndexSet;
use serde_json::Value;

use super::fields::Fields;
use super::raw::RawValue;
use crate::model::Properties;

/// Longest name of a property: the column's width.
const PROPERTY_NAME_LENGTH: usize = 256;

/// A table of properties, each with `source`.
pub fn properties(fields: &mut Fields<'_>, key: &'static str, source: &str) -> Properties {
    let mut properties = Properties::new();
    let Some(raw) = fields.take(key) else { return properties };
    let table = match &raw.value {
        RawValue::Table(table) => table,
        RawValue::Null => return properties,
        _ => {
            let message = format!("must be a table of properties, not {}", raw.kind());
            fields.problem_at(key, &raw.place, message);
            return properties;
        }
    };
    for (name, value) in table {
        if name.is_empty() || name.chars().count() > PROPERTY_NAME_LENGTH {
            let message =
                format!("property names have 1 to {PROPERTY_NAME_LENGTH} characters: '{name}'");
            fields.problem_at(key, &value.place, message);
        }
        properties.set(name, value.to_json(), source);
    }
    properties
}

/// Stock's identifier: letters, digits, `_`, `-` and everything beyond ASCII; no digit first.
pub fn is_identifier(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '-' || c >= '\u{a0}';
    name.chars().next().is_some_and(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// Complains about what is no [identifier](is_identifier).
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
pub fn identifier(name: &String) -> Option<String> {
    (!is_identifier(name)).then(|| {
        format!(
            "'{name}' may hold letters, digits, '_' and '-' only and must not begin with a digit"
        )
    })
}

/// Complains about an empty text.
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
pub fn non_empty(text: &String) -> Option<String> {
    text.is_empty().then(|| "must not be empty".to_owned())
}

/// Complains about another format of a description than stock has.
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
pub fn wrong_format(format: &String) -> Option<String> {
    (format != "markdown").then(|| format!("is '{format}' and can only be 'markdown'"))
}

/// Complains about the first of `patterns` that is not a shell pattern.
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
pub fn shell_patterns(patterns: &Vec<String>) -> Option<String> {
    patterns.iter().find_map(|pattern| {
        let error = Glob::new(pattern).err()?;
        Some(format!("'{pattern}' is not a shell pattern: {}", error.kind()))
    })
}

/// The names without repetitions: one builder or worker named twice is meant once.
pub fn distinct(names: Vec<String>) -> Vec<String> {
    names.into_iter().collect::<IndexSet<_>>().into_iter().collect()
}

/// Replaces what is unsafe in a directory name by `_`, as stock does for build directories.
pub fn safe_directory(name: &str) -> String {
    const UNSAFE: &str = "\t !#$%&'()*+,./:;<=>?@[\\]^{|}~";
    name.chars().map(|c| if UNSAFE.contains(c) { '_' } else { c }).collect()
}

/// A directory name for any poller's name, which is usually a URL; without user and password.
pub fn directory(name: &str) -> String {
    let (scheme, rest) = name.split_once("://").unwrap_or(("", name));
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    match host.rsplit_once('@') {
        Some((_, host)) if !scheme.is_empty() => {
            safe_directory(&format!("{scheme}://{host}/{path}"))
        }
        _ => safe_directory(name),
    }
}

/// Reads an encoding of which only UTF-8 is served.
pub fn utf8_only(fields: &mut Fields<'_>, key: &'static str) {
    fields.optional_checked(key, |encoding: &String| {
        let utf8 = ["utf-8", "utf8"].contains(&encoding.to_lowercase().as_str());
        (!utf8).then(|| "other encodings than utf-8 are not supported yet".to_owned())
    });
}

/// What kind of JSON value this is, for messages.
pub fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// Reads an `auth` of user name and password.
pub fn login(fields: &mut Fields<'_>, key: &'static str) -> Option<(String, String)> {
    let pair = fields.optional_checked(key, |pair: &Vec<String>| {
        (pair.len() != 2).then(|| "must be a user name and a password".to_owned())
    })?;
    let [user, password] = <[String; 2]>::try_from(pair).ok()?;
    Some((user, password))
}

/// Complains about what is no address of a web server.
#[allow(clippy::ptr_arg, reason = "a check takes the very type that is read")]
pub fn web_address(url: &String) -> Option<String> {
    let web = url.starts_with("http://") || url.starts_with("https://");
    (!web).then(|| "must begin with http:// or https://".to_owned())
}

#[cfg(test)]
mod tests {
    use super::directory;

    #[test]
    fn directories_hold_no_password() {
        for (name, expected) in [
            ("https://me:hunter2@example.org/a.git", "https___example_org_a_git"),
            ("git@example.org:a.git", "git_example_org_a_git"),
            ("/srv/git/a.git", "_srv_git_a_git"),
            ("nightly builds", "nightly_builds"),
        ] {
            assert_eq!(directory(name), expected);
        }
    }
}
