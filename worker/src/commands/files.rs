//! Commands that need no program: mkdir, stat, glob, listdir, rmfile.
//!
//! They block and so run on their own thread.

use std::os::unix::fs::MetadataExt as _;
use std::{fs, io};

use protocol::update::Update;

use super::glob::glob;
use super::python::system_text;

/// What such a command reports, in order.
pub type Report = Vec<Update>;

/// Creates directories and their parents; existing ones are fine.
pub fn make_directories(dirs: &[String]) -> Report {
    for dir in dirs {
        if let Err(error) = make_directory(dir) {
            return failure("mkdir", dir, &error);
        }
    }
    vec![Update::Rc(0)]
}

/// Like `mkdir -p`.
pub fn make_directory(dir: &str) -> io::Result<()> {
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => Ok(()),
        _ => fs::create_dir_all(dir),
    }
}

/// Follows links.
pub fn stat(file: &str) -> Report {
    match fs::metadata(file) {
        Err(error) => failure("stat", file, &error),
        Ok(meta) => {
            let fields = [
                i64::from(meta.mode()),
                meta.ino() as i64,
                meta.dev() as i64,
                meta.nlink() as i64,
                i64::from(meta.uid()),
                i64::from(meta.gid()),
                meta.size() as i64,
                meta.atime(),
                meta.mtime(),
                meta.ctime(),
            ];
            vec![Update::Stat(fields), Update::Rc(0)]
        }
    }
}

/// Absolute paths that match.
pub fn glob_paths(pattern: &str) -> Report {
    vec![Update::Files(glob(pattern)), Update::Rc(0)]
}

/// Names without `.` and `..`.
pub fn list_directory(dir: &str) -> Report {
    let names = fs::read_dir(dir).and_then(|entries| {
        entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<String>>>()
    });
    match names {
        Ok(names) => vec![Update::Files(names), Update::Rc(0)],
        Err(error) => failure("listdir", dir, &error),
    }
}

/// Unlinks one file.
pub fn remove_file(path: &str) -> Report {
    match fs::remove_file(path) {
        Ok(()) => vec![Update::Rc(0)],
        Err(error) => failure("rmfile", path, &error),
    }
}

/// Header and error number, as stock workers report an expected failure.
pub fn failure(command: &str, path: &str, error: &io::Error) -> Report {
    let (text, number) = (system_text(error), error.raw_os_error().unwrap_or(1));
    vec![Update::Header(format!("{command}: {text}: {path}")), Update::Rc(i64::from(number))]
}
