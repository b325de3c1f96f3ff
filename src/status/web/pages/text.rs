//! Words of pages: durations, moments, result names, people.

use crate::model::{Results, Timestamp};

/// `4 s`, `2 min 5 s`, `1 h 3 min`, `2 d 4 h`.
pub fn duration(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s} s"),
        60..3600 if s % 60 == 0 => format!("{} min", s / 60),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

/// `just now`, `5 min ago`, `in 3 min`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let about = |seconds: i64| match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        86_400..2_592_000 => format!("{} d", seconds / 86_400),
        _ => format!("{} months", seconds / 2_592_000),
    };
    match now - at {
        -4..5 => "just now".to_owned(),
        past if past > 0 => format!("{} ago", about(past)),
        future => format!("in {}", about(-future)),
    }
}

/// The moment in UTC, as in RFC 3339.
pub fn exact(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at).map_or_else(|_| at.to_string(), |moment| moment.to_string())
}

/// `14:05` in UTC.
pub fn clock(at: Timestamp) -> String {
    exact(at).get(11..16).unwrap_or_default().to_owned()
}

/// `2026-11-22` in UTC.
pub fn day(at: Timestamp) -> String {
    exact(at).get(..10).unwrap_or_default().to_owned()
}

/// The CSS class of a result, which is its name; `running` and `unknown` besides.
pub fn class(results: Option<i64>, complete: bool) -> &'static str {
    match results.and_then(Results::from_code) {
        Some(results) => results.name(),
        None if complete => "unknown",
        None => "running",
    }
}

/// A sign that tells results apart without colour.
pub fn symbol(class: &str) -> &'static str {
    match class {
        "success" => "✓",
        "warnings" => "!",
        "failure" => "✗",
        "skipped" => "»",
        "exception" => "‼",
        "retry" => "↻",
        "cancelled" => "⊘",
        "running" => "▸",
        _ => "?",
    }
}

/// A revision short enough for a table: hexadecimal ones lose their tail.
pub fn short_revision(revision: &str) -> String {
    let hex = revision.len() >= 32 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex { revision[..10].to_owned() } else { revision.to_owned() }
}

/// The name without the mail address, when there is a name.
pub fn person(author: &str) -> String {
    let name = author.split('<').next().unwrap_or_default().trim();
    let mail = author.trim_start_matches('<').trim_end_matches('>');
    if name.is_empty() {
        mail.split('@').next().unwrap_or(mail).to_owned()
    } else {
        name.to_owned()
    }
}

/// The first line of a commit message.
pub fn first_line(text: &str) -> String {
    text.trim_start().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let table = [
            (-1, "0 s"),
            (59, "59 s"),
            (120, "2 min"),
            (125, "2 min 5 s"),
            (3_780, "1 h 3 min"),
            (187_200, "2 d 4 h"),
        ];
        for (seconds, words) in table {
            assert_eq!(duration(seconds), words);
        }
    }

    #[test]
    fn moments_are_told_relatively() {
        let table = [(100, "just now"), (40, "1 min ago"), (3_702, "in 1 h"), (-90_000, "1 d ago")];
        for (at, words) in table {
            assert_eq!(relative(at, 101), words);
        }
        assert_eq!(exact(0), "1970-01-01T00:00:00Z");
        assert_eq!((clock(3_660).as_str(), day(0).as_str()), ("01:01", "1970-01-01"));
    }

    #[test]
    fn people_and_revisions_are_short() {
        assert_eq!(person("Ann Author <ann@example.org>"), "Ann Author");
        assert_eq!(person("<ann@example.org>"), "ann");
        assert_eq!(person("otto@example.org"), "otto@example.org");
        assert_eq!(short_revision("290079eb3aa7b83bb6e4b63be0372b2eb82fb944"), "290079eb3a");
        assert_eq!(short_revision("r1234"), "r1234");
    }
}
