//! Follows the growth of a file that a program writes.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use protocol::command::LogFile;

use crate::commands::output::Stream;

/// Bytes per read.
const READ_SIZE: usize = 64 * 1024;

/// One followed file.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) stream: Stream,
    path: PathBuf,
    follow: bool,
    /// What the file was before the program started; reading begins when it differs.
    before: Option<(i64, i64, u64)>,
    file: Option<File>,
}

impl Tail {
    /// Call before the program starts.
    pub(super) fn new(name: &str, logfile: &LogFile, workdir: &str) -> Tail {
        let path = PathBuf::from(workdir).join(&logfile.filename);
        let before = identity(&path);
        let mut tail = Tail {
            stream: Stream::Log(name.into()),
            path,
            follow: logfile.follow,
            before,
            file: None,
        };
        if logfile.follow && before.is_some() {
            tail.file = File::open(&tail.path).ok();
            tail.seek_to_end();
        }
        tail
    }

    /// The next piece, empty when there is nothing new. Blocks on the file system.
    pub(super) fn read(&mut self) -> io::Result<Vec<u8>> {
        if self.file.is_none() {
            let now = identity(&self.path);
            if now.is_none() || now == self.before {
                self.before = now; // a file that disappeared counts as changed when it is back
                return Ok(Vec::new());
            }
            self.file = Some(File::open(&self.path)?);
        }
        let mut piece = Vec::new();
        if let Some(file) = &mut self.file {
            file.take(READ_SIZE as u64).read_to_end(&mut piece)?;
        }
        Ok(piece)
    }

    fn seek_to_end(&mut self) {
        if let (true, Some(file)) = (self.follow, &mut self.file) {
            let _ = file.seek(SeekFrom::End(0));
        }
    }
}

fn identity(path: &PathBuf) -> Option<(i64, i64, u64)> {
    let meta = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((meta.ctime(), meta.mtime_nsec() + meta.mtime() * 1_000_000_000, meta.size()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn tail(dir: &tempfile::TempDir, follow: bool) -> Tail {
        let logfile = LogFile { filename: "x.log".into(), follow };
        Tail::new("x", &logfile, &dir.path().to_string_lossy())
    }

    fn append(dir: &tempfile::TempDir, text: &str) {
        let path = dir.path().join("x.log");
        let mut file = File::options().create(true).append(true).open(path).expect("log file");
        file.write_all(text.as_bytes()).expect("written");
    }

    #[test]
    fn an_old_file_is_read_only_when_it_changes() {
        let dir = tempfile::tempdir().expect("temporary directory");
        append(&dir, "old\n");
        let mut tail = tail(&dir, false);
        assert_eq!(tail.read().expect("readable"), b"");
        append(&dir, "new\n");
        assert_eq!(tail.read().expect("readable"), b"old\nnew\n");
        assert_eq!(tail.read().expect("readable"), b"");
        append(&dir, "more\n");
        assert_eq!(tail.read().expect("readable"), b"more\n");
    }

    #[test]
    fn following_skips_what_was_there_before_the_start() {
        let dir = tempfile::tempdir().expect("temporary directory");
        append(&dir, "old\n");
        let mut tail = tail(&dir, true);
        append(&dir, "new\n");
        assert_eq!(tail.read().expect("readable"), b"new\n");
    }

    #[test]
    fn a_missing_file_may_come_later_and_is_read_from_its_beginning() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut tail = tail(&dir, true);
        assert_eq!(tail.read().expect("readable"), b"");
        append(&dir, "first\n");
        assert_eq!(tail.read().expect("readable"), b"first\n");
    }
}
