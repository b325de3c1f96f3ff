//! MultipleFileUpload: files and directories of the worker into one directory of the master.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use protocol::command::{Block, Command, Compression};
use protocol::update::Update;

use super::line::Line;
use super::registry::{Draft, StepType};
use super::render::render_texts;
use super::transfer::glob::{join, matches};
use super::transfer::link::Link;
use super::transfer::options::{BlockOptions, compression, mode, renamed};
use super::transfer::path::safe_name;
use super::transfer::run::{
    FileSource, cancelled, render_master_path, upload_directory, upload_file,
};
use super::upload::{self, BLOCK};
use super::{Capture, Outcome, Step, StepError, Stream, Workbench};
use crate::config::fields::Fields;
use crate::flow::interpolate::Renderable;
use crate::model::{LogType, Results};

#[derive(Debug)]
struct MultipleFileUpload {
    sources: Renderable,
    destination: Renderable,
    block: BlockOptions,
    /// The sources are patterns.
    glob: bool,
    mode: Option<u32>,
    compression: Compression,
    keep_stamp: bool,
    link: Link,
    line: Line,
}

/// What a source is on the worker.
enum Kind {
    File,
    Directory,
}

#[async_trait(?Send)]
impl Step for MultipleFileUpload {
    async fn run(&self, bench: &mut dyn Workbench) -> Result<Outcome, StepError> {
        bench.log("stdio", LogType::Stdio, Stream::Stdout, "").await?;
        let destination = render_master_path(bench, "masterdest", &self.destination)?;
        let block = self.block.render(bench)?;
        let mut sources = render_texts(bench, &self.sources)?;
        if sources.is_empty() {
            return Ok(Outcome::plain(Results::Skipped));
        }
        if self.glob {
            sources = match matches(bench, &block.workdir, &sources).await? {
                Some(found) => found,
                None => return Ok(Outcome::plain(Results::Cancelled)),
            };
        }
        let count = sources.len();
        let text = format!("uploading {count} {}", if count == 1 { "file" } else { "files" });
        self.line.show(bench, &text)?;
        let mut results = if count == 0 { Results::Skipped } else { Results::Success };
        for source in sources {
            results = self.upload(bench, source, &block, &destination).await?;
            if results != Results::Success {
                break;
            }
        }
        self.link.show(bench, &destination)?;
        self.line.outcome(bench, results, &text)
    }

    fn in_master(&self, bench: &dyn Workbench) -> Option<Result<String, StepError>> {
        Some(self.told(bench))
    }
}

impl MultipleFileUpload {
    /// `takes a.log b.log of the worker to /srv/logs`
    fn told(&self, bench: &dyn Workbench) -> Result<String, StepError> {
        let destination = render_master_path(bench, "masterdest", &self.destination)?;
        let sources = render_texts(bench, &self.sources)?.join(" ");
        Ok(format!("takes {sources} of the worker to {}", destination.display()))
    }

    async fn upload(
        &self,
        bench: &mut dyn Workbench,
        source: String,
        block: &Block,
        directory: &Path,
    ) -> Result<Results, StepError> {
        let block = block.clone();
        let kind = match kind(bench, &block.workdir, &source).await? {
            Ok(kind) => kind,
            Err(results) => return Ok(results),
        };
        let name = safe_name(&source, &bench.worker().system).map_err(StepError::Failed)?;
        let destination = name.map_or(directory.to_owned(), |name| directory.join(name));
        match kind {
            Kind::File => {
                let file =
                    FileSource { source, block, keep_stamp: self.keep_stamp, mode: self.mode };
                upload_file(bench, file, destination).await
            }
            Kind::Directory => {
                upload_directory(bench, source, block, self.compression, destination).await
            }
        }
    }
}

/// Asks the worker; what cannot be uploaded is told in a log and ends the step.
async fn kind(
    bench: &mut dyn Workbench,
    workdir: &str,
    source: &str,
) -> Result<Result<Kind, Results>, StepError> {
    let stat = Command::Stat { file: join(workdir, source, &bench.worker().system) };
    let finished = bench.command(stat, Capture::default()).await?;
    if let Some(reason) = finished.interrupted {
        return Ok(Err(cancelled(bench, &reason).await?));
    }
    let mode = finished.updates.iter().find_map(|update| match update {
        Update::Stat([mode, ..]) if finished.rc == Some(0) => Some(mode & 0o170_000),
        _ => None,
    });
    let message = match mode {
        Some(0o040_000) => return Ok(Ok(Kind::Directory)),
        Some(0o100_000) => return Ok(Ok(Kind::File)),
        Some(_) => format!("{source} is neither a regular file, nor a directory"),
        None => format!("File {workdir}/{source} not available at worker"),
    };
    bench.log("stderr", LogType::Text, Stream::Stdout, &message).await?;
    Ok(Err(Results::Failure))
}

pub(super) const TYPES: &[StepType] =
    &[StepType { class: "MultipleFileUpload", name: "upload", defaults: upload::defaults, parse }];

fn parse(fields: &mut Fields<'_>, draft: &mut Draft) -> Arc<dyn Step> {
    renamed(fields, "slavesrcs", "workersrcs");
    Arc::new(MultipleFileUpload {
        sources: fields.required("workersrcs"),
        destination: fields.required("masterdest"),
        block: BlockOptions::parse(fields, BLOCK),
        glob: fields.or("glob", false),
        mode: mode(fields),
        compression: compression(fields),
        keep_stamp: fields.or("keepstamp", false),
        link: Link::parse(fields),
        line: Line::of(draft),
    })
}
