//! Cuts wanted lines out of stored chunks.

use super::logs::Chunk;
use super::{DbError, compress};
use crate::model::LogLines;

/// Bytes of text that one answer holds, give or take a line.
pub const MAX_TEXT: usize = 8 * 1024 * 1024;

/// Chunks loaded with one query.
pub(super) const CHUNKS_AT_ONCE: i64 = 8;

/// Collects the lines of one answer from chunks given in their order.
pub(super) struct Reader {
    /// First line of the answer; moves forward over a gap at its start.
    first: i64,
    /// The next line that is not yet in `text`.
    next: i64,
    /// The line after the last one wanted.
    end: i64,
    text: String,
    count: i64,
}

impl Reader {
    pub(super) fn new(first: i64, count: i64) -> Reader {
        let end = first.saturating_add(count);
        Reader { first, next: first, end, text: String::new(), count: 0 }
    }

    /// The line to continue with; `None` when there is enough.
    pub(super) fn wanted(&self) -> Option<i64> {
        (self.next < self.end && self.text.len() < MAX_TEXT).then_some(self.next)
    }

    /// Takes what is wanted of the chunks; false when nothing more can come.
    pub(super) fn take(&mut self, chunks: &[Chunk]) -> Result<bool, DbError> {
        let before = self.next;
        for chunk in chunks {
            if self.wanted().is_none() || chunk.first_line >= self.end {
                return Ok(false);
            }
            // Chunks overlap when a stock master crashed; the earlier one wins, as in stock.
            if chunk.last_line >= self.next {
                self.take_chunk(chunk)?;
            }
        }
        Ok(self.next > before)
    }

    fn take_chunk(&mut self, chunk: &Chunk) -> Result<(), DbError> {
        let decoded = compress::decode(chunk.compressed, &chunk.content)?;
        let text = lines_of(&decoded);
        if chunk.first_line > self.next {
            self.next = chunk.first_line;
        }
        if self.count == 0 {
            self.first = self.next;
        }
        let skip = usize::try_from(self.next - chunk.first_line).unwrap_or(usize::MAX);
        for line in text.split('\n').skip(skip) {
            if self.next > chunk.last_line || self.wanted().is_none() {
                return Ok(());
            }
            self.text.push_str(line);
            self.text.push('\n');
            self.next += 1;
            self.count += 1;
        }
        // A damaged chunk may hold fewer lines than it says; do not ask for it again.
        self.next = self.next.max(chunk.last_line + 1);
        Ok(())
    }

    pub(super) fn finish(self) -> LogLines {
        LogLines { first_line: self.first, count: self.count, text: self.text }
    }
}

/// The text of decoded contents. Stock never stores CR; where one is, it reads as a line end.
fn lines_of(decoded: &[u8]) -> String {
    let text = String::from_utf8_lossy(decoded);
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(first_line: i64, text: &str) -> Chunk {
        let last_line = first_line + text.matches('\n').count() as i64;
        Chunk { first_line, last_line, content: text.into(), compressed: compress::RAW }
    }

    fn read(first: i64, count: i64, chunks: &[Chunk]) -> (i64, i64, String) {
        let mut reader = Reader::new(first, count);
        if reader.wanted().is_some() {
            reader.take(chunks).unwrap();
        }
        let lines = reader.finish();
        (lines.first_line, lines.count, lines.text)
    }

    #[test]
    fn lines_come_from_the_chunks_that_hold_them() {
        let chunks = [chunk(0, "oa\nob"), chunk(2, "oc\nod\noe")];
        assert_eq!(read(0, 9, &chunks), (0, 5, "oa\nob\noc\nod\noe\n".into()));
        assert_eq!(read(1, 2, &chunks), (1, 2, "ob\noc\n".into()));
        assert_eq!(read(4, 1, &chunks[1..]), (4, 1, "oe\n".into()));
        assert_eq!(read(2, 0, &chunks), (2, 0, String::new()));
        assert_eq!(read(9, 3, &[]), (9, 0, String::new()));
    }

    #[test]
    fn overlaps_and_gaps_are_survived() {
        let chunks = [chunk(0, "a\nb\nc"), chunk(2, "X\nd"), chunk(8, "e")];
        assert_eq!(read(0, 20, &chunks), (0, 5, "a\nb\nc\nd\ne\n".into()));
        assert_eq!(read(5, 20, &chunks[2..]), (8, 1, "e\n".into()));
    }

    #[test]
    fn carriage_returns_end_lines() {
        let mut odd = chunk(0, "a\rb\r\nc");
        odd.last_line = 2;
        assert_eq!(read(0, 9, &[odd]), (0, 3, "a\nb\nc\n".into()));
    }

    #[test]
    fn an_answer_is_bounded() {
        let line = "x".repeat(MAX_TEXT / 2);
        let chunks = [chunk(0, &format!("{line}\n{line}\n{line}\n{line}"))];
        assert_eq!(read(0, 4, &chunks).1, 2);
    }
}
