//! Contents of logs: slices as JSON, and whole logs as a stream that never holds much of them.

use actix_web::HttpResponse;
use actix_web::http::header;
use bytes::Bytes;
use futures_util::{Stream, stream};
use serde_json::json;

use super::answer::select;
use super::routes::Raw;
use super::{Answer, ApiError, Ask};
use crate::db::listing::{Field, LogPlace, LogRow, log_place};
use crate::db::{Conn, Db, DbError, listing, logs};
use crate::model::LogId;
use crate::status::web::site::Site;

/// Fields of the entity `logchunk`.
pub const FIELDS: &[Field] = &[
    Field::int("logid", "logid"),
    Field::int("firstline", "firstline"),
    Field::text("content", "content"),
];

/// Lines read at once for a download.
const LINES_AT_ONCE: i64 = 4_000;

/// `…/contents?offset=O&limit=L`. An answer that would exceed 8 MiB ends early, at a whole line.
pub fn contents(conn: &mut Conn, ask: &Ask) -> Result<Answer, ApiError> {
    let scope = ask.log_scope(conn)?.ok_or_else(|| ask.not_found())?;
    let log = listing::one::<LogRow>(conn, &scope)?.ok_or_else(|| ask.not_found())?;
    let offset = ask.query.spec.offset.unwrap_or(0);
    let limit = ask.query.spec.limit;
    let deleted = log.log_type == "d";
    let beyond = limit.is_none() && offset >= log.num_lines && offset > 0;
    if offset < 0 || limit.is_some_and(|limit| limit <= 0) || (beyond && !deleted) {
        return Err(ask.not_found());
    }
    let count = limit.unwrap_or(i64::MAX - offset);
    let text = logs::lines(conn, LogId(log.logid), offset, count)?.text;
    let entity = json!({ "logid": log.logid, "firstline": offset, "content": text });
    Ok(Answer::One(select(entity, &ask.query.fields)))
}

/// `…/raw` and `…/raw_inline`.
pub async fn download(site: &Site, ask: Ask, raw: Raw) -> Result<HttpResponse, ApiError> {
    let place = site
        .db
        .read(move |conn| {
            let id = ask.log_id(conn)?;
            let place = id.map(|id| log_place(conn, id)).transpose()?.flatten();
            Ok(place.ok_or_else(|| ask.not_found()))
        })
        .await??;
    let mut response = HttpResponse::Ok();
    let html = place.log_type == "h";
    response.content_type(if html {
        "text/html; charset=utf-8"
    } else {
        "text/plain; charset=utf-8"
    });
    response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    // A log is whatever a build printed: it gets no rights on this site.
    response.insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"));
    if raw == Raw::Attachment {
        let value = format!("attachment; filename={}", file_name(&place));
        if let Ok(value) = header::HeaderValue::from_bytes(value.as_bytes()) {
            response.insert_header((header::CONTENT_DISPOSITION, value));
        }
    }
    Ok(response.streaming(lines_of(site.db.clone(), &place)))
}

/// `<builder>_build_<n>_step_<step>_log_<slug>`, unquoted as in stock.
fn file_name(place: &LogPlace) -> String {
    let LogPlace { builder_name, build_number, step_name, slug, .. } = place;
    let name = format!("{builder_name}_build_{build_number}_step_{step_name}_log_{slug}");
    name.chars().map(|c| if c.is_control() { '_' } else { c }).collect()
}

/// The whole log without the stream letters, a few thousand lines at a time.
fn lines_of(db: Db, place: &LogPlace) -> impl Stream<Item = Result<Bytes, DbError>> + 'static {
    let head = if place.log_type == "s" {
        let worker = place.worker_name.as_deref().unwrap_or_default();
        format!(
            "Builder: {}\nBuild number: {}\nWorker name: {worker}\n",
            place.builder_name, place.build_number
        )
    } else {
        String::new()
    };
    let (log, prefixed) = (LogId(place.logid), place.log_type == "s");
    stream::unfold(Some((0, head)), move |state| {
        let db = db.clone();
        async move {
            let (next, head) = state?;
            let read = move |conn: &mut Conn| logs::lines(conn, log, next, LINES_AT_ONCE);
            match db.read(read).await {
                Err(error) => Some((Err(error), None)),
                Ok(lines) if lines.count == 0 && head.is_empty() => None,
                Ok(lines) => {
                    let text = if prefixed { without_letters(&lines.text) } else { lines.text };
                    let after = lines.first_line + lines.count;
                    let rest = (lines.count > 0).then(|| (after, String::new()));
                    Some((Ok(Bytes::from(head + &text)), rest))
                }
            }
        }
    })
}

/// Takes the stream letter off each line.
fn without_letters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut chars = line.chars();
        // An empty line without a letter stays what it is.
        if !line.starts_with('\n') {
            chars.next();
        }
        out.push_str(chars.as_str());
    }
    out
}
