//! `logMaxSize` and `logMaxTailSize`: an overlong log keeps its beginning and its end.

use std::collections::VecDeque;

use crate::config::checked::LogSettings;

/// Counts what a log may still hold.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    /// Bytes that are kept; `None` is no limit.
    max: Option<u64>,
    /// Bytes of the end that are kept beyond `max`.
    max_tail: usize,
    seen: u64,
    noted: bool,
    tail: VecDeque<String>,
    tail_bytes: usize,
    dropped: u64,
}

impl Limit {
    /// `stored` bytes are known to be in the log already.
    pub(super) fn new(settings: &LogSettings, stored: u64) -> Limit {
        Limit {
            max: settings.max_size,
            max_tail: settings.max_tail_size.unwrap_or(0).try_into().unwrap_or(usize::MAX),
            seen: stored,
            noted: false,
            tail: VecDeque::new(),
            tail_bytes: 0,
            dropped: 0,
        }
    }

    /// What of `lines` the log keeps now. Headers (lines with `h` in a stdio log) are always kept
    /// and do not count: the master's own remarks explain the rest.
    pub(super) fn admit(&mut self, lines: String, letters: bool) -> String {
        let Some(max) = self.max else { return lines };
        let mut kept = String::new();
        for line in lines.split_inclusive('\n') {
            if letters && line.starts_with('h') {
                kept.push_str(line);
                continue;
            }
            self.seen = self.seen.saturating_add(line.len() as u64);
            if self.seen <= max {
                kept.push_str(line);
                continue;
            }
            if !std::mem::replace(&mut self.noted, true) {
                kept.push_str(&note(
                    letters,
                    &format!("output exceeds {max} bytes (logMaxSize), the rest is left out"),
                ));
            }
            self.drop_into_tail(line);
        }
        kept
    }

    /// What is added when the log ends.
    pub(super) fn finish(&mut self, letters: bool) -> String {
        if !self.noted {
            return String::new();
        }
        let mut text = note(letters, &format!("{} bytes were left out", self.dropped));
        if !self.tail.is_empty() {
            let tail = format!("the last {} bytes follow (logMaxTailSize):", self.tail_bytes);
            text.push_str(&note(letters, &tail));
        }
        text.extend(self.tail.drain(..));
        self.tail_bytes = 0;
        text
    }

    fn drop_into_tail(&mut self, line: &str) {
        self.tail.push_back(line.to_owned());
        self.tail_bytes += line.len();
        while self.tail_bytes > self.max_tail {
            let Some(oldest) = self.tail.pop_front() else { return };
            self.tail_bytes -= oldest.len();
            self.dropped += oldest.len() as u64;
        }
    }
}

/// A line of the master's own.
pub(super) fn note(letters: bool, text: &str) -> String {
    format!("{}{text}\n", if letters { "h" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(max_size: Option<u64>, max_tail_size: Option<u64>) -> Limit {
        Limit::new(&LogSettings { compression: "raw".into(), max_size, max_tail_size }, 0)
    }

    #[test]
    fn without_a_limit_everything_stays() {
        let mut limit = limit(None, Some(3));
        assert_eq!(limit.admit("oa\nob\n".into(), true), "oa\nob\n");
        assert_eq!(limit.finish(true), "");
    }

    #[test]
    fn beginning_end_and_headers_stay() {
        let mut limit = limit(Some(6), Some(7));
        let kept = limit.admit("o1\no2\no3\no4\nhx\no5\n".into(), true);
        let note = "houtput exceeds 6 bytes (logMaxSize), the rest is left out\n";
        assert_eq!(kept, format!("o1\no2\n{note}hx\n"));
        assert_eq!(limit.admit("o6\nhexit\n".into(), true), "hexit\n");
        let end = "h6 bytes were left out\nhthe last 6 bytes follow (logMaxTailSize):\no5\no6\n";
        assert_eq!(limit.finish(true), end);
    }

    #[test]
    fn a_text_log_has_no_letters() {
        let mut limit = limit(Some(2), None);
        let kept = limit.admit("a\nhello\n".into(), false);
        assert_eq!(kept, "a\noutput exceeds 2 bytes (logMaxSize), the rest is left out\n");
        assert_eq!(limit.finish(false), "6 bytes were left out\n");
    }
}
