//! A user: somebody whom changes are attributed to, or who was added with `buildbot user`.

/// A stored user. The password never leaves the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub uid: i64,
    /// Unique.
    pub identifier: String,
    /// The name for a login on the pages.
    pub bb_username: Option<String>,
    /// Kind (`email` or a version control system) and value.
    pub attributes: Vec<(String, String)>,
}
