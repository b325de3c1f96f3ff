//! `/logs/N/follow?from=LINE`: the lines of a log as they come, ready to be put into the page.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use super::stream::{Gone, SIGN_OF_LIFE, Writer, respond};
use crate::db::listing::log_place;
use crate::db::{DbError, logs};
use crate::events::Event;
use crate::model::{LogId, LogLines};
use crate::status::web::ansi::Painter;
use crate::status::web::site::Site;

/// Lines sent at once from the database.
const LINES_AT_ONCE: i64 = 1_000;

#[derive(Debug, Deserialize)]
pub struct From {
    /// First line wanted, from 0.
    #[serde(default)]
    from: i64,
}

/// Sends `lines` events with HTML and, when the log has ended, one `end`.
pub async fn follow(
    site: web::Data<Site>,
    path: web::Path<i64>,
    from: web::Query<From>,
) -> HttpResponse {
    let id = path.into_inner();
    let prefixed = match site.db.read(move |conn| log_place(conn, id)).await {
        Ok(Some(place)) => place.log_type == "s",
        Ok(None) => return HttpResponse::NotFound().body("there is no such log"),
        Err(error) => return HttpResponse::InternalServerError().body(error.to_string()),
    };
    let site = site.get_ref().clone();
    let next = from.from.max(0);
    respond(site.feed.closing(), move |writer| {
        Follower { site, log: LogId(id), next, painter: Painter::new(prefixed), writer }.run()
    })
}

struct Follower {
    site: Site,
    log: LogId,
    /// The next line to send.
    next: i64,
    painter: Painter,
    writer: Writer,
}

impl Follower {
    async fn run(mut self) -> Result<(), Gone> {
        loop {
            // Listen first, read then: what falls between is in both and is cut off.
            let following = self.site.backstage.follow(self.log).await;
            if self.catch_up().await.is_err() {
                return Err(Gone);
            }
            let Some(mut following) = following else {
                if self.has_ended().await {
                    break;
                }
                self.wait_for_news().await?;
                continue;
            };
            self.send(&following.buffered).await?;
            loop {
                tokio::select! {
                    lines = following.lines.recv() => match lines {
                        Ok(lines) if lines.first_line > self.next => break,
                        Ok(lines) => self.send(&lines).await?,
                        // Too slow, or the log has ended: read the rest from the table.
                        Err(RecvError::Lagged(_) | RecvError::Closed) => break,
                    },
                    () = tokio::time::sleep(SIGN_OF_LIFE) => self.writer.sign_of_life().await?,
                    () = self.writer.gone() => return Err(Gone),
                }
            }
        }
        self.writer.event("end", "").await
    }

    /// The table says that no line will come.
    async fn has_ended(&self) -> bool {
        let log = self.log.0;
        let place = self.site.db.read(move |conn| log_place(conn, log)).await;
        place.is_ok_and(|place| place.is_none_or(|place| place.complete))
    }

    /// Waits until something happens to a log that nobody writes at the moment.
    async fn wait_for_news(&mut self) -> Result<(), Gone> {
        let mut facts = self.site.announcer.listen();
        loop {
            tokio::select! {
                fact = facts.recv() => match fact.as_deref() {
                    Ok(Event::LogAppended { log, .. } | Event::LogFinished { log, .. })
                        if *log == self.log => return Ok(()),
                    Err(RecvError::Closed) => return Err(Gone),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Ok(()),
                },
                () = tokio::time::sleep(SIGN_OF_LIFE) => {
                    self.writer.sign_of_life().await?;
                    return Ok(());
                }
                () = self.writer.gone() => return Err(Gone),
            }
        }
    }

    /// Sends what the database has.
    async fn catch_up(&mut self) -> Result<(), Gone> {
        loop {
            let (log, next) = (self.log, self.next);
            let read = self.site.db.read(move |conn| logs::lines(conn, log, next, LINES_AT_ONCE));
            let lines: Result<LogLines, DbError> = read.await;
            match lines {
                Ok(lines) if lines.count == 0 => return Ok(()),
                Ok(lines) => self.send(&Arc::new(lines)).await?,
                Err(error) => {
                    tracing::error!(%error, log = %self.log, "cannot read a log");
                    return Err(Gone);
                }
            }
        }
    }

    async fn send(&mut self, lines: &LogLines) -> Result<(), Gone> {
        let known = usize::try_from(self.next - lines.first_line).unwrap_or(0);
        let mut html = String::new();
        let all = lines.text.split_inclusive('\n').zip(lines.first_line..);
        for (line, number) in all.skip(known) {
            self.painter.line(number, line.trim_end_matches('\n'), &mut html);
            self.next = number + 1;
        }
        if html.is_empty() {
            return Ok(());
        }
        self.writer.event("lines", html.trim_end_matches('\n')).await
    }
}
