//! Text of any shape becomes whole stored lines.
//!
//! Terminal habits that mean a new line become one: CR LF, CR before other text, runs of
//! backspace, and the escape sequences `ESC[u`, `ESC[r;cH`, `ESC[r;cf` and `ESC[2J`. Everything
//! else, colours above all, stays. An unfinished line is kept back, at most [`LONGEST_PARTIAL`]
//! bytes of it.

use crate::model::LogType;

/// What exceeds this of an unfinished line becomes a line of its own (stock: 4096 characters).
pub const LONGEST_PARTIAL: usize = 4096;

/// Longest escape sequence that is recognised; a longer one is text.
const LONGEST_ESCAPE: usize = 24;

/// Makes lines for one log; each stream has an unfinished line of its own.
#[derive(Debug, Clone)]
pub struct LineAssembler {
    stdio: bool,
    streams: [Partial; 3],
}

/// The unfinished line of a stream.
#[derive(Debug, Clone, Default)]
struct Partial {
    /// Finished as far as normalisation goes.
    line: String,
    /// A CR or an escape sequence whose meaning depends on what follows.
    held: String,
}

const LETTERS: [char; 3] = ['o', 'e', 'h'];

impl LineAssembler {
    pub fn new(log_type: LogType) -> LineAssembler {
        LineAssembler { stdio: log_type == LogType::Stdio, streams: Default::default() }
    }

    /// Appends the lines that `text` completes to `out`, each ending in LF and, in a stdio log,
    /// beginning with its stream's letter (`o`, `e`, `h`). Returns how many there are.
    pub fn push(&mut self, letter: char, text: &str, out: &mut String) -> usize {
        let index = if self.stdio { index_of(letter) } else { 0 };
        let letter = self.stdio.then_some(LETTERS[index]);
        let partial = &mut self.streams[index];
        if partial.held.is_empty() {
            return partial.push(letter, text, out);
        }
        let mut joined = std::mem::take(&mut partial.held);
        joined.push_str(text);
        partial.push(letter, &joined, out)
    }

    /// Completes the unfinished lines, as when the log ends. Returns how many there were.
    pub fn flush(&mut self, out: &mut String) -> usize {
        let mut count = 0;
        for (index, partial) in self.streams.iter_mut().enumerate() {
            let held = std::mem::take(&mut partial.held);
            partial.line.push_str(held.trim_end_matches('\r'));
            if !partial.line.is_empty() || !held.is_empty() {
                partial.end_line(self.stdio.then_some(LETTERS[index]), "", out);
                count += 1;
            }
        }
        count
    }

    /// Bytes kept back.
    pub fn kept(&self) -> usize {
        self.streams.iter().map(|partial| partial.line.len() + partial.held.len()).sum()
    }
}

/// An unknown letter counts as stdout.
fn index_of(letter: char) -> usize {
    LETTERS.iter().position(|known| *known == letter).unwrap_or(0)
}

impl Partial {
    fn push(&mut self, letter: Option<char>, mut text: &str, out: &mut String) -> usize {
        out.reserve(text.len() + 16);
        let mut count = 0;
        // Where the search goes on: text before it is known to be ordinary.
        let mut from = 0;
        while let Some(found) = next_special(&text.as_bytes()[from..]) {
            let at = from + found;
            match special(&text.as_bytes()[at..]) {
                Special::Break(length) => {
                    self.end_line(letter, &text[..at], out);
                    count += 1;
                    text = &text[at + length..];
                    from = 0;
                }
                Special::Text => from = at + 1,
                Special::Undecided => {
                    self.line.push_str(&text[..at]);
                    self.held.push_str(&text[at..]);
                    return count + self.limit(letter, out);
                }
            }
        }
        self.line.push_str(text);
        count + self.limit(letter, out)
    }

    fn end_line(&mut self, letter: Option<char>, rest: &str, out: &mut String) {
        out.extend(letter);
        out.push_str(&self.line);
        out.push_str(rest);
        out.push('\n');
        self.line.clear();
    }

    /// Splits an overlong unfinished line.
    fn limit(&mut self, letter: Option<char>, out: &mut String) -> usize {
        if self.line.len() <= LONGEST_PARTIAL {
            return 0;
        }
        let line = std::mem::take(&mut self.line);
        let mut rest = line.as_str();
        let mut count = 0;
        while rest.len() > LONGEST_PARTIAL {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(LONGEST_PARTIAL));
            self.end_line(letter, piece, out);
            count += 1;
            rest = after;
        }
        self.line.push_str(rest);
        count
    }
}

/// What a special character begins.
enum Special {
    /// A line end of this many bytes.
    Break(usize),
    Text,
    /// Depends on bytes that have not come yet.
    Undecided,
}

/// The first LF, CR, backspace or ESC. Blocks without any are skipped at once: that is how nearly
/// all of a log goes by.
fn next_special(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 32;
    let is_special = |byte: u8| matches!(byte, b'\n' | b'\r' | 0x08 | 0x1b);
    let mut at = 0;
    for block in bytes.chunks(BLOCK) {
        let any = block.iter().fold(false, |any, byte| any | is_special(*byte));
        if any {
            return block.iter().position(|byte| is_special(*byte)).map(|offset| at + offset);
        }
        at += block.len();
    }
    None
}

