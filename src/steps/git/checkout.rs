//! One checkout: the git commands, in order, on the worker.

use protocol::command::{Arg, Command, CommandLine, EnvValue, Shell};
use protocol::update::Update;

use super::{Git, Mode, Wanted};
use crate::flow::interpolate::{UsedSecret, mask};
use crate::model::{Patch, Results};
use crate::steps::command::{render_own_env, render_workdir};
use crate::steps::render::{render, render_optional};
use crate::steps::{Capture, Finished, LimitReached, StepError, Workbench};

/// Where `method = "copy"` keeps its checkout.
const SOURCE_DIRECTORY: &str = "source";
/// Marks a work tree that a patch was applied to; a directory, because that needs no transfer.
const PATCHED: &str = ".buildbot-patched";
/// Longest reason in the step's line, in characters.
const REASON_LENGTH: usize = 160;

/// Why a checkout ended early.
pub(super) enum End {
    Result { results: Results, reason: Option<String>, limit: Option<LimitReached> },
    Error(StepError),
}

impl From<StepError> for End {
    fn from(error: StepError) -> End {
        End::Error(error)
    }
}

impl End {
    fn failure(reason: impl Into<String>) -> End {
        End::Result { results: Results::Failure, reason: Some(reason.into()), limit: None }
    }
}

/// What is at the work directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Checkout,
    /// Files that are no usable checkout.
    Foreign,
}

pub(super) struct Checkout<'a> {
    git: &'a Git,
    bench: &'a mut dyn Workbench,
    url: String,
    secrets: Vec<UsedSecret>,
    /// `HEAD` is the repository's default branch.
    branch: String,
    wanted: Wanted,
    workdir: String,
    env: Vec<(String, Option<EnvValue>)>,
    /// `-c name=value` before every git command.
    config: Vec<Arg>,
    reference: Option<String>,
    origin: Option<String>,
    /// The work directory holds what an earlier build's patch made of it.
    patched: bool,
}

