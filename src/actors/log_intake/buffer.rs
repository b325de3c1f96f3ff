//! The lines of one log that are not stored yet, cut into chunks.

use crate::model::LogLines;

/// Bytes of one chunk, and of one line, at most.
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// Lines of one chunk at most.
pub(super) const CHUNK_LINES: i64 = 1000;

/// The end of a log as far as no final chunk holds it: always less than one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Buffer {
    open: LogLines,
}

impl Buffer {
    /// Goes on behind `num_lines` stored lines.
    pub(super) fn new(num_lines: i64) -> Buffer {
        Buffer { open: LogLines { first_line: num_lines, count: 0, text: String::new() } }
    }

    /// Number of lines of the whole log.
    pub(super) fn num_lines(&self) -> i64 {
        self.open.first_line + self.open.count
    }

    /// The lines that no final chunk holds.
    pub(super) fn open(&self) -> &LogLines {
        &self.open
    }

    /// Adds whole lines; answers the chunks that became full. An overlong line is divided, its
    /// pieces begin with its letter when `letters` says that lines have one.
    pub(super) fn push(&mut self, lines: &str, letters: bool) -> Vec<LogLines> {
        let mut full = Vec::new();
        for line in lines.split_inclusive('\n') {
            let letter = if letters { &line[..letter_len(line)] } else { "" };
            let mut rest = line;
            while rest.len() > CHUNK_BYTES {
                let (piece, after) = rest.split_at(rest.floor_char_boundary(CHUNK_BYTES / 2));
                full.extend(self.room_for(letter.len() + piece.len() + 1));
                if !std::ptr::eq(rest, line) {
                    self.open.text.push_str(letter);
                }
                self.open.text.push_str(piece);
                self.open.text.push('\n');
                self.open.count += 1;
                rest = after;
            }
            full.extend(self.room_for(letter.len() + rest.len()));
            if !std::ptr::eq(rest, line) {
                self.open.text.push_str(letter);
            }
            self.open.text.push_str(rest);
            self.open.count += 1;
        }
        full
    }

    /// Takes the open lines as the last chunk.
    pub(super) fn take(&mut self) -> Option<LogLines> {
        if self.open.count == 0 {
            return None;
        }
        let next = LogLines { first_line: self.num_lines(), count: 0, text: String::new() };
        Some(std::mem::replace(&mut self.open, next))
    }

    /// `lost` lines before the open ones could not be stored: the numbers move down.
    pub(super) fn move_down(&mut self, lost: i64) {
        self.open.first_line -= lost;
    }

    /// Cuts the open lines off when `bytes` more do not fit.
    fn room_for(&mut self, bytes: usize) -> Option<LogLines> {
        let fits = self.open.text.len() + bytes <= CHUNK_BYTES && self.open.count < CHUNK_LINES;
        if fits { None } else { self.take() }
    }
}

fn letter_len(line: &str) -> usize {
    line.chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chunks: &[LogLines], first: i64) -> String {
        let mut next = first;
        let mut all = String::new();
        for chunk in chunks {
            assert_eq!(chunk.first_line, next);
            assert_eq!(chunk.text.matches('\n').count() as i64, chunk.count);
            assert!(chunk.text.len() <= CHUNK_BYTES && chunk.count <= CHUNK_LINES);
            assert!(chunk.text.ends_with('\n'));
            next += chunk.count;
            all.push_str(&chunk.text);
        }
        all
    }

    #[test]
    fn chunks_are_bounded_by_lines_and_by_bytes() {
        for line in ["o\n".to_owned(), format!("o{}\n", "x".repeat(300))] {
            let text = line.repeat(5000);
            let mut buffer = Buffer::new(7);
            let mut chunks = Vec::new();
            // Pieces of whole lines in uneven sizes.
            for piece in text.as_bytes().chunks(line.len() * 333) {
                chunks.extend(buffer.push(std::str::from_utf8(piece).unwrap(), true));
            }
            chunks.extend(buffer.take());
            assert_eq!(check(&chunks, 7), text);
            assert_eq!(buffer.num_lines(), 5007);
            assert_eq!(buffer.take(), None);
        }
    }

    #[test]
    fn a_huge_line_is_divided_and_keeps_its_letter() {
        let mut buffer = Buffer::new(0);
        let huge = "ü".repeat(100_000);
        let mut chunks = buffer.push(&format!("oa\ne{huge}\nob\n"), true);
        chunks.extend(buffer.take());
        let text = check(&chunks, 0);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[lines.len() - 1]), ("oa", "ob"));
        let pieces: Vec<&str> =
            lines[1..lines.len() - 1].iter().map(|line| line.strip_prefix('e').unwrap()).collect();
        assert_eq!(pieces.concat(), huge);
    }

    #[test]
    fn lost_lines_leave_no_gap() {
        let mut buffer = Buffer::new(0);
        let full = buffer.push(&"o\n".repeat(1500), true);
        assert_eq!(full.len(), 1);
        buffer.move_down(full[0].count);
        assert_eq!((buffer.open().first_line, buffer.num_lines()), (0, 500));
    }
}
