//! Receives a file: into a temporary one beside its destination, which it then replaces.

use std::fs::{FileTimes, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tempfile::{NamedTempFile, TempPath};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::{TEMPORARY, TransferEnd};

/// A file that a worker sends. The destination keeps what it has until [`ReceivedFile::keep`]; dropped
/// before, it leaves nothing behind.
pub struct ReceivedFile {
    destination: PathBuf,
    temporary: TempPath,
    file: File,
    /// Bytes that may still come.
    room: Option<u64>,
    mode: Option<u32>,
    times: FileTimes,
    closed: bool,
}

impl ReceivedFile {
    /// Makes missing directories and the temporary file. Without a `mode` only the master's user may
    /// read the new file, as in stock. `max_size` is in bytes.
    ///
    /// # Errors
    /// A message for people.
    pub async fn create(
        destination: PathBuf,
        max_size: Option<u64>,
        mode: Option<u32>,
    ) -> Result<ReceivedFile, String> {
        let path = destination.clone();
        let made = blocking(move || {
            let directory = path.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(directory)?;
            tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(directory)
        });
        let made = made.await.map_err(|error| cannot_write(&destination, &error))?;
        let (file, temporary) = NamedTempFile::into_parts(made);
        let (file, times) = (File::from_std(file), FileTimes::new());
        let room = max_size;
        Ok(ReceivedFile { destination, temporary, file, room, mode, times, closed: false })
    }

    /// Puts the whole file at its destination, in one step.
    ///
    /// # Errors
    /// A message for people; the destination is as before then.
    pub async fn keep(self) -> Result<(), String> {
        let ReceivedFile { destination, temporary, file, mode, times, closed, .. } = self;
        if !closed {
            return Err(format!("the worker did not finish '{}'", destination.display()));
        }
        let file = file.into_std().await;
        let path = destination.clone();
        let placed = blocking(move || {
            file.set_times(times)?;
            if let Some(mode) = mode {
                file.set_permissions(Permissions::from_mode(mode))?;
            }
            temporary.persist(path).map_err(|error| error.error)
        });
        placed.await.map_err(|error| cannot_write(&destination, &error))
    }
}

#[async_trait]
impl TransferEnd for ReceivedFile {
    async fn write(&mut self, data: Vec<u8>) -> Result<(), String> {
        take_room(&mut self.room, data.len())?;
        let written = self.file.write_all(&data).await;
        written.map_err(|error| cannot_write(&self.destination, &error))
    }

    async fn utime(&mut self, accessed: f64, modified: f64) -> Result<(), String> {
        let (Some(accessed), Some(modified)) = (moment(accessed), moment(modified)) else {
            return Err("the worker sent times that no file can have".to_owned());
        };
        self.times = FileTimes::new().set_accessed(accessed).set_modified(modified);
        Ok(())
    }

    async fn close(&mut self) -> Result<(), String> {
        self.file.flush().await.map_err(|error| cannot_write(&self.destination, &error))?;
        self.closed = true;
        Ok(())
    }
}

/// Takes `length` bytes of what may still come.
pub(super) fn take_room(room: &mut Option<u64>, length: usize) -> Result<(), String> {
    let Some(left) = room else { return Ok(()) };
    match left.checked_sub(length as u64) {
        Some(rest) => {
            *left = rest;
            Ok(())
        }
        None => Err("the worker sent more than 'maxsize'".to_owned()),
    }
}

/// Unix seconds as a time; `None` for what is no time.
fn moment(seconds: f64) -> Option<SystemTime> {
    let distance = Duration::try_from_secs_f64(seconds.abs()).ok()?;
    match seconds < 0.0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(distance),
        false => SystemTime::UNIX_EPOCH.checked_add(distance),
    }
}

/// Runs `work` where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

pub(super) fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write '{}' on the master: {error}", path.display())
}
