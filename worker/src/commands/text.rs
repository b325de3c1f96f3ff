//! From bytes to lines: decoding, line ends, over-long lines.
//!
//! Bytes are decoded as UTF-8 across reads, what is invalid becomes U+FFFD. Beside `\n` these end a
//! line, as a stock worker's do: CRLF, a lone CR, runs of backspaces, and three cursor movements with
//! which programs redraw a line (`ESC[u`, `ESC[r;cH` or `f`, `ESC[2J`). No character is ever lost.

/// Decodes a stream of bytes that arrives in pieces.
#[derive(Debug, Default)]
pub struct Utf8Decoder {
    /// The beginning of a character, at most three bytes.
    tail: Vec<u8>,
}

impl Utf8Decoder {
    /// The text of the bytes so far, without an unfinished character at the end.
    pub fn feed(&mut self, bytes: &[u8]) -> String {
        let joined = match self.tail.is_empty() {
            true => None,
            false => Some([std::mem::take(&mut self.tail).as_slice(), bytes].concat()),
        };
        let mut rest = joined.as_deref().unwrap_or(bytes);
        let mut text = String::with_capacity(rest.len());
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    return text;
                }
                Err(error) => error,
            };
            let (valid, after) = rest.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(valid));
            match error.error_len() {
                Some(length) => {
                    text.push('\u{fffd}');
                    rest = &after[length..];
                }
                None => {
                    self.tail = after.to_vec();
                    return text;
                }
            }
        }
    }

    /// What remains at the end of the stream.
    pub fn finish(&mut self) -> &'static str {
        match std::mem::take(&mut self.tail).is_empty() {
            true => "",
            false => "\u{fffd}",
        }
    }
}

/// Cuts text into lines of at most a given length. Each line goes, without its newline, to whoever
/// feeds the text, with the time its first character arrived (Unix seconds).
#[derive(Debug)]
pub struct LineSplitter {
    /// Characters of a line, its newline included.
    max_length: usize,
    line: String,
    /// Characters in `line`.
    length: usize,
    started: Option<f64>,
    /// What may be the beginning of a line end: a CR or an escape sequence.
    held: String,
    /// The line was ended by a backspace; more of them mean nothing.
    in_backspaces: bool,
}

impl LineSplitter {
    /// `max_length` below 2 counts as 2: one character and the newline.
    pub fn new(max_length: u64) -> LineSplitter {
        LineSplitter {
            max_length: usize::try_from(max_length).unwrap_or(usize::MAX).max(2),
            line: String::new(),
            length: 0,
            started: None,
            held: String::new(),
            in_backspaces: false,
        }
    }

    /// Adds text that arrived at `now`.
    pub fn feed(&mut self, text: &str, now: f64, mut line: impl FnMut(&str, f64)) {
        let joined = match self.held.is_empty() {
            true => None,
            false => Some(std::mem::take(&mut self.held) + text),
        };
        let mut rest = joined.as_deref().unwrap_or(text);
        while !rest.is_empty() {
            let control = |byte| matches!(byte, b'\n' | b'\r' | b'\x08' | b'\x1b');
            let (plain, after) =
                rest.split_at(rest.bytes().position(control).unwrap_or(rest.len()));
            rest = after;
            let end = line_end(rest);
            // A whole line at once, which is the rule, need not be copied.
            if let End::After(length) = end
                && self.line.is_empty()
                && plain.len() < self.max_length
            {
                line(plain, self.started.take().unwrap_or(now));
                self.in_backspaces = false;
                rest = &rest[length..];
                continue;
            }
            self.add(plain, now, &mut line);
            match end {
                End::Nothing => break,
                End::Unfinished => {
                    self.started.get_or_insert(now);
                    self.held.push_str(rest);
                    break;
                }
                End::Plain => {
                    self.add(&rest[..1], now, &mut line);
                    rest = &rest[1..];
                }
                End::Backspace => {
                    if !self.in_backspaces {
                        self.end(now, &mut line);
                    }
                    self.in_backspaces = true;
                    rest = &rest[1..];
                }
                End::After(length) => {
                    self.in_backspaces = false;
                    self.end(now, &mut line);
                    rest = &rest[length..];
                }
            }
        }
    }

    /// Ends an unfinished line.
    pub fn finish(&mut self, now: f64, mut line: impl FnMut(&str, f64)) {
        let held = std::mem::take(&mut self.held);
        self.add(held.trim_end_matches('\r'), now, &mut line);
        if self.length > 0 || !held.is_empty() {
            self.end(now, &mut line);
        }
        self.in_backspaces = false;
    }

    fn add(&mut self, text: &str, now: f64, line: &mut impl FnMut(&str, f64)) {
        let mut rest = text;
        while !rest.is_empty() {
            self.in_backspaces = false;
            if self.length + 1 == self.max_length {
                self.end(now, line);
            }
            self.started.get_or_insert(now);
            let room = self.max_length - 1 - self.length;
            let cut = byte_of_char(rest, room);
            self.line.push_str(&rest[..cut.bytes]);
            self.length += cut.chars;
            rest = &rest[cut.bytes..];
        }
    }

    fn end(&mut self, now: f64, line: &mut impl FnMut(&str, f64)) {
        line(&self.line, self.started.take().unwrap_or(now));
        self.line.clear();
        self.length = 0;
    }
}

struct Cut {
    bytes: usize,
    chars: usize,
}

