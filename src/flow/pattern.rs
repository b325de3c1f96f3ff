//! Regular expressions and shell patterns that compare by what the user wrote.

use globset::{GlobBuilder, GlobMatcher};
use regex::Regex;

/// A regular expression that must match from the beginning, like Python's `re.match`.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
}

impl Pattern {
    /// # Errors
    /// A message that quotes the expression.
    pub fn new(source: &str) -> Result<Pattern, String> {
        match Regex::new(&format!("^(?:{source})")) {
            Ok(regex) => Ok(Pattern { source: source.to_owned(), regex }),
            Err(error) => {
                // The parser's message draws the expression over several lines; the last one says why.
                let error = error.to_string();
                let reason = error.lines().last().unwrap_or_default();
                let reason = reason.strip_prefix("error: ").unwrap_or(reason);
                Err(format!("'{source}' is not a regular expression: {reason}"))
            }
        }
    }

    /// Does `text` match from its beginning, as `re.match` has it?
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn regex(&self) -> &Regex {
        &self.regex
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.source == other.source
    }
}

/// A shell pattern for paths: `*` and `**` cross directories, as in Python's `fnmatch`.
#[derive(Debug, Clone)]
pub struct Shell {
    source: String,
    matcher: GlobMatcher,
}

impl Shell {
    /// # Errors
    /// A message that quotes the pattern.
    pub fn new(source: &str) -> Result<Shell, String> {
        let glob = GlobBuilder::new(source).literal_separator(false).build();
        let glob =
            glob.map_err(|error| format!("'{source}' is not a shell pattern: {}", error.kind()))?;
        Ok(Shell { source: source.to_owned(), matcher: glob.compile_matcher() })
    }

    /// Does the whole of `path` match?
    pub fn matches(&self, path: &str) -> bool {
        self.matcher.is_match(path)
    }

    pub fn source(&self) -> &str {
        &self.source
    }
}

impl PartialEq for Shell {
    fn eq(&self, other: &Shell) -> bool {
        self.source == other.source
    }
}
