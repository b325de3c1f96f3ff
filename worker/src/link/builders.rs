//! The directories of builders. Over Perspective Broker they are the worker's own business.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path};

use protocol::order::BuilderDir;

/// Holds what people say about the worker; belongs to no builder and is never deleted.
const INFO: &str = "info";

/// Makes what is missing. Directories of no builder are deleted if `delete`, else only mentioned in the
/// log. Blocks.
pub(super) fn arrange(basedir: &Path, builders: &[BuilderDir], delete: bool) -> Result<(), String> {
    for builder in builders {
        let dir = basedir.join(&builder.dir);
        fs::create_dir_all(&dir)
            .map_err(|error| format!("cannot create directory '{}': {error}", dir.display()))?;
    }
    for name in leftovers(basedir, builders) {
        if !delete {
            tracing::info!(
                "directory '{name}' belongs to no builder of the master; you may delete it"
            );
            continue;
        }
        tracing::info!("deleting directory '{name}', which belongs to no builder of the master");
        if let Err(error) = fs::remove_dir_all(basedir.join(&name)) {
            tracing::warn!("cannot delete directory '{name}': {error}");
        }
    }
    Ok(())
}

/// Names of directories right below `basedir`, sorted. A link to a directory is none.
fn leftovers(basedir: &Path, builders: &[BuilderDir]) -> Vec<String> {
    let wanted: HashSet<&str> =
        builders.iter().filter_map(|builder| first(&builder.dir)).chain([INFO]).collect();
    let entries = fs::read_dir(basedir).into_iter().flatten().flatten();
    let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let names = dirs.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter(|name| !wanted.contains(name.as_str())).collect();
    found.sort();
    found
}

/// The directory right below the base directory that `a/b` is in.
fn first(dir: &str) -> Option<&str> {
    let mut parts = Path::new(dir).components().filter(|part| *part != Component::CurDir);
    match parts.next() {
        Some(Component::Normal(name)) => name.to_str(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder(dir: &str) -> BuilderDir {
        BuilderDir { name: format!("builder of {dir}"), dir: dir.to_owned() }
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("directory");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn missing_directories_are_made_and_leftovers_kept_or_deleted() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for name in ["info", "old/deep", "b"] {
            fs::create_dir_all(dir.path().join(name)).expect("made");
        }
        fs::write(dir.path().join("buildbot.tac"), "").expect("written");
        std::os::unix::fs::symlink("/tmp", dir.path().join("link")).expect("linked");
        let builders = [builder("a"), builder("./b/c")];
        arrange(dir.path(), &builders, false).expect("arranged");
        assert!(dir.path().join("b/c").is_dir());
        let all = ["a", "b", "buildbot.tac", "info", "link", "old"];
        assert_eq!(names(dir.path()), all);
        arrange(dir.path(), &builders, true).expect("arranged");
        assert_eq!(names(dir.path()), all[..5]);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(dir.path().join("a"), "a file").expect("written");
        let error = arrange(dir.path(), &[builder("a")], false).expect_err("in the way");
        assert!(error.contains("cannot create directory") && error.contains("/a'"), "{error}");
    }
}
