//! Tables of what is due, and what always holds whatever people do.

use std::collections::HashSet;

use proptest::prelude::*;

use super::quiet::QuietHours;
use super::schedule::{Deed, Due, Rules, Sight, Stage, after, deed};

const HOUR: i64 = 3600;

fn rules() -> Rules {
    Rules {
        mail_after: 900,
        repeat: vec![HOUR, 4 * HOUR, 24 * HOUR],
        quiet: Some(QuietHours::parse("22:00-07:00", Some("UTC")).unwrap()),
        seen: 0.5,
    }
}

#[test]
fn irc_comes_first_and_mail_when_it_was_probably_not_seen() {
    let (noon, night) = (12 * HOUR, 23 * HOUR);
    let morning = Deed::Wait(31 * HOUR);
    for (stage, there, seen, now, expected) in [
        (Stage::Tell, true, 0.0, noon, Deed::Irc),
        (Stage::Tell, false, 0.0, noon, Deed::Mail),
        (Stage::Tell, true, 0.0, night, morning),
        (Stage::Tell, false, 0.0, night, morning),
        (Stage::Check, true, 0.5, noon, Deed::Rest),
        (Stage::Check, true, 0.4, noon, Deed::Mail),
        (Stage::Check, false, 0.0, noon, Deed::Mail),
        (Stage::Check, true, 1.0, night, morning),
        (Stage::Thank, true, 0.0, noon, Deed::Irc),
        (Stage::Thank, false, 0.0, noon, Deed::Mail),
        (Stage::Thank, true, 0.0, night, morning),
    ] {
        let found = deed(stage, Sight { there, seen }, now, &rules());
        assert_eq!(found, expected, "{stage:?} {there} {seen} {now}");
    }
}

#[test]
fn pauses_grow_and_the_last_one_repeats() {
    let due = |stage, round, at| Due { stage, round, at };
    for (stage, round, done, expected) in [
        (Stage::Tell, 0, Deed::Irc, Some(due(Stage::Check, 0, 900))),
        (Stage::Check, 0, Deed::Rest, Some(due(Stage::Tell, 1, HOUR))),
        (Stage::Check, 0, Deed::Mail, Some(due(Stage::Tell, 1, HOUR))),
        (Stage::Tell, 0, Deed::Mail, Some(due(Stage::Tell, 1, HOUR))),
        (Stage::Tell, 1, Deed::Mail, Some(due(Stage::Tell, 2, 4 * HOUR))),
        (Stage::Tell, 2, Deed::Mail, Some(due(Stage::Tell, 3, 24 * HOUR))),
        (Stage::Tell, 9, Deed::Mail, Some(due(Stage::Tell, 10, 24 * HOUR))),
        (Stage::Check, 3, Deed::Wait(50), Some(due(Stage::Check, 3, 50))),
        (Stage::Thank, 3, Deed::Irc, None),
        (Stage::Thank, 3, Deed::Mail, None),
        (Stage::Thank, 3, Deed::Wait(50), Some(due(Stage::Thank, 3, 50))),
    ] {
        let found = after(due(stage, round, -7), done, 0, &rules());
        assert_eq!(found, expected, "{stage:?} {round} {done:?}");
    }
    let once = Rules { repeat: Vec::new(), ..rules() };
    assert_eq!(after(due(Stage::Tell, 0, 0), Deed::Mail, 0, &once), None);
}

proptest! {
    /// Whatever people do and however late it is looked at: nobody is told twice in one way within
    /// one round, or in quiet hours, or sooner than the pause says, and rounds only follow.
    #[test]
    fn nobody_is_told_twice(
        looks in prop::collection::vec((0..3 * HOUR, any::<bool>(), 0.0f32..1.0), 1..200),
        repeat in prop::collection::vec(60..100_000i64, 0..4),
    ) {
        let rules = Rules { repeat, ..rules() };
        let mut due = Some(Due { stage: Stage::Tell, round: 0, at: 0 });
        let (mut now, mut told, mut ended) = (0, HashSet::new(), None::<(i64, i64)>);
        for (pause, there, seen) in looks {
            now += pause;
            let Some(is) = due.filter(|due| due.at <= now) else { continue };
            let what = deed(is.stage, Sight { there, seen }, now, &rules);
            if matches!(what, Deed::Irc | Deed::Mail) {
                prop_assert!(told.insert((is.round, what == Deed::Mail)), "twice in {is:?}");
                prop_assert_eq!(rules.quiet.as_ref().and_then(|quiet| quiet.until(now)), None);
                if let Some((round, pause_ends)) = ended.filter(|(round, _)| *round < is.round) {
                    prop_assert_eq!(round + 1, is.round);
                    prop_assert!(now >= pause_ends);
                }
            }
            due = after(is, what, now, &rules);
            if let Some(next) = due.filter(|next| next.round > is.round) {
                ended = Some((is.round, next.at));
            }
            prop_assert!(due.is_none_or(|next| next.at > now || matches!(what, Deed::Irc)));
        }
    }

    /// Thanks are said once, and nothing follows them.
    #[test]
    fn nobody_is_told_after_the_thanks(there in any::<bool>(), round in 0..9i64, now in 0..90_000i64) {
        let due = Due { stage: Stage::Thank, round, at: now };
        let what = deed(due.stage, Sight { there, seen: 0.0 }, now, &rules());
        match after(due, what, now, &rules()) {
            None => prop_assert!(matches!(what, Deed::Irc | Deed::Mail)),
            Some(next) => {
                prop_assert_eq!(next.stage, Stage::Thank);
                let again = deed(next.stage, Sight { there, seen: 0.0 }, next.at, &rules());
                prop_assert_eq!(after(next, again, next.at, &rules()), None);
            }
        }
    }
}