impl<'a> Checkout<'a> {
    /// Renders the options.
    pub fn prepare(
        git: &'a Git,
        bench: &'a mut dyn Workbench,
        wanted: Wanted,
    ) -> Result<Checkout<'a>, StepError> {
        let (url, mut secrets) = git.address(bench)?;
        let mut config = Vec::new();
        for (name, value) in &git.config {
            let rendered = render(bench, value)?;
            let (real, shown) = rendered.texts();
            secrets.extend(rendered.secrets);
            config.push(Arg::Plain("-c".to_owned()));
            config.push(arg(format!("{name}={real}"), format!("{name}={shown}")));
        }
        // A question for a password would hang until the timeout.
        let mut env =
            vec![("GIT_TERMINAL_PROMPT".to_owned(), Some(EnvValue::Text("0".to_owned())))];
        for (name, value) in render_own_env(bench, &git.env)? {
            env.retain(|(other, _)| *other != name);
            env.push((name, value));
        }
        Ok(Checkout {
            url,
            secrets,
            branch: wanted.branch.clone().unwrap_or_else(|| "HEAD".to_owned()),
            workdir: render_workdir(bench, git.workdir.as_ref())?,
            env,
            config,
            reference: render_optional(bench, git.reference.as_ref())?,
            origin: render_optional(bench, git.origin.as_ref())?,
            patched: false,
            wanted,
            git,
            bench,
        })
    }

    pub async fn run(&mut self) -> Result<(), End> {
        let version = self.try_git(&["--version"], Want::Output).await?;
        if !version.ok() || !version.stdout.starts_with("git version") {
            return Err(End::failure("git is not installed on the worker"));
        }
        let marker = Command::Stat { file: self.path(PATCHED) };
        self.patched = self.plain(marker).await?.ok();
        match self.git.mode {
            Mode::Clobber => self.clobber().await?,
            Mode::Copy => self.copy().await?,
            Mode::Incremental | Mode::Fresh | Mode::Clean => self.update().await?,
        }
        if let Some(patch) = self.wanted.patch.clone() {
            self.apply(&patch).await?;
        }
        self.got_revision().await?;
        self.describe().await
    }

    /// Updates what is there, whatever it is.
    async fn update(&mut self) -> Result<(), End> {
        match self.look().await? {
            Found::Nothing => return self.clone_or_clobber().await,
            Found::Foreign => return self.clobber().await,
            Found::Checkout => {}
        }
        if self.patched {
            self.must(&["clean", "-f", "-f", "-d", "-x"]).await?;
        }
        let clean: &[&str] = match self.git.mode {
            Mode::Fresh => &["clean", "-f", "-f", "-d", "-x"],
            Mode::Clean => &["clean", "-f", "-f", "-d"],
            _ => &[],
        };
        if !clean.is_empty() && !self.try_git(clean, Want::Nothing).await?.ok() {
            return self.clobber().await;
        }
        self.fetch_or_mend().await?;
        self.update_submodules(clean).await
    }

    /// What is at the work directory? A checkout must be one by itself: git would go on to look
    /// for a repository in the directories above.
    async fn look(&mut self) -> Result<Found, End> {
        let listing = self.plain(Command::ListDirectory { dir: self.workdir.clone() }).await?;
        let mut lists = listing.updates.iter().filter_map(|update| match update {
            Update::Files(files) => Some(files.as_slice()),
            _ => None,
        });
        match lists.next() {
            None | Some([]) => return Ok(Found::Nothing),
            Some(files) if !files.iter().any(|file| file == ".git") => return Ok(Found::Foreign),
            Some(_) => {}
        }
        let question = self.shell(vec![plain("rev-parse"), plain("--git-dir")], None);
        let capture = Capture { stdout: true, stderr: false, quiet: true };
        let directory = self.run_command(Command::Shell(question), capture).await?;
        let own = directory.stdout.trim() == ".git" || self.is_gitlink().await?;
        Ok(if directory.ok() && own { Found::Checkout } else { Found::Foreign })
    }

    /// Is `.git` a file, as in a linked work tree?
    async fn is_gitlink(&mut self) -> Result<bool, End> {
        let stat = self.quiet(Command::Stat { file: self.path(".git") }).await?;
        Ok(stat.updates.iter().any(|update| match update {
            Update::Stat([mode, ..]) => mode & 0o170_000 == 0o100_000,
            _ => false,
        }))
    }

    async fn copy(&mut self) -> Result<(), End> {
        let target = std::mem::replace(&mut self.workdir, SOURCE_DIRECTORY.to_owned());
        self.remove(&target).await?;
        let updated = self.update().await;
        let from = std::mem::replace(&mut self.workdir, target.clone());
        updated?;
        let limits = self.git.limits.clone();
        let finished = self.plain(Command::CopyDirectory { from, to: target, limits }).await?;
        self.require(&finished)
    }

    async fn clobber(&mut self) -> Result<(), End> {
        self.remove(&self.workdir.clone()).await?;
        let finished = self.full_clone().await?;
        self.require(&finished)
    }

    async fn clone_or_clobber(&mut self) -> Result<(), End> {
        let finished = self.full_clone().await?;
        if !finished.ok() && self.git.clobber_on_failure {
            return self.clobber().await;
        }
        self.require(&finished)
    }

    /// Clone, revision and submodules; the command that failed, or the last one.
    async fn full_clone(&mut self) -> Result<Finished, End> {
        let mut finished = self.clone_with_retries().await?;
        if !finished.ok() {
            return Ok(finished);
        }
        if let Some(revision) = self.wanted.revision.clone() {
            finished = self.try_git(&["checkout", "-f", &revision], Want::Errors).await?;
            if let (false, Some(depth)) = (finished.ok(), self.git.shallow) {
                // The branch has moved on: ask for the one commit.
                let depth = depth.to_string();
                let fetch = [plain("fetch"), plain("-f"), plain("--depth"), plain(&depth)];
                let fetch = fetch.into_iter().chain([self.url(), plain(&revision)]).collect();
                if self.git_command(fetch, Want::Errors, None).await?.ok() {
                    finished = self.try_git(&["checkout", "-f", &revision], Want::Errors).await?;
                }
            }
        }
        if finished.ok() && self.git.submodules {
            let mut command = vec![plain("submodule"), plain("update"), plain("--init")];
            command.push(plain("--recursive"));
            if self.git.remote_submodules {
                command.push(plain("--remote"));
            }
            if let Some(depth) = self.git.shallow {
                command.extend([plain("--depth"), plain(&depth.to_string())]);
            }
            finished = self.git_command(command, Want::Errors, None).await?;
        }
        Ok(finished)
    }

    async fn clone_with_retries(&mut self) -> Result<Finished, End> {
        let mut finished = self.clone().await?;
        let Some(retry) = self.git.retry else { return Ok(finished) };
        for _ in 0..retry.repeats {
            if finished.ok() {
                break;
            }
            self.pause(retry.delay).await?;
            self.remove(&self.workdir.clone()).await?;
            finished = self.clone().await?;
        }
        Ok(finished)
    }

    async fn clone(&mut self) -> Result<Finished, End> {
        let git = self.git;
        let is_reference = self.branch.starts_with("refs/");
        let mut command = vec![plain("clone")];
        if is_reference {
            // `clone` knows branches and tags only; any other reference is fetched afterwards.
            command.push(plain("--no-checkout"));
        } else if self.branch != "HEAD" {
            command.extend([plain("--branch"), plain(&self.branch)]);
        }
        if let Some(depth) = git.shallow {
            command.extend([plain("--depth"), plain(&depth.to_string())]);
        }
        for (option, value) in [("--reference", &self.reference), ("--origin", &self.origin)] {
            if let Some(value) = value {
                command.extend([plain(option), plain(value)]);
            }
        }
        for filter in &git.filters {
            command.extend([plain("--filter"), plain(filter)]);
        }
        command.extend([self.url(), plain(".")]);
        if git.progress {
            command.push(plain("--progress"));
        }
        let finished = self.git_command(command, Want::Errors, None).await?;
        if finished.ok() && is_reference { self.fetch().await } else { Ok(finished) }
    }

    async fn fetch_or_mend(&mut self) -> Result<(), End> {
        let mut finished = self.fetch().await?;
        if !finished.ok() && self.git.retry_fetch {
            finished = self.fetch().await?;
        }
        if !finished.ok() && self.git.clobber_on_failure {
            return self.clobber().await;
        }
        self.require(&finished)
    }

    /// Fetches unless the revision is there already, and checks out.
    async fn fetch(&mut self) -> Result<Finished, End> {
        let git = self.git;
        let revision = self.wanted.revision.clone();
        let present = match &revision {
            Some(revision) if !git.tags => {
                self.try_git(&["cat-file", "-e", revision], Want::Nothing).await?.ok()
            }
            _ => false,
        };
        if !present {
            let mut command = vec![plain("fetch"), plain("-f")];
            if let Some(depth) = git.shallow {
                command.extend([plain("--depth"), plain(&depth.to_string())]);
            }
            if git.tags {
                command.push(plain("--tags"));
            }
            if git.progress {
                command.push(plain("--progress"));
            }
            command.extend([self.url(), plain(&self.branch)]);
            let finished = self.git_command(command, Want::Errors, None).await?;
            if !finished.ok() {
                return Ok(finished);
            }
        }
        let revision = revision.as_deref().unwrap_or("FETCH_HEAD");
        let finished = self.try_git(&["checkout", "-f", revision], Want::Errors).await?;
        if finished.ok() && self.branch != "HEAD" && !self.branch.starts_with("refs/") {
            // For people who look at the work tree; no harm if the name cannot be taken.
            let branch = self.branch.clone();
            self.try_git(&["checkout", "-B", &branch], Want::Nothing).await?;
        }
        Ok(finished)
    }

    async fn update_submodules(&mut self, clean: &[&str]) -> Result<(), End> {
        if !self.git.submodules {
            return Ok(());
        }
        self.must(&["submodule", "sync"]).await?;
        let mut update = vec!["submodule", "update", "--init", "--recursive", "--force"];
        update.push("--checkout");
        if self.git.remote_submodules {
            update.push("--remote");
        }
        self.must(&update).await?;
        if !clean.is_empty() {
            let inside = format!("git {}", clean.join(" "));
            self.must(&["submodule", "foreach", "--recursive", &inside]).await?;
            self.must(clean).await?;
        }
        Ok(())
    }

    async fn apply(&mut self, patch: &Patch) -> Result<(), End> {
        let Ok(body) = String::from_utf8(patch.body.clone()) else {
            return Err(End::failure("the patch is not valid UTF-8"));
        };
        let top = self.workdir.clone();
        if !patch.subdir.is_empty() {
            if patch.subdir.starts_with(['/', '\\']) || patch.subdir.split('/').any(|p| p == "..") {
                return Err(End::failure(format!(
                    "the patch's directory '{}' lies outside the work tree",
                    patch.subdir
                )));
            }
            self.workdir = self.path(&patch.subdir);
        }
        self.plain(Command::MakeDirectory { dir: format!("{top}/{PATCHED}") }).await?;
        self.try_git(&["update-index", "--refresh"], Want::Nothing).await?;
        let level = format!("-p{}", patch.level);
        let apply = vec![plain("apply"), plain("--index"), plain(&level)];
        let finished = self.git_command(apply, Want::Errors, Some(body)).await?;
        self.workdir = top;
        self.require(&finished)
    }

    async fn got_revision(&mut self) -> Result<(), End> {
        let finished = self.try_git(&["rev-parse", "HEAD"], Want::Output).await?;
        self.require(&finished)?;
        let revision = finished.stdout.trim();
        // SHA-1 or SHA-256.
        if !matches!(revision.len(), 40 | 64) {
            return Err(End::failure("git rev-parse HEAD gave no revision"));
        }
        Ok(self.git.set_source_property(self.bench, "got_revision", revision)?)
    }

    /// A failing `git describe`, as without any tag, is no failure of the checkout.
    async fn describe(&mut self) -> Result<(), End> {
        let Some(describe) = &self.git.describe else { return Ok(()) };
        let arguments: Vec<&str> =
            ["describe"].into_iter().chain(describe.0.iter().map(String::as_str)).collect();
        let finished = self.try_git(&arguments, Want::Output).await?;
        if finished.ok() {
            let text = finished.stdout.trim().to_owned();
            self.git.set_source_property(self.bench, "commit-description", &text)?;
        }
        Ok(())
    }

    async fn remove(&mut self, directory: &str) -> Result<(), End> {
        let limits = self.git.limits.clone();
        let dirs = vec![directory.to_owned()];
        let finished = self.plain(Command::RemoveDirectory { dirs, limits }).await?;
        if finished.ok() {
            return Ok(());
        }
        Err(End::failure(format!("cannot remove the directory '{directory}' on the worker")))
    }

    /// Waits, unless somebody stops the build.
    async fn pause(&mut self, delay: std::time::Duration) -> Result<(), End> {
        let mut interruption = self.bench.interruption();
        let stopped = interruption.wait_for(Option::is_some);
        match tokio::time::timeout(delay, stopped).await {
            Ok(Ok(_)) => Err(cancelled()),
            Ok(Err(_)) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    /// Runs git; a failure ends the checkout.
    async fn must(&mut self, arguments: &[&str]) -> Result<Finished, End> {
        let finished = self.try_git(arguments, Want::Errors).await?;
        self.require(&finished)?;
        Ok(finished)
    }

    async fn try_git(&mut self, arguments: &[&str], want: Want) -> Result<Finished, End> {
        let arguments = arguments.iter().map(|argument| plain(argument)).collect();
        self.git_command(arguments, want, None).await
    }

    async fn git_command(
        &mut self,
        arguments: Vec<Arg>,
        want: Want,
        initial_stdin: Option<String>,
    ) -> Result<Finished, End> {
        let shell = self.shell(arguments, initial_stdin);
        let capture =
            Capture { stdout: want == Want::Output, stderr: want == Want::Errors, quiet: false };
        self.run_command(Command::Shell(shell), capture).await
    }

    /// The call of git with these arguments.
    fn shell(&self, arguments: Vec<Arg>, initial_stdin: Option<String>) -> Shell {
        let mut args = vec![plain("git")];
        args.extend(self.config.iter().cloned());
        args.extend(arguments);
        Shell {
            workdir: self.workdir.clone(),
            command: CommandLine::Args(args),
            env: self.env.clone(),
            want_stdout: true,
            want_stderr: true,
            limits: self.git.limits.clone(),
            max_lines: None,
            // A killed git leaves its lock files behind; a terminated one does not.
            sigterm_time: Some(1.0),
            interrupt_signal: None,
            initial_stdin,
            logfiles: Vec::new(),
            use_pty: false,
        }
    }

    async fn plain(&mut self, command: Command) -> Result<Finished, End> {
        self.run_command(command, Capture::default()).await
    }

    async fn quiet(&mut self, command: Command) -> Result<Finished, End> {
        self.run_command(command, Capture { quiet: true, ..Capture::default() }).await
    }

    async fn run_command(&mut self, command: Command, capture: Capture) -> Result<Finished, End> {
        let finished = self.bench.command(command, capture).await?;
        if finished.interrupted.is_some() { Err(cancelled()) } else { Ok(finished) }
    }

    /// Ends the checkout when the command failed, with git's own words.
    fn require(&self, finished: &Finished) -> Result<(), End> {
        if finished.ok() {
            return Ok(());
        }
        let reason = reason(&finished.stderr).map(|text| mask(text, &self.secrets).into_owned());
        let reason = reason.map(|text| text.chars().take(REASON_LENGTH).collect());
        Err(End::Result { results: Results::Failure, reason, limit: finished.limit() })
    }

    fn url(&self) -> Arg {
        arg(self.url.clone(), mask(&self.url, &self.secrets).into_owned())
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.workdir)
    }
}

/// What of git's output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Nothing,
    Output,
    Errors,
}

fn cancelled() -> End {
    End::Result { results: Results::Cancelled, reason: None, limit: None }
}

fn plain(text: &str) -> Arg {
    Arg::Plain(text.to_owned())
}

fn arg(real: String, shown: String) -> Arg {
    if real == shown { Arg::Plain(real) } else { Arg::Obfuscated { real, shown } }
}

/// The first line with which git gave up.
fn reason(stderr: &str) -> Option<&str> {
    let mut lines = stderr.lines().map(str::trim);
    let fatal = lines.clone().find_map(|line| line.strip_prefix("fatal: "));
    fatal.or_else(|| lines.find_map(|line| line.strip_prefix("error: ")))
}
