//! FileDownload: from the master to the worker.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::Command;

use super::line::Line;
use super::registry::{Draft, StepType};
use super::render::{render, render_text};
use super::transfer::TransferEnd;
use super::transfer::options::{BlockOptions, mode, renamed};
use super::transfer::path::base_name;
use super::transfer::run::{render_master_path, transfer};
use super::transfer::source::SentFile;
use super::upload::{self, BLOCK};
use super::{Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::{Renderable, repr};
use crate::model::{LogType, Results};

/// Where something goes on the worker; what every download has.
#[derive(Debug)]
pub(super) struct Target {
    destination: Renderable,
    block: BlockOptions,
    mode: Option<u32>,
    line: Line,
}

impl Target {
    pub fn parse(fields: &mut Fields<'_>, draft: &Draft) -> Target {
        renamed(fields, "slavedest", "workerdest");
        Target {
            destination: fields.required("workerdest"),
            block: BlockOptions::parse(fields, BLOCK),
            mode: mode(fields),
            line: Line::of(draft),
        }
    }

    fn text(&self, bench: &dyn Workbench) -> Result<String, StepError> {
        let shown = render(bench, &self.destination)?.texts().1;
        Ok(format!("downloading to {}", base_name(&shown, "posix")))
    }

    /// Sends what `end` has.
    pub async fn send(
        &self,
        bench: &mut dyn Workbench,
        end: &mut dyn TransferEnd,
    ) -> Result<Outcome, StepError> {
        let text = self.text(bench)?;
        self.line.show(bench, &text)?;
        let dest = render_text(bench, &self.destination)?;
        let block = self.block.render(bench)?;
        let command = Command::DownloadFile { dest, block, mode: self.mode };
        let results = transfer(bench, command, end).await?;
        self.line.outcome(bench, results, &text)
    }
}

#[derive(Debug)]
struct FileDownload {
    source: Renderable,
    target: Target,
}

#[async_trait(?Send)]
impl Step for FileDownload {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        bench.log("stdio", LogType::Stdio, Stream::Stdout, "").await?;
        let path = render_master_path(bench, "mastersrc", &self.source)?;
        match SentFile::open(&path).await {
            Ok(mut file) => self.target.send(bench, &mut file).await,
            Err(error) => {
                tracing::info!(path = %path.display(), %error, "a file for a worker is not there");
                let shown = render(bench, &self.source)?.texts().1;
                let text = format!("File {} not available at master", repr(&shown.into()));
                bench.log("stderr", LogType::Text, Stream::Stdout, &text).await?;
                let line = self.target.text(bench)?;
                self.target.line.outcome(bench, Results::Failure, &line)
            }
        }
    }

    fn in_master(&self, bench: &dyn Workbench) -> Option<Result<String, StepError>> {
        Some(self.told(bench))
    }
}

impl FileDownload {
    /// `sends /srv/a.conf to build/a.conf of the worker`
    fn told(&self, bench: &dyn Workbench) -> Result<String, StepError> {
        let source = render_master_path(bench, "mastersrc", &self.source)?;
        let target = render(bench, &self.target.destination)?.texts().1;
        Ok(format!("sends {} to {target} of the worker", source.display()))
    }
}

pub(super) const TYPES: &[StepType] =
    &[StepType { class: "FileDownload", name: "download", defaults: upload::defaults, parse }];

fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    let target = Target::parse(fields, draft);
    Arc::new(FileDownload { source: fields.required("mastersrc"), target })
}
