//! One poll of a git repository: ask the remote, fetch what moved, report what is new.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha1::{Digest, Sha1};

use super::git::{ASK, FETCH, Git, GitError, LOCAL};
use crate::actors::intake::{Batch, Intake, IntakeError};
use crate::config::checked::{Branches, GitPollerConfig};
use crate::flow::branches::{
    Heads, Remote, Walk, Watched, branch_name, full_ref, masked, moved, parse_ls_remote, walk,
};
use crate::flow::git_log::{self, Commit, GitLogError};
use crate::model::{NewChange, ObjectId};

/// Commits in one transaction and one call of git.
const BATCH: usize = 1000;

/// Where stock keeps a poller's state.
const CLASS: &str = "GitPoller";
const STATE: &str = "lastRev";

/// Marks a clone that is ours to throw away when it is broken.
const MARK: &str = "buildbot-gitpoller";

/// Why a poll failed.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// The remote, or git itself.
    #[error(transparent)]
    Remote(GitError),
    /// Something in the clone, which may be broken.
    #[error("{0}")]
    Clone(String),
    #[error("cannot use the directory {path}: {reason}; make it writable or set 'workdir'")]
    Workdir { path: String, reason: String },
    /// The intake or the database.
    #[error("nothing could be stored: {0}")]
    Intake(#[from] IntakeError),
    #[error("another master polls this source")]
    Elsewhere,
}

impl From<GitLogError> for PollError {
    fn from(error: GitLogError) -> PollError {
        PollError::Clone(error.to_string())
    }
}

fn in_clone(error: GitError) -> PollError {
    match error {
        GitError::NotRun { .. } => PollError::Remote(error),
        other => PollError::Clone(other.to_string()),
    }
}

/// What a poll found, for the log and the pages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub changes: usize,
    /// Branches that are configured by name and do not exist.
    pub missing: Vec<String>,
    /// The remote has none of the wanted branches.
    pub nothing_to_watch: bool,
}

/// Everything a poll needs.
pub struct Poll<'a> {
    config: &'a GitPollerConfig,
    intake: &'a Intake,
    git: Git,
    clone: PathBuf,
}

