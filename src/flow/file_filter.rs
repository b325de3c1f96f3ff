//! Is a change important?

use super::change_facts::stored_facts;
use super::change_filter::read_expression;
use super::expression::Expression;
use super::pattern::{Pattern, Shell};
use crate::config::fields::Fields;
use crate::config::problems::Problems;
use crate::config::raw::{Raw, RawValue};
use crate::model::Change;

/// `fileIsImportant` as patterns: a change is important when one of its files is included and not
/// excluded, and the expression, if there is one, is true. Empty finds every change important.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileFilter {
    include: Vec<FilePattern>,
    exclude: Vec<FilePattern>,
    /// Where stock takes a callable.
    expression: Option<Expression>,
}

#[derive(Debug, Clone, PartialEq)]
enum FilePattern {
    Shell(Shell),
    Regex(Pattern),
}

impl FileFilter {
    /// Reads `fileIsImportant`: a shell pattern, a list of them, or a table of `include`,
    /// `exclude` (shell patterns), `include_re` and `exclude_re` (regular expressions), and `filter`
    /// (an expression over the change).
    pub fn parse(raw: &Raw, path: &str, problems: &mut Problems) -> FileFilter {
        let mut filter = FileFilter::default();
        if !matches!(raw.value, RawValue::Table(_)) {
            match FilePattern::list(raw, false) {
                Ok(patterns) => filter.include = patterns,
                Err(message) => problems.add(&raw.place, path, message),
            }
            return filter;
        }
        let mut fields = Fields::of(raw, path, problems);
        for (key, regex) in
            [("include", false), ("include_re", true), ("exclude", false), ("exclude_re", true)]
        {
            let Some(raw) = fields.take(key) else { continue };
            match FilePattern::list(&raw, regex) {
                Ok(patterns) if key.starts_with("include") => filter.include.extend(patterns),
                Ok(patterns) => filter.exclude.extend(patterns),
                Err(message) => fields.problem_at(key, &raw.place, message),
            }
        }
        filter.expression = read_expression(&mut fields, "filter");
        fields.finish();
        filter
    }

    /// Does one of its files count?
    pub fn is_important(&self, change: &Change) -> bool {
        self.why_not(change).is_none()
    }

    /// Why no file of the change counts; `None` when the change is important. An expression that
    /// cannot be evaluated finds it unimportant.
    pub fn why_not(&self, change: &Change) -> Option<String> {
        self.no_file(change).or_else(|| {
            let expression = self.expression.as_ref()?;
            match expression.holds(&stored_facts(change)) {
                Ok(true) => None,
                Ok(false) => Some(format!("'{}' is not true", expression.source())),
                Err(error) => Some(error),
            }
        })
    }

    fn no_file(&self, change: &Change) -> Option<String> {
        if self.include.is_empty() && self.exclude.is_empty() {
            return None;
        }
        let included =
            |file: &str| self.include.is_empty() || self.include.iter().any(|p| p.matches(file));
        let excluded = |file: &str| self.exclude.iter().any(|p| p.matches(file));
        if change.files.iter().any(|file| included(file) && !excluded(file)) {
            return None;
        }
        Some(match change.files.as_slice() {
            [] => "the change names no files".to_owned(),
            [file] => format!("its only file '{file}' is not important"),
            files => format!("none of its {} files is important", files.len()),
        })
    }
}

impl FilePattern {
    fn list(raw: &Raw, regex: bool) -> Result<Vec<FilePattern>, String> {
        let items = match &raw.value {
            RawValue::List(items) => items.iter().collect(),
            _ => vec![raw],
        };
        let one = |raw: &Raw| match &raw.value {
            RawValue::Text(text) if regex => Pattern::new(text).map(FilePattern::Regex),
            RawValue::Text(text) => Shell::new(text).map(FilePattern::Shell),
            _ => Err(format!("must be a pattern or a list of patterns, not {}", raw.kind())),
        };
        items.into_iter().map(one).collect()
    }

    fn matches(&self, file: &str) -> bool {
        match self {
            FilePattern::Shell(shell) => shell.matches(file),
            FilePattern::Regex(pattern) => pattern.matches(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{ChangeId, Properties, SourceStamp, SourceStampId};

    fn change(files: &[&str]) -> Change {
        let stamp = SourceStamp {
            id: SourceStampId(1),
            branch: None,
            revision: None,
            repository: "git://r".into(),
            project: "p".into(),
            codebase: String::new(),
            created_at: 0,
            patch: None,
        };
        Change {
            id: ChangeId(1),
            author: "a".into(),
            committer: None,
            comments: String::new(),
            files: files.iter().map(|f| (*f).to_owned()).collect(),
            branch: None,
            revision: None,
            revlink: None,
            when_timestamp: 0,
            category: None,
            repository: "git://r".into(),
            project: "p".into(),
            codebase: String::new(),
            properties: Properties::new(),
            sourcestamp: stamp,
            parent: None,
        }
    }

    #[test]
    fn files_decide_importance() {
        let cases = [
            (json!("src/*"), vec!["src/a/b.rs"], true),
            (json!(["*.md"]), vec!["src/a.rs"], false),
            (json!({"exclude": ["docs/*", "*.md"]}), vec!["README.md", "docs/x"], false),
            (json!({"exclude": ["docs/*"]}), vec!["docs/x", "Makefile"], true),
            (
                json!({"include_re": "src/.*\\.c$", "exclude": "src/gen/*"}),
                vec!["src/gen/a.c"],
                false,
            ),
            (json!({"include_re": "src/.*\\.c$"}), vec!["a.c", "src/a.c"], true),
            (json!({}), vec![], true),
            (json!({"filter": "'a.c' in files"}), vec!["a.c"], true),
            (json!({"filter": "'a.c' in files"}), vec!["b.c"], false),
            (json!({"include": "*.c", "filter": "author == 'bot'"}), vec!["a.c"], false),
        ];
        for (value, files, expected) in cases {
            let mut problems = Problems::new();
            let filter =
                FileFilter::parse(&Raw::from_json(value.clone()), "fileIsImportant", &mut problems);
            assert!(problems.is_empty(), "{problems}");
            assert_eq!(filter.is_important(&change(&files)), expected, "{value}");
        }
    }
}
