//! `SVNPoller`: polls one Subversion repository for new revisions.

mod log;
mod options;
mod split;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::process::{ASK, Call, FETCH, Program, RunError};
use super::registry::Draft;
use super::{Desk, Found, Source, Trouble, elsewhere};
use crate::config::fields::Fields;
use crate::flow::branches::masked;
use log::{Entry, changes_of};
use options::SvnOptions;

/// Where the last revision that was reported is kept. Stock keeps it in `cachepath`, or nowhere.
const STATE: &str = "last_change";

/// Reads the poller's own keys.
pub fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Source> {
    Arc::new(SvnPoller(SvnOptions::parse(fields, draft)))
}

#[derive(Debug)]
struct SvnPoller(SvnOptions);

#[async_trait]
impl Source for SvnPoller {
    async fn look(&self, desk: &dyn Desk) -> Result<Found, Trouble> {
        Poll { options: &self.0, desk }.run().await
    }
}

struct Poll<'a> {
    options: &'a SvnOptions,
    desk: &'a dyn Desk,
}

impl Poll<'_> {
    async fn run(&self) -> Result<Found, Trouble> {
        let prefix = self.prefix().await?;
        let Some(mut last) = self.last().await? else {
            // As in stock the first poll only remembers where the repository stands.
            let newest = self.newest().await?;
            self.remember(newest, Vec::new()).await?;
            let url = masked(&self.options.repourl);
            tracing::info!("first look at {url}: what is committed after r{newest} is built");
            return Ok(Found::default());
        };
        let mut found = Found::default();
        loop {
            let entries = match self.after(last).await {
                Ok(entries) => entries,
                Err(RunError::Failed { stderr, .. }) if stderr.contains("E160006") => {
                    found.notes.push(self.start_anew(last).await?);
                    return Ok(found);
                }
                Err(error) => return Err(error.remote()),
            };
            let entries =
                elsewhere(move || log::parse(&entries)).await?.map_err(Trouble::Remote)?;
            // The first one is the last of the poll before, if that concerned this directory.
            let full = entries.len() > self.options.histmax;
            let new: Vec<Entry> = entries.into_iter().filter(|e| e.revision > last).collect();
            let Some(newest) = new.iter().map(|entry| entry.revision).max() else {
                return Ok(found);
            };
            let changes = new.iter().flat_map(|entry| changes_of(entry, &prefix, self.options));
            let changes: Vec<_> = changes.collect();
            found.changes += changes.len();
            self.remember(newest, changes).await?;
            last = newest;
            if !full {
                return Ok(found);
            }
        }
    }

    /// Runs svn without questions; the password goes to its standard input, where nobody sees it.
    async fn svn(&self, args: &[&str], deadline: std::time::Duration) -> Result<Vec<u8>, RunError> {
        let options = self.options;
        let program = Program { name: "svn", path: options.svnbin.clone(), setting: "svnbin" };
        let mut call = Call::new(args);
        call.args.push("--non-interactive".to_owned());
        if let Some(user) = &options.svnuser {
            call.args.push(format!("--username={user}"));
        }
        let stdin = options.svnpasswd.as_ref().map(|password| format!("{password}\n"));
        if let Some(stdin) = &stdin {
            call.args.extend(["--password-from-stdin", "--no-auth-cache"].map(str::to_owned));
            call.stdin = stdin;
        }
        call.args.extend(options.extra_args.iter().cloned());
        // An `@` in the URL would be taken for a revision without another one behind it.
        call.args.push(format!("{}@", options.repourl));
        call.env = vec![("LC_ALL", "C.UTF-8".to_owned())];
        program.run(self.desk.basedir(), call, deadline).await.map_err(|error| self.hide(error))
    }

    /// No message repeats the password.
    fn hide(&self, error: RunError) -> RunError {
        match (error, self.options.svnpasswd.as_deref()) {
            (RunError::Failed { call, stderr }, Some(password)) if !password.is_empty() => {
                RunError::Failed { call, stderr: stderr.replace(password, "***") }
            }
            (error, _) => error,
        }
    }

    /// What paths of the repository begin with: the part of `repourl` behind the repository's root.
    async fn prefix(&self) -> Result<String, Trouble> {
        let answer = self.svn(&["info", "--xml"], ASK).await.map_err(RunError::remote)?;
        let root = log::root(&answer).map_err(Trouble::Remote)?;
        log::prefix(&self.options.repourl, &root).ok_or_else(|| {
            let (url, root) = (masked(&self.options.repourl), masked(&root));
            Trouble::Remote(format!(
                "'repourl' is {url}, which is not below the repository's root {root}; write it as \
                 the repository does"
            ))
        })
    }

    /// The newest revision of what is watched; 0 when there is none.
    async fn newest(&self) -> Result<i64, Trouble> {
        let args = ["log", "--xml", "--limit=1"];
        let answer = self.svn(&args, ASK).await.map_err(RunError::remote)?;
        let entries = log::parse(&answer).map_err(Trouble::Remote)?;
        Ok(entries.first().map_or(0, |entry| entry.revision))
    }

    /// The log from the revision `last` on, oldest first.
    async fn after(&self, last: i64) -> Result<Vec<u8>, RunError> {
        let range = format!("--revision={last}:HEAD");
        let limit = format!("--limit={}", self.options.histmax + 1);
        self.svn(&["log", "--xml", "--verbose", &range, &limit], FETCH).await
    }

    /// The repository has fewer revisions than were reported: it was made anew.
    async fn start_anew(&self, last: i64) -> Result<String, Trouble> {
        let newest = self.newest().await?;
        self.remember(newest, Vec::new()).await?;
        Ok(format!(
            "the repository has no revision {last} any more; what is committed after r{newest} is \
             built"
        ))
    }

    /// The last revision that was reported.
    async fn last(&self) -> Result<Option<i64>, Trouble> {
        if let Some(last) = self.desk.recall(STATE).await?.as_ref().and_then(Value::as_i64) {
            return Ok(Some(last));
        }
        // What a stock master has left.
        let Some(path) = self.cache() else { return Ok(None) };
        let text = tokio::fs::read_to_string(path).await.unwrap_or_default();
        Ok(text.trim().parse().ok())
    }

    async fn remember(
        &self,
        last: i64,
        changes: Vec<crate::model::NewChange>,
    ) -> Result<(), Trouble> {
        self.desk.report(changes, vec![(STATE.to_owned(), Value::from(last))]).await?;
        // For a stock master that comes after us.
        if let Some(path) = self.cache()
            && let Err(error) = tokio::fs::write(&path, last.to_string()).await
        {
            tracing::warn!("cannot write 'cachepath' {}: {error}", path.display());
        }
        Ok(())
    }

    fn cache(&self) -> Option<std::path::PathBuf> {
        let path: &Path = self.options.cachepath.as_deref()?;
        Some(self.desk.basedir().join(path))
    }
}
