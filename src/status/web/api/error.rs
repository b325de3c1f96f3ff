//! What a REST request can fail with.

use actix_web::http::StatusCode;

use crate::db::DbError;

/// A failed REST read.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The query or the request is malformed.
    #[error("{0}")]
    Bad(String),
    #[error("Invalid path: {0}")]
    InvalidPath(String),
    #[error("not found while getting from endpoint for {0}")]
    NotFound(String),
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    Db(#[from] DbError),
}

impl ApiError {
    pub fn status(&self) -> StatusCode {
        match self {
            ApiError::Bad(_) => StatusCode::BAD_REQUEST,
            ApiError::InvalidPath(_) | ApiError::NotFound(_) => StatusCode::NOT_FOUND,
            ApiError::Forbidden(_) => StatusCode::FORBIDDEN,
            ApiError::Db(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
