//! The file in which a master leaves the outcome of a reconfiguration for the command that asked.
//!
//! A signal carries no answer. The master therefore replaces `reconfig.result` after each
//! reconfiguration; the time at which it *began* tells a command whether it is the answer to its
//! own signal.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The file's name.
const FILE: &str = "reconfig.result";

/// How a reconfiguration ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// When it began; see [`timestamp`].
    pub began: u128,
    pub good: bool,
    /// What changed, or everything that is wrong.
    pub text: String,
}

/// Nanoseconds since 1970, fine enough to tell two reconfigurations apart.
pub fn timestamp() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

impl Outcome {
    /// Puts the outcome into the base directory, whole or not at all. Blocks.
    pub fn write(&self, basedir: &Path) -> io::Result<()> {
        let new = basedir.join(format!("{FILE}.new"));
        let verdict = if self.good { "good" } else { "bad" };
        std::fs::write(&new, format!("{} {verdict}\n{}", self.began, self.text))?;
        std::fs::rename(new, basedir.join(FILE))
    }

    /// The last outcome, if it belongs to a reconfiguration that began at `since` or later.
    pub fn read(basedir: &Path, since: u128) -> Option<Outcome> {
        let bytes = std::fs::read(basedir.join(FILE)).ok()?;
        let whole = String::from_utf8_lossy(&bytes);
        let (head, text) = whole.split_once('\n')?;
        let (began, verdict) = head.split_once(' ')?;
        let outcome =
            Outcome { began: began.parse().ok()?, good: verdict == "good", text: text.to_owned() };
        (outcome.began >= since).then_some(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_this_signal_counts() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Outcome::read(dir.path(), 0), None);
        let outcome = Outcome { began: 7, good: false, text: "a\nb".into() };
        outcome.write(dir.path()).unwrap();
        assert_eq!(Outcome::read(dir.path(), 7), Some(outcome));
        assert_eq!(Outcome::read(dir.path(), 8), None);
    }
}
