//! Logs of steps: rows here, contents in chunks.

use std::collections::HashSet;

use diesel::prelude::*;

use super::dialect::insert_id;
use super::schema::{logchunks, logs, steps};
use super::{Conn, DbError, log_reader, names};
use crate::model::{BuildId, Log, LogId, LogLines, LogType, StepId};

/// Consecutive lines of a log as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// 0-based number of the first line.
    pub first_line: i64,
    /// Number of the last line, inclusive.
    pub last_line: i64,
    /// The lines joined by LF without the last LF, encoded as `compressed` says.
    pub content: Vec<u8>,
    /// Code of [`compress`](super::compress).
    pub compressed: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = logchunks)]
struct ChunkRow {
    first_line: i64,
    last_line: i64,
    content: Option<Vec<u8>>,
    compressed: i64,
}

impl From<ChunkRow> for Chunk {
    fn from(row: ChunkRow) -> Chunk {
        Chunk {
            first_line: row.first_line,
            last_line: row.last_line,
            content: row.content.unwrap_or_default(),
            compressed: row.compressed,
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = logs)]
struct LogRow {
    id: LogId,
    name: String,
    slug: String,
    stepid: StepId,
    complete: i64,
    num_lines: i64,
    log_type: String,
}

impl From<LogRow> for Log {
    fn from(row: LogRow) -> Log {
        Log {
            id: row.id,
            name: row.name,
            slug: row.slug,
            step: row.stepid,
            complete: row.complete != 0,
            num_lines: row.num_lines,
            log_type: LogType::from_letter(&row.log_type),
        }
    }
}

/// Adds an empty log; its slug is made of the name and unique in the step.
pub fn add(conn: &mut Conn, step: StepId, name: &str, log_type: LogType) -> Result<Log, DbError> {
    let taken: HashSet<String> = logs::table
        .filter(logs::stepid.eq(step))
        .select(logs::slug)
        .load::<String>(conn)?
        .into_iter()
        .collect();
    let slug = names::free_slug(name, &taken);
    let row = (
        logs::name.eq(name),
        logs::slug.eq(&slug),
        logs::stepid.eq(step),
        logs::complete.eq(0),
        logs::num_lines.eq(0),
        logs::log_type.eq(log_type.letter()),
    );
    let id = LogId(insert_id!(conn, diesel::insert_into(logs::table).values(row))?);
    Ok(Log { id, name: name.to_owned(), slug, step, complete: false, num_lines: 0, log_type })
}

/// Stores a chunk and the log's line count. What the log has from the chunk's first line on is
/// replaced: a raw partial chunk gives way to the final one.
pub fn store_chunk(
    conn: &mut Conn,
    log: LogId,
    chunk: Chunk,
    num_lines: i64,
) -> Result<(), DbError> {
    diesel::delete(
        logchunks::table
            .filter(logchunks::logid.eq(log))
            .filter(logchunks::first_line.ge(chunk.first_line)),
    )
    .execute(conn)?;
    diesel::insert_into(logchunks::table)
        .values((
            logchunks::logid.eq(log),
            logchunks::first_line.eq(chunk.first_line),
            logchunks::last_line.eq(chunk.last_line),
            logchunks::content.eq(&chunk.content),
            logchunks::compressed.eq(chunk.compressed),
        ))
        .execute(conn)?;
    diesel::update(logs::table.find(log)).set(logs::num_lines.eq(num_lines)).execute(conn)?;
    Ok(())
}

/// The log is complete.
pub fn finish(conn: &mut Conn, log: LogId, num_lines: i64) -> Result<(), DbError> {
    diesel::update(logs::table.find(log))
        .set((logs::complete.eq(1), logs::num_lines.eq(num_lines)))
        .execute(conn)?;
    Ok(())
}

/// The log with this id.
pub fn get(conn: &mut Conn, id: LogId) -> Result<Log, DbError> {
    Ok(logs::table.find(id).select(LogRow::as_select()).first(conn)?.into())
}

/// The logs of a step in the order they were added.
pub fn of_step(conn: &mut Conn, step: StepId) -> Result<Vec<Log>, DbError> {
    let rows = logs::table
        .filter(logs::stepid.eq(step))
        .order(logs::id)
        .select(LogRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(Log::from).collect())
}

/// The logs of all steps of a build, ordered by step and age.
pub fn of_build(conn: &mut Conn, build: BuildId) -> Result<Vec<(StepId, Log)>, DbError> {
    let rows = logs::table
        .inner_join(steps::table.on(steps::id.eq(logs::stepid)))
        .filter(steps::buildid.eq(build))
        .order((steps::number, logs::id))
        .select(LogRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.stepid, row.into())).collect())
}

/// The step's log with this slug.
pub fn by_slug(conn: &mut Conn, step: StepId, slug: &str) -> Result<Log, DbError> {
    let row = logs::table
        .filter(logs::stepid.eq(step))
        .filter(logs::slug.eq(slug))
        .select(LogRow::as_select())
        .first(conn)?;
    Ok(row.into())
}

/// The logs of a build that are not complete.
pub fn unfinished(conn: &mut Conn, build: BuildId) -> Result<Vec<Log>, DbError> {
    let rows = logs::table
        .inner_join(steps::table.on(steps::id.eq(logs::stepid)))
        .filter(steps::buildid.eq(build))
        .filter(logs::complete.eq(0))
        .order(logs::id)
        .select(LogRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(Log::from).collect())
}

/// Up to `max_chunks` stored chunks, beginning with the one that holds `first_line`. The next
/// call starts at the last chunk's `last_line + 1`.
pub fn chunks_after(
    conn: &mut Conn,
    log: LogId,
    first_line: i64,
    max_chunks: i64,
) -> Result<Vec<Chunk>, DbError> {
    // By last line, so that one index both finds and sorts: long logs are read piece by piece.
    let rows = logchunks::table
        .filter(logchunks::logid.eq(log))
        .filter(logchunks::last_line.ge(first_line))
        .order(logchunks::last_line)
        .limit(max_chunks)
        .select(ChunkRow::as_select())
        .load(conn)?;
    let mut chunks: Vec<Chunk> = rows.into_iter().map(Chunk::from).collect();
    chunks.sort_by_key(|chunk| chunk.first_line);
    Ok(chunks)
}

/// Up to `count` lines from `first_line` on; fewer when the log ends or the text becomes larger
/// than [`MAX_TEXT`](super::MAX_TEXT) bytes. Ask again at `first_line + count` of the answer.
pub fn lines(
    conn: &mut Conn,
    log: LogId,
    first_line: i64,
    count: i64,
) -> Result<LogLines, DbError> {
    let mut reader = log_reader::Reader::new(first_line.max(0), count.max(0));
    while let Some(next) = reader.wanted() {
        let chunks = chunks_after(conn, log, next, log_reader::CHUNKS_AT_ONCE)?;
        if !reader.take(&chunks)? {
            break;
        }
    }
    Ok(reader.finish())
}
