//! Names of people and channels on IRC.

/// The longest nick that is believable in a configuration; networks have smaller limits.
const NICK_LENGTH: usize = 64;
/// The longest name of a channel on any network.
const CHANNEL_LENGTH: usize = 200;

/// The name as IRC compares it (RFC 1459): letters in lower case, and `[]\~` are `{}|^`.
pub fn fold(name: &str) -> String {
    let fold = |c: char| match c {
        '[' => '{',
        ']' => '}',
        '\\' => '|',
        '~' => '^',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(fold).collect()
}

/// Do both mean the same person or channel?
pub fn same(a: &str, b: &str) -> bool {
    fold(a) == fold(b)
}

/// Is this the name of a channel, not of a person?
pub fn is_channel(name: &str) -> bool {
    name.starts_with(['#', '&', '+', '!'])
}

/// What is wrong with a nick, if anything.
pub fn wrong_nick(nick: &str) -> Option<String> {
    let special = |c: char| "[]\\`_^{|}".contains(c);
    let first = |c: char| c.is_ascii_alphabetic() || special(c) || !c.is_ascii();
    let rest = |c: char| first(c) || c.is_ascii_digit() || c == '-';
    let good = nick.chars().next().is_some_and(first)
        && nick.chars().all(|c| rest(c) && !c.is_control())
        && nick.len() <= NICK_LENGTH;
    (!good).then(|| {
        format!(
            "'{nick}' is no nick: letters, digits and []\\`_^{{|}}- only, not beginning with a \
             digit or '-', at most {NICK_LENGTH} bytes"
        )
    })
}

/// What is wrong with the name of a channel, if anything.
pub fn wrong_channel(name: &str) -> Option<String> {
    let bad = |c: char| c == ' ' || c == ',' || c.is_control();
    let good = is_channel(name) && name.len() > 1 && name.len() <= CHANNEL_LENGTH;
    (!good || name.contains(bad)).then(|| {
        format!(
            "'{name}' is no channel: it begins with '#' (or '&', '+', '!') and holds no space, \
             comma or control character"
        )
    })
}

/// The nick to try when `nick` and `attempt - 1` others are taken. Where names are short, a digit
/// at the end still fits.
pub fn alternative(nick: &str, attempt: u32) -> String {
    match attempt {
        0 => nick.to_owned(),
        1 => format!("{nick}_"),
        2 => format!("{nick}__"),
        n => {
            let mut short = nick.to_owned();
            if short.chars().count() > 2 {
                short.pop();
            }
            format!("{short}{}", n - 2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_as_the_oldest_rfc_says() {
        assert!(same("Wiz[]\\~", "wiz{}|^"));
        assert!(!same("alice", "alice_"));
    }

    #[test]
    fn names_are_checked() {
        for good in ["buildbot", "bb-1", "[x]", "_a", "Zoë"] {
            assert_eq!(wrong_nick(good), None, "{good}");
        }
        for bad in ["", "1st", "-x", "a b", "#a", "a!b", "a@b", "a\r", ":a"] {
            assert!(wrong_nick(bad).is_some(), "{bad}");
        }
        for good in ["#a", "&local", "#ünï", "##meta"] {
            assert_eq!(wrong_channel(good), None, "{good}");
        }
        for bad in ["", "#", "a", "#a b", "#a,b", "#a\n"] {
            assert!(wrong_channel(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn another_nick_is_near_the_first() {
        let tried: Vec<String> = (0..5).map(|n| alternative("buildbot", n)).collect();
        assert_eq!(tried, ["buildbot", "buildbot_", "buildbot__", "buildbo1", "buildbo2"]);
    }
}
