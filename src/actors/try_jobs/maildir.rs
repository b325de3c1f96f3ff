//! A job directory: a maildir, in which a file appears whole in `new` and is moved to `cur` when it
//! is done. Blocks: for the blocking pool.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use crate::flow::try_job::MAX_SIZE;

/// Files in one round at most.
const ROUND: usize = 100;
/// Ends the name of a file that was no job.
const REJECTED: &str = "rejected";

/// A file that has come.
pub(super) struct Arrived {
    /// For people.
    pub name: String,
    path: PathBuf,
}

/// What a file holds.
pub(super) struct Contents {
    /// Name and contents, in short: another file of this name is another job.
    pub identity: String,
    /// No more than the most that a job may have, and a byte.
    pub bytes: Vec<u8>,
}

/// Makes the directories that are missing.
pub(super) fn prepare(dir: &Path) -> io::Result<()> {
    ["cur", "new", "tmp"].iter().try_for_each(|part| fs::create_dir_all(dir.join(part)))
}

/// What has come, the oldest name first. Names that begin with a dot do not count.
pub(super) fn arrived(dir: &Path) -> io::Result<Vec<Arrived>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir.join("new"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            found.push(Arrived { name, path });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found.truncate(ROUND);
    Ok(found)
}

impl Arrived {
    /// # Errors
    /// It is no file, or cannot be read.
    pub fn read(&self) -> io::Result<Contents> {
        // Others could keep us waiting for ever.
        if !fs::symlink_metadata(&self.path)?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(MAX_SIZE as u64 + 1).read_to_end(&mut bytes)?;
        let hash = Sha1::digest(&bytes);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Contents { identity: format!("{} {hash}", self.name), bytes })
    }

    /// Moves it to `cur`, where nothing is overwritten. It is there even after a power failure.
    pub fn set_aside(&self, dir: &Path, rejected: bool) -> io::Result<PathBuf> {
        let cur = dir.join("cur");
        let mut name = self.path.file_name().unwrap_or_default().to_os_string();
        if rejected {
            name.push(format!(".{REJECTED}"));
        }
        let mut target = cur.join(&name);
        let mut number = 1;
        while fs::symlink_metadata(&target).is_ok() {
            number += 1;
            let mut numbered = name.clone();
            numbered.push(format!(".{number}"));
            target = cur.join(numbered);
        }
        fs::rename(&self.path, &target)?;
        File::open(&cur)?.sync_all()?;
        File::open(dir.join("new"))?.sync_all()?;
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_in_order_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("jobs");
        prepare(&dir).unwrap();
        prepare(&dir).unwrap();
        let write = |name: &str| fs::write(dir.join("new").join(name), name).unwrap();
        for name in ["2", "1", ".hidden"] {
            write(name);
        }
        fs::create_dir(dir.join("new/folder")).unwrap();
        let all = arrived(&dir).unwrap();
        let names: Vec<&str> = all.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["1", "2", "folder"]);
        let first = all[0].read().unwrap();
        assert_eq!(first.bytes, b"1");
        assert_ne!(first.identity, all[1].read().unwrap().identity);
        assert!(all[2].read().is_err());
        all[0].set_aside(&dir, false).unwrap();
        all[2].set_aside(&dir, true).unwrap();
        write("1");
        let again = arrived(&dir).unwrap();
        assert_eq!(again[0].set_aside(&dir, false).unwrap(), dir.join("cur/1.2"));
        for kept in ["cur/1", "cur/1.2", "cur/folder.rejected", "new/2", "new/.hidden"] {
            assert!(dir.join(kept).exists(), "{kept}");
        }
    }
}
