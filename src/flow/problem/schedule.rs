//! What is due for one of the people who are told of a problem.
//!
//! People are told in rounds: by IRC if they are there, and by mail if they are not or have
//! probably not seen it; then follows a pause that grows from round to round.

use super::quiet::QuietHours;
use crate::model::Timestamp;

/// How people are told.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Seconds after which a mail follows what was probably not seen on IRC.
    pub mail_after: i64,
    /// Seconds between rounds; the last one repeats. None at all: there is one round.
    pub repeat: Vec<i64>,
    pub quiet: Option<QuietHours>,
    /// From which likelihood on somebody has seen what they were told, 0 to 1.
    pub seen: f32,
}

/// What a person waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A round begins.
    Tell,
    /// They were told by IRC in this round: have they seen it?
    Check,
    /// The problem is closed, and they were told of it by IRC.
    Thank,
}

impl Stage {
    /// What stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Tell => "tell",
            Stage::Check => "check",
            Stage::Thank => "thank",
        }
    }

    pub fn named(name: &str) -> Option<Stage> {
        [Stage::Tell, Stage::Check, Stage::Thank].into_iter().find(|stage| stage.name() == name)
    }
}

/// What a person waits for, and from when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub stage: Stage,
    /// Counts from 0.
    pub round: i64,
    pub at: Timestamp,
}

/// What IRC knows of a person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sight {
    /// They can be told something there.
    pub there: bool,
    /// How likely they have seen what they were last told, 0 to 1.
    pub seen: f32,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Nothing: it is quiet until then.
    Wait(Timestamp),
    Irc,
    Mail,
    /// They have seen it; the round is over.
    Rest,
}

/// What to do for a person whose time has come.
pub fn deed(stage: Stage, sight: Sight, now: Timestamp, rules: &Rules) -> Deed {
    if let Some(end) = rules.quiet.as_ref().and_then(|quiet| quiet.until(now)) {
        return Deed::Wait(end);
    }
    match stage {
        Stage::Tell | Stage::Thank if sight.there => Deed::Irc,
        Stage::Check if sight.seen >= rules.seen => Deed::Rest,
        _ => Deed::Mail,
    }
}

/// What the person waits for once that is done; `None` for nothing more.
pub fn after(due: Due, deed: Deed, now: Timestamp, rules: &Rules) -> Option<Due> {
    match (due.stage, deed) {
        (_, Deed::Wait(at)) => Some(Due { at, ..due }),
        (Stage::Thank, _) => None,
        (Stage::Tell, Deed::Irc) => {
            Some(Due { stage: Stage::Check, at: now + rules.mail_after, ..due })
        }
        _ => {
            let at = now + pause(due.round, &rules.repeat)?;
            Some(Due { stage: Stage::Tell, round: due.round + 1, at })
        }
    }
}

/// The pause after a round.
fn pause(round: i64, repeat: &[i64]) -> Option<i64> {
    let round = usize::try_from(round).unwrap_or(usize::MAX);
    repeat.get(round).or(repeat.last()).copied()
}
