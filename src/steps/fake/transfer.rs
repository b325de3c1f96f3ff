//! The worker's side of transfers, against a directory of this machine, as a stock worker does it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use protocol::command::{Block, Command, Compression};
use tokio::sync::watch;

use super::ended;
use crate::steps::Finished;
use crate::steps::transfer::TransferEnd;

/// One transfer as it goes on.
pub(super) struct Transfer<'a> {
    pub base: &'a Path,
    pub end: &'a mut dyn TransferEnd,
    /// Somebody stops the step after so many blocks.
    pub interrupt_after: Option<usize>,
    pub interrupt: &'a watch::Sender<Option<String>>,
}

impl Transfer<'_> {
    pub async fn run(mut self, command: Command) -> Finished {
        let outcome = match command {
            Command::UploadFile { source, block, keep_stamp } => {
                self.upload_file(&source, &block, keep_stamp).await
            }
            Command::UploadDirectory { source, block, compress } => {
                self.upload_directory(&source, &block, compress).await
            }
            Command::DownloadFile { dest, block, mode } => self.download(&dest, &block, mode).await,
            other => panic!("not a transfer: {other:?}"),
        };
        match outcome {
            Ok(finished) => finished,
            Err(error) => Finished { transfer_error: Some(error), ..ended(1, "") },
        }
    }

    /// A step whose blocks come one by one.
    pub async fn send(&mut self, blocks: Vec<Vec<u8>>, closes: bool) -> Result<(), String> {
        for block in blocks {
            self.end.write(block).await?;
            self.count();
        }
        if closes { self.end.close().await } else { Ok(()) }
    }

    fn count(&mut self) {
        self.interrupt_after = self.interrupt_after.map(|left| left.saturating_sub(1));
        if self.interrupt_after == Some(0) {
            self.interrupt.send_replace(Some("enough".into()));
        }
    }

    fn interrupted(&self) -> bool {
        self.interrupt.borrow().is_some()
    }

    async fn upload_file(
        &mut self,
        source: &str,
        block: &Block,
        keep_stamp: bool,
    ) -> Result<Finished, String> {
        let path = self.base.join(&block.workdir).join(source);
        let mut finished = ended(0, "");
        match fs::File::open(&path) {
            Ok(file) => self.pump(file, block, &path, &mut finished).await?,
            Err(_) => fail(&mut finished, format!("Cannot open file '{source}' for upload")),
        }
        self.end.close().await?;
        if keep_stamp && let Ok(data) = fs::metadata(&path) {
            self.end.utime(data.atime() as f64, data.mtime() as f64).await?;
        }
        Ok(finished)
    }

    async fn upload_directory(
        &mut self,
        source: &str,
        block: &Block,
        compress: Compression,
    ) -> Result<Finished, String> {
        let path = self.base.join(&block.workdir).join(source);
        let mut finished = ended(0, "");
        if !path.is_dir() {
            fail(&mut finished, format!("Cannot read directory '{source}' for upload"));
            return Ok(finished);
        }
        let mut archive = tar::Builder::new(Vec::new());
        archive.follow_symlinks(false);
        archive.append_dir_all(".", &path).unwrap();
        let packed = packed(&archive.into_inner().unwrap(), compress);
        self.pump(packed.as_slice(), block, &path, &mut finished).await?;
        self.end.close().await?;
        Ok(finished)
    }

    async fn pump(
        &mut self,
        mut from: impl Read,
        block: &Block,
        path: &Path,
        finished: &mut Finished,
    ) -> Result<(), String> {
        let mut left = block.max_size.unwrap_or(u64::MAX);
        while !self.interrupted() {
            if left == 0 {
                let path = path.display();
                fail(finished, format!("Maximum filesize reached, truncating file '{path}'"));
                return Ok(());
            }
            let mut data = Vec::new();
            (&mut from).take(left.min(block.size)).read_to_end(&mut data).unwrap();
            if data.is_empty() {
                return Ok(());
            }
            left -= data.len() as u64;
            self.end.write(data).await?;
            self.count();
        }
        finished.rc = Some(1);
        Ok(())
    }

    async fn download(
        &mut self,
        dest: &str,
        block: &Block,
        mode: Option<u32>,
    ) -> Result<Finished, String> {
        let path = self.base.join(&block.workdir).join(dest);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut finished = ended(0, "");
        let Ok(mut file) = fs::File::create(&path) else {
            fail(&mut finished, format!("Cannot open file '{dest}' for download"));
            self.end.close().await?;
            return Ok(finished);
        };
        if let Some(mode) = mode {
            file.set_permissions(fs::Permissions::from_mode(mode)).unwrap();
        }
        let mut left = block.max_size.unwrap_or(u64::MAX);
        loop {
            if self.interrupted() {
                finished.rc = Some(1);
                break;
            }
            if left == 0 {
                fail(&mut finished, format!("Maximum filesize reached, truncating file '{dest}'"));
                break;
            }
            let data = self.end.read(left.min(block.size)).await?;
            if data.is_empty() {
                break;
            }
            left -= data.len() as u64;
            file.write_all(&data).unwrap();
            self.count();
        }
        self.end.close().await?;
        Ok(finished)
    }
}

fn fail(finished: &mut Finished, text: String) {
    finished.rc = Some(1);
    finished.stderr = text;
}

/// An archive as a worker compresses it.
pub(in crate::steps) fn packed(archive: &[u8], compress: Compression) -> Vec<u8> {
    match compress {
        Compression::None => archive.to_vec(),
        Compression::Gzip => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(archive).unwrap();
            out.finish().unwrap()
        }
        Compression::Bzip2 => {
            let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            out.write_all(archive).unwrap();
            out.finish().unwrap()
        }
    }
}
