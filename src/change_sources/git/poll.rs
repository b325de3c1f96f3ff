//! One poll of a git repository: ask the remote, fetch what moved, report what is new.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use serde_json::Value;
use sha1::{Digest, Sha1};

use super::auth::{Auth, Unpacked};
use super::options::GitOptions;
use crate::change_sources::process::{ASK, Call, FETCH, LOCAL, Program, RunError};
use crate::change_sources::{Desk, Found, Trouble, elsewhere};
use crate::flow::branches::{
    Heads, Remote, Walk, Watched, branch_name, full_ref, masked, moved, parse_ls_remote, walk,
};
use crate::flow::git_log::{self, Commit};
use crate::model::NewChange;

/// Commits in one transaction and one call of git.
const BATCH: usize = 1000;

/// Where stock keeps a poller's state.
const STATE: &str = "lastRev";

/// Marks a clone that is ours to throw away when it is broken.
const MARK: &str = "buildbot-gitpoller";

/// Everything a poll needs.
pub struct Poll<'a> {
    options: &'a GitOptions,
    auth: &'a Auth,
    desk: &'a dyn Desk,
    git: Program,
    clone: PathBuf,
}

impl<'a> Poll<'a> {
    pub fn new(options: &'a GitOptions, auth: &'a Auth, desk: &'a dyn Desk) -> Poll<'a> {
        let git = Program { name: "git", path: options.gitbin.clone(), setting: "gitbin" };
        Poll { options, auth, desk, git, clone: desk.basedir().join(&options.workdir) }
    }

    /// Polls once. What was reported before an error is stored and not reported again.
    pub async fn run(&self) -> Result<Found, Trouble> {
        let fresh = self.prepare_clone().await?;
        let keys = self.auth.unpack(&self.clone, &self.git).await?;
        let remote = self.ask_remote(keys.as_ref()).await?;
        let mut now = self.options.watched.heads(&remote).map_err(Trouble::Remote)?;
        let stored = self.desk.recall(STATE).await?;
        let mut last = heads_of(stored.as_ref());
        let mut found = Found { notes: self.absent(&remote, &now), ..Found::default() };
        if now.is_empty() {
            // As in stock nothing is forgotten: the branches may come back.
            return Ok(found);
        }
        let mut wanted = moved(&last, &now);
        // A clone that is not complete would take old commits for new ones.
        if fresh || !wanted.is_empty() && !self.has_all(&last, &now).await? {
            wanted = now.keys().cloned().collect();
        }
        if !wanted.is_empty() {
            self.fetch(&wanted, keys.as_ref()).await?;
            self.read_fetched(&wanted, &mut now).await?;
        }
        drop(keys);
        // As in stock the first poll only remembers where the branches stand.
        if !last.is_empty() {
            for key in moved(&last, &now) {
                found.changes += self.report(&key, &now[&key], &mut last).await?;
            }
        }
        if heads_of(stored.as_ref()) != now || stored.is_none() {
            self.desk.report(Vec::new(), vec![(STATE.to_owned(), state_of(&now))]).await?;
        }
        if heads_of(stored.as_ref()).is_empty() {
            let url = masked(&self.options.repourl);
            tracing::info!("first look at {url}: what is committed from now on is built");
        }
        Ok(found)
    }

    /// What the remote does not have.
    fn absent(&self, remote: &Remote, now: &Heads) -> Vec<String> {
        let missing = self.options.watched.missing(remote);
        if !missing.is_empty() {
            let names = missing.join("', '");
            return vec![format!("there is no branch '{names}' (yet); check 'branches'")];
        }
        let what = if self.options.watched == Watched::Tags { "tags" } else { "wanted branches" };
        let nothing = now.is_empty().then(|| format!("the repository has none of the {what} yet"));
        nothing.into_iter().collect()
    }

    /// Runs git; with `keys` when it must log in.
    async fn git(
        &self,
        mut call: Call<'_>,
        keys: Option<&Unpacked>,
        deadline: std::time::Duration,
    ) -> Result<Vec<u8>, RunError> {
        call.unset = &["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"];
        call.env.push(("GIT_TERMINAL_PROMPT", "0".into()));
        call.env.push(("SSH_ASKPASS_REQUIRE", "never".into()));
        if std::env::var_os("GIT_ASKPASS").is_none() {
            // Answers every question with nothing, where a desktop would open a window.
            call.env.push(("GIT_ASKPASS", "true".into()));
        }
        if std::env::var_os("GIT_SSH_COMMAND").is_none() && std::env::var_os("GIT_SSH").is_none() {
            call.env.push(("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=30".into()));
        }
        if let Some(keys) = keys {
            keys.equip(&mut call);
        }
        self.git.run(&self.clone, call, deadline).await
    }

    async fn local(&self, args: &[&str], stdin: &str) -> Result<Vec<u8>, RunError> {
        self.git(Call { stdin, ..Call::new(args) }, None, LOCAL).await
    }

    /// Makes the bare clone unless it is there; true when it is new.
    async fn prepare_clone(&self) -> Result<bool, Trouble> {
        let clone = &self.clone;
        let unusable = |error: std::io::Error| Trouble::Workdir {
            path: clone.display().to_string(),
            reason: error.to_string(),
        };
        if tokio::fs::try_exists(clone.join("HEAD")).await.map_err(unusable)? {
            return Ok(false);
        }
        tokio::fs::create_dir_all(clone).await.map_err(unusable)?;
        let init = ["init", "--quiet", "--bare", "."];
        self.local(&init, "").await.map_err(RunError::in_copy)?;
        tokio::fs::write(clone.join(MARK), b"").await.map_err(unusable)?;
        Ok(true)
    }

    async fn ask_remote(&self, keys: Option<&Unpacked>) -> Result<Remote, Trouble> {
        let mut args = vec!["ls-remote", "--symref", "--", self.options.repourl.as_str(), "HEAD"];
        args.extend(self.options.watched.asked());
        let answer = self.git(Call::new(&args), keys, ASK).await.map_err(RunError::remote)?;
        Ok(parse_ls_remote(&answer))
    }

    async fn fetch(&self, wanted: &[String], keys: Option<&Unpacked>) -> Result<(), Trouble> {
        let mut call = Call::new(&["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--"]);
        // Housekeeping ends with the fetch and is not left in the background.
        for setting in ["gc.autoDetach=false", "maintenance.autoDetach=false"] {
            call.before.extend(["-c".to_owned(), setting.to_owned()]);
        }
        call.args.push(self.options.repourl.clone());
        let refspec = |key: &String| format!("+{}:{}", full_ref(key), self.tracker(key));
        call.args.extend(wanted.iter().map(refspec));
        self.git(call, keys, FETCH).await.map(drop).map_err(RunError::in_copy)
    }

    /// The ref that keeps a branch's head in the clone. Flat, so that a branch `a` that was deleted
    /// does not stand in the way of a branch `a/b`.
    fn tracker(&self, key: &str) -> String {
        let identity = format!("{}\0{}", self.options.repourl, full_ref(key));
        let hash = Sha1::digest(identity.as_bytes());
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("refs/buildbot/{hex}")
    }

    /// Puts the heads that were fetched in place of those the remote told a moment before.
    async fn read_fetched(&self, keys: &[String], now: &mut Heads) -> Result<(), Trouble> {
        let args = ["for-each-ref", "--format=%(refname) %(objectname)", "refs/buildbot/"];
        let answer = self.local(&args, "").await.map_err(RunError::in_copy)?;
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
    async fn report(&self, key: &str, new: &str, last: &mut Heads) -> Result<usize, Trouble> {
        let mut revisions = self.new_revisions(key, new, last).await?;
        if revisions.is_empty() && self.options.build_pushes_with_no_commits {
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
            self.desk.report(changes, vec![(STATE.to_owned(), state_of(last))]).await?;
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
    ) -> Result<Vec<String>, Trouble> {
        let known = self.known(last).await?;
        let input = match walk(key, new, last, |commit| known.contains(commit)) {
            Walk::HeadOnly(head) => return Ok(vec![head]),
            Walk::Since(input) => input,
        };
        let args = ["rev-list", "--first-parent", "--reverse", "--stdin"];
        let answer = self.local(&args, &input).await.map_err(RunError::in_copy)?;
        Ok(String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect())
    }

    /// Does the clone hold the heads seen last of all branches that still exist?
    async fn has_all(&self, last: &Heads, now: &Heads) -> Result<bool, Trouble> {
        let known = self.known(last).await?;
        Ok(last.iter().all(|(key, commit)| !now.contains_key(key) || known.contains(commit)))
    }

    /// Which of the heads the clone holds.
    async fn known(&self, heads: &Heads) -> Result<HashSet<String>, Trouble> {
        let asked: String = heads.values().map(|commit| format!("{commit}\n")).collect();
        let args = ["cat-file", "--batch-check=%(objectname) %(objecttype)"];
        let answer = self.local(&args, &asked).await.map_err(RunError::in_copy)?;
        let answer = String::from_utf8_lossy(&answer);
        Ok(answer
            .lines()
            .filter_map(|line| line.strip_suffix(" commit").or_else(|| line.strip_suffix(" tag")))
            .map(str::to_owned)
            .collect())
    }

    async fn describe(&self, revisions: &[String], files: bool) -> Result<Vec<Commit>, Described> {
        let mut args: Vec<&str> = git_log::LOG.to_vec();
        if files {
            args.extend(git_log::WITH_FILES);
        }
        let answer = match self.local(&args, &revisions.join("\n")).await {
            Ok(answer) => answer,
            Err(RunError::TooMuch { .. }) => return Err(Described::TooMuch),
            Err(error) => return Err(Described::Failed(error.in_copy())),
        };
        let commits = elsewhere(move || git_log::parse(&answer))
            .await
            .map_err(Described::Failed)?
            .map_err(|error| Described::Failed(Trouble::Copy(error.to_string())))?;
        if commits.len() != revisions.len() {
            let told = format!("git log told of {} of {} commits", commits.len(), revisions.len());
            return Err(Described::Failed(Trouble::Copy(told)));
        }
        Ok(commits)
    }

    fn change(&self, key: &str, commit: Commit) -> NewChange {
        let options = self.options;
        NewChange {
            author: commit.author,
            committer: Some(commit.committer),
            comments: commit.message,
            files: commit.files,
            branch: Some(branch_name(key).to_owned()),
            revision: Some(commit.revision),
            revlink: String::new(),
            when_timestamp: commit.committed_at.filter(|_| options.usetimestamps),
            category: None,
            repository: options.repourl.clone(),
            project: options.project.clone(),
            codebase: options.codebase.clone(),
            properties: options.properties.clone(),
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
    Failed(Trouble),
}

impl Described {
    fn into_error(self) -> Trouble {
        match self {
            Described::TooMuch => Trouble::Copy("a commit's message is too large".into()),
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
