//! The table of change source classes and the reader of one source's table.
//!
//! A new change source is one file and one line in [`REGISTRY`].

use std::sync::Arc;
use std::time::Duration;

use super::plan::{PollTimes, Rhythm, SourcePlan};
use super::{Source, gerrit, git, github, hg, svn};
use crate::config::fields::Fields;
use crate::config::raw::Raw;
use crate::config::values::non_empty;
use crate::flow::category::Category;

/// A change source class.
pub struct SourceType {
    /// What stands in `type`.
    pub class: &'static str,
    /// The class's own defaults of the options all sources share.
    pub rhythm: Rhythm,
    /// Reads the class's own keys.
    pub parse: fn(&mut Fields<'_>, &mut Draft) -> Arc<dyn Source>,
}

/// The shared options while a source is being read.
#[derive(Default)]
pub struct Draft {
    /// As configured.
    name: Option<String>,
    memory: Option<String>,
    pub category: Category,
}

impl Draft {
    /// The source's name: what is configured, or the class's `default`.
    pub fn name(&mut self, default: impl FnOnce() -> String) -> String {
        self.name.get_or_insert_with(default).clone()
    }

    /// Remembers under another name than the source's own, as stock does for this class.
    pub fn remember_as(&mut self, name: String) {
        self.memory = Some(name);
    }
}

/// Every class of change source that looks by itself.
pub const REGISTRY: &[SourceType] = &[
    SourceType { class: "GitPoller", rhythm: POLLS, parse: git::parse },
    SourceType { class: "HgPoller", rhythm: POLLS, parse: hg::parse },
    SourceType { class: "SVNPoller", rhythm: POLLS, parse: svn::parse },
    SourceType { class: "GitHubPullrequestPoller", rhythm: POLLS, parse: github::parse },
    SourceType { class: "GerritChangeSource", rhythm: Rhythm::Always, parse: gerrit::stream },
    SourceType { class: "GerritEventLogPoller", rhythm: OFTEN, parse: gerrit::event_log },
];

/// As most pollers of stock.
const POLLS: Rhythm = Rhythm::Polls(PollTimes::STOCK);

const OFTEN: Rhythm = Rhythm::Polls(PollTimes {
    interval: Duration::from_secs(30),
    at_launch: true,
    ..PollTimes::STOCK
});

/// The class of this name.
pub fn find(class: &str) -> Option<&'static SourceType> {
    REGISTRY.iter().find(|source_type| source_type.class == class)
}

/// Reads what follows the `type` of the table `raw`. Mistakes are reported and read as defaults.
pub fn parse(source_type: &SourceType, raw: &Raw, mut fields: Fields<'_>) -> SourcePlan {
    let rhythm = match source_type.rhythm {
        Rhythm::Polls(defaults) => Rhythm::Polls(defaults.read(&mut fields)),
        Rhythm::Always => Rhythm::Always,
    };
    let name = fields.optional_checked("name", non_empty);
    let mut draft = Draft { name, ..Draft::default() };
    let source = (source_type.parse)(&mut fields, &mut draft);
    fields.finish();
    let name = draft.name(|| source_type.class.to_owned());
    SourcePlan {
        memory: draft.memory.unwrap_or_else(|| name.clone()),
        name,
        class: source_type.class,
        rhythm,
        category: draft.category,
        source,
        written: raw.to_json(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::problems::Problems;

    fn read(class: &str, written: Value) -> (SourcePlan, String) {
        let raw = Raw::from_json(written);
        let mut problems = Problems::new();
        let plan = parse(find(class).unwrap(), &raw, Fields::of(&raw, "s", &mut problems));
        (plan, problems.to_string())
    }

    #[test]
    fn names_and_rhythms_are_stocks() {
        let every = |seconds, at_launch| {
            let interval = Duration::from_secs(seconds);
            Rhythm::Polls(PollTimes { interval, at_launch, ..PollTimes::STOCK })
        };
        let gerrit = json!({ "gerritserver": "g", "username": "me" });
        let table = [
            ("GitPoller", json!({ "repourl": "r" }), "r", every(600, false)),
            ("SVNPoller", json!({ "repourl": "svn://h/r/" }), "svn://h/r/", every(600, false)),
            (
                "GitHubPullrequestPoller",
                json!({ "owner": "o", "repo": "r", "pollInterval": 5 }),
                "GitHubPullrequestPoller:o/r",
                every(5, false),
            ),
            ("GerritChangeSource", gerrit, "GerritChangeSource:me@g:29418", Rhythm::Always),
            (
                "GerritEventLogPoller",
                json!({ "baseURL": "http://g/a", "gitBaseURL": "ssh://g" }),
                "GerritEventLogPoller:http://g/a",
                every(30, true),
            ),
            ("HgPoller", json!({ "repourl": "r", "name": "own" }), "own", every(600, false)),
        ];
        for (class, written, name, rhythm) in table {
            let (plan, problems) = read(class, written);
            assert_eq!((plan.name.as_str(), plan.rhythm, problems.as_str()), (name, rhythm, ""));
        }
    }

    #[test]
    fn mistakes_are_told() {
        let table = [
            ("SVNPoller", json!({ "repourl": "/srv/svn" }), "must be a URL"),
            ("SVNPoller", json!({ "repourl": "svn://h", "histmax": 0 }), "at least 1"),
            ("HgPoller", json!({ "repourl": "r", "encoding": "latin-1" }), "not supported yet"),
            ("GitHubPullrequestPoller", json!({ "owner": "o" }), "needs a value for 'repo'"),
            (
                "GitHubPullrequestPoller",
                json!({ "owner": "o", "repo": "r", "repository_type": "http" }),
                "must be https, svn, git or ssh",
            ),
            (
                "GitHubPullrequestPoller",
                json!({ "owner": "o", "repo": "r", "pullrequest_filter": "a ==" }),
                "the expression 'a ==' is wrong",
            ),
            (
                "GitHubPullrequestPoller",
                json!({ "owner": "o", "repo": "r", "token": "a b" }),
                "is no token",
            ),
            ("GerritChangeSource", json!({ "gerritserver": "-g", "username": "me" }), "begin with"),
            (
                "GerritChangeSource",
                json!({ "gerritserver": "g", "username": "me", "http_url": "g" }),
                "must begin with http://",
            ),
            (
                "GerritChangeSource",
                json!({ "gerritserver": "g", "username": "me", "pollInterval": 5 }),
                "unknown key 'pollInterval'",
            ),
            (
                "GerritEventLogPoller",
                json!({ "baseURL": "http://g", "auth": "me" }),
                "needs a value for 'gitBaseURL'",
            ),
        ];
        for (class, written, expected) in table {
            let (_, problems) = read(class, written.clone());
            assert!(problems.contains(expected), "{written}: {problems}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        for (class, written) in [
            ("SVNPoller", json!({ "repourl": "svn://h/r", "svnpasswd": "hunter2" })),
            (
                "GitPoller",
                json!({ "repourl": "https://u:hunter2@h", "auth_credentials": ["me", "hunter2"] }),
            ),
            ("GitPoller", json!({ "repourl": "h", "sshPrivateKey": "hunter2" })),
            ("GitHubPullrequestPoller", json!({ "owner": "o", "repo": "r", "token": "hunter2" })),
            (
                "GerritEventLogPoller",
                json!({ "baseURL": "http://me:hunter2@g", "gitBaseURL": "x", "auth": ["a", "hunter2"] }),
            ),
        ] {
            let (plan, _) = read(class, written);
            let shown = format!("{plan:?} {:?}", plan.source);
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
