//! A file on its way in: written beside its target, and in its place only when it is whole.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// Links followed before they count as a loop.
const MOST_LINKS: usize = 40;

/// The new file. Dropping it without [`Partial::keep`] removes it and leaves the target as it was.
#[derive(Debug)]
pub(super) struct Partial {
    target: PathBuf,
    path: PathBuf,
    /// Permission bits it is to have in the end; `None` leaves those it was made with.
    mode: Option<u32>,
    kept: bool,
}

impl Partial {
    /// Creates the file beside `target`. A link is followed to the file it means. Without a mode a
    /// file that exists keeps its own.
    pub(super) fn create(target: &str, mode: Option<u32>) -> io::Result<(Partial, File)> {
        let target = follow(Path::new(target))?;
        let old = match fs::symlink_metadata(&target) {
            Ok(meta) if meta.is_dir() => return Err(Errno::EISDIR.into()),
            Ok(meta) if !meta.is_file() => return Err(Errno::EINVAL.into()),
            Ok(meta) => Some(meta.permissions().mode() & 0o7777),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mode = mode.map(|mode| mode & 0o7777).or(old);
        let first = if mode.is_some() { 0o600 } else { 0o666 };
        let dir = target.parent().ok_or(Errno::EISDIR)?;
        loop {
            let path = dir.join(format!(".buildbot-transfer-{:016x}", fastrand::u64(..)));
            match File::options().write(true).create_new(true).mode(first).open(&path) {
                Ok(file) => return Ok((Partial { target, path, mode, kept: false }, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Puts the file in its place.
    pub(super) fn keep(mut self) -> io::Result<()> {
        if let Some(mode) = self.mode {
            fs::set_permissions(&self.path, Permissions::from_mode(mode))?;
        }
        fs::rename(&self.path, &self.target)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Where a path leads, also when nothing is there yet.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("/")).join(target),
            Err(_) => return Ok(path), // no link, or nothing at all
        }
    }
    Err(Errno::ELOOP.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::symlink;

    fn receive(target: &Path, text: &str, mode: Option<u32>) -> io::Result<()> {
        let (partial, mut file) = Partial::create(&target.to_string_lossy(), mode)?;
        file.write_all(text.as_bytes())?;
        partial.keep()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("a file").permissions().mode() & 0o7777
    }

    fn names(dir: &Path) -> usize {
        fs::read_dir(dir).expect("readable").count()
    }

    #[test]
    fn a_file_takes_its_place_with_its_mode() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("f");
        receive(&path, "one", Some(0o640)).expect("received");
        assert_eq!(
            (fs::read_to_string(&path).expect("text").as_str(), mode(&path)),
            ("one", 0o640)
        );
        receive(&path, "two", None).expect("received");
        assert_eq!(
            (fs::read_to_string(&path).expect("text").as_str(), mode(&path)),
            ("two", 0o640)
        );
        assert_eq!(names(dir.path()), 1);
    }

    #[test]
    fn what_is_not_kept_leaves_no_trace() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("f");
        fs::write(&path, "old").expect("old file");
        let (partial, mut file) = Partial::create(&path.to_string_lossy(), None).expect("created");
        file.write_all(b"new").expect("written");
        assert_eq!(names(dir.path()), 2);
        drop(partial);
        assert_eq!((names(dir.path()), fs::read(&path).expect("text")), (1, b"old".to_vec()));
    }

    #[test]
    fn links_are_followed_and_stay() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("d")).expect("directory");
        symlink("d/real", path("link")).expect("link");
        receive(&path("link"), "first", None).expect("a file that does not exist yet");
        receive(&path("link"), "second", None).expect("a file that does");
        assert_eq!(fs::read_to_string(path("d/real")).expect("text"), "second");
        assert!(fs::symlink_metadata(path("link")).expect("link").is_symlink());
        symlink("loop", path("loop")).expect("link");
        assert!(receive(&path("loop"), "x", None).is_err());
    }

    #[test]
    fn directories_and_devices_are_not_replaced() {
        let dir = tempfile::tempdir().expect("temporary directory");
        assert!(receive(dir.path(), "x", None).is_err());
        assert!(receive(Path::new("/dev/null"), "x", None).is_err());
        assert!(receive(&dir.path().join("missing/f"), "x", None).is_err());
        assert_eq!(names(dir.path()), 0);
    }
}
