//! One checkout: the git commands, in order, on the worker.

use protocol::command::{Arg, Command};
use protocol::update::Update;

use super::access::{Access, take_away};
use super::version::Version;
use super::{Git, Mode, with_port};
use crate::flow::interpolate::mask;
use crate::model::Patch;
use crate::steps::render::render_optional;
use crate::steps::source::patch::DIFF;
use crate::steps::source::site::{Site, Want, arg, plain, real, words};
use crate::steps::source::{End, Wanted, odd_word};
use crate::steps::{Capture, StepError};

/// What is at the work directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Checkout,
    /// Files that are no usable checkout.
    Foreign,
}

pub(super) struct Checkout<'a, 's> {
    pub git: &'a Git,
    pub site: &'a mut Site<'s>,
    pub url: Arg,
    /// `HEAD` is the repository's default branch.
    pub branch: String,
    pub wanted: Wanted,
    pub mode: Mode,
    /// `-c name=value` before every git command.
    pub config: Vec<Arg>,
    pub reference: Option<String>,
    pub origin: Option<String>,
    pub access: Option<Access>,
    /// The work directory holds what an earlier build's patch made of it.
    patched: bool,
}

impl<'a, 's> Checkout<'a, 's> {
    /// Renders the options.
    pub fn prepare(
        git: &'a Git,
        site: &'a mut Site<'s>,
        url: Arg,
        wanted: Wanted,
    ) -> Result<Checkout<'a, 's>, End> {
        let mode = git.mode.choose(site.bench)?;
        let reference = optional(site, git.reference.as_ref())?;
        let origin = optional(site, git.origin.as_ref())?;
        let mut config = Vec::new();
        for (name, value) in &git.config {
            let value = site.word(value)?;
            let shown = mask(real(&value), &site.secrets).into_owned();
            config.push(plain("-c"));
            config.push(arg(format!("{name}={}", real(&value)), format!("{name}={shown}")));
        }
        Ok(Checkout {
            url: address(site, &url, git.port)?,
            branch: wanted.branch.clone().unwrap_or_else(|| "HEAD".to_owned()),
            wanted,
            mode,
            config,
            reference,
            origin,
            access: None,
            patched: false,
            git,
            site,
        })
    }

    pub async fn run(&mut self) -> Result<(), End> {
        let version = self.try_git(&["--version"], Want::Output).await?;
        let Some(version) = Version::parse(&version.stdout).filter(|_| version.ok()) else {
            return Err(End::failure("git is not installed on the worker"));
        };
        self.patched = self.site.is_patched().await?;
        let workdir = match self.mode {
            Mode::Copy => self.kept_checkout(),
            _ => self.site.workdir.clone(),
        };
        self.access = self.git.credentials.access(self.site, &workdir, &version)?;
        let Some(mut access) = self.access.take() else { return self.bring(&version).await };
        let handed = access.hand_over(self.site).await;
        let approvals = std::mem::take(&mut access.approvals);
        let directory = access.directory.clone();
        self.access = Some(access);
        let end = match handed {
            Ok(()) => self.bring_with(approvals, &version).await,
            Err(end) => Err(end),
        };
        end.and(take_away(self.site, &directory).await)
    }

    /// Tells git the passwords, and uses them.
    async fn bring_with(&mut self, approvals: Vec<String>, version: &Version) -> Result<(), End> {
        for approval in approvals {
            let command = words(&["credential", "approve"]);
            let finished = self.git_command(command, Want::Errors, Some(approval)).await?;
            self.require(&finished)?;
        }
        self.bring(version).await
    }

    async fn bring(&mut self, version: &Version) -> Result<(), End> {
        match self.mode {
            Mode::Clobber => self.clobber(version).await?,
            Mode::Copy => self.copy(version).await?,
            Mode::Incremental | Mode::Fresh | Mode::Clean => self.update(version).await?,
        }
        if let Some(patch) = self.wanted.patch.clone() {
            self.apply(&patch).await?;
        }
        self.got_revision().await?;
        self.describe().await
    }

    /// Updates what is there, whatever it is.
    async fn update(&mut self, version: &Version) -> Result<(), End> {
        match self.look().await? {
            Found::Nothing => return self.clone_or_clobber(version).await,
            Found::Foreign => return self.clobber(version).await,
            Found::Checkout => {}
        }
        if self.patched && self.mode != Mode::Copy {
            self.must(&["clean", "-f", "-f", "-d", "-x"]).await?;
        }
        let clean: &[&str] = match self.mode {
            Mode::Fresh => &["clean", "-f", "-f", "-d", "-x"],
            Mode::Clean => &["clean", "-f", "-f", "-d"],
            _ => &[],
        };
        if !clean.is_empty() && !self.try_git(clean, Want::Nothing).await?.ok() {
            return self.clobber(version).await;
        }
        self.fetch_or_mend(version).await?;
        self.update_submodules(clean, version).await
    }

