//! Logs and patches that go with a mail.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use lettre::message::header::ContentType;

use super::super::Failure;
use super::letter::Letter;
use crate::db::{Conn, Db, DbError, logs, sourcestamps};
use crate::model::{LogId, LogType, PatchId};

/// Logs of one mail at most.
const LOGS: usize = 50;
/// Lines of a log that are looked at: the last ones.
const LINES: i64 = 50_000;
/// Bytes of a log's text that are attached: the last ones.
const TEXT: usize = 4 * 1024 * 1024;
/// A longer text is attached compressed.
const PLAIN: usize = 256 * 1024;

/// One attachment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attached {
    pub name: String,
    pub kind: ContentType,
    pub bytes: Vec<u8>,
}

/// The attachments of a letter. A log or a patch that is gone is left out.
pub(super) async fn load(letter: &Letter, db: &Db) -> Result<Vec<Attached>, Failure> {
    if letter.logs.is_empty() && letter.patches.is_empty() {
        return Ok(Vec::new());
    }
    let (wanted, patches) = (letter.logs.clone(), letter.patches.clone());
    let read = db.read(move |conn| {
        let mut attached = Vec::new();
        for (index, id) in patches.into_iter().enumerate() {
            attached.extend(patch(conn, PatchId(id), index)?);
        }
        for (id, name) in wanted.into_iter().take(LOGS) {
            attached.extend(log(conn, LogId(id), name)?);
        }
        Ok(attached)
    });
    read.await.map_err(|error| Failure::passing(error.to_string()))
}

fn patch(conn: &mut Conn, id: PatchId, index: usize) -> Result<Option<Attached>, DbError> {
    let body = sourcestamps::patch_body(conn, id)?;
    Ok(body.map(|bytes| Attached {
        name: format!("source patch {index}"),
        kind: ContentType::TEXT_PLAIN,
        bytes,
    }))
}

fn log(conn: &mut Conn, id: LogId, name: String) -> Result<Option<Attached>, DbError> {
    let log = match logs::get(conn, id) {
        Ok(log) => log,
        Err(DbError::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut next = (log.num_lines - LINES).max(0);
    let mut left_out = next;
    let mut text = String::new();
    while next < log.num_lines {
        let part = logs::lines(conn, id, next, log.num_lines - next)?;
        if part.count == 0 {
            break;
        }
        next = part.first_line + part.count;
        text.push_str(&without_letters(&part.text, log.log_type));
        left_out += shorten(&mut text);
    }
    if left_out > 0 {
        text.insert_str(0, &format!("[{left_out} lines left out]\n"));
    }
    Ok(Some(attached(name, text.into_bytes())))
}

/// Keeps the last [`TEXT`] bytes, whole lines; answers how many lines went.
fn shorten(text: &mut String) -> i64 {
    let Some(over) = text.len().checked_sub(TEXT) else { return 0 };
    let cut = text.as_bytes().iter().skip(over).position(|byte| *byte == b'\n');
    let gone: String = text.drain(..cut.map_or(text.len(), |cut| over + cut + 1)).collect();
    i64::try_from(gone.matches('\n').count()).unwrap_or(i64::MAX)
}

/// In a stdio log every line begins with the letter of its stream.
fn without_letters(text: &str, log_type: LogType) -> String {
    if log_type != LogType::Stdio {
        return text.to_owned();
    }
    text.split_inclusive('\n').map(|line| line.get(1..).unwrap_or_default()).collect()
}

fn attached(name: String, text: Vec<u8>) -> Attached {
    if text.len() <= PLAIN {
        return Attached { name, kind: ContentType::TEXT_PLAIN, bytes: text };
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(&text).and_then(|()| encoder.finish());
    let gzip = ContentType::parse("application/gzip");
    match (packed, gzip) {
        (Ok(bytes), Ok(kind)) => Attached { name: format!("{name}.gz"), kind, bytes },
        // Writing into memory does not fail; the text will do all the same.
        _ => Attached { name, kind: ContentType::TEXT_PLAIN, bytes: text },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_text_stays() {
        let mut text = "a\n".repeat(10);
        assert_eq!(shorten(&mut text), 0);
        let mut text = format!("{}\nlast\n", "x".repeat(TEXT));
        assert_eq!((shorten(&mut text), text.as_str()), (1, "last\n"));
    }

    #[test]
    fn letters_of_streams_go() {
        assert_eq!(without_letters("oone\netwo\n\n", LogType::Stdio), "one\ntwo\n");
        assert_eq!(without_letters("one\n", LogType::Text), "one\n");
    }

    #[test]
    fn long_texts_are_compressed() {
        assert_eq!(attached("s.stdio".to_owned(), vec![b'x'; 10]).name, "s.stdio");
        let packed = attached("s.stdio".to_owned(), vec![b'x'; PLAIN + 1]);
        assert_eq!((packed.name.as_str(), packed.bytes.len() < 1000), ("s.stdio.gz", true));
    }
}
