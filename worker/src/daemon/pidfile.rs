//! `twistd.pid`: who runs in a directory.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// Its name.
pub const PID_FILE: &str = "twistd.pid";

/// The pid file of this process; removed when dropped.
#[derive(Debug)]
pub struct PidFile(PathBuf);

/// Why a directory cannot be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error("already running in '{}' with pid {pid}", .dir.display())]
    AlreadyRunning { dir: PathBuf, pid: u32 },
    #[error("cannot write '{}': {error}; may this user write there?", .path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl PidFile {
    /// Writes this process's id. A file of a process that is gone is replaced.
    pub fn claim(dir: &Path) -> Result<PidFile, ClaimError> {
        let path = dir.join(PID_FILE);
        if let Some(pid) = running(dir).filter(|pid| *pid != std::process::id()) {
            return Err(ClaimError::AlreadyRunning { dir: dir.to_owned(), pid });
        }
        if fs::remove_file(&path).is_ok() {
            tracing::info!("removed a stale {PID_FILE}");
        }
        let written = File::create_new(&path)
            .and_then(|mut file| file.write_all(std::process::id().to_string().as_bytes()));
        match written {
            Ok(()) => Ok(PidFile(path)),
            Err(error) => Err(ClaimError::Io { path, error }),
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if read(&self.0) == Some(std::process::id()) {
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// The process that runs in `dir`, if its pid file names a living one.
pub fn running(dir: &Path) -> Option<u32> {
    read(&dir.join(PID_FILE)).filter(|pid| is_alive(*pid) && is_buildbot(*pid))
}

fn read(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok().filter(|pid| *pid > 0)
}

/// A zombie counts as dead: it has ended and holds nothing.
pub(super) fn is_alive(pid: u32) -> bool {
    let Ok(raw) = i32::try_from(pid) else { return false };
    if matches!(kill(Pid::from_raw(raw), None), Err(error) if error != Errno::EPERM) {
        return false;
    }
    // The state follows the name, which is in parentheses and may hold anything.
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let state = state.as_deref().and_then(|stat| stat.rsplit(')').next()?.trim().chars().next());
    state != Some('Z')
}

/// After a reboot the id may belong to something else. Where that cannot be seen, trust the file.
fn is_buildbot(pid: u32) -> bool {
    let exe = std::env::current_exe().ok().and_then(|exe| Some(exe.file_name()?.to_owned()));
    let exe = exe.map(|name| name.to_string_lossy().into_owned());
    let Ok(command) = fs::read(format!("/proc/{pid}/cmdline")) else { return true };
    let command = String::from_utf8_lossy(&command);
    ["buildbot", "twistd"].into_iter().chain(exe.as_deref()).any(|name| command.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_lasts_until_it_is_dropped() {
        let dir = tempfile::tempdir().expect("temporary directory");
        assert_eq!(running(dir.path()), None);
        let claim = PidFile::claim(dir.path()).expect("free");
        assert_eq!(running(dir.path()), Some(std::process::id()));
        drop(claim);
        assert!(!dir.path().join(PID_FILE).exists());
    }

    #[test]
    fn stale_and_broken_files_are_replaced() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut child = std::process::Command::new("true").spawn().expect("true");
        let gone = child.id();
        child.wait().expect("ended");
        for content in [gone.to_string(), "nonsense".into(), String::new(), "-1".into()] {
            fs::write(dir.path().join(PID_FILE), &content).expect("written");
            assert_eq!(running(dir.path()), None, "{content}");
            PidFile::claim(dir.path()).expect("stale");
        }
    }

    #[test]
    fn a_living_stranger_is_not_taken_for_us() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("cat");
        fs::write(dir.path().join(PID_FILE), child.id().to_string()).expect("written");
        // Until exec the child still has our own command line.
        while fs::read(format!("/proc/{}/cmdline", child.id()))
            .is_ok_and(|c| !c.starts_with(b"cat"))
        {
            std::thread::yield_now();
        }
        assert_eq!(running(dir.path()), None);
        drop(child.stdin.take());
        child.wait().expect("ended");
    }
}
