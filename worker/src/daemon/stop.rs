//! Ending a process in the background.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::pidfile::{PID_FILE, is_alive, running};

/// How often to look whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// What stopping found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    NotRunning,
    Ended(u32),
}

/// Why a process did not stop.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    #[error("cannot signal process {pid} of '{}': {error}", .dir.display())]
    Signal { dir: PathBuf, pid: u32, error: nix::errno::Errno },
    #[error("process {pid} did not end within {seconds} s after {signal}")]
    StillRunning { pid: u32, seconds: u64, signal: Signal },
}

/// Signals whoever runs in `dir` and waits for its end. A stale pid file is removed.
pub async fn stop(dir: &Path, signal: Signal, deadline: Duration) -> Result<Stopped, StopError> {
    let Some(pid) = running(dir) else {
        let _ = std::fs::remove_file(dir.join(PID_FILE));
        return Ok(Stopped::NotRunning);
    };
    let target = Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX));
    match kill(target, signal) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
        Err(error) => return Err(StopError::Signal { dir: dir.to_owned(), pid, error }),
    }
    let until = Instant::now() + deadline;
    while is_alive(pid) {
        if Instant::now() >= until {
            return Err(StopError::StillRunning { pid, seconds: deadline.as_secs(), signal });
        }
        sleep(POLL).await;
    }
    Ok(Stopped::Ended(pid))
}
