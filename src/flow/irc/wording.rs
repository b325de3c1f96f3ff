//! The bot's words for results, times and builds.

use crate::model::Results;

/// What a build did, after its name: `failed`.
pub fn outcome(results: Option<Results>) -> &'static str {
    match results {
        Some(Results::Success) => "succeeded",
        Some(Results::Warnings) => "passed with warnings",
        Some(Results::Failure) => "failed",
        Some(Results::Skipped) => "was skipped",
        Some(Results::Exception) => "broke down with an exception",
        Some(Results::Retry) => "is tried again",
        Some(Results::Cancelled) => "was cancelled",
        None => "ended without a result",
    }
}

/// mIRC's number of the colour of a result; stock's choice.
fn colour(results: Option<Results>) -> u8 {
    match results {
        Some(Results::Success) => 3,
        Some(Results::Warnings) => 8,
        Some(Results::Failure) => 4,
        Some(Results::Skipped) => 12,
        Some(Results::Exception) => 6,
        Some(Results::Retry) => 11,
        Some(Results::Cancelled) => 13,
        None => 14,
    }
}

/// `text` in the colour of a result, if colours are wanted.
pub fn coloured(text: &str, results: Option<Results>, colours: bool) -> String {
    // Two digits, so that a text that begins with a digit keeps it.
    let colour = colour(results);
    if colours { format!("\u{3}{colour:02}{text}\u{f}") } else { text.to_owned() }
}

/// `12 seconds`, `5 minutes`, `1 hour`, `3 days`: about how long.
pub fn about(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (count, unit) = match seconds {
        0..90 => (seconds, "second"),
        90..5400 => ((seconds + 30) / 60, "minute"),
        5400..129_600 => ((seconds + 1800) / 3600, "hour"),
        _ => ((seconds + 43_200) / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// `a, b and 3 more`: at most `most` of the names.
pub fn some(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// One line about what happened while the bot was away: builders with how many of their builds
/// were good and bad, in the order in which they came.
pub fn missed(results: &[(String, Option<Results>)], away_s: i64) -> Option<String> {
    let mut builders: Vec<(&str, usize, usize)> = Vec::new();
    for (builder, results) in results {
        let good = matches!(results, Some(Results::Success | Results::Warnings));
        let at = builders.iter().position(|(name, ..)| name == builder).unwrap_or_else(|| {
            builders.push((builder, 0, 0));
            builders.len() - 1
        });
        builders[at].1 += usize::from(good);
        builders[at].2 += usize::from(!good);
    }
    if builders.is_empty() {
        return None;
    }
    let told: Vec<String> = builders
        .iter()
        .map(|(name, good, bad)| match (good, bad) {
            (good, 0) => format!("{name}: {good} good"),
            (0, bad) => format!("{name}: {bad} bad"),
            (good, bad) => format!("{name}: {good} good, {bad} bad"),
        })
        .collect();
    Some(format!("while I could not tell, up to {} ago: {}", about(away_s), some(&told, 20)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Results::{Failure, Success};

    #[test]
    fn times_are_about_right() {
        let table = [
            (0, "0 seconds"),
            (1, "1 second"),
            (89, "89 seconds"),
            (90, "2 minutes"),
            (3600, "60 minutes"),
            (7200, "2 hours"),
            (200_000, "2 days"),
            (-4, "0 seconds"),
        ];
        for (seconds, text) in table {
            assert_eq!(about(seconds), text);
        }
    }

    #[test]
    fn colours_end_where_the_word_ends() {
        assert_eq!(coloured("failed", Some(Failure), true), "\u{3}04failed\u{f}");
        assert_eq!(coloured("failed", Some(Failure), false), "failed");
    }

    #[test]
    fn what_was_missed_is_one_line() {
        let builds = [("a", Success), ("b", Failure), ("a", Success), ("a", Failure)];
        let builds = builds.map(|(name, results)| (name.to_owned(), Some(results)));
        assert_eq!(
            missed(&builds, 1200).unwrap(),
            "while I could not tell, up to 20 minutes ago: a: 2 good, 1 bad, b: 1 bad"
        );
        assert_eq!(missed(&[], 1200), None);
    }
}
