//! What people read of a problem.

/// What is told of a problem.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    pub id: i64,
    pub builder: String,
    pub last_good: i64,
    pub first_bad: i64,
    pub last_bad: i64,
    /// The state string of the last bad build.
    pub state: String,
    /// The good build that has closed it.
    pub fixed_by: Option<i64>,
    /// Authors of what was new in that build.
    pub fixers: Vec<String>,
    /// The builds between which it broke, and what was new: `ID: AUTHOR: first line`.
    pub changes: Vec<String>,
    /// Its page.
    pub url: String,
    /// Counts from 0.
    pub round: i64,
}

impl Told {
    /// A line for IRC.
    pub fn line(&self) -> String {
        let Told { id, builder, last_good, first_bad, last_bad, state, url, .. } = self;
        if let Some(build) = self.fixed_by {
            return format!(
                "problem {id}: {builder} is fixed by build #{build}{}, thanks! {url}",
                self.by()
            );
        }
        let still = if self.round > 0 { "still " } else { "" };
        format!(
            "problem {id}: {builder} is {still}broken since build #{first_bad} (#{last_good} was \
             good, the last is #{last_bad}: {state}), perhaps by your change. {url} Say 'ack {id} \
             WHAT YOU DO' or 'silence {id} HOURS'"
        )
    }

    /// The subject of a mail.
    pub fn subject(&self) -> String {
        let how = match (self.fixed_by, self.round) {
            (Some(_), _) => "fixed",
            (None, 0) => "broken",
            (None, _) => "still broken",
        };
        format!("Problem {}: {} is {how}", self.id, self.builder)
    }

    /// The text of a mail.
    pub fn text(&self) -> String {
        let Told { id, builder, last_good, first_bad, last_bad, state, url, .. } = self;
        if let Some(build) = self.fixed_by {
            return format!(
                "{builder} is fixed by build #{build}{}.\nThanks!\n\nIt was broken since build \
                 #{first_bad}; this closes problem {id}: {url}\n",
                self.by()
            );
        }
        let still = if self.round > 0 { "still " } else { "" };
        let mut text = format!(
            "{builder} is {still}broken since build #{first_bad}; build #{last_good} was good.\n\
             The last build, #{last_bad}, says: {state}\n"
        );
        if !self.changes.is_empty() {
            text.push_str("\nWhat was new when it broke:\n");
            for change in &self.changes {
                text.push_str(&format!("  {change}\n"));
            }
        }
        text.push_str(&format!(
            "\nSay what you do about it, so that nobody is asked again, or silence it for some \
             hours: {url}\nOn IRC: ack {id} WHAT YOU DO, silence {id} HOURS\n"
        ));
        text
    }

    /// ` (A, B)`.
    fn by(&self) -> String {
        match self.fixers.is_empty() {
            true => String::new(),
            false => format!(" ({})", self.fixers.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        Told {
            id: 12,
            builder: "linux".into(),
            last_good: 6,
            first_bad: 7,
            last_bad: 9,
            state: "failed 'make test'".into(),
            changes: vec!["41: anna: faster".into()],
            url: "http://ci/problems/12".into(),
            ..Told::default()
        }
    }

    #[test]
    fn people_learn_what_broke_and_what_to_say() {
        let first = told();
        assert_eq!(first.subject(), "Problem 12: linux is broken");
        for part in ["since build #7", "#6 was good", "#9: failed 'make test'", "'ack 12 "] {
            assert!(first.line().contains(part), "{}", first.line());
        }
        for part in ["#6 was good", "  41: anna: faster\n", "http://ci/problems/12\n"] {
            assert!(first.text().contains(part), "{}", first.text());
        }
        let again = Told { round: 1, ..told() };
        assert_eq!(again.subject(), "Problem 12: linux is still broken");
        assert!(again.line().contains("still broken") && again.text().contains("still broken"));
    }

    #[test]
    fn the_fix_is_thanked_for() {
        let fixed = Told { fixed_by: Some(10), fixers: vec!["bob".into()], ..told() };
        assert_eq!(fixed.subject(), "Problem 12: linux is fixed");
        assert!(fixed.line().contains("fixed by build #10 (bob), thanks!"), "{}", fixed.line());
        assert!(fixed.text().contains("fixed by build #10 (bob).\nThanks!"), "{}", fixed.text());
    }
}