impl<'a> Poll<'a> {
    pub fn new(config: &'a GitPollerConfig, intake: &'a Intake, basedir: &Path) -> Poll<'a> {
        let git = Git { program: config.gitbin.clone() };
        Poll { config, intake, git, clone: basedir.join(&config.workdir) }
    }

    /// Polls once. What was reported before an error is stored and not reported again.
    pub async fn run(&self) -> Result<Found, PollError> {
        let fresh = self.prepare_clone().await?;
        let remote = self.ask_remote().await?;
        let watched = match &self.config.branches {
            Branches::Head => Watched::Head,
            Branches::All => Watched::All,
            Branches::Named(names) => Watched::Named(names.clone()),
        };
        let mut now = watched.heads(&remote);
        let (object, stored) = self.intake.state(&self.config.name, CLASS, STATE).await?;
        let mut last = heads_of(stored.as_ref());
        let mut found = Found {
            missing: watched.missing(&remote),
            nothing_to_watch: now.is_empty(),
            ..Found::default()
        };
        if now.is_empty() {
            // As in stock nothing is forgotten: the branches may come back.
            return Ok(found);
        }
        let mut keys = moved(&last, &now);
        // A clone that is not complete would take old commits for new ones.
        if fresh || !keys.is_empty() && !self.has_all(&last, &now).await? {
            keys = now.keys().cloned().collect();
        }
        if !keys.is_empty() {
            self.fetch(&keys).await?;
            self.read_fetched(&keys, &mut now).await?;
        }
        // As in stock the first poll only remembers where the branches stand.
        if !last.is_empty() {
            for key in moved(&last, &now) {
                found.changes += self.report(object, &key, &now[&key], &mut last).await?;
            }
        }
        if heads_of(stored.as_ref()) != now || stored.is_none() {
            let state = Some((object, STATE.to_owned(), state_of(&now)));
            self.intake.submit(Batch { changes: Vec::new(), state }).await?;
        }
        if heads_of(stored.as_ref()).is_empty() {
            let url = masked(&self.config.repourl);
            tracing::info!("first look at {url}: what is committed from now on is built");
        }
        Ok(found)
    }

    /// Makes the bare clone unless it is there; true when it is new.
    async fn prepare_clone(&self) -> Result<bool, PollError> {
        let clone = &self.clone;
        let unusable = |error: std::io::Error| PollError::Workdir {
            path: clone.display().to_string(),
            reason: error.to_string(),
        };
        if tokio::fs::try_exists(clone.join("HEAD")).await.map_err(unusable)? {
            return Ok(false);
        }
        tokio::fs::create_dir_all(clone).await.map_err(unusable)?;
        self.git
            .run(clone, &["init", "--quiet", "--bare", "."], "", LOCAL)
            .await
            .map_err(in_clone)?;
        tokio::fs::write(clone.join(MARK), b"").await.map_err(unusable)?;
        Ok(true)
    }

    async fn ask_remote(&self) -> Result<Remote, PollError> {
        let args =
            ["ls-remote", "--symref", "--", self.config.repourl.as_str(), "HEAD", "refs/heads/*"];
        let answer = self.git.run(&self.clone, &args, "", ASK).await.map_err(PollError::Remote)?;
        Ok(parse_ls_remote(&answer))
    }

    async fn fetch(&self, keys: &[String]) -> Result<(), PollError> {
        // Housekeeping ends with the fetch and is not left in the background.
        let mut args: Vec<String> =
            ["-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false"]
                .into_iter()
                .chain(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--"])
                .map(str::to_owned)
                .collect();
        args.push(self.config.repourl.clone());
        args.extend(keys.iter().map(|key| format!("+{}:{}", full_ref(key), self.tracker(key))));
        let fetched = self.git.run(&self.clone, &args, "", FETCH).await;
        fetched.map(drop).map_err(in_clone)
    }

    /// The ref that keeps a branch's head in the clone. Flat, so that a branch `a` that was deleted
    /// does not stand in the way of a branch `a/b`.
    fn tracker(&self, key: &str) -> String {
        let identity = format!("{}\0{}", self.config.repourl, full_ref(key));
        let hash = Sha1::digest(identity.as_bytes());
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("refs/buildbot/{hex}")
    }

    /// Puts the heads that were fetched in place of those the remote told a moment before.
    async fn read_fetched(&self, keys: &[String], now: &mut Heads) -> Result<(), PollError> {
        let args = ["for-each-ref", "--format=%(refname) %(objectname)", "refs/buildbot/"];
        let answer = self.git.run(&self.clone, &args, "", LOCAL).await.map_err(in_clone)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let heads: HashMap<&str, &str> =
            answer.lines().filter_map(|line| line.split_once(' ')).collect();
        for key in keys {
            if let Some(commit) = heads.get(self.tracker(key).as_str()) {
                now.insert(key.clone(), (*commit).to_owned());
            }
        }
        Ok(())
    }

    /// Reports the new commits of one branch, oldest first, and moves `last` along.
    async fn report(
        &self,
        object: ObjectId,
        key: &str,
        new: &str,
        last: &mut Heads,
    ) -> Result<usize, PollError> {
        let mut revisions = self.new_revisions(key, new, last).await?;
        if revisions.is_empty() && self.config.build_pushes_with_no_commits {
            revisions.push(new.to_owned());
        }
        let mut rest = revisions.as_slice();
        let mut size = BATCH;
        while !rest.is_empty() {
            let batch = &rest[..rest.len().min(size)];
            let commits = match self.describe(batch, true).await {
                Ok(commits) => commits,
                // Commits that touch very many files are read one by one, at worst without files.
                Err(Described::TooMuch) if batch.len() > 1 => {
                    size = batch.len() / 2;
                    continue;
                }
                Err(Described::TooMuch) => {
                    tracing::warn!(revision = %batch[0], "too many files to list; the change has none");
                    self.describe(batch, false).await.map_err(Described::into_error)?
                }
                Err(other) => return Err(other.into_error()),
            };
            rest = &rest[batch.len()..];
            if let Some(newest) = batch.last() {
                last.insert(key.to_owned(), newest.clone());
            }
            let changes = commits.into_iter().map(|commit| self.change(key, commit)).collect();
            let state = Some((object, STATE.to_owned(), state_of(last)));
            self.intake.submit(Batch { changes, state }).await?;
        }
        last.insert(key.to_owned(), new.to_owned());
        Ok(revisions.len())
    }

    /// Ids of the new commits, oldest first. Merges count as one commit, as in stock.
    async fn new_revisions(
        &self,
        key: &str,
        new: &str,
        last: &Heads,
    ) -> Result<Vec<String>, PollError> {
        let known = self.known(last).await?;
        let input = match walk(key, new, last, |commit| known.contains(commit)) {
            Walk::HeadOnly(head) => return Ok(vec![head]),
            Walk::Since(input) => input,
        };
        let args = ["rev-list", "--first-parent", "--reverse", "--stdin"];
        let answer = self.git.run(&self.clone, &args, &input, LOCAL).await.map_err(in_clone)?;
        Ok(String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect())
    }

    /// Does the clone hold the heads seen last of all branches that still exist?
    async fn has_all(&self, last: &Heads, now: &Heads) -> Result<bool, PollError> {
        let known = self.known(last).await?;
        Ok(last.iter().all(|(key, commit)| !now.contains_key(key) || known.contains(commit)))
    }

    /// Which of the heads the clone holds.
    async fn known(&self, heads: &Heads) -> Result<HashSet<String>, PollError> {
        let asked: String = heads.values().map(|commit| format!("{commit}\n")).collect();
        let args = ["cat-file", "--batch-check=%(objectname) %(objecttype)"];
        let answer = self.git.run(&self.clone, &args, &asked, LOCAL).await.map_err(in_clone)?;
        let answer = String::from_utf8_lossy(&answer);
        Ok(answer
            .lines()
            .filter_map(|line| Some(line.strip_suffix(" commit")?.to_owned()))
            .collect())
    }

    async fn describe(&self, revisions: &[String], files: bool) -> Result<Vec<Commit>, Described> {
        let mut args: Vec<&str> = git_log::LOG.to_vec();
        if files {
            args.extend(git_log::WITH_FILES);
        }
        let answer = match self.git.run(&self.clone, &args, &revisions.join("\n"), LOCAL).await {
            Ok(answer) => answer,
            Err(GitError::TooMuch { .. }) => return Err(Described::TooMuch),
            Err(error) => return Err(Described::Failed(in_clone(error))),
        };
        let commits = git_log::parse(&answer).map_err(|error| Described::Failed(error.into()))?;
        if commits.len() != revisions.len() {
            let told = format!("git log told of {} of {} commits", commits.len(), revisions.len());
            return Err(Described::Failed(PollError::Clone(told)));
        }
        Ok(commits)
    }

    fn change(&self, key: &str, commit: Commit) -> NewChange {
        let config = self.config;
        NewChange {
            author: commit.author,
            committer: Some(commit.committer),
            comments: commit.message,
            files: commit.files,
            branch: Some(branch_name(key).to_owned()),
            revision: Some(commit.revision),
            revlink: String::new(),
            when_timestamp: commit.committed_at.filter(|_| config.usetimestamps),
            category: config.category.clone(),
            repository: config.repourl.clone(),
            project: config.project.clone(),
            codebase: config.codebase.clone(),
            properties: config.properties.clone(),
            src: Some("git".to_owned()),
        }
    }

    /// Throws the clone away if this poller made it; the next poll makes a new one.
    pub async fn drop_clone(&self) -> std::io::Result<bool> {
        if !tokio::fs::try_exists(self.clone.join(MARK)).await? {
            return Ok(false);
        }
        tokio::fs::remove_dir_all(&self.clone).await?;
        Ok(true)
    }
}

enum Described {
    TooMuch,
    Failed(PollError),
}

impl Described {
    fn into_error(self) -> PollError {
        match self {
            Described::TooMuch => PollError::Clone("a commit's message is too large".into()),
            Described::Failed(error) => error,
        }
    }
}

/// Heads as `object_state` keeps them; what cannot be read counts as a first poll.
fn heads_of(state: Option<&Value>) -> Heads {
    let Some(Value::Object(heads)) = state else { return Heads::new() };
    let text = |(key, commit): (&String, &Value)| Some((key.clone(), commit.as_str()?.to_owned()));
    heads.iter().filter_map(text).collect()
}

fn state_of(heads: &Heads) -> Value {
    heads.iter().map(|(key, commit)| (key.clone(), Value::from(commit.as_str()))).collect()
}
