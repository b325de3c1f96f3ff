//! Text cut into lines that fit into a message of IRC.

/// Bytes of a message at most, without its end.
const MESSAGE: usize = 510;
/// What the server puts before a message that it passes on: `:nick!user@host `.
const PREFIX: usize = 120;
/// Bytes of a line at least, however long the target's name is.
const LEAST: usize = 40;
/// Lines of one answer at most; what is beyond is counted.
pub const MOST: usize = 20;

/// How many bytes of text fit into one message to `target`.
pub fn room(target: &str) -> usize {
    MESSAGE.saturating_sub(PREFIX + "PRIVMSG  :".len() + target.len()).max(LEAST)
}

/// `text` in lines of at most `room` bytes. Words stay whole where they fit, characters always.
/// Control characters that would end or change the message are left out; empty lines too.
pub fn cut(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.split(['\n', '\r']) {
        let clean: String = line.chars().filter(|c| *c != '\0').collect();
        let mut rest = clean.trim_end();
        while rest.len() > room {
            let end = rest.floor_char_boundary(room);
            let at = rest[..end].rfind(' ').filter(|at| *at > 0).unwrap_or(end);
            lines.push(rest[..at].trim_end().to_owned());
            rest = rest[at..].trim_start();
        }
        lines.push(rest.to_owned());
    }
    lines.retain(|line| !line.is_empty());
    if lines.len() > MOST {
        let left = lines.len() - (MOST - 1);
        lines.truncate(MOST - 1);
        lines.push(format!("… and {left} more lines"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_stay_whole() {
        assert_eq!(cut("one two three", 8), ["one two", "three"]);
        assert_eq!(cut("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(cut("äöü", 3), ["ä", "ö", "ü"]);
        assert_eq!(cut("a\n\nb\r\nQUIT :x\0", 50), ["a", "b", "QUIT :x"]);
        assert_eq!(cut("", 50), [""; 0]);
        assert_eq!(cut("\u{b} abc", 3), ["abc"], "blanks alone are no line");
    }

    #[test]
    fn a_long_answer_is_cut_short_and_says_so() {
        let text: String = (0..100).map(|n| format!("{n}\n")).collect();
        let lines = cut(&text, 100);
        assert_eq!(lines.len(), MOST);
        assert_eq!(lines[MOST - 1], "… and 81 more lines");
    }

    proptest! {
        #[test]
        fn every_line_fits_and_ends_no_message(text in ".{0,600}", room in 4usize..500) {
            for line in cut(&text, room.max(40)) {
                prop_assert!(line.len() <= room.max(40) && !line.contains(['\r', '\n', '\0']));
                prop_assert!(!line.is_empty());
            }
        }
    }
}
