//! The process group of a program that runs for us, so that nothing it has started is left behind.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The group of a running program, by the number of its first process; killed on drop unless it
/// ended by itself.
pub struct Group(pub Option<u32>);

impl Group {
    /// It has ended: there is nothing to kill.
    pub fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0.take().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
