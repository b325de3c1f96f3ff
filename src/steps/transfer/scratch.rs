//! Receives a file into a temporary one without a name, for the step to read.

use std::io::Seek;

use async_trait::async_trait;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::TransferEnd;
use super::file::{blocking, take_room};

/// A file of the worker that nobody else sees. It goes away by itself.
pub struct Scratch {
    file: File,
    /// Bytes that may still come.
    room: Option<u64>,
}

impl Scratch {
    /// # Errors
    /// A message for people when there is no room for temporary files.
    pub async fn create(max_size: Option<u64>) -> Result<Scratch, String> {
        let file = blocking(tempfile::tempfile).await.map_err(cannot_keep)?;
        Ok(Scratch { file: File::from_std(file), room: max_size })
    }

    /// The file, to be read from its beginning.
    ///
    /// # Errors
    /// A message for people.
    pub async fn into_file(mut self) -> Result<std::fs::File, String> {
        self.file.flush().await.map_err(cannot_keep)?;
        let mut file = self.file.into_std().await;
        blocking(move || file.rewind().map(|()| file)).await.map_err(cannot_keep)
    }
}

#[async_trait]
impl TransferEnd for Scratch {
    async fn write(&mut self, data: Vec<u8>) -> Result<(), String> {
        take_room(&mut self.room, data.len())?;
        self.file.write_all(&data).await.map_err(cannot_keep)
    }

    async fn close(&mut self) -> Result<(), String> {
        Ok(())
    }
}

fn cannot_keep(error: std::io::Error) -> String {
    format!("cannot keep a temporary file on the master: {error}")
}