    /// What is at the work directory? A checkout must be one by itself: git would go on to look
    /// for a repository in the directories above.
    async fn look(&mut self) -> Result<Found, End> {
        let listing = Command::ListDirectory { dir: self.site.workdir.clone() };
        let listing = self.site.plain(listing).await?;
        let mut lists = listing.updates.iter().filter_map(|update| match update {
            Update::Files(files) => Some(files.as_slice()),
            _ => None,
        });
        match lists.next() {
            None | Some([]) => return Ok(Found::Nothing),
            Some(files) if !files.iter().any(|file| file == ".git") => return Ok(Found::Foreign),
            Some(_) => {}
        }
        let question = self.shell(words(&["rev-parse", "--git-dir"]), None);
        let capture = Capture { stdout: true, stderr: false, quiet: true };
        let directory = self.site.run(Command::Shell(question), capture).await?;
        let own = directory.stdout.trim() == ".git" || self.is_gitlink().await?;
        Ok(if directory.ok() && own { Found::Checkout } else { Found::Foreign })
    }

    /// Is `.git` a file, as in a linked work tree?
    async fn is_gitlink(&mut self) -> Result<bool, End> {
        let stat = Command::Stat { file: self.site.path(".git") };
        let stat = self.site.quiet(stat).await?;
        Ok(stat.updates.iter().any(|update| match update {
            Update::Stat([mode, ..]) => mode & 0o170_000 == 0o100_000,
            _ => false,
        }))
    }

    fn kept_checkout(&self) -> String {
        self.git.source.kept_checkout(self.site.separator())
    }

    async fn copy(&mut self, version: &Version) -> Result<(), End> {
        let kept = self.kept_checkout();
        let target = std::mem::replace(&mut self.site.workdir, kept);
        self.site.remove(&target).await?;
        let updated = self.update(version).await;
        let from = std::mem::replace(&mut self.site.workdir, target.clone());
        updated?;
        let finished = self.site.copy(from, target).await?;
        self.require(&finished)
    }

    pub async fn clobber(&mut self, version: &Version) -> Result<(), End> {
        self.site.remove(&self.site.workdir.clone()).await?;
        let finished = self.full_clone(version).await?;
        self.require(&finished)
    }

    async fn clone_or_clobber(&mut self, version: &Version) -> Result<(), End> {
        let finished = self.full_clone(version).await?;
        if !finished.ok() && self.git.clobber_on_failure {
            return self.clobber(version).await;
        }
        self.require(&finished)
    }

    /// Git applies the patch to its index as well, so that it knows of new files.
    async fn apply(&mut self, patch: &Patch) -> Result<(), End> {
        let top = self.site.enter_patch(patch).await?;
        self.try_git(&["update-index", "--refresh"], Want::Nothing).await?;
        let level = patch.level.to_string();
        let mut call = words(&["apply", "--index", "-p", &level]);
        // What is no text can only be read from the file.
        let body = String::from_utf8(patch.body.clone()).ok();
        if body.is_none() {
            call.push(plain(DIFF));
        }
        let finished = self.git_command(call, Want::Errors, body).await?;
        self.site.leave_patch(top).await?;
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
        self.site.set_property("got_revision", revision);
        Ok(())
    }

    /// A failing `git describe`, as without any tag, is no failure of the checkout.
    async fn describe(&mut self) -> Result<(), End> {
        let Some(describe) = &self.git.describe else { return Ok(()) };
        let arguments: Vec<&str> =
            ["describe"].into_iter().chain(describe.0.iter().map(String::as_str)).collect();
        let finished = self.try_git(&arguments, Want::Output).await?;
        if finished.ok() {
            self.site.set_property("commit-description", finished.stdout.trim());
        }
        Ok(())
    }
}

/// The repository's address as git wants it.
fn address(site: &Site<'_>, url: &Arg, port: u16) -> Result<Arg, End> {
    let url = with_port(real(url), port);
    if url.is_empty() {
        return Err(End::Error(StepError::Failed("'repourl' is empty".to_owned())));
    }
    let shown = mask(&url, &site.secrets).into_owned();
    match odd_word("repository", &shown) {
        Some(reason) => Err(End::failure(reason)),
        None => Ok(arg(url, shown)),
    }
}

fn optional(
    site: &Site<'_>,
    value: Option<&crate::flow::interpolate::Renderable>,
) -> Result<Option<String>, StepError> {
    Ok(render_optional(site.bench, value)?)
}
