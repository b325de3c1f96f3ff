//! Paths of commands as the worker sees them.
//!
//! Over Perspective Broker a master names paths as the step gave them: below the builder's directory
//! unless they are absolute, with `~` where the step wrote it. Over MessagePack they come absolute and
//! pass through unchanged.

use protocol::command::{Block, Command};

/// `command` with every path absolute. `base` is the builder's absolute directory; `home` tells the
/// home directory of a user, without a name the worker's own.
///
/// Paths are only put together: `..`, `.` and doubled slashes stay as the step wrote them, for they
/// are what its log shows.
pub(super) fn resolve(
    mut command: Command,
    base: &str,
    home: &dyn Fn(Option<&str>) -> Option<String>,
) -> Command {
    let below = |path: &mut String| *path = join(base, path);
    let transfer = |path: &mut String, block: &mut Block| {
        block.workdir = join(base, &block.workdir);
        *path = join(&block.workdir, &expand(path, home));
    };
    match &mut command {
        Command::Shell(shell) => below(&mut shell.workdir),
        Command::MakeDirectory { dir } | Command::ListDirectory { dir } => below(dir),
        Command::MakeDirectories { dirs } | Command::RemoveDirectory { dirs, .. } => {
            dirs.iter_mut().for_each(below);
        }
        Command::CopyDirectory { from, to, .. } => [from, to].into_iter().for_each(below),
        Command::Stat { file } => below(file),
        Command::Glob { path } => below(path),
        Command::RemoveFile { path } => *path = join(base, &expand(path, home)),
        Command::UploadFile { source, block, .. }
        | Command::UploadDirectory { source, block, .. } => transfer(source, block),
        Command::DownloadFile { dest, block, .. } => transfer(dest, block),
    }
    command
}

/// As Python's `os.path.join` does it: an absolute path replaces the base.
pub(super) fn join(base: &str, path: &str) -> String {
    match path.starts_with('/') || base.is_empty() {
        true => path.to_owned(),
        false if base.ends_with('/') => format!("{base}{path}"),
        false => format!("{base}/{path}"),
    }
}

/// `~/x` and `~user/x`; a user whom nobody knows stays as written.
fn expand(path: &str, home: &dyn Fn(Option<&str>) -> Option<String>) -> String {
    let Some(rest) = path.strip_prefix('~') else { return path.to_owned() };
    let (user, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match home(Some(user).filter(|user| !user.is_empty())) {
        Some(home) => format!("{}{below}", home.trim_end_matches('/')),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::command::{CommandLine, Compression, Limits, Shell};

    fn home(user: Option<&str>) -> Option<String> {
        match user {
            None => Some("/home/bb/".into()),
            Some("root") => Some("/root".into()),
            Some(_) => None,
        }
    }

    fn resolved(command: Command) -> Command {
        resolve(command, "/w/b", &home)
    }

    fn block(workdir: &str) -> Block {
        Block { workdir: workdir.into(), max_size: None, size: 1 }
    }

    const LIMITS: Limits = Limits { timeout: None, max_time: None, log_environ: false };

    #[test]
    fn paths_are_below_the_builder_unless_absolute() {
        for (path, expected) in [
            ("build", "/w/b/build"),
            ("", "/w/b/"),
            (".", "/w/b/."),
            ("../x//y", "/w/b/../x//y"),
            ("/abs", "/abs"),
            ("~/x", "/w/b/~/x"),
        ] {
            let (path, expected) = (path.to_owned(), expected.to_owned());
            let dirs = vec![path.clone()];
            for (command, wanted) in [
                (Command::Stat { file: path.clone() }, Command::Stat { file: expected.clone() }),
                (Command::Glob { path: path.clone() }, Command::Glob { path: expected.clone() }),
                (
                    Command::MakeDirectory { dir: path.clone() },
                    Command::MakeDirectory { dir: expected.clone() },
                ),
                (
                    Command::ListDirectory { dir: path.clone() },
                    Command::ListDirectory { dir: expected.clone() },
                ),
                (
                    Command::MakeDirectories { dirs: dirs.clone() },
                    Command::MakeDirectories { dirs: vec![expected.clone()] },
                ),
                (
                    Command::RemoveDirectory { dirs, limits: LIMITS },
                    Command::RemoveDirectory { dirs: vec![expected.clone()], limits: LIMITS },
                ),
                (
                    Command::CopyDirectory { from: path.clone(), to: "t".into(), limits: LIMITS },
                    Command::CopyDirectory { from: expected, to: "/w/b/t".into(), limits: LIMITS },
                ),
            ] {
                assert_eq!(resolved(command), wanted);
            }
        }
    }

    #[test]
    fn a_shell_runs_in_its_workdir() {
        let shell = |workdir: &str| {
            Command::Shell(Shell {
                workdir: workdir.into(),
                command: CommandLine::Text("~/x".into()),
                env: vec![],
                want_stdout: true,
                want_stderr: true,
                limits: LIMITS,
                max_lines: None,
                sigterm_time: None,
                interrupt_signal: None,
                initial_stdin: None,
                logfiles: vec![],
                use_pty: false,
            })
        };
        assert_eq!(resolved(shell("build")), shell("/w/b/build"));
    }

    #[test]
    fn transfers_and_rmfile_know_home_directories() {
        for (path, expected) in [
            ("f", "/w/b/build/f"),
            ("/f", "/f"),
            ("~/f", "/home/bb/f"),
            ("~", "/home/bb"),
            ("~root/f", "/root/f"),
            ("~nobody-knows/f", "/w/b/build/~nobody-knows/f"),
        ] {
            let upload = |source: &str, workdir: &str| Command::UploadFile {
                source: source.into(),
                block: block(workdir),
                keep_stamp: true,
            };
            assert_eq!(resolved(upload(path, "build")), upload(expected, "/w/b/build"), "{path}");
            let directory = |source: &str, workdir: &str| Command::UploadDirectory {
                source: source.into(),
                block: block(workdir),
                compress: Compression::Gzip,
            };
            assert_eq!(resolved(directory(path, "build")), directory(expected, "/w/b/build"));
            let download = |dest: &str, workdir: &str| Command::DownloadFile {
                dest: dest.into(),
                block: block(workdir),
                mode: Some(0o600),
            };
            assert_eq!(resolved(download(path, "build")), download(expected, "/w/b/build"));
        }
        let removed = resolved(Command::RemoveFile { path: "~/f".into() });
        assert_eq!(removed, Command::RemoveFile { path: "/home/bb/f".into() });
        let removed = resolved(Command::RemoveFile { path: "f".into() });
        assert_eq!(removed, Command::RemoveFile { path: "/w/b/f".into() });
    }
}
