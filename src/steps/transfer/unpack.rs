//! Unpacks a tar archive that a worker sent. Blocks.
//!
//! The archive is a stranger's: nothing in it may reach out of the new directory, now or when its links
//! are followed later, and what it makes us remember is bounded.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use protocol::command::Compression;
use tar::{Archive, Entry, EntryType};

/// Most bytes of a member's headers: long names come in them.
const HEADER_ROOM: u64 = 1 << 20;
/// Deepest member; deeper ones could not even be removed again.
const DEEPEST: usize = 128;
/// Bytes copied at once.
const PIECE: usize = 64 * 1024;

/// The bounds of one archive.
pub struct Bounds<'a> {
    /// Bytes of all files together.
    pub most: Option<u64>,
    /// Somebody else has ended the transfer.
    pub stop: &'a AtomicBool,
}

/// Unpacks `archive` into `root`, an empty directory that nobody else writes to.
///
/// # Errors
/// A message for people; what has been unpacked is left to the caller.
pub fn unpack(
    archive: File,
    compression: Compression,
    root: &Path,
    bounds: &Bounds<'_>,
) -> Result<(), String> {
    let archive = BufReader::new(archive);
    let plain: Box<dyn Read> = match compression {
        Compression::None => Box::new(archive),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(archive)),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(archive)),
    };
    let room = Rc::new(Cell::new(HEADER_ROOM));
    let mut archive = Archive::new(Metered { plain, room: Rc::clone(&room) });
    let broken = |error: io::Error| format!("the archive is broken: {error}");
    let mut entries = archive.entries().map_err(broken)?;
    let mut most = bounds.most;
    loop {
        room.set(HEADER_ROOM);
        let Some(entry) = entries.next() else { return Ok(()) };
        room.set(u64::MAX);
        let mut entry = entry.map_err(broken)?;
        if let Some(left) = &mut most {
            *left = left.checked_sub(entry.size()).ok_or("the archive grows too much unpacked")?;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        member(&mut entry, root, bounds.stop).map_err(|error| match error {
            Refused::Member(why) => format!("the archive is refused: '{name}' {why}"),
            Refused::Io(error) => format!("cannot unpack '{name}': {error}"),
        })?;
    }
}

/// Why one member is not unpacked.
enum Refused {
    Member(&'static str),
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Io(error)
    }
}

/// Ends reading when a header takes more than its room: the reader of the archive keeps long names in
/// memory.
struct Metered {
    plain: Box<dyn Read>,
    room: Rc<Cell<u64>>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.room.get();
        if room == 0 {
            return Err(io::Error::other("a name in it is too long"));
        }
        let length = buffer.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let count = self.plain.read(&mut buffer[..length])?;
        self.room.set(room - count as u64);
        Ok(count)
    }
}

fn member<R: Read>(
    entry: &mut Entry<'_, R>,
    root: &Path,
    stop: &AtomicBool,
) -> Result<(), Refused> {
    let name = inside(&entry.path_bytes())?;
    let path = root.join(&name);
    match entry.header().entry_type() {
        EntryType::Directory if name.as_os_str().is_empty() => {}
        EntryType::Directory => make_directories(root, &name)?,
        EntryType::Regular | EntryType::Continuous => {
            clear(root, &name)?;
            regular(entry, &path, stop)?;
        }
        EntryType::Symlink => {
            let target = target(entry)?;
            if !stays_inside(&name, Path::new(&target)) {
                return Err(Refused::Member("is a link that leads out of the directory"));
            }
            clear(root, &name)?;
            symlink(target, path)?;
        }
        EntryType::Link => {
            let target = inside(target(entry)?.as_bytes())?;
            only_directories(root, target.parent().unwrap_or(Path::new("")))?;
            if !fs::symlink_metadata(root.join(&target))?.is_file() {
                return Err(Refused::Member("is a second name of something that is no file"));
            }
            clear(root, &name)?;
            fs::hard_link(root.join(target), path)?;
        }
        _ => return Err(Refused::Member("is neither file nor directory nor link")),
    }
    // Nothing is left for the reader of the next header to skip.
    io::copy(entry, &mut io::sink())?;
    Ok(())
}

fn target<R: Read>(entry: &Entry<'_, R>) -> Result<std::ffi::OsString, Refused> {
    let target = entry.link_name_bytes().unwrap_or_default();
    Ok(OsStr::from_bytes(&target).to_owned())
}

/// A member's name as a path below the root; empty for the root itself.
fn inside(name: &[u8]) -> Result<PathBuf, Refused> {
    let mut path = PathBuf::new();
    let mut absolute = false;
    for component in Path::new(OsStr::from_bytes(name)).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => absolute = true,
            Component::ParentDir => {
                return Err(Refused::Member("leads out of the directory"));
            }
        }
    }
    // Python's name of the root is `/`.
    if absolute && !path.as_os_str().is_empty() {
        return Err(Refused::Member("is an absolute path"));
    }
    if path.components().count() > DEEPEST {
        return Err(Refused::Member("lies too deep"));
    }
    Ok(path)
}

/// Does a link with this name lead to something below the root? It may climb only at its beginning:
/// behind another link `..` is somewhere else than it seems.
fn stays_inside(name: &Path, target: &Path) -> bool {
    let depth = name.components().count().saturating_sub(1);
    let mut climbed = 0;
    let mut descended = false;
    for component in target.components() {
        match component {
            Component::Normal(_) => descended = true,
            Component::CurDir => {}
            Component::ParentDir if descended => return false,
            Component::ParentDir => climbed += 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    climbed <= depth && !target.as_os_str().is_empty()
}

/// Are these all directories, and none of them a link?
fn only_directories(root: &Path, name: &Path) -> Result<(), Refused> {
    let mut path = root.to_owned();
    for part in name.components() {
        path.push(part);
        if !fs::symlink_metadata(&path)?.is_dir() {
            return Err(Refused::Member("lies behind a link"));
        }
    }
    Ok(())
}

/// Makes a directory and those above it, never through a link.
fn make_directories(root: &Path, name: &Path) -> Result<(), Refused> {
    let mut path = root.to_owned();
    for part in name.components() {
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(Refused::Member("lies behind a link or a file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&path)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Makes way for something that is no directory. A name may come twice; the last one counts.
fn clear(root: &Path, name: &Path) -> Result<(), Refused> {
    let Some(above) = name.parent() else {
        return Err(Refused::Member("would replace the directory itself"));
    };
    make_directories(root, above)?;
    match fs::remove_file(root.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// A file with its time, and with what is harmless of its mode: others get no right to write.
fn regular<R: Read>(
    entry: &mut Entry<'_, R>,
    path: &Path,
    stop: &AtomicBool,
) -> Result<(), Refused> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut buffer = vec![0; PIECE];
    let mut left = entry.size();
    while left > 0 {
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::Interrupted).into());
        }
        let count = entry.read(&mut buffer)?;
        if count == 0 {
            return Err(Refused::Member("is cut off"));
        }
        file.write_all(&buffer[..count])?;
        left = left.saturating_sub(count as u64);
    }
    let seconds = entry.header().mtime().unwrap_or_default();
    if let Some(time) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        file.set_times(FileTimes::new().set_modified(time))?;
    }
    let mode = entry.header().mode().unwrap_or_default();
    file.set_permissions(Permissions::from_mode(mode & 0o755 | 0o600))?;
    Ok(())
}
