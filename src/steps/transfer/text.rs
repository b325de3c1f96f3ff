//! Reads a small file of the worker into memory.

use async_trait::async_trait;
use protocol::command::{Block, Command};

use super::TransferEnd;
use super::file::take_room;
use crate::model::LogType;
use crate::steps::{Capture, StepError, Stream, Workbench};

/// Stock's `blocksize` for it.
const BLOCK: u64 = 32 * 1024;

/// Which file, and how large it may be in bytes.
pub struct SmallFile {
    /// Relative to the builder's directory.
    pub workdir: String,
    /// Relative to `workdir`.
    pub source: String,
    pub limit: u64,
}

/// The file's text, odd bytes replaced. `None` when it cannot be read or somebody stopped the step;
/// the log `stdio` says why then.
pub async fn read_text(
    bench: &mut dyn Workbench,
    file: SmallFile,
) -> Result<Option<String>, StepError> {
    let mut end = ReceivedText { room: Some(file.limit), data: Vec::new() };
    let block = Block { workdir: file.workdir, max_size: Some(file.limit), size: BLOCK };
    let command = Command::UploadFile { source: file.source, block, keep_stamp: false };
    let capture = Capture { stdout: false, stderr: true, quiet: true };
    let finished = bench.transfer(command, &mut end, capture).await?;
    if finished.interrupted.is_some() {
        return Ok(None);
    }
    if let Some(error) = finished.transfer_error {
        return Err(StepError::Failed(error));
    }
    if finished.rc.unwrap_or(0) != 0 {
        bench.log("stdio", LogType::Stdio, Stream::Stderr, &finished.stderr).await?;
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&end.data).into_owned()))
}

struct ReceivedText {
    room: Option<u64>,
    data: Vec<u8>,
}

#[async_trait]
impl TransferEnd for ReceivedText {
    async fn write(&mut self, data: Vec<u8>) -> Result<(), String> {
        take_room(&mut self.room, data.len())?;
        self.data.extend(data);
        Ok(())
    }

    async fn close(&mut self) -> Result<(), String> {
        Ok(())
    }
}
