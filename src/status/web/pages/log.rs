//! `/logs/ID`: a window of a step's log, live while it grows.

use actix_web::web;
use serde::{Deserialize, Serialize};

use super::{Page, PageError};
use crate::db::listing::{LogPlace, log_place};
use crate::db::{Conn, DbError, logs};
use crate::model::{LogId, LogLines};
use crate::status::web::ansi::Painter;
use crate::status::web::render::Frame;
use crate::status::web::site::Site;

/// Lines on one page.
const WINDOW: i64 = 2_000;

#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Choice {
    /// First line, from 0.
    from: Option<i64>,
    /// A line, from 1, that must be on the page.
    line: Option<i64>,
    /// The end of the log.
    tail: Option<i64>,
}

#[derive(Serialize)]
struct View {
    place: LogPlace,
    html: String,
    /// Number of the first line shown, from 1.
    start: i64,
    /// Number of the line after the last one shown, from 0.
    end: i64,
    /// The page follows the log.
    follow: bool,
    earlier: bool,
    later: bool,
    previous: i64,
    next: i64,
    deleted: bool,
}

pub async fn page(site: web::Data<Site>, path: web::Path<i64>, choice: web::Query<Choice>) -> Page {
    let (id, choice) = (path.into_inner(), choice.into_inner());
    let loaded = site.db.read(move |conn| load(conn, id, choice)).await?;
    let (place, lines) = loaded.ok_or_else(|| PageError::NotFound(format!("log {id}")))?;
    let view = view(place, &lines);
    let LogPlace { builder_name, build_number, step_name, log_name, .. } = &view.place;
    let title = format!("{builder_name} #{build_number} {step_name} {log_name}");
    Ok(Frame::new("log", &title, "builders").still().render(&site, &view))
}

/// Where the window begins. A log that fits is shown from its start; of a longer one, the start
/// as long as it grows past the window, else what was asked for.
fn window(choice: Choice, num_lines: i64) -> i64 {
    let last = (num_lines - WINDOW).max(0);
    match (choice.from, choice.line, choice.tail) {
        (Some(from), _, _) => from.max(0),
        (None, Some(line), _) => (line - 1 - WINDOW / 2).clamp(0, last),
        (None, None, Some(_)) => last,
        (None, None, None) => 0,
    }
}

fn load(conn: &mut Conn, id: i64, choice: Choice) -> Result<Option<(LogPlace, LogLines)>, DbError> {
    let Some(place) = log_place(conn, id)? else { return Ok(None) };
    let from = window(choice, place.num_lines);
    let lines = logs::lines(conn, LogId(id), from, WINDOW)?;
    Ok(Some((place, lines)))
}

fn view(place: LogPlace, lines: &LogLines) -> View {
    let mut painter = Painter::new(place.log_type == "s");
    let mut html = String::new();
    for (line, number) in lines.text.split_terminator('\n').zip(lines.first_line..) {
        painter.line(number, line, &mut html);
    }
    let end = lines.first_line + lines.count;
    // The table may be ahead of the counted lines while a log grows.
    let later = end < place.num_lines && lines.count > 0;
    View {
        html,
        start: lines.first_line + 1,
        end,
        follow: !place.complete && !later,
        earlier: lines.first_line > 0,
        later,
        previous: (lines.first_line - WINDOW).max(0),
        next: end,
        deleted: place.log_type == "d",
        place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_holds_what_was_asked_for() {
        let none = Choice { from: None, line: None, tail: None };
        let table = [
            (none, 10, 0),
            (none, 9_000, 0),
            (Choice { tail: Some(1), ..none }, 9_000, 7_000),
            (Choice { tail: Some(1), ..none }, 10, 0),
            (Choice { line: Some(5_000), ..none }, 9_000, 3_999),
            (Choice { line: Some(9_000), ..none }, 9_000, 7_000),
            (Choice { line: Some(1), ..none }, 9_000, 0),
            (Choice { from: Some(-4), ..none }, 9_000, 0),
        ];
        for (choice, num_lines, from) in table {
            assert_eq!(window(choice, num_lines), from, "{choice:?}");
        }
    }
}
