//! Sends a file of the master, or a text.

use std::io;
use std::path::Path;

use async_trait::async_trait;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::TransferEnd;
use super::options::LARGEST_BLOCK;

/// A file that the worker fetches.
pub struct SentFile {
    file: File,
}

impl SentFile {
    /// Opens a regular file.
    ///
    /// # Errors
    /// It is not there, is not readable, or is something else.
    pub async fn open(path: &Path) -> io::Result<SentFile> {
        // Asked before it is opened: a pipe without a writer would hang.
        if !tokio::fs::metadata(path).await?.is_file() {
            return Err(io::Error::other("not a file"));
        }
        Ok(SentFile { file: File::open(path).await? })
    }
}

#[async_trait]
impl TransferEnd for SentFile {
    /// Sends less than a worker asks for, when it asks for too much at once.
    async fn read(&mut self, length: u64) -> Result<Vec<u8>, String> {
        let length = length.min(LARGEST_BLOCK);
        let mut data = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        let mut part = (&mut self.file).take(length);
        let read = part.read_to_end(&mut data).await;
        read.map_err(|error| format!("cannot read the file on the master: {error}"))?;
        Ok(data)
    }

    async fn close(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// A text that the worker fetches as a file.
pub struct SentText {
    text: Vec<u8>,
    sent: usize,
}

impl SentText {
    pub fn new(text: String) -> SentText {
        SentText::bytes(text.into_bytes())
    }

    pub fn bytes(text: Vec<u8>) -> SentText {
        SentText { text, sent: 0 }
    }
}

#[async_trait]
impl TransferEnd for SentText {
    async fn read(&mut self, length: u64) -> Result<Vec<u8>, String> {
        let left = &self.text[self.sent..];
        let length = length.min(LARGEST_BLOCK).min(left.len() as u64) as usize;
        let data = left[..length].to_vec();
        self.sent += length;
        Ok(data)
    }

    async fn close(&mut self) -> Result<(), String> {
        Ok(())
    }
}
