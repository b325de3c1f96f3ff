//! Reads the output of one `hg log` call that describes many changesets.
//!
//! Fields end in a NUL byte, which neither a message nor a path can hold. Bytes that are not UTF-8
//! are replaced by U+FFFD, so that they stay visible and never stop a poll.

use crate::model::Timestamp;

/// What [`parse`] reads, as hg's `--template`. A path holds no line feed in Mercurial.
pub const TEMPLATE: &str =
    "{node}\\0{date|hgdate}\\0{author}\\0{files % '{file}\\n'}\\0{desc|strip}\\0";

/// One changeset as hg tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changeset {
    /// The full hash.
    pub node: String,
    /// `None` when hg's text is not a number.
    pub committed_at: Option<Timestamp>,
    pub author: String,
    pub files: Vec<String>,
    pub message: String,
}

/// Reads the answer to [`TEMPLATE`]; the order stays.
///
/// # Errors
/// A message for people, when the output is cut off.
pub fn parse(output: &[u8]) -> Result<Vec<Changeset>, String> {
    let text = String::from_utf8_lossy(output);
    let Some(text) = text.strip_suffix('\0') else {
        return if text.is_empty() { Ok(Vec::new()) } else { Err(cut_off()) };
    };
    let fields: Vec<&str> = text.split('\0').collect();
    let chunks = fields.chunks_exact(5);
    if !chunks.remainder().is_empty() {
        return Err(cut_off());
    }
    let changeset = |fields: &[&str]| Changeset {
        node: fields[0].to_owned(),
        committed_at: seconds(fields[1]),
        author: fields[2].trim().to_owned(),
        files: fields[3].lines().map(str::to_owned).collect(),
        message: fields[4].trim().to_owned(),
    };
    Ok(chunks.map(changeset).collect())
}

fn cut_off() -> String {
    "hg's answer is cut off".to_owned()
}

/// `1700000000 -3600`; hg may tell fractions.
fn seconds(date: &str) -> Option<Timestamp> {
    let seconds: f64 = date.split(' ').next()?.parse().ok()?;
    Some(seconds.floor() as Timestamp)
}

/// A name in a revset that stands for itself.
pub fn literal(name: &str) -> String {
    let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"literal:{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changesets_are_read_in_order() {
        let output = b"aa\x001700000000 -3600\0Ann <a@b>\0a b\n\xc3\xa9\n\0first\nline two\0\
                       bb\0odd\0J\xfcrgen\0\0\0";
        let found = parse(output).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].files, ["a b", "é"]);
        assert_eq!(found[0].message, "first\nline two");
        assert_eq!(found[0].committed_at, Some(1_700_000_000));
        assert_eq!(found[1].author, "J\u{fffd}rgen");
        assert_eq!((found[1].committed_at, found[1].files.len()), (None, 0));
    }

    #[test]
    fn half_an_answer_is_none() {
        assert_eq!(parse(b""), Ok(Vec::new()));
        for cut in [&b"aa\x001700"[..], b"aa\x001700000000 0\0Ann\0"] {
            assert!(parse(cut).is_err());
        }
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(literal("a \"b\"\\"), "\"literal:a \\\"b\\\"\\\\\"");
    }
}