/// The first `limit` characters of a text, or all of it.
fn byte_of_char(text: &str, limit: usize) -> Cut {
    if text.is_ascii() {
        let length = text.len().min(limit);
        return Cut { bytes: length, chars: length };
    }
    match text.char_indices().nth(limit) {
        Some((bytes, _)) => Cut { bytes, chars: limit },
        None => Cut { bytes: text.len(), chars: text.chars().count() },
    }
}

enum End {
    /// No text left.
    Nothing,
    /// More text must tell.
    Unfinished,
    /// The character here is an ordinary one.
    Plain,
    Backspace,
    /// A line end of so many bytes.
    After(usize),
}

/// What stands at the beginning of `text`, which is empty or begins with a control character.
fn line_end(text: &str) -> End {
    let bytes = text.as_bytes();
    match bytes {
        [] => End::Nothing,
        [b'\n', ..] | [b'\r'] => match bytes[0] {
            b'\n' => End::After(1),
            _ => End::Unfinished,
        },
        [b'\r', b'\n', ..] => End::After(2),
        [b'\r', ..] => End::After(1),
        [b'\x08', ..] => End::Backspace,
        [b'\x1b'] => End::Unfinished,
        [b'\x1b', b'[', parameters @ ..] => escape_end(parameters),
        _ => End::Plain,
    }
}

/// After `ESC[`: `u`, `2J`, or `digits;digits` and `H` or `f`.
fn escape_end(parameters: &[u8]) -> End {
    const LONGEST: usize = 16;
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let row = digits(parameters);
    if row > LONGEST {
        return End::Plain;
    }
    match &parameters[row..] {
        [] => End::Unfinished,
        [b'u', ..] if row == 0 => End::After(3),
        [b'J', ..] if parameters[..row] == *b"2" => End::After(4),
        [b';', column_on @ ..] if row > 0 => {
            let column = digits(column_on);
            match column_on.get(column) {
                None if column <= LONGEST => End::Unfinished,
                Some(b'H' | b'f') if column > 0 => End::After(2 + row + 1 + column + 1),
                _ => End::Plain,
            }
        }
        _ => End::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(max: u64, pieces: &[&str]) -> Vec<String> {
        let (mut splitter, mut lines) = (LineSplitter::new(max), Vec::new());
        let mut add = |line: &str, _: f64| lines.push(format!("{line}\n"));
        for piece in pieces {
            splitter.feed(piece, 1.0, &mut add);
        }
        splitter.finish(2.0, &mut add);
        lines
    }

    #[test]
    fn every_kind_of_line_end() {
        let text = "progress 1\rprogress 2\r\nbs\x08\x08x\x1b[2Jz\x1b[uq\x1b[10;20Hr\x1b[31mred\n";
        let expected =
            ["progress 1\n", "progress 2\n", "bs\n", "x\n", "z\n", "q\n", "r\x1b[31mred\n"];
        assert_eq!(split(4096, &[text]), expected);
        let characters: Vec<String> = text.chars().map(String::from).collect();
        let pieces: Vec<&str> = characters.iter().map(String::as_str).collect();
        assert_eq!(split(4096, &pieces), expected, "the same when it arrives in pieces");
    }

    #[test]
    fn an_unterminated_line_gets_its_newline_at_the_end() {
        assert_eq!(split(4096, &["a\ntail"]), ["a\n", "tail\n"]);
        assert_eq!(split(4096, &["a\r"]), ["a\n"]);
        assert_eq!(split(4096, &["\x1b[3"]), ["\x1b[3\n"]);
        assert_eq!(split(4096, &["a\n"]), ["a\n"]);
        assert!(split(4096, &[""]).is_empty());
    }

    #[test]
    fn long_lines_lose_nothing() {
        let line = "y".repeat(10000);
        let pieces = split(4096, &["short\n", &line[..5000], &line[5000..], "\nend\n"]);
        assert_eq!(pieces.len(), 5);
        assert!(pieces.iter().all(|piece| piece.chars().count() <= 4096));
        assert_eq!(pieces[1..4].concat().replace('\n', ""), line);
        assert_eq!(split(4, &["äöü\nabcd\n"]), ["äöü\n", "abc\n", "d\n"]);
        assert_eq!(split(4, &["abc\nabcd\nx", "yz\n"]), ["abc\n", "abc\n", "d\n", "xyz\n"]);
    }

    #[test]
    fn a_line_carries_the_time_of_its_first_character() {
        let (mut splitter, mut times) = (LineSplitter::new(100), Vec::new());
        splitter.feed("a", 1.0, |_, time| times.push(time));
        splitter.feed("b\nc\nd\r", 2.0, |_, time| times.push(time));
        splitter.feed("\ne\n", 3.0, |_, time| times.push(time));
        assert_eq!(times, [1.0, 2.0, 2.0, 3.0]);
    }

    #[test]
    fn characters_split_between_reads_are_joined() {
        let mut decoder = Utf8Decoder::default();
        let text: String = "ä€😀".bytes().map(|byte| decoder.feed(&[byte])).collect();
        assert_eq!(text, "ä€😀");
        assert_eq!(decoder.feed(b"\xff\xfebad\n"), "\u{fffd}\u{fffd}bad\n");
        assert_eq!(decoder.feed(b"x\xe2\x82"), "x");
        assert_eq!(decoder.finish(), "\u{fffd}");
        assert_eq!(decoder.finish(), "");
    }
}
