//! What a try job is about: the difference between a work tree and a revision that the master can
//! get at.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use protocol::pb::TryPatch;

use super::Options;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub branch: Option<String>,
    pub revision: Option<String>,
    pub patch: TryPatch,
    /// The work tree.
    pub repository: String,
}

pub(super) fn find(options: &Options) -> anyhow::Result<Found> {
    if let Some(file) = &options.diff {
        return Ok(Found {
            branch: options.branch.clone(),
            revision: options.baserev.clone(),
            patch: patch(options.patchlevel, read(file)?),
            repository: String::new(),
        });
    }
    match options.vc.as_deref() {
        Some("git") => git(options),
        Some("none") => Ok(Found { patch: patch(1, Vec::new()), ..Found::default() }),
        Some(other) => bail!(
            "the work trees of '{other}' cannot be read here; give the patch with --diff, and \
             --baserev"
        ),
        None => bail!("give --vc, or the patch with --diff"),
    }
}

fn patch(level: i64, body: Vec<u8>) -> TryPatch {
    TryPatch { level, body: Some(body).filter(|body| !body.is_empty()), subdir: String::new() }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file).with_context(|| format!("cannot read '{}'", file.display()));
    }
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
    Ok(bytes)
}

/// A branch that is given is the base; otherwise it is what the current branch follows.
fn git(options: &Options) -> anyhow::Result<Found> {
    let here = std::env::current_dir().context("there is no current directory")?;
    let git = Git { top: options.topdir.clone().unwrap_or(here) };
    let (branch, revision) = match &options.branch {
        Some(branch) => (git.without_remote(branch)?, git.text(&["rev-parse", branch])?),
        None => {
            let branch = git.text(&["symbolic-ref", "--short", "HEAD"]);
            (branch.context("the work tree is on no branch; give --branch")?, git.base()?)
        }
    };
    let diff = ["diff", "--src-prefix=a/", "--dst-prefix=b/", "--no-textconv", "--no-ext-diff"];
    let body = git.run(&[&diff[..], &[&revision]].concat())?;
    Ok(Found {
        branch: Some(branch),
        revision: Some(revision),
        patch: patch(1, body),
        repository: git.top.display().to_string(),
    })
}

struct Git {
    top: PathBuf,
}

impl Git {
    /// What the current branch follows, or `master`, or what is checked out.
    fn base(&self) -> anyhow::Result<String> {
        let upstream = self.text(&["rev-parse", "--verify", "-q", "@{upstream}"]);
        let upstream = upstream.or_else(|_| self.text(&["rev-parse", "--verify", "-q", "master"]));
        upstream.or_else(|_| self.text(&["rev-parse", "HEAD"]))
    }

    /// `origin/main` is the master's `main`.
    fn without_remote(&self, branch: &str) -> anyhow::Result<String> {
        if !branch.contains('/') {
            return Ok(branch.to_owned());
        }
        let remotes = self.text(&["remote"])?;
        let cut = |remote: &str| branch.strip_prefix(remote)?.strip_prefix('/');
        Ok(remotes.lines().find_map(|remote| cut(remote.trim())).unwrap_or(branch).to_owned())
    }

    fn text(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.run(arguments)?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(&self.top)
            .env("LC_ALL", "C")
            .output()
            .context("cannot run git")?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("git {}: {}", arguments.join(" "), errors.trim());
        }
        Ok(output.stdout)
    }
}
