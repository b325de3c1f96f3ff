//! `uploadFile` and `uploadDirectory`: from the worker to the master.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use protocol::command::{Block, Compression};
use protocol::msgpack::WorkerRequest;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::blocks::{BlockWriter, Halt};
use super::{Broken, Transfer, archive, cannot_read_directory, too_large};
use crate::commands::Ended;
use crate::commands::output::{Item, Stream};
use crate::commands::python::os_error;

/// What a reading thread found out.
#[derive(Debug, Default)]
struct Read {
    /// Access and modification, Unix seconds.
    times: Option<(f64, f64)>,
    /// Why less than everything was sent.
    problem: Option<String>,
}

impl Transfer<'_> {
    /// Sends one file; the master's end is closed whatever happens.
    pub(in crate::commands) async fn upload_file(
        mut self,
        source: String,
        block: Block,
        keep_stamp: bool,
    ) -> Ended {
        self.announce(&source).await;
        let (sender, blocks) = mpsc::channel(1);
        let reading = spawn_blocking(move || read_file(&source, BlockWriter::new(&block, sender)));
        let write = |command_id, data| WorkerRequest::UploadFileWrite { command_id, data };
        let read = self.send(blocks, reading, write).await;
        let command_id = self.id();
        let closed = self.ask(WorkerRequest::UploadFileClose { command_id }).await;
        let result = match (read, closed) {
            (Ok(read), Ok(_)) => self.stamp(keep_stamp, read).await,
            (Err(broken), _) | (_, Err(broken)) => Err(broken),
        };
        self.report(result)
    }

    /// Sends a directory as an archive, which the master unpacks when it came whole.
    pub(in crate::commands) async fn upload_directory(
        mut self,
        source: String,
        block: Block,
        compress: Compression,
    ) -> Ended {
        let root = source.clone();
        match spawn_blocking(move || fs::read_dir(&root).map(drop)).await {
            Err(error) => return self.report(Err(error.into())),
            Ok(Err(error)) => {
                let text = cannot_read_directory(&source, Path::new(&source), &error);
                return self.report(Err(Broken::Problem(text)));
            }
            Ok(Ok(())) => {}
        }
        self.announce(&source).await;
        let (sender, blocks) = mpsc::channel(1);
        let writer = BlockWriter::new(&block, sender);
        let reading = spawn_blocking(move || read_directory(&source, writer, compress));
        let write = |command_id, data| WorkerRequest::UploadDirectoryWrite { command_id, data };
        let result = match self.send(blocks, reading, write).await {
            Ok(Read { problem: Some(text), .. }) => Err(Broken::Problem(text)),
            Ok(_) => {
                let command_id = self.id();
                self.ask(WorkerRequest::UploadDirectoryUnpack { command_id }).await.map(drop)
            }
            Err(broken) => Err(broken),
        };
        self.report(result)
    }

    /// Sends blocks until there are no more, or until it is to stop: then the reading thread is left
    /// alone, as a dead file system must not keep the command.
    async fn send(
        &mut self,
        mut blocks: mpsc::Receiver<Vec<u8>>,
        reading: JoinHandle<Read>,
        write: impl Fn(String, Vec<u8>) -> WorkerRequest,
    ) -> Result<Read, Broken> {
        loop {
            let block = tokio::select! {
                biased;
                Some(stop) = self.stop.recv() => return Err(stop.into()),
                block = blocks.recv() => block,
            };
            let Some(data) = block else { return Ok(reading.await?) };
            self.ask(write(self.id(), data)).await?;
        }
    }

    /// Tells the file's times. A master that cannot keep them has the file all the same: a stock one
    /// refuses them over MessagePack, whatever they are.
    async fn stamp(&mut self, wanted: bool, read: Read) -> Result<(), Broken> {
        if let (true, Some((access_time, modified_time))) = (wanted, read.times) {
            let command_id = self.id();
            let request = WorkerRequest::UploadFileUtime { command_id, access_time, modified_time };
            match self.ask(request).await {
                Err(Broken::Failed(text)) => {
                    let text = format!("The master did not keep the file's times: {text}\n");
                    self.output.put(Item::Bytes(Stream::Stderr, text.into_bytes()));
                }
                other => drop(other?),
            }
        }
        read.problem.map_or(Ok(()), |text| Err(Broken::Problem(text)))
    }
}

/// Reads a file to its end, its times as they were before.
fn read_file(source: &str, mut writer: BlockWriter) -> Read {
    let (mut file, meta) = match open_file(source) {
        Ok(opened) => opened,
        Err(problem) => return Read { times: None, problem: Some(problem) },
    };
    let seconds = |whole: i64, nanos: i64| whole as f64 + nanos as f64 * 1e-9;
    let times =
        Some((seconds(meta.atime(), meta.atime_nsec()), seconds(meta.mtime(), meta.mtime_nsec())));
    let result = io::copy(&mut file, &mut writer).and_then(|_| writer.finish());
    let problem = result.err().and_then(|error| match Halt::of(&error) {
        Some(Halt::Full) => Some(too_large(source)),
        Some(Halt::Unwanted) => None,
        None => {
            let error = os_error(Path::new(source), &error);
            Some(format!("Cannot read file '{source}' for upload: {error}"))
        }
    });
    Read { times, problem }
}

/// Only regular files have an end; a pipe without a writer would not even open.
fn open_file(source: &str) -> Result<(File, fs::Metadata), String> {
    let cannot = format!("Cannot open file '{source}' for upload");
    let opened = File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(source)
        .and_then(|file| file.metadata().map(|meta| (file, meta)));
    match opened {
        Ok((file, meta)) if meta.is_file() => Ok((file, meta)),
        Ok((_, meta)) => Err(format!("{cannot}: it is {}", kind(meta.file_type()))),
        Err(_) => Err(cannot),
    }
}

fn kind(file_type: fs::FileType) -> &'static str {
    match file_type {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "no regular file",
    }
}

fn read_directory(source: &str, writer: BlockWriter, compress: Compression) -> Read {
    let problem =
        archive::write(Path::new(source), writer, compress).err().and_then(
            |failed| match Halt::of(&failed.error) {
                Some(Halt::Full) => Some(too_large(source)),
                Some(Halt::Unwanted) => None,
                None => Some(cannot_read_directory(source, &failed.path, &failed.error)),
            },
        );
    Read { times: None, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        nix::unistd::mkfifo(path("fifo").as_str(), nix::sys::stat::Mode::S_IRWXU).expect("fifo");
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).expect("socket");
        fs::write(path("file"), "x").expect("file");
        assert!(open_file(&path("file")).is_ok());
        for (name, reason) in [
            (path("none"), ""),
            (path("socket"), ""),
            (path("fifo"), ": it is a named pipe"),
            (path("."), ": it is a directory"),
            ("/dev/zero".to_owned(), ": it is a device"),
        ] {
            let expected = format!("Cannot open file '{name}' for upload{reason}");
            assert_eq!(open_file(&name).expect_err("refused"), expected);
        }
    }
}
