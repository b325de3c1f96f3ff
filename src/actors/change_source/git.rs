//! Runs git: without prompts, with a deadline, and so that nothing is left behind.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::flow::branches::masked;

/// The most that one call may answer.
const MOST: usize = 128 << 20;
/// How much of git's complaint is kept.
const MOST_STDERR: usize = 16 << 10;

/// Asking the remote for its branches.
pub const ASK: Duration = Duration::from_secs(120);
/// Fetching, which takes long for the first clone of a large repository.
pub const FETCH: Duration = Duration::from_secs(3600);
/// Working in the clone.
pub const LOCAL: Duration = Duration::from_secs(600);

/// Why git has no answer. The messages hold no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    #[error("cannot run '{program}': {reason}; install git or set 'gitbin'")]
    NotRun { program: String, reason: String },
    #[error("git {command} did not end within {} s", .after.as_secs())]
    Late { command: String, after: Duration },
    #[error("git {command} failed: {stderr}")]
    Failed { command: String, stderr: String },
    #[error("git {command} answered more than {} MiB", MOST >> 20)]
    TooMuch { command: String },
}

/// A git program to run.
#[derive(Debug, Clone)]
pub struct Git {
    pub program: String,
}

impl Git {
    /// Runs one git command in `dir` and answers its standard output.
    ///
    /// When the future is dropped, git and the helpers it started are killed.
    pub async fn run<S: AsRef<str>>(
        &self,
        dir: &Path,
        args: &[S],
        stdin: &str,
        deadline: Duration,
    ) -> Result<Vec<u8>, GitError> {
        let command = args.first().map(|arg| arg.as_ref().to_owned()).unwrap_or_default();
        let mut child = self.start(dir, args)?;
        let group = Group(child.id());
        let late = || GitError::Late { command: command.clone(), after: deadline };
        let talk = talk(&mut child, stdin.as_bytes());
        let (stdout, stderr, status) =
            tokio::time::timeout(deadline, talk).await.map_err(|_| late())?.map_err(|error| {
                GitError::Failed { command: command.clone(), stderr: error.to_string() }
            })?;
        let Some(status) = status else { return Err(GitError::TooMuch { command }) };
        group.let_go();
        if status.success() {
            return Ok(stdout);
        }
        let stderr = masked(&said(&stderr));
        let stderr = if stderr.is_empty() { status.to_string() } else { stderr };
        Err(GitError::Failed { command, stderr })
    }

    fn start<S: AsRef<str>>(&self, dir: &Path, args: &[S]) -> Result<Child, GitError> {
        let not_run = |error: std::io::Error| GitError::NotRun {
            program: self.program.clone(),
            reason: error.to_string(),
        };
        let mut command = Command::new(&self.program);
        command
            .args(args.iter().map(AsRef::as_ref))
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that ssh and the transport helpers can be killed too.
            .process_group(0)
            .kill_on_drop(true)
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("LC_ALL", "C");
        for inherited in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(inherited);
        }
        if std::env::var_os("GIT_ASKPASS").is_none() {
            // Answers every question with nothing, where a desktop would open a window.
            command.env("GIT_ASKPASS", "true");
        }
        if std::env::var_os("GIT_SSH_COMMAND").is_none() && std::env::var_os("GIT_SSH").is_none() {
            command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=30");
        }
        command.spawn().map_err(not_run)
    }
}

type Answer = (Vec<u8>, Vec<u8>, Option<std::process::ExitStatus>);

/// Feeds git and hears it out; no status when it says too much.
async fn talk(child: &mut Child, input: &[u8]) -> std::io::Result<Answer> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A git that ended early says why on its standard error.
            let _ = stdin.write_all(input).await;
        }
    };
    let ((), stdout, stderr) = tokio::join!(feed, hear(stdout, MOST), hear(stderr, MOST_STDERR));
    let (stdout, whole) = stdout?;
    let status = if whole { Some(child.wait().await?) } else { None };
    Ok((stdout, stderr?.0, status))
}

/// Reads to the end; keeps `most` bytes and says whether that was all. Standard error is read on,
/// so that git does not block on it.
async fn hear(
    from: Option<impl AsyncRead + Unpin>,
    most: usize,
) -> std::io::Result<(Vec<u8>, bool)> {
    let mut kept = Vec::new();
    let Some(from) = from else { return Ok((kept, true)) };
    let mut limited = from.take(most as u64 + 1);
    limited.read_to_end(&mut kept).await?;
    let whole = kept.len() <= most;
    if !whole {
        kept.truncate(most);
        if most == MOST_STDERR {
            tokio::io::copy(&mut limited.into_inner(), &mut tokio::io::sink()).await?;
        }
    }
    Ok((kept, whole))
}

/// The telling lines of git's standard error, in one line.
fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut telling: Vec<&str> = lines
        .clone()
        .filter(|line| line.starts_with("fatal:") || line.starts_with("error:"))
        .collect();
    if telling.is_empty() {
        telling = lines.collect();
    }
    telling.truncate(5);
    telling.join("; ")
}

/// The process group of a running git; killed on drop unless git ended by itself.
struct Group(Option<u32>);

impl Group {
    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0.take().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_telling_lines_are_kept() {
        let stderr = b"Cloning...\nfatal: repository 'x' not found\nhint: more\n";
        assert_eq!(said(stderr), "fatal: repository 'x' not found");
        assert_eq!(said(b"ssh: no route\n\n"), "ssh: no route");
    }

    /// Dead, or dead and waiting to be collected.
    fn is_gone(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn helpers_of_a_late_git_are_killed() {
        let dir = tempfile::tempdir().unwrap();
        let shell = Git { program: "sh".into() };
        let args = ["-c", "sleep 600 & echo $! > pid.new; mv pid.new pid; wait"];
        let running = shell.run(dir.path(), &args, "", LOCAL);
        let started = async {
            while !dir.path().join("pid").exists() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = running => panic!("ended by itself"),
            () = started => {}
        }
        let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
        tokio::time::timeout(Duration::from_secs(20), async {
            while !is_gone(pid.trim()) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the helper outlives git");
    }

    #[tokio::test]
    async fn failures_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Git { program: "/no/such/git".into() };
        let told = missing.run(dir.path(), &["version"], "", LOCAL).await.unwrap_err();
        assert!(matches!(told, GitError::NotRun { .. }), "{told}");

        let git = Git { program: "git".into() };
        let told =
            git.run(dir.path(), &["ls-remote", "file:///u:p@/no"], "", LOCAL).await.unwrap_err();
        assert!(
            matches!(&told, GitError::Failed { command, .. } if command == "ls-remote"),
            "{told}"
        );

        let shell = Git { program: "sh".into() };
        let slow = shell.run(dir.path(), &["-c", "sleep 60 & wait"], "", Duration::from_millis(50));
        assert!(matches!(slow.await.unwrap_err(), GitError::Late { .. }));
    }
}
