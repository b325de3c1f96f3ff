//! SVN: brings a directory of a Subversion repository to the worker.
//!
//! `mode = "incremental"` updates a working copy and leaves what builds made of it;
//! `mode = "full"` starts clean by `method`: `clobber` (new checkout), `fresh` (removes everything
//! that is not in the repository), `clean` (keeps ignored files), `copy` or `export` (updates a
//! working copy of its own and copies or exports it). A working copy of another address, or a
//! broken one, is replaced by a new checkout.

mod address;
#[cfg(test)]
mod tests;
mod xml;

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::{Arg, Command};

use super::registry::{Draft, StepType};
use super::source::options::{Hidden, SourceOptions, method};
use super::source::site::{Site, Want, arg, plain, real, words};
use super::source::{self, End, SourceControl, SourceStep, Wanted, odd_word};
use super::{CAPTURE_LIMIT, Finished, Step, Stream};
use crate::config::fields::Fields;
use crate::flow::interpolate::Renderable;
use crate::model::{Change, LogType};

/// The options, as read.
#[derive(Debug)]
struct Svn {
    source: SourceOptions,
    repourl: Renderable,
    /// `None` is incremental.
    method: Option<&'static str>,
    username: Option<Renderable>,
    password: Option<Hidden>,
    extra_args: Vec<Renderable>,
    keep_on_purge: Vec<String>,
    depth: Option<String>,
    prefer_last_changed_rev: bool,
}

/// The methods of `mode = "full"`, stock's default first.
const METHODS: [&str; 5] = ["fresh", "clobber", "clean", "copy", "export"];

/// Another program was cut off in the middle of its work, and left its lock or its journal.
const CUT_OFF: [&str; 2] = ["E155004", "E155037"];

pub(super) const TYPES: &[StepType] =
    &[StepType { class: "SVN", name: "svn", defaults: source::defaults, parse }];

fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let depth = fields.optional_checked("depth", |depth: &String| {
        let known = ["empty", "files", "immediates", "infinity"];
        (!known.contains(&depth.as_str())).then(|| format!("must be one of {}", known.join(", ")))
    });
    Arc::new(SourceStep(Svn {
        source: SourceOptions::parse(fields, draft),
        repourl: fields.required("repourl"),
        method: method(fields, &METHODS),
        username: fields.optional("username"),
        password: fields.optional("password"),
        extra_args: fields.or_default("extra_args"),
        keep_on_purge: fields.or_default("keep_on_purge"),
        depth,
        prefer_last_changed_rev: fields.or("preferLastChangedRev", false),
    }))
}

#[async_trait(?Send)]
impl SourceControl for Svn {
    fn class(&self) -> &'static str {
        "SVN"
    }

    fn options(&self) -> &SourceOptions {
        &self.source
    }

    /// Revisions are numbers of the whole repository: the highest holds all changes.
    fn newest(&self, changes: &[&Change]) -> Result<Option<String>, String> {
        let mut highest = None;
        for change in changes {
            let Some(revision) = &change.revision else { return Ok(None) };
            let number = revision.parse::<u64>();
            let number =
                number.map_err(|_| format!("'{revision}' is no revision of Subversion"))?;
            highest = highest.max(Some(number));
        }
        Ok(highest.map(|number| number.to_string()))
    }

    async fn check_out(&self, site: &mut Site<'_>, wanted: &Wanted) -> Result<(), End> {
        let mut checkout = Checkout::prepare(self, site, wanted)?;
        checkout.run().await
    }
}

/// One checkout: the commands, in order, on the worker.
struct Checkout<'a, 's> {
    svn: &'a Svn,
    site: &'a mut Site<'s>,
    wanted: &'a Wanted,
    url: Arg,
    /// Who asks.
    login: Vec<Arg>,
    extra_args: Vec<Arg>,
}

impl<'a, 's> Checkout<'a, 's> {
    /// Renders the options.
    fn prepare(
        svn: &'a Svn,
        site: &'a mut Site<'s>,
        wanted: &'a Wanted,
    ) -> Result<Checkout<'a, 's>, End> {
        let url = site.word(&svn.repourl)?;
        if let Some(reason) = odd_word("repository", real(&url)) {
            return Err(End::failure(reason));
        }
        let mut login = Vec::new();
        if let Some(username) = &svn.username {
            login.extend([plain("--username"), site.word(username)?]);
        }
        if let Some(password) = &svn.password {
            let password = real(&site.word(&password.0)?).to_owned();
            login.extend([plain("--password"), arg(password, "XXXXXX".to_owned())]);
        }
        let extra_args = svn.extra_args.iter().map(|word| site.word(word));
        let extra_args = extra_args.collect::<Result<_, _>>()?;
        Ok(Checkout { svn, site, wanted, url, login, extra_args })
    }

    async fn run(&mut self) -> Result<(), End> {
        if !self.site.program(words(&["svn", "--version"]), Want::Nothing).await?.ok() {
            return Err(End::failure("svn is not installed on the worker"));
        }
        let patched = self.site.is_patched().await?;
        match self.svn.method {
            Some("clobber") => self.clobber().await?,
            Some("copy" | "export") => self.copy().await?,
            method => self.update(method, patched).await?,
        }
        if let Some(patch) = &self.wanted.patch {
            self.site.apply(patch).await?;
        }
        self.got_revision().await
    }

