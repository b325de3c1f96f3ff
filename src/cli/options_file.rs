//! `.buildbot/options`: a user's defaults for the commands that talk to a master.
//!
//! Stock Buildbot runs the file as Python. Here the lines that assign a plain string at their very
//! beginning are read, nothing is run.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::tac::{Literal, assignment};

/// Directories above the current one that are looked at, as in stock.
const LEVELS: usize = 20;

/// What the options file says, by name; empty when there is none.
#[derive(Debug, Default)]
pub struct OptionsFile(HashMap<String, String>);

impl OptionsFile {
    /// Looks for the file in the current directory, those above, and at home. The first one in a
    /// directory that belongs to the user counts.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn find() -> anyhow::Result<OptionsFile> {
        let here = std::env::current_dir().unwrap_or_default();
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let me = nix::unistd::getuid().as_raw();
        find_in(here.ancestors().take(LEVELS).chain(home.as_deref()), me)
    }

    pub fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

fn find_in<'p>(places: impl Iterator<Item = &'p Path>, owner: u32) -> anyhow::Result<OptionsFile> {
    for place in places {
        let dir = place.join(".buildbot");
        let Ok(metadata) = std::fs::metadata(&dir) else { continue };
        if !metadata.is_dir() {
            continue;
        }
        if metadata.uid() != owner {
            println!("skipping {} because you don't own it", dir.display());
            continue;
        }
        let file = dir.join("options");
        match std::fs::read_to_string(&file) {
            Ok(text) => return Ok(OptionsFile(text.lines().filter_map(setting).collect())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => anyhow::bail!("error while reading {}: {error}", file.display()),
        }
    }
    Ok(OptionsFile::default())
}

fn setting(line: &str) -> Option<(String, String)> {
    match assignment(line)? {
        (name, Literal::Text(value)) => Some((name.to_owned(), value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_of_the_users_own_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (near, far) = (dir.path().join("a/b"), dir.path().join("a"));
        std::fs::create_dir_all(near.join(".buildbot")).unwrap();
        std::fs::create_dir_all(far.join(".buildbot")).unwrap();
        let options = "# mine\nmaster = 'localhost:9989'  # here\nwho=\"Joe\"\ntry_wait = True\n";
        std::fs::write(far.join(".buildbot/options"), options).unwrap();
        let me = nix::unistd::getuid().as_raw();
        let found = find_in(near.ancestors(), me).unwrap();
        assert_eq!(found.get("master").as_deref(), Some("localhost:9989"));
        assert_eq!(found.get("who").as_deref(), Some("Joe"));
        assert_eq!(found.get("try_wait"), None);
        let others = find_in([near.as_path(), &far].into_iter(), me + 1).unwrap();
        assert_eq!(others.get("master"), None);
    }
}
