//! `shutdown.stamp`: whoever touches it asks the worker for a graceful end.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Its name below the base directory.
const STAMP: &str = "shutdown.stamp";
/// How often to look; one look is one system call.
const POLL: Duration = Duration::from_secs(2);

/// A stamp as it was when the worker began.
pub(super) struct Stamp {
    path: PathBuf,
    begun: SystemTime,
}

impl Stamp {
    /// Looks at the file for the first time.
    pub(super) fn new(basedir: &Path) -> Stamp {
        let path = basedir.join(STAMP);
        let begun = changed(std::fs::metadata(&path));
        Stamp { path, begun }
    }

    /// Ready when the file is newer than it was.
    pub(super) async fn touched(self) {
        let path = self.path.display();
        tracing::info!("watching '{path}': touch it to end this worker gracefully");
        loop {
            tokio::time::sleep(POLL).await;
            if changed(tokio::fs::metadata(&self.path).await) > self.begun {
                tracing::info!("'{path}' was touched: this worker is to end gracefully");
                return;
            }
        }
    }
}

/// The beginning of time for a file that does not exist.
fn changed(found: io::Result<Metadata>) -> SystemTime {
    found.and_then(|found| found.modified()).unwrap_or(UNIX_EPOCH)
}