    /// Updates the working copy, whatever it is.
    async fn update(&mut self, method: Option<&str>, patched: bool) -> Result<(), End> {
        if !self.is_updatable().await? {
            return self.clobber().await;
        }
        let purges = patched || method.is_some();
        if purges && !self.purge(method == Some("fresh")).await? {
            return self.clobber().await;
        }
        let mut command = words(&["update"]);
        command.extend(self.revision());
        let finished = self.svn(command, Want::Errors).await?;
        if CUT_OFF.iter().any(|code| finished.stderr.contains(code)) {
            return self.clobber().await;
        }
        self.require(&finished)
    }

    /// Is there a sound working copy of the right address?
    async fn is_updatable(&mut self) -> Result<bool, End> {
        if !self.site.exists(self.site.path(".svn")).await? {
            return Ok(false);
        }
        let info = self.svn(words(&["info", "--xml"]), Want::Both).await?;
        if CUT_OFF.iter().any(|code| info.stderr.contains(code)) {
            return Ok(false);
        }
        let found = xml::info(&info.stdout).and_then(|info| info.url);
        Ok(found.is_some_and(|found| address::same(&found, real(&self.url))))
    }

    /// Removes everything that `svn status` shows; false when that is too much to be told.
    async fn purge(&mut self, ignored_as_well: bool) -> Result<bool, End> {
        let mut command = words(&["status", "--xml"]);
        if ignored_as_well {
            command.push(plain("--no-ignore"));
        }
        let status = self.svn(command, Want::Both).await?;
        self.require(&status)?;
        if status.stdout.len() >= CAPTURE_LIMIT {
            return Ok(false);
        }
        let Some(names) = xml::unversioned(&status.stdout) else {
            return Err(End::failure("cannot read what svn status printed"));
        };
        let names = names.into_iter().filter(|name| !self.svn.keep_on_purge.contains(name));
        let paths: Vec<String> = names.map(|name| self.site.path(&name)).collect();
        if !paths.is_empty() && !self.site.plain(self.site.removal(paths)).await?.ok() {
            return Err(End::failure("cannot remove what is not in the repository"));
        }
        Ok(true)
    }

    async fn clobber(&mut self) -> Result<(), End> {
        self.site.remove(&self.site.workdir.clone()).await?;
        let mut finished = self.checkout().await?;
        for _ in 0..self.site.repeats() {
            if finished.ok() {
                break;
            }
            self.site.begin_again().await?;
            finished = self.checkout().await?;
        }
        self.require(&finished)
    }

    async fn checkout(&mut self) -> Result<Finished, End> {
        let mut command = vec![plain("checkout"), self.url.clone(), plain(".")];
        command.extend(self.revision());
        self.svn(command, Want::Errors).await
    }

    /// Updates a working copy of its own, and brings that to the work directory.
    async fn copy(&mut self) -> Result<(), End> {
        let kept = self.svn.source.kept_checkout(self.site.separator());
        let target = std::mem::replace(&mut self.site.workdir, kept.clone());
        self.site.remove(&target).await?;
        let updated = self.update(None, false).await;
        self.site.workdir = target.clone();
        updated?;
        let finished = match self.svn.method {
            Some("copy") => self.site.copy(kept, target).await?,
            _ => self.export(&kept, &target).await?,
        };
        self.require(&finished)
    }

    async fn export(&mut self, from: &str, to: &str) -> Result<Finished, End> {
        let mut command = words(&["svn", "export"]);
        command.extend(self.revision());
        command.extend(self.login.iter().chain(&self.extra_args).cloned());
        command.extend(words(&[from, to]));
        let mut shell = self.site.shell(command, None);
        // Both paths are relative to the builder's directory.
        shell.workdir = String::new();
        self.site.run(Command::Shell(shell), Want::Errors.into()).await
    }

    async fn got_revision(&mut self) -> Result<(), End> {
        let mut shell = self.site.shell(words(&["svn", "info", "--xml"]), None);
        if self.svn.method == Some("export") {
            shell.workdir = self.svn.source.kept_checkout(self.site.separator());
        }
        let finished = self.site.run(Command::Shell(shell), Want::Both.into()).await?;
        let info = xml::info(&finished.stdout).unwrap_or_default();
        let changed = info.last_changed.filter(|_| self.svn.prefer_last_changed_rev);
        let Some(revision) = changed.or(info.revision) else {
            self.require(&finished)?;
            return Err(End::failure("svn info gave no revision"));
        };
        let text = format!("Got SVN revision {revision}\n");
        self.site.bench.log("stdio", LogType::Stdio, Stream::Header, &text).await?;
        self.site.set_property("got_revision", &revision);
        Ok(())
    }

    fn revision(&self) -> Vec<Arg> {
        match &self.wanted.revision {
            Some(revision) => words(&["--revision", revision]),
            None => Vec::new(),
        }
    }

    /// Runs svn so that it asks nobody and remembers nothing.
    async fn svn(&mut self, arguments: Vec<Arg>, want: Want) -> Result<Finished, End> {
        let mut command = vec![plain("svn")];
        command.extend(arguments);
        command.extend(words(&["--non-interactive", "--no-auth-cache"]));
        command.extend(self.login.iter().cloned());
        if let Some(depth) = &self.svn.depth {
            command.extend(words(&["--depth", depth]));
        }
        command.extend(self.extra_args.iter().cloned());
        self.site.program(command, want).await
    }

    fn require(&self, finished: &Finished) -> Result<(), End> {
        self.site.require(finished, reason)
    }
}

/// The last line with which svn gave up, which is the most precise one.
fn reason(stderr: &str) -> Option<&str> {
    let mut complaints = stderr.lines().filter_map(|line| line.trim().strip_prefix("svn: "));
    complaints.rfind(|line| !line.starts_with("warning: "))
}
