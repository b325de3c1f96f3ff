//! Buildbot's hash columns: the key by which rows with long names are found.

use sha1::{Digest, Sha1};

use crate::model::{NewSourceStamp, PatchId};

/// Lower-case hex SHA-1 over the parts joined with NUL; `None` stands as the byte F5.
fn hash(parts: &[Option<&str>]) -> String {
    let mut sha = Sha1::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            sha.update([0]);
        }
        match part {
            Some(text) => sha.update(text.as_bytes()),
            None => sha.update([0xF5]),
        }
    }
    hex(&sha.finalize())
}

/// `name_hash` of masters, builders, schedulers, change sources and tags.
pub(super) fn name_hash(name: &str) -> String {
    hash(&[Some(name)])
}

/// `sourcestamps.ss_hash`.
pub(super) fn sourcestamp_hash(stamp: &NewSourceStamp, patch: Option<PatchId>) -> String {
    let patch = patch.map(|id| id.to_string());
    hash(&[
        stamp.branch.as_deref(),
        stamp.revision.as_deref(),
        Some(&stamp.repository),
        Some(&stamp.project),
        Some(&stamp.codebase),
        patch.as_deref(),
    ])
}

/// Shortens `text` to `keep` characters and its SHA-1 when it is longer than `limit` characters.
pub(super) fn shorten(text: &str, limit: usize, keep: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let head: String = text.chars().take(keep).collect();
    head + &hash(&[Some(text)])
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_stock() {
        assert_eq!(name_hash("tryu"), "e6d59ac36d24c170eec6a869d2756a7c595b67de");
        assert_eq!(
            sourcestamp_hash(&NewSourceStamp::default(), None),
            "835fccf6db3694afb48c380997024542c0bc162d"
        );
        let stamp = NewSourceStamp {
            revision: Some("42".into()),
            repository: "https://example.org/b.git".into(),
            codebase: "cbB".into(),
            ..NewSourceStamp::default()
        };
        assert_eq!(sourcestamp_hash(&stamp, None), "094e2774348d096afbed10cfe1ae56ec8d83a9f7");
        let patched = NewSourceStamp {
            branch: Some("main".into()),
            revision: Some("c".repeat(40)),
            repository: "https://example.org/t.git".into(),
            ..NewSourceStamp::default()
        };
        assert_eq!(
            sourcestamp_hash(&patched, Some(PatchId(2))),
            "5e90e7d0ac9486ace1319a617f3bf67329a3db15"
        );
    }

    #[test]
    fn long_names_end_in_their_hash() {
        assert_eq!(shorten("short", 128, 64), "short");
        let long = "x".repeat(129);
        let short = shorten(&long, 128, 64);
        assert_eq!(short.len(), 104);
        assert!(short.ends_with(&name_hash(&long)));
    }
}
