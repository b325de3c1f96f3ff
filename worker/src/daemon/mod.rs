//! A program in the background: pid file, start, stop, log file. Knows nothing of workers, so that a
//! master's command line uses it as well.
//!
//! To start, a program runs itself again with [`start_detached`]; the new process calls [`detach`],
//! prepares whatever can fail, and says [`Starting::ready`] or [`Starting::failed`]. The first process
//! waits for that word and passes it on.

mod log;
mod pidfile;
mod rotate;
mod start;
mod stop;

pub use log::{LogFormat, init_logging};
pub use pidfile::{ClaimError, PID_FILE, PidFile, running};
pub use rotate::{LOG_FILE, RotatingFile};
pub use start::{StartError, Starting, detach, start_detached};
pub use stop::{StopError, Stopped, stop};
