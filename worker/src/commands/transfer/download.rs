//! `downloadFile`: from the master to the worker.

use std::path::Path;

use protocol::command::Block;
use protocol::msgpack::WorkerRequest;
use protocol::report::Answer;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::task::spawn_blocking;

use super::partial::Partial;
use super::{Broken, LONGEST_BLOCK, Transfer, too_large};
use crate::commands::Ended;
use crate::commands::files::make_directory;
use crate::commands::python::os_error;

impl Transfer<'_> {
    /// Fetches one file; the master's end is closed whatever happens.
    pub(in crate::commands) async fn download_file(
        mut self,
        dest: String,
        block: Block,
        mode: Option<u32>,
    ) -> Ended {
        let received = self.receive(&dest, &block, mode).await;
        let command_id = self.id();
        let closed = self.ask(WorkerRequest::ReadFileClose { command_id }).await;
        self.report(received.and(closed.map(drop)))
    }

    /// The file is put in its place when it is whole or as large as allowed.
    async fn receive(
        &mut self,
        dest: &str,
        block: &Block,
        mode: Option<u32>,
    ) -> Result<(), Broken> {
        let path = dest.to_owned();
        let (partial, file) = spawn_blocking(move || create(&path, mode)).await??;
        let mut file = File::from_std(file);
        let whole = self.fetch(dest, block, &mut file).await?;
        file.flush().await.map_err(|error| cannot_write(dest, &error))?;
        drop(file);
        let kept = spawn_blocking(move || partial.keep()).await?;
        kept.map_err(|error| cannot_write(dest, &error))?;
        match whole {
            true => Ok(()),
            false => Err(Broken::Problem(too_large(dest))),
        }
    }

    /// Reads until the end, or until the file is as large as allowed; then it counts as cut, as a
    /// stock worker does not look whether there is more.
    async fn fetch(&mut self, dest: &str, block: &Block, file: &mut File) -> Result<bool, Broken> {
        let mut left = block.max_size.unwrap_or(u64::MAX);
        while left > 0 {
            if let Ok(stop) = self.stop.try_recv() {
                return Err(stop.into());
            }
            let length = block.size.clamp(1, LONGEST_BLOCK).min(left);
            let request = WorkerRequest::ReadFile { command_id: self.id(), length };
            let data = match self.ask(request).await? {
                Answer::Data(data) if !data.is_empty() => data,
                _ => return Ok(true),
            };
            let used = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.write_all(&data[..used]).await.map_err(|error| cannot_write(dest, &error))?;
            left -= used as u64;
        }
        Ok(false)
    }
}

/// Makes the directories above, too.
fn create(dest: &str, mode: Option<u32>) -> Result<(Partial, std::fs::File), Broken> {
    if let Some(dir) = Path::new(dest).parent() {
        make_directory(&dir.to_string_lossy())
            .map_err(|error| Broken::Failed(os_error(dir, &error)))?;
    }
    let cannot = |_| Broken::Problem(format!("Cannot open file '{dest}' for download"));
    Partial::create(dest, mode).map_err(cannot)
}

fn cannot_write(dest: &str, error: &std::io::Error) -> Broken {
    let error = os_error(Path::new(dest), error);
    Broken::Problem(format!("Cannot write file '{dest}': {error}"))
}
