//! Getting commits: clone, fetch, submodules.

use super::checkout::Checkout;
use super::version::Version;
use crate::steps::Finished;
use crate::steps::source::End;
use crate::steps::source::site::{Want, plain, words};

impl Checkout<'_, '_> {
    /// Clone, revision and submodules; the command that failed, or the last one.
    pub async fn full_clone(&mut self, version: &Version) -> Result<Finished, End> {
        let mut finished = self.clone(version).await?;
        for _ in 0..self.site.repeats() {
            if finished.ok() {
                break;
            }
            self.site.begin_again().await?;
            finished = self.clone(version).await?;
        }
        if !finished.ok() {
            return Ok(finished);
        }
        if let Some(revision) = self.wanted.revision.clone() {
            finished = self.revision_of_clone(&revision).await?;
        }
        if finished.ok() && self.git.submodules {
            let mut command = words(&["submodule", "update", "--init", "--recursive"]);
            if self.git.remote_submodules {
                command.push(plain("--remote"));
            }
            command.extend(self.depth());
            finished = self.git_command(command, Want::Errors, None).await?;
        }
        Ok(finished)
    }

    /// Checks out the revision in a new clone, which may not be deep enough.
    async fn revision_of_clone(&mut self, revision: &str) -> Result<Finished, End> {
        let finished = self.try_git(&["checkout", "-f", revision], Want::Errors).await?;
        if finished.ok() || self.git.shallow.is_none() {
            return Ok(finished);
        }
        // The branch has moved on: ask for the one commit.
        let mut fetch = words(&["fetch", "-f"]);
        fetch.extend(self.depth());
        fetch.extend([self.url.clone(), plain(revision)]);
        if !self.git_command(fetch, Want::Errors, None).await?.ok() {
            return Ok(finished);
        }
        self.try_git(&["checkout", "-f", revision], Want::Errors).await
    }

    async fn clone(&mut self, version: &Version) -> Result<Finished, End> {
        let git = self.git;
        // `clone` knows branches and tags only; any other reference is fetched afterwards.
        let is_reference = self.branch.starts_with("refs/");
        let named = self.branch != "HEAD";
        let fetches = is_reference || (named && !version.has_clone_branch());
        let mut command = words(&["clone"]);
        if is_reference && version.has_clone_branch() {
            command.push(plain("--no-checkout"));
        } else if named && !fetches {
            command.extend(words(&["--branch", &self.branch]));
        }
        command.extend(self.depth());
        for (option, value) in [("--reference", &self.reference), ("--origin", &self.origin)] {
            if let Some(value) = value {
                command.extend(words(&[option, value]));
            }
        }
        for filter in git.filters.iter().filter(|_| version.has_filters()) {
            command.extend(words(&["--filter", filter]));
        }
        command.extend([self.url.clone(), plain(".")]);
        if git.progress && version.has_progress() {
            command.push(plain("--progress"));
        }
        let finished = self.git_command(command, Want::Errors, None).await?;
        if finished.ok() && fetches { self.fetch(version).await } else { Ok(finished) }
    }

    pub async fn fetch_or_mend(&mut self, version: &Version) -> Result<(), End> {
        let mut finished = self.fetch(version).await?;
        if !finished.ok() && self.git.retry_fetch {
            finished = self.fetch(version).await?;
        }
        if !finished.ok() && self.git.clobber_on_failure {
            return self.clobber(version).await;
        }
        self.require(&finished)
    }

    /// Fetches unless the revision is there already, and checks out.
    async fn fetch(&mut self, version: &Version) -> Result<Finished, End> {
        let git = self.git;
        let revision = self.wanted.revision.clone();
        let present = match &revision {
            Some(revision) if !git.tags => {
                self.try_git(&["cat-file", "-e", revision], Want::Nothing).await?.ok()
            }
            _ => false,
        };
        if !present {
            let mut command = words(&["fetch", "-f"]);
            command.extend(self.depth());
            if git.tags {
                command.push(plain("--tags"));
            }
            if git.progress && version.has_progress() {
                command.push(plain("--progress"));
            }
            command.extend([self.url.clone(), plain(&self.branch)]);
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

    pub async fn update_submodules(
        &mut self,
        clean: &[&str],
        version: &Version,
    ) -> Result<(), End> {
        if !self.git.submodules {
            return Ok(());
        }
        self.must(&["submodule", "sync"]).await?;
        let mut update = vec!["submodule", "update", "--init", "--recursive"];
        let options = [
            ("--force", version.has_submodule_force()),
            ("--checkout", version.has_submodule_checkout()),
            ("--remote", self.git.remote_submodules),
        ];
        update.extend(options.iter().filter(|(_, given)| *given).map(|(option, _)| *option));
        self.must(&update).await?;
        if !clean.is_empty() {
            let inside = format!("git {}", clean.join(" "));
            self.must(&["submodule", "foreach", "--recursive", &inside]).await?;
            self.must(clean).await?;
        }
        Ok(())
    }

    fn depth(&self) -> Vec<protocol::command::Arg> {
        match self.git.shallow {
            Some(depth) => words(&["--depth", &depth.to_string()]),
            None => Vec::new(),
        }
    }
}
