//! Regular expressions and shell patterns that compare by what the user wrote.

use globset::{GlobBuilder, GlobMatcher};
use regex::{Captures, Regex};

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

/// A text with references to what a pattern has matched, as Python's `expand` reads it: `\1`,
/// `\g<1>`, `\g<name>`, and `\\` for a backslash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternTemplate {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Number(usize),
    Name(String),
}

impl PatternTemplate {
    /// # Errors
    /// A message for people, when one of `patterns` does not have a group that is referred to.
    pub fn new(source: &str, patterns: &[Pattern]) -> Result<PatternTemplate, String> {
        let mut pieces = Vec::new();
        let mut rest = source;
        while let Some(at) = rest.find('\\') {
            pieces.push(Piece::Text(rest[..at].to_owned()));
            let (piece, after) = reference(&rest[at + 1..])
                .ok_or_else(|| format!("'{source}' has a backslash that refers to no group"))?;
            pieces.push(piece);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        for pattern in patterns {
            let names: Vec<&str> = pattern.regex.capture_names().flatten().collect();
            let missing = pieces.iter().find_map(|piece| match piece {
                Piece::Number(number) if *number >= pattern.regex.captures_len() => {
                    Some(number.to_string())
                }
                Piece::Name(name) if !names.contains(&name.as_str()) => Some(name.clone()),
                _ => None,
            });
            if let Some(missing) = missing {
                return Err(format!("'{}' has no group '{missing}'", pattern.source));
            }
        }
        Ok(PatternTemplate { source: source.to_owned(), pieces })
    }

    /// A text without references.
    pub fn literal(text: &str) -> PatternTemplate {
        PatternTemplate { source: text.to_owned(), pieces: vec![Piece::Text(text.to_owned())] }
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text with what was matched; a group that took no part is empty.
    pub fn expand(&self, found: &Captures<'_>) -> String {
        let group = |group: Option<regex::Match<'_>>| {
            group.map(|group| group.as_str().to_owned()).unwrap_or_default()
        };
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Number(number) => group(found.get(*number)),
            Piece::Name(name) => group(found.name(name)),
        });
        pieces.collect()
    }
}

/// What stands behind a backslash, and what follows it.
fn reference(text: &str) -> Option<(Piece, &str)> {
    if let Some(rest) = text.strip_prefix('\\') {
        return Some((Piece::Text("\\".to_owned()), rest));
    }
    if let Some(rest) = text.strip_prefix("g<") {
        let (name, after) = rest.split_once('>')?;
        let number = name.parse().ok().map(Piece::Number);
        return Some((number.unwrap_or_else(|| Piece::Name(name.to_owned())), after));
    }
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    Some((Piece::Number(text[..digits].parse().ok()?), &text[digits..]))
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
