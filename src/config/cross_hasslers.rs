//! Whose mails and whose words on IRC a `ProblemHassler` uses must be configured, too.

use super::master::Draft;
use super::problems::Problems;
use super::raw::Raw;
use crate::reporters::hassler::IrcChoice;
use crate::reporters::registry::Plan;

/// Adds the problems of hasslers in `draft`, which was read from `raw`.
pub(super) fn check(raw: &Raw, draft: &Draft, problems: &mut Problems) {
    let all = || draft.services.reporters.iter().map(|(_, reporter)| reporter);
    for (path, reporter) in &draft.services.reporters {
        let Plan::Hassler(hassler) = &reporter.plan else { continue };
        if let Err(message) = hassler.notifier(all()) {
            let key = if hassler.notifier.is_some() { ".notifier" } else { "" };
            let path = format!("{path}{key}");
            problems.add(raw.place_at(&path), path, message);
        }
        if let IrcChoice::Only(name) = &hassler.irc
            && !all().any(|other| other.class == "IRC" && other.name == *name)
        {
            let path = format!("{path}.irc");
            problems.add(raw.place_at(&path), path, format!("there is no IRC named '{name}'"));
        }
    }
}
