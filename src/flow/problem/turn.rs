//! What a build that has ended makes of the problem of its builder.

use crate::model::Results;

/// What a build says about its builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Good,
    Bad,
    /// It was cancelled or skipped, runs again, or tried somebody's patch.
    Unknown,
}

/// FAILURE and EXCEPTION are bad, SUCCESS and WARNINGS good; the others say nothing, and neither
/// does a build of sources with a patch, which nobody else has.
pub fn health(results: Results, patched: bool) -> Health {
    match results {
        _ if patched => Health::Unknown,
        Results::Success | Results::Warnings => Health::Good,
        Results::Failure | Results::Exception => Health::Bad,
        Results::Skipped | Results::Cancelled | Results::Retry => Health::Unknown,
    }
}

/// The builder's problem that is not closed, by numbers of builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    pub last_good: i64,
    pub first_bad: i64,
    pub last_bad: i64,
}

/// What becomes of the problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    Stays,
    /// The builder has turned from good to bad.
    Opens,
    /// The build is the last bad one now.
    GoesOn,
    /// The build is the last good one before the trouble: fewer changes can be the culprit.
    Narrows,
    /// The builder is good again.
    Closes,
}

/// Builds of one builder may run at the same time and end in any order: their numbers decide.
/// `good_before` and `good_after` tell whether the builder has a good build with a lower, and one
/// with a higher number. A builder that was never good has not turned bad.
pub fn turn(
    trouble: Option<Trouble>,
    number: i64,
    health: Health,
    good_before: bool,
    good_after: bool,
) -> Turn {
    match (trouble, health) {
        (None, Health::Bad) if good_before && !good_after => Turn::Opens,
        (Some(trouble), Health::Bad) if number > trouble.last_bad => Turn::GoesOn,
        (Some(trouble), Health::Good) if number > trouble.last_bad => Turn::Closes,
        (Some(trouble), Health::Good)
            if number > trouble.last_good && number < trouble.first_bad =>
        {
            Turn::Narrows
        }
        _ => Turn::Stays,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_say_how_a_builder_is() {
        for (results, expected) in [
            (Results::Success, Health::Good),
            (Results::Warnings, Health::Good),
            (Results::Failure, Health::Bad),
            (Results::Exception, Health::Bad),
            (Results::Skipped, Health::Unknown),
            (Results::Cancelled, Health::Unknown),
            (Results::Retry, Health::Unknown),
        ] {
            assert_eq!(health(results, false), expected, "{results}");
            assert_eq!(health(results, true), Health::Unknown, "{results} of a patch");
        }
    }

    #[test]
    fn numbers_decide_and_not_the_order_of_ends() {
        let open = Some(Trouble { last_good: 4, first_bad: 7, last_bad: 9 });
        let (good, bad, unknown) = (Health::Good, Health::Bad, Health::Unknown);
        for (trouble, number, health, before, after, expected) in [
            (None, 5, bad, true, false, Turn::Opens),
            (None, 1, bad, false, false, Turn::Stays),
            (None, 5, bad, true, true, Turn::Stays),
            (None, 5, good, true, false, Turn::Stays),
            (None, 5, unknown, true, false, Turn::Stays),
            (open, 10, bad, true, false, Turn::GoesOn),
            (open, 8, bad, true, false, Turn::Stays),
            (open, 6, bad, true, false, Turn::Stays),
            (open, 10, good, true, false, Turn::Closes),
            (open, 8, good, true, false, Turn::Stays),
            (open, 6, good, true, false, Turn::Narrows),
            (open, 3, good, true, true, Turn::Stays),
            (open, 10, unknown, true, false, Turn::Stays),
        ] {
            let found = turn(trouble, number, health, before, after);
            assert_eq!(found, expected, "{trouble:?} {number} {health:?} {before} {after}");
        }
    }
}
