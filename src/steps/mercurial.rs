//! Mercurial: brings the sources to the worker.
//!
//! `mode = "incremental"` updates a clone and leaves what builds made of it; `mode = "full"` starts
//! clean by `method`: `clobber` (new clone), `fresh` (removes everything that is not in the
//! repository) or `clean` (keeps ignored files).

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::{Arg, Command};

use super::registry::{Draft, StepType};
use super::source::options::{SourceOptions, method};
use super::source::patch::{DIFF, PATCHED};
use super::source::site::{Site, Want, arg, plain, real, words};
use super::source::{self, End, SourceControl, SourceStep, Wanted, odd_word};
use super::{Finished, Step};
use crate::config::fields::Fields;
use crate::flow::interpolate::{Renderable, mask};
use crate::model::Patch;

/// The options, as read.
#[derive(Debug)]
struct Mercurial {
    source: SourceOptions,
    repourl: Renderable,
    /// `None` is incremental.
    method: Option<&'static str>,
    default_branch: Option<Renderable>,
    branch_type: BranchType,
    clobber_on_branch_change: bool,
}

/// What a branch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BranchType {
    /// A repository of its own, whose name is added to `repourl`.
    Directory,
    /// A named branch inside the repository.
    Named,
}

/// The methods of `mode = "full"`, stock's default first.
const METHODS: [&str; 3] = ["fresh", "clobber", "clean"];

pub(super) const TYPES: &[StepType] =
    &[StepType { class: "Mercurial", name: "hg", defaults: source::defaults, parse }];

fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let wrong = |name: &String| match name.as_str() {
        "dirname" | "inrepo" => None,
        _ => Some("must be \"dirname\" or \"inrepo\"".to_owned()),
    };
    let branch_type: Option<String> = fields.optional_checked("branchType", wrong);
    Arc::new(SourceStep(Mercurial {
        source: SourceOptions::parse(fields, draft),
        repourl: fields.required("repourl"),
        method: method(fields, &METHODS),
        default_branch: fields.optional("defaultBranch"),
        branch_type: match branch_type.as_deref() {
            Some("inrepo") => BranchType::Named,
            _ => BranchType::Directory,
        },
        clobber_on_branch_change: fields.or("clobberOnBranchChange", true),
    }))
}

#[async_trait(?Send)]
impl SourceControl for Mercurial {
    fn class(&self) -> &'static str {
        "Mercurial"
    }

    fn options(&self) -> &SourceOptions {
        &self.source
    }

    fn default_branch(&self) -> Option<&Renderable> {
        self.default_branch.as_ref()
    }

    async fn check_out(&self, site: &mut Site<'_>, wanted: &Wanted) -> Result<(), End> {
        Checkout::prepare(self, site, wanted)?.run().await
    }
}

/// One checkout: the commands, in order, on the worker.
struct Checkout<'a, 's> {
    hg: &'a Mercurial,
    site: &'a mut Site<'s>,
    wanted: &'a Wanted,
    url: Arg,
    /// The branch that a fresh clone is on, and the one that is wanted; of named branches only the
    /// second is known.
    default_branch: Option<String>,
    branch: Option<String>,
}

impl<'a, 's> Checkout<'a, 's> {
    /// Renders the options.
    fn prepare(
        hg: &'a Mercurial,
        site: &'a mut Site<'s>,
        wanted: &'a Wanted,
    ) -> Result<Checkout<'a, 's>, End> {
        let default_branch = match &hg.default_branch {
            Some(branch) => Some(real(&site.word(branch)?).to_owned()).filter(|b| !b.is_empty()),
            None => None,
        };
        let mut url = real(&site.word(&hg.repourl)?).to_owned();
        let mut branch = wanted.branch.clone();
        match hg.branch_type {
            BranchType::Directory => url.push_str(branch.as_deref().unwrap_or_default()),
            BranchType::Named => {
                branch.get_or_insert_with(|| "default".to_owned());
            }
        }
        let shown = mask(&url, &site.secrets).into_owned();
        if let Some(reason) = odd_word("repository", &shown) {
            return Err(End::failure(reason));
        }
        Ok(Checkout { hg, site, wanted, url: arg(url, shown), default_branch, branch })
    }

    async fn run(&mut self) -> Result<(), End> {
        if !self.hg(&["--version"], Want::Nothing).await?.ok() {
            return Err(End::failure("Mercurial is not installed on the worker"));
        }
        let patched = self.site.is_patched().await?;
        match self.hg.method {
            Some("clobber") => self.clobber().await?,
            method => self.update(method, patched).await?,
        }
        if let Some(patch) = &self.wanted.patch {
            self.apply(patch).await?;
        }
        self.got_revision().await
    }

