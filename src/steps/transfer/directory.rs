//! Receives a directory: its archive into a temporary file, unpacked beside the destination and then
//! moved there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use protocol::command::Compression;
use tempfile::TempDir;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::file::{blocking, cannot_write, take_room};
use super::unpack::{Bounds, unpack};
use super::{TEMPORARY, TransferEnd, place};

/// An archive may grow so much when it is unpacked, if its size is limited at all. Of honest files
/// hardly any does.
const GROWTH: u64 = 100;

/// A directory that a worker sends as a tar archive. The destination keeps what it has until
/// [`ReceivedDirectory::keep`]; dropped before, it leaves nothing behind.
pub struct ReceivedDirectory {
    destination: PathBuf,
    /// Holds the archive, and what is unpacked.
    scratch: TempDir,
    archive: File,
    /// Bytes that may still come.
    room: Option<u64>,
    /// Bytes when unpacked.
    most: Option<u64>,
    compression: Compression,
    closed: bool,
}

impl ReceivedDirectory {
    /// Makes missing directories above the destination. `max_size` is in bytes, for the archive.
    ///
    /// # Errors
    /// A message for people.
    pub async fn create(
        destination: PathBuf,
        max_size: Option<u64>,
        compression: Compression,
    ) -> Result<ReceivedDirectory, String> {
        let path = destination.clone();
        let made = blocking(move || {
            let scratch = scratch_for(&path)?;
            let archive = std::fs::File::create(archive_in(scratch.path()))?;
            Ok((scratch, File::from_std(archive)))
        });
        let (scratch, archive) = made.await.map_err(|error| cannot_write(&destination, &error))?;
        Ok(ReceivedDirectory {
            destination,
            scratch,
            archive,
            room: max_size,
            most: max_size.map(|size| size.saturating_mul(GROWTH)),
            compression,
            closed: false,
        })
    }

    /// Unpacks the archive and moves what was in it to the destination. Dropped while it works, it stops
    /// unpacking.
    ///
    /// # Errors
    /// A message for people; the destination is as before then.
    pub async fn keep(self) -> Result<(), String> {
        let ReceivedDirectory { destination, scratch, archive, most, compression, closed, .. } =
            self;
        if !closed {
            return Err(format!("the worker did not finish '{}'", destination.display()));
        }
        drop(archive);
        let stop = Arc::new(AtomicBool::new(false));
        let _guard = StopOnDrop(Arc::clone(&stop));
        let work = move || {
            let tree = scratch.path().join("tree");
            let open = || -> io::Result<std::fs::File> {
                std::fs::create_dir(&tree)?;
                std::fs::File::open(archive_in(scratch.path()))
            };
            let archive = open().map_err(|error| cannot_write(&tree, &error))?;
            unpack(archive, compression, &tree, &Bounds { most, stop: &stop })?;
            place::place(&tree, &destination)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// On the file system of the destination, so that moving is renaming.
fn scratch_for(destination: &Path) -> io::Result<TempDir> {
    let place = if destination.is_dir() {
        destination
    } else {
        let above = destination.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(above)?;
        above
    };
    tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(place)
}

fn archive_in(scratch: &Path) -> PathBuf {
    scratch.join("archive.tar")
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl TransferEnd for ReceivedDirectory {
    async fn write(&mut self, data: Vec<u8>) -> Result<(), String> {
        take_room(&mut self.room, data.len())?;
        let written = self.archive.write_all(&data).await;
        written.map_err(|error| cannot_write(&self.destination, &error))
    }

    async fn close(&mut self) -> Result<(), String> {
        self.archive.flush().await.map_err(|error| cannot_write(&self.destination, &error))?;
        self.closed = true;
        Ok(())
    }
}
