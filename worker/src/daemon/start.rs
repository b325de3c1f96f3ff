//! Going to the background.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::pidfile::running;
use super::rotate::LOG_FILE;

const READY: &str = "ready";
const FAILED: &str = "failed ";

/// Why a background process did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("already running in '{}' with pid {pid}", .dir.display())]
    AlreadyRunning { dir: PathBuf, pid: u32 },
    #[error("cannot start '{}': {error}", .program.display())]
    Spawn { program: PathBuf, error: io::Error },
    #[error("cannot write '{}': {error}; may this user write there?", .log.display())]
    Log { log: PathBuf, error: io::Error },
    /// What the process itself said.
    #[error("{0}")]
    Failed(String),
    #[error("the process ended before it was ready; see '{}'", .0.display())]
    Died(PathBuf),
    #[error("the process was not ready within {seconds} s; see '{}'", .log.display())]
    Timeout { seconds: u64, log: PathBuf },
}

/// Runs `program` in the background with `dir` as its directory, and waits until it says that it is
/// ready. Returns its process id. What it prints on stderr goes to `twistd.log`. Blocks.
pub fn start_detached(
    program: &Path,
    args: &[OsString],
    dir: &Path,
    deadline: Duration,
) -> Result<u32, StartError> {
    if let Some(pid) = running(dir) {
        return Err(StartError::AlreadyRunning { dir: dir.to_owned(), pid });
    }
    let failed = |error| StartError::Spawn { program: program.to_owned(), error };
    let log = dir.join(LOG_FILE);
    let stderr = match File::options().create(true).append(true).open(&log) {
        Ok(stderr) => stderr,
        Err(error) => return Err(StartError::Log { log, error }),
    };
    let mut child = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(failed)?;
    let pid = child.id();
    let (said, hear) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || said.send(listen(BufReader::new(stdout))));
    }
    let word = match hear.recv_timeout(deadline) {
        Ok(word) => word,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(StartError::Timeout { seconds: deadline.as_secs(), log });
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => String::new(),
    };
    if word == READY {
        return Ok(pid);
    }
    let _ = child.wait();
    match word.strip_prefix(FAILED) {
        Some(text) => Err(StartError::Failed(text.trim_end().to_owned())),
        None => Err(StartError::Died(log)),
    }
}

/// The first line, or all there is after a failure, which may have several.
fn listen(mut stdout: impl io::BufRead) -> String {
    let mut word = String::new();
    if stdout
        .by_ref()
        .lines()
        .next()
        .and_then(Result::ok)
        .map(|line| word.push_str(&line))
        .is_some()
        && word.starts_with(FAILED)
    {
        let mut rest = String::new();
        let _ = stdout.take(64 * 1024).read_to_string(&mut rest);
        word.push('\n');
        word.push_str(&rest);
    }
    word
}

/// The background process before it is ready. Dropping it without a word means that it died.
#[derive(Debug)]
#[must_use]
pub struct Starting(());

/// Called first in the background process: leaves the terminal and the session of its parent. Fails
/// only for a process that already leads a group of its own.
pub fn detach() -> io::Result<Starting> {
    nix::unistd::setsid()?;
    Ok(Starting(()))
}

impl Starting {
    /// Everything that can fail at the start is done. stdout leads nowhere afterwards.
    pub fn ready(self) -> io::Result<()> {
        let mut stdout = io::stdout();
        writeln!(stdout, "{READY}")?;
        stdout.flush()?;
        let null = File::options().write(true).open("/dev/null")?;
        nix::unistd::dup2_stdout(&null)?;
        Ok(())
    }

    /// Passes an error to whoever started this process, which should end now.
    pub fn failed(self, text: &str) {
        let _ = writeln!(io::stdout(), "{FAILED}{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str, deadline: Duration) -> Result<u32, StartError> {
        let dir = tempfile::tempdir().expect("temporary directory");
        let args = ["-c".into(), script.into()];
        start_detached(Path::new("/bin/sh"), &args, dir.path(), deadline)
    }

    #[test]
    fn the_word_of_the_process_decides() {
        let long = Duration::from_secs(60);
        assert!(start("echo ready", long).is_ok());
        let failed = start("printf 'failed port 80\\nis in use\\n'; exit 1", long);
        assert_eq!(failed.expect_err("failed").to_string(), "port 80\nis in use");
        assert!(matches!(start("exit 3", long), Err(StartError::Died(_))));
        assert!(matches!(start("echo nonsense", long), Err(StartError::Died(_))));
    }

    #[test]
    fn a_silent_process_is_given_up() {
        let result = start("exec sleep 60", Duration::from_millis(50));
        assert!(matches!(result, Err(StartError::Timeout { .. })));
    }

    #[test]
    fn a_missing_program_is_named() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let missing = Path::new("/nonexistent/program");
        let error = start_detached(missing, &[], dir.path(), Duration::from_secs(1));
        assert!(error.expect_err("missing").to_string().contains("/nonexistent/program"));
    }
}
