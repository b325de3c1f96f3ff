//! A directory as a tar archive, written while it is read.
//!
//! Members are relative and sorted, as Python's `tarfile` writes them: links stay links, names of one
//! file become hard links, named pipes and devices are stored, sockets left out. Long names take the
//! GNU form, which every `tar` reads.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bzip2::write::BzEncoder;
use flate2::write::GzEncoder;
use protocol::command::Compression;
use tar::{Builder, EntryType, Header};

use super::blocks::BlockWriter;

/// Bytes of the longest link target that fits into a header.
const SHORT_LINK: usize = 100;

/// What could not be archived. The archive is not whole then.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) path: PathBuf,
    pub(super) error: io::Error,
}

/// Writes everything below `root`, which may be a link to a directory.
pub(super) fn write(root: &Path, writer: BlockWriter, compress: Compression) -> Result<(), Failed> {
    let ended = |error| Failed { path: root.to_owned(), error };
    let writer = match compress {
        Compression::None => pack(root, writer)?,
        Compression::Gzip => {
            let encoder = GzEncoder::new(writer, flate2::Compression::best());
            pack(root, encoder)?.finish().map_err(ended)?
        }
        Compression::Bzip2 => {
            let encoder = BzEncoder::new(writer, bzip2::Compression::best());
            pack(root, encoder)?.finish().map_err(ended)?
        }
    };
    writer.finish().map_err(ended)
}

fn pack<W: Write>(root: &Path, writer: W) -> Result<W, Failed> {
    let mut archive = Archive { builder: Builder::new(writer), links: HashMap::new() };
    let meta = fs::metadata(root).map_err(|error| Failed { path: root.to_owned(), error })?;
    // Paths below the root, the next one last.
    let mut pending = vec![(PathBuf::new(), meta)];
    while let Some((name, meta)) = pending.pop() {
        let path = root.join(&name);
        let failed = |error| Failed { path: path.clone(), error };
        archive.add(&path, &name, &meta).map_err(failed)?;
        if meta.is_dir() {
            for child in children(&path).map_err(failed)? {
                let path = path.join(&child);
                let meta = fs::symlink_metadata(&path);
                let meta = meta.map_err(|error| Failed { path, error })?;
                pending.push((name.join(child), meta));
            }
        }
    }
    archive.builder.into_inner().map_err(|error| Failed { path: root.to_owned(), error })
}

/// Names, the last one first.
fn children(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let names = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.file_name().into()));
    let mut names = names.collect::<io::Result<Vec<PathBuf>>>()?;
    names.sort_by(|a, b| b.cmp(a));
    Ok(names)
}

struct Archive<W: Write> {
    builder: Builder<W>,
    /// The first name of each file that has several, by device and inode.
    links: HashMap<(u64, u64), PathBuf>,
}

impl<W: Write> Archive<W> {
    /// Adds one member; `name` is its path below the root.
    fn add(&mut self, path: &Path, name: &Path, meta: &Metadata) -> io::Result<()> {
        let kind = meta.file_type();
        if kind.is_dir() {
            let name = if name.as_os_str().is_empty() { Path::new(".") } else { name };
            self.bare(&name.join(""), meta, EntryType::Directory)
        } else if kind.is_symlink() {
            self.link(name, &fs::read_link(path)?, meta, EntryType::Symlink)
        } else if kind.is_file() {
            self.file(path, name, meta)
        } else if kind.is_fifo() {
            self.bare(name, meta, EntryType::Fifo)
        } else if kind.is_char_device() {
            self.bare(name, meta, EntryType::Char)
        } else if kind.is_block_device() {
            self.bare(name, meta, EntryType::Block)
        } else {
            Ok(())
        }
    }

    fn file(&mut self, path: &Path, name: &Path, meta: &Metadata) -> io::Result<()> {
        if meta.nlink() > 1 {
            let id = (meta.dev(), meta.ino());
            if let Some(first) = self.links.get(&id) {
                let first = first.clone();
                return self.link(name, &first, meta, EntryType::Link);
            }
            self.links.insert(id, name.to_owned());
        }
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::other("the file was replaced while it was archived"));
        }
        // The header promises a length: a file that grows is cut there, one that shrinks is an error.
        let mut header = header(&meta, EntryType::Regular);
        header.set_size(meta.len());
        let mut data = Exactly { file, left: meta.len() };
        self.builder.append_data(&mut header, name, &mut data)
    }

    fn link(
        &mut self,
        name: &Path,
        target: &Path,
        meta: &Metadata,
        kind: EntryType,
    ) -> io::Result<()> {
        let mut header = header(meta, kind);
        header.set_size(0);
        if target.as_os_str().len() > SHORT_LINK {
            return self.builder.append_link(&mut header, name, target);
        }
        header.set_link_name_literal(target.as_os_str().as_bytes())?;
        self.builder.append_data(&mut header, name, io::empty())
    }

    /// A member without content.
    fn bare(&mut self, name: &Path, meta: &Metadata, kind: EntryType) -> io::Result<()> {
        let mut header = header(meta, kind);
        header.set_size(0);
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(nix::sys::stat::major(meta.rdev()) as u32)?;
            header.set_device_minor(nix::sys::stat::minor(meta.rdev()) as u32)?;
        }
        self.builder.append_data(&mut header, name, io::empty())
    }
}

fn header(meta: &Metadata, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(meta.mode() & 0o7777);
    header.set_uid(u64::from(meta.uid()));
    header.set_gid(u64::from(meta.gid()));
    header.set_mtime(u64::try_from(meta.mtime()).unwrap_or(0));
    header
}

/// A file of which exactly so many bytes are read.
struct Exactly {
    file: File,
    left: u64,
}

impl io::Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = (&self.file).take(self.left).read(buffer)?;
        if length == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::other("the file became shorter while it was archived"));
        }
        self.left -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
