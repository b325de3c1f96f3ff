//! Reads the output of one `git log` call that describes many commits.
//!
//! Every field ends in a NUL byte, which neither a message nor a path can hold; bytes that are not
//! UTF-8 are replaced by U+FFFD, so that they stay visible and never stop a poll.

use crate::model::Timestamp;

/// What [`parse`] reads, as options of `git log`; the commits' ids go to its standard input.
///
/// A merge lists what it brought to its first parent. Settings of the user's own that would change
/// the output are overruled.
pub const LOG: [&str; 9] = [
    "log",
    "--stdin",
    "--no-walk=unsorted",
    "--encoding=UTF-8",
    "--no-show-signature",
    "--no-color",
    "--no-notes",
    "-z",
    "--format=%x00%H%x00%ct%x00%aN <%aE>%x00%cN <%cE>%x00%s%n%b%x00",
];

/// Further options of [`LOG`] that list the files of each commit.
pub const WITH_FILES: [&str; 4] = ["--name-only", "--no-ext-diff", "-m", "--first-parent"];

/// One commit as git tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The full hash.
    pub revision: String,
    /// The committer's date; `None` when git's text is not a number.
    pub committed_at: Option<Timestamp>,
    /// `Name <mail>`
    pub author: String,
    /// `Name <mail>`
    pub committer: String,
    /// Subject, line feed, body; without white space at the end.
    pub message: String,
    pub files: Vec<String>,
}

/// The output does not have the form that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("git's answer cannot be read: {what} at byte {at}")]
pub struct GitLogError {
    what: &'static str,
    at: usize,
}

/// Reads the answer to [`LOG`], with or without [`WITH_FILES`]; the order stays.
///
/// # Errors
/// When the output is cut off or was not made by these options.
pub fn parse(output: &[u8]) -> Result<Vec<Commit>, GitLogError> {
    let mut reader = Reader { output, at: 0 };
    let mut commits = Vec::new();
    while !reader.is_at_end() {
        commits.push(reader.commit()?);
    }
    Ok(commits)
}

struct Reader<'a> {
    output: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn is_at_end(&self) -> bool {
        self.at >= self.output.len()
    }

    fn commit(&mut self) -> Result<Commit, GitLogError> {
        self.nul("a commit does not begin with NUL")?;
        let revision = self.text()?;
        let committed_at = self.text()?.parse().ok();
        let author = self.text()?;
        let committer = self.text()?;
        let message = self.text()?.trim_end().to_owned();
        // The end of the commit's own text; the files follow.
        self.nul("a message does not end in NUL")?;
        let mut files = Vec::new();
        while !self.is_at_end() && self.output[self.at] != 0 {
            if files.is_empty() && self.output[self.at] == b'\n' {
                self.at += 1;
            }
            files.push(self.text()?);
        }
        Ok(Commit { revision, committed_at, author, committer, message, files })
    }

    fn nul(&mut self, what: &'static str) -> Result<(), GitLogError> {
        if self.output.get(self.at) != Some(&0) {
            return Err(GitLogError { what, at: self.at });
        }
        self.at += 1;
        Ok(())
    }

    /// The text up to the next NUL.
    fn text(&mut self) -> Result<String, GitLogError> {
        let rest = &self.output[self.at..];
        let Some(length) = rest.iter().position(|byte| *byte == 0) else {
            return Err(GitLogError { what: "a field does not end", at: self.at });
        };
        self.at += length + 1;
        Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(revision: &str, message: &str, files: &[&str]) -> Commit {
        Commit {
            revision: revision.into(),
            committed_at: Some(1700000000),
            author: "Ann <ann@example.org>".into(),
            committer: "Bob <bob@example.org>".into(),
            message: message.into(),
            files: files.iter().map(|file| (*file).to_owned()).collect(),
        }
    }

    const HEAD: &str = "1700000000\0Ann <ann@example.org>\0Bob <bob@example.org>\0";

    #[test]
    fn commits_with_and_without_files() {
        let output = format!(
            "\0aaa\0{HEAD}first\nbody\nmore\n\0\0\nsrc/a.rs\0b ü\0\0bbb\0{HEAD}empty\n\0\0\0ccc\0{HEAD}\n\0\0\nlast\0"
        );
        let expected = [
            commit("aaa", "first\nbody\nmore", &["src/a.rs", "b ü"]),
            commit("bbb", "empty", &[]),
            commit("ccc", "", &["last"]),
        ];
        assert_eq!(parse(output.as_bytes()).unwrap(), expected);
        assert_eq!(parse(b"").unwrap(), []);
    }

    #[test]
    fn bytes_that_are_not_utf8_stay_visible() {
        let output =
            b"\0aaa\x001700000000\0J\xfcrgen <j@x>\0J <j@x>\0gr\xfc\xdfe\n\0\0\n\xff.txt\0";
        let commits = parse(output).unwrap();
        assert_eq!(commits[0].author, "J\u{fffd}rgen <j@x>");
        assert_eq!(commits[0].message, "gr\u{fffd}\u{fffd}e");
        assert_eq!(commits[0].files, ["\u{fffd}.txt"]);
    }

    #[test]
    fn what_is_cut_off_or_foreign_is_refused() {
        let whole = format!("\0aaa\0{HEAD}subject\n\0\0\nfile\0");
        for length in 1..whole.len() {
            // A cut right behind the message cannot be told from a commit without files.
            let cut_is_whole = whole[..length].ends_with("subject\n\0\0");
            assert_eq!(parse(&whole.as_bytes()[..length]).is_ok(), cut_is_whole, "{length}");
        }
        assert!(parse(b"fatal: no").is_err());
    }

    #[test]
    fn a_date_out_of_range_is_none() {
        let output = [&b"\0aaa\0"[..], b"99999999999999999999\0a\0b\0c\0\0"].concat();
        assert_eq!(parse(&output).unwrap()[0].committed_at, None);
    }
}
