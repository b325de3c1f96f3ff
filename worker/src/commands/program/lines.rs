//! How many lines a program has printed, for its limit.

use crate::commands::output::Stream;

/// Counts line ends: `\r\n`, `\r` and `\n` are one each, also when cut by a read.
#[derive(Debug, Default)]
pub(super) struct LineCounter {
    seen: u64,
    stdout_after_cr: bool,
    stderr_after_cr: bool,
}

impl LineCounter {
    pub(super) fn count(&mut self, stream: &Stream, bytes: &[u8]) -> u64 {
        let after_cr = match stream {
            Stream::Stdout => &mut self.stdout_after_cr,
            _ => &mut self.stderr_after_cr,
        };
        for byte in bytes {
            if *byte == b'\r' || (*byte == b'\n' && !*after_cr) {
                self.seen += 1;
            }
            *after_cr = *byte == b'\r';
        }
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_cut_by_a_read_count_once() {
        let mut lines = LineCounter::default();
        assert_eq!(lines.count(&Stream::Stdout, b"a\r"), 1);
        assert_eq!(lines.count(&Stream::Stderr, b"\n"), 2);
        assert_eq!(lines.count(&Stream::Stdout, b"\nb\nc\r\n\r"), 5);
    }
}
