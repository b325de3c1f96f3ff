//! The words that the dialect `pb` sends as numbers.

const WORDS: [&[u8]; 31] = [
    b"None",
    b"class",
    b"dereference",
    b"reference",
    b"dictionary",
    b"function",
    b"instance",
    b"list",
    b"module",
    b"persistent",
    b"tuple",
    b"unpersistable",
    b"copy",
    b"cache",
    b"cached",
    b"remote",
    b"local",
    b"lcache",
    b"version",
    b"login",
    b"password",
    b"challenge",
    b"logged_in",
    b"not_logged_in",
    b"cachemessage",
    b"message",
    b"answer",
    b"error",
    b"decref",
    b"decache",
    b"uncache",
];

/// `not_logged_in` and `unpersistable`.
const LONGEST: usize = 13;

/// The number of a word.
pub(super) fn number_of(word: &[u8]) -> Option<u8> {
    if word.len() > LONGEST {
        return None;
    }
    WORDS.iter().position(|known| *known == word).map(|at| at as u8 + 1)
}

/// The word of a number.
pub(super) fn word_of(number: u64) -> Option<&'static [u8]> {
    let at = usize::try_from(number).ok()?.checked_sub(1)?;
    WORDS.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_number() {
        for (at, word) in WORDS.iter().enumerate() {
            assert_eq!(number_of(word), Some(at as u8 + 1));
            assert_eq!(word_of(at as u64 + 1), Some(*word));
            assert!(word.len() <= LONGEST);
        }
        assert_eq!((number_of(b"unicode"), word_of(0), word_of(32)), (None, None, None));
    }
}