fn special(bytes: &[u8]) -> Special {
    match bytes {
        [b'\n', ..] => Special::Break(1),
        [0x08, ..] => Special::Break(bytes.iter().take_while(|byte| **byte == 0x08).count()),
        [b'\r', b'\n', ..] => Special::Break(2),
        [b'\r'] => Special::Undecided,
        [b'\r', ..] => Special::Break(1),
        [0x1b, rest @ ..] => escape(rest),
        _ => Special::Text,
    }
}

/// An escape sequence after its ESC.
fn escape(rest: &[u8]) -> Special {
    let parameters = match rest {
        [] => return Special::Undecided,
        [b'[', parameters @ ..] => parameters,
        _ => return Special::Text,
    };
    let length = parameters.iter().take_while(|b| b.is_ascii_digit() || **b == b';').count();
    let (arguments, after) = parameters.split_at(length);
    let both = || {
        let mut parts = arguments.split(|byte| *byte == b';');
        arguments.iter().filter(|byte| **byte == b';').count() == 1
            && parts.all(|part| !part.is_empty())
    };
    match after {
        [] if length <= LONGEST_ESCAPE => Special::Undecided,
        [b'u', ..] if length == 0 => Special::Break(3),
        [b'J', ..] if arguments == b"2" => Special::Break(4),
        [b'H' | b'f', ..] if both() => Special::Break(length + 3),
        _ => Special::Text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(chunks: &[&str]) -> String {
        let mut assembler = LineAssembler::new(LogType::Stdio);
        let mut out = String::new();
        let mut count = 0;
        for chunk in chunks {
            count += assembler.push('o', chunk, &mut out);
        }
        count += assembler.flush(&mut out);
        assert_eq!(count, out.matches('\n').count(), "{chunks:?}");
        out
    }

    #[test]
    fn terminal_habits_become_lines() {
        let cases: [(&[&str], &str); 16] = [
            (&["a\nb\n"], "oa\nob\n"),
            (&["a", "b\n", "c"], "oab\noc\n"),
            (&["a\r\nb"], "oa\nob\n"),
            (&["a\r", "\nb"], "oa\nob\n"),
            (&["10%\r20%\r", "30%\n"], "o10%\no20%\no30%\n"),
            (&["a\r"], "oa\n"),
            (&["\r"], "o\n"),
            (&["ab\x08\x08c"], "oab\noc\n"),
            (&["a\x1b[uB"], "oa\noB\n"),
            (&["a\x1b[12;3Hb\x1b[2Jc\x1b[1;1fd"], "oa\nob\noc\nod\n"),
            (&["a\x1b[1", "2;3Hb"], "oa\nob\n"),
            (&["\x1b[1;31mred\x1b[0m\n"], "o\x1b[1;31mred\x1b[0m\n"),
            (&["a\x1b", "[0mb"], "oa\x1b[0mb\n"),
            (&["a\x1b[3Jb\x1b[Hc\x1b[;Hd"], "oa\x1b[3Jb\x1b[Hc\x1b[;Hd\n"),
            (&["", "\n", ""], "o\n"),
            (&[""], ""),
        ];
        for (chunks, expected) in cases {
            assert_eq!(lines(chunks), expected, "{chunks:?}");
        }
    }

    #[test]
    fn streams_have_their_own_lines() {
        let mut assembler = LineAssembler::new(LogType::Stdio);
        let mut out = String::new();
        assembler.push('o', "out ", &mut out);
        assembler.push('e', "err\n", &mut out);
        assembler.push('o', "put\n", &mut out);
        assembler.push('h', "end", &mut out);
        assert_eq!(assembler.kept(), 3);
        assembler.flush(&mut out);
        assert_eq!(out, "eerr\noout put\nhend\n");
        let mut text = LineAssembler::new(LogType::Text);
        out.clear();
        text.push('o', "a", &mut out);
        text.push('e', "b\n", &mut out);
        assert_eq!(out, "ab\n");
    }

    #[test]
    fn unfinished_lines_are_bounded() {
        let mut assembler = LineAssembler::new(LogType::Text);
        let mut out = String::new();
        for _ in 0..100 {
            assembler.push('o', &"ü".repeat(1000), &mut out);
            assembler.push('o', "\x1b[1;1;1;1;1;1;1;1;1;1;1;1;1;1;", &mut out);
            assert!(assembler.kept() <= LONGEST_PARTIAL + LONGEST_ESCAPE + 2);
        }
        assert!(out.lines().all(|line| line.len() <= LONGEST_PARTIAL));
    }

    proptest! {
        /// How the text is cut into pieces changes nothing (backspace apart: a run that is cut
        /// is two runs).
        #[test]
        fn cuts_do_not_matter(text in "[ab\u{e9}\r\n;1-9H\u{1b}\\[]{0,60}", cut in 0usize..60) {
            let cut = text.floor_char_boundary(cut.min(text.len()));
            prop_assert_eq!(lines(&[&text[..cut], &text[cut..]]), lines(&[&text]));
        }
    }
}
