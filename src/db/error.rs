//! What can go wrong with the database, in words for people.

/// A failed database operation.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    #[error("cannot open the database {database}: {reason}")]
    Open { database: String, reason: String },
    /// The schema is not the one of Buildbot 4.3.
    #[error("{0}")]
    Schema(String),
    #[error("the database refused: {0}")]
    Query(String),
    /// A unique index refused: somebody else was first.
    #[error("already there: {0}")]
    Conflict(String),
    #[error("not found")]
    NotFound,
    /// A query panicked; its transaction was rolled back.
    #[error("a database operation failed unexpectedly: {0}")]
    Panicked(String),
    #[error("the database is closed")]
    Closed,
}

impl From<diesel::result::Error> for DbError {
    fn from(error: diesel::result::Error) -> DbError {
        use diesel::result::{DatabaseErrorKind, Error};
        match error {
            Error::NotFound => DbError::NotFound,
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                DbError::Conflict(info.message().to_owned())
            }
            other => DbError::Query(other.to_string()),
        }
    }
}
