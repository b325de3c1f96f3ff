//! A log file that starts anew when it is full: `twistd.log`, `twistd.log.1`, `twistd.log.2` …

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The name of the current file.
pub const LOG_FILE: &str = "twistd.log";

/// Appends to a file and rotates it by size.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    /// Bytes after which to rotate; `None` never.
    limit: Option<u64>,
    /// Old files to keep; `None` keeps all.
    keep: Option<u32>,
    file: File,
    size: u64,
}

impl RotatingFile {
    /// Opens `path` for appending.
    pub fn open(path: &Path, limit: Option<u64>, keep: Option<u32>) -> io::Result<RotatingFile> {
        let file = append(path)?;
        let size = file.metadata()?.len();
        Ok(RotatingFile { path: path.to_owned(), limit, keep, file, size })
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut oldest = 1;
        while self.keep.is_none_or(|keep| oldest < keep) && self.old(oldest).exists() {
            oldest += 1;
        }
        for number in (1..oldest).rev() {
            fs::rename(self.old(number), self.old(number + 1))?;
        }
        match self.keep {
            Some(0) => fs::remove_file(&self.path)?,
            _ => fs::rename(&self.path, self.old(1))?,
        }
        self.file = append(&self.path)?;
        self.size = 0;
        Ok(())
    }

    fn old(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

impl Write for RotatingFile {
    /// Whole lines come in one call and are never split between files.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let full = self.limit.is_some_and(|limit| self.size + bytes.len() as u64 > limit);
        if full && self.size > 0 {
            self.rotate()?;
        }
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(dir: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(dir)
            .expect("directory")
            .map(|entry| entry.expect("entry"))
            .map(|entry| {
                let text = fs::read_to_string(entry.path()).expect("text");
                (entry.file_name().to_string_lossy().into_owned(), text)
            })
            .collect();
        files.sort();
        files
    }

    fn write(keep: Option<u32>) -> Vec<(String, String)> {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join(LOG_FILE);
        fs::write(&path, "0\n").expect("old log");
        let mut log = RotatingFile::open(&path, Some(6), keep).expect("log");
        for line in ["aa\n", "bb\n", "cc\n", "dd\n", "ee\n", "much longer\n"] {
            log.write_all(line.as_bytes()).expect("written");
        }
        contents(dir.path())
    }

    #[test]
    fn old_files_move_on_and_the_oldest_goes() {
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let newest = [file("twistd.log", "much longer\n"), file("twistd.log.1", "dd\nee\n")];
        assert_eq!(write(Some(1)), newest);
        let mut all = newest.to_vec();
        all.extend([file("twistd.log.2", "bb\ncc\n"), file("twistd.log.3", "0\naa\n")]);
        assert_eq!(write(None), all);
        assert_eq!(write(Some(0)), newest[..1]);
    }
}
