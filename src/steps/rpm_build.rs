//! RpmBuild: builds packages from a spec file on the worker.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;
use serde_json::Value;

use super::command::{ProgramOptions, command_line};
use super::observe::KeptLines;
use super::registry::{Draft, StepType};
use super::render::{render, render_text, table};
use super::shell::described;
use super::transfer::path::base_name;
use super::{Capture, LineObserver, Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::{Renderable, UsedSecret, mask, text};
use crate::model::LogType;

/// The directories that rpmbuild is told, and the keys that name them.
const DIRECTORIES: [(&str, &str); 6] = [
    ("_topdir", "topdir"),
    ("_builddir", "builddir"),
    ("_rpmdir", "rpmdir"),
    ("_sourcedir", "sourcedir"),
    ("_specdir", "specdir"),
    ("_srcrpmdir", "srcrpmdir"),
];

#[derive(Debug)]
struct RpmBuild {
    program: ProgramOptions,
    specfile: Renderable,
    directories: Vec<(&'static str, Renderable)>,
    dist: Renderable,
    /// A table of macros.
    define: Renderable,
    /// Counts the release in a file of the master.
    auto_release: bool,
    /// Defines `_revision` as the property `got_revision`.
    vcs_revision: bool,
}

#[async_trait(?Send)]
impl Step for RpmBuild {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        let (line, secrets) = self.line(bench).await?;
        let shown = mask(&line, &secrets).into_owned();
        let (shell, _) = self.program.shell(bench, command_line(bench, line, shown))?;
        self.program.open_logs(bench, Some("stdio")).await?;
        let mut heard = Heard::default();
        let command = Command::Shell(shell);
        let finished = bench.observed(command, Capture::default(), &mut heard).await?;
        let commands = heard.commands.text();
        bench.log("RPM Command Log", LogType::Text, Stream::Stdout, &commands).await?;
        if heard.errors.count() > 0 {
            let errors = heard.errors.text();
            bench.log("RPM Errors", LogType::Text, Stream::Stdout, &errors).await?;
        }
        let results = self.program.results(&finished);
        Ok(Outcome { limit: finished.limit(), ..Outcome::plain(results) })
    }
}

impl RpmBuild {
    /// The command for a shell. Its directories may be commands: `` `pwd` ``.
    async fn line(&self, bench: &dyn Workbench) -> Result<(String, Vec<UsedSecret>), StepError> {
        let mut line = "rpmbuild".to_owned();
        let mut secrets = Vec::new();
        for (name, value) in &self.directories {
            let value = render(bench, value)?;
            define(&mut line, name, &text(&value.value));
            secrets.extend(value.secrets);
        }
        let defined = render(bench, &self.define)?;
        secrets.extend(defined.secrets);
        for (name, value) in table(defined.value, "define")? {
            define(&mut line, &name, &text(&value));
        }
        let specfile = render_text(bench, &self.specfile)?;
        if self.auto_release {
            define(&mut line, "_release", &next_release(bench, &specfile).await?.to_string());
        }
        if self.vcs_revision
            && let Some(Value::String(revision)) = bench.properties().get("got_revision")
            && !revision.is_empty()
        {
            define(&mut line, "_revision", revision);
        }
        define(&mut line, "dist", &render_text(bench, &self.dist)?);
        line.push_str(&format!(" -ba {specfile}"));
        Ok((line, secrets))
    }
}

fn define(line: &mut String, name: &str, value: &str) {
    line.push_str(&format!(" --define \"{name} {value}\""));
}

/// The release of this build, counted in `NAME.release` in the master's base directory; the first
/// is 0.
async fn next_release(bench: &dyn Workbench, specfile: &str) -> Result<u64, StepError> {
    let name = base_name(specfile, "posix");
    let stem = name.split('.').next().unwrap_or_default();
    if stem.is_empty() {
        let message = format!("'autoRelease' needs a spec file with a name, not '{specfile}'");
        return Err(StepError::Failed(message));
    }
    let path = bench.master_basedir().join(format!("{stem}.release"));
    let release = match tokio::fs::read_to_string(&path).await {
        Ok(text) => text.lines().next().unwrap_or_default().trim().parse().unwrap_or(0),
        Err(_) => 0,
    };
    let written = tokio::fs::write(&path, (release + 1).to_string()).await;
    written.map_err(|error| {
        StepError::Failed(format!("cannot count the release in '{}': {error}", path.display()))
    })?;
    Ok(release)
}

/// Lines of the output that tell what rpmbuild does, and what is wrong.
#[derive(Default)]
struct Heard {
    commands: KeptLines,
    errors: KeptLines,
}

impl LineObserver for Heard {
    fn line(&mut self, _stream: Stream, line: &str) {
        let commands = [
            "Provides:",
            "Requires(",
            "Requires:",
            "Checking for unpackaged",
            "Wrote:",
            "Executing(%",
            "+ ",
            "Processing files:",
        ];
        if commands.iter().any(|words| line.starts_with(words)) {
            self.commands.push(line);
        }
        let errors = ["   ", "RPM build errors:", "error: "];
        if errors.iter().any(|words| line.starts_with(words)) {
            self.errors.push(line);
        }
    }
}

pub(super) const TYPES: &[StepType] = &[StepType {
    class: "RpmBuild",
    name: "rpmbuilder",
    defaults: || described(true, "RPMBUILD", "RPMBUILD"),
    parse,
}];

fn parse(fields: &mut Fields<'_>, _draft: &mut Draft) -> Arc<dyn Step> {
    let here = || Renderable::literal("`pwd`");
    Arc::new(RpmBuild {
        specfile: fields.required("specfile"),
        directories: DIRECTORIES.map(|(name, key)| (name, fields.or(key, here()))).to_vec(),
        dist: fields.or("dist", Renderable::literal(".el6")),
        define: fields.or_default("define"),
        auto_release: fields.or("autoRelease", false),
        vcs_revision: fields.or("vcsRevision", false),
        program: ProgramOptions::parse_shared(fields),
    })
}
