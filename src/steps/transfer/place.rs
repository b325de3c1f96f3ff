//! Moves an unpacked directory to its destination. Blocks.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

/// Moves `tree` to `destination`, or what is in it into a `destination` that exists. Files replace those
/// of the same name, and others stay. What cannot be moved is found before anything is.
///
/// # Errors
/// A message for people.
pub fn place(tree: &Path, destination: &Path) -> Result<(), String> {
    match fs::metadata(destination) {
        Ok(found) if found.is_dir() => {
            let root = destination.canonicalize().map_err(|error| cannot(destination, &error))?;
            merge(tree, destination, &root, false)?;
            merge(tree, destination, &root, true)
        }
        Ok(_) => Err(format!("'{}' is not a directory", destination.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::rename(tree, destination).map_err(|error| cannot(destination, &error))
        }
        Err(error) => Err(cannot(destination, &error)),
    }
}

/// Moves everything in `from` into `to`, or only looks whether that is possible.
fn merge(from: &Path, to: &Path, root: &Path, moves: bool) -> Result<(), String> {
    let entries = fs::read_dir(from).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    for entry in entries.map_err(|error| cannot(from, &error))? {
        let (new, old) = (entry.path(), to.join(entry.file_name()));
        let directory = entry.file_type().map_err(|error| cannot(&new, &error))?.is_dir();
        let found = existing(&old).map_err(|error| cannot(&old, &error))?;
        match found {
            Some(found) if directory && found.is_dir() => {
                merge(&new, &old, root, moves)?;
                continue;
            }
            // An earlier upload made it.
            Some(found) if directory && found.is_symlink() && leads_into(&old, root) => {}
            Some(found) if directory || found.is_dir() => {
                let is = kind(found.is_dir());
                let comes = kind(directory);
                return Err(format!("'{}' is {is}, and {comes} came for it", old.display()));
            }
            _ => {}
        }
        if moves {
            replace(&new, &old).map_err(|error| cannot(&old, &error))?;
        }
    }
    Ok(())
}

/// Renames over what is no directory.
fn replace(new: &Path, old: &Path) -> io::Result<()> {
    if new.is_dir() && old.is_symlink() {
        fs::remove_file(old)?;
    }
    fs::rename(new, old)
}

fn existing(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Does the link lead to somewhere below `root`, or nowhere?
fn leads_into(link: &Path, root: &Path) -> bool {
    link.canonicalize().map_or(true, |target| target.starts_with(root))
}

fn kind(directory: bool) -> &'static str {
    if directory { "a directory" } else { "no directory" }
}

fn cannot(path: &Path, error: &io::Error) -> String {
    super::file::cannot_write(path, error)
}
