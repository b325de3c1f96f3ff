//! `HgPoller`: polls one Mercurial repository for new changesets.

mod options;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::process::{Call, FETCH, LOCAL, Program, RunError};
use super::registry::Draft;
use super::{Desk, Found, Source, Trouble, elsewhere};
use crate::config::fields::Fields;
use crate::flow::branches::masked;
use crate::flow::hg_log::{self, Changeset};
use crate::model::NewChange;
use options::HgOptions;

/// Where stock keeps a poller's state.
const STATE: &str = "lastRev";

/// Changesets in one transaction and one call of hg.
const BATCH: usize = 500;

/// Reads the poller's own keys.
pub fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Source> {
    Arc::new(HgPoller(HgOptions::parse(fields, draft)))
}

#[derive(Debug)]
struct HgPoller(HgOptions);

#[async_trait]
impl Source for HgPoller {
    async fn look(&self, desk: &dyn Desk) -> Result<Found, Trouble> {
        Poll::new(&self.0, desk).run().await
    }

    async fn renew(&self, desk: &dyn Desk) -> bool {
        Poll::new(&self.0, desk).drop_copy().await.unwrap_or(false)
    }
}

/// Marks a repository that is ours to throw away when it is broken.
const MARK: &str = "buildbot-hgpoller";

/// One poll.
struct Poll<'a> {
    options: &'a HgOptions,
    desk: &'a dyn Desk,
    hg: Program,
    copy: PathBuf,
}

/// What a name stands for in the copy.
enum Head {
    At(String),
    /// There is none, or more than one: the name stays where it is.
    Unclear(String),
}

