//! One transfer command, and what its end means for the step.

use std::path::PathBuf;

use protocol::command::{Block, Command, Compression};

use super::TransferEnd;
use super::directory::ReceivedDirectory;
use super::file::ReceivedFile;
use super::path::master_path;
use crate::flow::interpolate::Renderable;
use crate::model::{LogType, Results};
use crate::steps::interruption::interrupted;
use crate::steps::render::render_spans;
use crate::steps::{Capture, StepError, Stream, Workbench};

/// Runs a transfer. What goes wrong on the worker is a FAILURE, on the master an error.
pub async fn transfer(
    bench: &mut dyn Workbench,
    command: Command,
    end: &mut dyn TransferEnd,
) -> Result<Results, StepError> {
    let finished = bench.transfer(command, end, Capture::default()).await?;
    if let Some(reason) = finished.interrupted {
        return cancelled(bench, &reason).await;
    }
    if let Some(error) = finished.transfer_error {
        return Err(StepError::Failed(error));
    }
    // As in stock a worker that says nothing has succeeded.
    Ok(if finished.rc.unwrap_or(0) == 0 { Results::Success } else { Results::Failure })
}

/// A step that somebody stopped says who in a log of its own.
pub async fn cancelled(bench: &mut dyn Workbench, reason: &str) -> Result<Results, StepError> {
    bench.log("interrupt", LogType::Text, Stream::Stdout, reason).await?;
    Ok(Results::Cancelled)
}

/// A file of the worker and how it comes to the master.
pub struct FileSource {
    pub source: String,
    pub block: Block,
    pub keep_stamp: bool,
    pub mode: Option<u32>,
}

pub async fn upload_file(
    bench: &mut dyn Workbench,
    file: FileSource,
    destination: PathBuf,
) -> Result<Results, StepError> {
    let FileSource { source, block, keep_stamp, mode } = file;
    let end = ReceivedFile::create(destination, block.max_size, mode).await;
    let mut end = end.map_err(StepError::Failed)?;
    let results =
        transfer(bench, Command::UploadFile { source, block, keep_stamp }, &mut end).await?;
    if results == Results::Success {
        end.keep().await.map_err(StepError::Failed)?;
    }
    Ok(results)
}

pub async fn upload_directory(
    bench: &mut dyn Workbench,
    source: String,
    block: Block,
    compress: Compression,
    destination: PathBuf,
) -> Result<Results, StepError> {
    let end = ReceivedDirectory::create(destination, block.max_size, compress).await;
    let mut end = end.map_err(StepError::Failed)?;
    let results =
        transfer(bench, Command::UploadDirectory { source, block, compress }, &mut end).await?;
    if results != Results::Success {
        return Ok(results);
    }
    let mut interruption = bench.interruption();
    tokio::select! {
        kept = end.keep() => kept.map(|()| Results::Success).map_err(StepError::Failed),
        reason = interrupted(&mut interruption) => cancelled(bench, &reason).await,
    }
}

/// The path on the master that an option names for this build.
pub fn render_master_path(
    bench: &dyn Workbench,
    key: &str,
    value: &Renderable,
) -> Result<PathBuf, StepError> {
    let spans = render_spans(bench, value)?;
    master_path(key, bench.master_basedir(), &spans).map_err(StepError::Failed)
}
