//! Warnings that do not count.

use regex::Regex;

use super::search;
use crate::config::fields::Fields;
use crate::config::raw::{Raw, RawValue};
use crate::flow::pattern::Pattern;

/// A rule; what is `None` holds for every warning.
#[derive(Debug, Clone)]
pub struct Suppression {
    /// Must match from the beginning of the file's path.
    file: Option<Pattern>,
    /// Must match anywhere in the warning's text.
    text: Option<Regex>,
    /// First and last line.
    lines: Option<(i64, i64)>,
}

/// A warning, as far as the extractor finds its parts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Warning<'l> {
    pub file: Option<String>,
    pub line: Option<i64>,
    pub text: &'l str,
}

impl Suppression {
    fn new(file: Option<&str>, text: Option<&str>) -> Result<Suppression, String> {
        let (file, text) = (file.map(Pattern::new), text.map(search));
        Ok(Suppression { file: file.transpose()?, text: text.transpose()?, lines: None })
    }

    /// Does the rule hold for this warning? Without a known file every file will do.
    pub fn covers(&self, warning: &Warning<'_>) -> bool {
        let file = match (&warning.file, &self.file) {
            (Some(file), Some(pattern)) => pattern.matches(file),
            _ => true,
        };
        let text = self.text.as_ref().is_none_or(|pattern| pattern.is_match(warning.text));
        let line = self.lines.is_none_or(|(first, last)| {
            warning.line.is_some_and(|line| (first..=last).contains(&line))
        });
        file && text && line
    }
}

/// `suppressionList`: lists of file expression, text expression, first and last line; what is
/// `false` or not there holds for all.
pub fn list(fields: &mut Fields<'_>) -> Vec<Suppression> {
    let Some(raw) = fields.take("suppressionList") else { return Vec::new() };
    let (path, problems) = fields.nested("suppressionList");
    let RawValue::List(items) = &raw.value else {
        problems.add(&raw.place, path, format!("must be a list of lists, not {}", raw.kind()));
        return Vec::new();
    };
    let mut suppressions = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match of_list(item) {
            Ok(suppression) => suppressions.push(suppression),
            Err(message) => problems.add(&item.place, format!("{path}[{index}]"), message),
        }
    }
    suppressions
}

fn of_list(raw: &Raw) -> Result<Suppression, String> {
    let RawValue::List(items) = &raw.value else {
        return Err("must be a list: file, warning, first line, last line".to_owned());
    };
    if items.len() > 4 {
        return Err(format!("must have at most four parts, and has {}", items.len()));
    }
    let part = |index: usize| match items.get(index).map(|item| &item.value) {
        None | Some(RawValue::Null | RawValue::Bool(false)) => None,
        Some(value) => Some(value),
    };
    let text = |index: usize| match part(index) {
        None => Ok(None),
        Some(RawValue::Text(text)) => Ok(Some(text.as_str())),
        Some(_) => Err("file and warning must be regular expressions or false".to_owned()),
    };
    let number = |index: usize| match part(index) {
        None => Ok(None),
        Some(RawValue::Int(line)) => Ok(Some(*line)),
        Some(_) => Err("first and last line must be whole numbers".to_owned()),
    };
    let lines = number(2)?.zip(number(3)?);
    Ok(Suppression { lines, ..Suppression::new(text(0)?, text(1)?)? })
}

/// What a suppression file says: `FILE : WARNING`, or `FILE : WARNING : FIRST-LAST`. Empty lines and
/// those that begin with `#` do not count, nor does what has another form.
///
/// # Errors
/// A message with the line's number when an expression is wrong.
pub fn of_file(text: &str) -> Result<Vec<Suppression>, String> {
    let form = r"^\s*(.+?)\s*:\s*(.+?)\s*(?:[:]\s*([0-9]+)(?:-([0-9]+))?\s*)?$";
    let form = Regex::new(form).map_err(|error| error.to_string())?;
    let mut suppressions = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with('#') {
            continue;
        }
        let Some(found) = form.captures(line) else { continue };
        let part = |group: usize| found.get(group).map(|part| part.as_str());
        let line = |group: usize| part(group).and_then(|line| line.parse::<i64>().ok());
        let lines = line(3).map(|first| (first, line(4).unwrap_or(first)));
        let suppression = Suppression::new(part(1), part(2))
            .map_err(|message| format!("suppressionFile, line {number}: {message}"))?;
        suppressions.push(Suppression { lines, ..suppression });
    }
    Ok(suppressions)
}
