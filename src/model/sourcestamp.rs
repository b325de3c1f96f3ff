//! A source stamp: which version of one codebase to build.

use super::{PatchId, SourceStampId, Timestamp};

/// A source stamp that is looked up or created when a buildset is submitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct NewSourceStamp {
    pub branch: Option<String>,
    /// `None` is the newest revision at the time of the build.
    pub revision: Option<String>,
    pub repository: String,
    pub project: String,
    pub codebase: String,
    /// With a patch it is a stamp of its own, shared with nobody.
    pub patch: Option<NewPatch>,
}

/// A patch that is stored with its source stamp.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct NewPatch {
    /// The N of `patch -pN`.
    pub level: i64,
    pub body: Vec<u8>,
    pub author: String,
    pub comment: String,
    /// Directory to patch in, relative to the workdir.
    pub subdir: String,
}

/// A stored source stamp. Equal stamps share one row.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceStamp {
    pub id: SourceStampId,
    pub branch: Option<String>,
    pub revision: Option<String>,
    pub repository: String,
    pub project: String,
    pub codebase: String,
    pub created_at: Timestamp,
    pub patch: Option<Patch>,
}

/// A patch that came with `buildbot try` or a force form.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    pub id: PatchId,
    /// The N of `patch -pN`.
    pub level: i64,
    pub body: Vec<u8>,
    pub author: String,
    pub comment: String,
    /// Directory to patch in, relative to the workdir.
    pub subdir: String,
}