    /// Updates what is there, if it is a clone.
    async fn update(&mut self, method: Option<&str>, patched: bool) -> Result<(), End> {
        if !self.site.exists(self.site.path(".hg")).await? {
            // Mercurial clones into an empty directory only.
            let removal = self.site.removal(vec![self.site.workdir.clone()]);
            self.site.quiet(removal).await?;
            self.clone_or_retry().await?;
            return match method {
                None => self.reach_branch().await,
                Some(_) => self.reach_revision().await,
            };
        }
        if patched {
            // An update brings back all but these two.
            let leftovers = [PATCHED, DIFF].map(|name| self.site.path(name));
            self.site.quiet(self.site.removal(leftovers.into())).await?;
        }
        let purge: &[&str] = match method {
            Some("clean") => &["--config", "extensions.purge=", "purge"],
            Some(_) => &["--config", "extensions.purge=", "purge", "--all"],
            None => &[],
        };
        if !purge.is_empty() {
            self.must(purge).await?;
        }
        let mut pull = vec![plain("pull"), self.url.clone()];
        pull.extend(self.revision());
        let finished = self.command(pull, Want::Errors, None).await?;
        self.require(&finished)?;
        self.reach_branch().await
    }

    async fn clobber(&mut self) -> Result<(), End> {
        self.site.remove(&self.site.workdir.clone()).await?;
        self.clone_or_retry().await?;
        self.reach_revision().await
    }

    async fn clone_or_retry(&mut self) -> Result<(), End> {
        let mut finished = self.clone().await?;
        for _ in 0..self.site.repeats() {
            if finished.ok() {
                break;
            }
            self.site.begin_again().await?;
            finished = self.clone().await?;
        }
        self.require(&finished)
    }

    async fn clone(&mut self) -> Result<Finished, End> {
        let command = vec![plain("clone"), plain("--noupdate"), self.url.clone(), plain(".")];
        self.command(command, Want::Errors, None).await
    }

    /// Updates to the wanted branch, by way of a new clone if the option says so.
    async fn reach_branch(&mut self) -> Result<(), End> {
        let current = match self.hg.branch_type {
            BranchType::Directory => self.default_branch.clone(),
            BranchType::Named => {
                let finished = self.hg(&["identify", "--branch"], Want::Both).await?;
                self.require(&finished)?;
                Some(finished.stdout.trim().to_owned())
            }
        };
        if current != self.branch && self.hg.clobber_on_branch_change {
            return self.clobber().await;
        }
        self.remove_added().await?;
        self.reach_revision().await
    }

    /// Files that a patch has added stay behind in an update.
    async fn remove_added(&mut self) -> Result<(), End> {
        // Fails when there are none.
        let added = self.hg(&["locate", "set:added()"], Want::Output).await?;
        let workdir = &self.site.workdir;
        let paths: Vec<String> =
            added.stdout.lines().map(|name| format!("{workdir}/{name}")).collect();
        if !paths.is_empty() && !self.site.plain(self.site.removal(paths)).await?.ok() {
            return Err(End::failure("cannot remove the files that a patch has added"));
        }
        Ok(())
    }

    async fn reach_revision(&mut self) -> Result<(), End> {
        let mut update = words(&["update", "--clean"]);
        update.extend(self.revision());
        let finished = self.command(update, Want::Errors, None).await?;
        self.require(&finished)
    }

    async fn apply(&mut self, patch: &Patch) -> Result<(), End> {
        let top = self.site.enter_patch(patch).await?;
        let level = patch.level.to_string();
        let mut import = words(&["import", "--no-commit", "-p", &level]);
        if !patch.subdir.is_empty() {
            // Mercurial reads paths from the top, wherever it is called.
            import.extend(words(&["--prefix", "."]));
        }
        // What is no text can only be read from the file.
        let body = String::from_utf8(patch.body.clone()).ok();
        import.push(plain(if body.is_some() { "-" } else { DIFF }));
        let finished = self.command(import, Want::Errors, body).await?;
        self.site.leave_patch(top).await?;
        self.require(&finished)
    }

    async fn got_revision(&mut self) -> Result<(), End> {
        let finished = self.hg(&["parents", "--template", "{node}\\n"], Want::Both).await?;
        self.require(&finished)?;
        let revision = finished.stdout.trim();
        if revision.len() != 40 {
            return Err(End::failure("hg parents gave no revision"));
        }
        self.site.set_property("got_revision", revision);
        Ok(())
    }

    /// What to pull, or to update to.
    fn revision(&self) -> Vec<Arg> {
        let branch = self.branch.as_ref().filter(|_| self.hg.branch_type == BranchType::Named);
        match self.wanted.revision.as_ref().or(branch) {
            Some(revision) => words(&["--rev", revision]),
            None => Vec::new(),
        }
    }

    /// Runs hg; a failure ends the checkout.
    async fn must(&mut self, arguments: &[&str]) -> Result<(), End> {
        let finished = self.hg(arguments, Want::Errors).await?;
        self.require(&finished)
    }

    async fn hg(&mut self, arguments: &[&str], want: Want) -> Result<Finished, End> {
        self.command(words(arguments), want, None).await
    }

    async fn command(
        &mut self,
        arguments: Vec<Arg>,
        want: Want,
        initial_stdin: Option<String>,
    ) -> Result<Finished, End> {
        let mut args = words(&["hg", "--verbose"]);
        args.extend(arguments);
        let shell = self.site.shell(args, initial_stdin);
        self.site.run(Command::Shell(shell), want.into()).await
    }

    fn require(&self, finished: &Finished) -> Result<(), End> {
        self.site.require(finished, reason)
    }
}

/// The line with which hg gave up.
fn reason(stderr: &str) -> Option<&str> {
    stderr.lines().find_map(|line| line.trim().strip_prefix("abort: "))
}
