//! Runs the programs of version control systems: without prompts, with a deadline, and so that
//! nothing is left behind.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::Trouble;
use crate::flow::branches::masked;
use crate::process_group::Group;

/// The most that one call may answer.
const MOST: usize = 128 << 20;
/// How much of a program's complaint is kept.
const MOST_STDERR: usize = 16 << 10;

/// Asking the remote what there is.
pub const ASK: Duration = Duration::from_secs(120);
/// Fetching, which takes long for the first clone of a large repository.
pub const FETCH: Duration = Duration::from_secs(3600);
/// Working in the clone.
pub const LOCAL: Duration = Duration::from_secs(600);

/// Why a program has no answer. The messages hold no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    #[error("cannot run '{program}': {reason}; install it or set '{setting}'")]
    NotRun { program: String, reason: String, setting: &'static str },
    #[error("{call} did not end within {} s", .after.as_secs())]
    Late { call: String, after: Duration },
    #[error("{call} failed: {stderr}")]
    Failed { call: String, stderr: String },
    #[error("{call} answered more than {} MiB", MOST >> 20)]
    TooMuch { call: String },
}

impl RunError {
    /// Of a call to the other side.
    pub fn remote(self) -> Trouble {
        Trouble::Remote(self.to_string())
    }

    /// Of a call that works in the copy.
    pub fn in_copy(self) -> Trouble {
        match self {
            RunError::NotRun { .. } => self.remote(),
            other => Trouble::Copy(other.to_string()),
        }
    }
}

/// A program to run.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its usual name, for messages: `git`
    pub name: &'static str,
    /// Name or path, as configured.
    pub path: String,
    /// The option that says where it is.
    pub setting: &'static str,
}

/// One call of a program.
#[derive(Debug, Default)]
pub struct Call<'a> {
    /// Options before the command.
    pub before: Vec<String>,
    /// The command and its arguments.
    pub args: Vec<String>,
    pub stdin: &'a str,
    /// Set in the environment.
    pub env: Vec<(&'static str, String)>,
    /// Taken out of the environment.
    pub unset: &'static [&'static str],
}

impl<'a> Call<'a> {
    pub fn new<S: AsRef<str>>(args: &[S]) -> Call<'a> {
        let args = args.iter().map(|arg| arg.as_ref().to_owned()).collect();
        Call { args, ..Call::default() }
    }
}

impl Program {
    /// Runs one command in `dir` and answers its standard output.
    ///
    /// When the future is dropped, the program and the helpers it started are killed.
    pub async fn run(
        &self,
        dir: &Path,
        call: Call<'_>,
        deadline: Duration,
    ) -> Result<Vec<u8>, RunError> {
        let (stdout, stderr, status) = self.talk(dir, &call, deadline).await?;
        if status.success() {
            return Ok(stdout);
        }
        let stderr = masked(&said(&stderr));
        let stderr = if stderr.is_empty() { status.to_string() } else { stderr };
        Err(RunError::Failed { call: self.title(&call), stderr })
    }

    async fn talk(
        &self,
        dir: &Path,
        call: &Call<'_>,
        deadline: Duration,
    ) -> Result<(Vec<u8>, Vec<u8>, ExitStatus), RunError> {
        let mut child = self.start(dir, call)?;
        let group = Group(child.id());
        let late = || RunError::Late { call: self.title(call), after: deadline };
        let talk = talk(&mut child, call.stdin.as_bytes());
        let (stdout, stderr, status) =
            tokio::time::timeout(deadline, talk).await.map_err(|_| late())?.map_err(|error| {
                RunError::Failed { call: self.title(call), stderr: error.to_string() }
            })?;
        let Some(status) = status else { return Err(RunError::TooMuch { call: self.title(call) }) };
        group.let_go();
        Ok((stdout, stderr, status))
    }

    /// `git fetch`
    fn title(&self, call: &Call<'_>) -> String {
        let command = call.args.first().map_or("", String::as_str);
        format!("{} {command}", self.name)
    }

    fn start(&self, dir: &Path, call: &Call<'_>) -> Result<Child, RunError> {
        let mut command = Command::new(&self.path);
        command
            .args(&call.before)
            .args(&call.args)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that ssh and the transport helpers can be killed too.
            .process_group(0)
            .kill_on_drop(true)
            .env("LC_ALL", "C");
        for name in call.unset {
            command.env_remove(name);
        }
        for (name, value) in &call.env {
            command.env(name, value);
        }
        command.spawn().map_err(|error| self.not_run(&error))
    }

    /// What it means that the program cannot be started.
    pub fn not_run(&self, error: &std::io::Error) -> RunError {
        RunError::NotRun {
            program: self.path.clone(),
            reason: error.to_string(),
            setting: self.setting,
        }
    }
}

type Answer = (Vec<u8>, Vec<u8>, Option<ExitStatus>);

/// Feeds the program and hears it out; no status when it says too much.
async fn talk(child: &mut Child, input: &[u8]) -> std::io::Result<Answer> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that ended early says why on its standard error.
            let _ = stdin.write_all(input).await;
        }
    };
    let ((), stdout, stderr) = tokio::join!(feed, hear(stdout, MOST), hear(stderr, MOST_STDERR));
    let (stdout, whole) = stdout?;
    let status = if whole { Some(child.wait().await?) } else { None };
    Ok((stdout, stderr?.0, status))
}

/// Reads to the end; keeps `most` bytes and says whether that was all. Standard error is read on,
/// so that the program does not block on it.
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

/// How the telling lines of git, Mercurial and Subversion begin.
const TELLING: [&str; 4] = ["fatal:", "error:", "abort:", "svn: E"];

/// The telling lines of a standard error, in one line.
fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_telling = |line: &&str| TELLING.iter().any(|beginning| line.starts_with(beginning));
    let mut telling: Vec<&str> = lines.clone().filter(is_telling).collect();
    if telling.is_empty() {
        telling = lines.collect();
    }
    telling.truncate(5);
    telling.join("; ")
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

    fn program(path: &str) -> Program {
        Program { name: "git", path: path.into(), setting: "gitbin" }
    }

    /// Dead, or dead and waiting to be collected.
    fn is_gone(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn helpers_of_a_late_program_are_killed() {
        let dir = tempfile::tempdir().unwrap();
        let shell = program("sh");
        let call = Call::new(&["-c", "sleep 600 & echo $! > pid.new; mv pid.new pid; wait"]);
        let running = shell.run(dir.path(), call, LOCAL);
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
        let missing = program("/no/such/git");
        let told = missing.run(dir.path(), Call::new(&["version"]), LOCAL).await.unwrap_err();
        assert!(matches!(told, RunError::NotRun { .. }), "{told}");
        assert!(matches!(told.in_copy(), Trouble::Remote(_)));

        let call = Call::new(&["ls-remote", "file:///u:p@/no"]);
        let told = program("git").run(dir.path(), call, LOCAL).await.unwrap_err();
        let RunError::Failed { call, .. } = &told else { panic!("{told}") };
        assert_eq!(call, "git ls-remote");
        assert!(matches!(told.in_copy(), Trouble::Copy(_)));

        let call = Call::new(&["-c", "sleep 60 & wait"]);
        let shell = program("sh");
        let slow = shell.run(dir.path(), call, Duration::from_millis(50));
        assert!(matches!(slow.await.unwrap_err(), RunError::Late { .. }));
    }
}
