//! A change: one commit as a version control system reported it.

use super::{ChangeId, Properties, SourceStamp, Timestamp};

/// A change that is about to be stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewChange {
    /// Who wrote it, as the version control system spells it: `Name <mail>` for git.
    pub author: String,
    pub committer: Option<String>,
    /// The commit message.
    pub comments: String,
    /// Paths touched by the commit, relative to the repository's top.
    pub files: Vec<String>,
    /// `None` is the default branch.
    pub branch: Option<String>,
    pub revision: Option<String>,
    /// URL of the commit in a repository viewer; empty when there is none.
    pub revlink: String,
    /// When it happened; `None` means now.
    pub when_timestamp: Option<Timestamp>,
    pub category: Option<String>,
    pub repository: String,
    pub project: String,
    /// Empty is the default codebase.
    pub codebase: String,
    pub properties: Properties,
    /// The version control system's name (`git`, `hg` …) when it is known.
    pub src: Option<String>,
}

/// A stored change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub id: ChangeId,
    pub author: String,
    pub committer: Option<String>,
    pub comments: String,
    pub files: Vec<String>,
    pub branch: Option<String>,
    pub revision: Option<String>,
    pub revlink: Option<String>,
    pub when_timestamp: Timestamp,
    pub category: Option<String>,
    pub repository: String,
    pub project: String,
    pub codebase: String,
    pub properties: Properties,
    pub sourcestamp: SourceStamp,
    /// The newest earlier change of the same branch, repository, project and codebase.
    pub parent: Option<ChangeId>,
}
