//! `buildbot simulate`: what a change would lead to, without doing any of it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail};
use clap::ValueHint;

use super::blocking;
use super::checkconfig::{find, indented};
use crate::config;
use crate::flow::git_log::{self, Commit, LOG, WITH_FILES};
use crate::model::{NewChange, Properties};
use crate::simulate::simulate;

/// Tell what a change would lead to: schedulers, builders, rendered steps, locks
#[derive(Debug, clap::Args)]
pub struct Options {
    /// A configuration file, or a master's directory; by default the one that buildbot.tac in the
    /// current directory names
    #[arg(short = 'f', long = "config", value_name = "CONFIGFILE", value_hint = ValueHint::AnyPath)]
    config: Option<PathBuf>,
    /// Take the commits of this range, such as HEAD~3..HEAD, instead of one made up from options
    #[arg(short = 'g', long, value_name = "RANGE")]
    git: Option<String>,
    /// The clone that --git looks into
    #[arg(long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    git_dir: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
    /// Author of the change
    #[arg(short = 'W', long, default_value = "somebody", hide_default_value = true)]
    who: String,
    /// URL or path of the repository; with --git by default that of the remote origin
    #[arg(short = 'R', long)]
    repository: Option<String>,
    /// Project of the change
    #[arg(short = 'P', long, default_value = "", hide_default_value = true)]
    project: String,
    /// Branch of the change; with --git by default the one that is checked out
    #[arg(short, long)]
    branch: Option<String>,
    /// Category of the change
    #[arg(short = 'C', long)]
    category: Option<String>,
    /// Codebase of the change
    #[arg(long, default_value = "", hide_default_value = true)]
    codebase: String,
    /// The revision
    #[arg(short, long)]
    revision: Option<String>,
    /// A property of the change; may be given several times
    #[arg(short, long, value_name = "NAME:VALUE")]
    property: Vec<String>,
    /// The commit message
    #[arg(short, long, default_value = "", hide_default_value = true)]
    comments: String,
    /// The files that were changed
    #[arg(value_hint = ValueHint::FilePath)]
    files: Vec<String>,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let (file, basedir) = find(options.config.as_deref())?;
    let config = config::load(&file, &basedir)
        .map_err(|problems| anyhow::anyhow!("Configuration Errors:\n{}", indented(&problems)))?;
    let changes = options.changes()?;
    let report = blocking(simulate(&config, changes))??;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn changes(&self) -> anyhow::Result<Vec<NewChange>> {
        let Some(range) = &self.git else {
            let change = NewChange {
                author: self.who.clone(),
                comments: self.comments.clone(),
                files: self.files.clone(),
                branch: self.branch.clone(),
                revision: self.revision.clone(),
                repository: self.repository.clone().unwrap_or_default(),
                ..self.frame()?
            };
            return Ok(vec![change]);
        };
        let dir = &self.git_dir;
        let commits = commits(dir, range)?;
        if commits.is_empty() {
            bail!("the range '{range}' holds no commits");
        }
        let branch = match &self.branch {
            Some(branch) => Some(branch.clone()),
            None => told(dir, &["symbolic-ref", "--quiet", "--short", "HEAD"]),
        };
        let repository = match &self.repository {
            Some(repository) => repository.clone(),
            None => told(dir, &["remote", "get-url", "origin"]).unwrap_or_default(),
        };
        let frame = self.frame()?;
        let change = |commit: Commit| NewChange {
            author: commit.author,
            committer: Some(commit.committer),
            comments: commit.message,
            files: commit.files,
            revision: Some(commit.revision),
            when_timestamp: commit.committed_at,
            branch: branch.clone(),
            repository: repository.clone(),
            ..frame.clone()
        };
        Ok(commits.into_iter().map(change).collect())
    }

    /// What all changes have in common.
    fn frame(&self) -> anyhow::Result<NewChange> {
        let mut properties = Properties::new();
        for property in &self.property {
            let Some((name, value)) = property.split_once(':') else {
                bail!("invalid property '{property}'; write NAME:VALUE");
            };
            properties.set(name, value, "Change");
        }
        Ok(NewChange {
            project: self.project.clone(),
            category: self.category.clone(),
            codebase: self.codebase.clone(),
            properties,
            ..NewChange::default()
        })
    }
}

/// The commits of a range, the oldest first.
fn commits(dir: &Path, range: &str) -> anyhow::Result<Vec<Commit>> {
    let ids = git(dir, &["rev-list", "--reverse", "--end-of-options", range, "--"], b"")?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let arguments: Vec<&str> = LOG.iter().chain(&WITH_FILES).copied().collect();
    Ok(git_log::parse(&git(dir, &arguments, &ids)?)?)
}

/// One line of an answer; `None` when git has none.
fn told(dir: &Path, arguments: &[&str]) -> Option<String> {
    let answer = git(dir, arguments, b"").ok()?;
    let line = String::from_utf8_lossy(&answer).trim().to_owned();
    (!line.is_empty()).then_some(line)
}

fn git(dir: &Path, arguments: &[&str], input: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut given = tempfile::tempfile()?;
    std::io::Write::write_all(&mut given, input)?;
    std::io::Seek::rewind(&mut given)?;
    let output = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(arguments)
        .stdin(Stdio::from(given))
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!("git {}: {}", arguments[0], String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}
