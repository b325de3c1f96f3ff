//! What was said to the bot: is it meant, which command, which words.

/// A message in a channel that begins with `nick:` or `nick,` is for the bot: what follows.
pub fn addressed<'t>(text: &'t str, nick: &str) -> Option<&'t str> {
    let head = text.get(..nick.len())?;
    let rest = &text[nick.len()..];
    let rest = rest.strip_prefix([':', ','])?;
    super::names::same(head, nick).then(|| rest.trim())
}

/// The command, in lower case, and what follows it.
pub fn command(text: &str) -> (String, &str) {
    let text = text.trim();
    let (command, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (command.to_lowercase(), rest.trim())
}

/// What stands between the marks of the client-to-client protocol: `ACTION`, `VERSION` … and its
/// text.
pub fn ctcp(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('\u{1}')?;
    let inside = inside.strip_suffix('\u{1}').unwrap_or(inside);
    Some(inside.split_once(' ').unwrap_or((inside, "")))
}

/// The verb of an action that is done to the bot: `kicks` in `kicks buildbot`.
pub fn done_to_me<'t>(action: &'t str, nick: &str) -> Option<&'t str> {
    let (before, whom) = action.trim_end().rsplit_once(' ')?;
    let verb = before.rsplit(' ').next()?;
    (super::names::same(whom, nick) && verb.ends_with('s')).then_some(verb)
}

/// Splits as a shell does: blanks separate, quotes and backslashes keep together.
///
/// # Errors
/// When a quotation or an escape is not ended.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => quoted(&mut chars, word.get_or_insert_default())?,
            '"' => double_quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("a '\\' at the end escapes nothing".to_owned()),
            },
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    for c in chars {
        match c {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
    Err("the quotation that begins with ' has no end".to_owned())
}

fn double_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), String> {
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match chars.next() {
                Some(c @ ('"' | '\\')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err("the quotation that begins with \" has no end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bot_is_meant_when_its_nick_comes_first() {
        let table = [
            ("buildbot: hello", Some("hello")),
            ("buildbot,hello", Some("hello")),
            ("BuildBot:   list builders ", Some("list builders")),
            ("buildbot hello", None),
            ("buildbots: hello", None),
            ("hello buildbot:", None),
            ("build", None),
            ("bü", None),
        ];
        for (text, meant) in table {
            assert_eq!(addressed(text, "buildbot"), meant, "{text}");
        }
    }

    #[test]
    fn a_command_has_a_rest() {
        assert_eq!(command("Force build  x"), ("force".to_owned(), "build  x"));
        assert_eq!(command("  hello "), ("hello".to_owned(), ""));
        assert_eq!(command(""), (String::new(), ""));
    }

    #[test]
    fn words_are_split_as_by_a_shell() {
        let table: [(&str, &[&str]); 7] = [
            ("", &[]),
            ("a  b", &["a", "b"]),
            ("'a b' \"c d\"", &["a b", "c d"]),
            ("a\\ b", &["a b"]),
            ("x'y'\"z\"", &["xyz"]),
            ("\"a\\\"b\\n\"", &["a\"b\\n"]),
            ("''", &[""]),
        ];
        for (text, expected) in table {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        for broken in ["'a", "\"a", "\"a\\", "a\\"] {
            assert!(words(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn actions_and_queries_are_told_apart() {
        assert_eq!(ctcp("\u{1}ACTION kicks bot\u{1}"), Some(("ACTION", "kicks bot")));
        assert_eq!(ctcp("\u{1}VERSION\u{1}"), Some(("VERSION", "")));
        assert_eq!(ctcp("hello"), None);
        assert_eq!(done_to_me("kicks Bot", "bot"), Some("kicks"));
        assert_eq!(done_to_me("likes a bot less", "bot"), None);
        assert_eq!(done_to_me("bot", "bot"), None);
    }
}
