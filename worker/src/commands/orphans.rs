//! Processes whose parent ended: who they are, and that their remains are cleared away.
//!
//! A worker's process that calls [`adopt_orphans`] becomes the parent of every process below it whose
//! own parent ends, so it can tell them from strangers. It then also has to wait for their ends; a
//! child that it started itself is left to whoever started it.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::process::Child;

/// Children started by this worker and not yet waited for. Locked while one is started, so that
/// none can be taken for an orphan before it is listed.
static PROGRAMS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn programs() -> MutexGuard<'static, BTreeSet<u32>> {
    PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a child that is no orphan.
pub(super) fn spawn(start: impl FnOnce() -> io::Result<Child>) -> io::Result<Child> {
    let mut programs = programs();
    let child = start()?;
    programs.extend(child.id());
    Ok(child)
}

/// A child was waited for.
pub(super) fn waited(pid: i32) {
    if let Ok(pid) = u32::try_from(pid) {
        programs().remove(&pid);
    }
}

#[cfg(target_os = "linux")]
pub use adoption::adopt_orphans;
#[cfg(target_os = "linux")]
pub(super) use adoption::{is_adopted, only_program};

/// Does nothing: only Linux lets a process adopt orphans.
#[cfg(not(target_os = "linux"))]
pub fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
mod adoption {
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
    use tokio::signal::unix::{Signal, SignalKind, signal};
    use tokio::time::sleep;

    use super::programs;

    static ADOPTING: AtomicBool = AtomicBool::new(false);

    /// How long an ended child of ours may hide others from us.
    const PATIENCE: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(20);

    /// Makes this process the parent of all orphans below it, and reaps them. For a process whose only
    /// children are a worker's programs; calling it again does nothing. Must be called inside of a
    /// runtime that lasts as long as the process.
    ///
    /// # Errors
    /// The system does not know how, or signals cannot be received.
    pub fn adopt_orphans() -> io::Result<()> {
        if ADOPTING.load(Ordering::Acquire) {
            return Ok(());
        }
        let ends = signal(SignalKind::child())?;
        nix::sys::prctl::set_child_subreaper(true)?;
        if !ADOPTING.swap(true, Ordering::AcqRel) {
            tokio::spawn(reap_forever(ends));
        }
        Ok(())
    }

    /// Whether this process took over a child of somebody else.
    pub(in crate::commands) fn is_adopted(pid: i32, parent: i32) -> bool {
        let own = u32::try_from(parent).is_ok_and(|parent| parent == std::process::id());
        let started = u32::try_from(pid).is_ok_and(|pid| programs().contains(&pid));
        ADOPTING.load(Ordering::Acquire) && own && !started
    }

    /// Whether no other program than this runs.
    pub(in crate::commands) fn only_program(pid: i32) -> bool {
        programs().iter().all(|other| i64::from(*other) == i64::from(pid))
    }

    async fn reap_forever(mut ends: Signal) {
        while ends.recv().await.is_some() {
            for _ in 0..PATIENCE {
                if reap() {
                    break;
                }
                sleep(PAUSE).await;
            }
        }
    }

    /// Reaps ended orphans. `false` when an ended child of ours stands before them.
    fn reap() -> bool {
        let programs = programs();
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        loop {
            let Some(pid) = waitid(Id::All, peek).ok().and_then(|status| status.pid()) else {
                return true;
            };
            if u32::try_from(pid.as_raw()).is_ok_and(|pid| programs.contains(&pid)) {
                return false;
            }
            let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
        }
    }
}
