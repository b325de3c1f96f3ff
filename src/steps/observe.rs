//! Listening to the output of a command, line by line.

use super::{CAPTURE_LIMIT, Stream};
use crate::flow::loglines::LineAssembler;
use crate::model::LogType;

/// Hears the output of a command as the log will hold it: whole lines without their end, at most
/// 4096 bytes each. The worker's own remarks come as well, as [`Stream::Header`].
pub trait LineObserver {
    fn line(&mut self, stream: Stream, line: &str);
}

/// Makes lines of what a worker sends, for an observer.
pub struct Observing<'o> {
    assembler: LineAssembler,
    observer: &'o mut dyn LineObserver,
    lines: String,
}

impl<'o> Observing<'o> {
    pub fn new(observer: &'o mut dyn LineObserver) -> Observing<'o> {
        let assembler = LineAssembler::new(LogType::Stdio);
        Observing { assembler, observer, lines: String::new() }
    }

    /// Takes text of any shape.
    pub fn push(&mut self, stream: Stream, text: &str) {
        self.assembler.push(stream.letter(), text, &mut self.lines);
        self.tell();
    }

    /// The command has ended: an unfinished line is one.
    pub fn finish(&mut self) {
        self.assembler.flush(&mut self.lines);
        self.tell();
    }

    fn tell(&mut self) {
        for line in self.lines.lines() {
            let (letter, text) = line.split_at(line.len().min(1));
            let stream = match letter {
                "e" => Stream::Stderr,
                "h" => Stream::Header,
                _ => Stream::Stdout,
            };
            self.observer.line(stream, text);
        }
        self.lines.clear();
    }
}

/// Lines that a step keeps for a log of their own: all are counted, and the first ones kept.
#[derive(Debug, Default)]
pub(super) struct KeptLines {
    text: String,
    count: i64,
    left_out: i64,
}

impl KeptLines {
    /// Keeps the line while there is room for it.
    pub fn push(&mut self, line: &str) {
        self.count += 1;
        if self.left_out > 0 || self.text.len() + line.len() >= CAPTURE_LIMIT {
            self.left_out += 1;
        } else {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    pub fn count(&self) -> i64 {
        self.count
    }

    /// The kept lines, and how many are missing.
    pub fn text(&self) -> String {
        match self.left_out {
            0 => self.text.clone(),
            more => format!("{}and {more} more\n", self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard(Vec<(Stream, String)>);

    impl LineObserver for Heard {
        fn line(&mut self, stream: Stream, line: &str) {
            self.0.push((stream, line.to_owned()));
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = KeptLines::default();
        let line = "x".repeat(4000);
        for _ in 0..1000 {
            kept.push(&line);
        }
        let text = kept.text();
        assert_eq!(kept.count(), 1000);
        assert!(text.len() <= CAPTURE_LIMIT + 20, "{}", text.len());
        let whole = text.lines().filter(|line| line.len() == 4000).count() as i64;
        assert_eq!(text.lines().last(), Some(format!("and {} more", 1000 - whole).as_str()));
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let mut heard = Heard::default();
        let mut observing = Observing::new(&mut heard);
        observing.push(Stream::Stdout, "one\ntw");
        observing.push(Stream::Stderr, "error\r\n");
        observing.push(Stream::Stdout, "o\n\nlast");
        observing.push(Stream::Header, "program finished\n");
        observing.finish();
        let expected = [
            (Stream::Stdout, "one"),
            (Stream::Stderr, "error"),
            (Stream::Stdout, "two"),
            (Stream::Stdout, ""),
            (Stream::Header, "program finished"),
            (Stream::Stdout, "last"),
        ];
        assert_eq!(heard.0, expected.map(|(stream, line)| (stream, line.to_owned())));
    }
}
