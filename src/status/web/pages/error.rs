//! What a page can fail with, as a small page of its own.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use crate::db::DbError;
use crate::status::web::backstage::Refusal;
use crate::status::web::guard::Denied;

/// A page that cannot be shown or a form that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    #[error("There is no {0}.")]
    NotFound(String),
    #[error("This was refused: {0}.")]
    Denied(#[from] Denied),
    #[error("This could not be done: {0}.")]
    Refused(#[from] Refusal),
    #[error("The database did not answer: {0}.")]
    Db(DbError),
}

impl From<DbError> for PageError {
    fn from(error: DbError) -> PageError {
        tracing::error!(%error, "a page cannot be shown");
        PageError::Db(error)
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            PageError::NotFound(_) | PageError::Refused(Refusal::NotFound(_)) => {
                StatusCode::NOT_FOUND
            }
            PageError::Denied(_) => StatusCode::FORBIDDEN,
            PageError::Refused(Refusal::Invalid(_)) => StatusCode::BAD_REQUEST,
            PageError::Refused(Refusal::Failed(_)) => StatusCode::SERVICE_UNAVAILABLE,
            PageError::Db(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let text = handlebars::html_escape(&self.to_string());
        let title = self.status_code().canonical_reason().unwrap_or("Error");
        HttpResponse::build(self.status_code()).content_type("text/html; charset=utf-8").body(
            format!(
                "<!doctype html><html lang=en><meta charset=utf-8>\
             <meta name=viewport content=\"width=device-width, initial-scale=1\">\
             <title>{title}</title><link rel=stylesheet href=/static/site.css>\
             <main id=main><h1>{title}</h1><p>{text}</p><p><a href=\"/\">Home</a></p></main>"
            ),
        )
    }
}