impl<'a> Poll<'a> {
    fn new(options: &'a HgOptions, desk: &'a dyn Desk) -> Poll<'a> {
        let hg = Program { name: "hg", path: options.hgbin.clone(), setting: "hgbin" };
        Poll { options, desk, hg, copy: desk.basedir().join(&options.workdir) }
    }

    async fn run(&self) -> Result<Found, Trouble> {
        self.prepare_copy().await?;
        let mut found = Found { notes: self.pull().await?, ..Found::default() };
        let stored = self.desk.recall(STATE).await?;
        let mut last = match stored {
            Some(Value::Object(last)) => last,
            _ => Map::new(),
        };
        for (name, is_bookmark) in self.options.names() {
            match self.head(name, is_bookmark).await? {
                Head::At(new) => found.changes += self.follow(name, &new, &mut last).await?,
                Head::Unclear(why) if found.notes.is_empty() => found.notes.push(why),
                Head::Unclear(_) => {}
            }
        }
        Ok(found)
    }

    async fn hg(&self, args: &[&str], deadline: std::time::Duration) -> Result<Vec<u8>, RunError> {
        let mut call = Call::new(args);
        // The user's settings stay, for they may say how to log in; the output is ours.
        call.before.push("--noninteractive".to_owned());
        call.env = vec![("HGPLAIN", "1".to_owned()), ("HGENCODING", "utf-8".to_owned())];
        call.unset = &["HG_NODE", "HG_PENDING"];
        self.hg.run(&self.copy, call, deadline).await
    }

    /// Makes the copy unless it is there.
    async fn prepare_copy(&self) -> Result<(), Trouble> {
        let unusable = |error: std::io::Error| Trouble::Workdir {
            path: self.copy.display().to_string(),
            reason: error.to_string(),
        };
        if tokio::fs::try_exists(self.copy.join(".hg")).await.map_err(unusable)? {
            return Ok(());
        }
        tokio::fs::create_dir_all(&self.copy).await.map_err(unusable)?;
        self.hg(&["init", "."], LOCAL).await.map_err(RunError::in_copy)?;
        tokio::fs::write(self.copy.join(".hg").join(MARK), b"").await.map_err(unusable)
    }

    /// Pulls everything that is watched; answers what the other side does not have.
    async fn pull(&self) -> Result<Vec<String>, Trouble> {
        let names: Vec<(&str, bool)> = self.options.names().collect();
        let first = match self.pull_some(&names).await {
            Ok(()) => return Ok(Vec::new()),
            Err(error) => error,
        };
        if !is_missing_name(&first) {
            return Err(self.pull_trouble(first));
        }
        // One name that does not exist makes hg refuse them all.
        let mut missing = Vec::new();
        for name in names {
            match self.pull_some(&[name]).await {
                Ok(()) => {}
                Err(error) if is_missing_name(&error) => {
                    let what = if name.1 { "bookmark" } else { "branch" };
                    missing.push(format!("there is no {what} '{}' (yet)", name.0));
                }
                Err(error) => return Err(self.pull_trouble(error)),
            }
        }
        Ok(missing)
    }

    async fn pull_some(&self, names: &[(&str, bool)]) -> Result<(), RunError> {
        let mut args = vec!["pull", "--quiet"];
        for (name, is_bookmark) in names {
            args.extend([if *is_bookmark { "--bookmark" } else { "--branch" }, name]);
        }
        args.extend(["--", &self.options.repourl]);
        self.hg(&args, FETCH).await.map(drop)
    }

    /// A broken copy and a broken remote fail alike; hg's words tell some of them apart.
    fn pull_trouble(&self, error: RunError) -> Trouble {
        let local = ["lock", "integrity", "corrupt", "transaction"];
        let text = error.to_string();
        if local.iter().any(|word| text.contains(word)) { error.in_copy() } else { error.remote() }
    }

    async fn head(&self, name: &str, is_bookmark: bool) -> Result<Head, Trouble> {
        let literal = hg_log::literal(name);
        let (what, set) = if is_bookmark {
            ("bookmark", format!("bookmark({literal})"))
        } else {
            ("branch", format!("head() and branch({literal}) and not closed()"))
        };
        let answer = match self.nodes(&set).await {
            Ok(nodes) => nodes,
            Err(RunError::Failed { stderr, .. }) if stderr.contains("does not exist") => Vec::new(),
            Err(error) => return Err(error.in_copy()),
        };
        Ok(match answer.as_slice() {
            [node] => Head::At(node.clone()),
            [] => Head::Unclear(format!("there is no {what} '{name}' (yet)")),
            several => Head::Unclear(format!(
                "the {what} '{name}' has {} heads; what is new on it is reported once they are \
                 merged or closed",
                several.len()
            )),
        })
    }

    /// Hashes of the changesets of a revset, in its order.
    async fn nodes(&self, revset: &str) -> Result<Vec<String>, RunError> {
        let answer = self.hg(&["log", "-r", revset, "--template", "{node}\\n"], LOCAL).await?;
        Ok(String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect())
    }

    /// Reports what is new up to the head of one name, oldest first.
    async fn follow(
        &self,
        name: &str,
        new: &str,
        last: &mut Map<String, Value>,
    ) -> Result<usize, Trouble> {
        let known = last.get(name).and_then(Value::as_str).map(str::to_owned);
        let new_nodes = match &known {
            Some(known) if known == new => return Ok(0),
            // As in stock the first poll only remembers where the branch stands.
            None => Vec::new(),
            Some(known) => self.since(known, new).await?,
        };
        for batch in new_nodes.chunks(BATCH) {
            let changesets = self.describe(batch).await?;
            let changes = changesets.into_iter().map(|changeset| self.change(name, changeset));
            if let Some(newest) = batch.last() {
                last.insert(name.to_owned(), Value::from(newest.as_str()));
            }
            self.desk.report(changes.collect(), remember(last)).await?;
        }
        if last.get(name).and_then(Value::as_str) != Some(new) {
            last.insert(name.to_owned(), Value::from(new));
            self.desk.report(Vec::new(), remember(last)).await?;
        }
        Ok(new_nodes.len())
    }

    /// What is between the two; only the new head when the old one is not among its ancestors.
    /// `known` may be one of stock's numbers.
    async fn since(&self, known: &str, new: &str) -> Result<Vec<String>, Trouble> {
        let between = match self.nodes(&format!("{known}::{new}")).await {
            Ok(nodes) => nodes,
            Err(RunError::Failed { stderr, .. }) if stderr.contains("unknown revision") => {
                Vec::new()
            }
            Err(error) => return Err(error.in_copy()),
        };
        Ok(match between.split_first() {
            Some((_, new)) => new.to_vec(),
            None => vec![new.to_owned()],
        })
    }

    async fn describe(&self, nodes: &[String]) -> Result<Vec<Changeset>, Trouble> {
        let set = nodes.join("+");
        let args = ["log", "-r", set.as_str(), "--template", hg_log::TEMPLATE];
        let answer = self.hg(&args, LOCAL).await.map_err(RunError::in_copy)?;
        let found = elsewhere(move || hg_log::parse(&answer)).await?.map_err(Trouble::Copy)?;
        if found.len() != nodes.len() {
            let told = format!("hg log told of {} of {} changesets", found.len(), nodes.len());
            return Err(Trouble::Copy(told));
        }
        Ok(found)
    }

    fn change(&self, branch: &str, changeset: Changeset) -> NewChange {
        let options = self.options;
        NewChange {
            author: changeset.author,
            comments: changeset.message,
            files: changeset.files,
            branch: Some(branch.to_owned()),
            revlink: options.revlink_of(branch, &changeset.node),
            revision: Some(changeset.node),
            when_timestamp: changeset.committed_at.filter(|_| options.usetimestamps),
            repository: options.repourl.clone(),
            project: options.project.clone(),
            codebase: options.codebase.clone(),
            src: Some("hg".to_owned()),
            ..NewChange::default()
        }
    }

    /// Throws the copy away if this poller made it; the next poll makes a new one.
    async fn drop_copy(&self) -> std::io::Result<bool> {
        if !tokio::fs::try_exists(self.copy.join(".hg").join(MARK)).await? {
            return Ok(false);
        }
        tracing::warn!("the copy of {} is thrown away", masked(&self.options.repourl));
        tokio::fs::remove_dir_all(&self.copy).await?;
        Ok(true)
    }
}

fn remember(last: &Map<String, Value>) -> Vec<(String, Value)> {
    vec![(STATE.to_owned(), Value::Object(last.clone()))]
}

/// hg refuses to pull a branch or bookmark that the other side does not have.
fn is_missing_name(error: &RunError) -> bool {
    let RunError::Failed { stderr, .. } = error else { return false };
    stderr.contains("unknown branch") || stderr.contains("bookmark") && stderr.contains("not found")
}
